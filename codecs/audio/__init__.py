"""Codecs for audio."""
