"""The command `triptych` and its sub-commands."""

import sys
from collections.abc import Sequence

from . import codecs, console, decode, encode, evaluate, info, report, selfcheck

COMMANDS = {
    "encode": encode,
    "decode": decode,
    "info": info,
    "codecs": codecs,
    "selfcheck": selfcheck,
    "evaluate": evaluate,
    "report": report,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sub-command that `argv` (default: the command line) names; its exit status."""
    parser = console.Parser(prog="triptych", description="Neural codecs for audio, image and video.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = module.__doc__.partition(": ")[2].strip()
        command = commands.add_parser(name, help=text.rstrip("."), description=text[0].upper() + text[1:])
        module.add_arguments(command)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: COMMANDS[arguments.command].run(arguments))


if __name__ == "__main__":
    sys.exit(main())
