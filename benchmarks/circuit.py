"""Rates of image/circuit beside PNG and WebP, and what a symbol costs as patches grow.

python benchmarks/circuit.py pictures ../shared/data/eval/kodak --side 256
python benchmarks/circuit.py digits
python benchmarks/circuit.py speed
"""

import argparse
import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from triptych.bitstream import Writer
from triptych.codecs.base import Options
from triptych.codecs.image.circuit import CircuitCodec
from triptych.codecs.image.circuit_exact import ONE, ExactCircuit, fit, frequencies
from triptych.codecs.image.circuit_net import CircuitConfig, CircuitNet, em_step
from triptych.codecs.signals import Picture
from triptych.entropy import RateCounter
from triptych.tools import models

WEBP = {"lossless": True, "quality": 100, "method": 6}


def file_size(pixels: np.ndarray, form: str, **options: object) -> int:
    """Bytes of a file by Pillow."""
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, form, **options)
    return len(out.getvalue())


def pictures(arguments: argparse.Namespace) -> None:
    """Bits per sample of whole files, centres of pictures."""
    codec, rows = models.load("image/circuit", arguments.weights), []
    print("| picture | PNG | WebP lossless | image/circuit | encode s | decode s |\n|---|--:|--:|--:|--:|--:|")
    for path in sorted(arguments.data.glob("*.png"))[:: arguments.every]:
        pixels = np.array(Image.open(path).convert("RGB"))
        top, left = (max(0, (n - arguments.side) // 2) for n in pixels.shape[:2])
        pixels = np.ascontiguousarray(pixels[top : top + arguments.side, left : left + arguments.side])
        out, began = io.BytesIO(), time.process_time()
        track, plan = codec.open(Picture(pixels), Options())
        items = list(codec.encode_units(Picture(pixels), track, plan, 0, Options()))
        middle = time.process_time()
        found = codec.decode(track, items)
        seconds = middle - began, time.process_time() - middle
        assert (found.pixels == pixels).all()
        writer = Writer(out, [replace(track, digest=codec.identity[:8])])
        for item in items:
            writer.item(item)
        writer.finish()
        sizes = file_size(pixels, "png", optimize=True), file_size(pixels, "webp", **WEBP), len(out.getvalue())
        rows.append([*(8 * size / pixels.size for size in sizes), *seconds])
        print(f"| {path.stem} | " + " | ".join(f"{value:.3f}" for value in rows[-1]) + " |", flush=True)
    print("| mean | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |")


def drawn_digits(count: int, seed: int, side: int = 16) -> np.ndarray:
    """Grey digits of many sizes, places and slants, uint8 [count, side, side]."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        canvas = Image.new("L", (4 * side, 4 * side))
        font = ImageFont.load_default(size=int(rng.integers(44, 60)))
        where = (2 * side + rng.integers(-5, 6), 2 * side + rng.integers(-5, 6))
        ImageDraw.Draw(canvas).text(
            where, str(number % 10), 255, font, anchor="mm", stroke_width=int(rng.integers(0, 3))
        )
        slant = rng.normal(0, 0.15)
        canvas = canvas.transform(canvas.size, Image.Transform.AFFINE, (1, slant, -slant * 2 * side, 0, 1, 0), 2)
        canvas = canvas.rotate(rng.normal(0, 7), 2)
        found.append(np.array(canvas.resize((side, side), Image.Resampling.BOX)))
    return np.stack(found)


def digits(arguments: argparse.Namespace) -> None:
    """A circuit trained on drawn digits without prediction; bits per pixel of held-out ones, coded together and alone."""
    torch.set_grad_enabled(False)
    training, held = drawn_digits(4000, 0), drawn_digits(1000, 1)
    codec = CircuitCodec(CircuitConfig(states=32, side=16, predict=False))
    codec.net.spread(torch.Generator().manual_seed(0), residuals=False)
    generator, began = torch.Generator().manual_seed(1), time.perf_counter()
    for step in range(arguments.rounds):
        batch = torch.from_numpy(training[torch.randint(0, len(training), (250,), generator=generator).numpy()]).long()
        em_step(codec.net, batch[:, None], max(0.05, 1 / (1 + step) ** 0.6))
    print(f"{arguments.rounds} steps of expectation maximisation in {time.perf_counter() - began:.0f} s")
    codec.freeze()
    counter = RateCounter()
    codec.circuit.traverse(counter, np.ones(held.shape, bool), 1, held[:, None])
    wall = np.concatenate([np.concatenate(row, axis=1) for row in held.reshape(25, 40, 16, 16)])
    out = Picture(wall[:, :, None])
    track, plan = codec.open(out, Options())
    items = list(codec.encode_units(out, track, plan, 0, Options()))
    assert (codec.decode(track, items).pixels[:, :, 0] == wall).all()
    order0 = np.bincount(training.reshape(-1), minlength=256) + 0.01
    figures = {
        "histogram": -np.log2(order0 / order0.sum())[held].sum(),
        "PNG, all digits in one picture": 8 * file_size(wall, "png", optimize=True),
        "PNG, one by one": 8 * sum(file_size(digit, "png", optimize=True) for digit in held),
        "WebP lossless, all digits in one picture": 8 * file_size(wall, "webp", **WEBP),
        "circuit, all digits in one picture": 8 * sum(len(item.streams[0]) for item in items),
        "circuit, ideal": counter.bits,
    }
    print("| coder | bits per pixel |\n|---|--:|")
    for name, total in figures.items():
        print(f"| {name} | {total / held.size:.3f} |")


class Paths:
    """The published scheme: messages of complete parts are kept, and for each pixel the path from the root is computed anew."""

    def __init__(self, circuit: ExactCircuit, side: int, anew: bool) -> None:
        self.circuit, self.levels, self.anew = circuit, 2 * (side.bit_length() - 1), anew
        self.up: dict[tuple[int, int], np.ndarray] = {}
        self.visits, self.bits = 0, 0.0

    def place(self, number: int) -> tuple[int, int]:
        """Row and column of a pixel by its number in the order of the tree."""
        bits = [(number >> k) & 1 for k in range(self.levels)]
        return sum(b << k for k, b in enumerate(bits[1::2])), sum(b << k for k, b in enumerate(bits[0::2]))

    def message(self, level: int, part: int, count: int) -> np.ndarray:
        """Message of a part to its parent; of parts without known pixels all ones."""
        if self.anew and level:  # nothing is kept: the whole part again
            halves = [self.message(level - 1, 2 * part + half, count) for half in (0, 1)]
            found = fit(halves[0] * halves[1])
        else:
            found = self.up.get((level, part), np.full((count, self.circuit.states), ONE))
        if level == self.levels:
            return found
        self.visits += 1
        return fit(found @ self.circuit.back[level, part % 2])

    def run(self, patches: np.ndarray) -> None:
        """Distributions of all pixels of grey patches [n, side, side], in order."""
        circuit, count = self.circuit, len(patches)
        for number in range(1 << self.levels):
            down = fit(np.repeat(circuit.root[None], count, 0))
            for level in reversed(range(self.levels)):
                part = number >> level
                if part % 2:
                    down = fit(down * self.message(level, part - 1, count))
                elif self.anew:
                    self.message(level, part + 1, count)
                down = fit(down @ circuit.edges[level, part % 2])
                self.visits += 1
            values = patches[:, *self.place(number)]
            found = frequencies(down @ circuit.leaves[0])[np.arange(count), values]
            self.bits += 24 * count - np.log2(found).sum()
            self.up[0, number] = fit(circuit.seen[0][values])
            for level in range(1, self.levels):
                if (number + 1) % (1 << level) == 0 and not self.anew:
                    below = [self.message(level - 1, (number >> level - 1) - 1 + half, count) for half in (0, 1)]
                    self.up[level, number >> level] = fit(below[0] * below[1])


def speed(arguments: argparse.Namespace) -> None:
    """Microseconds for a pixel of a grey patch, 256 patches at once, 32 states: three ways to the same distributions."""
    net = CircuitNet(CircuitConfig(states=32, side=64)).requires_grad_(False)
    net.spread(torch.Generator().manual_seed(0))
    codec = CircuitCodec(CircuitConfig(states=32, side=64))
    codec.net = net
    codec.freeze()
    rng = np.random.default_rng(0)
    print("| variables D | walk, us | edges passed | path for each, us | edges passed | all anew, us | edges passed |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for side in (2, 4, 8, 16, 32, 64):
        patches = (128 + rng.laplace(0, 5, (256, side, side))).round().clip(0, 255).astype(np.int32)
        began = time.process_time()
        counter = RateCounter()
        codec.circuit.traverse(counter, np.ones(patches.shape, bool), 1, patches[:, None])
        cells = [(time.process_time() - began) / patches.size * 1e6, 4 * (side**2 - 1) / side**2]
        for anew, most in ((False, 64), (True, 16)):
            if side > most:
                cells += [float("nan")] * 2
                continue
            paths, began = Paths(codec.circuit, side, anew), time.process_time()
            paths.run(patches)
            cells += [(time.process_time() - began) / patches.size * 1e6, paths.visits / side**2]
            assert np.isclose(paths.bits, counter.bits, rtol=1e-12)
        print(f"| {side**2} | " + " | ".join("" if np.isnan(c) else f"{c:.1f}" for c in cells) + " |", flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("pictures", "digits", "speed"))
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/eval/kodak"))
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--every", type=int, default=1, help="of the pictures")
    parser.add_argument("--rounds", type=int, default=150)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    {"pictures": pictures, "digits": digits, "speed": speed}[arguments.what](arguments)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
