"""Ad breaks in MPDs."""
