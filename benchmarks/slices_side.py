"""Bits of the side information of image/slices with the help of neighbours, and with the static tables of image/patch.

python benchmarks/slices_side.py PICTURES
"""

import argparse
from pathlib import Path

import torch

from triptych.codecs.image.planes import split
from triptych.codecs.image.side import BOUND, traverse_side
from triptych.entropy import RateCounter
from triptych.tools import media, models


def main() -> None:
    """Print bits per pixel at some rate points, over all pictures of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", type=Path, help="folder")
    folder = parser.parse_args().pictures
    slices, patch = models.load("image/slices"), models.load("image/patch")
    found = [split(media.read(path))[0] for path in sorted(folder.iterdir())]
    for point in range(0, slices.config.points, 2):
        bits, area = [0.0, 0.0], 0
        for colour in found:
            pixels = torch.from_numpy(colour).permute(2, 0, 1)[None].float() - 127.5
            with torch.no_grad():
                z = slices.net.hyper(slices.net.latents(pixels, torch.tensor([float(point)]))).round()
            z = z.clamp(-BOUND, BOUND)[0].int().numpy()
            for place, (tables, near) in enumerate([(slices.side_tables, slices.side_near), (patch.side_tables, None)]):
                counter = RateCounter()
                traverse_side(counter, z.shape, tables, near, point, z)
                bits[place] += counter.bits
            area += colour[..., 0].size
        print(f"rate point {point}: {bits[0] / area:.4f} bpp with neighbours, {bits[1] / area:.4f} without")


if __name__ == "__main__":
    main()
