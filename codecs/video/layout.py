"""Shape of an HNeRV decoder for a clip: strides from the frame size, widths from a number of values, and their bytes."""

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

from ...bitstream import VideoMedia, varint
from ...bitstream.cursor import Cursor
from ...bitstream.errors import Malformed
from .nerv import Layout
from .scale import SCALES, reduced

DECAY = 1.2  # channels shrink by this factor per stage (HNeRV's r)
FLOOR = 12  # and never below this (HNeRV's lower width)
KERNELS = (1, 3, 3)  # of the stages; the last one repeats
WIDEST = 1 << 12
MOST_STAGES = 8
MOST_WEIGHTS = 1 << 26
MOST_FRAMES = 1 << 8  # per unit


@dataclass(frozen=True)
class Parameters:
    """What the header of a track says about its network: scale of the rendered frames and shape of the decoder."""

    scale: int
    layout: Layout

    def pack(self) -> bytes:
        """The parameters of a track; the grid is not stored, it follows from the frame size."""
        layout = self.layout
        numbers = [self.scale, layout.shuffle, layout.head, layout.channels, layout.stem]
        for stage in zip(layout.strides, layout.kernels, layout.widths, strict=True):
            numbers += stage
        return b"".join(varint.encode(number) for number in numbers)


def parse(parameters: bytes, media: VideoMedia) -> Parameters:
    """The inverse of `Parameters.pack`; raises Malformed."""
    cursor = Cursor(parameters, 0)
    scale, shuffle, head, channels, stem = (cursor.number() for _ in range(5))
    stages = []
    while cursor.left:
        stages.append((cursor.number(), cursor.number(), cursor.number()))
    sound = scale in SCALES and 1 <= shuffle <= 4 and head in (1, 3, 5, 7)
    sound &= 1 <= channels <= WIDEST and 1 <= stem <= WIDEST and len(stages) <= MOST_STAGES
    sound &= all(1 <= s <= 8 and k in (1, 3, 5, 7) and 1 <= w <= WIDEST for s, k, w in stages)
    if not sound:
        raise Malformed("the parameters of a video/hnerv track describe an impossible network")
    strides, kernels, widths = zip(*stages, strict=True) if stages else ((), (), ())
    product = shuffle * math.prod(strides)
    grid = grid_for(reduced(media.height, scale), reduced(media.width, scale), product)
    layout = Layout(grid, channels, stem, strides, kernels, widths, head, shuffle)
    if layout.size() > MOST_WEIGHTS or media.frames_per_unit > MOST_FRAMES or media.total is None:
        raise Malformed("a video/hnerv track has too large a network or unit, or does not say how long it is")
    return Parameters(scale, layout)


def grid_for(height: int, width: int, product: int) -> tuple[int, int]:
    """Height and width of the embedding grid that covers a frame."""
    return -(-height // product), -(-width // product)


def strides_for(height: int, width: int, shuffle: int) -> tuple[int, ...]:
    """Strides, largest first, whose product times `shuffle` gives a grid of about 5 x 8 with few pixels outside the frame.

    Up to four strides of 2 to 5. Frames of fewer than 16 rows or columns get as few as none.
    """
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    for count in range(5):
        for strides in combinations_with_replacement((5, 4, 3, 2), count):
            product = shuffle * math.prod(strides)
            rows, columns = grid_for(height, width, product)
            waste = rows * columns * product**2 / (height * width) - 1
            cells = abs(math.log2(rows * columns / 40))
            steps = sum(abs(a - b) for a, b in pairwise(strides))
            best = min(best, (2 * waste + 0.25 * cells + 0.02 * steps + 0.02 * count, strides))
    return best[1]


def layout_for(height: int, width: int, values: int, channels: int, shuffle: int) -> Layout:
    """The decoder for frames of height x width (at the network's scale) with about `values` weights."""
    strides = strides_for(height, width, shuffle)
    kernels = (*KERNELS, *[KERNELS[-1]] * len(strides))[: len(strides)]
    grid = grid_for(height, width, shuffle * math.prod(strides))

    def layout(stem: int) -> Layout:
        widths, width = [], stem
        for _ in strides:
            width = min(stem, max(round(width / DECAY), FLOOR))
            widths.append(width)
        return Layout(grid, channels, stem, strides, kernels, tuple(widths), 3, shuffle)

    low, high = 4, 512  # sizes grow with the stem: bisection finds the last one that fits
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if layout(middle).size() <= values else (low, middle)
    return layout(low)
