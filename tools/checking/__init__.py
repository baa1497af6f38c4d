"""What `triptych selfcheck` does: files to decode, settings to decode them under, and the comparison of symbols."""
