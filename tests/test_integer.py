"""The integer linear layer: close to the float one, provably exact, equal under every arithmetic setting."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.entropy import IntegerLinear


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 64), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_follows_the_float_layer(inputs, outputs, seed):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(0, 0.5, (outputs, inputs)), rng.normal(30, 9, (3, outputs))
    layer = IntegerLinear.freeze(weight, bias, 127, 0, 63)
    z = rng.integers(-9, 10, (inputs, 40))
    exact = weight @ z + bias[1][:, None]
    rows = layer(z, layer.bias[1])
    assert np.abs(rows - np.clip(exact, 0, 63)).max() <= 0.5 + 0.5 * np.abs(weight).max() / 127 * 9 * inputs + 1e-3
    again = IntegerLinear.from_state(layer.state())
    assert (again(z, again.bias[1]) == rows).all()


def test_equals_integer_arithmetic():
    rng = np.random.default_rng(0)
    layer = IntegerLinear.freeze(rng.normal(0, 1, (20, 64)), rng.normal(0, 1, (1, 20)), 127, -1000, 1000)
    z = rng.integers(-127, 128, (64, 500))
    total = layer.weight.astype(object) @ z.astype(object)
    scaled = total * layer.multiplier[:, None].astype(object) + layer.bias[0][:, None].astype(object)
    expected = np.clip(
        np.floor_divide(scaled + (1 << (layer.shift - 1)), 1 << layer.shift).astype(np.int64), -1000, 1000
    )
    assert (layer(z, layer.bias[0]) == expected).all()


def test_bounds_are_proved():
    with pytest.raises(OverflowError, match="float32"):
        IntegerLinear.freeze(np.ones((1, 2000)), np.zeros((1, 1)), 127, 0, 63)
    layer = IntegerLinear.freeze(np.ones((1, 4)), np.zeros((1, 1)), 7, 0, 63)
    with pytest.raises(OverflowError, match="bound"):
        layer(np.full((4, 1), 8), layer.bias[0])


HASH = """
import hashlib, sys
import numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "on"
from triptych.entropy import IntegerLinear, gaussian, Encoder
rng = np.random.default_rng(5)
layer = IntegerLinear.freeze(rng.normal(0, 0.3, (1280, 64)), rng.normal(30, 9, (1, 1280)), 127, 0, 63)
z = rng.integers(-127, 128, (64, 600))
rows = layer(np.asfortranarray(z) if sys.argv[3] == "columns" else z, layer.bias[0])
encoder = Encoder()
encoder.code(rng.integers(-9, 9, rows.shape), gaussian().at(rows))
print(hashlib.sha256(rows.astype("<i4").tobytes() + encoder.finish()).hexdigest())
"""
SETTINGS = [
    ("1", "on", "rows", {}),
    ("2", "on", "columns", {"OMP_NUM_THREADS": "2"}),
    (
        "1",
        "off",
        "rows",
        {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem"},
    ),
    (
        "2",
        "off",
        "columns",
        {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"},
    ),
]


def test_same_integers_under_every_setting():
    hashes = set()
    for threads, onednn, order, environment in SETTINGS:
        command = [sys.executable, "-c", HASH, threads, onednn, order]
        hashes.add(subprocess.run(command, env=os.environ | environment, capture_output=True, check=True).stdout)
    assert len(hashes) == 1 and len(hashes.pop().strip()) == hashlib.sha256().digest_size * 2
