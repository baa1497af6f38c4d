"""What a well-known codec is to the tools: a file written from a signal, and a signal read from a file."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...codecs.signals import Clip, Picture, Signal, Sound
from ..errors import UsageError

KINDS = {Picture: "image", Sound: "audio", Clip: "video"}


@dataclass(frozen=True, kw_only=True)
class Peer(ABC):
    """A well-known codec as an anchor for rate and distortion. Encoders and decoders run with one thread.

    Attributes:
        name: as it is asked for: lower case, without space, "@", ":" and ",".
        kind: of media: "image", "audio" or "video".
        suffix: of its files.
        label: its name for people.
        qualities: settings in the order of growing files.
        bounds: the lowest and the highest setting that exist.
        quality_name: what the setting is called.
        presets: known choices between speed and size, the default first; () when there are none.
        preset: the chosen one, empty for the default.
    """

    name: str
    kind: str
    suffix: str
    label: str
    qualities: tuple[float, ...]
    bounds: tuple[float, float]
    quality_name: str = "quality"
    presets: tuple[str, ...] = ()
    preset: str = ""

    @property
    def chosen(self) -> str:
        """The preset in use; empty when there are none."""
        return self.preset or next(iter(self.presets), "")

    def missing(self) -> str:
        """Why it cannot be used here, in one sentence; empty when it can."""
        return ""

    @abstractmethod
    def settings(self) -> str:
        """One line: colour format, options of the encoder, preset, container."""

    @abstractmethod
    def version(self) -> str:
        """The encoder and what it comes with."""

    def encode(self, signal: Signal, quality: float, path: Path) -> None:
        """Write `signal` to `path`; of a film the pictures only.

        Raises UsageError when it cannot hold the signal (transparency, more than two channels) or there is no such
        quality.
        """
        if KINDS[type(signal)] != self.kind:
            raise UsageError(f"{self.name} codes another kind of media")
        if not min(self.bounds) <= quality <= max(self.bounds):
            low, high = self.bounds
            raise UsageError(f"{self.name} has no {self.quality_name} {quality:g}; it goes from {low:g} to {high:g}")
        if isinstance(signal, Picture) and signal.pixels.shape[2] in (2, 4):
            raise UsageError(f"{self.name} is compared on pictures without transparency only")
        self._encode(signal, quality, path)

    @abstractmethod
    def _encode(self, signal: Signal, quality: float, path: Path) -> None:
        """Write a signal that has been checked."""

    @abstractmethod
    def decode(self, path: Path) -> Signal:
        """Read what `encode` wrote.

        A picture or film may be larger than the original at its right and lower edge, and a grey picture may come back in
        colour, where the format knows no odd sizes or no grey: see `fitted`.
        """


def fitted(original: Signal, decoded: Signal) -> Signal:
    """A decoded picture or film with the size of the original, and as many planes; sounds are returned as they are.

    What was added to reach an allowed size is cut off. A grey picture that came back in colour is the mean of its planes,
    and a colour picture that came back grey has three equal ones. A film takes the rate of the original.
    """
    if isinstance(original, Picture) and isinstance(decoded, Picture):
        height, width, planes = original.pixels.shape
        pixels = decoded.pixels[:height, :width]
        if planes == 1 and pixels.shape[2] == 3:
            pixels = np.rint(pixels.mean(axis=2, keepdims=True)).astype(np.uint8)
        elif planes == 3 and pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        return Picture(pixels)
    if isinstance(original, Clip) and isinstance(decoded, Clip):
        height, width = original.frames.shape[1:3]
        return Clip(decoded.frames[:, :height, :width], original.rate)
    return decoded
