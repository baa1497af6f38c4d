"""Weights that ship, found by content."""
