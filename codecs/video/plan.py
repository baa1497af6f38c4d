"""What an encoder decides before it fits: scale, size of the network, length and weights of the schedule."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..base import Options
from ..precision import has_bfloat16
from .fit import Fit, Recipe
from .layout import MOST_PERIOD, Parameters, grid_for, layout_for, strides_for
from .nerv import Layout, System
from .scale import reduced

PASSES = (2, 4, 8, 15, 25, 40, 60, 100, 150, 250, 400)  # over all frames, by effort
RESERVE = 0.04  # share of a time budget kept for reducing, choosing tables and coding
# Scale, shuffle of the head, and the passes from which on it beats the coarser ones before it (measured at 720p).
RENDERINGS = ((4, 1, 0), (2, 2, 6), (2, 1, 40), (1, 2, 40), (1, 1, 60))
REFERENCE = 132 * 720 * 1280, 300_000  # pixels of a clip and values of its network and embeddings at quality 50
FEWEST = 1500  # weights
REFERENCE_RATE, BITS = 0.12, 3.4  # weight of the bits per value at quality 50, and how many it leads to
OVERHEAD = 300, 1.5  # bytes that the container adds to a film, and to each frame
MOST_GROUPED, USUAL_GROUP = 320, 240  # frames up to which a film has one network, and of a group of a longer one
MOST_HELD = 2 << 30  # bytes of the frames of a group
COARSER = (16, 8)  # cells of an embedding where those of the system would take more than this share of all values
MOST_EMBEDDED = 0.6  # coarser grids help still films, and cost moving ones much
STEPS = 16  # groups are multiples of so many frames where they can


@dataclass(frozen=True)
class Plan:
    """What the encoder decided.

    parameters: of the track; base: how to fit; group: frames that share a network; threads; deadline: when the budget
    ends (monotonic seconds).
    """

    parameters: Parameters
    base: Recipe
    group: int
    threads: int
    deadline: float | None

    def recipe(self, now: float) -> Recipe:
        """The recipe with what is left of the budget at `now`."""
        if self.deadline is None:
            return self.base
        return replace(self.base, seconds=max(0.0, self.deadline - now))


@dataclass(frozen=True)
class Wish:
    """What a codec asks for: its decoder, channels of the embeddings, HNeRV's encoder while fitting, the loss."""

    system: System
    channels: int = 16
    encoder: bool = False
    loss: str = "squared"


def plan_for(
    shape: tuple[int, int, int], wish: Wish, options: Options, began: float, kept: Parameters | None = None
) -> Plan:
    """Plan for a film of shape (frames, height, width).

    `began` is when the budget started (monotonic seconds); `kept` the parameters where they were decided before.
    """
    group = _group(shape, options)
    part = (group, *shape[1:])
    quality, bits = _aimed(shape, part, options)
    error = 10 ** (-options.aim[1] / 10) if options.aim is not None and options.aim[0] == "psnr" else None
    base = Recipe(
        PASSES[options.effort] * shape[0],
        rate=rate_for(quality),
        seed=options.seed,
        encoder=wish.encoder,
        bits=bits,
        error=error,
        loss=wish.loss,
    )
    values = values_for(math.prod(part), quality)
    period = group if wish.system.timed else 0

    def candidate(number: int) -> Parameters:
        scale, shuffle, _ = RENDERINGS[number]
        return Parameters(scale, _layout(part, wish, values, scale, shuffle), period)

    count, deadline, chosen = torch.get_num_threads(), None, kept
    if options.seconds is not None:
        deadline = began + options.seconds * (1 - RESERVE)
        count = _best_threads(shape, kept or candidate(0), base)
    if chosen is None and deadline is not None:
        with threads(count):
            chosen = _within([candidate(number) for number in range(len(RENDERINGS))], shape, base, deadline)
    if chosen is None:
        chosen = candidate(_by_effort(shape[1] * shape[2], options.effort))
    return Plan(chosen, replace(base, fast=_fast(chosen.layout)), group, count, deadline)


