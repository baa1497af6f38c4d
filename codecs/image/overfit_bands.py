"""Bands of a picture, so many of its columns: a short fit looks at one after the other, and the networks move after each.

Networks of a few hundred numbers have enough to learn from in a part of a large picture; so they move several times in the
time of one look at all of it, which counts where there are few. Columns, since sky is above and ground below: bands should
not differ much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .overfit_net import GRIDS, REACH, cut, features, sizes, to_blocks

PIXELS, MOST = 1 << 17, 8  # of a band, about; bands of a picture
MARGIN = 6  # columns of each grid beside a band on which its pixels depend through up-sampling and 3x3 layers


@dataclass(frozen=True)
class Band:
    """Some columns of a picture. columns: the first and the end in each grid, finest first."""

    columns: tuple[tuple[int, int], ...]

    def crops(self, grids: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
        """Columns of grids on which the band's pixels depend, and where each starts in what the coarser one is doubled to."""
        lefts = [max(0, first - MARGIN) for first, _ in self.columns]
        ends = [end + MARGIN for _, end in self.columns]
        parts = [grid[..., left:end] for grid, left, end in zip(grids, lefts, ends, strict=True)]
        return parts, [fine - 2 * coarse for fine, coarse in pairwise(lefts)]

    def inside(self, pixels: Tensor) -> Tensor:
        """The band's columns of pixels [B, C, H, W]."""
        return pixels[..., slice(*self.columns[0])]

    def painted(self, pixels: Tensor) -> Tensor:
        """The band's columns of what was made from `crops`."""
        first, end = self.columns[0]
        before = min(first, MARGIN)
        return pixels[..., before : before + end - first]

    def blocks(self, grids: list[Tensor], level: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Blocks of a grid with places in the band, their coarser neighbours, and 1 for places in the band, else 0.

        float [n, rows, columns], [FEATURES, n, rows, columns] and [n, rows, columns], or None where all are in the band.
        """
        grid, (first, end) = grids[level], self.columns[level]
        side = cut(grid.shape[2])[1]
        left, right = first // side * side, min(grid.shape[2], -(-end // side) * side)
        if right - left <= side:  # one column of blocks: of it what the band has as context is enough
            left, right = max(left, first - REACH), min(right, end + REACH)
            side = right - left
        part = grid[..., left:right]
        blocks = to_blocks(part, side).flatten(0, 1)
        seen = to_blocks(features(grids, level, (left, right)), side).flatten(1, 2)
        if blocks.numel() == grid[..., first:end].numel():
            return blocks, seen, None
        valid = torch.zeros_like(part)
        valid[..., first - left : end - left] = 1
        return blocks, seen, to_blocks(valid, side).flatten(0, 1)


def bands(height: int, width: int, most: int = MOST) -> list[Band]:
    """Up to `most` bands of a picture from left to right."""
    side = 1 << (GRIDS - 1)  # so that an edge is one in every grid
    across = -(-width // side)
    count = max(1, min(most, round(height * width / PIXELS), across))
    edges = [side * round(across * number / count) for number in range(count)]
    shapes, found = sizes(height, width), []
    for number, edge in enumerate(edges):
        last = number + 1 == count
        ends = [shapes[level][1] if last else edges[number + 1] >> level for level in range(GRIDS)]
        found.append(Band(tuple((edge >> level, end) for level, end in enumerate(ends))))
    return found
