"""image/patch: any size and sample format, exact symbols, drift in means harmless, damage noticed."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import photo, refuses_garbage, round_trip, tiny_patch
from safetensors.torch import save_file

from triptych.bitstream import TripError
from triptych.codecs.base import Options
from triptych.codecs.image.alpha import traverse_alpha
from triptych.codecs.image.patch import SKIP, PatchCodec
from triptych.codecs.signals import Picture
from triptych.entropy import Decoder, Encoder, RateCounter, gaussian


@pytest.fixture(scope="module")
def codec():
    return tiny_patch()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4), st.integers(0, 100))
def test_any_size_and_format(codec, height, width, planes, quality):
    picture = Picture(photo(height, width, planes, seed=height))
    decoded, track, _ = round_trip(codec, picture, Options(quality=quality))
    assert decoded.pixels.shape == picture.pixels.shape and decoded.pixels.dtype == np.uint8
    if planes in (2, 4):
        assert (decoded.pixels[..., -1] == picture.pixels[..., -1]).all()
    assert codec.memory(track) > 0


def test_quality_rises_with_rate(codec):
    picture = Picture(photo(128, 96))
    results = [round_trip(codec, picture, Options(quality=q)) for q in (0, 25, 50, 75, 100)]
    sizes = [len(items[0].streams[0]) for _, _, items in results]
    figures = [psnr(picture.pixels, decoded.pixels) for decoded, _, _ in results]
    assert sizes == sorted(sizes) and figures == sorted(figures)
    assert figures[-1] > 30


def test_counted_rate_is_the_size(codec):
    picture = Picture(photo(160, 160))
    track, index = codec.open(picture, Options(quality=60, effort=0))
    symbols = codec.analyse(picture, index)
    counter = RateCounter()
    codec.traverse(counter, (160, 160), index, False, symbols)
    (unit,) = codec.encode_units(picture, track, index, 0, Options(quality=60, effort=0))
    assert abs(len(unit.streams[0]) * 8 - counter.bits) <= counter.bits * 0.001 + 64


def test_decoded_symbols_are_those_of_the_encoder(codec):
    picture = Picture(photo(90, 61, 4))
    track, index = codec.open(picture, Options(quality=37))
    symbols = codec.analyse(picture, index)
    (unit,) = codec.encode_units(picture, track, index, 0, Options(effort=0))
    decoded = codec.traverse(Decoder(unit.streams[0]), (90, 61), index, True)
    assert (decoded.side == symbols.side).all() and (decoded.residual == symbols.residual).all()
    assert (symbols.residual[codec.rows(symbols.side, index) < SKIP] == 0).all()


def test_drift_of_the_means_moves_no_symbol(codec):
    """Noise on every float that may differ between machines changes pixels slightly and symbols never."""
    picture = Picture(photo(96, 96))
    track, index = codec.open(picture, Options(quality=70))
    items = list(codec.encode_units(picture, track, index, 0, Options()))
    clean = codec.decode(track, items).pixels
    means, start, update = codec.net.means, codec.net.means.start, codec.net.means.update
    means.start = lambda z: tuple(x + 1e-3 * torch.randn_like(x) for x in start(z))
    means.update = lambda *a: update(*a) + 1e-3 * torch.randn_like(a[0])
    try:
        noisy = codec.decode(track, items).pixels
    finally:
        del means.start, means.update
    assert 0 < np.abs(noisy.astype(int) - clean).max() <= 3


def test_integer_rows_cost_next_to_nothing(codec):
    picture = Picture(photo(160, 160))
    for quality in (0, 33, 50, 100):
        _, index = codec.open(picture, Options(quality=quality))
        symbols = codec.analyse(picture, index)
        with torch.no_grad():
            rows = codec.net.head(torch.from_numpy(symbols.side).float()[None], torch.tensor([index / 16])).round()
        rows, integer = rows[0].numpy().astype(int), codec.rows(symbols.side, index).astype(int)
        assert np.abs(rows - integer).max() <= 1 and np.mean(rows == integer) > 0.99
        bits = []
        for choice in (rows, integer):
            counter = RateCounter()
            counter.code(symbols.residual, gaussian().at(choice))
            bits.append(counter.bits)
        assert bits[1] < bits[0] * 1.003


def test_wrong_check_and_garbage(codec):
    picture = Picture(photo(40, 40))
    refuses_garbage(codec, picture, 40)
    _, track, (unit,) = round_trip(codec, picture, Options())
    with pytest.raises(TripError):
        codec.decode(dataclasses.replace(track, parameters=b"\xff"), [unit])
    with pytest.raises(TripError):
        codec.decode(track, [unit, unit])


def test_state_restores_the_same_codec(codec):
    again = PatchCodec(codec.config)
    again.import_state(codec.export_state())
    picture = Picture(photo(64, 64))
    assert round_trip(again.eval(), picture, Options())[2] == round_trip(codec, picture, Options())[2]
    assert set(codec.decoder_state()) < set(codec.export_state())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["flat", "noise", "ramp"]), st.integers(0, 9))
def test_alpha_is_lossless(height, width, content, seed):
    rng = np.random.default_rng(seed)
    plane = {
        "flat": np.full((height, width), rng.integers(256)),
        "noise": rng.integers(0, 256, (height, width)),
        "ramp": np.add.outer(np.arange(height), np.arange(width)) * 3 % 256,
    }[content].astype(np.uint8)
    encoder = Encoder()
    traverse_alpha(encoder, plane.shape, plane)
    data = encoder.finish()
    assert (traverse_alpha(Decoder(data), plane.shape) == plane).all()
    if content == "flat":
        assert len(data) < 16


DECODE = """
import hashlib, sys
import torch
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "on"
from safetensors.torch import load_file
from triptych.codecs.image.patch import PatchCodec
from triptych.codecs.image.patch_net import PatchConfig
from triptych.entropy import Decoder
config = eval(open(sys.argv[3] + "/config").read())
codec = PatchCodec(config)
codec.import_state(load_file(sys.argv[3] + "/weights"))
if sys.argv[4] == "last":
    codec = codec.to(memory_format=torch.channels_last)
symbols = codec.traverse(Decoder(open(sys.argv[3] + "/stream", "rb").read()), (150, 170), 50, False)
print(hashlib.sha256(symbols.side.tobytes() + symbols.residual.tobytes()).hexdigest())
"""
CASES = [
    ("1", "on", "first", {}),
    ("2", "off", "last", {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}),
    (
        "2",
        "on",
        "first",
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Nehalem"},
    ),
    ("1", "on", "last", {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
]


def test_symbols_are_identical_under_every_setting(codec, tmp_path):
    picture = Picture(photo(150, 170))
    symbols = codec.analyse(picture, 50)
    encoder = Encoder()
    codec.traverse(encoder, (150, 170), 50, False, symbols)
    (tmp_path / "stream").write_bytes(encoder.finish())
    (tmp_path / "config").write_text(repr(codec.config))
    save_file({k: v.contiguous() for k, v in codec.export_state().items()}, tmp_path / "weights")
    found = set()
    for threads, onednn, layout, environment in CASES:
        command = [sys.executable, "-c", DECODE, threads, onednn, str(tmp_path), layout]
        found.add(
            subprocess.run(command, env=os.environ | environment, capture_output=True, check=True, text=True).stdout
        )
    expected = hashlib.sha256(symbols.side.tobytes() + symbols.residual.tobytes()).hexdigest()
    assert found == {expected + "\n"}
