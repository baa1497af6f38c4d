"""Orders of coding: steps cut arrays into parts, the codecs' own orders are these, no row looks ahead, and context pays."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import tiny_slices
from test_image_side import models as side_models

from triptych.codecs.freezing import CausalConv1d, freeze
from triptych.codecs.image.overfit_symbols import SLOPE, TAPS
from triptych.codecs.image.patch_net import checkerboard
from triptych.codecs.image.side import places, traverse_side
from triptych.codecs.image.slices_net import steps_of
from triptych.codecs.image.tiles import Symbols
from triptych.entropy import Decoder, Encoder, RateCounter, gaussian, sigma, uniform
from triptych.entropy.contexts import (
    CausalTokens,
    ChannelSlices,
    Checkerboard,
    Quadtree,
    Spatiotemporal,
    Together,
    Wavefronts,
    check_causal,
    check_partition,
)
from triptych.entropy.wavefront import contexts, visit

trained_side = pytest.fixture(scope="module")(getattr(side_models, "__wrapped__", side_models))
ORDERS = [
    Together(),
    Checkerboard(),
    ChannelSlices((1, 2)),
    ChannelSlices((2, 1), Checkerboard()),
    *(Quadtree(levels) for levels in range(4)),
    Spatiotemporal(),
    Spatiotemporal(Quadtree(2)),
    CausalTokens(),
    CausalTokens(3),
    *(Wavefronts(slope) for slope in (0, 1, 2)),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ORDERS), st.lists(st.integers(0, 7), min_size=1, max_size=2), st.integers(1, 3))
def test_steps_cover_an_array_once(order, sides, frames):
    shape = (frames, 3, *sides, 5)[-4:]
    shape = (*shape[:-3], 3, *shape[-2:]) if isinstance(order, ChannelSlices) else shape
    check_partition([*order.steps(shape)], shape)


def test_what_is_no_partition_is_refused():
    whole = np.ones((2, 3), bool)
    for steps in ([whole, whole], [whole & False], [whole[:1]], [whole.astype(int)]):
        with pytest.raises(ValueError, match="step"):
            check_partition(steps, (2, 3))
    with pytest.raises(ValueError, match="slices of 3"):
        [*ChannelSlices((1, 2)).steps((4, 2, 2))]


# The orders of the codecs


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_codecs_use_these_orders(channels, height, width):
    shape = (channels, height, width)
    first, second = Checkerboard().steps(shape)
    assert (first == (checkerboard(torch.zeros(shape)).numpy() > 0)).all() and (second == ~first).all()
    assert all((a == b).all() for a, b in zip(places(height, width), Quadtree(1).steps((height, width)), strict=True))
    slices = (channels, 3, 1)
    steps = [*ChannelSlices(slices, Checkerboard()).steps((channels + 4, height, width))]
    assert len(steps) == len(steps_of(slices))
    for mask, step in zip(steps, steps_of(slices), strict=True):
        assert (mask[step.channels] == step.mask(height, width).numpy()).all()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_wavefronts_are_visited_in_this_order(height, width, slope):
    number, counter = np.zeros((1, height, width), int), itertools.count()
    for place, mask in enumerate(Wavefronts(slope).steps((1, height, width))):
        number[mask] = place
    seen = visit((1, height, width), [(0, -1)], slope, lambda context, now: np.full(context.shape[1], next(counter)))
    order = np.argsort(np.unique(number))
    assert (seen == order[np.searchsorted(np.unique(number), number)]).all()


# Causality of the codecs


class Traced(RateCounter):
    """Keeps the rows of every call, and what the symbol is counted from."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def code(self, symbols, model):
        self.calls.append((model.rows, np.array(symbols)))
        return super().code(symbols, model)


def test_side_information_looks_back_only(trained_side):
    tables, near = trained_side
    shape = (3, 7, 6)
    steps = [np.broadcast_to(mask, shape).copy() for mask in places(*shape[1:])]

    def rows(z):
        coder, found = Traced(), np.zeros((*shape, 2), int)
        traverse_side(coder, shape, tables, near, 0, z)
        for mask, (chosen, coded) in zip(steps, coder.calls, strict=True):
            found[mask] = np.stack((chosen.reshape(-1), (z[mask].reshape(coded.shape) - coded).reshape(-1)), -1)
        return found

    z = np.random.default_rng(0).integers(-20, 20, shape).astype(np.int32)
    assert check_causal(rows, steps, z, low=-30, high=30) == 1


def test_slices_look_back_only():
    codec = tiny_slices()
    size = (40, 56)
    shape = (codec.config.latents, 4, 4)
    steps = [*ChannelSlices(codec.config.slices, Checkerboard()).steps(shape)]
    rng = np.random.default_rng(1)
    side = rng.integers(-4, 5, (codec.config.side, 2, 2)).astype(np.int32)

    def rows(residual):
        coder, found = Traced(), np.zeros(shape, int)
        codec.traverse(coder, size, 56, False, Symbols(side, residual, None))
        for mask, (chosen, _) in zip(steps, coder.calls[-len(steps) :], strict=True):
            found[mask] = chosen
        return found

    residual = rng.integers(-3, 4, shape).astype(np.int32)
    assert check_causal(rows, steps, residual, low=-40, high=40) > 0.3


