"""Stored weights: int8 with a half-precision scale per row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.codecs.compact import from_bytes, large, pack, rows_of, to_bytes, unpack

ROWS = {"matrix": 1, "books": 2}


def state(size: float, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"matrix": (40, 6, 3), "books": (2, 30, 5), "bias": (40,)}
    return {name: torch.randn(shape, generator=generator) * size for name, shape in shapes.items()}


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-9, 100), st.integers(0, 1000))
def test_what_is_stored_is_the_model(size, seed):
    stored = pack(state(size, seed), ROWS)
    again = pack(unpack(stored), rows_of(stored))
    assert stored.keys() == again.keys() == {"matrix", "matrix.scale", "books", "books.scale", "bias"}
    assert all(torch.equal(stored[name], again[name]) and stored[name].dtype == again[name].dtype for name in stored)


def test_every_row_keeps_seven_bits():
    before = state(1.0, 0)
    before["matrix"] *= torch.logspace(-3, 2, 40)[:, None, None]
    after = unpack(pack(before, ROWS))
    for name, rows in ROWS.items():
        peak = before[name].flatten(rows).abs().amax(-1)
        error = (before[name] - after[name]).flatten(rows).abs().amax(-1)
        assert (error <= 0.503 / 127 * peak).all() and error.max() > 0


def test_what_is_large():
    tensors = {
        "a": torch.zeros(200, 100),
        "b": torch.zeros(4, 100, 100),
        "c": torch.zeros(20),
        "d": torch.zeros(50_000),
    }
    assert large(tensors, ("b",)) == {"a": 1, "b": 2}
    assert rows_of(pack(tensors, large(tensors, ("b",)))) == {"a": 1, "b": 2}
    assert rows_of({name: value.half() for name, value in tensors.items()}) == {}


def test_three_bytes():
    numbers = torch.tensor([[0, 1, 255], [256, 65536, (1 << 24) - 1]], dtype=torch.int32)
    assert to_bytes(numbers).shape == (2, 3, 3) and to_bytes(numbers)[1, 0].tolist() == [0, 1, 0]
    assert torch.equal(from_bytes(to_bytes(numbers)), numbers)
    for wrong in (-1, 1 << 24):
        with pytest.raises(ValueError, match="three bytes"):
            to_bytes(torch.tensor([wrong]))
