"""image/overfit beside the public Cool-Chic on the same pictures and machine: rate-distortion cost and seconds.

python benchmarks/overfit_coolchic.py ../shared/data/eval/kodak --checkout Cool-Chic --python venv/bin/python
python benchmarks/overfit_coolchic.py results/kodak-overfit.csv --checkout Cool-Chic

The public code runs untouched in a process of its own, on one thread, between our fits of the same crop. Cost is squared
error of the decoded 8-bit pixels + lambda x bits per pixel of the real file, in thousandths, as both minimise it. Where the
data are a table of `triptych evaluate`, nothing runs: its pictures are compared with the published table of the checkout.
"""

import argparse
import csv
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from overfit import crop, decoded, encoded, mean_square
from PIL import Image

from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig
from triptych.codecs.image.overfit_start import HIGHEST, RANGE
from triptych.codecs.signals import Picture
from triptych.tools import models

PUBLISHED = "results/v5.0/image-kodak.tsv"


@dataclass(frozen=True)
class Point:
    """One coded picture: bits per pixel, squared error, share of the networks, processor and wall clock seconds."""

    bpp: float
    error: float
    networks: float
    cpu: float
    wall: float

    def row(self, lagrangian: float) -> str:
        """Cells of the table."""
        cost, psnr = self.error + lagrangian * self.bpp, -10 * math.log10(self.error)
        return (
            f"{self.bpp:.4f} | {psnr:.2f} | {self.networks:.1%} | {1e3 * cost:.4f} | {self.cpu:.0f} | {self.wall:.0f} |"
        )


@dataclass(frozen=True)
class Public:
    """A checkout of the public code and a Python that can run it; preset is one of cfg/dec/intra."""

    checkout: Path
    python: Path
    preset: str

    def run(self, script: str, *arguments: str, log: Path = Path(os.devnull)) -> tuple[float, float]:
        """Processor and wall clock seconds of one of its scripts; raises RuntimeError where it fails."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONUNBUFFERED"), "1")
        environment = os.environ | threads | {"CUDA_VISIBLE_DEVICES": ""}
        began, before = time.perf_counter(), os.times()
        command = [str(self.python), script, *arguments]
        with log.open("w") as out:
            done = subprocess.run(
                command, cwd=self.checkout, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, check=False
            )
        after = os.times()
        if done.returncode:
            raise RuntimeError(f"{script} failed: {done.stderr[-1000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return cpu, time.perf_counter() - began

    def encode(self, picture: Picture, lagrangian: float, iterations: int, log: Path) -> Point:
        """A picture through its encoder and its decoder; seconds are those of the encoder without its start."""
        start = self.run("cc_encode.py", "--help")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source, file, back = (str(folder / part) for part in ("picture.png", "picture.cool", "back.png"))
            Image.fromarray(picture.pixels).save(source)
            shape = ("--dec_cfg_residue", f"cfg/dec/intra/{self.preset}.cfg", "--n_itr", str(iterations))
            aim = ("--lmbda", f"{lagrangian:.6g}", "--workdir", name)
            cpu, wall = self.run("cc_encode.py", "-i", source, "-o", file, *aim, *shape, log=log)
            self.run("cc_decode.py", "-i", file, "-o", back)
            size, pixels = Path(file).stat().st_size, np.array(Image.open(back).convert("RGB"))
            names, values = ((folder / "0000-results_encoder.tsv").read_text().splitlines()[i].split() for i in (0, 1))
        networks = float(dict(zip(names, values, strict=True))["nn_bpp"])
        bpp = 8 * size / pixels[..., 0].size
        return Point(bpp, mean_square(pixels, picture), networks / bpp, cpu - start[0], wall - start[1])


def ours(codec: OverfitCodec, picture: Picture, lagrangian: float, steps: int) -> Point:
    """A picture through our encoder and decoder."""
    quality = 100 * math.log(HIGHEST / lagrangian) / math.log(RANGE)
    began = time.perf_counter()
    data, cpu = encoded(codec, picture, quality, steps)
    wall = time.perf_counter() - began
    pixels, items, _ = decoded(codec, data)
    return Point(
        8 * len(data) / pixels[..., 0].size, mean_square(pixels, picture), len(items[0].body) / len(data), cpu, wall
    )


def published(table: Path, checkout: Path) -> None:
    """Bits of image/overfit in a table against those published for 10,000 iterations, picture by picture at equal PSNR."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader((checkout / PUBLISHED).open(), delimiter="\t"):
        curves.setdefault(row["seq_name"], []).append((float(row["psnr_db"]), float(row["rate_bpp"])))
    shares: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for row in csv.DictReader(table.open()):
        if row["codec"].startswith("image/overfit"):
            psnr, bpp = float(row["psnr_rgb"]), float(row["bpp"])
            curve = np.array(sorted(curves[Path(row["file"]).stem]))
            if curve[0, 0] <= psnr <= curve[-1, 0]:
                equal = math.exp(np.interp(psnr, curve[:, 0], np.log(curve[:, 1])))
                shares.setdefault((row["codec"], float(row["quality"])), []).append((bpp, psnr, bpp / equal - 1))
    print("| codec | quality | pictures | bpp | PSNR | bits against the published |\n" + "|---" * 6 + "|")
    for (codec, quality), rows in shares.items():
        bpp, psnr, share = np.mean(rows, axis=0)
        print(f"| {codec} | {quality:g} | {len(rows)} | {bpp:.4f} | {psnr:.2f} | {share:+.1%} |")


