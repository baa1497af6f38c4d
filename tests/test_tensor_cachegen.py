"""tensor/cachegen: caches come back within half a step, exactly what was coded, smaller with differences and channel tables."""

import io
from base64 import b64decode

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import (
    ImageMedia,
    Limits,
    Malformed,
    OverLimit,
    Reader,
    TensorMedia,
    Track,
    TripError,
    Unit,
    Writer,
    varint,
)
from triptych.codecs.tensor import cachegen
from triptych.codecs.tensor.cachegen import (
    LEVELS,
    REFERENCES,
    Settings,
    analyse,
    bins,
    compress,
    decompress,
    synthesise,
)
from triptych.entropy import RateCounter
from triptych.tools import cli

STORED = (
    "01RSUBBILw90ZW5zb3IvY2FjaGVnZW4BAAAAAAAAAAAAAwAFAgEFAQIMBAIDBs45Zz0NaHM+ugJb9EQjAAcBJdZCxFHt5JbDBuz7"
    "VYt0boSMRLheg+lmrCIyAH5Vew5L6W9m"
)
EXPECTED = (
    "8410823f39e7fcbff7debb3fa59422c0bef79e3f39e7fcbf8410023f104200416bad753fc61843c00d68f3bf0d68733f"
    "0d6873bf0bfb54400a8eb6bf0d68733f0a8e36c0755b74420d68f3bf4a29be40"
)


