"""Throughput of batches: the same pictures file by file, and by one, two and more processes, with a Ray cluster on request.

`python benchmarks/batch.py [--pictures 24] [--jobs 1,2] [--ray]`; every way must give the same files, byte for byte.
"""

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from triptych.bitstream import Reader

TRIPTYCH = [sys.executable, "-m", "triptych.tools.cli"]


def pictures(folder: Path, count: int) -> None:
    """Smooth pictures of 768 x 512 with some grain."""
    folder.mkdir()
    y, x = np.mgrid[:512, :768]
    for number in range(count):
        rng = np.random.default_rng(number)
        planes = [128 + 90 * np.sin((x * (1 + c) + y * number) / 37) + rng.normal(0, 6, x.shape) for c in range(3)]
        Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8)).save(folder / f"{number:03d}.png")


def digests(folder: Path) -> dict[str, tuple[str, bytes]]:
    """SHA-256 of the outputs, and the digests of the weights that they name."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.trip"))}
    return {name: (hashlib.sha256(data).hexdigest(), Reader(data).tracks[0].digest) for name, data in found.items()}


def timed(name: str, commands: list[list[str]], folder: Path, count: int) -> dict[str, tuple[str, bytes]]:
    """Run commands one after another and print the pictures per minute."""
    begin = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    print(f"| {name} | {seconds:.1f} s | {60 * count / seconds:.0f} |", flush=True)
    return digests(folder)


def main() -> None:
    """Measure every way on the same pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--jobs", default="1,2")
    parser.add_argument("--ray", action="store_true")
    arguments = parser.parse_args()
    print(f"{arguments.pictures} pictures of 768 x 512; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| way | time | pictures per minute |\n|---|--:|--:|")
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        pictures(Path("in"), arguments.pictures)
        Path("single").mkdir()
        single = [[*TRIPTYCH, "encode", str(path), f"single/{path.stem}.trip"] for path in sorted(Path("in").iterdir())]
        found = [timed("one command per file", single, Path("single"), arguments.pictures)]
        ways = [(f"--jobs {jobs}", ["--jobs", jobs]) for jobs in arguments.jobs.split(",")]
        if arguments.ray:
            ways.append(("--jobs 2 --engine ray", ["--jobs", "2", "--engine", "ray"]))
        for number, (way, options) in enumerate(ways):
            out = Path(f"out{number}")
            command = [*TRIPTYCH, "encode", "--batch", "in", str(out), *options]
            found.append(timed(way, [command], out, arguments.pictures))
    if len({weights for way in found for _, weights in way.values()}) > 1:
        sys.exit("the default weights were replaced meanwhile: nothing can be compared")
    if any(way != found[0] for way in found) or len(found[0]) != arguments.pictures:
        sys.exit("the files differ")
    print("\nAll files are the same, byte for byte.")


if __name__ == "__main__":
    main()