def table(arguments: argparse.Namespace, codec: OverfitCodec, public: Public) -> None:
    """One row a fit, ours and theirs in turn."""
    print("| picture | lambda | coder | steps | bpp | PSNR | networks | cost | CPU s | wall s |\n" + "|---" * 10 + "|")
    for name in arguments.pictures:
        picture = crop(arguments.data / f"{name}.png", arguments.side)
        for lagrangian in arguments.lagrangian:
            for steps in arguments.steps:
                point = ours(codec, picture, lagrangian, steps)
                print(f"| {name} | {lagrangian:g} | image/overfit | {steps} | {point.row(lagrangian)}", flush=True)
            for count in arguments.iterations:
                told = arguments.logs and arguments.logs / f"{name}-{lagrangian:g}-{count}.txt"
                point = public.encode(picture, lagrangian, count, told or Path(os.devnull))
                print(f"| {name} | {lagrangian:g} | Cool-Chic | {count} | {point.row(lagrangian)}", flush=True)


def main() -> int:
    """Command line: a table, one row a fit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder of pictures, or a table")
    parser.add_argument("--checkout", type=Path, required=True, help="folder of the public Cool-Chic")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter that can run it")
    parser.add_argument("--preset", default="mop", help="decoder of both")
    parser.add_argument("--pictures", nargs="+", default=["kodim01", "kodim13"])
    parser.add_argument("--side", type=int, default=256, help="of the crop; 0 for whole pictures")
    parser.add_argument("--lagrangian", type=float, nargs="+", default=[0.005])
    parser.add_argument("--iterations", type=int, nargs="*", default=[2000], help="of the public code, at least 2000")
    parser.add_argument("--steps", type=int, nargs="*", default=[100, 300, 1000], help="of ours")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--logs", type=Path, help="folder for what the public code prints as it goes")
    arguments = parser.parse_args()
    if arguments.data.is_file():
        published(arguments.data, arguments.checkout)
        return 0
    torch.set_num_threads(1)
    public = Public(arguments.checkout.resolve(), arguments.python.absolute(), arguments.preset)
    codec = models.load("image/overfit", arguments.weights)
    if arguments.preset != codec.config.preset:
        codec = OverfitCodec(OverfitConfig(arguments.preset, start=False))
    table(arguments, codec, public)
    return 0


if __name__ == "__main__":
    sys.exit(main())
