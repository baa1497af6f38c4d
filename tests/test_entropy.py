"""The entropy layer: tables, three coders behind one call, escapes, exactness."""

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import Damaged, Malformed, TripError
from triptych.entropy import TOTAL, Decoder, Encoder, RateCounter, Tables, gaussian, laplace, sigma, uniform

INT32 = st.integers(-(2**31), 2**31 - 1)


def through(calls):
    """Encode, count and decode a list of (symbols, model); returns decoded symbols, bits and bytes."""
    encoder, counter = Encoder(), RateCounter()
    for symbols, model in calls:
        encoder.code(symbols, model)
        counter.code(symbols, model)
    data = encoder.finish()
    decoder = Decoder(data)
    decoded = [decoder.code(None, model) for _, model in calls]
    decoder.finish()
    assert encoder.check == decoder.check == counter.check
    return decoded, counter.bits, data


@pytest.mark.parametrize("family", [gaussian, laplace])
def test_family_rows_sum_and_spread(family):
    tables = family()
    assert len(tables) == 64
    for row in range(64):
        frequencies = tables.row(row)
        assert frequencies.sum() == TOTAL and frequencies.min() >= 1
        symbols = tables.firsts[row] + np.arange(len(frequencies) - 1)
        variance = (frequencies[:-1] * symbols**2).sum() / frequencies[:-1].sum()
        rounded = sigma(row) ** 2 + 1 / 12 if row > 20 else None
        if rounded:
            assert np.sqrt(variance / rounded) == pytest.approx(1, abs=0.05)


def test_gaussian_tables_never_change():
    """The tables are part of the file format: a change of a single frequency breaks every file."""
    assert [zlib.crc32(family().frequencies.astype("<i4").tobytes()) for family in (gaussian, laplace)] == FAMILY_CRC


FAMILY_CRC = [1706355171, 1142079987]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_round_trip_of_any_int32(data):
    family = data.draw(st.sampled_from([gaussian(), laplace()]))
    shape = tuple(data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=3)))
    count = int(np.prod(shape))
    pick = st.one_of(st.integers(-3, 3), st.integers(-400, 400), INT32)
    symbols = np.array(data.draw(st.lists(pick, min_size=count, max_size=count)), dtype=np.int32).reshape(shape)
    rows = np.array(data.draw(st.lists(st.integers(0, 63), min_size=count, max_size=count)), dtype=np.int64)
    rows, skip = rows.reshape(shape), data.draw(st.integers(0, 63))
    (decoded,), bits, stream = through([(symbols, family.at(rows, skip=skip))])
    assert (decoded == np.where(rows < skip, 0, symbols)).all()
    assert decoded.dtype == np.int32 and decoded.shape == shape
    assert len(stream) * 8 <= bits * 1.001 + 64


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 300), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_tables_from_counts(size, rows, seed, escape):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 1000, (rows, size)) * rng.integers(0, 2, (rows, size))
    tables = Tables.from_counts(counts, first=-5, escape=escape)
    assert all(tables.row(row).sum() == TOTAL and tables.row(row).min() >= 1 for row in range(rows))
    symbols = rng.integers(-5, size - 5, (rows, 50)).astype(np.int32)
    again = Tables.from_state(tables.state())
    (decoded,), _, data = through([(symbols, tables.at(np.arange(rows)[:, None], symbols.shape))])
    assert (decoded == symbols).all()
    assert (Decoder(data).code(None, again.at(np.arange(rows)[:, None], symbols.shape)) == symbols).all()


@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_shares_of_trimmed_tables(size, rows, seed):
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 1000, (rows, size)) * (generator.random((rows, size)) < 0.5) + 1e-3
    shares = counts / counts.sum(1, keepdims=True)
    for tables in (Tables.trimmed(counts, -7), Tables.from_counts((1000 * counts).astype(int), first=-7)):
        found = tables.shares(-7, size)
        assert np.abs(found - shares).max() < 1e-3 and (found > 0).any(1).all() and found.sum(1).max() < 1 + 1e-9
    assert np.array_equal(Tables.from_counts(np.array([3, 1]), first=2).shares(1, 4), [[0, 0.75, 0.25, 0]])


