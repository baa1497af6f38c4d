"""Codecs that only compress bytes: enough to test everything around a codec."""

import signal
import time
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from triptych.bitstream import AudioMedia, ImageMedia, SampleFormat, Track, Unit, VideoMedia, Weights, WrongModel
from triptych.codecs.base import Codec, Options, verify
from triptych.codecs.signals import Clip, Picture, Sound

NONE = bytes(8)


class Toy(Codec):
    """Keeps the samples as they are; `parameters` holds the quality as one byte."""

    def plan(self, media, options: Options) -> tuple[Track, bytes]:
        return Track(self.id, 1, True, NONE, media, bytes([round(options.quality)])), b"plan"

    def unit(self, data: bytes, number: int, outputs: int | None, options: Options) -> Iterator[Unit]:
        options.progress(0.5, "half")
        yield Unit(number, (zlib.compress(data),), outputs, True, check=zlib.crc32(data))
        options.progress(1.0, "done")

    def data(self, items: Iterable[Weights | Unit]) -> bytes:
        (unit,) = items
        data = zlib.decompress(unit.streams[0])
        verify(unit.check, zlib.crc32(data))
        return data

    def memory(self, track: Track) -> int:
        return 1 << 20

    def decoder_state(self) -> dict:
        return {}


class ToyPicture(Toy):
    id, kind = "image/patch", "image"
    identity = bytes(range(1, 33))

    def open(self, signal, options):
        height, width, planes = signal.pixels.shape
        form = SampleFormat(8, 3 if planes > 2 else 1, planes % 2 == 0)
        return self.plan(ImageMedia(width, height, form, None), options)

    def encode_units(self, signal, track, plan, number, options):
        yield from self.unit(signal.pixels.tobytes(), number, None, options)

    def decode(self, track, items):
        media = track.media
        shape = (media.height, media.width, media.sample_format.planes + media.sample_format.alpha)
        return Picture(np.frombuffer(self.data(items), np.uint8).reshape(shape))


class ToySound(Toy):
    id, kind = "audio/mdct-rvq", "audio"

    def open(self, signal, options):
        channels, total = signal.samples.shape
        return self.plan(AudioMedia(signal.rate, channels, total, 0, 0, total), options)

    def encode_units(self, signal, track, plan, number, options):
        yield from self.unit(np.asarray(signal.samples).tobytes(), number, signal.samples.shape[1], options)

    def decode(self, track, items):
        samples = np.frombuffer(self.data(items), np.float32).reshape(track.media.channels, -1)
        return Sound(samples, track.media.sample_rate)


class ToyFilm(Toy):
    id, kind = "video/hnerv", "video"

    def open(self, signal, options):
        total, height, width, _ = signal.frames.shape
        rate = (signal.rate.numerator, signal.rate.denominator)
        return self.plan(VideoMedia(width, height, SampleFormat(8, 3, False), None, rate, total, total), options)

    def encode_units(self, signal, track, plan, number, options):
        assert signal.sound is None
        yield from self.unit(np.asarray(signal.frames).tobytes(), number, len(signal.frames), options)

    def decode(self, track, items):
        media = track.media
        frames = np.frombuffer(self.data(items), np.uint8).reshape(-1, media.height, media.width, 3)
        return Clip(frames, Fraction(*media.rate))


class SlowPicture(ToyPicture):
    """Writes its header and then takes a minute."""

    def encode_units(self, signal, track, plan, number, options):
        print("started", flush=True)
        time.sleep(60)
        yield from super().encode_units(signal, track, plan, number, options)


TOYS = {toy.id: toy for toy in (ToyPicture, ToySound, ToyFilm)}


def load(name: str, path=None, level: int = 0) -> Codec:
    """Stands in for models.load."""
    return TOYS[name]()


def load_for(track: Track, path=None) -> Codec:
    """Stands in for models.load_for."""
    codec = TOYS[track.codec]()
    if track.digest != codec.identity[:8]:
        raise WrongModel(f"the weights {track.digest.hex()} of {track.codec} are not here")
    return codec


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace all codecs by toys for one test."""
    from triptych.tools import models

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(models, "load_for", load_for)


def picture(height: int = 12, width: int = 17, planes: int = 3) -> Picture:
    """A picture that no format can hold by accident: every sample differs from its neighbours."""
    values = np.arange(height * width * planes, dtype=np.int64) * 37 % 251
    return Picture(values.astype(np.uint8).reshape(height, width, planes))


def sound(channels: int = 1, total: int = 4000, rate: int = 16000) -> Sound:
    """Sines, one frequency per channel."""
    time_axis = np.arange(total) / rate
    frequencies = 300.0 * np.arange(1, channels + 1)
    return Sound((0.5 * np.sin(2 * np.pi * frequencies[:, None] * time_axis)).astype(np.float32), rate)


def clip(total: int = 5, height: int = 32, width: int = 48, with_sound: bool = False) -> Clip:
    """A smooth pattern that moves."""
    t, y, x = np.meshgrid(np.arange(total), np.arange(height), np.arange(width), indexing="ij")
    planes = [128 + 80 * np.sin((x + 3 * t + shift) / 9) * np.cos(y / 7) for shift in (0, 5, 11)]
    frames = np.stack(planes, axis=-1).astype(np.uint8)
    return Clip(frames, Fraction(25), sound(2, 9600, 48000) if with_sound else None)


def hears_interrupts() -> None:
    """For a new process: undo that whoever started the tests lets background processes ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
