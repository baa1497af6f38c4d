"""Megapixels per second of image/patch and others, on one and two threads, in one run.

    python benchmarks/pictures.py PICTURE... [--large 3840x2160] [--threads 1 2] [--rounds 3]

Every codec encodes and decodes the same pictures through the interface that its users call, file bytes included: ours with
the weights that ship at effort 0, CompressAI's mbt2018-mean and cheng2020-anchor with random weights (which do for timing;
their context models do the same work), AVIF and JPEG through Pillow. Besides the pictures given, their mosaic of the large size
is measured. Without pictures a synthetic one is made. Figures are the best of the rounds: processor time for one thread, which
other work on the machine hardly disturbs, and wall-clock for several; where CompressAI is missing, it is left out.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from triptych.codecs.base import Options
from triptych.codecs.signals import Picture
from triptych.tools import machine, pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import standin


@dataclass(frozen=True)
class Rival:
    """A codec to measure: `encode(pixels)` to something, `decode(that)` back; most: megapixels that it is given at most."""

    name: str
    encode: Callable[[np.ndarray], object]
    decode: Callable[[object], np.ndarray]
    most: float = 1e9


def ours() -> Rival:
    """image/patch as `triptych encode --effort 0` runs it."""

    def encode(pixels: np.ndarray) -> bytes:
        out = BytesIO()
        pipeline.encode(Picture(pixels), out, "image/patch", Options(50.0, 0))
        return out.getvalue()

    return Rival("image/patch", encode, lambda data: pipeline.decode(data).pixels)


def pillow(kind: str, **settings: object) -> Rival:
    """A format of Pillow's."""

    def encode(pixels: np.ndarray) -> bytes:
        out = BytesIO()
        Image.fromarray(pixels).save(out, kind, **settings)
        return out.getvalue()

    return Rival(kind, encode, lambda data: np.asarray(Image.open(BytesIO(data))))


def compressai(name: str, most: float) -> Rival:
    """A model of CompressAI's zoo with random weights, padded to multiples of 64."""
    from compressai.zoo import image_models

    torch.manual_seed(0)
    model = image_models[name](quality=4, metric="mse", pretrained=False).eval()
    model.update(force=True)

    @torch.inference_mode()
    def encode(pixels: np.ndarray) -> dict:
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        height, width = x.shape[2:]
        return model.compress(torch.nn.functional.pad(x, (0, -width % 64, 0, -height % 64)))

    @torch.inference_mode()
    def decode(coded: dict) -> np.ndarray:
        shown = model.decompress(coded["strings"], coded["shape"])["x_hat"]
        return (shown[0].permute(1, 2, 0) * 255).round().byte().numpy()

    return Rival(name, encode, decode, most)


def best(rounds: int, clock: Callable[[], float], call: Callable[[], object]) -> tuple[float, object]:
    """The least seconds of several rounds, and what the call gives."""
    least, result = float("inf"), None
    for _ in range(rounds):
        begin = clock()
        result = call()
        least = min(least, clock() - begin)
    return least, result


def measure(rivals: list[Rival], pictures: dict[str, list[np.ndarray]], threads: int, rounds: int) -> None:
    """A table: codecs by sets of pictures."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    print(f"\n{threads} thread{'s' * (threads > 1)}; load {os.getloadavg()[0]:.1f}")
    print(
        f"{'codec':18s} {'pictures':22s} {'encode MP/s':>12s} {'decode MP/s':>12s} {'decode s':>9s} {'against ours':>13s}"
    )
    reference: dict[str, float] = {}
    for rival in rivals:
        for name, group in pictures.items():
            size = sum(p.shape[0] * p.shape[1] for p in group) / 1e6
            if size / len(group) > rival.most:
                continue
            into, files = best(rounds, clock, lambda r=rival, g=group: [r.encode(p) for p in g])
            back, _ = best(rounds, clock, lambda r=rival, f=files: [r.decode(data) for data in f])
            ratio = reference.setdefault(name, back) / back
            print(
                f"{rival.name:18s} {name:22s} {size / into:12.2f} {size / back:12.2f} {back / len(group):9.3f} {ratio:12.3f}x"
            )


def mosaic(pictures: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """The pictures side by side until they fill a size."""
    tall, wide = max(p.shape[0] for p in pictures), max(p.shape[1] for p in pictures)
    cells = [np.pad(p, ((0, tall - p.shape[0]), (0, wide - p.shape[1]), (0, 0)), mode="reflect") for p in pictures]
    across, down = -(-width // wide), -(-height // tall)
    rows = [np.concatenate([cells[(r * across + c) % len(cells)] for c in range(across)], 1) for r in range(down)]
    return np.ascontiguousarray(np.concatenate(rows)[:height, :width])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--large", default="3840x2160", help="sizes of mosaics, with commas between them")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    given = [np.asarray(Image.open(path).convert("RGB")) for path in options.pictures]
    if not given:
        from large_picture import pattern

        given = [pattern(np.random.default_rng(0))[:512, :768].clip(0, 255).astype(np.uint8)]
    pictures = {f"{len(given)} of {given[0].shape[1]} x {given[0].shape[0]}": given}
    for size in options.large.split(","):
        width, height = map(int, size.split("x"))
        pictures[f"{width} x {height}"] = [mosaic(given, width, height)]
    print(machine.name())
    with (
        tempfile.TemporaryDirectory() as folder,
        standin.importable(Path(folder)) if standin.needed() else nullcontext(),
    ):
        rivals = [ours(), pillow("JPEG", quality=75), pillow("AVIF", quality=60, speed=6)]
        try:
            # An autoregressive model takes minutes for a large picture.
            rivals += [compressai("mbt2018-mean", 10.0), compressai("cheng2020-anchor", 0.5)]
        except ImportError as error:
            print(f"CompressAI is left out: {error}")
        for threads in options.threads:
            measure(rivals, pictures, threads, options.rounds)


if __name__ == "__main__":
    main()
