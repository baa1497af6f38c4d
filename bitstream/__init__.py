"""Bytes to files and back: the .trip container."""
