"""Whole files through toy codecs: tracks, limits, errors, and the Python interface."""

import io
from dataclasses import replace

import numpy as np
import pytest
import toys
from toys import clip, picture, sound

import triptych
from triptych.bitstream import OverLimit, Reader, SymbolMismatch, Truncated, Unit, Writer, WrongModel
from triptych.codecs.base import Options
from triptych.codecs.signals import Crop
from triptych.tools import media, models, pipeline
from triptych.tools.errors import UsageError


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    toys.install(monkeypatch)


def encoded(signal, **options) -> bytes:
    out = io.BytesIO()
    pipeline.encode(signal, out, None, Options(**options))
    return out.getvalue()


@pytest.mark.parametrize("signal", [picture(), picture(1, 1, 1), picture(planes=4), sound(2), clip()])
def test_signals_come_back(signal):
    found = pipeline.decode(encoded(signal))
    assert type(found) is type(signal)
    field = {"image": "pixels", "audio": "samples", "video": "frames"}[pipeline.KINDS[type(signal)]]
    np.testing.assert_array_equal(getattr(found, field), getattr(signal, field))


def test_a_film_has_two_tracks():
    original, reports = clip(with_sound=True), []
    data = encoded(original, progress=lambda done, text: reports.append(done))
    assert [track.codec for track in Reader(data).tracks] == ["video/hnerv", "audio/mdct-rvq"]
    found = pipeline.decode(data)
    np.testing.assert_array_equal(found.frames, original.frames)
    np.testing.assert_array_equal(found.sound.samples, original.sound.samples)
    assert found.rate == original.rate and found.sound.rate == 48000
    assert reports == sorted(reports) and reports[-1] == 1


def test_the_digest_is_that_of_the_weights():
    (track,) = Reader(encoded(picture())).tracks
    assert track.digest == toys.ToyPicture.identity[:8]
    (track,) = Reader(encoded(sound())).tracks
    assert track.digest == bytes(8)


def test_the_writer_never_seeks():
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    pipeline.encode(sound(), pipe)
    assert pipe.data == encoded(sound())


def test_memory_is_checked_before_decoding(monkeypatch):
    data = encoded(picture())
    monkeypatch.setattr(toys.ToyPicture, "decode", lambda *_: pytest.fail("must not decode"))
    with pytest.raises(OverLimit, match="memory"):
        pipeline.decode(data, memory=1 << 19)


def test_a_symbol_mismatch_is_told_from_damage():
    reader = Reader(encoded(picture()))
    out = io.BytesIO()
    writer = Writer(out, reader.tracks)
    for item in reader:
        writer.unit(replace(item, check=item.check ^ 1))
    writer.finish()
    with pytest.raises(
        SymbolMismatch, match="is intact and has the right weights, but this computer derived other symbols"
    ):
        pipeline.decode(out.getvalue())


def test_other_weights_and_a_cut_file():
    data = encoded(picture())
    with pytest.raises(Truncated):
        pipeline.decode(data[:-3])
    (track,) = Reader(data).tracks
    out = io.BytesIO()
    writer = Writer(out, [replace(track, digest=b"12345678")])
    for item in Reader(data):
        writer.item(item)
    with pytest.raises(WrongModel, match=b"12345678".hex()):
        pipeline.decode(out.getvalue())


def test_tracks_that_are_no_film_are_refused():
    (track,) = Reader(encoded(picture())).tracks
    out = io.BytesIO()
    writer = Writer(out, [track, track])
    for number in range(2):
        writer.unit(Unit(number, (b"",), None, True))
    with pytest.raises(UsageError, match="2 tracks"):
        pipeline.decode(out.getvalue())


@pytest.mark.parametrize("codec, cause", [("image/none", "no codec is called"), ("audio/mdct-rvq", "does not take")])
def test_codecs_that_do_not_fit(codec, cause):
    with pytest.raises(UsageError, match=cause):
        pipeline.encode(picture(), io.BytesIO(), codec)


def test_weights_that_cannot_be_read(monkeypatch):
    def load(name, path=None, level=0):
        raise ValueError("x is not a weights file")

    monkeypatch.setattr(models, "load", load)
    with pytest.raises(UsageError, match="not a weights file"):
        pipeline.encode(picture(), io.BytesIO())


def test_python_interface_takes_arrays_signals_and_paths(tmp_path):
    pixels = picture().pixels
    np.testing.assert_array_equal(triptych.decode(triptych.encode(pixels)).pixels, pixels)
    np.testing.assert_array_equal(triptych.decode(triptych.encode(pixels[..., 0])).pixels, pixels[..., :1])
    samples = sound().samples
    found = triptych.decode(triptych.encode(samples[0].astype(float), rate=16000))
    assert found.rate == 16000
    np.testing.assert_array_equal(found.samples, samples)
    film = triptych.decode(triptych.encode(clip().frames, fps=30000 / 1001))
    assert (film.rate.numerator, film.rate.denominator) == (30000, 1001)
    media.write(tmp_path / "a.png", picture())
    data = triptych.encode(tmp_path / "a.png", quality=7)
    assert data == triptych.encode(picture(), quality=7) != triptych.encode(picture(), quality=8)
    (tmp_path / "a.trip").write_bytes(data)
    np.testing.assert_array_equal(triptych.decode(tmp_path / "a.trip").pixels, pixels)


def test_python_interface_opens_and_loads(tmp_path):
    data = triptych.encode(clip(with_sound=True))
    reader = triptych.open(data)
    assert len(reader.tracks) == 2 and [unit.track for unit in reader] == [0, 1]
    (tmp_path / "a.trip").write_bytes(data)
    assert triptych.open(tmp_path / "a.trip").tracks == reader.tracks
    assert isinstance(triptych.load("image/patch"), toys.ToyPicture)


@pytest.mark.parametrize("array, options", [
    (np.zeros((4, 4)), {}), (np.zeros(9, np.uint8), {}), (np.zeros((2, 4, 4, 3), np.uint8), {}),
    (np.zeros((4, 4, 5), np.uint8), {}), (np.zeros(9, np.int16), {"rate": 8000}), (np.zeros(0), {"rate": 8000}),
    (np.array([np.nan]), {"rate": 8000}), (np.zeros((4, 4, 3), np.uint8), {"fps": 25}),
    (np.zeros((4, 4, 3), np.uint8), {"quality": 101}),
])  # fmt: skip
def test_arrays_that_are_no_signal(array, options):
    with pytest.raises(ValueError):
        triptych.encode(array, **options)


def test_a_signal_too_large_to_decode_is_not_encoded():
    with pytest.raises(OverLimit, match="decoding would take"):
        pipeline.encode(picture(), io.BytesIO(), memory=1 << 19)


def test_parts_of_signals_of_codecs_without_tiles():
    data, whole = encoded(picture()), picture().pixels
    np.testing.assert_array_equal(triptych.decode(data, crop=(3, 2, 10, 5)).pixels, whole[2:7, 3:13])
    with pytest.raises(UsageError, match=r"crop 3,2,15,5 does not lie inside the picture of 17 x 12 pixels"):
        triptych.decode(data, crop=(3, 2, 15, 5))
    with pytest.raises(UsageError, match="have no tiles"):
        pipeline.decode(data, salvage=print)
    with pytest.raises(OverLimit, match="memory"):
        pipeline.decode(data, crop=Crop(0, 0, 1, 1), memory=1 << 19)
    for signal in (sound(), clip(with_sound=True)):
        with pytest.raises(UsageError, match="only a part of a picture can be decoded"):
            triptych.decode(encoded(signal), crop=(0, 0, 1, 1))
