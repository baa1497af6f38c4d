"""`triptych codecs`: the codecs of this installation and the weights that come with them."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ..codecs.registry import Family

KINDS = {"image": "pictures", "audio": "sounds", "video": "films"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none."""


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    print("\n".join(lines()))


def lines() -> list[str]:
    """One line per codec, and below it one per weights file; then the codecs of other packages."""
    from ..codecs.registry import CODECS, DEFAULTS, FAMILIES
    from ..weights import entries

    found = []
    for name in CODECS:
        kind = name.partition("/")[0]
        default = ", the default" if DEFAULTS.get(kind) == name else ""
        found.append(f"{name}  for {KINDS[kind]}{default}")
        rows = [entry for entry in entries() if entry.codec == name]
        for row in rows:
            chosen = ", used for encoding" if row.default else ""
            variant = f", variant {row.variant}" if row.variant else ""
            found.append(
                f"    weights {row.digest[:16]}  {row.file}, {row.bytes} bytes, {row.licence}{variant}{chosen}"
            )
        if not rows:
            found.append("    no weights: fitted to each input, or trained with triptych.tools.train")
    for family in FAMILIES.values():
        found += _family(family)
    return [*found, *_peers()]


def _peers() -> list[str]:
    """The well-known codecs that stand beside ours in an evaluation, each with its presets."""
    from .peers import PEERS, available

    found = ["well-known codecs, for triptych evaluate"]
    for name, reason in available().items():
        presets = f"  presets {', '.join(PEERS[name].presets)}" if PEERS[name].presets else ""
        found.append(f"    {name}  for {KINDS[PEERS[name].kind]}{presets}" + (f"; {reason}" if reason else ""))
    return found


def _family(family: "Family") -> list[str]:
    """The codecs that another package gives, and whether it is there."""
    names = [f"    {name}" for name in family.names]
    there = find_spec(family.package) is not None
    state = "" if there else f"; not installed: pip install 'triptych[{family.package}]'"
    text = f"    weights of others, fetched by the package {family.package} or given with --weights{state}"
    return [f"{family.form}  for {KINDS[family.kind]}", *names, text]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych codecs", description=__doc__)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
