"""Visiting arrays in wavefronts: all places of one wavefront know their context and are coded at once.

An array is cut into blocks of equal size, which take no context from each other and are visited side by side. Inside a
block, place (row, column) belongs to wavefront column + slope * row, so a context may reach to the upper right as far as the slope
allows. Within a wavefront the order is by row, then by block.
"""

from collections.abc import Callable, Sequence

import numpy as np

Tap = tuple[int, int]  # rows and columns from a place to one of its context
Step = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


def back(tap: Tap, slope: int) -> int:
    """How many wavefronts before its place a tap lies; raises ValueError where it is not known by then or below."""
    row, column = tap
    if row > 0 or column + slope * row >= 0:
        raise ValueError(f"a context cannot hold {tap}: it is coded later with a slope of {slope}")
    return -(column + slope * row)


class _Skewed:
    """Planes [count, blocks, rows, columns] laid out [count, wavefront, row, block]: a wavefront is one piece of memory.

    `before` wavefronts and `above` rows of zeros come first.
    """

    def __init__(self, count: int, shape: tuple[int, int, int], slope: int, before: int, above: int) -> None:
        blocks, self.rows, self.columns = shape
        self.slope, self.before, self.above = slope, before, above
        self.number = self.columns + slope * (self.rows - 1)
        self.memory = np.zeros((count, before + self.number, above + self.rows, blocks))

    def _plane(self, plane: int) -> np.ndarray:
        """A plane of the memory as [blocks, rows, columns]."""
        place = self.memory[plane, self.before :, self.above :]
        wave, row, block = place.strides
        shape = (place.shape[2], self.rows, self.columns)
        return np.lib.stride_tricks.as_strided(place, shape, (block, row + self.slope * wave, wave))

    def put(self, plane: int, values: np.ndarray) -> None:
        """Fill a plane from [blocks, rows, columns]."""
        self._plane(plane)[...] = values

    def take(self, plane: int) -> np.ndarray:
        """A plane as [blocks, rows, columns]."""
        return self._plane(plane).copy()

    def span(self, wave: int) -> tuple[int, int]:
        """First row of a wavefront and the one after its last."""
        return max(0, -(-(wave - self.columns + 1) // self.slope)), min(self.rows, wave // self.slope + 1)


def visit(
    shape: tuple[int, int, int],
    taps: Sequence[Tap],
    slope: int,
    step: Step,
    extra: np.ndarray | None = None,
    valid: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> np.ndarray:
    """Visit all places of an array, wavefront by wavefront.

    Args:
        shape: blocks, rows and columns.
        taps: the causal context of a place; what lies outside a block is 0.
        slope: wavefronts by which a row lags behind the one above it, at least 1.
        step: called for each wavefront with the contexts float64 [len(taps) + len(extra), n], integers all of them, and the
            values [n] where they are known; gives the values.
        extra: what is known beforehand of every place, [planes, *shape]; comes after the taps.
        valid: bool of the shape; places that are not valid are left out and are 0.
        values: integers of the shape; None when decoding.

    Returns:
        The values that `step` gave, int32 of the shape.
    """
    lags = [back(tap, slope) for tap in taps]
    above = max((-row for row, _ in taps), default=0)
    known = _Skewed(1, shape, slope, max(lags, default=0), above)
    given = None if values is None else _filled(values[None], shape, slope)
    beside = None if extra is None else _filled(extra, shape, slope)
    mask = None if valid is None or valid.all() else _filled(valid[None], shape, slope)
    rows = [row for row, _ in taps]
    for wave in range(known.number):
        top, end = known.span(wave)
        if end <= top:
            continue  # narrow blocks have wavefronts without places
        contexts = _contexts(known, lags, rows, beside, wave)
        now = None if given is None else given.memory[0, wave, top:end].reshape(-1)
        place = known.memory[0, known.before + wave, above + top : above + end]
        if mask is None:
            place[...] = step(contexts, now).reshape(place.shape)
        elif (kept := mask.memory[0, wave, top:end] > 0).any():
            flat = kept.reshape(-1)
            place[kept] = step(contexts[:, flat], None if now is None else now[flat])
    return known.take(0).astype(np.int32)


def _contexts(known: _Skewed, lags: list[int], rows: list[int], beside: _Skewed | None, wave: int) -> np.ndarray:
    """What is known of the places of a wavefront: taps, then what was known beforehand, float64 [planes, n]."""
    top, end = known.span(wave)
    blocks = known.memory.shape[-1]
    extra = 0 if beside is None else len(beside.memory)
    found = np.empty((len(lags) + extra, end - top, blocks))
    for number, (row, lag) in enumerate(zip(rows, lags, strict=True)):
        above = known.above + row
        found[number] = known.memory[0, known.before + wave - lag, above + top : above + end]
    if beside is not None:
        found[len(lags) :] = beside.memory[:, wave, top:end]
    return found.reshape(len(found), (end - top) * blocks)


def contexts(values: np.ndarray, taps: Sequence[Tap]) -> np.ndarray:
    """The contexts of all places at once, float64 [len(taps), *shape], of known values [blocks, rows, columns]."""
    above = max((-row for row, _ in taps), default=0)
    aside = max((abs(column) for _, column in taps), default=0)
    rows, columns = values.shape[1:]
    padded = np.pad(values.astype(np.float64), ((0, 0), (above, 0), (aside, aside)))
    found = [padded[:, above + r : above + r + rows, aside + c : aside + c + columns] for r, c in taps]
    return np.stack(found) if found else np.zeros((0, *values.shape))


def _filled(planes: np.ndarray, shape: tuple[int, int, int], slope: int) -> _Skewed:
    skewed = _Skewed(len(planes), shape, slope, 0, 0)
    for number, plane in enumerate(planes):
        skewed.put(number, plane)
    return skewed
