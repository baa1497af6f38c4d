"""video/hnerv: any size through bytes and back, units on their own, fits that learn, damage noticed."""

import io
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import ImageMedia, Reader, SampleFormat, Track, Unit, VideoMedia, Weights, Writer
from triptych.bitstream.errors import Malformed, SymbolMismatch, TripError
from triptych.codecs.base import Options
from triptych.codecs.signals import Clip
from triptych.codecs.video import codec as hnerv
from triptych.codecs.video.codec import NervConfig
from triptych.codecs.video.layout import parse
from triptych.codecs.video.nerv import System
from triptych.codecs.video.plan import Wish, plan_for, values_for
from triptych.codecs.video.scale import enlarge, reduce
from triptych.codecs.video.systems import HnervCodec


def moving(count: int, height: int, width: int) -> Clip:
    """A clip in which coloured waves travel and change their shape."""
    y, x = np.mgrid[:height, :width]
    planes = [
        [
            128 + 100 * np.sin((x + 2 * t) / 5 + y / 7),
            128 + 100 * np.cos((y - t) / 6),
            128 + 80 * np.sin(x * y / 50 + t / 3),
        ]
        for t in range(count)
    ]
    return Clip(np.array(planes).transpose(0, 2, 3, 1).clip(0, 255).astype(np.uint8), Fraction(25))


def encoded(clip: Clip, options: Options, config: NervConfig | None = None) -> bytes:
    codec, out = HnervCodec(config), io.BytesIO()
    track, plan = codec.open(clip, options)
    writer = Writer(out, [track])
    for item in codec.encode_units(clip, track, plan, 0, options):
        writer.item(item)
    writer.finish()
    return out.getvalue()


def parts(data: bytes) -> tuple[Track, list[Weights | Unit]]:
    reader = Reader(data)
    return reader.tracks[0], list(reader)


def decoded(data: bytes) -> np.ndarray:
    return HnervCodec().decode(*parts(data)).frames


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * np.log10(max(1e-9, np.mean(((a.astype(float) - b) / 255) ** 2)))


@pytest.fixture(scope="module")
def film() -> tuple[Clip, bytes]:
    clip = moving(18, 17, 13)
    return clip, encoded(clip, Options(effort=4))


def test_a_fit_learns_the_clip(film: tuple[Clip, bytes]) -> None:
    clip, data = film
    assert psnr(decoded(data), clip.frames) > psnr(clip.frames.mean(0), clip.frames) + 10


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (3, 8, 2), (1, 24, 31), (17, 5, 7)])
@pytest.mark.parametrize("embedding", ["free", "encoder"])
def test_any_size(shape: tuple[int, int, int], embedding: str) -> None:
    clip = moving(*shape)
    found = HnervCodec().decode(*parts(encoded(clip, Options(effort=0), NervConfig(embedding))))
    assert found.frames.shape == clip.frames.shape and found.rate == 25


