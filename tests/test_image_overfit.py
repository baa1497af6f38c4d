"""image/overfit: any size and format through bytes, the rate it estimates, exact symbols, learned starts, damage."""

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
from makers import photo, round_trip

from triptych.bitstream import SymbolMismatch, TripError
from triptych.codecs.base import Options
from triptych.codecs.image import overfit, overfit_bands, overfit_rate
from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig, tiles
from triptych.codecs.image.overfit_bands import bands
from triptych.codecs.image.overfit_fit import Fit, Recipe, bits_of, fit, synthesise
from triptych.codecs.image.overfit_net import GRIDS, PRESETS, TAPS, WHOLE, Rise, features, fresh, rise, sizes, to_blocks
from triptych.codecs.image.overfit_rate import GridBits, Mix
from triptych.codecs.image.overfit_start import gain, lagrangian
from triptych.codecs.image.overfit_symbols import Arm, Symbols, combined, pack, parts, traverse
from triptych.codecs.signals import Picture
from triptych.entropy import Decoder, Encoder, RateCounter
from triptych.entropy.wavefront import contexts
from triptych.tools import targets
from triptych.tools.models import load


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few steps: these tests ask for exactness, not for quality."""
    monkeypatch.setattr(overfit, "STEPS", (3, 12, 25, 80, 150, 300, 300, 300, 300, 300, 300))


@pytest.fixture(scope="module")
def cold():
    return OverfitCodec(OverfitConfig("lop", start=False))


@pytest.fixture(scope="module")
def fitted():
    """A short fit of a made picture: the fit and what it writes."""
    pixels = torch.from_numpy(photo(96, 80)).permute(2, 0, 1)[None].float() / 255
    layout = PRESETS["lop"]
    # With so few steps contexts count only at this rate; one scale for all would be rounded to one side.
    recipe = Recipe(60, 1e-3, gain(50), lr_net=0.04)
    work = Fit(pixels, layout, recipe, fresh(layout, torch.Generator().manual_seed(0)))
    for step in range(60):
        work.advance(step / 60)
    levels, exponents, grids = work.result()
    integers, floats = combined(levels, exponents, {n: v.numpy().astype(float) for n, v in work.origin.items()}, layout)
    return work, grids, integers, floats


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4), st.integers(0, 100))
def test_any_size_and_format(cold, height, width, planes, quality):
    picture = Picture(photo(height, width, planes, seed=height))
    decoded, track, _ = round_trip(cold, picture, Options(quality=quality, effort=0))
    assert decoded.pixels.shape == picture.pixels.shape and decoded.pixels.dtype == np.uint8
    if planes in (2, 4):
        assert (decoded.pixels[..., -1] == picture.pixels[..., -1]).all()
    assert cold.memory(track) > 0


@pytest.mark.parametrize(("size", "block"), [((300, 149), 64), ((300, 150), 1024), ((20, 1100), 1024)])
def test_blocks_of_tall_pictures_are_small(cold, size, block):
    parameters = overfit.Parameters("lop", False, 50, 0)
    assert parameters.blocks(*size) == block
    assert dataclasses.replace(parameters, block=64).blocks(*size) == 64
    round_trip(cold, Picture(photo(*size)), Options(effort=0))


@pytest.mark.parametrize("chunk", [1, 700, 5000])
def test_bits_of_rows_taken_in_turn_are_those_of_the_whole(fitted, monkeypatch, chunk):
    work, grids = fitted[0], fitted[0].grids(fitted[0].soft)
    tensors = {name: value.detach() for name, value in work.tensors.items()}

    def found():
        parts = [grid.clone().requires_grad_() for grid in grids]
        bits = sum(bits_of(parts, tensors, True))
        bits.backward()
        return float(bits.detach()), [part.grad for part in parts]

    whole, slopes = found()
    monkeypatch.setattr(overfit_rate, "CHUNK", chunk)
    bits, others = found()
    assert bits == pytest.approx(whole, rel=1e-5)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(others, slopes, strict=True))


def test_a_fit_learns_the_picture(cold):
    picture = Picture(photo(64, 64))
    decoded, _, _ = round_trip(cold, picture, Options(effort=4, quality=70))
    assert psnr(decoded.pixels, picture.pixels) > psnr(picture.pixels.mean((0, 1)), picture.pixels) + 8


def test_estimate_is_the_size(fitted):
    work, grids, integers, floats = fitted
    tensors = {name: torch.from_numpy(value) for name, value in floats.items()}
    estimate = float(sum(bits_of([torch.from_numpy(g.astype(np.float32))[None] for g in grids], tensors)))
    encoder, counter = Encoder(), RateCounter()
    for coder in (encoder, counter):
        traverse(coder, (96, 80), work.layout, integers, False, Symbols(grids, None))
    # The float estimate is that of the float network: the integer one costs next to nothing more.
    assert counter.bits < estimate * 1.005 + 8 and counter.bits > estimate * 0.99
    assert len(encoder.finish()) * 8 < estimate * 1.02 + 64


def test_decoded_symbols_are_those_of_the_encoder(fitted):
    work, grids, integers, _ = fitted
    encoder = Encoder()
    traverse(encoder, (96, 80), work.layout, integers, False, Symbols(grids, None))
    coder = Decoder(encoder.finish())
    found = traverse(coder, (96, 80), work.layout, integers, False)
    coder.finish()
    assert len(found.grids) == GRIDS and all((a == b).all() for a, b in zip(found.grids, grids, strict=True))


def test_context_is_causal(fitted):
    """A later symbol of a grid, or any of a finer one, changes no row of an earlier one."""
    work, grids, integers, _ = fitted
    layout, level = work.layout, 1

    def rows(changed):
        seen = to_blocks(features([torch.from_numpy(g.astype(np.float32))[None] for g in changed], level))[:, 0].numpy()
        blocks = to_blocks(torch.from_numpy(changed[level])[None])[0].numpy()
        around = np.concatenate((contexts(blocks, TAPS[: layout.taps]), seen))
        return np.stack(Arm(integers, level)(around.reshape(len(around), -1))).reshape(2, *blocks.shape)[:, 0]

    before, later = rows(grids), [grid.copy() for grid in grids]
    later[0] += 5
    assert (rows(later) == before).all()
    row, column = 20, 15
    later[level][row, column] += 40
    y, x = np.mgrid[: before.shape[1], : before.shape[2]]
    changed = (rows(later) != before).any(0)
    assert changed.any() and (x + 2 * y)[changed].min() > column + 2 * row
    assert ((y > row) | ((y == row) & (x > column)))[changed].all()


def test_gradients_are_those_of_differences():
    generator = torch.Generator().manual_seed(2)
    tensors = {
        name: (value + 0.02 * torch.randn(value.shape, generator=generator)).double().requires_grad_()
        for name, value in fresh(PRESETS["lop"], generator).items()
    }
    arm = [tensors[f"arm.{name}"] for name in ("w1", "w2", "w3", "v", "b1", "b2", "b3")]
    grid = torch.randn(3, 4, 5, generator=generator).double().requires_grad_()
    seen = torch.randn(5, 3, 4, 5, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, *w: GridBits.apply(a, b, None, 2, True, *w), (grid, seen, *arm), atol=1e-3, rtol=1e-3
    )
    x = torch.randn(40, GRIDS, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(Mix.apply, (x, *(tensors[f"syn.{n}"] for n in ("w1", "w2", "v", "b1", "b2"))))


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (18, 9)])
def test_rising_has_the_gradient_of_the_library(size):
    up = fresh(PRESETS["lop"], torch.Generator().manual_seed(0))["up"]
    grids = [torch.randn(2, *shape, requires_grad=True) for shape in sizes(*size)]
    weight = torch.randn(2, GRIDS, *size)
    expected = torch.autograd.grad((rise(grids, up) * weight).sum(), grids)
    found = torch.autograd.grad((Rise.apply(up, WHOLE, *grids) * weight).sum(), grids)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("size", [(40, 64), (70, 150), (130, 257), (30, 520)])
def test_bands_are_the_whole(monkeypatch, size):
    """Rate, error and all their gradients of the bands of a picture add up to those of the picture."""
    generator = torch.Generator().manual_seed(3)
    tensors = fresh(PRESETS["mop"], generator)
    tensors["conv.w1"].normal_(0, 0.1, generator=generator)
    tensors["arm.v"].normal_(0, 0.1, generator=generator)
    weights = [value.requires_grad_() for name, value in tensors.items() if name != "up"]
    grids = [torch.randn(1, *shape, generator=generator).requires_grad_() for shape in sizes(*size)]
    pixels = torch.rand(1, 3, *size, generator=generator)

    def slopes(several):
        bits = sum(sum(bits_of(grids, tensors, True, band)) for band in several)
        made = [band.inside(pixels) - synthesise(grids, tensors, 0.1, band=band) for band in several]
        found = torch.autograd.grad(bits + 1e3 * sum(part.square().sum() for part in made), [*grids, *weights])
        return torch.cat(made, 3), float(bits.detach()), found

    monkeypatch.setattr(overfit_bands, "PIXELS", size[0] * size[1] / 4)
    several = bands(*size)
    assert len(several) == min(4, -(-size[1] // 64))
    assert [band.columns for band in bands(*size, most=1)] == [tuple((0, w) for _, w in sizes(*size))]
    made, bits, found = slopes(several)
    whole, expected, wanted = slopes(bands(*size, most=1))
    assert torch.allclose(made, whole, atol=1e-5) and bits == pytest.approx(expected, rel=1e-5)
    assert torch.equal(whole, pixels - synthesise(grids, tensors, 0.1))
    for own, other in zip(found, wanted, strict=True):
        assert torch.allclose(own, other, atol=1e-4 * float(other.abs().max()))


def test_presets_cost_what_they_say():
    for name, cost in {"lop": 500, "mop": 1000, "hop": 2000, "vhop": 3000}.items():
        assert PRESETS[name].work() == pytest.approx(cost, rel=0.1)
        assert sum(map(len, parts(PRESETS[name]))) == len(PRESETS[name].shapes())
    assert lagrangian(0) > lagrangian(50) > lagrangian(100)


def test_tiles_are_fitted_one_by_one(cold):
    picture = Picture(photo(70, 140))
    decoded, track, items = round_trip(cold, picture, Options(effort=1, tile=64))
    assert len(items) == 2 * 2 * 3 == 2 * len(tiles(70, 140, 64))
    assert [item.last for item in items[1::2]] == [False] * 5 + [True]
    for broken in (items[:-2], items[1:], items[:-1], [*items, items[-1]]):
        with pytest.raises(TripError):
            cold.decode(track, broken)
    assert decoded.pixels.shape == picture.pixels.shape


@pytest.mark.parametrize(("measure", "value"), [("bpp", 1.5), ("psnr", 34.0), ("bytes", 3000)])
def test_a_fit_comes_to_what_it_aims_at(cold, measure, value):
    picture = Picture(photo(96, 112))
    decoded, _, (networks, unit) = round_trip(cold, picture, Options(effort=4, aim=(measure, value)))
    size = len(networks.body) + len(unit.streams[0]) + 120
    found = {"bytes": size, "bpp": size * 8 / (96 * 112), "psnr": psnr(decoded.pixels, picture.pixels)}
    assert found[measure] == pytest.approx(value, rel=0.05 if measure == "psnr" else 0.2)


@pytest.mark.parametrize(("steps", "rate"), [(12, 1.0), (20, 1.0), (40, 2.5)])
def test_a_rate_is_met_with_few_steps(monkeypatch, steps, rate):
    monkeypatch.setattr(overfit, "STEPS", (steps,) * 11)
    _, _, (networks, unit) = round_trip(load("image/overfit"), Picture(photo(96, 112)), Options(aim=("bpp", rate)))
    size = len(networks.body) + len(unit.streams[0]) + overfit.FILE_BYTES + overfit.UNIT_BYTES
    assert size * 8 / (96 * 112) == pytest.approx(rate, rel=0.03)


def test_shifted_rounding(fitted):
    work = fitted[0]
    assert torch.equal(work.hard()[0], work.latents[0].detach().round()), "nothing is shifted where no rate is aimed at"
    fewer = [(setattr(work, "shift", shift), int(work.hard()[0].abs().sum()))[1] for shift in (-0.2, 0.0, 0.2)]
    work.shift = 0.0
    assert fewer == sorted(fewer, reverse=True) and len({*fewer}) == 3


def test_halves_of_a_step_beside_each_other_change_nothing():
    pixels, layout = torch.from_numpy(photo(96, 80)).permute(2, 0, 1)[None].float() / 255, PRESETS["lop"]
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            work = Fit(pixels, layout, Recipe(9, 1e-3, gain(50)), fresh(layout, torch.Generator().manual_seed(0)))
            fit(work, None, lambda fraction, text: None)
        finally:
            torch.set_num_threads(before)
        found.append((*work.latents, *work.tensors.values()))
    assert all(torch.equal(alone, beside) for alone, beside in zip(*found, strict=True))


def test_long_fits_end_nearer_to_hard_rounding(cold, monkeypatch):
    _, plan = cold.open(Picture(photo(32, 32)), Options(quality=40))
    brief = plan.recipe(Options(), 1024)
    monkeypatch.setattr(overfit, "STEPS", (7000,) * 11)
    long = plan.recipe(Options(), 1024)
    assert long.temperature[1] < brief.temperature[1] and long.steps == 7000


def test_levels_are_what_the_bits_of_networks_count(fitted):
    work = fitted[0]
    levels, exponents, _ = work.result()
    assert work.level_bits() == pytest.approx(8 * len(pack(levels, exponents, work.layout, 0).body), rel=0.15)


def test_a_target_is_reached_by_the_fit_not_by_a_quality():
    found = targets.reach(Picture(photo(64, 64)), targets.Target("bytes", 900), "image/overfit", Options(effort=0))
    assert found.quality is None and len(found.data) <= 900


def test_an_interrupt_leaves_a_valid_file(cold):
    def interrupt(fraction, text):
        if "interrupted" not in text:
            raise KeyboardInterrupt

    picture = Picture(photo(64, 64))
    options = Options(effort=10, seconds=20, progress=interrupt)
    decoded, _, _ = round_trip(cold, picture, options)
    assert psnr(decoded.pixels, picture.pixels) > 8


def test_an_interrupt_ends_the_fits_of_all_tiles(cold):
    begun = []

    def interrupt(fraction, text):
        begun.append(fraction)
        if len(begun) == 1:
            raise KeyboardInterrupt

    picture = Picture(photo(64, 200))
    decoded, _, items = round_trip(cold, picture, Options(effort=10, seconds=60, tile=64, progress=interrupt))
    assert len(items) == 8 and len(begun) < 8
    assert psnr(decoded.pixels, picture.pixels) > 8


def test_equal_seeds_give_equal_files(cold):
    picture = Picture(photo(40, 40))
    first, second, other = (round_trip(cold, picture, Options(effort=1, seed=s))[2] for s in (1, 1, 2))
    assert first == second != other


def test_wrong_check_and_garbage(cold):
    picture = Picture(photo(40, 40))
    _, track, (networks, unit) = round_trip(cold, picture, Options(effort=3, quality=80))
    with pytest.raises(SymbolMismatch, match="other symbols"):
        cold.decode(track, [networks, dataclasses.replace(unit, check=unit.check ^ 1)])
    rng = np.random.default_rng(0)
    for number in range(40):
        data = bytearray(networks.body if number % 2 else unit.streams[0])
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        items = [networks, dataclasses.replace(unit, streams=(bytes(data),))]
        if number % 2:
            items = [dataclasses.replace(networks, body=bytes(data)), unit]
        with pytest.raises(TripError):
            cold.decode(track, items)
    for parameters in (b"", b"\x01", b"\x7f\x00", b"\x00\x65", b"\x00\x32\x05", b"\x80\x32"):
        with pytest.raises(TripError):
            cold.decode(dataclasses.replace(track, parameters=parameters), [networks, unit])


DECODE = """
import hashlib, sys
import torch
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "on"
import numpy as np
from triptych.codecs.image.overfit_net import PRESETS
from triptych.codecs.image.overfit_symbols import traverse
from triptych.entropy import Decoder
weights = dict(np.load(sys.argv[3] + "/weights.npz"))
data = open(sys.argv[3] + "/stream", "rb").read()
found = traverse(Decoder(data), (96, 80), PRESETS["lop"], weights, False)
print(hashlib.sha256(b"".join(grid.tobytes() for grid in found.grids)).hexdigest())
"""
CASES = [
    ("1", "on", {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
    ("2", "off", {"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"}),
    ("2", "on", {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "AVX2"}),
]


def test_symbols_are_identical_under_every_setting(fitted, tmp_path):
    work, grids, integers, _ = fitted
    encoder = Encoder()
    traverse(encoder, (96, 80), work.layout, integers, False, Symbols(grids, None))
    (tmp_path / "stream").write_bytes(encoder.finish())
    np.savez(tmp_path / "weights.npz", **integers)
    found = set()
    for threads, onednn, environment in CASES:
        command = [sys.executable, "-c", DECODE, threads, onednn, str(tmp_path)]
        output = subprocess.run(command, env=os.environ | environment, capture_output=True, check=True, text=True)
        found.add(output.stdout)
    assert found == {hashlib.sha256(b"".join(grid.tobytes() for grid in grids)).hexdigest() + "\n"}
