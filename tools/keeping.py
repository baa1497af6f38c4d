"""What an interrupted fit leaves beside its output, so that the same command can go on: a folder of named tensors."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from torch import Tensor

from ..codecs.signals import Clip
from .batch import FIT
from .checkpoint import load_checkpoint, save_checkpoint
from .errors import UsageError
from .files import reason

KEY = "key"


class Folder:
    """A Keeper that writes safetensors files into a folder, which is made when the first one comes.

    key: says for what signal and with what options; what was kept for another one is refused.
    """

    def __init__(self, path: Path, key: str, parent: "Folder | None" = None) -> None:
        self.path, self.key, self.parent, self.interrupted = path, key, parent, False

    def load(self, name: str) -> dict[str, Tensor] | None:
        """What was saved under a name; raises UsageError where it is damaged or was kept for something else."""
        path = self.path / f"{name}.safetensors"
        if not path.exists():
            return None
        try:
            tensors, numbers = load_checkpoint(path)
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UsageError(f"{path}: cannot be read; --force starts afresh") from error
        if numbers.get(KEY) != self.key:
            raise UsageError(f"{self.path}: belongs to another film or to other options; --force starts afresh")
        return tensors

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Write one file; raises UsageError where that is not possible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            save_checkpoint(self.path / f"{name}.safetensors", tensors, {KEY: self.key})
        except (OSError, SafetensorError) as error:
            cause = reason(error) if isinstance(error, OSError) else str(error)
            raise UsageError(f"{self.path}: the state of the fit cannot be kept ({cause})") from error

    def within(self, name: str) -> "Folder":
        """A folder inside this one."""
        return Folder(self.path / name, self.key, self)

    def interrupt(self) -> None:
        """Note that what was asked for is not finished."""
        self.interrupted = True
        if self.parent is not None:
            self.parent.interrupt()


@contextmanager
def beside(
    target: Path, clip: Clip, settings: tuple, resume: bool, force: bool, note: Callable[[str], None]
) -> Iterator[Folder]:
    """A folder beside the output `target` that is removed when the block ends well and nothing interrupted the fit.

    settings: what else decides the result. Raises UsageError where an interrupted fit lies there and is neither to be
    gone on with (`resume`) nor to be dropped (`force`).
    """
    place = target.with_name(target.name + FIT)
    folder = Folder(place, _key(clip, settings))
    if place.exists():
        if not resume and not force:
            raise UsageError(f"{place}: an interrupted fit lies here; --resume goes on with it, --force drops it")
        if not resume or (force and not _ours(folder)):
            shutil.rmtree(place)
    elif resume:
        note(f"{place}: does not exist, so the fit starts afresh")
    yield folder
    if folder.interrupted:
        note(f"{target} holds what was fitted so far; the same command with --resume goes on")
    else:
        shutil.rmtree(place, ignore_errors=True)


def _ours(folder: Folder) -> bool:
    """Whether everything in the folder can be read and is for this signal."""
    try:
        for path in sorted(folder.path.rglob("*.safetensors")):
            Folder(path.parent, folder.key).load(path.stem)
    except UsageError:
        return False
    return True


def _key(clip: Clip, settings: tuple) -> str:
    """SHA-256 over frames and settings."""
    found = hashlib.sha256(repr((clip.frames.shape, clip.rate, *settings)).encode())
    for frame in clip.frames:
        found.update(np.ascontiguousarray(frame))
    return found.hexdigest()
