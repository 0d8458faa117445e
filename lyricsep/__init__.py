"""lyricsep: songs in, readable timed lyrics out."""
