"""Films come to a size by themselves."""

from fractions import Fraction

import numpy as np
import pytest
import torch

import triptych
from triptych.codecs.signals import Clip, Sound
from triptych.codecs.video.aim import settle
from triptych.codecs.video.levels import Quantised
from triptych.tools.errors import UsageError


@pytest.fixture(scope="module")
def clip():
    """24 frames of moving soft shapes, 48 x 64, and a second of sound."""
    y, x = np.mgrid[:48, :64] / 16
    frames = [np.stack([np.sin(x * k + t / 9) + np.cos(y * k - t / 7) for k in (1, 2, 3)], -1) for t in range(24)]
    pixels = (127 + 50 * np.stack(frames)).astype(np.uint8)
    return Clip(pixels, Fraction(24), Sound(np.sin(np.arange(16000) / 9, dtype=np.float32)[None] * 0.2, 16000))


@pytest.mark.parametrize("size", [9000, 14000])
def test_a_size_is_reached_and_not_exceeded(clip, size):
    data = triptych.encode(clip, effort=2, target=("bytes", size))
    assert 0.93 * size < len(data) <= size
    assert triptych.decode(data).frames.shape == clip.frames.shape


def test_a_rate_is_a_size(clip):
    data = triptych.encode(clip, effort=1, target=("kbps", 90.0))
    assert 0.85 * 90 < len(data) * 8 / 1000 <= 90


def test_what_films_cannot_come_to_is_refused(clip):
    with pytest.raises(UsageError, match="the sound alone"):
        triptych.encode(clip, target=("bytes", 100))
    with pytest.raises(UsageError, match="give a size, a rate or a PSNR"):
        triptych.encode(clip, target=("ms-ssim", 0.9))


def test_steps_settle_near_the_bits_wanted():
    torch.manual_seed(0)
    parts = tuple(Quantised([torch.randn(n, 4) * scale for n in (30, 50, 700)], 3120) for scale in (1.0, 3.0))
    for part in parts:
        part.start()
        part.exponents += torch.tensor([0.1, -0.3, 0.4])
    before = sum(part.bits() for part in parts)
    settle(parts, before * 1.05)
    assert all((part.exponents == part.exponents.round()).all() for part in parts)
    assert abs(sum(part.bits() for part in parts) / before - 1.05) < 0.04
