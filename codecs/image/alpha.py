"""Lossless coding of an alpha plane: differences along both axes, block by block with the table that fits."""

import numpy as np

from ...entropy import Coder, Tables, laplace, uniform

BLOCK = 16
# Rows of the Laplace family that a block may choose from: from flat to noise.
CHOICES = np.array([0, 6, 12, 18, 24, 30, 38, 48])
_CHOICE = uniform(len(CHOICES))


def traverse_alpha(coder: Coder, shape: tuple[int, int], plane: np.ndarray | None = None) -> np.ndarray:
    """Code an alpha plane.

    Args:
        coder: counts, writes or reads.
        shape: height and width.
        plane: uint8 [height, width]; None when decoding.

    Returns:
        The plane, uint8 [height, width], exactly.
    """
    height, width = shape
    grid = (-(-height // BLOCK), -(-width // BLOCK))
    residual = None if plane is None else _difference(plane)
    chosen = None if residual is None else _choose(residual, grid)
    chosen = coder.code(chosen, _CHOICE.at(0, grid))
    rows = np.repeat(np.repeat(CHOICES[chosen], BLOCK, 0), BLOCK, 1)[:height, :width]
    residual = coder.code(residual, laplace().at(rows))
    return np.cumsum(np.cumsum(residual, 0), 1).astype(np.uint8)


def _difference(plane: np.ndarray) -> np.ndarray:
    """Differences along both axes modulo 256, as -128 .. 127; two running sums undo them."""
    steps = np.diff(np.diff(plane.astype(np.int32), axis=0, prepend=0), axis=1, prepend=0)
    return (steps + 128) % 256 - 128


def _choose(residual: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The cheapest row for every block, [grid]."""
    bits = _cost(laplace())[:, np.abs(residual)]
    padding = [(0, 0), *((0, count * BLOCK - side) for count, side in zip(grid, residual.shape, strict=True))]
    bits = np.pad(bits, padding).reshape(len(CHOICES), grid[0], BLOCK, grid[1], BLOCK)
    return bits.sum(axis=(2, 4)).argmin(axis=0).astype(np.int32)


def _cost(tables: Tables) -> np.ndarray:
    """Bits of each magnitude 0 .. 128 under each choice, escapes counted roughly; [choices, 129]."""
    cost = np.full((len(CHOICES), 129), 40.0, dtype=np.float32)
    for choice, row in enumerate(CHOICES):
        half = tables.row(row)[-tables.firsts[row] : -1][:129]
        cost[choice, : len(half)] = 24 - np.log2(half)
    return cost
