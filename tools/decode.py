"""`triptych decode`: a .trip file becomes a picture, a sound or a film again."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..bitstream.errors import TripError
from . import batch_arguments, console
from .errors import UsageError
from .files import STANDARD, check_output, stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("input", metavar="IN", help="a .trip file; - for standard input")
    parser.add_argument(
        "output",
        metavar="OUT",
        nargs="?",
        help="the extension chooses the format; default: IN with .png, .wav or .mp4; a name without extension is a"
        " folder of PNG frames for a film; - for standard output",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file, when the file needs others")
    parser.add_argument(
        "--memory", type=console.number(0.01, 4096), default=8.0, metavar="GIB", help="most to be used; default: 8"
    )
    parser.add_argument(
        "--crop", type=_crop, metavar="X,Y,W,H", help="only this part of a picture: left, top, width, height in pixels"
    )
    parser.add_argument(
        "--frames", type=_span, metavar="A:B", help="only frames A to B - 1 of a film, counted from 0, and their sound"
    )
    parser.add_argument(
        "--salvage", action="store_true", help="of a damaged picture in tiles decode what is left, the rest is black"
    )
    parser.add_argument(
        "--full-precision",
        action="store_true",
        help="compute in float32 throughout: slower on some processors, but machines then agree but for rounding",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing OUT")
    batch_arguments.add_arguments(parser)


def _crop(text: str) -> tuple[int, ...]:
    """An argument type: left, top, width and height."""
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"must be four whole numbers like 0,0,640,480, not {text!r}")
    return tuple(map(int, numbers))


def _span(text: str) -> tuple[int, int]:
    """An argument type: the first frame and that after the last."""
    first, colon, end = text.partition(":")
    if not (colon and first.strip().isdecimal() and end.strip().isdecimal()):
        raise argparse.ArgumentTypeError(f"must be two whole numbers like 100:120, not {text!r}")
    return int(first), int(end)


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    if batch_arguments.asked(arguments):
        from . import batch

        batch.run(arguments, "decode")
        return
    batch_arguments.refuse(arguments)
    source = arguments.input
    name = console.shown(source)
    with stored(source) as path, path.open("rb") as stream:
        try:
            _decode(arguments, stream, name)
        except TripError as error:
            raise UsageError(f"{name}: {console.sentence(error)}") from error


def _decode(arguments: argparse.Namespace, stream: BinaryIO, name: str) -> None:
    """Check the output against the headers, decode, write."""
    from ..bitstream import AudioMedia, Reader, VideoMedia

    tracks = Reader(stream).tracks
    stream.seek(0)
    kinds = {type(track.media) for track in tracks}
    from ..codecs.precision import full_precision
    from ..codecs.signals import Clip, Crop, Picture, Sound
    from . import media, pipeline, sizes

    kind = Clip if VideoMedia in kinds else Sound if AudioMedia in kinds else Picture
    target = arguments.output or _default(arguments.input, media.DEFAULT_SUFFIX[kind])
    media.check_target(target, kind, name)
    if target == STANDARD:
        if sys.stdout.isatty():
            raise UsageError("a decoded file is not written to a terminal: name an output file")
    else:
        check_output(target, arguments.force, kind is Clip and not Path(target).suffix)
    with console.progress_bar() as progress, full_precision(arguments.full_precision):
        memory = round(arguments.memory * 2**30)
        crop = None if arguments.crop is None else Crop(*arguments.crop)
        salvage = console.note if arguments.salvage else None
        signal = pipeline.decode(
            stream,
            memory=memory,
            progress=progress,
            weights=arguments.weights,
            crop=crop,
            salvage=salvage,
            frames=arguments.frames,
            besides=sum(sizes.written(track.media, crop) for track in tracks),
            taped=True,
        )
        if isinstance(signal, Clip) and signal.sound is not None and Path(target).suffix.lower() == ".y4m":
            console.note(f"{target}: this format has no sound, the sound track is left out")
        media.write(target, signal, arguments.force)


def _default(source: str, suffix: str) -> str:
    """The output for an input when none is named."""
    return STANDARD if source == STANDARD else str(Path(source).with_suffix(suffix))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych decode", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
