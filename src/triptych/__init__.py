"""Triptych: neural codecs for audio, image and video."""
