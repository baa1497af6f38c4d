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
        help="processes of a batch; default: one per processor",
    )
    parser.add_argument("--engine", choices=ENGINES, help="of a batch: processes here (local) or a Ray cluster (ray)")


def asked(arguments: argparse.Namespace) -> bool:
    """Whether a batch is wanted; raises UsageError for arguments that only a batch has."""
    for name in ("jobs", "engine"):
        if getattr(arguments, name) is not None and not arguments.batch:
            raise UsageError(f"--{name} is for --batch")
    return arguments.batch