@pytest.mark.parametrize("rendering", [0, 1, 2, 3, 4])
def test_every_rendering_keeps_the_exact_size(rendering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.codecs.video.plan._by_effort", lambda pixels, effort: rendering)
    clip = moving(4, 37, 51)
    data = encoded(clip, Options(effort=6))
    assert parse(parts(data)[0].parameters, parts(data)[0].media, System()).scale == (4, 2, 2, 1, 1)[rendering]
    assert decoded(data).shape == clip.frames.shape
    assert psnr(decoded(data), clip.frames) > psnr(clip.frames.mean(0), clip.frames) + 1


def test_every_unit_decodes_on_its_own(film: tuple[Clip, bytes]) -> None:
    _, data = film
    track, items = parts(data)
    whole, codec = decoded(data), HnervCodec()
    assert [type(item) for item in items] == [Weights, Unit, Unit]
    np.testing.assert_array_equal(np.stack(list(codec.frames(track, items[:2]))), whole[:16])
    np.testing.assert_array_equal(np.stack(list(codec.frames(track, [items[0], items[2]]))), whole[16:])


def test_symbols_come_back() -> None:
    random = np.random.default_rng(1)
    for scale in (0.0, 0.4, 20.0, 1e6):
        steady = np.repeat(random.normal(0, scale, (1, 6, 3, 4)), 9, axis=0) + random.normal(
            0, scale / 50, (9, 6, 3, 4)
        )
        for values in (steady, random.normal(0, scale, (1, 2, 1, 1)), random.normal(0, scale, (7, 3, 2, 5))):
            levels = np.rint(values).astype(np.int32)
            unit = hnerv.pack_unit(levels, 0, True)
            coder = hnerv.SymbolDecoder(unit.streams[0])
            np.testing.assert_array_equal(hnerv.traverse(coder, levels.shape), levels)
            assert coder.check == unit.check


def test_equal_seeds_give_equal_files_and_others_do_not() -> None:
    clip = moving(3, 16, 12)
    assert encoded(clip, Options(effort=1)) == encoded(clip, Options(effort=1))
    assert encoded(clip, Options(effort=1)) != encoded(clip, Options(effort=1, seed=1))


def test_a_time_budget_is_kept_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", time.thread_time)  # what other processes take of the machine does not count
    told: list[tuple[float, str]] = []
    clip, began = moving(6, 20, 20), time.monotonic()
    data = encoded(clip, Options(seconds=1.5, progress=lambda done, text: told.append((done, text))))
    assert 1.2 < time.monotonic() - began < 3
    assert psnr(decoded(data), clip.frames) > psnr(clip.frames.mean(0), clip.frames) + 3
    assert told[-1][0] == 1 and all(0 < done <= 1 and "dB" in text and "kB" in text for done, text in told)
    began = time.monotonic()
    assert decoded(encoded(clip, Options(seconds=0.001))).shape == clip.frames.shape
    assert time.monotonic() - began < 1.2


def test_quality_sets_the_size() -> None:
    sizes = [len(encoded(moving(4, 32, 32), Options(quality=q, effort=3))) for q in (20, 50, 80)]
    assert sizes[0] < sizes[1] < sizes[2]
    values = [values_for(10**8, q) for q in range(0, 101, 10)]
    assert values == sorted(values)
    plan = plan_for((132, 720, 1280), Wish(System()), Options(), 0.0).parameters.layout
    embeddings = 132 * plan.channels * plan.grid[0] * plan.grid[1]
    assert 0.8 < (plan.size() + embeddings) / values_for(132 * 720 * 1280, 50) < 1.2


def test_films_too_long_to_hold_come_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.codecs.video.plan.MOST_HELD", 4 * 16 * 16 * 3)
    clip = moving(10, 16, 16)
    data = encoded(clip, Options(effort=1))
    assert sum(isinstance(item, Weights) for item in parts(data)[1]) == 3
    assert decoded(data).shape == clip.frames.shape


def test_wrong_checks_raise_symbol_mismatch(film: tuple[Clip, bytes]) -> None:
    track, (weights, unit, last) = parts(film[1])
    codec = HnervCodec()
    with pytest.raises(SymbolMismatch):
        codec.decode(track, [weights, replace(unit, check=unit.check ^ 1), last])
    with pytest.raises(SymbolMismatch):
        codec.decode(track, [replace(weights, check=weights.check ^ 1), unit, last])


def test_a_difference_of_zero_keeps_the_network(film: tuple[Clip, bytes]) -> None:
    track, (weights, *units) = parts(film[1])
    layout = parse(track.parameters, track.media, System()).layout
    zeros = [np.zeros(shape, np.int32) for shape in [*layout.shapes(), (0,)]]
    groups, body, check = hnerv.encode_levels(zeros, [group.exponent for group in weights.groups])
    difference = Weights(0, True, groups, body, check)
    found = HnervCodec().decode(track, [weights, units[0], difference, units[1]])
    np.testing.assert_array_equal(found.frames, decoded(film[1]))
    with pytest.raises(Malformed):
        HnervCodec().decode(track, [difference, *units])


def test_rules_of_the_track(film: tuple[Clip, bytes]) -> None:
    track, (weights, unit, last) = parts(film[1])
    codec = HnervCodec()
    for items in ([unit, last], [weights, last], [weights], [weights, replace(unit, outputs=0), last]):
        with pytest.raises(Malformed):
            codec.decode(track, items)
    with pytest.raises(TripError):
        codec.decode(track, [weights, replace(unit, streams=(*unit.streams, b"")), last])
    for broken in (replace(weights, groups=weights.groups[:-1]), _steep(weights)):
        with pytest.raises(Malformed):
            codec.decode(track, [broken, unit, last])
    for media in (ImageMedia(17, 13), replace(track.media, sample_format=SampleFormat(10))):
        with pytest.raises(Malformed):
            codec.decode(replace(track, media=media), [weights, unit, last])
    assert codec.memory(track) > 20 * 17 * 13 * 3 and codec.decoder_state() == {}


def _steep(weights: Weights) -> Weights:
    return replace(weights, groups=(replace(weights.groups[0], exponent=90), *weights.groups[1:]))


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=40), where=st.integers(0, 2), parameters=st.binary(max_size=14))
def test_garbage_raises_only_our_errors(film: tuple[Clip, bytes], body: bytes, where: int, parameters: bytes) -> None:
    track, (weights, unit, last) = parts(film[1])
    broken = [
        (track, [replace(weights, body=body), unit, last]),
        (track, [weights, replace(unit, streams=(body,)), last]),
        (replace(track, parameters=parameters), [weights, unit, last]),
    ][where]
    with pytest.raises(TripError):
        HnervCodec().decode(*broken)


