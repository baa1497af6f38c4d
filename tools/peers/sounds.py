"""Sounds: Opus, AAC, MP3 and FLAC through the encoders of FFmpeg."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soxr
from av.error import FFmpegError

from ...codecs.signals import Clip, Sound, whole
from .. import media_video
from ..errors import MediaError, UsageError
from .base import Peer
from .coded import absent, release

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
MP3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
MP3_LEAST = 32  # kbit/s: below, MPEG-1 has none and the rates of MPEG-2 are taken
MP3_SLOW = 24000
BARE = {"fflags": "+bitexact", "metadata_header_padding": "0"}  # no text about the encoder, no room for other text


def every(rate: int, quality: float) -> int:
    """For encoders that take every sample rate."""
    return rate


def opus_rate(rate: int, quality: float) -> int:
    """The sample rate at which Opus is given a sound of `rate`."""
    return _next(rate, OPUS_RATES)


def aac_rate(rate: int, quality: float) -> int:
    """The sample rate at which AAC is given a sound of `rate`."""
    return _next(rate, AAC_RATES)


def mp3_rate(rate: int, quality: float) -> int:
    """The sample rate at which MP3 is given a sound of `rate` at `quality` kbit/s."""
    return min(_next(rate, MP3_RATES), MP3_SLOW if quality < MP3_LEAST else MP3_RATES[-1])


def _next(rate: int, rates: tuple[int, ...]) -> int:
    """The lowest of `rates` that keeps everything, or the highest."""
    return min((other for other in rates if other >= rate), default=rates[-1])


@dataclass(frozen=True, kw_only=True)
class Heard(Peer):
    """An encoder of FFmpeg for sounds with one or two channels.

    Attributes:
        encoder, container, format: FFmpeg's names of the encoder, the container and the samples that it takes.
        options: the encoder's options for a setting and a preset.
        rate: the sample rate that the encoder is given, for that of the sound and the setting.
        words: all that in words, without the preset.
        lossless: whether the setting is no bit rate.
    """

    encoder: str
    container: str
    format: str
    options: Callable[[float, str], dict[str, str]]
    rate: Callable[[int, float], int]
    words: str
    lossless: bool = False
    kind: str = "audio"
    quality_name: str = "kbit/s"

    def missing(self) -> str:
        """Whether FFmpeg was built without the encoder."""
        return absent(self.name, self.encoder)

    def version(self) -> str:
        """Of PyAV and its FFmpeg."""
        return release(self.encoder)

    def settings(self) -> str:
        """Options, container, sample rates."""
        return f"{self.chosen}, {self.words}" if self.presets else self.words

    def _encode(self, signal: Sound, quality: float, path: Path) -> None:
        channels = len(signal.samples)
        if channels > 2:
            raise UsageError(f"{self.name} is compared on sounds with one or two channels, this one has {channels}")
        sound = resampled(signal, self.rate(signal.rate, quality))
        layout = ("mono", "stereo")[channels - 1]
        options = self.options(quality, self.chosen) | {"flags": "+bitexact"}
        try:
            with av.open(str(path), "w", format=self.container, options=BARE) as container:
                stream = container.add_stream(self.encoder, rate=sound.rate, layout=layout, options=options)
                stream.format, stream.codec_context.thread_count = self.format, 1
                if not self.lossless:
                    stream.bit_rate = round(1000 * quality)
                media_video.write_sound(container, stream, sound)
        except (FFmpegError, ValueError) as error:
            raise UsageError(
                f"{self.name} cannot code this sound at {quality:g} {self.quality_name} ({error})"
            ) from error

    def decode(self, path: Path) -> Sound:
        """Read the sound at the sample rate of the file."""
        found = whole(media_video.read(path, path.name, _unheard))
        if isinstance(found, Clip):
            raise MediaError(f"{path.name}: holds pictures")
        return found


def resampled(sound: Sound, rate: int) -> Sound:
    """A sound at another sample rate, by soxr at high quality."""
    if rate == sound.rate:
        return sound
    samples = soxr.resample(sound.samples.T, sound.rate, rate).T
    return Sound(np.ascontiguousarray(samples, dtype=np.float32), rate)


def _unheard(text: str) -> None:
    """Notes about files that were written here are of no interest."""


def _opus(quality: float, preset: str) -> dict[str, str]:
    return {"application": preset, "compression_level": "10", "vbr": "on"}


def _aac(quality: float, preset: str) -> dict[str, str]:
    return {"aac_coder": preset}


def _mp3(quality: float, preset: str) -> dict[str, str]:
    return {"compression_level": "0"}


def _flac(quality: float, preset: str) -> dict[str, str]:
    return {"compression_level": str(round(quality))}


SOUNDS = (
    Heard(
        name="opus",
        label="Opus",
        suffix=".opus",
        qualities=(6, 8, 12, 16, 24, 32, 64, 128),
        bounds=(6, 510),
        presets=("audio", "voip"),
        encoder="libopus",
        container="ogg",
        format="flt",
        options=_opus,
        rate=opus_rate,
        words="variable rate, complexity 10, frames of 20 ms, Ogg; sample rates other than 8, 12, 16, 24, 48 kHz are "
        "raised to the next; FFmpeg decodes to 48 kHz",
    ),
    Heard(
        name="aac",
        label="AAC-LC (FFmpeg)",
        suffix=".m4a",
        qualities=(12, 16, 24, 32, 48, 64, 96),
        bounds=(8, 512),
        presets=("twoloop", "fast"),
        encoder="aac",
        container="ipod",
        format="fltp",
        options=_aac,
        rate=aac_rate,
        words="average rate, MP4",
    ),
    Heard(
        name="mp3",
        label="MP3 (LAME)",
        suffix=".mp3",
        qualities=(8, 16, 24, 32, 48, 64, 128),
        bounds=(8, 320),
        encoder="libmp3lame",
        container="mp3",
        format="fltp",
        options=_mp3,
        rate=mp3_rate,
        words="constant rate, best quality; sounds below 16 kHz are resampled to 16 kHz, and below 32 kbit/s those above "
        "24 kHz to 24 kHz",
    ),
    Heard(
        name="flac",
        label="FLAC",
        suffix=".flac",
        qualities=(12,),
        bounds=(0, 12),
        quality_name="level",
        encoder="flac",
        container="flac",
        format="s16",
        options=_flac,
        rate=every,
        words="16 bit, lossless",
        lossless=True,
    ),
)
