"""Many signals at a time give the same files as one at a time."""

import numpy as np
import pytest
import torch

import triptych
from triptych.codecs.signals import Sound


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pictures_of_many_sizes(two_threads):
    rng = np.random.default_rng(0)
    sizes = [(1, 1), (17, 40), (64, 64), (64, 64), (100, 33), (48, 48)]
    pictures = [rng.integers(0, 256, (*size, channels)).astype(np.uint8) for size in sizes for channels in (1, 3, 4)]
    together = list(triptych.encode_many(pictures, quality=30, effort=1))
    assert together == [triptych.encode(picture, quality=30, effort=1) for picture in pictures]
    assert triptych.decode(together[3]).pixels.shape == (17, 40, 1)


def test_sounds(two_threads):
    rng = np.random.default_rng(1)
    sounds = [Sound(rng.normal(0, 0.1, (1, n)).astype(np.float32), 16000) for n in (1, 700, 5000)]
    assert list(triptych.encode_many(sounds, effort=0)) == [triptych.encode(sound, effort=0) for sound in sounds]


def test_an_array_that_is_no_signal_is_refused(two_threads):
    found = triptych.encode_many([np.zeros((8, 8), np.uint8), np.zeros(3, complex)])
    assert next(found)
    with pytest.raises(ValueError):
        next(found)
