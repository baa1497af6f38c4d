"""`triptych encode`: a picture, a sound or a film becomes a .trip file."""

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import batch_arguments, console
from .errors import UsageError
from .files import STANDARD, special, whole

if TYPE_CHECKING:
    from ..codecs.base import Options
    from ..codecs.signals import Signal
    from .keeping import Folder
    from .spread import Workers
    from .targets import Target

SUFFIX = ".trip"
TARGETS = {
    "bytes": "instead of --quality: the best file of at most X bytes",
    "bpp": "at most X bits per pixel",
    "kbps": "at most X kbit/s, for sounds",
    "psnr": "the file whose PSNR is nearest to X dB",
    "ms-ssim": "the file whose MS-SSIM is nearest to X",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("input", metavar="IN", help="what Pillow, soundfile or PyAV read; - for standard input")
    parser.add_argument("output", metavar="OUT", nargs="?", help="default: IN with .trip; - for standard output")
    parser.add_argument("--codec", help="default: the one for this kind of input; see triptych codecs")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file, or a variant such as 48k")
    parser.add_argument("--quality", type=console.number(0, 100), default=50.0, metavar="0..100", help="default: 50")
    parser.add_argument("--effort", type=console.number(0, 10, True), default=3, metavar="0..10", help="default: 3")
    parser.add_argument(
        "--seconds", type=console.number(1, math.inf), help="time to fit a network in, for codecs that do so"
    )
    parser.add_argument(
        "--group", type=console.number(1, 1 << 16, True), metavar="FRAMES",
        help="frames of a film that share a network; default: all of up to 320, otherwise about 240",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true", help="go on with a film whose encoding was interrupted (OUT.fit beside OUT)"
    )
    parser.add_argument("--seed", type=console.number(0, 2**32 - 1, True), default=0, help="default: 0")
    parser.add_argument(
        "--tile",
        type=console.number(64, 1 << 20, True),
        metavar="PIXELS",
        help="side of the tiles of a picture, which decode without each other; default: 1024 above 2^22 pixels",
    )
    parser.add_argument(
        "--memory", type=console.number(0.01, 4096), default=8.0, metavar="GIB",
        help="refuse what takes more to be read, or to be decoded again; default: 8",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="overwrite an existing OUT")
    batch_arguments.add_arguments(parser)
    group = parser.add_mutually_exclusive_group()
    for measure, text in TARGETS.items():
        group.add_argument(f"--target-{measure}", type=console.number(0, math.inf), metavar="X", help=text)


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    if batch_arguments.asked(arguments):
        from . import batch

        batch.run(arguments, "encode")
        return
    source, target = arguments.input, _output(arguments)
    if arguments.codec is not None:
        from ..codecs.registry import kind_of

        kind_of(arguments.codec)  # refuses an unknown codec before the input is read
    from . import media

    memory = round(arguments.memory * 2**30)
    with media.opened(source, console.note, memory) as signal:
        _encode(arguments, signal, target, memory)


def _encode(arguments: argparse.Namespace, signal: "Signal", target: str, memory: int) -> None:
    """Encode what was opened."""
    from . import pipeline, targets

    workers = _workers(arguments, pipeline.choose(signal, arguments.codec))
    with (
        _kept(arguments, signal, target) as keep,
        whole(target, arguments.force or (arguments.resume and keep is not None)) as temporary,
        temporary.open("wb") as stream,
        console.progress_bar() as progress,
    ):
        options = replace(_options(arguments), progress=progress, keep=keep, workers=workers)
        if wanted := _target(arguments):
            found = targets.reach(signal, wanted, arguments.codec, options, arguments.weights)
            stream.write(found.data)
        else:
            pipeline.encode(signal, stream, arguments.codec, options, arguments.weights, memory)
        stream.flush()
    if wanted:
        by = "the file" if found.quality is None else f"quality {found.quality:.1f}"
        console.note(f"{by} comes to {found.reached:.5g} {targets.NAMES[wanted.measure]}")


def _workers(arguments: argparse.Namespace, codec: str) -> "Workers | None":
    """Who fits the parts of a film or a large picture; raises UsageError for codecs that have no such parts."""
    from ..codecs.registry import codec_class

    if not codec_class(codec).spreads:
        batch_arguments.refuse(arguments, f" and for codecs that fit parts of a film or picture, not for {codec}")
    if arguments.jobs is None and arguments.engine is None:
        return None
    from .engines import processors
    from .spread import Workers

    return Workers(arguments.jobs or processors(), arguments.engine or "local")


def _options(arguments: argparse.Namespace) -> "Options":
    """What the arguments ask of the encoder."""
    from ..codecs.base import Options

    return Options(
        arguments.quality,
        arguments.effort,
        arguments.seconds,
        seed=arguments.seed,
        tile=arguments.tile,
        group=arguments.group,
    )


def _kept(arguments: argparse.Namespace, signal: "Signal", target: str) -> AbstractContextManager["Folder | None"]:
    """Where the fit of a film keeps its state; nowhere for other signals, pipes and devices."""
    from ..codecs.signals import Clip
    from . import keeping

    if not isinstance(signal, Clip) or target == STANDARD or special(Path(target)):
        if arguments.resume:
            raise UsageError("only a film that is written to a file can be resumed")
        return nullcontext()
    names = ("codec", "quality", "effort", "seconds", "seed", "group")
    settings = tuple(getattr(arguments, name) for name in names)
    wanted = _target(arguments)
    return keeping.beside(Path(target), signal, (*settings, wanted), arguments.resume, arguments.force, console.note)


def _output(arguments: argparse.Namespace) -> str:
    """The name of the output; raises UsageError where it is none for an encoded file."""
    source = arguments.input
    target = arguments.output or (STANDARD if source == STANDARD else str(Path(source).with_suffix(SUFFIX)))
    if target != STANDARD and Path(target).suffix.lower() != SUFFIX and not special(Path(target)):
        raise UsageError(f"{target}: unknown output extension: an encoded file ends in {SUFFIX}")
    if target == STANDARD and sys.stdout.isatty():
        raise UsageError("an encoded file is not written to a terminal: name an output file")
    return target


def _target(arguments: argparse.Namespace) -> "Target | None":
    """The target that was asked for, if any."""
    from .targets import Target

    for measure in TARGETS:
        if (value := getattr(arguments, f"target_{measure.replace('-', '_')}")) is not None:
            return Target(measure, value)
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych encode", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
