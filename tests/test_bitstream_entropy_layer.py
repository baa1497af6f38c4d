"""The text's description of the entropy layer is true: plain Python decodes what constriction coded."""

import constriction
import numpy as np
import pytest
import second_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.entropy import Encoder, Tables

TOTAL = 1 << 24


@st.composite
def table_lists(draw):
    """A few tables of integer frequencies >= 1 that sum to 2**24, from flat to extreme."""
    tables = []
    for _ in range(draw(st.integers(1, 4))):
        shares = draw(st.lists(st.integers(0, 40).map(lambda bits: 1 << bits), min_size=2, max_size=30))
        free = TOTAL - len(shares)
        table = [1 + share * free // sum(shares) for share in shares]
        table[draw(st.integers(0, len(table) - 1))] += TOTAL - sum(table)
        tables.append(table)
    return tables


def coded(symbols, tables):
    """Stream of the symbols, coded by constriction one by one; a stack: the last symbol goes in first."""
    stack = constriction.stream.stack.AnsCoder()
    for symbol, table in zip(reversed(symbols), reversed(tables), strict=True):
        weights = np.asarray(table, dtype=np.float64) - 1
        model = constriction.stream.model.Categorical(weights, perfect=False)
        stack.encode_reverse(np.array([symbol], dtype=np.int32), model)
    return stack.get_compressed().astype("<u4").tobytes()


def by_hand(symbols, tables):
    """The encoder as FORMAT.md describes it."""
    state, words = 0, []
    for symbol, table in zip(reversed(symbols), reversed(tables), strict=True):
        frequency, below = table[symbol], sum(table[:symbol])
        if state >> 40 >= frequency:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = state // frequency << 24 | below + state % frequency
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return b"".join(word.to_bytes(4, "little") for word in words)


@settings(max_examples=60, deadline=None)
@given(table_lists(), st.data())
def test_plain_python_decodes_constriction(tables, data):
    chosen = data.draw(st.lists(st.sampled_from(tables), max_size=40))
    symbols = [data.draw(st.integers(0, len(table) - 1)) for table in chosen]
    stream = coded(symbols, chosen)
    assert by_hand(symbols, chosen) == stream
    assert second_reader.ans_decode(stream, chosen) == symbols


@pytest.mark.parametrize("seed", range(8))
def test_plain_python_decodes_our_encoder(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 1 << rng.integers(1, 30), (3, 17))
    tables = Tables.from_counts(counts)
    rows = np.sort(rng.integers(0, 3, 200))
    symbols = np.array([rng.choice(17, p=tables.row(row) / TOTAL) for row in rows], dtype=np.int32)
    encoder = Encoder()
    encoder.code(symbols, tables.at(rows))
    plain = [tables.row(row).tolist() for row in rows]
    assert second_reader.ans_decode(encoder.finish(), plain) == symbols.tolist()


def test_streams_that_are_no_streams():
    table = [TOTAL // 2, TOTAL // 2]
    stream = coded([1, 0, 1, 1] * 30, [table] * 120)
    assert second_reader.ans_decode(b"", []) == [] and second_reader.ans_decode(b"", [table]) == [0]
    for wrong in (stream[:-1], stream + bytes(4), stream + b"\1\0\0\0"):
        with pytest.raises(second_reader.Bad):
            second_reader.ans_decode(wrong, [table] * 120)
    with pytest.raises(second_reader.Bad):
        second_reader.ans_decode(stream, [table] * 119)


def test_a_shorter_stream_may_decode_to_other_symbols():
    """Why a unit carries a check of its symbols: the end state alone does not notice a missing last word."""
    table = [TOTAL // 2, TOTAL // 2]
    symbols = [1, 0, 1, 1] * 30
    stream = coded(symbols, [table] * 120)
    assert second_reader.ans_decode(stream[:-4], [table] * 120) != symbols
