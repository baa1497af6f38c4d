"""Byte-pair encoding: lossless, greedy from the left, the most frequent pair first."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.entropy.pairs import GAP, Merges, learn, merged, occurrences


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=40), max_size=4), st.integers(0, 20))
def test_any_tokens_come_back(sequences: list[list[int]], merges: int) -> None:
    found = learn([np.array(tokens, dtype=int) for tokens in sequences], 4, merges)
    assert len(found) <= 4 + merges
    for tokens in sequences:
        symbols = found.encode(np.array(tokens, dtype=int))
        assert found.decode(symbols).tolist() == tokens and len(symbols) <= len(tokens)


def plain(sequences: list[list[int]], size: int, merges: int) -> list[tuple[int, int]]:
    """The same in plain Python, counting afresh every time."""
    pairs: list[tuple[int, int]] = []
    for number in range(merges):
        counts: dict[tuple[int, int], int] = {}
        for tokens in sequences:
            for pair in pairwise(tokens):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        sequences = [replaced(tokens, best, size + number) for tokens in sequences]
        pairs.append(best)
    return pairs


def replaced(tokens: list[int], pair: tuple[int, int], symbol: int) -> list[int]:
    result, place = [], 0
    while place < len(tokens):
        both = tuple(tokens[place : place + 2]) == pair
        result.append(symbol if both else tokens[place])
        place += 2 if both else 1
    return result


def test_learning_agrees_with_counting_afresh() -> None:
    # No token follows itself, so that overlaps cannot make a difference.
    rng = np.random.default_rng(1)
    sequences = [np.cumsum(rng.integers(1, 4, 300)) % 6 for _ in range(3)]
    expected = plain([tokens.tolist() for tokens in sequences], 6, 12)
    found = learn(sequences, 6, 12)
    assert found.pairs.tolist()[:6] == [list(pair) for pair in expected][:6]
    for tokens in sequences:
        symbols = tokens.tolist()
        for number, pair in enumerate(found.pairs.tolist()):
            symbols = replaced(symbols, tuple(pair), 6 + number)
        assert found.encode(tokens).tolist() == symbols


def test_runs_are_paired_from_the_left() -> None:
    symbols = np.array([1, 1, 1, 0, 1, 1, 1, 1, GAP, 1, 1])
    assert occurrences(symbols, 1, 1).tolist() == [0, 4, 6, 9]
    assert merged(symbols, np.array([0, 4, 6, 9]), 5).tolist() == [5, 1, 0, 5, 5, GAP, 5]
    assert not len(occurrences(symbols, 2, 2)) and not len(occurrences(np.zeros(0, int), 0, 0))


def test_frequent_pairs_become_symbols_and_sequences_do_not_meet() -> None:
    found = learn([np.array([0, 1, 0, 1, 0, 1]), np.array([2, 3]), np.array([3, 2])], 4, 10)
    assert found.pairs.tolist() == [[0, 1], [4, 4]][: len(found.pairs)] and found.pairs[0].tolist() == [0, 1]
    assert found.encode(np.array([0, 1, 1, 0, 1])).tolist() == [4, 1, 4]


def test_numbers_that_are_no_symbols_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 4"):
        Merges(4, np.array([[0, 1]])).decode(np.array([5]))
