"""Codecs for video."""
