"""Ad breaks: found for a reason, explained, and taken out of playlists and MPDs without a seam."""