def _group(shape: tuple[int, int, int], options: Options) -> int:
    """Frames that share a network: those asked for, else near equal parts of a film that is long or does not fit in memory."""
    total = shape[0]
    most = max(1, min(MOST_HELD // (3 * shape[1] * shape[2]), MOST_PERIOD))
    wanted = options.group or (total if total <= MOST_GROUPED else USUAL_GROUP)
    if options.group is None and min(wanted, most) < total:
        wanted = -(-total // -(-total // min(wanted, most)))
        wanted = -(-wanted // STEPS) * STEPS
    return min(wanted, most, total)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _best_threads(shape: tuple[int, int, int], candidate: Parameters, base: Recipe) -> int:
    """All of torch's threads, or one where that is faster: on busy cores threads mostly wait for each other."""
    times = {}
    for count in (torch.get_num_threads(), 1):
        with threads(count):
            times[count] = times.get(count) or _seconds(shape, candidate, base)
    return min(times, key=times.__getitem__)


def _aimed(shape: tuple[int, int, int], part: tuple[int, int, int], options: Options) -> tuple[float, float | None]:
    """Quality, and coded bits that a film is to come to; a size decides the quality by what a group usually comes to."""
    if options.aim is None or options.aim[0] != "bytes":
        return options.quality, None
    bits = max(8 * (options.aim[1] - OVERHEAD[0] - OVERHEAD[1] * shape[0]), 1000.0)
    low, high = 0.0, 100.0
    for _ in range(20):
        middle = (low + high) / 2
        usual = values_for(math.prod(part), middle) * BITS * (REFERENCE_RATE / rate_for(middle)) ** 0.1
        low, high = (middle, high) if usual < bits * part[0] / shape[0] else (low, middle)
    return low, bits


def rate_for(quality: float) -> float:
    """Weight of the bits per value at a quality: halves every 25 steps."""
    return REFERENCE_RATE * 2 ** ((50 - quality) / 25)


def values_for(pixels: int, quality: float) -> int:
    """Number of weights and embedding values for a clip of so many pixels: doubles every 15 steps of quality."""
    reference, values = REFERENCE
    return round(values * (pixels / reference) ** 0.4 * 2 ** ((quality - 50) / 15))


def _layout(shape: tuple[int, int, int], wish: Wish, values: int, scale: int, shuffle: int) -> Layout:
    """The decoder at one rendering: embeddings take at most half of the values, weights the rest."""
    height, width = reduced(shape[1], scale), reduced(shape[2], scale)
    if wish.system.stem != "embedding":
        return layout_for(height, width, max(values, FEWEST), 0, shuffle, wish.system)
    for cells in (wish.system.cells, *COARSER):
        system = replace(wish.system, cells=cells)
        grid = grid_for(height, width, shuffle * math.prod(strides_for(height, width, shuffle, cells, system.steep)))
        if wish.channels * shape[0] * grid[0] * grid[1] <= MOST_EMBEDDED * values:
            break
    most = max(2, values // (2 * shape[0] * grid[0] * grid[1]))
    channels = min(wish.channels, most)
    weights = values - channels * shape[0] * grid[0] * grid[1]
    layout = layout_for(height, width, max(weights, FEWEST), channels, shuffle, system)
    return replace(layout, system=wish.system)


def _by_effort(pixels: int, effort: int) -> int:
    """Number of the rendering without a clock: finer for small frames and for much effort."""
    steps = sum(pixels <= limit << max(0, effort - 3) for limit in (2_000_000, 600_000, 300_000, 120_000))
    return steps


def _within(candidates: list[Parameters], shape: tuple[int, int, int], base: Recipe, deadline: float) -> Parameters:
    """The finest rendering of which enough passes fit before the deadline, by timing a few steps of each."""
    chosen, speed = candidates[0], 0.0
    for candidate, (_, _, passes) in zip(candidates, RENDERINGS, strict=True):
        left = deadline - time.monotonic()
        expected = candidate.layout.work() * speed
        if expected * shape[0] * passes > left:
            break
        needed = _seconds(shape, candidate, base)
        if needed * shape[0] * passes > left:
            break
        chosen, speed = candidate, needed / candidate.layout.work()
    return chosen


def _seconds(shape: tuple[int, int, int], parameters: Parameters, base: Recipe) -> float:
    """Seconds of one step, the faster of two after one that warms up."""
    scale = parameters.scale
    noise = np.random.default_rng(0).integers(0, 256, (2, reduced(shape[1], scale), reduced(shape[2], scale), 3))
    work = Fit(noise.astype(np.uint8), parameters, replace(base, fast=_fast(parameters.layout)))
    times = []
    for _ in range(3):
        began = time.monotonic()
        work.advance(0.1)
        times.append(time.monotonic() - began)
    return min(times[1:])


def _fast(layout: Layout) -> bool:
    """Whether convolutions in bfloat16 pay: processors that have them in hardware, networks that are not tiny."""
    return layout.work() > 2e7 and has_bfloat16()
