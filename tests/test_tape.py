"""Tapes behave as the arrays that they stand for."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from triptych.codecs.tape import Tape, gathered

FILM = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 3)).astype(np.uint8)
SOUND = np.random.default_rng(1).normal(size=(2, 1000)).astype(np.float32)


def parts(array: np.ndarray, axis: int, size: int, early: int, first: int):
    """A `play` that begins up to `early` before what is asked for."""
    begin = max(0, first - early)
    starts = range(begin, array.shape[axis], size)
    return begin, (array[(slice(None),) * axis + (slice(start, start + size),)] for start in starts)


def tape(array: np.ndarray, axis: int, size: int = 7, early: int = 3) -> Tape:
    return Tape(partial(parts, array, axis, size, early), array.shape, array.dtype, axis)


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
@pytest.mark.parametrize(("array", "axis"), [(FILM, 0), (SOUND, 1)])
def test_a_tape_is_its_array(array, axis, size):
    found = tape(array, axis, size)
    assert (found.shape, found.dtype, found.ndim) == (array.shape, array.dtype, array.ndim)
    assert (len(found), found.size, found.nbytes) == (len(array), array.size, array.nbytes)
    assert np.array_equal(found, array) and np.array_equal(list(found), array)
    for first, end in ((0, 5), (5, 9), (20, 40), (3, 4), (39, 50), (-8, -2), (30, 30), (40, 20), (45, 99)):
        key = (slice(None),) * axis + (slice(first, end),)
        part = found[key]
        assert isinstance(part, Tape) and part.shape == array[key].shape
        assert np.array_equal(part, array[key]) and np.array_equal(part[1:2], array[key][1:2])
    assert np.array_equal(found[..., ::2], array[..., ::2]) and np.array_equal(found[1], array[1])


def test_single_frames_and_types():
    found = tape(FILM, 0)
    assert np.array_equal(found[-1], FILM[-1]) and np.array_equal(found[np.int64(9)], FILM[9])
    with pytest.raises(IndexError):
        found[50]
    assert np.asarray(found[:2], np.float64).dtype == np.float64


def test_reading_on_does_not_wind_back():
    starts = []
    found = Tape(lambda first: (0, parts(FILM, 0, 4, 0, starts.append(first) or 0)[1]), FILM.shape, FILM.dtype, 0)
    for first in range(0, 48, 6):
        assert np.array_equal(found[first : first + 6], FILM[first : first + 6])
    assert starts == [0]
    for place in range(0, 20, 2):  # two who read on in turn
        assert np.array_equal(found[place], FILM[place]) and np.array_equal(found[place + 20], FILM[place + 20])
    assert len(starts) <= 3


def test_many_may_read_at_a_time():
    found = tape(FILM, 0)
    spans = [(start % 45, start % 45 + 5) for start in range(0, 400, 7)]
    with ThreadPoolExecutor(8) as pool:
        for (first, end), part in zip(
            spans, pool.map(lambda span: np.asarray(found[slice(*span)]), spans), strict=True
        ):
            assert np.array_equal(part, FILM[first:end])


def test_tapes_travel():
    found = pickle.loads(pickle.dumps(tape(SOUND, 1)[:, 100:300]))
    assert np.array_equal(found, SOUND[:, 100:300])


def test_what_is_left_alone_can_be_gone_on_with():
    found = tape(FILM, 0)
    for frame in found:
        if np.array_equal(frame, FILM[10]):
            break
    assert np.array_equal(found[11:], FILM[11:]) and np.array_equal(found[8:], FILM[8:])


def test_a_source_has_the_last_word():
    def play(first):
        yield FILM
        raise ValueError("there should be more")

    found = Tape(lambda first: (0, play(first)), FILM.shape, FILM.dtype, 0)
    assert np.array_equal(found[:49], FILM[:49])
    with pytest.raises(ValueError, match="more"):
        np.asarray(found)


def test_too_little_is_an_error():
    found = Tape(lambda first: (0, iter([FILM[:20]])), FILM.shape, FILM.dtype, 0)
    with pytest.raises(EOFError, match="20"):
        np.asarray(found)
    with pytest.raises(EOFError, match="20"):
        gathered([FILM[:20]], FILM.shape, FILM.dtype, 0)
