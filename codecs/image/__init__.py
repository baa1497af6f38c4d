"""Codecs for pictures."""
