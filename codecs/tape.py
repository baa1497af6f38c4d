"""Arrays that lie elsewhere, in a file or behind a decoder: they are read along time when they are asked for."""

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

import numpy as np
from numpy.typing import DTypeLike

READERS = 8  # of one tape that wait for whoever reads on

Play = Callable[[int], tuple[int, Iterator[np.ndarray]]]


class Tape:
    """An array by its shape, its type and its slices along time; `numpy.asarray` of it or of a slice reads what is needed.

    A slice of time is a tape again. Reading on where someone stopped is cheap, also for several at a time; going back winds
    back. Any other index reads all of it.

    Args:
        play: given a number, gives another one that is not larger and the arrays from there on, which follow each other
            along time; may be called again and again. Tapes whose `play` can be pickled can be.
        shape, dtype: of all of it.
        axis: that of time.
    """

    def __init__(self, play: Play, shape: tuple[int, ...], dtype: DTypeLike, axis: int) -> None:
        self._play, self._whole, self.dtype, self.axis = play, tuple(shape), np.dtype(dtype), axis
        self._first, self._end = 0, shape[axis]
        self._readers = _Readers(play, axis, shape[axis])

    def __reduce__(self) -> tuple:
        return _span, (self._play, self._whole, self.dtype, self.axis, self._first, self._end)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return (*self._whole[: self.axis], self._end - self._first, *self._whole[self.axis + 1 :])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._whole)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Bytes that the array would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: object) -> "Tape | np.ndarray":
        keys = key if isinstance(key, tuple) else (key,)
        others, last = keys[:-1], keys[-1]
        if len(keys) == self.axis + 1 and all(isinstance(k, slice) and k == slice(None) for k in others):
            if isinstance(last, slice) and last.step in (None, 1):
                first, end, _ = last.indices(self.shape[self.axis])
                return self._between(self._first + first, self._first + max(first, end))
            if not self.axis and isinstance(last, int | np.integer):
                number = range(self._first, self._end)[last]
                return np.asarray(self._between(number, number + 1))[0]
        return np.asarray(self)[key]

    def __iter__(self) -> Iterator[np.ndarray]:
        if self.axis:
            yield from np.asarray(self)
            return
        for part in self._readers.between(self._first, self._end):
            yield from part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        made = gathered(self._readers.between(self._first, self._end), self.shape, self.dtype, self.axis)
        return made if dtype is None else made.astype(dtype, copy=False)

    def _between(self, first: int, end: int) -> "Tape":
        part = Tape.__new__(Tape)
        part.__dict__.update(self.__dict__, _first=first, _end=end)
        return part


def _span(play: Play, shape: tuple[int, ...], dtype: np.dtype, axis: int, first: int, end: int) -> Tape:
    return Tape(play, shape, dtype, axis)._between(first, end)


def gathered(parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: DTypeLike, axis: int) -> np.ndarray:
    """Arrays that follow each other along an axis as one, which has the shape; raises EOFError where they are too few."""
    made, filled = np.empty(shape, dtype), 0
    for part in parts:
        made[(slice(None),) * axis + (slice(filled, filled + part.shape[axis]),)] = part
        filled += part.shape[axis]
    if filled != shape[axis]:
        raise EOFError(f"a tape of {shape[axis]} ends at {filled}")
    return made


class _Readers:
    """Those that stand somewhere in a source: who wants to read takes the nearest one before."""

    def __init__(self, play: Play, axis: int, total: int) -> None:
        self.play, self.axis, self.total = play, axis, total
        self.lock, self.waiting = Lock(), []

    def between(self, first: int, end: int) -> Iterator[np.ndarray]:
        """The arrays of a span."""
        if first == end:
            return
        with self.lock:
            before = [reader for reader in self.waiting if reader.place <= first]
            if before:
                self.waiting.remove(nearest := max(before, key=lambda reader: reader.place))
        reader = nearest if before else _Reader(*self.play(first), self.axis)
        try:
            yield from reader.between(first, end)
        except GeneratorExit:
            self._keep(reader)
            raise
        self._keep(reader)  # after any other error its source has come to an end

    def _keep(self, reader: "_Reader") -> None:
        if reader.place == self.total:
            next(reader.parts, None)  # what comes after the last array may be an error
            return
        with self.lock:
            self.waiting = [*self.waiting[-READERS + 1 :], reader]


class _Reader:
    """One way through a source; `place` is the number of what comes next."""

    def __init__(self, place: int, parts: Iterator[np.ndarray], axis: int) -> None:
        self.place, self.parts, self.axis = place, parts, axis
        self.rest: np.ndarray | None = None

    def between(self, first: int, end: int) -> Iterator[np.ndarray]:
        """The arrays from `first`, which has not passed, to `end`."""
        while self.place < end:
            part = next(self.parts, None) if self.rest is None else self.rest
            if part is None:
                raise EOFError(f"a tape ends at {self.place} already")
            count = part.shape[self.axis]
            low, high = min(max(first - self.place, 0), count), min(end - self.place, count)
            self.rest = self._cut(part, high, count) if high < count else None
            self.place += high
            if low < high:
                yield self._cut(part, low, high)

    def _cut(self, part: np.ndarray, first: int, end: int) -> np.ndarray:
        return part[(slice(None),) * self.axis + (slice(first, end),)]
