"""A folder of media as a data set: which files, of which kind, and how each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...codecs.signals import Clip, Picture, Signal, Sound
from .. import media
from ..errors import MediaError, UsageError
from ..files import reason
from ..metrics.sounds import at_rate

NAMES = {"image": "pictures", "audio": "sounds", "video": "films"}
TYPES = {"image": Picture, "audio": Sound, "video": Clip}
HEAD = 4096  # bytes that tell what a file is


@dataclass(frozen=True)
class Dataset:
    """Files of one kind below one folder.

    Attributes:
        name: of the folder.
        kind: "image", "audio" or "video".
        root: the folder.
        files: paths below it, sorted.
        rate: samples per second that sounds are brought to first; None leaves them.
        mono: whether channels are mixed to one first.
    """

    name: str
    kind: str
    root: Path
    files: tuple[Path, ...]
    rate: int | None = None
    mono: bool = False

    def read(self, file: Path, note: Callable[[str], None] = lambda text: None) -> Signal:
        """One file as the codecs get it; films without their sound. Raises MediaError."""
        signal = media.read(self.root / file, note)
        if type(signal) is not TYPES[self.kind]:
            raise MediaError(f"{file}: holds no {NAMES[self.kind].removesuffix('s')}")
        if isinstance(signal, Clip):
            return Clip(signal.frames, signal.rate)
        if not isinstance(signal, Sound):
            return signal
        samples = signal.samples.mean(axis=0, keepdims=True) if self.mono else signal.samples
        rate = self.rate or signal.rate
        return Sound(at_rate(samples, signal.rate, rate).clip(-1, 1).astype(np.float32), rate)


def scan(folder: Path, kind: str | None = None, limit: int | None = None) -> Dataset:
    """The media files below a folder, or one file; hidden ones and those that are no media are passed over.

    Raises UsageError when there are none, or several kinds and no `kind` chooses.
    """
    if not folder.exists():
        raise UsageError(f"{folder}: no such folder")
    root = folder if folder.is_dir() else folder.parent
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    found: dict[str, list[Path]] = {}
    for path in paths:
        below = path.relative_to(root)
        if not any(part.startswith(".") for part in below.parts) and (what := _kind(path)):
            found.setdefault(what, []).append(below)
    if kind is not None:
        found = {what: files for what, files in found.items() if what == kind}
    if not found:
        raise UsageError(f"{folder}: holds no {NAMES[kind] if kind else 'media files'}")
    if len(found) > 1:
        mixed = " and ".join(f"{len(files)} {NAMES[what]}" for what, files in found.items())
        raise UsageError(f"{folder}: holds {mixed}; choose with --kind")
    ((what, files),) = found.items()
    return Dataset(root.resolve().name, what, root, tuple(files[:limit]))


def _kind(path: Path) -> str | None:
    """What a file holds by its first bytes, None when it is no media file."""
    try:
        with path.open("rb") as stream:
            return media.recognise(stream.read(HEAD), path.name)
    except MediaError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({reason(error)})") from error
