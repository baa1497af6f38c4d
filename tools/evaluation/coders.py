"""Codecs under evaluation by name: those of this package and the well-known ones, behind one interface."""

import re
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Protocol

from ...bitstream.errors import UnknownCodec
from ...codecs.base import Options
from ...codecs.registry import CODECS, kind_of
from ...codecs.signals import Signal
from ...weights import entries
from .. import peers, pipeline
from ..errors import UsageError
from ..files import read_bytes
from .dataset import NAMES

LADDERS = {  # qualities that are tried unless told otherwise
    "image": (0.0, 14.3, 28.6, 42.9, 57.1, 71.4, 85.7, 100.0),
    "audio": (0.0, 20.0, 40.0, 60.0, 80.0, 100.0),
    "video": (20.0, 40.0, 60.0, 80.0),
}
EFFORT = re.compile(r"effort(\d|10)")  # a preset of our own codecs
USUAL = {"image": ("jpeg", "webp", "avif"), "audio": ("opus", "mp3"), "video": ("x264", "x265")}


class Coder(Protocol):
    """A codec that writes a file and reads it back."""

    name: str
    kind: str
    suffix: str
    label: str
    preset: str
    qualities: tuple[float, ...]

    def settings(self) -> str:
        """Colour format, range, options, in words."""

    def version(self) -> str:
        """Of the codec and what it stands on."""

    def encode(self, signal: Signal, quality: float, path: Path) -> None:
        """Write the file."""

    def decode(self, path: Path) -> Signal:
        """Read it back."""


@dataclass(frozen=True)
class Ours:
    """A codec of the registry, through the same path as the commands."""

    name: str
    kind: str
    qualities: tuple[float, ...]
    effort: int = 3
    seconds: float | None = None
    weights: Path | None = None
    preset: str = ""
    suffix: str = ".trip"

    @property
    def label(self) -> str:
        effort = f", effort {self.effort}" if self.preset else ""
        return self.name + effort + ("" if self.weights is None else f" ({self.weights.stem})")

    def settings(self) -> str:
        """What differs from the defaults."""
        fitted = f", fitted for {self.seconds:g} s" if self.seconds else ""
        return f"effort {self.effort}{fitted}"

    def version(self, quality: float = 50.0) -> str:
        """Of this package, and the digests of the weights for a quality, of all variants."""
        shipped = [entry.digest[:16] for entry in entries() if entry.codec == self.name and entry.default]
        if self.weights is not None or not shipped:
            digest = pipeline.load(self.name, self.weights, quality).identity[:8]
            shipped = [digest.hex()] if any(digest) else []
        return ", weights ".join([f"triptych {version_of('triptych')}", *shipped])

    def encode(self, signal: Signal, quality: float, path: Path) -> None:
        """Write a .trip file."""
        options = Options(quality, self.effort, self.seconds)
        with path.open("wb") as stream:
            pipeline.encode(signal, stream, self.name, options, self.weights)

    def decode(self, path: Path) -> Signal:
        """Read a .trip file."""
        return pipeline.decode(read_bytes(path), weights=self.weights)


@dataclass(frozen=True)
class Choice:
    """What a user asked for: NAME[:PRESET][@Q/Q/Q].

    Attributes:
        text: name and preset, as they stand in the table.
        qualities: as texts, () for the ladder of the codec.
    """

    text: str
    name: str
    preset: str
    qualities: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Raises UsageError for a quality that is no number."""
        spoken, _, ladder = text.strip().partition("@")
        name, _, preset = spoken.partition(":")
        qualities = tuple(ladder.split("/")) if ladder else ()
        for quality in qualities:
            try:
                float(quality)
            except ValueError:
                raise UsageError(f"{text}: {quality!r} is not a quality (a number); write NAME@10/30/50") from None
        return cls(spoken, name, preset, qualities)


def coder(choice: Choice, kind: str, ours: "Ours | None" = None) -> Coder:
    """The codec of a choice, ready to be used on media of `kind`; `ours` holds effort, seconds and weights.

    Raises UsageError for a name that is unknown, made for another kind, or not installed.
    """
    if choice.name in peers.PEERS:
        found: Coder = peers.peer(choice.name, choice.preset)
    else:
        made_for, basis = _kind(choice.name), ours or Ours("", "", ())
        effort = _effort(choice) if choice.preset else basis.effort
        found = replace(
            basis,
            name=choice.name,
            kind=made_for,
            qualities=LADDERS[made_for],
            effort=effort,
            preset=choice.preset,
        )
        found.version(found.qualities[0])  # loads the weights, or says what is missing
    if found.kind != kind:
        raise UsageError(f"{choice.name} codes {NAMES[found.kind]}, and these are {NAMES[kind]}")
    return found


def _effort(choice: Choice) -> int:
    """The effort that a preset of one of our codecs stands for."""
    match = EFFORT.fullmatch(choice.preset)
    if not match:
        raise UsageError(f"{choice.name} has no preset {choice.preset}; there are effort0 to effort10")
    return int(match[1])


def _kind(name: str) -> str:
    """The kind of media that one of our codecs is made for."""
    try:
        return kind_of(name)
    except UnknownCodec:
        raise UsageError(f"no codec is called {name}; there are {', '.join((*CODECS, *peers.PEERS))}") from None
