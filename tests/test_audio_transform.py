"""The MDCT reconstructs exactly, for every length, whole or in pieces."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.codecs.audio.transform import Mdct

MDCT = Mdct(320)


def signal(length: int, seed: int) -> torch.Tensor:
    return torch.rand(2, length, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 99))
def test_reconstruction_is_perfect(length: int, seed: int) -> None:
    x = signal(length, seed)
    frames = MDCT.frames(x)
    assert frames.shape == (2, -(-length // 320) + 1, 640)
    y = MDCT.synthesise(MDCT.analyse(frames)[0])[:, :length]
    assert y.shape == x.shape
    torch.testing.assert_close(y, x, atol=2e-6, rtol=0)


def test_energy_is_kept() -> None:
    x = signal(3200, 1)
    coefficients, _ = MDCT.analyse(MDCT.frames(x))
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum(), rtol=1e-4, atol=0)


def test_sine_part_completes_the_magnitude() -> None:
    """A steady tone has constant magnitude in cosine and sine part together, not in the cosine part alone."""
    x = torch.sin(torch.arange(6400) * 0.3)[None]
    cosine, sine = MDCT.analyse(MDCT.frames(x))
    inner = slice(2, -2)
    both = (cosine.square() + sine.square())[0, inner].sum(-1)
    alone = cosine.square()[0, inner].sum(-1)
    assert both.std() / both.mean() < 0.02 < alone.std() / alone.mean()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 9), st.integers(1, 10))
def test_some_frames_are_a_slice_of_all(length: int, first: int, count: int) -> None:
    x = signal(length, 3)
    frames = MDCT.frames(x)
    end = min(first + count, frames.shape[1])
    if first < end:
        torch.testing.assert_close(MDCT.some_frames(x, first, end), frames[:, first:end], atol=0, rtol=0)


@pytest.mark.parametrize("first", [0, 2, 5])
def test_synthesis_of_a_slice_is_a_slice_of_the_synthesis(first: int) -> None:
    coefficients = MDCT.analyse(MDCT.frames(signal(3200, 4)))[0]
    whole = MDCT.synthesise(coefficients)
    part = MDCT.synthesise(coefficients[:, first : first + 4])
    torch.testing.assert_close(part, whole[:, first * 320 : (first + 3) * 320])
