"""Where a fit of image/overfit begins: networks learned once for five rate points, and an analysis that gives first latents.

Between two rate points the networks are interpolated, in integers, so that every decoder has the same ones.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .overfit_net import GRIDS, Layout, fresh, sizes

POINTS = 5  # sets of networks, evenly over the qualities 0 to 100
UNITS = {"arm": -8, "up": -12, "syn": -12, "conv": -12}  # powers of two in which learned networks are stored, int16
HIGHEST, RANGE = 2e-2, 200.0  # weight of the rate at quality 0, and how many times less it is at 100
WIDTH, OWN, SHUFFLED = 24, 3, 24  # of the analysis: channels, sizes with layers of their own, channels of the finest


def lagrangian(quality: float) -> float:
    """Weight of a bit per pixel against the squared error of pixels in 0..1."""
    return HIGHEST * RANGE ** (-quality / 100)


def gain(quality: float) -> float:
    """What a latent of 1 means to the synthesis: about the square root of twelve times the error that rounding may make."""
    return math.sqrt(10 * lagrangian(quality))


def unit(name: str) -> int:
    """Power of two in which a tensor of the learned networks is stored."""
    return UNITS[name.partition(".")[0]]


def between(sets: np.ndarray, quality: int) -> np.ndarray:
    """Integers of one tensor at a whole quality, int64 [...] of int16 [POINTS, ...]."""
    gap = 100 // (POINTS - 1)
    point, step = divmod(quality, gap)
    left, right = (sets[min(at, POINTS - 1)].astype(np.int64) for at in (point, point + 1))
    return (left * (gap - step) + right * step) // gap


class Sets(nn.Module):
    """Networks of one preset at all rate points, float while they are learned; `integers` is what ships."""

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        super().__init__()
        start = fresh(layout, torch.Generator().manual_seed(seed))
        self.layout, self.names = layout, list(start)
        for name, value in start.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value.expand(POINTS, *value.shape).clone()))

    def at(self, quality: float) -> dict[str, Tensor]:
        """The networks at a quality, differentiable."""
        place = quality / 100 * (POINTS - 1)
        point = min(int(place), POINTS - 2)
        return {name: self[name][point].lerp(self[name][point + 1], place - point) for name in self.names}

    def __getitem__(self, name: str) -> Tensor:
        return getattr(self, name.replace(".", "_"))

    def integers(self) -> dict[str, np.ndarray]:
        """Tensors int16 [POINTS, ...] in units of 2^unit."""
        found = {}
        for name in self.names:
            value = (self[name].detach() * 2.0 ** -unit(name)).round().clamp(-32767, 32767)
            found[name] = value.numpy().astype(np.int16)
        return found


class Analysis(nn.Module):
    """First latents of a picture: features of its sizes from fine to coarse, then latents from coarse to fine.

    Sizes from 1/4 on share their layers and differ in scales, shifts and the last layer alone.
    """

    def __init__(self) -> None:
        super().__init__()
        seen = [SHUFFLED] + [WIDTH + 6] * (OWN - 1)
        self.down = nn.ModuleList(nn.Conv2d(count, WIDTH, 3, padding=1) for count in seen)
        self.up = nn.ModuleList(nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1) for _ in range(OWN))
        self.last = nn.ModuleList(nn.Conv2d(WIDTH, 4 if i == 0 else 1, 3, padding=1) for i in range(GRIDS))
        self.scale = nn.Parameter(torch.zeros(2, 2, GRIDS, WIDTH))
        self.shift = nn.Parameter(torch.zeros(3, 2, GRIDS, WIDTH))
        with torch.no_grad():
            for conv in self.last:
                conv.weight *= 0.3

    def forward(self, pixels: Tensor, quality: float) -> list[Tensor]:
        """Latents float [B, h, w], finest first, of pixels float [B, 3, H, W], 0..1."""
        power = torch.tensor([1.0, quality / 50 - 1, (quality / 50 - 1) ** 2])[:, None, None, None]
        scale, shift = 1 + (self.scale * power[1:]).sum(0), (self.shift * power).sum(0)

        def layer(conv: nn.Conv2d, x: Tensor, way: int, level: int) -> Tensor:
            x = conv(x.contiguous(memory_format=torch.channels_last))
            return (x * scale[way, level][:, None, None] + shift[way, level][:, None, None]).relu()

        found: list[Tensor] = []
        for level, x in enumerate(seen := _pyramid(pixels)):
            if level > 0:  # the finest features already have the size of the next
                x = torch.cat((x, _halved(found[-1], *x.shape[2:]) if level > 1 else found[-1]), 1)
            found.append(layer(self.down[min(level, OWN - 1)], x, 0, level))
        latents, x = [], found[-1]
        for level in range(GRIDS - 1, -1, -1):
            if level < GRIDS - 1:
                x = F.interpolate(x, scale_factor=2.0) if level > 0 else x
                height, width = seen[level].shape[2:]
                x = torch.cat((found[level], x[:, :, :height, :width]), 1)
                x = layer(self.up[min(level, OWN - 1)], x, 1, level)
            latents.append(self.last[level](x))
        height, width = pixels.shape[2:]
        latents[-1] = F.pixel_shuffle(latents[-1], 2)[:, :, :height, :width]
        return [grid[:, 0] / gain(quality) for grid in reversed(latents)]


def _halved(x: Tensor, height: int, width: int) -> Tensor:
    """Means of two by two entries; edges are repeated where a side is odd."""
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), mode="replicate")
    return F.avg_pool2d(x, 2)[:, :, :height, :width]


def _pyramid(pixels: Tensor) -> list[Tensor]:
    """A picture at all sizes beside its detail, [B, 6, h, w]; of the finest two by two pixels, [B, 24, ...]."""
    sides, found = sizes(*pixels.shape[2:]), [pixels - 0.5]
    for height, width in sides[1:]:
        found.append(_halved(found[-1], height, width))
    for level, x in enumerate(found):
        detail = torch.zeros_like(x)
        if level < GRIDS - 1:
            coarse = F.interpolate(found[level + 1], scale_factor=2.0, mode="bilinear")
            detail = x - coarse[:, :, : x.shape[2], : x.shape[3]]
        found[level] = torch.cat((x, detail), 1)
    (height, width), x = sides[0], found[0]
    found[0] = F.pixel_unshuffle(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
    return found