NUMBERS = st.lists(st.sampled_from([1, 2, 3, 4, 5, 12, 30]), min_size=3, max_size=14)


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.integers(1, 5000), st.integers(1, 5000), st.binary(max_size=1))
def test_parameters_have_one_spelling(numbers: list[int], width: int, height: int, rest: bytes) -> None:
    media = VideoMedia(width, height, SampleFormat(), None, (25, 1), 16, 5)
    data = bytes(numbers) + rest
    try:
        parameters = parse(data, media, System())
    except Malformed:
        return
    assert parameters.pack() == data
    grid, scale, enlargement = parameters.layout.grid, parameters.scale, parameters.layout.enlargement
    assert grid[0] * enlargement * scale >= height and grid[1] * enlargement * scale >= width


@pytest.mark.parametrize("scale", [2, 4])
def test_reduced_frames_enlarge_to_the_nearest(scale: int) -> None:
    clip = moving(1, 41, 50).frames
    small = reduce(clip, scale)
    assert small.shape == (1, -(-41 // scale), -(-50 // scale), 3)
    again = enlarge(torch.tensor(small).permute(0, 3, 1, 2).float(), scale)[:, :, :41, :50]
    found = again.clamp(0, 255).permute(0, 2, 3, 1).numpy()
    plain = torch.nn.functional.interpolate(
        torch.tensor(clip).permute(0, 3, 1, 2).float(), small.shape[1:3], mode="area"
    )
    usual = enlarge(plain, scale)[:, :, :41, :50].clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert psnr(found, clip) > psnr(usual, clip) + 0.5
    flat = np.full((1, 9, 10, 3), 77, np.uint8)
    assert (reduce(flat, scale) == 77).all() and reduce(flat, 1) is flat


@pytest.mark.parametrize("twice", [False, True])
def test_an_interrupt_leaves_a_valid_file(twice):
    clip, texts = moving(6, 24, 32), []

    def progress(fraction: float, text: str) -> None:
        texts.append(text)
        if len(texts) == 2 or (twice and len(texts) == 4):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("triptych.codecs.video.film.REPORT_EVERY", 0.0)
        data = encoded(clip, Options(seconds=60, progress=progress))
    assert any("interrupted" in text for text in texts)
    assert decoded(data).shape == clip.frames.shape