def test_rate_is_size():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 64, 200_000)
    symbols = np.rint(rng.normal(0, [sigma(row) for row in rows])).astype(np.int32)
    _, bits, data = through([(symbols, gaussian().at(rows)), (symbols[:500], laplace().at(rows[:500]))])
    assert abs(len(data) * 8 - bits) <= bits * 0.001 + 64
    entropy = sum(np.log2(sigma(row) * np.sqrt(2 * np.pi * np.e)) for row in rows if row > 30)
    large = rows > 30
    counter = RateCounter()
    counter.code(symbols[large], gaussian().at(rows[large]))
    assert counter.bits == pytest.approx(entropy, rel=0.004)


def test_calls_of_different_models_keep_their_order():
    rng = np.random.default_rng(1)
    calls = [(rng.integers(0, n, (3, n)).astype(np.int32), uniform(n).at(0, (3, n))) for n in (2, 5, 7, 256)]
    decoded, bits, _ = through(calls)
    assert all((a == b).all() for a, (b, _) in zip(decoded, calls, strict=True))
    assert bits == pytest.approx(sum(3 * n * np.log2(n) for n in (2, 5, 7, 256)), rel=1e-5)
    assert through([(np.zeros((0, 4), np.int32), uniform(9).at(0, (0, 4)))])[2] == b""


def test_stream_agrees_with_the_independent_decoder():
    import second_reader

    rng = np.random.default_rng(2)
    tables = Tables.from_counts(rng.integers(0, 50, (1, 40)) ** 3)
    symbols = rng.integers(0, 40, 300).astype(np.int32)
    encoder = Encoder()
    encoder.code(symbols, tables.at(0, symbols.shape))
    assert second_reader.ans_decode(encoder.finish(), [tables.row(0).tolist()] * 300) == symbols.tolist()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 2**32 - 1))
def test_garbage_gives_our_errors_only(data, seed):
    rows = np.random.default_rng(seed).integers(0, 64, 40)
    try:
        decoder = Decoder(data)
        decoder.code(None, gaussian().at(rows))
        decoder.finish()
    except TripError as error:
        assert isinstance(error, (Damaged, Malformed))


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="sum"):
        Tables([np.array([1, 2])], [0])
    with pytest.raises(ValueError, match="row index"):
        gaussian().at(np.array([64]))
    with pytest.raises(ValueError, match="shape"):
        Encoder().code(np.zeros(3, np.int32), gaussian().at(np.zeros(4, int)))
    with pytest.raises(ValueError, match="escape"):
        Encoder().code(np.array([9]), uniform(9).at(0, (1,)))


def test_format_text_makes_the_same_families():
    """The recipe and the ratios in FORMAT.md, followed to the letter, give the tables in use."""
    text = (Path(__file__).parents[1] / "bitstream" / "FORMAT.md").read_text()
    section = text.split("### 9.3 Tables")[1].split("### 9.4")[0]
    ratios = [int(n) for line in re.findall(r"^ {4}((?: *\d+){8})$", section, re.M) for n in line.split()]
    assert len(ratios) == 128
    for family, chosen in ((gaussian(), ratios[:64]), (laplace(), ratios[64:])):
        for row, q in enumerate(chosen):
            w, u, t, weights = 2**32, q, q * q // 2**32 if family is gaussian() else 2**32, []
            while w >= 2**17:
                weights.append(w)
                w, u = w * u // 2**32, u * t // 2**32
            m, total = len(weights), 2 * sum(weights) - weights[0]
            tail = [1 + weight * (2**24 - 64 - 2 * m) // total for weight in weights[1:]]
            table = [*tail[::-1], 2**24 - 64 - 2 * sum(tail), *tail, 64]
            assert family.row(row).tolist() == table and family.firsts[row] == 1 - m


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_symbols_of_many_blocks_are_coded_row_by_row(kind):
    """More symbols than are sorted at once: the bytes are those of one call for each row, and nothing given changes."""
    rng, tables = np.random.default_rng(3), gaussian()
    rows = rng.integers(0, 64, (3, 70_001))
    symbols = np.rint(rng.normal(0, 1, rows.shape) * np.array([sigma(row) for row in range(64)])[rows])
    low = tables.firsts[rows]
    symbols = symbols.clip(low, low + tables.sizes[rows] - 2).astype(kind)
    before = symbols.copy()
    symbols.setflags(write=False)
    (decoded,), _, data = through([(symbols, tables.at(rows))])
    assert (decoded == symbols).all() and (symbols == before).all()
    single = Encoder()
    for row in range(64):
        chosen = symbols[rows == row]
        single.code(chosen, tables.at(row, chosen.shape))
    assert single.finish() == data
