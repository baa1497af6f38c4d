"""Well-known codecs as anchors: pictures, sounds and films into their files and back, without any other program."""

from collections.abc import Mapping
from dataclasses import replace

from ..errors import UsageError
from .base import Peer, fitted
from .films import FILMS
from .intra import INTRA
from .sounds import SOUNDS
from .stills import STILLS

PEERS: Mapping[str, Peer] = {found.name: found for found in (*STILLS, *INTRA, *SOUNDS, *FILMS)}

__all__ = ["PEERS", "Peer", "available", "fitted", "peer"]


def peer(name: str, preset: str = "") -> Peer:
    """The codec called `name` with a preset of its own, ready to be used.

    Raises UsageError for an unknown name or preset, and for a codec that is not installed.
    """
    if name not in PEERS:
        raise UsageError(f"no well-known codec is called {name}; there are {', '.join(PEERS)}")
    found = PEERS[name]
    if preset and preset not in found.presets:
        known = f"there are {', '.join(found.presets)}" if found.presets else "it has none"
        raise UsageError(f"{name} has no preset {preset}; {known}")
    if reason := found.missing():
        raise UsageError(reason)
    return replace(found, preset=preset or found.chosen)


def available() -> dict[str, str]:
    """For the name of every codec an empty text, or the reason why it cannot be used here."""
    return {name: found.missing() for name, found in PEERS.items()}
