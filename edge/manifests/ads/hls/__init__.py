"""Ad breaks in HLS playlists."""
