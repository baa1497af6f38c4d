"""The coder for quantised weights: every integer comes back, the bytes match the count, garbage is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import WeightGroup
from triptych.bitstream.errors import Damaged, Malformed, SymbolMismatch, TripError
from triptych.entropy import Decoder, Encoder, RateCounter
from triptych.entropy.weights import choose, decode_levels, dequantise, encode_levels, traverse

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
SMALL = st.integers(-9, 9)
TENSORS = st.lists(st.lists(st.one_of(SMALL, SMALL, INT32), max_size=40), max_size=4)


@given(TENSORS, st.lists(st.integers(-40, 40), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_levels_come_back(values: list[list[int]], exponents: list[int]) -> None:
    levels = [np.array(row, dtype=np.int64) for row in values]
    groups, body, check = encode_levels(levels, exponents[: len(levels)])
    back = decode_levels(groups, body, check, [level.shape for level in levels])
    assert [level.tolist() for level in back] == values
    assert [group.exponent for group in groups] == exponents[: len(levels)]
    assert all(level.dtype == np.int32 for level in back)


@given(
    st.sampled_from([(0, 32), (1, 0), (1, 5), (1, 31), (2, 0), (2, 63), (2, 64), (2, 127)]),
    st.lists(INT32, max_size=30),
)
@settings(max_examples=80, deadline=None)
def test_every_coder_holds_every_integer(choice: tuple[int, int], values: list[int]) -> None:
    level, group = np.array(values, dtype=np.int32), WeightGroup(0, *choice)
    encoder = Encoder()
    traverse(encoder, [group], [level.shape], [level])
    decoder = Decoder(encoder.finish())
    assert traverse(decoder, [group], [level.shape])[0].tolist() == values
    decoder.finish()
    assert decoder.check == encoder.check


@pytest.mark.parametrize("scale", [0.2, 1.0, 6.0, 300.0])
def test_count_equals_bytes(scale: float) -> None:
    random = np.random.default_rng(3)
    levels = [
        np.rint(random.normal(0, scale, shape)).astype(np.int32) for shape in [(40, 16, 3, 3), (7,), (0, 3), (3, 5, 1)]
    ]
    groups, body, check = encode_levels(levels)
    counter = RateCounter()
    traverse(counter, groups, [level.shape for level in levels], levels)
    assert abs(len(body) - counter.bits / 8) <= 0.001 * len(body) + 8
    assert counter.check == check
    entropy = 5872 * (np.log2(max(scale, 0.4)) + 2.05)  # of a Gaussian; for fine scales only an upper bound
    assert counter.bits < 1.02 * entropy + 150


def test_choice_follows_the_statistics() -> None:
    random = np.random.default_rng(5)
    assert choose(np.zeros((3, 4), np.int32)) == (0, 0)
    assert choose(random.integers(-128, 128, 4000).astype(np.int32)) == (0, 8)
    coder, row = choose(np.rint(random.normal(0, 5, 4000)).astype(np.int32))
    assert coder == 2 and row < 64
    coder, row = choose(np.rint(random.laplace(0, 5, 4000)).astype(np.int32))
    assert coder == 2 and row >= 64
    assert choose(np.array([1 << 30], np.int32))[0] != 2


def test_difference_to_the_previous_network_is_smaller() -> None:
    random = np.random.default_rng(7)
    old = [np.rint(random.normal(0, 30, (50, 20))).astype(np.int32), np.full(4, 1 << 30, np.int32)]
    new = [old[0] + (random.random((50, 20)) < 0.1), -(old[1] // 2)]
    shapes = [level.shape for level in new]
    groups, body, check = encode_levels(new, previous=old)
    back = decode_levels(groups, body, check, shapes, previous=old)
    assert all((a == b).all() for a, b in zip(back, new, strict=True))
    assert len(body) < 0.3 * len(encode_levels(new)[1])
    with pytest.raises(ValueError, match="32-bit"):
        encode_levels([np.full(4, -(1 << 31) + 5)], previous=[old[1]])
    with pytest.raises(Malformed):
        decode_levels(*encode_levels([np.full(4, 1 << 30)]), [(4,)], previous=[old[1]])


def test_broken_weights_are_refused() -> None:
    level = np.arange(-20, 20, dtype=np.int32)
    groups, body, check = encode_levels([level])
    with pytest.raises(SymbolMismatch):
        decode_levels(groups, body, check ^ 1, [(40,)])
    with pytest.raises(Malformed):
        decode_levels(groups, body, check, [(20,), (20,)])
    for coder, parameter in [(0, 33), (1, 32), (2, 128), (3, 0)]:
        with pytest.raises(Malformed):
            decode_levels([WeightGroup(0, coder, parameter)], body, check, [(40,)])
    with pytest.raises((Damaged, SymbolMismatch)):
        decode_levels(groups, body + b"\x01\0\0\0", check, [(40,)])


@given(st.binary(max_size=64), st.sampled_from([(0, 7), (1, 2), (2, 5), (2, 40), (2, 100)]), st.integers(0, 200))
@settings(max_examples=120, deadline=None)
def test_garbage_raises_only_our_errors(body: bytes, choice: tuple[int, int], count: int) -> None:
    try:
        decode_levels([WeightGroup(-3, *choice)], body, 0, [(count,)])
    except TripError:
        return
    assert count == 0 or body  # only an empty tensor needs no bits


def test_values_are_exact_powers_of_two() -> None:
    values = dequantise(np.array([-3, 0, (1 << 24) - 1], np.int32), -7)
    assert values.dtype == np.float32 and values.tolist() == [-3 / 128, 0, ((1 << 24) - 1) / 128]
