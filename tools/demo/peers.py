"""Well-known codecs at about the size of our file: JPEG and WebP, Opus, H.264 by x264."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image

from ...codecs.signals import Clip, Picture, Sound
from .. import media_image, media_sound, media_video
from ..errors import UsageError
from .measure import aligned, psnr, si_sdr

OPUS_RATES = (6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)  # kbit/s


@dataclass(frozen=True)
class Result:
    """One codec on one input: size of the file, quality in dB, seconds, the file and what was decoded from it."""

    name: str
    size: int
    quality: float
    encode_seconds: float
    decode_seconds: float
    file: Path
    decoded: Picture | Sound | Clip


def closest(settings: range | tuple[int, ...], encode: Callable[[int], bytes], size: int) -> tuple[int, bytes, float]:
    """The setting whose file comes nearest to `size` bytes, its file, and the seconds that this one encoding took.

    `settings` must be in the order of growing files; about log2 of their number are tried.
    """
    low, high, tried = 0, len(settings) - 1, {}
    while low <= high:
        middle = (low + high) // 2
        start = time.perf_counter()
        data = encode(settings[middle])
        tried[middle] = data, time.perf_counter() - start
        low, high = (middle + 1, high) if len(data) < size else (low, middle - 1)
    best = min(tried, key=lambda number: abs(len(tried[number][0]) - size))
    return settings[best], *tried[best]


def still(picture: Picture, kind: str, size: int, stem: Path) -> Result:
    """JPEG or WebP of about `size` bytes."""
    image = Image.fromarray(picture.pixels)
    options = {"jpeg": {"optimize": True, "progressive": True}, "webp": {"method": 6}}[kind]

    def encode(quality: int) -> bytes:
        stream = BytesIO()
        image.save(stream, kind, quality=quality, **options)
        return stream.getvalue()

    quality, data, seconds = closest(range(1, 101), encode, size)
    file = stem.with_name(f"{stem.name}.{'jpg' if kind == 'jpeg' else kind}")
    file.write_bytes(data)
    start = time.perf_counter()
    decoded = media_image.read(file.read_bytes(), file.name, _unheard)
    name = {"jpeg": "JPEG", "webp": "WebP"}[kind]
    spent = time.perf_counter() - start
    return Result(f"{name} {quality}", len(data), psnr(picture.pixels, decoded.pixels), seconds, spent, file, decoded)


def opus(sound: Sound, size: int, stem: Path) -> Result:
    """Opus in Ogg of about `size` bytes; nothing below 6 kbit/s exists."""

    def encode(kilobits: int) -> bytes:
        stream = BytesIO()
        with av.open(stream, "w", format="ogg") as container:
            track = container.add_stream("libopus", rate=sound.rate, layout="mono", options={"application": "audio"})
            track.bit_rate, track.format = 1000 * kilobits, "s16"
            media_video.write_sound(container, track, sound)
        return stream.getvalue()

    rate, data, seconds = closest(OPUS_RATES, encode, size)
    file = stem.with_suffix(".opus")
    file.write_bytes(data)
    start = time.perf_counter()
    decoded = media_sound.read(file.read_bytes(), file.name, _unheard)
    spent = time.perf_counter() - start
    samples, _ = aligned(sound, decoded)
    quality = si_sdr(sound.samples[0], samples)
    back = Sound(samples[None].astype(np.float32), sound.rate)
    return Result(f"Opus {rate} kbit/s", len(data), quality, seconds, spent, file, back)


def x264(clip: Clip, size: int, stem: Path) -> Result:
    """H.264 in MP4 of about `size` bytes, without sound."""

    def encode(quality: int) -> bytes:
        stream = BytesIO()
        with av.open(stream, "w", format="mp4") as container:
            media_video.encode_x264(container, clip, {"crf": str(-quality), "preset": "medium"}, "yuv420p")
        return stream.getvalue()

    quality, data, seconds = closest(range(-51, 1), encode, size)
    file = stem.with_name(f"{stem.name}.x264.mp4")
    file.write_bytes(data)
    start = time.perf_counter()
    decoded = media_video.read(file.read_bytes(), file.name, _unheard)
    spent = time.perf_counter() - start
    if not isinstance(decoded, Clip):
        raise UsageError(f"{file} was written without pictures")
    return Result(f"x264 crf {-quality}", len(data), psnr(clip.frames, decoded.frames), seconds, spent, file, decoded)


def duration(signal: Sound | Clip) -> Fraction:
    """Seconds."""
    if isinstance(signal, Sound):
        return Fraction(signal.samples.shape[1], signal.rate)
    return len(signal.frames) / signal.rate


def _unheard(text: str) -> None:
    """Notes about files that were written here are of no interest."""
