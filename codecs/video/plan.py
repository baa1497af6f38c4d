"""What an encoder decides before it fits: scale, size of the network, length and weights of the schedule."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..base import Options
from ..precision import has_bfloat16
from .fit import Fit, Recipe
from .layout import Parameters, layout_for
from .nerv import Layout
from .scale import reduced

PASSES = (2, 4, 8, 15, 25, 40, 60, 100, 150, 250, 400)  # over all frames, by effort
RESERVE = 0.04  # share of a time budget kept for reducing, choosing tables and coding
# Scale, shuffle of the head, and the passes from which on it beats the coarser ones before it (measured at 720p).
RENDERINGS = ((4, 1, 0), (2, 2, 6), (2, 1, 40), (1, 2, 40), (1, 1, 60))
REFERENCE = 132 * 720 * 1280, 300_000  # pixels of a clip and values of its network and embeddings at quality 50
FEWEST = 1500  # weights
REFERENCE_RATE, BITS = 0.12, 3.4  # weight of the bits per value at quality 50, and how many it leads to
OVERHEAD = 300, 1.5  # bytes that the container adds to a film, and to each frame


@dataclass(frozen=True)
class Plan:
    """What the encoder decided: parameters of the track, how to fit, threads, when the budget ends (monotonic seconds)."""

    parameters: Parameters
    base: Recipe
    threads: int
    deadline: float | None

    def recipe(self, now: float) -> Recipe:
        """The recipe with what is left of the budget at `now`."""
        if self.deadline is None:
            return self.base
        return replace(self.base, seconds=max(0.0, self.deadline - now))


def plan_for(shape: tuple[int, int, int], channels: int, encoder: bool, options: Options, began: float) -> Plan:
    """Plan for a clip of shape (frames, height, width); `began` is when the budget started (monotonic seconds)."""
    quality, bits = _aimed(shape, options)
    steps = PASSES[options.effort] * shape[0]
    base = Recipe(steps, rate=rate_for(quality), seed=options.seed, encoder=encoder, bits=bits)
    values = values_for(shape[0] * shape[1] * shape[2], quality)
    candidates = [(scale, _layout(shape, channels, values, scale, shuffle)) for scale, shuffle, _ in RENDERINGS]
    if options.seconds is None:
        scale, layout = candidates[_by_effort(shape[1] * shape[2], options.effort)]
        return Plan(Parameters(scale, layout), replace(base, fast=_fast(layout)), torch.get_num_threads(), None)
    deadline = began + options.seconds * (1 - RESERVE)
    count = _best_threads(shape, candidates[0], base)
    with threads(count):
        scale, layout = _within(candidates, shape, base, deadline)
    return Plan(Parameters(scale, layout), replace(base, fast=_fast(layout)), count, deadline)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _best_threads(shape: tuple[int, int, int], candidate: tuple[int, Layout], base: Recipe) -> int:
    """All of torch's threads, or one where that is faster: on busy cores threads mostly wait for each other."""
    times = {}
    for count in (torch.get_num_threads(), 1):
        with threads(count):
            times[count] = times.get(count) or _seconds(shape, *candidate, base)
    return min(times, key=times.__getitem__)


def _aimed(shape: tuple[int, int, int], options: Options) -> tuple[float, float | None]:
    """Quality, and coded bits to come to; a size decides the quality by what it usually comes to."""
    if options.aim is None:
        return options.quality, None
    value = options.aim[1]
    bits = max(8 * (value - OVERHEAD[0] - OVERHEAD[1] * shape[0]), 1000.0)
    low, high = 0.0, 100.0
    for _ in range(20):
        middle = (low + high) / 2
        usual = values_for(shape[0] * shape[1] * shape[2], middle) * BITS * (REFERENCE_RATE / rate_for(middle)) ** 0.1
        low, high = (middle, high) if usual < bits else (low, middle)
    return low, bits


def rate_for(quality: float) -> float:
    """Weight of the bits per value at a quality: halves every 25 steps."""
    return REFERENCE_RATE * 2 ** ((50 - quality) / 25)


def values_for(pixels: int, quality: float) -> int:
    """Number of weights and embedding values for a clip of so many pixels: doubles every 15 steps of quality."""
    reference, values = REFERENCE
    return round(values * (pixels / reference) ** 0.4 * 2 ** ((quality - 50) / 15))


def _layout(shape: tuple[int, int, int], channels: int, values: int, scale: int, shuffle: int) -> Layout:
    """The decoder at one rendering: embeddings take at most half of the values, weights the rest."""
    height, width = reduced(shape[1], scale), reduced(shape[2], scale)
    grid = layout_for(height, width, 0, 1, shuffle).grid
    most = max(2, values // (2 * shape[0] * grid[0] * grid[1]))
    channels = min(channels, most)
    weights = values - channels * shape[0] * grid[0] * grid[1]
    return layout_for(height, width, max(weights, FEWEST), channels, shuffle)


def _by_effort(pixels: int, effort: int) -> int:
    """Number of the rendering without a clock: finer for small frames and for much effort."""
    steps = sum(pixels <= limit << max(0, effort - 3) for limit in (2_000_000, 600_000, 300_000, 120_000))
    return steps


def _within(
    candidates: list[tuple[int, Layout]], shape: tuple[int, int, int], base: Recipe, deadline: float
) -> tuple[int, Layout]:
    """The finest rendering of which enough passes fit before the deadline, by timing a few steps of each."""
    chosen, speed = candidates[0], 0.0
    for candidate, (_, _, passes) in zip(candidates, RENDERINGS, strict=True):
        scale, layout = candidate
        left = deadline - time.monotonic()
        expected = layout.work() * speed
        if expected * shape[0] * passes > left:
            break
        needed = _seconds(shape, scale, layout, base)
        if needed * shape[0] * passes > left:
            break
        chosen, speed = candidate, needed / layout.work()
    return chosen


def _seconds(shape: tuple[int, int, int], scale: int, layout: Layout, base: Recipe) -> float:
    """Seconds of one step, the faster of two after one that warms up."""
    noise = np.random.default_rng(0).integers(0, 256, (2, reduced(shape[1], scale), reduced(shape[2], scale), 3))
    work = Fit(noise.astype(np.uint8), layout, replace(base, fast=_fast(layout)))
    times = []
    for _ in range(3):
        began = time.monotonic()
        work.advance(0.1)
        times.append(time.monotonic() - began)
    return min(times[1:])


def _fast(layout: Layout) -> bool:
    """Whether convolutions in bfloat16 pay: processors that have them in hardware, networks that are not tiny."""
    return layout.work() > 2e7 and has_bfloat16()
