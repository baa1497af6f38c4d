"""Side information of a picture: integers on a grid, coded in three steps of which each knows those around from before.

The first step takes every other place of every other row, with static tables. The second takes the places between four
of these diagonally, the third all others, which have four known neighbours above, below, left and right: an integer linear
layer expects the value in quarters, the whole part is subtracted, and the quarter left over chooses the table.
"""

from dataclasses import dataclass

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import Coder, IntegerLinear, Tables

BOUND = 127
QUARTERS = 4
DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
ORTHOGONAL = ((0, -1), (0, 1), (-1, 0), (1, 0))
STEPS = (DIAGONAL, ORTHOGONAL)


def places(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of the three steps, bool [height, width]."""
    odd_row, odd_column = (np.arange(n) % 2 == 1 for n in (height, width))
    corner = ~odd_row[:, None] & ~odd_column
    centre = odd_row[:, None] & odd_column
    return corner, centre, ~(corner | centre)


def neighbours(known: np.ndarray, step: int, where: np.ndarray) -> np.ndarray:
    """The four neighbours of places bool [h, w] in [channels, h, w]: [4 * channels, places]; the border is mirrored.

    Mirrored places were coded in the same step as those that they stand for, so they are known as well.
    """
    wide = np.pad(known, ((0, 0), (1, 1), (1, 1)), mode="reflect").clip(-BOUND, BOUND)
    height, width = where.shape
    parts = [wide[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width][:, where] for y, x in STEPS[step]]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Near:
    """What neighbours tell about a value.

    Attributes:
        heads: for the second and the third step, 4 * channels to channels, in quarters; a bias for every rate point.
        tables: of what is left, rows [step, point, channel, quarter].
    """

    heads: tuple[IntegerLinear, IntegerLinear]
    tables: Tables

    def expect(self, around: np.ndarray, step: int, point: int) -> tuple[np.ndarray, np.ndarray]:
        """Whole part and table row, int [channels, n], from neighbours int [4 * channels, n]."""
        head = self.heads[step]
        points, channels = head.bias.shape
        expected = head(around, head.bias[point])
        whole = (expected + QUARTERS // 2) // QUARTERS
        quarter = expected - whole * QUARTERS + QUARTERS // 2
        block = (step * points + point) * channels + np.arange(channels)
        return whole, block[:, None] * QUARTERS + quarter

    def state(self) -> dict[str, np.ndarray]:
        """Arrays for a weights file."""
        parts = {"tables.": self.tables.state(), "0.": self.heads[0].state(), "1.": self.heads[1].state()}
        return {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> "Near":
        """The inverse of `state`."""
        heads, tables = (
            [{n[len(p) :]: v for n, v in state.items() if n.startswith(p)} for p in prefixes]
            for prefixes in (("0.", "1."), ("tables.",))
        )
        return cls(tuple(IntegerLinear.from_state(part) for part in heads), Tables.from_state(tables[0]))


def traverse_side(
    coder: Coder, shape: tuple[int, int, int], tables: Tables, near: Near | None, point: int, side: np.ndarray | None
) -> np.ndarray:
    """The order of the side information, int32 [channels, height, width].

    Args:
        coder: counts, writes or reads.
        shape: channels, height and width.
        tables: static ones, `channels` rows for every rate point.
        near: None codes all places with the static tables.
        point: rate point.
        side: the values, None when reading.

    Raises:
        Malformed: values beyond 127 were read.
    """
    channels = np.arange(shape[0])
    rows = (channels + shape[0] * point)[:, None]
    if near is None:
        return _checked(coder.code(side, tables.at(rows[:, None], shape)))
    known = np.zeros(shape, np.int32)
    for number, where in enumerate(places(*shape[1:])):
        count, whole = np.count_nonzero(where), 0
        if number == 0:
            model = tables.at(rows, (shape[0], count))
        else:
            whole, chosen = near.expect(neighbours(known, number - 1, where), number - 1, point)
            model = near.tables.at(chosen)
        known[:, where] = _checked(coder.code(None if side is None else side[:, where] - whole, model) + whole)
    return known


def _checked(found: np.ndarray) -> np.ndarray:
    """Values that were read, if they are in bounds; raises Malformed."""
    if found.min(initial=0) < -BOUND or found.max(initial=0) > BOUND:
        raise Malformed("side information of a picture lies out of range")
    return found
