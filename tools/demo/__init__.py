"""`make demo`: real media through every default codec and through well-known ones of about the same size."""
