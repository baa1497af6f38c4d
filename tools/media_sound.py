"""Sounds through soundfile: read as float samples by channel, and written by extension, block by block."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from ..codecs.signals import Sound
from ..codecs.tape import Tape
from . import files
from .errors import MediaError

BLOCK = 1 << 16  # samples that are read, converted and written at a time
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
SETTINGS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


def read(path: Path, name: str, note: Callable[[str], None]) -> Sound:
    """A sound file as float32 samples [channels, n] in [-1, 1], a Tape; `name` stands in messages.

    All of it is read once, so that what is wrong is said here.
    """
    with _opened(path, name) as file:
        rate = file.samplerate
    channels, total = surveyed(_blocks(path, name), name, note)
    if not total:
        raise MediaError(f"{name}: holds no samples")
    return taped(partial(_play, path.resolve(), name, total), channels, total, rate)


def surveyed(parts: Iterable[np.ndarray], name: str, note: Callable[[str], None]) -> tuple[int, int]:
    """Channels and length of floats [channels, n] in stretches: refuses what is not a number, notes what is out of range."""
    channels, total, peak = 0, 0, 0.0
    for part in parts:
        channels, total = len(part), total + part.shape[1]
        highest = max(float(part.max()), -float(part.min())) if part.size else 0.0
        if not np.isfinite(highest):
            raise MediaError(f"{name}: holds samples that are not finite numbers")
        peak = max(peak, highest)
    if peak > 1.0:
        note(f"{name}: samples up to {peak:.2f} were clipped to the range -1 to 1")
    return channels, total


def taped(play: Callable[[int], tuple[int, Iterator[np.ndarray]]], channels: int, total: int, rate: int) -> Sound:
    """The sound that `play` gives, see Tape."""
    return Sound(Tape(play, (channels, total), np.float32, 1), rate)


def in_range(parts: Iterable[np.ndarray], total: int, name: str) -> Iterator[np.ndarray]:
    """The first `total` samples of floats [channels, n] in stretches, clipped; raises MediaError where they are fewer."""
    for part in parts:
        if part.shape[1] and total:
            yield np.clip(part[:, :total], -1.0, 1.0)
            total -= min(total, part.shape[1])
    if total:
        raise MediaError(f"{name}: was changed while it was read")


def _play(path: Path, name: str, total: int, first: int) -> tuple[int, Iterator[np.ndarray]]:
    return 0, in_range(_blocks(path, name), total, name)


class Onward(soundfile.SoundFile):
    """A file that is read from its beginning to its end: soundfile would seek after each block, after which some decoders
    give other samples.
    """

    def seekable(self) -> bool:
        """Not this one."""
        return False


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Onward]:
    """A file that soundfile reads; raises MediaError."""
    try:
        with files.handle(path) as stream, Onward(stream) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise MediaError(
            f"{name}: is not a sound that can be read ({error.error_string.strip().rstrip('.')})"
        ) from error


def _blocks(path: Path, name: str) -> Iterator[np.ndarray]:
    """Samples float32 [channels, n] as they come."""
    with _opened(path, name) as file:
        left = file.frames
        while left and len(block := file.read(min(BLOCK, left), dtype="float32", always_2d=True)):
            left -= len(block)
            yield block.T


def whole_numbers(samples: np.ndarray) -> np.ndarray:
    """Floats [channels, n] as int16 [n, channels]."""
    scaled = np.clip(samples.T, -1.0, 1.0) * 32768.0
    return np.clip(np.rint(scaled, out=scaled), -32768, 32767).astype(np.int16)


def blocks(sound: Sound) -> Iterator[np.ndarray]:
    """The samples of a sound, float32 [channels, n], so many at a time as are converted and written together."""
    for first in range(0, sound.samples.shape[1], BLOCK):
        yield np.asarray(sound.samples[:, first : first + BLOCK])


def write(path: Path, suffix: str, sound: Sound, name: str) -> None:
    """Write a sound to `path` in the format of `suffix`; `name` stands in messages."""
    kind, subtype = SETTINGS[suffix]
    channels = sound.samples.shape[0]
    with files.handle(path, "wb") as stream:
        try:
            file = soundfile.SoundFile(stream, "w", sound.rate, channels, subtype, format=kind)
        except (soundfile.LibsndfileError, ValueError) as error:
            raise MediaError(
                f"{name}: {suffix} cannot hold {channels} channels at {sound.rate} Hz: choose .wav"
            ) from error
        with file:
            for block in blocks(sound):
                file.write(whole_numbers(block) if subtype == "PCM_16" else np.clip(block.T, -1.0, 1.0))
