"""`python -m triptych.tools.demo`: encode, decode in new processes, compare, and write a page and a table."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from ...codecs.signals import Clip, Picture, Sound
from .. import cli, console, info, machine, media
from ..errors import UsageError
from ..metrics.pictures import psnr
from ..metrics.sounds import aligned, si_sdr
from ..pipeline import DEFAULTS  # also loads torch before the clock starts
from . import page, peers
from .inputs import collect
from .table import Example, as_text, write_results

FILM_SECONDS = 100.0
KINDS = {".png": "image", ".wav": "audio", ".mp4": "video"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; its exit status."""
    parser = console.Parser(prog="python -m triptych.tools.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER", help="default: demo")
    parser.add_argument(
        "--seconds", type=console.number(1, 86400), default=FILM_SECONDS, help="to fit each film; default: 100"
    )
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments.out, arguments.seconds))


def run(out: Path, seconds: float) -> None:
    """Encode everything in this process, decode each file in a new one, compare, write the page."""
    start = time.perf_counter()
    sources = collect(out / "input")
    encoded = [encode(path, out, seconds) for path in sources]
    examples = []
    for (file, spent), source in zip(encoded, sources, strict=True):
        original = media.read(source)
        decoded, decode_seconds = decode(file, out)
        say(f"measuring {source.name}")
        ours = measure(original, decoded, file, (spent, decode_seconds))
        others = compare(original, ours.size, out / source.stem)
        examples.append(Example(source, original, file.stat().st_size, (ours, *others)))
    write_results(out, examples)
    page.write(out, examples)
    print(f"\n{as_text(examples)}\n\n{machine.name()}; {time.perf_counter() - start:.0f} s in all")
    print(f"page: {out / 'index.html'}   table: {out / 'table.md'}   figures: {out / 'results.json'}")


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


def encode(source: Path, out: Path, seconds: float) -> tuple[Path, float]:
    """Encode with the default codec through the command line; the file and the seconds."""
    target = out / f"{source.name}.trip"
    film = source.suffix == ".mp4"
    codec = DEFAULTS[KINDS[source.suffix]]
    say(f"encoding {source.name} with {codec}" + (f": fitting a network takes {seconds:.0f} s" if film else ""))
    start = time.perf_counter()
    options = ["--force", *(["--seconds", f"{seconds:g}"] if film else [])]
    if cli.main(["encode", str(source), str(target), *options]):
        raise UsageError(f"{source} could not be encoded")
    spent = time.perf_counter() - start
    say(f"    {target.stat().st_size:,} bytes in {spent:.1f} s")
    return target, spent


def decode(file: Path, out: Path) -> tuple[Picture | Sound | Clip, float]:
    """Decode in a new process; what came out and the seconds of the whole process."""
    source = Path(file.stem)
    name = {".png": f"{source.stem}.decoded.png", ".wav": f"{source.stem}.decoded.wav"}
    target = out / name.get(source.suffix, f"{source.stem}-frames")
    shutil.rmtree(target, ignore_errors=True)
    say(f"decoding {file.name} in a new process")
    start = time.perf_counter()
    command = [sys.executable, "-m", "triptych.tools.decode", str(file), str(target), "--force"]
    if subprocess.run(command).returncode:
        raise UsageError(f"{file} could not be decoded")
    spent = time.perf_counter() - start
    return (read_frames(target) if target.is_dir() else media.read(target)), spent


def read_frames(folder: Path) -> Clip:
    """A folder of PNG frames; the rate is not in it and left at one."""
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])
    return Clip(frames, Fraction(1))


def measure(
    original: Picture | Sound | Clip, decoded: Picture | Sound | Clip, file: Path, seconds: tuple[float, float]
) -> peers.Result:
    """Size and quality of our own file; of a film only the pictures are counted."""
    size = file.stat().st_size
    if isinstance(original, Picture):
        return peers.Result("Triptych", size, psnr(original.pixels, decoded.pixels), *seconds, file, decoded)
    if isinstance(original, Sound):
        samples, delay = aligned(original, decoded)
        if delay:
            say(f"    the decoded sound was shifted by {delay} samples before it was compared")
        back = replace(original, samples=samples)
        return peers.Result("Triptych", size, si_sdr(original.samples, samples), *seconds, file, back)
    with file.open("rb") as stream:
        tracks = info.describe(stream)["tracks"]
    size -= sum(track["unit_bytes"] for track in tracks if track["kind"] == "audio")
    found = replace(decoded, rate=original.rate)
    return peers.Result("Triptych", size, psnr(original.frames, found.frames), *seconds, file, found)


def compare(original: Picture | Sound | Clip, size: int, stem: Path) -> list[peers.Result]:
    """The well-known codecs for this kind of signal at about `size` bytes."""
    if isinstance(original, Picture):
        return [peers.still(original, kind, size, stem) for kind in ("jpeg", "webp")]
    return [peers.opus(original, size, stem) if isinstance(original, Sound) else peers.x264(original, size, stem)]


if __name__ == "__main__":
    sys.exit(main())
