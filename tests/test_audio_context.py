"""The context model of codes: exact, causal, of any shape, and files that have it come back."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import speech, tiny_mdct_rvq
from tiny_audio import SYSTEMS, TINY_CONTEXT, shaken, tiny_system, with_tiny_context

from triptych.bitstream import Malformed, SymbolMismatch, Track, TripError, Unit
from triptych.codecs.audio.context import CodeContext, whole
from triptych.codecs.audio.context_net import ContextConfig, ContextNet
from triptych.codecs.audio.counting import level_tables, running
from triptych.codecs.audio.mdct_rvq import CONTEXT, MdctRvqCodec
from triptych.codecs.audio.running import Running
from triptych.codecs.audio.symbols import Symbols
from triptych.codecs.base import Options
from triptych.codecs.registry import build
from triptych.codecs.signals import Sound
from triptych.entropy import Decoder, Encoder, RateCounter
from triptych.entropy.contexts import check_causal
from triptych.tools import models
from triptych.tools.recipes.audio_context import with_context

BOOKS, SIZE, PLANES = 4, 16, 2


@lru_cache
def net(pace: int = 1) -> ContextNet:
    torch.manual_seed(pace)
    words = torch.randn(BOOKS, SIZE, 5) * 0.7 ** torch.arange(BOOKS).view(-1, 1, 1)
    config = ContextConfig(pace=pace, features=16, width=12, entry_width=10, rank=6)
    return shaken(ContextNet(words.half().float(), PLANES, config))


def drawn(channels: int, frames: int, books: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of codebooks, side information and codes of a unit."""
    rng = np.random.default_rng(seed)
    used = rng.integers(0, books + 1, (channels, frames)).astype(np.int32)
    codes = rng.integers(0, SIZE, (BOOKS, channels, frames)).astype(np.int32)
    return used, rng.integers(-99, 99, (PLANES, channels, frames)), codes * (np.arange(BOOKS)[:, None, None] < used)


@lru_cache
def context(pace: int = 1) -> CodeContext:
    return net(pace).frozen(*(torch.from_numpy(part.astype(np.int64)) for part in drawn(8, 30, BOOKS, 0)))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(0, 12), st.integers(0, BOOKS), st.integers(1, 6), st.integers(0, 999))
def test_any_shape_comes_back(channels: int, frames: int, books: int, pace: int, seed: int) -> None:
    used, side, codes = drawn(channels, frames, books, seed)
    coder = Encoder()
    sent = context(pace).code(coder, used, side, codes)
    data = coder.finish()
    decoder = Decoder(data)
    found = context(pace).code(decoder, used, side)
    decoder.finish()
    assert np.array_equal(found, sent) and np.array_equal(found, codes[: len(found)])
    assert decoder.check == coder.check and not codes[len(found) :].any()


@pytest.mark.parametrize("pace", [1, 3])
def test_the_integer_context_is_the_float_one_rounded(pace: int) -> None:
    used, side, codes = drawn(4, 60, BOOKS, 1)
    counter = RateCounter()
    context(pace).code(counter, used, side, codes)
    nats, counts = net(pace).nats(*(torch.from_numpy(part.astype(np.int64)) for part in (used, side, codes)))
    assert counts.tolist() == [(used > book).sum() for book in range(BOOKS)]
    assert counter.bits == pytest.approx(float(nats.detach().sum()) / np.log(2), rel=5e-3)


