"""Laplace tables whose centre lies between two symbols: for networks that predict a mean in fixed point and a scale.

Row 16 * s + f has scale 2^(s / 4 - 4.5) and its centre at f / 16. All rows have 31 symbols around it and one class for what
lies outside, so that symbols of different rows go through the coder in one call. Made by integers alone.
"""

from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise

import numpy as np

from .coders import Coder
from .dense import Dense
from .families import laplace
from .tables import TOTAL

SCALES = 48
FRACTIONS = 16  # places of the centre between two symbols
FIRST, CLASSES = -15, 32
BITS = 64  # of the powers that the rows are made of
OUTSIDE = 44  # row of the Laplace family for the distance of what lies outside


@cache
def _frequencies() -> np.ndarray:
    """Frequencies int64 [SCALES * FRACTIONS, CLASSES], the last class for symbols outside."""
    rows = []
    for scale in range(SCALES):
        tail = _powers(scale)
        for fraction in range(FRACTIONS):
            edges = [(FIRST + k) * FRACTIONS - FRACTIONS // 2 - fraction for k in range(CLASSES)]
            below = [tail[-t] if t < 0 else (2 << BITS) - tail[t] for t in edges]
            masses = [right - left for left, right in pairwise(below)]
            masses.append(below[0] + (2 << BITS) - below[-1])
            row = [1 + (mass * (TOTAL - CLASSES) >> (BITS + 1)) for mass in masses]
            row[max(range(CLASSES), key=row.__getitem__)] += TOTAL - sum(row)
            rows.append(row)
    return np.array(rows, dtype=np.int64)


def _powers(scale: int) -> list[int]:
    """exp(-t / (16 b)) for t = 0, 1, ... in units of 2^-64, b the scale of a row."""
    with localcontext() as context:
        context.prec = 60
        root = Decimal(2).sqrt().sqrt()  # square roots and quotients are correctly rounded, unlike powers
        inverse = root * root / (1 << scale // 4)  # 1 / (16 b) = 2^(1/2 - scale / 4)
        for _ in range(scale % 4):
            inverse /= root
        ratio = int((-inverse).exp() * (1 << BITS))
    powers = [1 << BITS]
    for _ in range((CLASSES + 1) * FRACTIONS // 2 + FRACTIONS):
        powers.append(powers[-1] * ratio >> BITS)
    return powers


@cache
def _weights() -> np.ndarray:
    return np.ascontiguousarray((_frequencies() - 1).astype(np.float64))


class _Picked(Dense):
    """A distribution for every symbol, picked from the rows; what the coder is handed was made once."""

    rows: np.ndarray

    def __init__(self, rows: np.ndarray) -> None:
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "first", FIRST)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def count(self) -> int:
        return CLASSES

    @property
    def frequencies(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _frequencies().take(self.rows, axis=0)

    @property
    def weights(self) -> np.ndarray:
        return _weights().take(self.rows, axis=0)


def code_shifted(coder: Coder, mean: np.ndarray, scale: np.ndarray, symbols: np.ndarray | None = None) -> np.ndarray:
    """Code int32 symbols in array order.

    Args:
        coder: counts, writes or reads.
        mean: int64 [n] in units of 1/16.
        scale: int64 [n], 0 .. 47.
        symbols: int32 [n]; None when decoding.
    """
    base, rows = mean >> 4, scale * FRACTIONS + (mean & (FRACTIONS - 1))
    given = None if symbols is None else symbols - base
    outside = None if given is None else np.flatnonzero((given < FIRST) | (given > -FIRST))
    classes = given
    if given is not None and outside is not None and len(outside):
        classes = given.copy()
        classes[outside] = FIRST + CLASSES - 1
    classes = coder.code(classes, _Picked(rows))
    found = np.flatnonzero(classes == FIRST + CLASSES - 1)
    result = base + classes
    if len(found):
        excess = None if given is None else np.where(given > 0, given + FIRST - 1, given - FIRST)[found]
        excess = coder.code(excess, laplace().at(OUTSIDE, (len(found),))).astype(np.int64)
        result[found] = base[found] + np.where(excess >= 0, excess - FIRST + 1, excess + FIRST)
    return result.astype(np.int32)
