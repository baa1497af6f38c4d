"""video/stem: any size and length through bytes and back, symbols from integers alone, groups on their own, damage noticed."""

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from makers import photo, round_trip, tiny_stem

from triptych import weights
from triptych.bitstream import SampleFormat, Unit
from triptych.bitstream.errors import Malformed, SymbolMismatch, TripError
from triptych.codecs.base import Options
from triptych.codecs.precision import full_precision
from triptych.codecs.signals import Clip, Sound
from triptych.codecs.video import stem
from triptych.codecs.video.stem import Frame, StemCodec
from triptych.entropy import Encoder, RateCounter
from triptych.tools import models, pipeline, targets

needs_weights = pytest.mark.skipif(weights.find("video/stem") is None, reason="weights of video/stem are missing")


@pytest.fixture(scope="module")
def codec() -> StemCodec:
    return tiny_stem()


@pytest.fixture
def short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stem, "GROUP", 4)


def drifting(time: int, height: int, width: int) -> Clip:
    """Frames of a picture that moves to the left."""
    wide = photo(height, width + 2 * time)
    return Clip(np.stack([wide[:, 2 * t : 2 * t + width] for t in range(time)]), Fraction(25))


def bits(codec: StemCodec, frames: list[Frame], size: tuple[int, int], index: int) -> np.ndarray:
    """What each frame of a group costs."""
    sums = []
    for length in range(1, len(frames) + 1):
        counter = RateCounter()
        codec.traverse_group(counter, size, index, length, frames[:length])
        sums.append(counter.bits)
    return np.diff([0.0, *sums])


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 33, 70), (3, 40, 17), (5, 32, 64)])
def test_any_size_and_length(codec: StemCodec, shape: tuple[int, int, int], short_groups: None) -> None:
    clip = drifting(*shape)
    found, track, items = round_trip(codec, clip, Options(quality=60))
    assert found.rate == 25 and found.frames.shape == clip.frames.shape
    assert [item.outputs for item in items] == [min(4, shape[0] - n) for n in range(0, shape[0], 4)]
    index = track.parameters[0]
    shown = codec.shown(codec.analyse_group(clip.frames[:4], index, Options(quality=60)), track.media, index)
    np.testing.assert_array_equal(np.stack(list(shown)), found.frames[:4])  # what the encoder saw


def test_quality_and_effort(codec: StemCodec) -> None:
    clip, coded = drifting(3, 48, 64), {}
    for quality, effort in ((10, 0), (90, 0), (90, 3), (90, 4)):
        found, _, (unit,) = round_trip(codec, clip, Options(quality=quality, effort=effort))
        error = np.square(found.frames.astype(float) - clip.frames).mean()
        coded[quality, effort] = len(unit.streams[0]), error
    assert coded[10, 0][0] < coded[90, 3][0] < coded[90, 0][0]
    assert coded[90, 0][1] < coded[10, 0][1]
    assert coded[90, 4] != coded[90, 3]


def test_groups_decode_on_their_own_in_any_order(codec: StemCodec, short_groups: None) -> None:
    found, track, items = round_trip(codec, drifting(10, 32, 40), Options())
    assert len(items) == 3 and all(item.key for item in items)
    for number in (2, 0, 1):
        part = np.stack(list(codec.frames(track, [items[number]])))
        np.testing.assert_array_equal(part, found.frames[4 * number : 4 * number + 4])
    np.testing.assert_array_equal(next(codec.frames(track, items[1:])), found.frames[4])


def test_symbols_come_from_integers_alone(codec: StemCodec) -> None:
    clip = drifting(4, 48, 64)
    found, track, items = round_trip(codec, clip, Options(quality=70))
    other = tiny_stem()
    with torch.no_grad():
        for parameter in other.net.parameters():
            parameter.mul_(1 + 1e-4 * torch.randn_like(parameter))
    moved = other.decode(track, items).frames  # its check of the symbols holds
    assert 0 < np.abs(moved.astype(int) - found.frames).max() <= 8


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_precision_change_pixels_by_a_hair(codec: StemCodec, threads: int, short_groups: None) -> None:
    clip = drifting(9, 40, 72)
    found, track, items = round_trip(codec, clip, Options(quality=70))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for full in (False, True):
            with full_precision(full):
                again = codec.decode(track, items).frames
            assert np.abs(again.astype(int) - found.frames).max() <= 3
        coded = list(codec.encode_units(clip, track, track.parameters[0], 0, Options(quality=70)))
        assert len(coded) == len(items)
    finally:
        torch.set_num_threads(before)


def test_a_frame_without_a_past_is_coded_alone(codec: StemCodec) -> None:
    other = photo(48, 64, seed=9)
    frames = np.stack([*drifting(2, 48, 64).frames, 255 - other, 255 - other])
    found = codec.analyse_group(frames, 60, Options())
    assert [frame.alone for frame in found] == [True, False, True, False]
    decoded, _, _ = round_trip(codec, Clip(frames, Fraction(25)), Options())
    assert decoded.frames.shape == frames.shape


