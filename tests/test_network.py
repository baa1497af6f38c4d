"""Integer networks: close to the float network, equal to plain integer arithmetic, equal under every setting."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_integer import SETTINGS
from torch import nn

from triptych.codecs.freezing import BookEmbedding, CausalConv1d, Residual, fake_quantise, freeze
from triptych.entropy import Decoder, Encoder, Network, RateCounter, dense, softmax
from triptych.entropy.network import Affine, Causal, DepthWise


def _depthwise(channels):
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 2)), (200, 12)),
    "picture": (
        lambda: nn.Sequential(
            nn.Conv2d(6, 24, 1),
            nn.GELU(),
            Residual(_depthwise(24), nn.ReLU(), nn.Conv2d(24, 24, 1)),
            nn.Conv2d(24, 5, 1),
        ),
        (3, 6, 9, 11),
    ),
    "time": (
        lambda: nn.Sequential(
            CausalConv1d(4, 16, 3), nn.SiLU(), Residual(CausalConv1d(16, 16, 3, 2), nn.ReLU()), nn.Conv1d(16, 7, 1)
        ),
        (2, 4, 50),
    ),
}


def _made(name, seed=0):
    torch.manual_seed(seed)
    make, shape = NETWORKS[name]
    return make(), torch.randint(-15, 16, shape).float()


def _samples(x):
    """What an integer network takes: one [channels, *space] for each example, the examples being the space of vectors."""
    return [x.T] if x.dim() == 2 else list(x)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_follows_the_float_network(name, seed):
    module, x = _made(name, seed)
    fake_quantise(module)
    frozen = freeze(module, x, low=-5000, high=5000, resolution=100)
    wanted, found = _samples(module(x).detach() * 100), [frozen(part.numpy()) for part in _samples(x)]
    worst = max(float((w - torch.from_numpy(f)).abs().max()) for w, f in zip(wanted, found, strict=True))
    spread = float(torch.cat([w.flatten() for w in wanted]).std())
    assert worst < 0.02 * spread + 1.0, (worst, spread)
    again = Network.from_state(frozen.state())
    assert all((again(part.numpy()) == f).all() for part, f in zip(_samples(x), found, strict=True))


def _exact(layer, x):
    """A layer in unbounded integers, by the definition of a convolution."""
    weight = layer.weight.astype(object)
    if isinstance(layer, Affine):
        total = np.tensordot(weight, x, 1)
    elif isinstance(layer, DepthWise):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        total = np.einsum("cyxab,cab->cyx", windows, weight)
    else:
        total = np.zeros((len(weight), x.shape[1]), object)
        for t in range(x.shape[1]):
            for k in range(weight.shape[2]):
                at = t - (weight.shape[2] - 1 - k) * layer.dilation
                if at >= 0:
                    total[:, t] += weight[:, :, k] @ x[:, at]
    shape = (-1, *[1] * (total.ndim - 1))
    scaled = total * layer.multiplier.astype(object).reshape(shape) + layer.bias.astype(object).reshape(shape)
    return np.clip(scaled // (1 << layer.shift), layer.low, layer.high).astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([Affine, DepthWise, Causal]), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_layers_equal_integer_arithmetic(kind, channels, seed):
    rng = np.random.default_rng(seed)
    shape = {Affine: (5, channels), DepthWise: (channels, 3, 3), Causal: (5, channels, 3)}[kind]
    weight = rng.integers(-127, 128, shape).astype(np.int8)
    multiplier, bias = rng.integers(1, 1 << 22, shape[0]), rng.integers(-(1 << 40), 1 << 40, shape[0])
    layer = kind(weight, multiplier, bias, -(1 << 20), 1 << 20, **({"dilation": 2} if kind is Causal else {}))
    x = rng.integers(-2000, 2001, (channels, 5, 7) if kind is DepthWise else (channels, 9))
    assert (Network([layer], 2000)(x) == _exact(layer, x.astype(object))).all()


def test_bounds_are_proved():
    rows = np.full((1, 4), 127, np.int8), np.array([1 << 40]), np.array([0])
    with pytest.raises(OverflowError, match="float64"):
        Network([Affine(*rows, -5, 5)], 1 << 12)
    network = Network([Affine(rows[0], np.array([1 << 20]), rows[2], -5, 5)], 7)
    with pytest.raises(OverflowError, match="bound"):
        network(np.full((4, 1), -8))
    with pytest.raises(ValueError, match="layer"):
        Network([], 1)


def test_what_has_no_integer_form_is_refused():
    with pytest.raises(TypeError, match="no integer form"):
        freeze(nn.Sequential(nn.Conv2d(2, 2, 3)), torch.ones(1, 2, 5, 5), low=0, high=1)


def test_causal_networks_do_not_see_the_future():
    module = nn.Sequential(
        BookEmbedding(2, 16, 8),
        CausalConv1d(16, 24, 3),
        nn.GELU(),
        Residual(CausalConv1d(24, 24, 3, 2)),
        nn.Conv1d(24, 4, 1),
    )
    codes = torch.randint(0, 16, (3, 2, 40))
    network = freeze(module, codes, low=-999, high=999, resolution=64, input_bound=15)
    assert network.reach == 6
    sound = codes[0].numpy().copy()
    before = network(sound)
    sound[:, 25] = (sound[:, 25] + 1) % 16
    after = network(sound)
    assert (before[:, :25] == after[:, :25]).all() and (before[:, 25:32] != after[:, 25:32]).any()
    assert (before[:, 25 + 7 :] == after[:, 25 + 7 :]).all()
    assert np.abs(network(codes[1].numpy()) - 64 * module(codes)[1].detach().numpy()).max() < 3


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(0, 10), st.integers(0, 5000), st.integers(0, 2**32 - 1))
def test_softmax_is_the_softmax(classes, step, spread, seed):
    logits = np.random.default_rng(seed).integers(-spread, spread + 1, (classes, 7))
    frequencies = softmax(logits, step)
    assert frequencies.shape == (7, classes) and frequencies.min() >= 1 and (frequencies.sum(1) == 1 << 24).all()
    exact = torch.from_numpy(logits / 2.0**step).softmax(0).T.numpy()
    assert np.abs(frequencies / 2.0**24 - exact).max() < 2e-6 * classes + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(2, 60), st.integers(-9, 9)), max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_distributions_of_their_own_round_trip(calls, seed):
    rng = np.random.default_rng(seed)
    models = [dense(softmax(rng.integers(-400, 400, (n, count))), first) for count, n, first in calls]
    symbols = [rng.integers(m.first, m.first + m.frequencies.shape[-1], m.shape) for m in models]
    encoder, counter = Encoder(), RateCounter()
    for coder in (encoder, counter):
        for values, model in zip(symbols, models, strict=True):
            coder.code(values, model)
    data = encoder.finish()
    assert len(data) * 8 <= counter.bits + 96
    decoder = Decoder(data)
    for values, model in zip(symbols, models, strict=True):
        assert (decoder.code(None, model) == values).all()
    decoder.finish()
    assert decoder.check == encoder.check == counter.check


def test_distributions_are_checked():
    with pytest.raises(ValueError, match="sum"):
        dense(np.ones((3, 4), np.int64))
    with pytest.raises(ValueError, match="outside"):
        Encoder().code(np.array([2]), dense(np.array([[1 << 23, 1 << 23]])))


HASH = """
import hashlib, sys
import numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
from triptych.entropy import Network, softmax
from triptych.entropy.network import Affine, DepthWise, Residual
rng = np.random.default_rng(5)
def numbers(n):
    return rng.integers(1, 1 << 20, n), rng.integers(-(1 << 36), 1 << 36, n), -2000, 2000
body = (DepthWise(rng.integers(-127, 128, (96, 3, 3)).astype(np.int8), *numbers(96)),
        Affine(rng.integers(-127, 128, (96, 96)).astype(np.int8), *numbers(96)))
network = Network([Affine(rng.integers(-127, 128, (96, 200)).astype(np.int8), *numbers(96)), Residual(body, -4000, 4000)], 2000)
x = rng.integers(-2000, 2001, (200, 40, 50))
rows = network(np.asfortranarray(x) if sys.argv[3] == "columns" else x)
print(hashlib.sha256(rows.astype("<i4").tobytes() + softmax(rows[:9]).tobytes()).hexdigest())
"""


def test_same_integers_under_every_setting():
    hashes = set()
    for threads, onednn, order, environment in SETTINGS:
        command = [sys.executable, "-c", HASH, threads, onednn, order]
        hashes.add(subprocess.run(command, env=os.environ | environment, capture_output=True, check=True).stdout)
    assert len(hashes) == 1 and len(hashes.pop().strip()) == 64
