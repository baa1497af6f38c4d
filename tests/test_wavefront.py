"""Wavefront order: every place once, contexts known in time, the same order for every coder; tables with shifted centres."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import TripError
from triptych.codecs.image.overfit_net import SLOPE, TAPS
from triptych.entropy import Decoder, Encoder, RateCounter
from triptych.entropy.shifted import SCALES, code_shifted
from triptych.entropy.wavefront import back, contexts, visit


def naive(shape: tuple[int, int, int], slope: int) -> list[tuple[int, int, int]]:
    """All places by wavefront, row and block."""
    blocks, rows, columns = shape
    places = [(b, r, c) for b in range(blocks) for r in range(rows) for c in range(columns)]
    return sorted(places, key=lambda place: (place[2] + slope * place[1], place[1], place[0]))


def rule(context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and scales from a context, such that every neighbour matters."""
    weights = np.arange(1, len(context) + 1)
    return (weights @ context).astype(np.int64), (np.abs(context).sum(0) % SCALES).astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_order_is_that_of_wavefronts(blocks, rows, columns, slope):
    shape = (blocks, rows, columns)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    seen = []

    def step(_, now):
        seen.extend(now.astype(int).tolist())
        return now

    assert (visit(shape, (), slope, step, values=numbers) == numbers).all()
    assert seen == [int(numbers[place]) for place in naive(shape, slope)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 20), st.integers(0, 99))
def test_contexts_are_those_of_a_loop(blocks, rows, columns, count, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-9, 10, (blocks, rows, columns)).astype(np.int32)
    extra = rng.integers(-9, 10, (2, blocks, rows, columns)).astype(np.float64)
    valid = rng.random(values.shape) < 0.8
    values[~valid] = 0
    taps, order = TAPS[:count], iter([place for place in naive(values.shape, SLOPE) if valid[place]])

    def step(context, now):
        for column, value in zip(context.T, now, strict=True):
            block, row, place = next(order)
            expected = []
            for down, across in taps:
                r, c = row + down, place + across
                inside = 0 <= r < rows and 0 <= c < columns
                expected.append(values[block, r, c] if inside else 0)
            assert column.tolist() == [*expected, *extra[:, block, row, place]]
            assert value == values[block, row, place]
        return now

    assert (visit(values.shape, taps, SLOPE, step, extra, valid, values) == values).all()
    assert next(order, None) is None
    at_once = contexts(values, taps)
    assert at_once.shape == (count, *values.shape)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_decoding_gives_what_was_coded(blocks, rows, columns, seed):
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, 2, (blocks, rows, columns))).astype(np.int32)
    valid, taps = rng.random(values.shape) < 0.9, TAPS[:6]
    values[~valid] = 0

    def run(coder, given):
        def step(context, now):
            return code_shifted(coder, *rule(context), None if now is None else now.astype(np.int32))

        return visit(values.shape, taps, SLOPE, step, None, valid, given)

    encoder = Encoder()
    assert (run(encoder, values) == values).all()
    decoder = Decoder(encoder.finish())
    assert (run(decoder, None) == values).all()
    decoder.finish()
    assert decoder.check == encoder.check


def test_known_contexts_give_the_same_bytes():
    values = np.rint(np.random.default_rng(3).laplace(0, 1.5, (2, 17, 13))).astype(np.int32)
    taps = TAPS[:10]
    means, scales = rule(contexts(values, taps).reshape(len(taps), -1))
    outputs = np.stack((means, scales)).reshape(2, *values.shape)
    streams = []
    for chosen, extra in ((taps, None), ((), outputs)):
        coder = Encoder()

        def step(x, now, coder=coder, known=extra is not None):
            mean, scale = x.astype(np.int64) if known else rule(x)
            return code_shifted(coder, mean, scale, now.astype(np.int32))

        visit(values.shape, chosen, SLOPE, step, extra, None, values)
        streams.append(coder.finish())
    assert streams[0] == streams[1]


def test_a_context_that_comes_later_is_refused():
    for tap in ((0, 0), (0, 1), (1, -5), (-1, 2), (-1, 3)):
        with pytest.raises(ValueError, match="coded later"):
            back(tap, 2)
    assert all(back(tap, SLOPE) > 0 for tap in TAPS)


def test_shifted_tables_cost_what_the_distribution_says():
    rng = np.random.default_rng(0)
    for scale in (6, 13, 18, 22):
        width = 2.0 ** (scale / 4 - 4.5)
        mean = rng.integers(-80, 80, 4000)
        values = np.rint(mean / 16 + rng.laplace(0, width, 4000)).astype(np.int32)
        counter = RateCounter()
        code_shifted(counter, mean, np.full(4000, scale), values)
        below, above = ((values + end - mean / 16) / width for end in (-0.5, 0.5))
        mass = np.where(above <= 0, np.exp(above) - np.exp(below), np.exp(-below) - np.exp(-above)) / 2
        inside = (below < 0) & (above > 0)
        mass[inside] = 1 - (np.exp(below[inside]) + np.exp(-above[inside])) / 2
        assert counter.bits == pytest.approx(-np.log2(mass).sum(), rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-(1 << 20), 1 << 20), min_size=1, max_size=30), st.integers(0, SCALES - 1))
def test_every_symbol_can_be_coded(values, scale):
    values = np.array(values, dtype=np.int32)
    mean, scales = np.arange(len(values)) * 7 - 40, np.full(len(values), scale)
    encoder = Encoder()
    assert (code_shifted(encoder, mean, scales, values) == values).all()
    decoder = Decoder(encoder.finish())
    assert (code_shifted(decoder, mean, scales) == values).all()


def test_garbage_is_an_error_of_ours_or_other_symbols():
    values = np.zeros((1, 8, 8), dtype=np.int32)
    rng, raised = np.random.default_rng(1), 0
    for _ in range(30):
        data = rng.integers(1, 1 << 32, 6, dtype=np.uint32).tobytes()
        try:
            coder = Decoder(data)
            visit(values.shape, TAPS[:4], SLOPE, lambda x, _, coder=coder: code_shifted(coder, *rule(x)))
            coder.finish()
        except TripError:
            raised += 1
    assert raised == 30
