"""The arguments of batches, apart from their work so that the command line starts quickly."""

import argparse

from . import console
from .errors import UsageError

ENGINES = ("local", "ray")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what both commands know of batches."""
    parser.add_argument(
        "--batch",
        action="store_true",
        help="IN and OUT are folders: every file below IN, in the same folders below OUT",
    )
    parser.add_argument(
        "--jobs",
        type=console.number(1, 1024, True),
        metavar="N",
        help="processes of a batch, a long film or a large fitted picture; default: one per processor, for a film threads",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, help="where --jobs run: processes here (local) or a Ray cluster (ray)"
    )


def asked(arguments: argparse.Namespace) -> bool:
    """Whether a batch is wanted."""
    return arguments.batch


def refuse(arguments: argparse.Namespace, others: str = "") -> None:
    """Raise UsageError for arguments of batches, which this is none; others: what else has them."""
    for name in ("jobs", "engine"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} is for --batch{others}")
