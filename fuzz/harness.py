"""The same targets under atheris, which follows coverage: `python fuzz/harness.py TARGET [CORPUS] [options of libFuzzer]`.

Needs `pip install atheris`. Targets are those of `targets.py`: container, registry, weights, image-patch and so on. Without
CORPUS the seeds of the target are written below runs/corpus/TARGET and used. Checksums are made right before a codec sees
a file, so that mutations get past them.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["triptych.bitstream", "triptych.weights", "triptych.tools.models"]):
    from triptych import bitstream, weights  # noqa: F401  instrumented, and used by the targets

from mutations import join, split
from targets import OURS, Target, targets

from triptych.bitstream import TripError

START = 5  # bytes in front of the first chunk


def mended(data: bytes) -> bytes:
    """A file with right checksums, as far as it consists of chunks."""
    try:
        return join(data[:START], split(data))
    except (TripError, IndexError):
        return data


def attacked(target: Target) -> None:
    """Give the target over to libFuzzer."""

    def once(data: bytes) -> None:
        try:
            target.run(mended(data) if target.form in ("container", "codec") else data)
        except OURS:
            return

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


def main() -> None:
    """Prepare the corpus and start."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    name = sys.argv.pop(1)
    target = targets([name])[name]
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        corpus = Path("runs/corpus") / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        sys.argv.insert(1, str(corpus))
    attacked(target)


if __name__ == "__main__":
    main()
