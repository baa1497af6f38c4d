"""Well-known codecs at about the size of our file: JPEG and WebP, Opus, H.264 by x264."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...codecs.signals import Clip, Picture, Signal, Sound
from ..metrics.pictures import psnr
from ..metrics.sounds import aligned, si_sdr
from ..peers import Peer, fitted, peer

QUALITIES = range(1, 101)
OPUS_RATES = (6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)  # kbit/s
RATE_FACTORS = range(51, -1, -1)


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


def closest(settings: Sequence[int], encode: Callable[[int], bytes], size: int) -> tuple[int, bytes, float]:
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


def nearest(
    codec: Peer, signal: Signal, settings: Sequence[int], size: int, file: Path
) -> tuple[int, float, float, Signal]:
    """Write `signal` to `file` at the setting that gives about `size` bytes.

    Returns:
        The setting, the seconds to encode and to decode, and what was decoded.
    """

    def encode(setting: int) -> bytes:
        codec.encode(signal, setting, file)
        return file.read_bytes()

    setting, data, seconds = closest(settings, encode, size)
    file.write_bytes(data)
    start = time.perf_counter()
    decoded = codec.decode(file)
    return setting, seconds, time.perf_counter() - start, fitted(signal, decoded)


def still(picture: Picture, kind: str, size: int, stem: Path) -> Result:
    """JPEG or WebP of about `size` bytes."""
    codec = peer(kind)
    file = stem.with_name(f"{stem.name}{codec.suffix}")
    quality, *seconds, decoded = nearest(codec, picture, QUALITIES, size, file)
    name = f"{codec.label.split()[0]} {quality}"
    return Result(name, file.stat().st_size, psnr(picture.pixels, decoded.pixels), *seconds, file, decoded)


def opus(sound: Sound, size: int, stem: Path) -> Result:
    """Opus in Ogg of about `size` bytes; nothing below 6 kbit/s exists."""
    file = stem.with_suffix(".opus")
    rate, *seconds, decoded = nearest(peer("opus"), sound, OPUS_RATES, size, file)
    samples, _ = aligned(sound, decoded)
    back = Sound(samples, sound.rate)
    return Result(f"Opus {rate} kbit/s", file.stat().st_size, si_sdr(sound.samples, samples), *seconds, file, back)


def x264(clip: Clip, size: int, stem: Path) -> Result:
    """H.264 of about `size` bytes, without sound."""
    codec = peer("x264")
    file = stem.with_name(f"{stem.name}.x264{codec.suffix}")
    factor, *seconds, decoded = nearest(codec, clip, RATE_FACTORS, size, file)
    quality = psnr(clip.frames, decoded.frames)
    return Result(f"x264 crf {factor}", file.stat().st_size, quality, *seconds, file, decoded)


def duration(signal: Sound | Clip) -> Fraction:
    """Seconds."""
    if isinstance(signal, Sound):
        return Fraction(signal.samples.shape[1], signal.rate)
    return len(signal.frames) / signal.rate
