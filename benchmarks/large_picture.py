"""Time, memory and seams of a large picture in tiles, which this script makes.

    python benchmarks/large_picture.py [--side 8192] [--quality 50]

The picture is encoded and decoded by the command line, each time in a new process, whose largest resident memory is that
of the operating system. Rate and seams are those of a smaller part, coded in tiles and whole.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import triptych
from triptych.tools import machine
from triptych.tools.metrics.pictures import psnr

PATTERN = 2048  # pixels a side of what the picture consists of
SMALL = (2048, 3072)  # pixels of the part that is also coded whole


def pattern(rng: np.random.Generator) -> np.ndarray:
    """Octaves of smooth random colour, weaker the finer they are, as in photographs: float32 [PATTERN, PATTERN, 3]."""
    pixels = np.full((PATTERN, PATTERN, 3), 127, np.float32)
    for octave in range(2, 11):
        planes = rng.normal(0, 400 / 2**octave + 5, (3, 2**octave, 2**octave)).astype(np.float32)
        planes[1:] = planes[:1] + planes[1:] / 4  # colours are alike
        fine = [
            np.asarray(Image.fromarray(plane).resize((PATTERN, PATTERN), Image.Resampling.BICUBIC)) for plane in planes
        ]
        pixels += np.stack(fine, -1)
    return pixels


def make(side: int, path: Path) -> None:
    """Write a picture of side x side pixels: the pattern turned and mirrored, with some noise."""
    rng = np.random.default_rng(0)
    base, pixels = pattern(rng), np.empty((side, side, 3), np.uint8)
    for number, top in enumerate(range(0, side, PATTERN)):
        for left in range(0, side, PATTERN):
            piece = np.rot90(base, number + left // PATTERN)[: side - top, : side - left]
            noise = rng.normal(0, 2, piece.shape).astype(np.float32)
            pixels[top : top + PATTERN, left : left + PATTERN] = (piece + noise).clip(0, 255)
    Image.fromarray(pixels).save(path, compress_level=1)


def run(*arguments: object) -> tuple[float, float, float]:
    """Run the command line; seconds, those of the processor, and the most memory in MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "triptych.tools.cli", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"triptych {arguments[0]} failed")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def commands(folder: Path, side: int, quality: float) -> list[list[str]]:
    """A row for each command."""
    source, coded = folder / "a.png", folder / "a.trip"
    middle = f"{side // 2},{side // 2},640,480"
    rows = [
        ["encode", *run("encode", source, coded, "--quality", quality)],
        ["decode", *run("decode", coded, folder / "b.png")],
        [f"decode --crop {middle}", *run("decode", coded, folder / "c.png", "--crop", middle)],
    ]
    return [[name, f"{seconds:.1f}", f"{busy:.1f}", f"{peak:.0f}"] for name, seconds, busy, peak in rows]


def seams(pixels: np.ndarray, quality: float) -> str:
    """What tiles change in a picture that can be coded whole."""
    whole, tiles = (triptych.encode(pixels, quality=quality, tile=tile) for tile in (1 << 20, 1024))
    one, other = (triptych.decode(data).pixels for data in (whole, tiles))
    difference = np.abs(one.astype(np.int16) - other)
    height, width = pixels.shape[:2]
    return (
        f"{width} x {height} pixels, whole against tiles of 1024: {len(whole)} and {len(tiles)} bytes"
        f" ({100 * (len(tiles) / len(whole) - 1):+.2f} %), {psnr(pixels, one):.3f} and {psnr(pixels, other):.3f} dB;"
        f" {np.count_nonzero(difference)} of {difference.size} samples differ, by {difference.max()} at most."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=8192, help="pixels a side")
    parser.add_argument("--quality", type=float, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(options.side, folder / "a.png")
        rows = commands(folder, options.side, options.quality)
        bits = 8 * (folder / "a.trip").stat().st_size / options.side**2
        print(
            f"{options.side} x {options.side} pixels, quality {options.quality:g}, {bits:.3f} bpp, {machine.name()}\n"
        )
        lines = [["command", "seconds", "CPU seconds", "peak MiB"], ["---", "--:", "--:", "--:"], *rows]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        height, width = SMALL
        with Image.open(folder / "a.png") as image:
            print(seams(np.asarray(image.crop((0, 0, width, height))), options.quality))


if __name__ == "__main__":
    main()
