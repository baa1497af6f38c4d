"""Sounds that come and go in stretches, so that no copy of all of their samples is made."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from .resample import clean

STRETCH = 1 << 18  # samples at a time


def stretches(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Samples [channels, n] piece by piece, each cleaned, see `clean`."""
    for first in range(0, samples.shape[1], STRETCH):
        yield clean(samples[:, first : first + STRETCH])


def resampled(parts: Iterable[np.ndarray], rate: int, new_rate: int, length: int) -> Iterator[np.ndarray]:
    """Stretches float32 [channels, n] at `rate` Hz as others at `new_rate` Hz: together, what `resample` gives for the whole."""
    made = channels = 0
    for part in parts if rate == new_rate else _converted(parts, rate, new_rate):
        channels, part = len(part), part[:, : length - made]
        made += part.shape[1]
        yield part
    if made < length:
        yield np.zeros((channels, length - made), dtype=np.float32)


def _converted(parts: Iterable[np.ndarray], rate: int, new_rate: int) -> Iterator[np.ndarray]:
    stream = None
    for part in parts:
        stream = stream or soxr.ResampleStream(rate, new_rate, len(part), dtype="float32")
        yield stream.resample_chunk(np.ascontiguousarray(part.T)).T
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, len(part)), dtype=np.float32), last=True).T


class Window:
    """The stretch of a sound that is needed at a time: what lies before is forgotten, what comes after not yet there."""

    def __init__(self, parts: Iterable[np.ndarray]) -> None:
        self._parts = iter(parts)
        self._held, self._first = next(self._parts), 0

    def between(self, first: int, end: int) -> np.ndarray:
        """Samples first .. end - 1, or to the end of the sound; `first` never goes back, and leaves nothing out."""
        held, missing = [self._held[:, first - self._first :]], end - self._first - self._held.shape[1]
        while missing > 0 and (part := next(self._parts, None)) is not None:
            held.append(part)
            missing -= part.shape[1]
        self._held, self._first = np.concatenate(held, 1), first
        return self._held[:, : end - first]
