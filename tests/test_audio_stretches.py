"""Sounds in stretches: what comes out is what the whole would give."""

import numpy as np
import pytest

from triptych.codecs.audio import stretches
from triptych.codecs.audio.resample import clean, resample
from triptych.codecs.audio.stretches import Window, resampled


def noise(samples: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.4, (channels, samples)).astype(np.float32)


@pytest.mark.parametrize(("rate", "new_rate"), [(44100, 48000), (48000, 16000), (8000, 24000), (16000, 16000)])
@pytest.mark.parametrize("samples", [1, 999, 30_000])
def test_resampling_in_stretches_is_resampling(monkeypatch, rate, new_rate, samples):
    monkeypatch.setattr(stretches, "STRETCH", 4099)
    sound = noise(samples)
    length = -(-samples * new_rate // rate)
    parts = list(resampled(stretches.stretches(sound), rate, new_rate, length))
    assert np.array_equal(np.concatenate(parts, 1), resample(clean(sound), rate, new_rate, length))


def test_what_is_missing_is_silence_and_what_is_too_much_left_out():
    for length in (50, 150):
        found = np.concatenate(list(resampled([noise(100)], 8000, 8000, length)), 1)
        assert np.array_equal(found, np.pad(noise(100)[:, :length], ((0, 0), (0, max(0, length - 100)))))


def test_a_window_holds_what_is_asked_for():
    sound, taken, most = noise(1000), [], 0
    parts = (taken.append(first) or sound[:, first : first + 90] for first in range(0, 1000, 90))
    window = Window(parts)
    for first, end in ((0, 200), (150, 160), (160, 500), (160, 500), (480, 1000), (900, 1200), (1000, 1200)):
        assert np.array_equal(window.between(first, end), sound[:, first:end])
        most = max(most, end)
        assert taken[-1] < most
