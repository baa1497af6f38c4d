"""Byte-pair encoding of integer tokens: frequent neighbours become symbols of their own (Sennrich et al. 2016)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np

GAP = -1  # between sequences; no pair contains it


@dataclass(frozen=True)
class Merges:
    """Which pairs of symbols become one; applied in order.

    Attributes:
        size: tokens are 0 .. size - 1; the k-th pair becomes symbol size + k.
        pairs: int64 [n, 2], of tokens and earlier symbols.
    """

    size: int
    pairs: np.ndarray

    def __len__(self) -> int:
        """Number of symbols, tokens included."""
        return self.size + len(self.pairs)

    def encode(self, tokens: np.ndarray) -> np.ndarray:
        """Tokens int [n] to fewer symbols int64 [m]; GAP stays and is never part of a pair."""
        symbols = np.asarray(tokens, dtype=np.int64)
        present = np.zeros(len(self), bool)
        present[symbols[symbols >= 0]] = True
        for number, (left, right) in enumerate(self.pairs.tolist()):
            if not (present[left] and present[right]):
                continue
            places = occurrences(symbols, left, right)
            if len(places):
                symbols = merged(symbols, places, self.size + number)
                present[self.size + number] = True
        return symbols

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        """The inverse of `encode`, int64; raises ValueError for numbers that are no symbols."""
        symbols = np.asarray(symbols, dtype=np.int64)
        if symbols.size and not 0 <= symbols.min() <= symbols.max() < len(self):
            raise ValueError(f"symbols lie between 0 and {len(self) - 1}")
        flat, starts = self._expanded
        lengths = np.diff(starts)[symbols]
        ends = np.cumsum(lengths)
        inside = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        return flat[np.repeat(starts[symbols], lengths) + inside]

    @cached_property
    def _expanded(self) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of all symbols end to end, and where each begins, int64 [symbols + 1]."""
        parts = [np.array([token], dtype=np.int64) for token in range(self.size)]
        for left, right in self.pairs.tolist():
            parts.append(np.concatenate((parts[left], parts[right])))
        return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


def occurrences(symbols: np.ndarray, left: int, right: int) -> np.ndarray:
    """Where a pair begins, from left to right and without overlaps."""
    places = np.flatnonzero((symbols[:-1] == left) & (symbols[1:] == right))
    if left != right or not len(places):
        return places
    fresh = np.diff(places, prepend=-2) > 1  # the beginning of a run of one symbol, in which every second place counts
    first = np.maximum.accumulate(np.where(fresh, places, 0))
    return places[(places - first) % 2 == 0]


def merged(symbols: np.ndarray, places: np.ndarray, symbol: int) -> np.ndarray:
    """A copy with the pairs that begin at `places` replaced."""
    kept = np.ones(len(symbols), bool)
    kept[places + 1] = False
    result = symbols.copy()
    result[places] = symbol
    return result[kept]


def learn(sequences: Sequence[np.ndarray], size: int, merges: int, least: int = 2) -> Merges:
    """Merge the most frequent pair, again and again.

    Args:
        sequences: tokens 0 .. size - 1, each int [n].
        size: number of tokens.
        merges: pairs at most.
        least: a pair that occurs less often ends it.
    """
    gap = np.array([GAP])
    symbols = np.concatenate(
        [part for sequence in sequences for part in (np.asarray(sequence, np.int64), gap)] or [gap]
    )
    span = size + merges  # pairs are numbered left * span + right
    counts: dict[int, int] = {}
    queue: list[tuple[int, int]] = []
    _count(symbols[:-1], symbols[1:], span, 1, counts, queue)
    heapify(queue)
    pairs: list[tuple[int, int]] = []
    while queue and len(pairs) < merges:
        number, pair = heappop(queue)
        if -number != counts[pair]:  # an entry from before the count changed
            continue
        if -number < least:
            break
        left, right = divmod(pair, span)
        places = occurrences(symbols, left, right)
        if len(places) < least:
            counts[pair] = 0  # overlaps made it seem more frequent
            continue
        near = np.unique(np.concatenate((places - 1, places, places + 1)))
        near = near[(near >= 0) & (near < len(symbols) - 1)]
        _count(symbols[near], symbols[near + 1], span, -1, counts, queue)
        symbols = merged(symbols, places, size + len(pairs))
        now = places - np.arange(len(places))
        near = np.unique(np.concatenate((now - 1, now)))
        near = near[(near >= 0) & (near < len(symbols) - 1)]
        _count(symbols[near], symbols[near + 1], span, 1, counts, queue)
        pairs.append((left, right))
    return Merges(size, np.array(pairs, dtype=np.int64).reshape(-1, 2))


def _count(
    left: np.ndarray, right: np.ndarray, span: int, sign: int, counts: dict[int, int], queue: list[tuple[int, int]]
) -> None:
    """Add pairs to the counts, or take them away, and queue the new counts."""
    inside = (left >= 0) & (right >= 0)
    found, numbers = np.unique(left[inside] * span + right[inside], return_counts=True)
    for pair, number in zip(found.tolist(), numbers.tolist(), strict=True):
        counts[pair] = counts.get(pair, 0) + sign * number
        heappush(queue, (-counts[pair], pair))
