"""What learned starts give a fit of image/overfit, what its decoder takes, where the bytes of a file are.

python benchmarks/overfit.py starts ../shared/data/eval/kodak --pictures 6 --quality 15 50 --steps 100 300 1000
python benchmarks/overfit.py decoder ../shared/data/eval/kodak/kodim19.png
python benchmarks/overfit.py aims ../shared/data/eval/kodak --pictures 2 --side 192 --steps 40 100 200
python benchmarks/overfit.py crops ../shared/data/eval/kodak --out kodak-256
python benchmarks/overfit.py compare results/overfit.csv [--peers results/kodak.csv]
"""

import argparse
import csv
import dataclasses
import io
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from triptych.bitstream import Reader, Unit, Weights, Writer
from triptych.codecs.base import Options
from triptych.codecs.image import overfit
from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig
from triptych.codecs.image.overfit_start import lagrangian
from triptych.codecs.signals import Picture
from triptych.tools import models


def encoded(
    codec: OverfitCodec, picture: Picture, quality: float, steps: int, aim: tuple[str, float] | None = None
) -> tuple[bytes, float]:
    """A file and the processor seconds that it took."""
    options, out, began = Options(quality=quality, effort=3, aim=aim), io.BytesIO(), time.process_time()
    overfit.STEPS = (steps,) * 11
    track, plan = codec.open(picture, options)
    writer = Writer(out, [dataclasses.replace(track, digest=codec.identity[:8])])
    for item in codec.encode_units(picture, track, plan, 0, options):
        writer.item(item)
    writer.finish()
    return out.getvalue(), time.process_time() - began


def decoded(codec: OverfitCodec, data: bytes) -> tuple[np.ndarray, list[Weights | Unit], float]:
    """Pixels, items of the file and processor seconds."""
    began = time.process_time()
    reader = Reader(data)
    items = list(reader)
    pixels = codec.decode(reader.tracks[0], items).pixels
    return pixels, items, time.process_time() - began


def mean_square(pixels: np.ndarray, picture: Picture) -> float:
    """Squared error of decoded pixels, of 0..1."""
    return float(np.mean((pixels.astype(float) - picture.pixels) ** 2)) / 255**2


def crop(path: Path, side: int) -> Picture:
    """The centre of a picture; all of it where side is 0."""
    pixels = np.array(Image.open(path).convert("RGB"))
    if not side:
        return Picture(pixels)
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return Picture(np.ascontiguousarray(pixels[top : top + side, left : left + side]))


