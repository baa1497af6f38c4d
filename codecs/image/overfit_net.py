"""The networks of image/overfit: shapes by preset, blocks of a grid, neighbours in coarser grids, up-sampling, synthesis.

A picture is a pyramid of seven integer grids, grid i of 1/2^i of its size. A grid beyond BLOCK places a side is cut into blocks,
which take no context from each other. All functions take a batch: grids are float [B, h, w].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

GRIDS = 7
BLOCK = 1024  # places a side; with 64 one Kodak picture took 2.7 % more bits, as much of a block had no context
# Causal neighbours (row, column), the most telling first. Each lies at least one wavefront back where a row lags by SLOPE.
SLOPE = 2
TAPS = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-2, -1), (-1, -2), (-2, 2)),
    *((0, -3), (-3, 0), (-2, -2), (-1, -3), (-3, 1), (-3, -1), (-2, 3), (-3, 2), (-3, -2), (-2, -3)),
)
REACH = 3  # rows and columns that the neighbours span
FEATURES = 5  # inputs from coarser grids: three places of the next, one of each of the two after it
WHOLE = (0,) * GRIDS
CUBIC = (-0.0234375, -0.0703125, 0.2265625, 0.8671875)  # half of a symmetric kernel that doubles the size


@dataclass(frozen=True)
class Layout:
    """Shape of the networks of one picture.

    taps: neighbours in the same grid; hidden: width of the entropy network; width: of the synthesis; convs: 3x3 layers.
    """

    taps: int
    hidden: int
    width: int
    convs: int

    @property
    def inputs(self) -> int:
        """Inputs of the entropy network."""
        return self.taps + FEATURES

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors in canonical order."""
        shapes: dict[str, tuple[int, ...]] = {
            "arm.w1": (self.hidden, self.inputs),
            "arm.w2": (self.hidden, self.hidden),
            "arm.w3": (2, self.hidden),
            "arm.v": (2, self.inputs),
            "arm.b1": (GRIDS, self.hidden),
            "arm.b2": (self.hidden,),
            "arm.b3": (GRIDS, 2),
            "up": (GRIDS - 1, len(CUBIC)),
            "syn.w1": (self.width, GRIDS),
            "syn.w2": (3, self.width),
            "syn.v": (3, GRIDS),
            "syn.b1": (self.width,),
            "syn.b2": (3,),
        }
        for number in range(self.convs):
            shapes |= {f"conv.w{number}": (3, 3, 3, 3), f"conv.b{number}": (3,)}
        return shapes

    def fits(self, larger: "Layout") -> bool:
        """Whether `grown` to this layout is possible."""
        pairs = ((self.taps, larger.taps), (self.hidden, larger.hidden), (self.width, larger.width))
        return all(own <= other for own, other in pairs) and self.convs == larger.convs

    def grown(self, tensors: dict[str, np.ndarray], larger: "Layout") -> dict[str, np.ndarray]:
        """The same networks in a larger layout: new neighbours and hidden values have no weight."""
        found = {}
        columns = np.r_[: self.taps, larger.taps : larger.inputs]
        for name, shape in larger.shapes().items():
            found[name] = np.zeros(shape, tensors[name].dtype)
            own = tensors[name]
            if name in ("arm.w1", "arm.v"):
                found[name][: len(own), columns] = own
            else:
                found[name][tuple(slice(0, n) for n in own.shape)] = own
        return found

    def work(self) -> int:
        """Multiplications per pixel of a decoder."""
        arm = self.hidden * (self.inputs + self.hidden + 2) + 2 * self.inputs
        synthesis = self.width * (GRIDS + 3) + 3 * GRIDS + 81 * self.convs
        return round(arm * 4 / 3) + synthesis + 8 * GRIDS


PRESETS = {
    "lop": Layout(6, 8, 12, 1),
    "mop": Layout(10, 14, 16, 2),
    "hop": Layout(14, 22, 32, 2),
    "vhop": Layout(20, 28, 64, 2),
}


def fresh(layout: Layout, generator: torch.Generator) -> dict[str, Tensor]:
    """Networks before anything is learned: random hidden layers, scales and colours that start in the middle."""
    tensors = {}
    for name, shape in layout.shapes().items():
        tensors[name] = torch.zeros(shape)
        if name in ("arm.w1", "arm.w2", "syn.w1", "syn.w2"):
            tensors[name].normal_(0, shape[1] ** -0.5, generator=generator)
    tensors["syn.w2"] *= 0.3
    tensors["arm.w3"].normal_(0, 0.1 * layout.hidden**-0.5, generator=generator)
    tensors["arm.b3"][:, 1] = -1
    tensors["up"][:] = torch.tensor(CUBIC)
    tensors["syn.v"] += 0.3
    tensors["syn.b2"] += 0.5
    return tensors


