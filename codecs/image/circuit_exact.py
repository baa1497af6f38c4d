"""The circuit of image/circuit in whole numbers: marginals that every machine finds alike, in one walk over the tree.

Messages are integers up to 2^24 and matrices integers whose rows sum to 2^20, both kept in float64. With at most 256 states every
sum of products stays below 2^52, so the matrix products are exact in any order of addition; scaling by powers of two and rounding
down are exact as well. The walk visits the pixels in the order of the tree and carries what is known from one part to the
next: each edge is passed twice, once on the way down and once on the way up, however many pixels a patch has.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from ...entropy import TOTAL, Coder, dense

MESSAGE, MATRIX = 24, 20  # bits
SHARES = 27  # bits of the sum of the shares from which frequencies are made
STEPS = 12  # codes of a probability in an octave
ONE = float(1 << (MESSAGE - 1))


def codes_of(logs: np.ndarray) -> np.ndarray:
    """Natural logarithms of probabilities to codes, uint8: twelfths of an octave below 1."""
    return np.rint(logs * (-STEPS / np.log(2))).clip(0, 255).astype(np.uint8)


@cache
def _powers() -> np.ndarray:
    """2^(MATRIX - code / STEPS) for all codes, rounded down, at least 1; correct to the last digit everywhere."""
    with localcontext() as context:
        context.prec = 60
        found = [max(1, int(Decimal(2) ** (MATRIX - Decimal(code) / STEPS))) for code in range(256)]
    return np.array(found, dtype=np.int64)


def matrix(codes: np.ndarray) -> np.ndarray:
    """Codes uint8 [..., n] to probabilities in units of 2^-20 as float64, each at least 1, summing to 2^20 over the last axis."""
    weights = _powers()[codes]
    shares = 1 + weights * ((1 << MATRIX) - codes.shape[-1]) // weights.sum(axis=-1, keepdims=True)
    best = shares.argmax(axis=-1)[..., None]
    left = (1 << MATRIX) - shares.sum(axis=-1, keepdims=True)
    np.put_along_axis(shares, best, np.take_along_axis(shares, best, -1) + left, -1)
    return shares.astype(np.float64)


def fit(x: np.ndarray) -> np.ndarray:
    """Scale rows of positive integers by powers of two so that the largest has 24 bits; what rounds to nothing becomes 1."""
    exponent = np.frexp(x.max(axis=1))[1]
    x = np.floor(x * np.ldexp(1.0, MESSAGE - exponent)[:, None])
    return np.maximum(x, 1.0, out=x)


def frequencies(shares: np.ndarray) -> np.ndarray:
    """Positive integers below 2^52 in float64 [n, values] to int64 frequencies, each at least 1, that sum to 2^24."""
    count = shares.shape[1]
    exponent = np.frexp(shares.sum(axis=1))[1]
    shares = np.floor(shares * np.ldexp(1.0, SHARES - exponent)[:, None])
    factor = (np.int64(TOTAL - count) << SHARES) // shares.sum(axis=1).astype(np.int64)
    shares *= np.ldexp(factor.astype(np.float64), -SHARES)[:, None]  # below 2^53 before the shift: exact
    found = shares.astype(np.int64) + 1
    best = shares.argmax(axis=1)
    found[np.arange(len(found)), best] += TOTAL - found.sum(axis=1)
    return found


@dataclass(frozen=True)
class Walk:
    """One pass over the pixels of patches; `symbols` is filled while decoding."""

    coder: Coder
    given: bool
    symbols: np.ndarray
    present: np.ndarray


class ExactCircuit:
    """The circuit from its codes.

    Args:
        root, edges, leaves: uint8 codes in the shapes of `CircuitNet`.
    """

    def __init__(self, root: np.ndarray, edges: np.ndarray, leaves: np.ndarray) -> None:
        if root.ndim != 1 or edges.shape[1:] != (2, len(root), len(root)) or leaves.shape[1] != len(root):
            raise ValueError("the parts of a circuit do not fit each other")
        if len(root) << (MESSAGE + MATRIX) >= 1 << 53:
            raise OverflowError("a circuit of so many states is not exact in float64")
        self.states = len(root)
        self.root, self.edges, self.leaves = matrix(root), matrix(edges), matrix(leaves)
        self.back = np.ascontiguousarray(self.edges.transpose(0, 1, 3, 2))
        self.seen = np.ascontiguousarray(self.leaves.transpose(0, 2, 1))

    def traverse(self, coder: Coder, present: np.ndarray, planes: int, symbols: np.ndarray | None = None) -> np.ndarray:
        """The order of the symbols of patches: pixels in the order of the tree, of each its planes, all patches at once.

        Args:
            coder: counts, writes or reads.
            present: bool [n, side, side]; other pixels are marginalised and their symbols are 0.
            planes: 1 to 3, the first ones; the others are marginalised.
            symbols: 0..255, integers [n, planes, side, side]; None when decoding.

        Returns:
            The symbols, int32.
        """
        count, side, _ = present.shape
        level = 2 * (side.bit_length() - 1)
        if level > len(self.edges):
            raise ValueError(f"the circuit has no patches of {side} pixels a side")
        store = np.zeros((count, planes, side, side), np.int32) if symbols is None else symbols.astype(np.int32)
        walk = Walk(coder, symbols is not None, store, present)
        if count:
            self._part(walk, fit(np.repeat(self.root[None], count, 0)), level, (0, 0))
        return store * present[:, None]

    def _part(self, walk: Walk, down: np.ndarray, level: int, corner: tuple[int, int]) -> np.ndarray:
        """Code a part of 2^level pixels.

        Args:
            walk: see there.
            down: weights of the states of its latent given all that is known, [n, states].
            level, corner: of the part.

        Returns:
            How likely each state makes what the part holds, [n, states] up to a factor.
        """
        if not level:
            return self._pixel(walk, down, corner)
        row, column = corner
        half = 1 << ((level - 1) // 2)
        second = (row, column + half) if level % 2 else (row + half, column)
        both = None
        for place, (start, back) in enumerate(zip((corner, second), self.back[level - 1], strict=True)):
            found = self._part(walk, fit(down @ self.edges[level - 1, place]), level - 1, start)
            message = fit(found @ back)
            if both is None:
                both, down = message, fit(down * message)
        return fit(both * message)

    def _pixel(self, walk: Walk, down: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
        """Code the planes of a pixel; returns as `_part`."""
        found = np.full(down.shape, ONE)
        where = np.flatnonzero(walk.present[:, corner[0], corner[1]])
        if not len(where):
            return found
        down, own = (down, found) if len(where) == len(down) else (down[where], found[where])
        for plane in range(walk.symbols.shape[1]):
            given = walk.symbols[where, plane, *corner] if walk.given else None
            value = walk.coder.code(given, dense(frequencies(down @ self.leaves[plane])))
            walk.symbols[where, plane, *corner] = value
            seen = self.seen[plane][value]
            down, own = fit(down * seen), fit(own * seen)
        found[where] = own
        return found
