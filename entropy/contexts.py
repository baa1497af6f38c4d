"""Which symbols are coded when, and what each may look at: orders of coding behind one interface, and a test of causality.

An order cuts an array into steps, boolean masks that are disjoint and cover it. What is coded in a step may look at all
earlier steps and at nothing else. `check_causal` holds a codec to it: change symbols of a step and of later ones, and the rows of
tables up to that step must stay.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np

Shape = tuple[int, ...]


class Order(Protocol):
    """A way to cut arrays into steps."""

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """The masks in the order of coding, bool of the shape; some may be empty."""
        ...


@dataclass(frozen=True)
class Together:
    """No context: all symbols in one step."""

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """One mask."""
        yield np.ones(shape, bool)


@dataclass(frozen=True)
class Checkerboard:
    """Two halves over rows and columns, shifted from channel to channel; arrays [..., channels, height, width]."""

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """The half with an even sum of coordinates, then the other."""
        channel, row, column = (np.arange(n) for n in shape[-3:])
        even = np.broadcast_to((channel[:, None, None] + row[:, None] + column) % 2 == 0, shape)
        yield even.copy()
        yield ~even


@dataclass(frozen=True)
class ChannelSlices:
    """Slices of channels one after the other, each cut by `inside`; arrays [..., channels, height, width].

    Attributes:
        sizes: channels of each slice.
        inside: the order in a slice; coordinates are those of the whole array.
    """

    sizes: tuple[int, ...]
    inside: Order = Together()

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """The steps of the first slice, then those of the second, and so on; raises ValueError where sizes do not fit."""
        if sum(self.sizes) != shape[-3]:
            raise ValueError(f"slices of {sum(self.sizes)} channels do not make {shape[-3]}")
        parts = [*self.inside.steps(shape)]
        for end, size in zip(accumulate(self.sizes), self.sizes, strict=True):
            for part in parts:
                mask = np.zeros(shape, bool)
                own = (..., slice(end - size, end), slice(None), slice(None))
                mask[own] = part[own]
                yield mask


@dataclass(frozen=True)
class Quadtree:
    """From a coarse grid to finer ones: each level doubles it in two steps, centres of squares, then of their sides.

    Attributes:
        levels: times that the grid is doubled; arrays [..., height, width].
    """

    levels: int = 1

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """The coarse grid, then two masks for each level."""
        row, column = np.arange(shape[-2])[:, None], np.arange(shape[-1])
        known = (row % (1 << self.levels) == 0) & (column % (1 << self.levels) == 0)
        yield np.broadcast_to(known, shape).copy()
        for half in (1 << level for level in reversed(range(self.levels))):
            odd_row, odd_column = row // half % 2 == 1, column // half % 2 == 1
            grid = (row % half == 0) & (column % half == 0)
            yield np.broadcast_to(grid & odd_row & odd_column, shape).copy()
            yield np.broadcast_to(grid & (odd_row ^ odd_column), shape).copy()


@dataclass(frozen=True)
class Spatiotemporal:
    """Frames one after the other, each cut by `inside`; arrays [time, ...].

    Attributes:
        inside: the order in a frame.
    """

    inside: Order = Together()

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """The steps of the first frame, then those of the second, and so on."""
        parts = [*self.inside.steps(shape[1:])]
        for time in range(shape[0]):
            for part in parts:
                mask = np.zeros(shape, bool)
                mask[time] = part
                yield mask


@dataclass(frozen=True)
class CausalTokens:
    """Tokens one after the other along the last axis; arrays [..., tokens].

    Attributes:
        group: tokens of a step.
    """

    group: int = 1

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """One mask for each group of tokens."""
        for first in range(0, shape[-1], self.group):
            mask = np.zeros(shape, bool)
            mask[..., first : first + self.group] = True
            yield mask


@dataclass(frozen=True)
class Wavefronts:
    """Places whose column + slope * row is equal, as `wavefront.visit` goes; arrays [..., rows, columns]."""

    slope: int

    def steps(self, shape: Shape) -> Iterator[np.ndarray]:
        """One mask for each wavefront."""
        wave = np.arange(shape[-2])[:, None] * self.slope + np.arange(shape[-1])
        for number in range(int(wave.max(initial=-1)) + 1):
            yield np.broadcast_to(wave == number, shape).copy()


def check_partition(steps: Sequence[np.ndarray], shape: Shape) -> None:
    """Raise ValueError unless the masks cover an array of this shape, each place once."""
    covered = np.zeros(shape, np.int64)
    for mask in steps:
        if mask.shape != shape or mask.dtype != bool:
            raise ValueError("a step is no mask of the array")
        covered += mask
    if (covered != 1).any():
        raise ValueError("the steps of an order do not cover every place exactly once")


def check_causal(
    rows: Callable[[np.ndarray], np.ndarray],
    steps: Sequence[np.ndarray],
    symbols: np.ndarray,
    seed: int = 0,
    low: int = -3,
    high: int = 3,
) -> float:
    """Change the symbols of each step and of those after it, and see that rows up to that step do not move.

    Args:
        rows: symbols to what chooses their tables, an array whose first axes have the shape of the symbols.
        steps: masks in the order of coding.
        symbols: integers to begin with.
        seed: of the changes.
        low, high: range of the new symbols.

    Returns:
        The share of the changes that moved the row of a later step: 0 where nothing takes any context.

    Raises:
        ValueError: the steps are no partition, or a row depends on what is not known when it is needed.
    """
    check_partition(steps, symbols.shape)
    rng, before, moved, tried = np.random.default_rng(seed), rows(symbols), 0, 0
    open_places = np.ones(symbols.shape, bool)
    closed = np.zeros(symbols.shape, bool)
    for number, mask in enumerate(steps):
        changed = np.where(open_places, rng.integers(low, high + 1, symbols.shape), symbols).astype(symbols.dtype)
        after = rows(changed)
        closed |= mask
        if (after[closed] != before[closed]).any():
            raise ValueError(f"a row of step {number} or before depends on symbols that are not known by then")
        open_places &= ~mask
        if open_places.any():
            moved += bool((after[open_places] != before[open_places]).any())
            tried += 1
    return moved / max(tried, 1)