def test_wavefronts_of_the_overfitted_codec_look_back_only():
    shape = (2, 9, 11)
    taps = TAPS[:14]

    def rows(grid):
        return np.moveaxis(contexts(grid, taps), 0, -1)

    grid = np.random.default_rng(2).integers(-9, 10, shape)
    assert check_causal(rows, [*Wavefronts(SLOPE).steps(shape)], grid) > 0.8
    with pytest.raises(ValueError, match="not known"):
        check_causal(rows, [*Wavefronts(0).steps(shape)], grid)


def test_causal_networks_look_back_only():
    torch.manual_seed(0)
    module = torch.nn.Sequential(CausalConv1d(2, 8, 3), torch.nn.ReLU(), CausalConv1d(8, 1, 2, 2))
    codes = torch.randint(-9, 10, (4, 2, 30)).float()
    network = freeze(module, codes, low=-500, high=500, resolution=50)

    def rows(symbols, shift=1):
        past = np.pad(symbols, ((0, 0), (shift, 0)))[:, : symbols.shape[1]]
        return np.broadcast_to(network(past), symbols.shape)

    symbols = codes[0].numpy().astype(np.int32)
    assert check_causal(rows, [*CausalTokens().steps(symbols.shape)], symbols, low=-9, high=9) > 0.5
    with pytest.raises(ValueError, match="not known"):
        check_causal(lambda x: rows(x, 0), [*CausalTokens().steps(symbols.shape)], symbols, low=-9, high=9)


# An example coder for any order: the mean of known neighbours, and a Gaussian table for each step


def expected(known, values):
    """The mean of the nearest known neighbours of every place, rounded down, 0 where there are none."""
    total, count = np.zeros(values.shape, np.int64), np.zeros(values.shape, np.int64)
    for reach in (1, 2, 4, 8):
        wide, there = (np.pad(x, reach) for x in (values * known, known.astype(np.int64)))
        near, seen = np.zeros_like(total), np.zeros_like(count)
        for offset in itertools.product((-reach, 0, reach), repeat=values.ndim):
            part = tuple(slice(reach + o, reach + o + n) for o, n in zip(offset, values.shape, strict=True))
            weight = 4 ** (values.ndim - np.count_nonzero(offset))
            near, seen = near + weight * wide[part], seen + weight * there[part]
        total, count = np.where(count, total, near), np.where(count, count, seen)
    return total // np.maximum(count, 1)


def traverse(coder, order, shape, symbols=None):
    values, known = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for mask in order.steps(shape):
        mean = expected(known, values)[mask]
        row = None
        if symbols is not None:
            spread = np.sqrt(np.mean((symbols[mask] - mean) ** 2.0)) if mask.any() else 0
            row = np.array([np.argmin([abs(np.log((spread + 0.05) / sigma(r))) for r in range(64)])])
        row = coder.code(row, uniform(64).at(0, (1,)))
        model = gaussian().at(row, mean.shape)
        values[mask] = coder.code(None if symbols is None else symbols[mask] - mean, model) + mean
        known |= mask
    return values


def smooth(shape, seed=0):
    """A smooth random field: integers."""
    field = np.random.default_rng(seed).normal(0, 12, [n + 8 for n in shape])
    for axis in [*range(len(shape))] * 2:
        field = np.lib.stride_tricks.sliding_window_view(field, 5, axis).mean(-1) * 2
    return np.rint(field).astype(np.int32)


@pytest.mark.parametrize(
    ("order", "shape", "saved"),
    [
        (Quadtree(3), (48, 64), 0.25),
        (Spatiotemporal(Quadtree(2)), (6, 24, 32), 0.25),
        (Checkerboard(), (1, 48, 64), 0.2),
    ],
)
def test_context_pays(order, shape, saved):
    symbols, bits = smooth(shape), []
    for chosen in (Together(), order):
        encoder, counter = Encoder(), RateCounter()
        traverse(encoder, chosen, shape, symbols)
        traverse(counter, chosen, shape, symbols)
        bits.append(counter.bits)
        decoder = Decoder(encoder.finish())
        assert (traverse(decoder, chosen, shape) == symbols).all()
        decoder.finish()
    assert bits[1] < (1 - saved) * bits[0], bits


def test_the_example_looks_back_only():
    shape = (3, 8, 8)
    steps = [*Spatiotemporal(Quadtree(2)).steps(shape)]

    def rows(symbols):
        found, known = np.zeros(shape, int), np.zeros(shape, bool)
        for mask in steps:
            found[mask] = expected(known, symbols)[mask]
            known |= mask
        return found

    assert check_causal(rows, steps, smooth(shape)) > 0.8
    with pytest.raises(ValueError, match="not known"):
        check_causal(lambda x: expected(np.ones(shape, bool), x), steps, smooth(shape))
