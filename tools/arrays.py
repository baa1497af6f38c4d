"""Arrays and paths as signals, for the Python interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from os import PathLike, fspath

import numpy as np
from numpy.typing import ArrayLike

from ..codecs.signals import Clip, Picture, Signal, Sound
from . import media

FINEST = 100_000  # largest denominator of a frame rate: keeps 30000/1001 and takes 29.97 as it is


@contextmanager
def opened(source: str | PathLike[str] | Signal | ArrayLike, rate: int | None, fps: float | None) -> Iterator[Signal]:
    """A signal from a path, a signal or an array; see triptych.encode. Raises ValueError or UsageError."""
    if isinstance(source, str | PathLike):
        with media.opened(fspath(source)) as signal:
            yield signal
    else:
        yield _as_signal(source, rate, fps)


def _as_signal(source: Signal | ArrayLike, rate: int | None, fps: float | None) -> Signal:
    if isinstance(source, Signal):
        return source
    array = np.asarray(source)
    if rate is not None:
        return _sound(array, rate)
    if array.dtype != np.uint8:
        raise ValueError(f"pictures and films are uint8 arrays and sounds need a rate; this array is {array.dtype}")
    if fps is not None:
        return Clip(array, Fraction(fps).limit_denominator(FINEST))
    if array.ndim == 4:
        raise ValueError("a film needs its frames per second: give fps")
    return Picture(array[..., None] if array.ndim == 2 else array)


def _sound(array: np.ndarray, rate: int) -> Sound:
    """Samples [n] or [channels, n] as a Sound."""
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"a sound is a float array in -1 to 1; this array is {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError("a sound holds finite numbers only")
    return Sound(np.atleast_2d(array).astype(np.float32), rate)
