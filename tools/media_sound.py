"""Sounds through soundfile: read as float samples by channel, and written by extension."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from ..codecs.signals import Sound
from . import files
from .errors import MediaError

BLOCK = 1 << 20  # samples that are converted at a time
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
SETTINGS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


def read(data: bytes, name: str, note: Callable[[str], None]) -> Sound:
    """Decode a sound file to float32 samples [channels, n] in [-1, 1]; `name` stands in messages."""
    try:
        samples, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            f"{name}: is not a sound that can be read ({error.error_string.strip().rstrip('.')})"
        ) from error
    if not len(samples):
        raise MediaError(f"{name}: holds no samples")
    return checked(samples.T, rate, name, note)


def checked(samples: np.ndarray, rate: int, name: str, note: Callable[[str], None]) -> Sound:
    """Make a Sound of [channels, n] floats: refuse what is not a number, clip what is out of range."""
    peak = max(float(samples.max()), -float(samples.min()))  # without a copy: an hour of sound fills gigabytes
    if not np.isfinite(peak):
        raise MediaError(f"{name}: holds samples that are not finite numbers")
    if peak > 1.0:
        note(f"{name}: samples up to {peak:.2f} were clipped to the range -1 to 1")
        samples = np.clip(samples, -1.0, 1.0)
    return Sound(np.ascontiguousarray(samples, dtype=np.float32), int(rate))


def whole_numbers(samples: np.ndarray) -> np.ndarray:
    """Floats [channels, n] as int16 [n, channels]."""
    made = np.empty(samples.shape[::-1], np.int16)
    for start in range(0, len(made), BLOCK):
        block = np.clip(samples[:, start : start + BLOCK].T, -1.0, 1.0)
        made[start : start + BLOCK] = np.clip(np.rint(block * 32768.0), -32768, 32767)
    return made


def write(path: Path, suffix: str, sound: Sound, name: str) -> None:
    """Write a sound to `path` in the format of `suffix`; `name` stands in messages."""
    kind, subtype = SETTINGS[suffix]
    samples = whole_numbers(sound.samples) if subtype == "PCM_16" else np.clip(sound.samples.T, -1.0, 1.0)
    try:
        with files.sink(path) as stream:
            soundfile.write(stream, samples, sound.rate, format=kind, subtype=subtype)
    except (soundfile.LibsndfileError, ValueError) as error:
        channels = sound.samples.shape[0]
        raise MediaError(f"{name}: {suffix} cannot hold {channels} channels at {sound.rate} Hz: choose .wav") from error
