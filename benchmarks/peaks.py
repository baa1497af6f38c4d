"""The most memory that a large picture, a long sound and a long film take: `python benchmarks/peaks.py [picture sound film]`.

Media are made piece by piece. Each command runs in a new process, whose largest resident memory is that of the operating
system; what a process takes that decodes a picture of 64 pixels is subtracted. It stands beside what the header promises,
which `--memory` is compared with: a little less than that is refused, and at once.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from large_picture import make as make_picture
from large_picture import run
from PIL import Image

from triptych.bitstream import Reader
from triptych.tools import machine, media, models, sizes

GIB = 1 << 30


def picture(path: Path, side: int) -> None:
    """A picture of side x side pixels."""
    make_picture(side, path)


def sound(path: Path, minutes: int) -> None:
    """Stereo at 44.1 kHz: chords that change every second, with some noise, as FLAC."""
    rng, rate = np.random.default_rng(0), 44100
    time_axis = np.arange(rate) / rate
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16", format="FLAC") as file:
        for _ in range(60 * minutes):
            pitches = rng.uniform(80, 2000, (2, 4, 1))
            chords = np.sin(2 * np.pi * pitches * time_axis).sum(1) * np.hanning(rate) / 6
            file.write((chords + rng.normal(0, 0.01, chords.shape)).T.astype(np.float32))


def film(path: Path, minutes: int, width: int = 256, height: int = 144) -> None:
    """25 frames a second of a pattern that moves round, H.264."""
    y, x = np.mgrid[:height, :width]
    planes = [
        128 + 90 * np.sin(2 * np.pi * (5 * x / width + c / 3)) * np.cos(2 * np.pi * 3 * y / height) for c in range(3)
    ]
    pixels = np.stack(planes, -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(60 * minutes * 25):
            moved = np.ascontiguousarray(np.roll(pixels, (number // 3, number), (0, 1)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))


def promised(command: str, path: Path) -> int:
    """Bytes that the header says a command needs."""
    with path.open("rb") as stream:
        if command == "encode":
            return sizes.need(path, media.recognise(stream.read(media.HEAD), path.name))
        tracks = Reader(stream).tracks
    return max(models.load_for(track).memory(track) for track in tracks) + sum(sizes.written(t.media) for t in tracks)


def refused(command: str, source: Path, target: Path, need: int) -> float:
    """Seconds of the processor until a command is refused that may have a little less than it needs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = f"{0.99 * need / GIB:.6f}"
    arguments = [sys.executable, "-m", "triptych.tools.cli", command, source, target, "--force", "--memory", memory]
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True)
    if done.returncode != 2 or "of memory; the limit is" not in done.stderr:
        raise SystemExit(f"{command} was not refused: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(command: str, source: Path, target: Path, base: float, *options: str) -> list[str]:
    """Measure one command."""
    need = promised(command, source)
    early = refused(command, source, target, need)
    seconds, busy, peak = run(command, source, target, *options)
    figures = (seconds, busy, peak, peak - base, need / 2**20)
    return [command, *(f"{figure:.0f}" for figure in figures), f"{early:.1f}"]


def idle(folder: Path) -> float:
    """MiB that the program itself takes."""
    Image.new("RGB", (64, 64)).save(folder / "tiny.png")
    run("encode", folder / "tiny.png", folder / "tiny.trip")
    return run("decode", folder / "tiny.trip", folder / "tiny2.png")[2]


KINDS: dict[str, tuple[Callable[[Path, int], None], str, str, int, tuple[str, ...]]] = {
    "picture": (picture, ".png", ".png", 16384, ("--effort", "0")),
    "sound": (sound, ".flac", ".wav", 60, ("--effort", "0")),
    "film": (film, ".mp4", ".mp4", 10, ("--effort", "0", "--seconds", "30")),
}


def main() -> None:
    """Print a row for each command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS), choices=[*KINDS, []], metavar="KIND")
    parser.add_argument("--size", type=int, help="pixels a side or minutes, instead of 16384, 60 and 10")
    arguments = parser.parse_args()
    print(f"{machine.name()}, load {os.getloadavg()[0]:.1f}\n")
    head = ["kind", "command", "seconds", "CPU seconds", "peak MiB", "beyond the program", "promised MiB"]
    head.append("CPU seconds until less is refused")
    print(f"| {' | '.join(head)} |\n|---|---|{'--:|' * 6}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = idle(folder)
        for kind in arguments.kinds:
            maker, suffix, written, size, options = KINDS[kind]
            source, coded, again = folder / f"a{suffix}", folder / "a.trip", folder / f"b{written}"
            maker(source, arguments.size or size)
            for command, places in (("encode", (source, coded)), ("decode", (coded, again))):
                cells = row(command, *places, base, "--force", *(options if command == "encode" else ()))
                print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