def widened(tensors: dict[str, Tensor], random: dict[str, Tensor], own: Layout) -> dict[str, Tensor]:
    """Grown networks with random inputs to the hidden values that were added, which have no effect yet."""
    found = {name: value.clone() for name, value in tensors.items()}
    for name, kept in (("arm.w1", own.hidden), ("arm.w2", own.hidden), ("syn.w1", own.width)):
        found[name][kept:] = random[name][kept:]
    return found


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of each grid, finest first."""
    return [(-(-height // (1 << i)), -(-width // (1 << i))) for i in range(GRIDS)]


def cut(length: int, block: int = BLOCK) -> tuple[int, int]:
    """Number and length of the blocks along one side of a grid; the last one may reach beyond it."""
    count = -(-length // block)
    return count, -(-length // count)


def to_blocks(x: Tensor, side: int | None = None, block: int = BLOCK) -> Tensor:
    """[..., h, w] to [..., blocks, rows, columns], blocks in raster order, zeros beyond the grid.

    side: columns of a block, where x is not the whole grid; block: their largest side.
    """
    (down, rows), (across, columns) = (cut(length, block) for length in x.shape[-2:])
    if side is not None:
        across, columns = -(-x.shape[-1] // side), side
    x = F.pad(x, (0, across * columns - x.shape[-1], 0, down * rows - x.shape[-2]))
    x = x.unflatten(-2, (down, rows)).unflatten(-1, (across, columns))
    return x.transpose(-3, -2).flatten(-4, -3)


def features(grids: list[Tensor], level: int, columns: tuple[int, int] | None = None) -> Tensor:
    """What a grid's entropy network sees of the coarser ones: [FEATURES, B, h, w].

    The place above it in the next grid with the nearest neighbours of that across and down, and the places above it in
    the two grids after that; zeros where there are no such grids. columns: the first and the end of those wanted, instead of all.
    """
    first, end = columns or (0, grids[level].shape[2])
    left = max(0, first // 8 - 1) * 8  # a column of each of the coarser grids begins there, and neighbours are at hand
    size = grids[level][..., left : end + 8].shape
    planes = [grids[level].new_zeros(size)] * FEATURES
    for step in range(1, min(3, GRIDS - 1 - level) + 1):
        x = grids[level + step][..., left >> step : -(-(end + 8) >> step)]
        if step == 1:
            planes[1] = _twice(_near(x, 2), 1)[:, : size[1], : size[2]]
            planes[2] = _twice(_near(x, 1), 2)[:, : size[1], : size[2]]
        for _ in range(step):
            x = _twice(_twice(x, 1), 2)
        planes[(0, 3, 4)[step - 1]] = x[:, : size[1], : size[2]]
    return torch.stack([plane[..., first - left : end - left] for plane in planes])


def _twice(x: Tensor, axis: int) -> Tensor:
    """Every entry twice along an axis."""
    return torch.stack((x, x), axis + 1).flatten(axis, axis + 1)


def _near(x: Tensor, axis: int) -> Tensor:
    """For both halves of every entry along an axis, the neighbour on that side; the entry itself at the ends."""
    n = x.shape[axis]
    before = torch.cat((x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)), axis)
    after = torch.cat((x.narrow(axis, min(1, n - 1), n - 1), x.narrow(axis, n - 1, 1)), axis)
    return torch.stack((before, after), axis + 1).flatten(axis, axis + 1)


def kernels(halves: Tensor, channels: int) -> Tensor:
    """Separable kernels [channels, 1, 8, 8] from the half of a symmetric one, [4]."""
    line = torch.cat((halves, halves.flip(0)))
    return torch.outer(line, line).expand(channels, 1, 8, 8)


class Rise(torch.autograd.Function):
    """`rise` with gradients for the grids alone, which takes a fraction of the time of the library's."""

    @staticmethod
    def forward(ctx: object, up: Tensor, starts: Sequence[int], *grids: Tensor) -> Tensor:
        ctx.save_for_backward(up)
        ctx.shapes, ctx.starts = [grid.shape for grid in grids], starts
        return rise(grids, up, starts)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple:
        (up,), slopes = ctx.saved_tensors, []
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        for level, (_, height, width) in enumerate(ctx.shapes):
            slopes.append(gradient[:, 0])
            if level == GRIDS - 1:
                break
            (down, across), start = (2 * side for side in ctx.shapes[level + 1][1:]), ctx.starts[level]
            rest = F.pad(gradient[:, 1:], (start, across - width - start, 0, down - height))
            rest = rest.contiguous(memory_format=torch.channels_last)
            kernel = kernels(up[level], rest.shape[1])
            x = F.conv2d(rest, kernel, stride=2, padding=7, groups=rest.shape[1])
            gradient = _fold(_fold(x, 2), 3).contiguous(memory_format=torch.channels_last)
        return None, None, *slopes


def _fold(x: Tensor, axis: int) -> Tensor:
    """Add what lies in the two repeated entries at each end to the entry that was repeated."""
    n = x.shape[axis]
    if n == 5:
        return x.sum(axis, keepdim=True)
    first, last = (x.narrow(axis, at, 3).sum(axis, keepdim=True) for at in (0, n - 3))
    return torch.cat((first, x.narrow(axis, 3, n - 6), last), axis)


def rise(grids: Sequence[Tensor], up: Tensor, starts: Sequence[int] = WHOLE) -> Tensor:
    """All grids at full size, finest first: float [B, GRIDS, H, W], channels last; edges are repeated.

    starts: column of each grid's first in what the coarser one is doubled to, where grids are some columns of whole ones.
    """
    x = grids[-1][:, None]
    for level in range(GRIDS - 2, -1, -1):
        grid = grids[level][:, None]
        x = F.pad(x, (2, 2, 2, 2), mode="replicate").contiguous(memory_format=torch.channels_last)
        x = F.conv_transpose2d(x, kernels(up[level], x.shape[1]), stride=2, padding=7, groups=x.shape[1])
        start = starts[level]
        x = torch.cat((grid, x[:, :, : grid.shape[2], start : start + grid.shape[3]]), 1)
        x = x.contiguous(memory_format=torch.channels_last)
    return x
