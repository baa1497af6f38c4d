"""Integer frequency tables: what every coder reads a probability from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import constriction
import numpy as np

PRECISION = 24
TOTAL = 1 << PRECISION


class Tables:
    """An immutable set of rows of integer frequencies; a symbol's probability is frequency / 2^24.

    Args:
        rows: one array of frequencies per row, each >= 1, each row summing to 2^24, at least two classes.
        firsts: the symbol that the first class of each row stands for.
        escape: the last class of each row means "another symbol follows", so that every int32 can be coded.

    Raises:
        ValueError: when a row breaks these rules.
    """

    def __init__(self, rows: Sequence[np.ndarray], firsts: Sequence[int], escape: bool = False) -> None:
        if len(rows) != len(firsts) or not rows:
            raise ValueError("tables need one first symbol per row and at least one row")
        self.frequencies = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        self.sizes = np.array([len(row) for row in rows], dtype=np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.firsts = np.asarray(firsts, dtype=np.int64)
        self.escape = escape
        if self.sizes.min() < 2 or self.frequencies.min() < 1:
            raise ValueError("a row of a table needs two classes and frequencies of at least 1")
        if (np.add.reduceat(self.frequencies, self.starts) != TOTAL).any():
            raise ValueError(f"the frequencies of a row must sum to {TOTAL}")
        self.frequencies.setflags(write=False)
        self.coder_model = lru_cache(maxsize=None)(self._coder_model)

    @classmethod
    def from_counts(cls, counts: np.ndarray, first: int = 0, escape: bool = False) -> "Tables":
        """Tables proportional to counts, every class kept possible.

        Args:
            counts: non-negative integers below 2^38, [rows, n] (or [n] for one row).
            first: the symbol of the first class.
            escape: append an escape class that counts as a single occurrence.
        """
        counts = np.atleast_2d(np.asarray(counts, dtype=np.int64))
        if escape:
            counts = np.concatenate([counts, np.ones((len(counts), 1), dtype=np.int64)], axis=1)
        if counts.min() < 0 or counts.max() >= 1 << 38:
            raise ValueError("counts must lie in 0 .. 2^38 - 1")
        counts = counts + (counts.sum(axis=1, keepdims=True) == 0)
        share = TOTAL - counts.shape[1]
        frequencies = 1 + counts * share // counts.sum(axis=1, keepdims=True)
        best = counts.argmax(axis=1)
        frequencies[np.arange(len(counts)), best] += TOTAL - frequencies.sum(axis=1)
        return cls(list(frequencies), [first] * len(counts), escape)

    @classmethod
    def trimmed(cls, shares: np.ndarray, first: int, least: float = 2.0**-14) -> "Tables":
        """Tables with an escape class for what is rare at either end of each row.

        Args:
            shares: expected shares of the classes, float >= 0, [rows, n].
            first: the symbol of the first class.
            least: classes outside the first and the last of at least this share of their row are left out.
        """
        shares = shares / shares.sum(axis=1, keepdims=True)
        rows, firsts = [], []
        for row in shares:
            kept = np.flatnonzero(row >= least)
            low, high = (int(kept[0]), int(kept[-1])) if len(kept) else (int(row.argmax()),) * 2
            inside = row[low : high + 1]
            escape = max(round((1 - inside.sum()) * TOTAL), TOTAL >> 18)
            whole = 1 + np.floor(inside / inside.sum() * (TOTAL - escape - len(inside))).astype(np.int64)
            whole[whole.argmax()] += TOTAL - escape - whole.sum()
            rows.append(np.append(whole, escape))
            firsts.append(first + low)
        return cls(rows, firsts, escape=True)

    def __len__(self) -> int:
        return len(self.sizes)

    def row(self, index: int) -> np.ndarray:
        """Frequencies of one row, escape class included, int64."""
        return self.frequencies[self.starts[index] : self.starts[index] + self.sizes[index]]

    def shares(self, first: int, count: int) -> np.ndarray:
        """Shares of the symbols first .. first + count - 1, float64 [rows, count], which sum to 1 where these are all.

        The escape's share is spread evenly over the symbols that a row leaves out; where it leaves out none, nobody has it.
        """
        found = np.zeros((len(self), count))
        for index, line in enumerate(found):
            row = self.row(index) / TOTAL
            row, rest = (row[:-1], row[-1]) if self.escape else (row, 0.0)
            begin = int(self.firsts[index]) - first
            outside = np.ones(count, bool)
            outside[begin : begin + len(row)] = False
            line[begin : begin + len(row)] = row
            line[outside] = rest / max(1, outside.sum())
        return found

    def _coder_model(self, index: int) -> constriction.stream.model.Categorical:  # pyright: ignore[reportAttributeAccessIssue]
        # With weights f - 1 that sum to 2^24 - n, the library's fixed-point rounding has nothing left to round
        # and gives each class exactly f: a test compares it with an independent decoder.
        return constriction.stream.model.Categorical((self.row(index) - 1).astype(np.float64), perfect=False)  # pyright: ignore[reportAttributeAccessIssue]

    def at(self, rows: np.ndarray | int, shape: tuple[int, ...] | None = None, skip: int = 0) -> "Model":
        """The model of an array of symbols, one table row for each.

        Args:
            rows: row indices; their shape is that of the symbols.
            shape: shape of the symbols where `rows` is to be broadcast.
            skip: symbols whose row is below this are not sent and are 0.

        Raises:
            ValueError: when an index lies outside the tables.
        """
        rows = np.asarray(rows)
        rows = np.broadcast_to(rows, shape) if shape is not None else rows
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise ValueError(f"row index outside 0..{len(self) - 1}")
        return Model(self, rows, skip)

    def state(self) -> dict[str, np.ndarray]:
        """The tables as arrays for a weights file; `from_state` is the inverse."""
        return {
            "frequencies": self.frequencies.astype(np.int32),
            "sizes": self.sizes.astype(np.int32),
            "firsts": self.firsts.astype(np.int32),
            "escape": np.array([self.escape], dtype=np.uint8),
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> "Tables":
        """Tables from the arrays that `state` gave; raises ValueError when they break the rules of a table."""
        sizes = np.asarray(state["sizes"], dtype=np.int64)
        frequencies = np.asarray(state["frequencies"], dtype=np.int64)
        if sizes.sum() != len(frequencies):
            raise ValueError("the sizes of the tables do not match their frequencies")
        rows = np.split(frequencies, np.cumsum(sizes)[:-1])
        return cls(rows, np.asarray(state["firsts"], dtype=np.int64).tolist(), bool(state["escape"][0]))


def uniform(size: int) -> Tables:
    """One row in which 0 .. size - 1 are equally likely (up to the rounding of 2^24 / size)."""
    return Tables.from_counts(np.ones(size, dtype=np.int64))


@dataclass(frozen=True)
class Model:
    """Tables and the row of every symbol of an array; see `Tables.at`."""

    tables: Tables
    rows: np.ndarray
    skip: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape
