"""Signals as codecs see them: a picture, a sound, a clip."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .tape import Tape


@dataclass(frozen=True)
class Picture:
    """A still picture.

    Attributes:
        pixels: uint8 [height, width, planes]; planes: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    """

    pixels: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 2, 3, 4):
            raise ValueError("a picture is a uint8 array [height, width, 1 to 4 planes]")
        if not self.pixels.size:
            raise ValueError("a picture needs at least one pixel")


class Crop(NamedTuple):
    """A part of a picture in pixels: its left and upper end, its width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Sound:
    """A sound.

    Attributes:
        samples: float32 [channels, n], full scale -1 to 1; a Tape of a sound that is read or decoded bit by bit.
        rate: samples per second.
    """

    samples: np.ndarray | Tape
    rate: int

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 2 or not self.samples.size:
            raise ValueError("a sound is a float32 array [channels, samples] with at least one sample")
        if self.rate < 1:
            raise ValueError("a sound needs a positive sample rate")


@dataclass(frozen=True)
class Clip:
    """A film clip.

    Attributes:
        frames: uint8 [time, height, width, 3], RGB; a Tape of a film that is read or decoded bit by bit.
        rate: frames per second.
        sound: the sound that goes with it, or None.
    """

    frames: np.ndarray | Tape
    rate: Fraction
    sound: Sound | None = None

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[3] != 3 or not self.frames.size:
            raise ValueError("a clip is a uint8 array [time, height, width, 3] with at least one frame")
        if self.rate <= 0:
            raise ValueError("a clip needs a positive frame rate")


Signal = Picture | Sound | Clip


def whole(signal: Signal) -> Signal:
    """The signal with all of its samples or frames in memory."""
    if isinstance(signal, Sound):
        return replace(signal, samples=np.asarray(signal.samples))
    if isinstance(signal, Clip):
        return replace(signal, frames=np.asarray(signal.frames), sound=signal.sound and whole(signal.sound))
    return signal
