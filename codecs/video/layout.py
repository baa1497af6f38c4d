"""Shape of a decoder for a clip: strides from the frame size, widths from a number of values, and their bytes."""

import math
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise

import torch
from torch import Tensor

from ...bitstream import VideoMedia, varint
from ...bitstream.cursor import Cursor
from ...bitstream.errors import Malformed
from .nerv import Layout, System
from .parts import CELLS_MOST
from .scale import SCALES, reduced

WIDENED = 4  # channels by which a stage may grow
WIDEST = 1 << 12
MOST_STAGES = 8
MOST_WEIGHTS = 1 << 26
MOST_FRAMES = 1 << 8  # per unit
MOST_PERIOD = 1 << 16  # frames of a network whose frames depend on their number


@dataclass(frozen=True)
class Parameters:
    """What the header of a track says about its networks: scale of the rendered frames, shape of the decoder.

    period: where frames depend on their number, how many share a network; their time is (number % period + 1) / period.
    """

    scale: int
    layout: Layout
    period: int = 0

    def pack(self) -> bytes:
        """The parameters of a track; the grid is not stored, it follows from the frame size."""
        layout = self.layout
        numbers = [self.period] if layout.system.timed else []
        numbers += [self.scale, layout.shuffle, layout.head, layout.channels, layout.stem]
        for stage in zip(layout.strides, layout.kernels, layout.widths, strict=True):
            numbers += stage
        return b"".join(varint.encode(number) for number in numbers)

    def times(self, first: int, count: int) -> Tensor:
        """Times of frames from number `first` on, float [count]; 0 where nothing depends on them."""
        if not self.period:
            return torch.zeros(count)
        return (torch.arange(first, first + count) % self.period + 1) / self.period


def parse(parameters: bytes, media: VideoMedia, system: System) -> Parameters:
    """The inverse of `Parameters.pack`; raises Malformed."""
    cursor = Cursor(parameters, 0)
    period = cursor.number() if system.timed else 0
    scale, shuffle, head, channels, stem = (cursor.number() for _ in range(5))
    stages = []
    while cursor.left:
        stages.append((cursor.number(), cursor.number(), cursor.number()))
    sound = scale in SCALES and 1 <= shuffle <= 4 and head in (1, 3, 5, 7) and system.timed <= period <= MOST_PERIOD
    sound &= 1 <= channels <= WIDEST if system.stem == "embedding" else channels == 0
    sound &= 1 <= stem <= WIDEST and len(stages) <= MOST_STAGES
    sound &= all(1 <= s <= 8 and k in (1, 3, 5, 7) and 1 <= w <= WIDEST for s, k, w in stages)
    if not sound:
        raise Malformed("the parameters of the video track describe an impossible network")
    strides, kernels, widths = zip(*stages, strict=True) if stages else ((), (), ())
    product = shuffle * math.prod(strides)
    grid = grid_for(reduced(media.height, scale), reduced(media.width, scale), product)
    if system.stem != "embedding" and grid[0] * grid[1] > CELLS_MOST:
        raise Malformed(f"a decoder without embeddings starts from at most {CELLS_MOST} positions")
    layout = Layout(grid, channels, stem, strides, kernels, widths, head, shuffle, system)
    if layout.size() > MOST_WEIGHTS or media.frames_per_unit > MOST_FRAMES or media.total is None:
        raise Malformed("a video track has too large a network or unit, or does not say how long it is")
    return Parameters(scale, layout, period)


def grid_for(height: int, width: int, product: int) -> tuple[int, int]:
    """Height and width of the embedding grid that covers a frame."""
    return -(-height // product), -(-width // product)


def strides_for(height: int, width: int, shuffle: int, wanted: int, steep: bool = False) -> tuple[int, ...]:
    """Strides, largest first, whose product times `shuffle` gives a grid of about `wanted` cells, few pixels outside the frame.

    Up to four strides of 2 to 5; `steep`: up to six, all of 2 but the first. Frames of fewer than 16 rows or columns get
    as few as none.
    """
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    for count in range(5 + 2 * steep):
        for strides in combinations_with_replacement((5, 4, 3, 2), count):
            if steep and any(stride > 2 for stride in strides[1:]):
                continue
            product = shuffle * math.prod(strides)
            rows, columns = grid_for(height, width, product)
            waste = rows * columns * product**2 / (height * width) - 1
            cells = abs(math.log2(rows * columns / wanted))
            steps = 0 if steep else sum(abs(a - b) for a, b in pairwise(strides))
            best = min(best, (2 * waste + 0.25 * cells + 0.02 * steps + 0.02 * count, strides))
    return best[1]


def layout_for(height: int, width: int, values: int, channels: int, shuffle: int, system: System) -> Layout:
    """The decoder for frames of height x width (at the network's scale) with about `values` weights, counted exactly."""
    strides = strides_for(height, width, shuffle, system.cells, system.steep)
    kernels = (*system.kernels, *[system.kernels[-1]] * len(strides))[: len(strides)]
    grid = grid_for(height, width, shuffle * math.prod(strides))

    def layout(stem: int) -> Layout:
        widths, width = [], stem * system.decay * system.growth
        for _ in strides:
            width = max(round(width / system.decay), min(stem, system.floor))
            widths.append(width)
        return Layout(grid, channels, stem, strides, kernels, tuple(widths), system.head, shuffle, system)

    low, high = 4, 512  # sizes grow with the stem: bisection finds the last one that fits
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if layout(middle).size() <= values else (low, middle)
    return _filled(layout(low), values)


def _filled(layout: Layout, values: int) -> Layout:
    """Stages widened by a few channels while that fits: in small decoders one channel of the stem is a leap."""
    for number in WIDENED * list(range(len(layout.widths))):
        widths = list(layout.widths)
        widths[number] += 1
        wider = replace(layout, widths=tuple(widths))
        layout = wider if wider.size() <= values else layout
    return layout
