"""Tiles of a large picture: which unit codes which part of it, and which context makes them one picture again.

Each tile codes its own symbols and nothing else, so units stay independent. What the networks see beyond the edge of a tile is
taken from the tiles around it: pixels in the encoder, decoded symbols in the decoder. So no seams come about, and nothing is
coded twice. All places are counted in cells of 32 pixels, the area of one position of z.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import Coder, uniform
from ..signals import Crop
from .patch_net import PATCH

CELL = 2 * PATCH
PIECE = 12  # bits of a tile's number that are coded at a time


class Box(NamedTuple):
    """A part of a picture in cells, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def margin(self, inner: "Box") -> tuple[int, int, int, int]:
        """Latents above, below, left and right of a box inside this one."""
        above, below = inner.top - self.top, self.bottom - inner.bottom
        return 2 * above, 2 * below, 2 * (inner.left - self.left), 2 * (self.right - inner.right)

    def common(self, other: "Box") -> "Box":
        """The cells of both boxes."""
        top, bottom = max(self.top, other.top), min(self.bottom, other.bottom)
        return Box(top, bottom, max(self.left, other.left), min(self.right, other.right))


@dataclass(frozen=True)
class Symbols:
    """What a picture or a part of it is coded as.

    Attributes:
        side: z, int32 [side, h/2, w/2].
        residual: int32 [latents, h, w].
        alpha: uint8 [height, width] or None.
    """

    side: np.ndarray
    residual: np.ndarray
    alpha: np.ndarray | None

    def part(self, outer: Box, inner: Box) -> "Symbols":
        """Those of a box inside the box `outer` that these are the symbols of; arrays are views."""
        top, left = inner.top - outer.top, inner.left - outer.left
        height, width = inner.bottom - inner.top, inner.right - inner.left
        z, latents, pixels = (
            (slice(top * n, (top + height) * n), slice(left * n, (left + width) * n)) for n in (1, 2, CELL)
        )
        alpha = None if self.alpha is None else self.alpha[pixels]
        return Symbols(self.side[:, *z], self.residual[:, *latents], alpha)


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture of height x width pixels in raster order; `side` cells each, fewer at the far edges."""

    height: int
    width: int
    side: int

    @property
    def rows(self) -> int:
        """Cells from top to bottom."""
        return -(-self.height // CELL)

    @property
    def columns(self) -> int:
        """Cells from left to right."""
        return -(-self.width // CELL)

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return -(-self.columns // self.side)

    def __len__(self) -> int:
        return -(-self.rows // self.side) * self.across

    def box(self, number: int) -> Box:
        """Where a tile lies."""
        top, left = (place * self.side for place in divmod(number, self.across))
        return Box(top, min(top + self.side, self.rows), left, min(left + self.side, self.columns))

    def around(self, box: Box, halo: int) -> Box:
        """A box with `halo` cells more on each side, as far as the picture goes."""
        top, left = max(box.top - halo, 0), max(box.left - halo, 0)
        return Box(top, min(box.bottom + halo, self.rows), left, min(box.right + halo, self.columns))

    def meeting(self, box: Box) -> Iterator[int]:
        """Numbers of the tiles that share a cell with a box, ascending."""
        rows = range(box.top // self.side, -(-box.bottom // self.side))
        columns = range(box.left // self.side, -(-box.right // self.side))
        return (row * self.across + column for row in rows for column in columns)

    def pixels(self, box: Box) -> tuple[slice, slice]:
        """The rows and columns of pixels in a box."""
        bottom, right = min(box.bottom * CELL, self.height), min(box.right * CELL, self.width)
        return slice(box.top * CELL, bottom), slice(box.left * CELL, right)

    def size(self, box: Box) -> tuple[int, int]:
        """Height and width of a box in pixels."""
        rows, columns = self.pixels(box)
        return rows.stop - rows.start, columns.stop - columns.start

    def covering(self, crop: Crop) -> Box:
        """The cells of all tiles that hold pixels of a crop."""
        step = self.side * CELL
        top, left = (place // step * self.side for place in (crop.y, crop.x))
        bottom, right = (-(-end // step) * self.side for end in (crop.y + crop.height, crop.x + crop.width))
        return Box(top, min(bottom, self.rows), left, min(right, self.columns))

    def held(self, halo: int) -> int:
        """Most tiles that `windows` keeps at a time."""
        near = -(-halo // self.side)
        return min(2 * near * self.across + 2 * near + 1, len(self))


def windows(
    grid: Grid, part: Box, halo: int, tiles: Iterable[tuple[int, Symbols | None]]
) -> Iterator[tuple[int, Box, Symbols]]:
    """Each tile of a part of a picture with its surroundings, as soon as they are there.

    Args:
        grid: the tiles of the picture.
        part: the cells of the tiles wanted.
        halo: cells of surroundings on each side.
        tiles: number and symbols of all tiles in the part and its surroundings, ascending; None for the symbols of a
            tile that is lost.

    Yields:
        Number, box and symbols of tile and surroundings, zeros where tiles are lost; alpha is that of the tile. Lost
        tiles are left out.
    """
    held: dict[int, Symbols | None] = {}
    waiting = grid.meeting(part)
    block = next(waiting, None)
    for reached, symbols in tiles:
        held[reached] = symbols
        while block is not None and (near := [*grid.meeting(box := grid.around(grid.box(block), halo))])[-1] <= reached:
            if held[block] is not None:
                yield block, box, _gather(grid, box, held[block], {number: held[number] for number in near})
            block = next(waiting, None)
            if block is not None:
                _forget(held, grid, block, -(-halo // grid.side))


def _forget(held: dict[int, Symbols | None], grid: Grid, block: int, near: int) -> None:
    """Drop tiles that are needed neither by the tile `block` nor by one after it, oldest first."""
    row, column = divmod(block, grid.across)
    while held:
        above, left = divmod(oldest := next(iter(held)), grid.across)
        if (above + near, left + near) >= (row, column):
            return
        del held[oldest]


def _gather(grid: Grid, box: Box, tile: Symbols, near: dict[int, Symbols | None]) -> Symbols:
    """The symbols of a box from those of the tiles that it meets; alpha is that of `tile`."""
    if len(near) == 1:
        return tile
    height, width = box.bottom - box.top, box.right - box.left
    side = np.zeros((len(tile.side), height, width), np.int32)
    residual = np.zeros((len(tile.residual), 2 * height, 2 * width), np.int32)
    whole = Symbols(side, residual, None)
    for number, symbols in near.items():
        if symbols is not None:
            outer = grid.box(number)
            common = outer.common(box)
            given, place = symbols.part(outer, common), whole.part(box, common)
            place.side[...], place.residual[...] = given.side, given.residual
    return replace(whole, alpha=tile.alpha)


def code_number(coder: Coder, count: int, number: int | None = None) -> int:
    """Code a number below `count` in pieces of 12 bits, low bits first; raises Malformed for a larger one."""
    bits, found = (count - 1).bit_length(), 0
    for shift in range(0, bits, PIECE):
        size = 1 << min(PIECE, bits - shift)
        piece = None if number is None else np.array([(number >> shift) % size])
        found |= int(coder.code(piece, uniform(size).at(0, (1,)))[0]) << shift
    if found >= count:
        raise Malformed(f"a unit is tile {found} of a picture with {count}")
    return found
