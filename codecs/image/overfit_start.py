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
WIDTH = 16


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
    """First latents of a picture: at every size a small network sees the picture of that size and its detail."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(24 if i == 0 else 6, WIDTH, 3, padding=1) for i in range(GRIDS))
        self.second = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(GRIDS))
        self.last = nn.ModuleList(nn.Conv2d(WIDTH, 4 if i == 0 else 1, 3, padding=1) for i in range(GRIDS))
        self.scale = nn.Parameter(torch.zeros(2, GRIDS, WIDTH))
        self.shift = nn.Parameter(torch.zeros(2, GRIDS, WIDTH))
        with torch.no_grad():
            for conv in self.last:
                conv.weight *= 0.3

    def forward(self, pixels: Tensor, quality: float) -> list[Tensor]:
        """Latents float [B, h, w], finest first, of pixels float [B, 3, H, W], 0..1."""
        pyramid = [pixels - 0.5]
        for height, width in sizes(*pixels.shape[2:])[1:]:
            x = pyramid[-1]
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), mode="replicate")
            pyramid.append(F.avg_pool2d(x, 2)[:, :, :height, :width])
        power = torch.tensor([quality / 50 - 1, (quality / 50 - 1) ** 2])[:, None, None]
        scale, shift = 1 + (self.scale * power).sum(0), (self.shift * power).sum(0)
        latents = []
        for level, x in enumerate(pyramid):
            coarse = pyramid[min(level + 1, GRIDS - 1)]
            detail = x - F.interpolate(coarse, scale_factor=2.0, mode="bilinear")[:, :, : x.shape[2], : x.shape[3]]
            if level == GRIDS - 1:
                detail = torch.zeros_like(x)
            x = torch.cat((x, detail), 1)
            height, width = x.shape[2:]
            if level == 0:
                x = F.pixel_unshuffle(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
            x = x.contiguous(memory_format=torch.channels_last)
            x = self.first[level](x) * scale[level][:, None, None] + shift[level][:, None, None]
            x = self.last[level](self.second[level](x.relu()).relu())
            x = F.pixel_shuffle(x, 2)[:, :, :height, :width] if level == 0 else x
            latents.append(x[:, 0] / gain(quality))
        return latents