def test_frames_of_a_file_and_its_sound(codec: StemCodec, tmp_path, short_groups: None) -> None:
    models.save(codec, tmp_path / "stem.safetensors")
    clip, out = drifting(9, 32, 48), io.BytesIO()
    pipeline.encode(clip, out, "video/stem", Options(), tmp_path / "stem.safetensors")
    whole = pipeline.decode(out.getvalue(), weights=tmp_path / "stem.safetensors")
    for span in ((5, 7), (0, 9), (8, 9), (2, 5)):
        part = pipeline.decode(out.getvalue(), weights=tmp_path / "stem.safetensors", frames=span)
        np.testing.assert_array_equal(part.frames, whole.frames[slice(*span)])


def test_a_target_size(codec: StemCodec, tmp_path) -> None:
    models.save(codec, tmp_path / "stem.safetensors")
    target = targets.Target("bytes", 900.0)
    found = targets.reach(drifting(2, 48, 64), target, "video/stem", Options(), tmp_path / "stem.safetensors")
    assert 500 < len(found.data) <= 900


def test_garbage_is_refused(codec: StemCodec) -> None:
    _, track, (unit,) = round_trip(codec, drifting(3, 48, 64), Options())
    with pytest.raises(SymbolMismatch, match="other symbols"):
        codec.decode(track, [replace(unit, check=unit.check ^ 1)])
    for wrong in (replace(unit, outputs=0), replace(unit, outputs=33), replace(unit, streams=unit.streams * 2)):
        with pytest.raises(Malformed, match="units of video/stem"):
            codec.decode(track, [wrong])
    for items in ([], [unit, unit]):
        with pytest.raises(Malformed, match="has units for"):
            codec.decode(track, items)
    random = np.random.default_rng(0)
    for _ in range(30):
        data = bytearray(unit.streams[0])
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        with pytest.raises(TripError):
            codec.decode(track, [replace(unit, streams=(bytes(data),))])
    with pytest.raises(TripError):
        codec.decode(track, [replace(unit, outputs=2), replace(unit, outputs=1)])


@pytest.mark.parametrize("parameters", [b"", b"\xff", b"\x05\x00"])
def test_wrong_headers_are_refused(codec: StemCodec, parameters: bytes) -> None:
    track, _ = codec.open(drifting(1, 8, 8), Options())
    with pytest.raises(Malformed, match="parameters"):
        codec.decode(replace(track, parameters=parameters), [])
    grey = replace(track, media=replace(track.media, sample_format=SampleFormat(8, 1)))
    with pytest.raises(Malformed, match="three planes"):
        codec.memory(grey)


def test_weights_come_back(codec: StemCodec, tmp_path) -> None:
    clip = drifting(3, 40, 40)
    found, track, items = round_trip(codec, clip, Options())
    models.save(codec, tmp_path / "stem.safetensors")
    again = models.from_file(tmp_path / "stem.safetensors")
    np.testing.assert_array_equal(again.decode(track, items).frames, found.frames)
    assert isinstance(items[0], Unit) and again.identity == codec.identity


@needs_weights
def test_the_past_saves_bits() -> None:
    codec, clip = models.load("video/stem"), drifting(4, 96, 128)
    frames = codec.analyse_group(clip.frames, 64, Options())
    costs = bits(codec, frames, (96, 128), 64)
    alone = [bits(codec, codec.analyse_group(frame[None], 64, Options()), (96, 128), 64)[0] for frame in clip.frames]
    assert costs[0] == alone[0] and costs[1:].sum() < 0.85 * sum(alone[1:])
    strange = np.stack([photo(96, 128, seed=5), *clip.frames[1:2]])
    assert bits(codec, codec.analyse_group(strange, 64, Options()), (96, 128), 64)[1] > 1.1 * costs[1]


@needs_weights
def test_a_film_with_sound_goes_along() -> None:
    clip, out = drifting(3, 32, 32), io.BytesIO()
    sound = Sound(np.sin(np.arange(2000) / 9).astype(np.float32)[None] * 0.3, 16000)
    pipeline.encode(replace(clip, sound=sound), out, "video/stem", Options(quality=20))
    decoded = pipeline.decode(out.getvalue())
    assert decoded.frames.shape == clip.frames.shape and decoded.sound.samples.shape == (1, 2000)


def test_side_information_out_of_range_is_refused(codec: StemCodec) -> None:
    """Tables with an escape reach every integer, networks do not."""
    track, index = codec.open(drifting(2, 32, 32), Options())
    frames = codec.analyse_group(drifting(2, 32, 32).frames, index, Options())
    for number in (0, 1):
        wrong = frames[number].symbols.side.copy()
        wrong[0, 0, 0] = 4000
        coder = Encoder()
        if number == 0:
            coder.code(wrong, codec.side_tables.at(0, wrong.shape))
        else:
            codec.traverse_group(coder, (32, 32), index, 1, frames[:1])
            coder.code(np.zeros(1, np.int32), stem.KINDS.at(0, (1,)))
            rows = np.arange(len(wrong))[:, None, None] + len(wrong) * round(index / 16)
            coder.code(wrong, codec.change_tables.at(np.broadcast_to(rows, wrong.shape)))
        unit = Unit(0, (coder.finish(),), 2, True, check=None)
        with pytest.raises(Malformed, match="out of range"):
            codec.decode(track, [unit])
