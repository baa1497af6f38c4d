"""`triptych codecs`: the codecs of this installation and the weights that come with them."""

import argparse
import sys
from collections.abc import Sequence

from . import console

KINDS = {"image": "pictures", "audio": "sounds", "video": "films"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none."""


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    print("\n".join(lines()))


def lines() -> list[str]:
    """One line per codec, and below it one per weights file."""
    from ..codecs.registry import CODECS, DEFAULTS
    from ..weights import entries

    found = []
    for name in CODECS:
        kind = name.partition("/")[0]
        default = ", the default" if DEFAULTS.get(kind) == name else ""
        found.append(f"{name}  for {KINDS[kind]}{default}")
        rows = [entry for entry in entries() if entry.codec == name]
        for row in rows:
            chosen = ", used for encoding" if row.default else ""
            found.append(f"    weights {row.digest[:16]}  {row.file}, {row.bytes} bytes, {row.licence}{chosen}")
        if not rows:
            found.append("    no weights: fitted to each input, or trained with triptych.tools.train")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych codecs", description=__doc__)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
