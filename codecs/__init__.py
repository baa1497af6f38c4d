"""Codecs: signals to integers and back."""

if __name__ == "codecs":
    raise ImportError(
        "the repository root is on the import path and hides Python's own module codecs; "
        "remove it from PYTHONPATH and import triptych.codecs"
    )