def starts(arguments: argparse.Namespace) -> None:
    """A table of rate, PSNR and bits at equal quality, with and without learned networks and first latents."""
    codecs = {
        "learned": models.load("image/overfit", arguments.weights),
        "cold": OverfitCodec(OverfitConfig("mop", start=False)),
    }
    paths = sorted(arguments.data.glob("*.png"))
    paths = paths[:: max(1, len(paths) // arguments.pictures)][: arguments.pictures]
    print("| quality | steps | start | bpp | PSNR | networks | loss | CPU s |\n|---|---|---|---|---|---|---|---|")
    for quality in arguments.quality:
        for steps in arguments.steps:
            for name, codec in codecs.items():
                rows = [measured(codec, crop(path, arguments.side), quality, steps) for path in paths]
                bpp, mse, share, seconds = np.mean(rows, axis=0)
                psnr = np.mean([-10 * np.log10(row[1]) for row in rows])
                loss = mse + lagrangian(quality) * bpp
                print(
                    f"| {quality:g} | {steps} | {name} | {bpp:.4f} | {psnr:.2f} | {share:.1%} | {1e3 * loss:.4f} "
                    f"| {seconds:.1f} |",
                    flush=True,
                )


def measured(codec: OverfitCodec, picture: Picture, quality: float, steps: int) -> tuple[float, float, float, float]:
    """Bits per pixel, squared error, share of the networks in the file and processor seconds."""
    data, seconds = encoded(codec, picture, quality, steps)
    pixels, items, _ = decoded(codec, data)
    error = mean_square(pixels, picture)
    return 8 * len(data) / pixels[..., 0].size, error, len(items[0].body) / len(data), seconds


def decoder(arguments: argparse.Namespace) -> None:
    """Processor seconds of decoding one picture, and of its parts."""
    codec = models.load("image/overfit", arguments.weights)
    picture = Picture(np.array(Image.open(arguments.data).convert("RGB")))
    for quality in arguments.quality:
        data, seconds = encoded(codec, picture, quality, arguments.steps[0])
        times = [decoded(codec, data)[2] for _ in range(3)]
        pixels, items, _ = decoded(codec, data)
        psnr = -10 * np.log10(mean_square(pixels, picture))
        print(
            f"quality {quality:g}: {8 * len(data) / pixels[..., 0].size:.4f} bpp, {psnr:.2f} dB, networks "
            f"{len(items[0].body) / len(data):.1%}; {seconds:.1f} s to encode with {arguments.steps[0]} steps, "
            f"{min(times):.3f} s to decode",
            flush=True,
        )


def aims(arguments: argparse.Namespace) -> None:
    """A table of how far from a rate a fit ends that aims at it."""
    codec = models.load("image/overfit", arguments.weights)
    paths = sorted(arguments.data.glob("*.png"))
    paths = paths[:: max(1, len(paths) // arguments.pictures)][: arguments.pictures]
    print("| picture | aim bpp | steps | bpp | off | PSNR |\n|---|---|---|---|---|---|")
    for path in paths:
        picture = crop(path, arguments.side)
        for rate in arguments.bpp:
            for steps in arguments.steps:
                data, _ = encoded(codec, picture, 50.0, steps, ("bpp", rate))
                found = 8 * len(data) / picture.pixels[..., 0].size
                psnr = -10 * np.log10(mean_square(decoded(codec, data)[0], picture))
                off = f"{found / rate - 1:+.1%}"
                print(f"| {path.stem} | {rate:g} | {steps} | {found:.4f} | {off} | {psnr:.2f} |", flush=True)


def crops(arguments: argparse.Namespace) -> None:
    """The centres of all pictures as files, for `triptych evaluate`."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.data.glob("*.png")):
        Image.fromarray(crop(path, arguments.side).pixels).save(arguments.out / path.name)


def compare(arguments: argparse.Namespace) -> None:
    """Bits of image/overfit against those of each other codec of a table, or of another one, at equal mean PSNR."""
    points: dict[str, dict[float, list[tuple[float, float]]]] = {}
    rows = [*csv.DictReader(arguments.data.open())]
    files = {row["file"] for row in rows}
    rows += [*csv.DictReader(arguments.peers.open())] if arguments.peers else []
    for row in rows:
        if row["file"] in files:
            places = points.setdefault(row["codec"], {}).setdefault(float(row["quality"]), [])
            places.append((float(row["psnr_rgb"]), float(row["bpp"])))
    curves = {codec: np.array(sorted(tuple(np.mean(p, axis=0)) for p in by.values())) for codec, by in points.items()}
    for name, own in curves.items():
        for psnr, bpp in own if name.startswith("image/overfit") else ():
            shares = []
            for other, curve in curves.items():
                if not other.startswith("image/overfit") and curve[0, 0] <= psnr <= curve[-1, 0]:
                    equal = np.exp(np.interp(psnr, curve[:, 0], np.log(curve[:, 1])))
                    shares.append(f"{other} {bpp / equal - 1:+.1%}")
            print(f"{name} at {bpp:.4f} bpp, {psnr:.2f} dB: {', '.join(shares)}")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("starts", "decoder", "aims", "crops", "compare"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("crops"))
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--peers", type=Path, help="a table with other codecs on the same pictures")
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--quality", type=float, nargs="+", default=[15.0, 50.0])
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.3, 1.0], help="rates for aims")
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 300, 1000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = {"starts": starts, "decoder": decoder, "aims": aims, "crops": crops, "compare": compare}[arguments.what]
    task(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
