"""audio/mdct-rvq end to end with tiny networks: exact lengths, unit by unit, and only errors of ours."""

import io
from contextlib import suppress
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import TINY_MDCT_RVQ as CONFIG

from triptych.bitstream import Reader, SymbolMismatch, Track, TripError, Unit, Writer
from triptych.codecs.audio import mdct_rvq
from triptych.codecs.audio.allocate import allocate
from triptych.codecs.audio.counting import freeze
from triptych.codecs.audio.layout import Layout
from triptych.codecs.audio.mdct_rvq import MdctRvqCodec
from triptych.codecs.audio.start import start
from triptych.codecs.audio.symbols import traverse
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.entropy import Decoder, Encoder, RateCounter


def tone(samples: int, seed: int = 0, rate: int = 16000) -> np.ndarray:
    """A gliding tone with overtones and a little noise, float32 [samples]."""
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * np.cumsum(150 + 50 * np.sin(np.arange(samples) / rate * 3 + seed)) / rate
    sound = sum(np.sin(k * phase) / k for k in (1, 2, 3, 5)) * 0.15
    return (sound * (1 + np.sin(np.arange(samples) / rate * 9)) + 0.01 * random.standard_normal(samples)).astype(
        np.float32
    )


@lru_cache
def codec() -> MdctRvqCodec:
    """A tiny codec whose networks do something."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    made = MdctRvqCodec(CONFIG)
    samples = torch.from_numpy(np.stack([tone(32000, seed) for seed in range(6)]))
    start(made.net, samples, rounds=4, per_step=256, generator=generator)
    for layer in (made.net.encoder.leave, made.net.decoder.leave):
        torch.nn.init.normal_(layer.weight, std=0.02, generator=generator)
    made.eval().requires_grad_(False)
    freeze(made, [samples], generator)
    return made


def encode(sound: Sound, quality: float = 100, effort: int = 0) -> tuple[Track, list[Unit]]:
    options = Options(quality=quality, effort=effort)
    track, plan = codec().open(sound, options)
    return track, list(codec().encode_units(sound, track, plan, 0, options))


def through_file(sound: Sound, quality: float = 100) -> tuple[Sound, int]:
    track, units = encode(sound, quality)
    file = io.BytesIO()
    writer = Writer(file, [track])
    for unit in units:
        writer.item(unit)
    writer.finish()
    reader = Reader(file.getvalue())
    return codec().decode(reader.tracks[0], list(reader)), len(file.getvalue())


@pytest.mark.parametrize(
    ("samples", "channels", "rate"),
    [
        (1, 1, 16000),
        (1, 2, 48000),
        (319, 1, 16000),
        (320, 1, 16000),
        (321, 3, 16000),
        (5000, 2, 44100),
        (4001, 1, 8000),
        (7, 1, 1000),
        (50, 1, 768000),
        (16000, 1, 22050),
    ],
)
def test_lengths_channels_and_rates_come_back(samples: int, channels: int, rate: int) -> None:
    sound = Sound(np.stack([tone(samples, seed, rate) for seed in range(channels)]), rate)
    back, _ = through_file(sound)
    assert back.samples.shape == sound.samples.shape
    assert back.samples.dtype == np.float32
    assert back.rate == rate
    assert np.isfinite(back.samples).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([8000, 11025, 16000, 48000]))
def test_any_length_comes_back(samples: int, rate: int) -> None:
    back, _ = through_file(Sound(tone(samples)[None], rate))
    assert back.samples.shape == (1, samples)


def test_the_signal_comes_back_better_with_more_codebooks() -> None:
    sound = Sound(tone(48000, seed=1)[None], 16000)
    errors, sizes = [], []
    for quality in (0, 33, 67, 100):
        back, size = through_file(sound, quality)
        errors.append(np.square(back.samples - sound.samples).mean() / np.square(sound.samples).mean())
        sizes.append(size)
    assert sizes == sorted(sizes) and sizes[0] < 0.6 * sizes[-1]
    assert errors[0] > errors[-1] < 0.3


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 30.0])
def test_strange_samples(value: float) -> None:
    back, size = through_file(Sound(np.full((2, 3000), value, np.float32), 16000))
    assert np.isfinite(back.samples).all() and np.abs(back.samples).max() <= 1
    if not value > 1 and not value < -1:
        assert size < 120 and not back.samples.any()


def test_units_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Sound(np.stack([tone(40000, 3), tone(40000, 4)]), 16000)
    whole, _ = through_file(sound)
    for per_unit in (1, 13, 50, 124):
        monkeypatch.setattr(mdct_rvq, "PER_UNIT", per_unit)
        track, units = encode(sound)
        assert len(units) == -(-125 // per_unit)
        assert max(unit.outputs for unit in units) <= track.media.samples_per_unit
        parts = codec().decode(track, units)
        np.testing.assert_allclose(parts.samples, whole.samples, atol=2e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1000, 200_000), st.integers(1, 600), st.integers(0, 30), st.integers(0, 1))
def test_layout_accounts_for_everything(total: int, rate: int, per_unit: int, reach: int, tail: int) -> None:
    layout = Layout(total, rate, 16000, 320, per_unit, reach, tail)
    if layout.units > 2000:
        return
    outputs = [layout.outputs(unit) for unit in range(layout.units)]
    assert sum(outputs) == total and 0 <= min(outputs) <= max(outputs) <= layout.outputs_per_unit
    assert layout.coded(layout.units - 1) == layout.frames and layout.made(layout.units - 1) == layout.blocks
    for unit in range(layout.units):
        assert layout.coded(unit) >= min(layout.frames, layout.made(unit) + tail + reach)


def test_effort_lowers_the_error() -> None:
    sound = Sound(tone(32000, seed=1)[None], 16000)
    errors = []
    for effort in (0, 10):
        track, units = encode(sound, effort=effort)
        errors.append(np.square(codec().decode(track, units).samples - sound.samples).mean())
    assert errors[1] < errors[0]


def test_batch_equals_single() -> None:
    x = torch.from_numpy(np.stack([tone(9000, seed) for seed in range(3)]))
    together = codec().tokenize(x)
    for row in range(3):
        assert torch.equal(codec().tokenize(x[row : row + 1])[0], together[row])


def test_tokens_round_trip() -> None:
    x = torch.from_numpy(tone(9000)[None])
    tokens = codec().tokenize(x)
    assert tokens.shape == (1, 1 + CONFIG.books, 30) and tokens.dtype == torch.int64
    y = codec().detokenize(tokens)
    assert y.shape == (1, 29 * 320)
    sound, _ = through_file(Sound(x.numpy(), 16000))
    np.testing.assert_allclose(y[:, :9000].clamp(-1, 1).numpy(), sound.samples, atol=1e-5)
    fewer = codec().detokenize(tokens[:, :2])
    assert (fewer[:, :9000] - x).square().mean() > (y[:, :9000] - x).square().mean()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5), st.booleans(), st.booleans(), st.integers(0, 99))
def test_one_traversal_serves_three_coders(frames: int, sparing: bool, merged: bool, seed: int) -> None:
    made, random = codec(), np.random.default_rng(seed)
    tables = made.tables.merged() if merged else made.tables
    assert not merged or len(tables.codes) == len(tables.first_row) == CONFIG.books + 1
    levels = random.integers(0, CONFIG.levels, (2, frames)).astype(np.int32)
    used = (random.integers(0, 4, (2, frames)) if sparing else np.full((2, frames), 3)).astype(np.int32)
    codes = random.integers(0, CONFIG.size, (3, 2, frames)).astype(np.int32)
    used, codes = used * (levels > 0), codes * (np.arange(3)[:, None, None] < used * (levels > 0))
    symbols = mdct_rvq.Symbols(levels, used, codes)
    encoder, counter = Encoder(), RateCounter()
    for coder in (encoder, counter):
        traverse(coder, tables, (2, frames), 3, sparing, symbols)
    data = encoder.finish()
    decoder = Decoder(data)
    back = traverse(decoder, tables, (2, frames), 3, sparing)
    decoder.finish()
    for name in ("levels", "used", "codes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(symbols, name))
    assert decoder.check == encoder.check == counter.check
    assert 8 * len(data) <= counter.bits + 64


def test_other_symbols_are_noticed() -> None:
    track, units = encode(Sound(tone(5000)[None], 16000))
    wrong = Unit(0, units[0].streams, units[0].outputs, True, check=units[0].check ^ 1)
    with pytest.raises(SymbolMismatch):
        codec().decode(track, [wrong])


def test_damaged_streams_give_errors_of_ours() -> None:
    track, (unit,) = encode(Sound(tone(5000)[None], 16000))
    data, random = unit.streams[0], np.random.default_rng(5)
    cases = [b"", data[:-4], data[4:], data[:7], data + data, *(random.bytes(len(data)) for _ in range(20))]
    for case in cases:
        with pytest.raises(TripError):
            codec().decode(track, [Unit(0, (case,), unit.outputs, True, check=unit.check)])
        with suppress(TripError):  # without the check garbage may happen to decode
            codec().decode(track, [Unit(0, (case,), unit.outputs, True)])


def test_units_that_do_not_fit_the_header_are_refused() -> None:
    track, (unit,) = encode(Sound(tone(5000)[None], 16000))
    for units in (
        [],
        [unit, unit],
        [Unit(0, unit.streams, unit.outputs, False)],
        [Unit(0, unit.streams, unit.outputs - 1, True)],
        [Unit(0, unit.streams * 2, unit.outputs, True)],
    ):
        with pytest.raises(TripError):
            codec().decode(track, units)


def test_parameters_that_no_encoder_writes_are_refused() -> None:
    sound = Sound(tone(500)[None], 16000)
    track, units = encode(sound)
    for parameters in (
        b"",
        b"\x00" * 4,
        b"\x05\x00\xf4\x01",
        b"\x04\x02\xf4\x01",
        b"\x04\x00\x00\x00",
        b"\x04\x00\xf5\x01",
    ):
        header = Track(track.codec, track.profile, True, track.digest, track.media, parameters)
        with pytest.raises(TripError):
            codec().decode(header, units)


def test_weights_round_trip() -> None:
    made, other = codec(), MdctRvqCodec(CONFIG)
    other.import_state({name: value.clone() for name, value in made.export_state().items()})
    other.eval()
    for name, value in made.decoder_state().items():
        assert torch.equal(other.decoder_state()[name], value)
    sound = Sound(tone(3000)[None], 16000)
    track, units = encode(sound)
    np.testing.assert_array_equal(other.decode(track, units).samples, made.decode(track, units).samples)


def test_decoder_state_leaves_out_the_analysis() -> None:
    names = codec().decoder_state()
    assert not [name for name in names if "encoder" in name or name in ("net.project", "net.quantiser.sums")]
    assert {"net.weight", "net.expand", "net.quantiser.codebooks", "tables.codes.frequencies"} <= set(names)


def test_memory_grows_with_the_sound_and_bounds_the_samples() -> None:
    sounds = [Sound(np.zeros((1, n), np.float32), 16000) for n in (1000, 10**6)]
    small, large = (codec().memory(encode(sound)[0]) for sound in sounds)
    assert large - small > 4 * 2 * 999_000


def test_frames_share_codebooks_by_need() -> None:
    loud, soft = tone(16000, seed=2), 0.01 * tone(16000, seed=2)
    sound = Sound(np.concatenate((loud, np.zeros(8000, np.float32), soft))[None], 16000)
    plan = codec().open(sound, Options(quality=50))[1]
    symbols = codec().analyse(torch.from_numpy(sound.samples), plan, 0, 126)
    heard = symbols.levels > 0
    assert (symbols.used[~heard] == 0).all() and (symbols.used[heard] >= 1).all() and not heard.all()
    assert symbols.used[:, 2:48].mean() > symbols.used[:, 78:124].mean() + 0.5
    assert abs(symbols.used[heard].mean() - plan.books) < 0.6
    assert not symbols.codes[np.arange(CONFIG.books)[:, None, None] >= symbols.used].any()


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_sparing_files_come_back(quality: float) -> None:
    sound = Sound(np.stack([tone(30000), np.zeros(30000, np.float32)]), 16000)
    track, units = encode(sound, quality)
    assert track.parameters[1] == 1
    assert codec().decode(track, units).samples.shape == (2, 30000)


def test_allocation_minimises_the_weighted_error() -> None:
    errors = (
        torch.tensor([[8.0, 4, 2, 1, 0.5]]).expand(1, 20, 5)
        * torch.cat((torch.ones(10), torch.full((10,), 9.0)))[:, None]
    )
    used = allocate(errors, torch.zeros(1, 20), torch.ones(1, 20, dtype=torch.bool), 2)
    assert abs(used.sum() - 40) <= 2 and used[0, 12:].float().mean() > used[0, :8].float().mean() + 1