def cache(layers=4, tokens=200, heads=2, size=16, seed=0, smooth=0.95):
    """Keys and values that follow their past, channels of different scales and means."""
    rng = np.random.default_rng(seed)
    shape = (2, layers, tokens, heads * size)
    noise, found = rng.normal(size=shape), np.zeros(shape)
    found[:, :, 0] = noise[:, :, 0]
    for token in range(1, tokens):
        found[:, :, token] = smooth * found[:, :, token - 1] + np.sqrt(1 - smooth**2) * noise[:, :, token]
    spread = np.exp(rng.normal(size=(2, layers, 1, heads * size)))
    found = (found + rng.normal(size=spread.shape)) * spread
    return torch.from_numpy(found).float().reshape(2, layers, tokens, heads, size).unbind()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_cache_comes_back_within_half_a_step(data):
    tokens, group = data.draw(st.integers(1, 45)), data.draw(st.integers(1, 12))
    chosen = Settings(
        data.draw(st.integers(1, LEVELS)),
        data.draw(st.sampled_from(REFERENCES)),
        group,
        group * data.draw(st.integers(1, 9)),
    )
    dtype = data.draw(st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
    given_cache = [
        x.to(dtype) for x in cache(data.draw(st.integers(1, 5)), tokens, 1, 3, data.draw(st.integers(0, 99)))
    ]
    found = decompress(compress(*given_cache, chosen))
    numbers = torch.stack(given_cache).float().flatten(3).numpy()
    step = 2 * cachegen._half_steps(numbers, chosen.level)[:, :, None, None]
    slack = 2.0**-7 * np.abs(numbers) if dtype != torch.float32 else 1e-5 * np.abs(numbers) + 1e-6
    assert all(a.dtype == dtype and a.shape == b.shape for a, b in zip(found, given_cache, strict=True))
    error = np.abs(torch.stack(found).float().flatten(3).numpy() - numbers)
    assert (error <= 0.5 * step + slack + 0.01 * step).all()


@pytest.mark.parametrize("reference", REFERENCES)
def test_decoder_has_the_integers_of_the_encoder(reference):
    chosen = Settings(reference=reference, group=7, chunk=70)
    numbers = np.random.default_rng(0).normal(0, 9, (2, 3, 40, 5)).cumsum(axis=2)
    symbols = analyse(numbers, chosen)
    whole = synthesise(symbols, chosen)
    assert np.abs(whole - numbers).max() <= 1 + 1e-9
    if reference != "none":
        assert np.abs(whole - numbers)[:, :, ::7].max() <= 0.5
    counter = RateCounter()
    again = cachegen.traverse(counter, numbers.shape, chosen, symbols)
    assert (synthesise(again, chosen) == whole).all() and counter.bits > 0


def test_bytes_rise_and_error_falls_with_the_level():
    given_cache, rows = cache(), []
    for level in range(1, LEVELS + 1):
        data = compress(*given_cache, Settings(level))
        found = decompress(data)
        rows.append((len(data), -float(sum((a - b).square().mean() for a, b in zip(found, given_cache, strict=True)))))
    assert rows == sorted(rows) and rows[-1][0] < 0.6 * 2 * 2 * given_cache[0].numel()


def test_early_layers_have_more_bins():
    keys, values = bins(2, 32).tolist()
    assert keys == [32] * 11 + [16] * 21 and values == [32] * 8 + [16] * 24
    assert bins(1, 1).tolist() == [[16], [16]]


def test_differences_and_channel_tables_pay(monkeypatch):
    """At equal step: the anchor saves about a tenth, the previous token more, one table for all channels costs much."""
    given_cache = cache(tokens=600)
    sizes = {name: len(compress(*given_cache, Settings(3, name))) for name in REFERENCES}
    assert len(compress(*given_cache, Settings(3))) == min(sizes.values())
    assert sizes["previous"] < 0.9 * sizes["none"] and sizes["anchor"] < 0.97 * sizes["none"]

    def shared(symbols):
        whole = cachegen_cheapest(symbols.transpose(0, 1, 3, 2).reshape(1, 1, -1, 1))
        return np.broadcast_to(whole, (*symbols.shape[:2], symbols.shape[3]))

    cachegen_cheapest = cachegen._cheapest
    monkeypatch.setattr(cachegen, "_cheapest", shared)
    assert sizes["anchor"] < 0.9 * len(compress(*given_cache, Settings(3, "anchor")))


def test_files_say_what_they_are_and_damage_is_noticed():
    data = compress(*cache(2, 30, 2, 4), Settings(chunk=20))
    reader = Reader(data)
    assert reader.tracks[0].media.shape == (2, 2, 30, 2, 4) and len([*reader]) == 2 and reader.tracks[0].exact
    for place in range(5, len(data), 7):
        wrong = bytearray(data)
        wrong[place] ^= 4
        with pytest.raises(TripError):
            decompress(bytes(wrong))
    with pytest.raises(OverLimit):
        Reader(data, Limits(elements=100))
    track = reader.tracks[0]
    for parameters in (b"", track.parameters[:-1], b"\x09" + track.parameters[1:], track.parameters[:-4] + bytes(4)):
        with pytest.raises(Malformed):
            cachegen._parameters(Track(track.codec, 1, True, bytes(8), track.media, parameters))


@pytest.mark.parametrize("seed", range(12))
def test_garbage_in_intact_chunks_gives_our_errors_only(seed):
    reader, rng, out = (
        Reader(compress(*cache(1, 20, 1, 4), Settings(reference="anchor"))),
        np.random.default_rng(seed),
        io.BytesIO(),
    )
    (unit,) = [*reader]
    stream = bytearray(unit.streams[0])
    stream[rng.integers(len(stream))] ^= int(rng.integers(1, 256))
    writer = Writer(out, reader.tracks)
    writer.unit(Unit(0, (bytes(stream),), None, True, True, unit.check))
    writer.finish()
    with pytest.raises(TripError):
        decompress(out.getvalue())


def test_bombs_are_refused():
    track = Reader(compress(*cache(1, 20, 1, 4))).tracks[0]
    media, out = TensorMedia((2, 1, 1 << 26, 1, 4)), io.BytesIO()
    parameters = track.parameters[:3] + varint.encode(10 * (1 << 26)) + track.parameters[-8:]
    writer = Writer(out, [Track(track.codec, 1, True, bytes(8), media, parameters)])
    writer.unit(Unit(0, (b"",), None, True))
    writer.finish()
    with pytest.raises(OverLimit):
        decompress(out.getvalue())


def test_a_stored_file_still_decodes():
    """Encoded once; the values are exact on every machine."""
    found = decompress(b64decode(STORED))
    assert "".join(x.numpy().astype("<f4").tobytes().hex() for x in found) == EXPECTED and found[0].shape == (
        1,
        5,
        1,
        2,
    )


def test_info_and_decode_name_it(tmp_path, capsys):
    path = tmp_path / "cache.trip"
    path.write_bytes(compress(*cache(2, 30, 2, 4)))
    assert cli.main(["info", str(path)]) == 0
    assert "tensor of 2 x 2 x 30 x 2 x 4, float32" in capsys.readouterr().out
    assert cli.main(["decode", str(path), str(tmp_path / "a.png")]) == 2
    assert "tensor/cachegen" in capsys.readouterr().err


def test_misuse_is_refused():
    keys, values = cache(1, 4, 1, 2)
    with pytest.raises(ValueError, match="shape"):
        compress(keys, values[:, :2])
    with pytest.raises(ValueError, match="type"):
        compress(keys, values.half())
    with pytest.raises(ValueError, match="finite"):
        compress(keys, values * float("nan"))
    with pytest.raises(ValueError, match="multiple"):
        Settings(chunk=15)
    with pytest.raises(ValueError, match="levels"):
        Settings(level=0)
    out = io.BytesIO()
    Writer(out, [Track("image/patch", 1, True, bytes(8), ImageMedia(1, 1))])
    with pytest.raises(TripError):
        decompress(out.getvalue())