class Spy(RateCounter):
    """Keeps the distributions."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def _each(self, classes, model):
        self.seen.append(model.frequencies)
        return super()._each(classes, model)


@pytest.mark.parametrize("pace", [1, 2, 5])
def test_codes_see_what_was_coded_in_steps_before(pace: int) -> None:
    _, side, codes = drawn(2, 6, BOOKS, 3)
    used = np.full((2, 6), BOOKS, np.int32)
    number = np.broadcast_to(np.arange(BOOKS)[:, None, None] + pace * np.arange(6), codes.shape)
    steps = [number == step for step in range(number.max() + 1)]

    def rows(symbols: np.ndarray) -> np.ndarray:
        spy, found = Spy(), np.zeros((*codes.shape, SIZE), np.int64)
        context(pace).code(spy, used, side, symbols)
        for mask, seen in zip([mask for mask in steps if mask.any()], spy.seen, strict=True):
            found[mask] = seen
        return found

    assert check_causal(rows, steps, codes, low=0, high=SIZE - 1) > 0.8


def test_side_information_matters_and_channels_do_not_meet() -> None:
    used, side, codes = drawn(2, 20, BOOKS, 4)
    bits = []
    for planes in (side, -side):
        counter = RateCounter()
        context().code(counter, used, planes, codes)
        bits.append(counter.bits)
    parts = [RateCounter(), RateCounter()]
    for channel, counter in enumerate(parts):
        own = slice(channel, channel + 1)
        context().code(counter, used[own], side[:, own], codes[:, own])
    assert bits[0] != bits[1] and sum(counter.bits for counter in parts) == pytest.approx(bits[0], rel=1e-12)


def test_the_same_distributions_whatever_is_coded_beside() -> None:
    used, side, codes = drawn(6, 9, BOOKS, 5)
    whole_unit, alone = Spy(), Spy()
    context().code(whole_unit, used, side, codes)
    context().code(alone, used[2:3], side[:, 2:3], codes[:, 2:3])
    found = {tuple(row) for step in whole_unit.seen for row in step}
    assert all(tuple(row) in found for step in alone.seen for row in step)


def test_threads_change_nothing() -> None:
    used, side, codes = drawn(3, 40, BOOKS, 6)
    coder = Encoder()
    context().code(coder, used, side, codes)
    data, threads = coder.finish(), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        state = {name: value.copy() for name, value in context().state().items()}
        again = CodeContext.from_state(state, np.ldexp(context().words, -context().exponent), PLANES)
        assert np.array_equal(again.code(Decoder(data), used, side), codes)
    finally:
        torch.set_num_threads(threads)


def test_codewords_become_integers_exactly() -> None:
    words = np.array([[0.5, -0.25, 0.3, 1.0]], dtype=np.float32)
    assert whole(words, 3).tolist() == [[4, -2, 2, 8]]


def test_arrays_that_do_not_fit_are_refused() -> None:
    state, words = context().state(), np.ldexp(context().words, -context().exponent)
    for name, value in (
        ("bias", state["bias"][:, :-1]),
        ("numbers", state["numbers"] + [9, 0]),
        ("numbers", state["numbers"] * [1, 0]),
        ("sums.0.weight", state["sums.0.weight"][:, :-1]),
        ("mix.0.weight", state["mix.0.weight"][:, 1:]),
    ):
        with pytest.raises(ValueError):
            CodeContext.from_state(state | {name: value}, words, PLANES)
    with pytest.raises(ValueError):
        CodeContext.from_state(state, words, PLANES + 1)


def test_running_values_come_back_and_know_what_came_before() -> None:
    rng = np.random.default_rng(7)
    values = np.cumsum(rng.integers(-1, 2, (3, 400)), axis=1) % 20  # wraps make rare steps, which escape
    steady = np.repeat(rng.integers(0, 20, (3, 80)), 5, axis=1)
    tables = running([np.concatenate((values, steady))], 20, (0.3, 0.6))
    for part in (values, steady, values[:, :1], values[:, :0]):
        coder = Encoder()
        assert np.array_equal(tables.code(coder, part.shape, part.astype(np.int32)), part)
        decoder = Decoder(coder.finish())
        assert np.array_equal(tables.code(decoder, part.shape), part)
        decoder.finish()
    counter, plain = RateCounter(), RateCounter()
    slopes = 10 - np.abs(np.arange(400) % 20 - 10)[None].repeat(
        3, axis=0
    )  # up and down: a step is mostly the one before
    running([slopes], 20, ()).code(counter, slopes.shape, slopes)
    tables = level_tables([Symbols(slopes, slopes, slopes[None])], 20)
    plain.code(np.diff(slopes, axis=1, prepend=0), tables.at(0, slopes.shape))
    assert counter.bits < 0.7 * plain.bits
    tables = running([values], 20, (0.3, 0.6))
    with pytest.raises(Malformed, match="range"):
        tables.code(RateCounter(), (1, 3), np.array([[1, 25, 1]]))
    with pytest.raises(ValueError, match="classes"):
        Running.from_state(tables.state() | {"class_of_value": tables.class_of_value[1:]})


# Codecs that have one


@lru_cache
def codec_of(name: str):
    return with_tiny_context(tiny_mdct_rvq() if name == "audio-mdct-rvq" else tiny_system(name))


def encoded(name: str, sound: Sound, quality: float, effort: int = 1) -> tuple[Track, list[Unit]]:
    options = Options(quality=quality, effort=effort)
    track, plan = codec_of(name).open(sound, options)
    return track, list(codec_of(name).encode_units(sound, track, plan, 0, options))


@pytest.mark.parametrize("name", ["audio-mdct-rvq", *SYSTEMS])
def test_files_with_a_context_hold_the_same_codes(name: str) -> None:
    sound = Sound(speech(9000, 2, rate=8000), 8000)
    for quality in (0, 60, 100):
        (tables, plain), (track, items) = encoded(name, sound, quality, 0), encoded(name, sound, quality)
        assert not tables.parameters[1] & CONTEXT and bool(track.parameters[1] & CONTEXT) == ("mdct" in name)
        assert track.parameters != tables.parameters
        if "mdct" not in name:  # whose search is another with more effort
            assert np.array_equal(
                codec_of(name).decode(track, items).samples, codec_of(name).decode(tables, plain).samples
            )
        assert codec_of(name).decode(track, items).samples.shape == (2, 9000)


@pytest.mark.parametrize("name", ["audio-mdct-rvq", "audio-seanet-rvq"])
def test_weights_carry_the_context(name: str) -> None:
    codec = codec_of(name)
    state = {key: value.clone() for key, value in codec.export_state().items()}
    assert any(key.startswith("context.") for key in codec.decoder_state())
    other, bare = (build(codec.id, models.config_of(codec)).eval() for _ in range(2))
    other.import_state(state)
    bare.import_state({key: value for key, value in state.items() if not key.startswith("context.")})
    sound = Sound(speech(5000, rate=8000), 8000)
    track, items = encoded(name, sound, 70)
    assert np.array_equal(other.decode(track, items).samples, codec.decode(track, items).samples)
    assert bare.context is None and bare.open(sound, Options(effort=9))[0].parameters[1] <= 3
    with pytest.raises(Malformed):
        bare.decode(track, items)


@pytest.mark.parametrize("name", ["audio-mdct-rvq", "audio-wavtokenizer"])
def test_damaged_files_give_errors_of_ours(name: str) -> None:
    sound = Sound(speech(2500, rate=8000), 8000)
    track, (unit,) = encoded(name, sound, 100)
    data, rng = unit.streams[0], np.random.default_rng(2)
    for case in (b"", data[:-4], data[4:], data + data, *(rng.bytes(len(data)) for _ in range(4))):
        with pytest.raises(TripError):
            codec_of(name).decode(track, [Unit(0, (case,), unit.outputs, True, check=unit.check)])
    with pytest.raises(SymbolMismatch):
        codec_of(name).decode(track, [Unit(0, unit.streams, unit.outputs, True, check=(unit.check or 0) ^ 1)])
    for mode in (8, 255):
        header = track.parameters[:1] + bytes([mode]) + track.parameters[2:]
        with pytest.raises(Malformed):
            codec_of(name).decode(Track(track.codec, 1, True, track.digest, track.media, header), [unit])


def test_only_codecs_with_codes_get_a_context() -> None:
    with pytest.raises(ValueError, match="no codes"):
        with_context(build("image/patch", {}), TINY_CONTEXT)
    assert isinstance(codec_of("audio-mdct-rvq"), MdctRvqCodec)
