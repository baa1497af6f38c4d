"""The files of a self-check: small made signals encoded now, and files that were encoded once on another machine."""

import io
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...bitstream import Reader, TripError, WrongModel
from ...codecs.base import Options
from ...codecs.registry import CODECS, kind_of
from ...codecs.signals import Clip, Picture, Signal, Sound
from .. import models, pipeline
from .stored import STORED


@dataclass(frozen=True)
class Case:
    """One file: the name shown, the codec, its bytes, and why it is left out, if it is."""

    name: str
    codec: str
    data: bytes = b""
    skipped: str = ""


def picture(height: int, width: int) -> Picture:
    """Smooth colours, edges and some noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 24.0
    planes = [np.sin(x * a + y * b + c) * 70 + 127 for a, b, c in rng.uniform(0.3, 2, (3, 3))]
    pixels = np.stack(planes, -1) + 40 * ((x + y) % 2 > 1)[..., None] + rng.normal(0, 4, (height, width, 3))
    return Picture(pixels.clip(0, 255).astype(np.uint8))


def sound(channels: int, rate: int = 16000) -> Sound:
    """One second of gliding harmonics, louder and softer, over a little noise."""
    rng, t = np.random.default_rng(0), np.arange(rate) / rate
    phase = np.cumsum(130 + 30 * np.sin(5 * t)) * 2 * np.pi / rate
    tone = sum(np.sin(number * phase) / number for number in range(1, 16)) * np.abs(np.sin(9 * t))
    samples = 0.15 * tone + rng.normal(0, 0.003, (channels, rate))
    return Sound(samples.astype(np.float32), rate)


def film() -> Clip:
    """Three frames of a picture that drifts to the left."""
    wide = picture(24, 52).pixels
    return Clip(np.stack([wide[:, 4 * t : 4 * t + 40] for t in range(3)]), Fraction(25))


# What is encoded for each kind of codec: a word beside its name, the signal, and options. More channels are one batch.
MADE: dict[str, tuple[tuple[str, Callable[[], Signal], Options], ...]] = {
    "image": (
        ("", lambda: picture(90, 118), Options(effort=0)),
        ("tiles", lambda: picture(100, 150), Options(effort=0, tile=64)),
    ),
    "audio": (
        ("", lambda: sound(1), Options(effort=0)),
        ("batch of 3", lambda: sound(3), Options(effort=0)),
        ("context", lambda: sound(2), Options(effort=1)),
        ("24 kHz", lambda: sound(1, 24000), Options(effort=0)),
        ("48 kHz", lambda: sound(2, 48000), Options(effort=0)),
    ),
    "video": (("", film, Options(quality=20, effort=0)),),
}


def cases(names: Sequence[str] | None = None) -> Iterator[Case]:
    """Files of some codecs, by default of all that come with this package. Raises UnknownCodec."""
    for codec in names or CODECS:
        for word, signal, options in MADE.get(kind_of(codec), ()):
            yield _made(codec, word, signal, options)
        if codec in STORED:
            yield _stored(codec)


def _made(codec: str, word: str, signal: Callable[[], Signal], options: Options) -> Case:
    name, out = f"{codec}, {word}" if word else codec, io.BytesIO()
    try:
        pipeline.encode(signal(), out, codec, options)
    except WrongModel as error:
        return Case(name, codec, skipped=error.message)
    return Case(name, codec, out.getvalue())


def _stored(codec: str) -> Case:
    name, data = f"{codec}, stored file", b64decode(STORED[codec])
    try:
        models.load_for(Reader(data).tracks[0])
    except WrongModel:
        return Case(name, codec, skipped="the stored file needs other weights")
    except TripError as error:
        return Case(name, codec, skipped=error.message)
    return Case(name, codec, data)
