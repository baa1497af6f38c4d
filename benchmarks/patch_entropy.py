"""What the parts of image/patch's entropy model save: side information with neighbours, learned tables of residuals.

    python benchmarks/patch_entropy.py PICTURE...

Ideal bits per pixel of the symbols at effort 1, counted with and without each part.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import triptych
from triptych.codecs.image.patch import SKIP, STEPS, PatchCodec
from triptych.codecs.image.side import traverse_side
from triptych.codecs.image.tiles import Symbols
from triptych.codecs.signals import Picture
from triptych.entropy import RateCounter, gaussian


def side_bits(codec: PatchCodec, symbols: Symbols, index: int, near: bool) -> float:
    """Bits of the side information."""
    counter, known = RateCounter(), codec.side_near if near else None
    traverse_side(counter, symbols.side.shape, codec.side_tables, known, round(index / STEPS), symbols.side)
    return counter.bits


def residual_bits(codec: PatchCodec, symbols: Symbols, index: int, learned: bool) -> float:
    """Bits of the residuals."""
    counter, tables = RateCounter(), codec.residual_tables if learned else gaussian()
    counter.code(symbols.residual, tables.at(codec.rows(symbols.side, index), skip=SKIP))
    return counter.bits


def main() -> None:
    """Count and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec = triptych.load("image/patch")
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in options.pictures]
    pixels = sum(p.shape[0] * p.shape[1] for p in pictures)
    print("| rate point | z alone | z with neighbours | saved | residuals, Gaussian | learned | saved | saved in all |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for point in range(codec.config.points):
        index, bits = point * STEPS, np.zeros((2, 2))
        for picture in pictures:
            symbols = codec.analyse(Picture(picture), index, effort=1)
            bits[0] += [side_bits(codec, symbols, index, with_it) for with_it in (False, True)]
            bits[1] += [residual_bits(codec, symbols, index, with_it) for with_it in (False, True)]
        cells = [
            f"{part[0] / pixels:.4f} | {part[1] / pixels:.4f} | {100 * (1 - part[1] / part[0]):.1f} %" for part in bits
        ]
        print(
            f"| {point} | {cells[0]} | {cells[1]} | {100 * (1 - bits[:, 1].sum() / bits[:, 0].sum()):.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
