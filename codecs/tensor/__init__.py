"""Codecs of tensors."""
