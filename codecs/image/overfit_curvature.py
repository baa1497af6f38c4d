"""How bits and error of a fitted picture bend along the weights of its networks, as matrices of second derivatives.

Both are sums of products of first derivatives at sampled places: of bits as a likelihood (Fisher), of error after Gauss and Newton.
"""

import math

import torch
from torch import Tensor
from torch.func import jacrev, vmap
from torch.nn import functional as F

from .overfit_fit import ARM, Fit
from .overfit_net import FEATURES, GRIDS, REACH, TAPS, features, rise, to_blocks
from .overfit_rate import laplace_bits, layers

PLACES = 1 << 15  # of each grid at most; what is chosen with 2^14 holds less well for the picture
WINDOWS = 1 << 13  # of the synthesis, one pixel each
PART, PART_WINDOWS = 1 << 12, 1 << 10  # places and windows at a time


def seen_at(grids: list[Tensor], level: int, taps: int, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """What the entropy network sees at random places of a grid, [inputs, n], the values there, [n], and places for each of them."""
    blocks = to_blocks(grids[level]).flatten(0, 1)
    inside = to_blocks(torch.ones_like(grids[level])).flatten().nonzero().squeeze(1)
    places = inside[torch.randperm(len(inside), generator=generator)[:PLACES]]
    rows, columns = blocks.shape[1:]
    padded, width = F.pad(blocks, (REACH, REACH, REACH, 0)), columns + 2 * REACH
    number, row, column = places // (rows * columns), places // columns % rows, places % columns
    own = (number * (rows + REACH) + row + REACH) * width + column + REACH
    near = [padded.flatten()[own + down * width + across] for down, across in TAPS[:taps]]
    above = to_blocks(features(grids, level)).reshape(FEATURES, -1)[:, places]
    return torch.cat((torch.stack(near), above)), blocks.flatten()[places], len(inside) / len(places)


def rate_curvature(work: Fit, generator: torch.Generator) -> Tensor:
    """Second derivatives of the bits of all grids along the "arm" tensors, in the order of ARM: float [n, n]."""
    tensors, grids = {name: work.tensors[name].detach() for name in ARM}, work.grids(work.hard())
    count = sum(value.numel() for value in tensors.values())
    found = torch.zeros(count, count)
    for level in range(GRIDS):
        inputs, values, share = seen_at(grids, level, work.layout.taps, generator)
        for x, y in zip(inputs.split(PART, 1), values.split(PART), strict=True):
            slopes = _bit_slopes(tensors, level, x, y)
            found.addmm_(slopes, slopes.t(), alpha=share * math.log(2))
    return found


def _bit_slopes(tensors: dict[str, Tensor], level: int, x: Tensor, y: Tensor) -> Tensor:
    """Derivatives of the bits at every place along all "arm" tensors, float [weights, n]."""
    weights = tuple(tensors[name] for name in ARM)
    w1, w2, w3, v = weights[:4]
    h1, h2, out, octave = layers(x, level, torch.cat((w1, v)), weights)
    _, slope, spread = laplace_bits(y, out[0], octave)
    g = torch.stack((-slope, spread * (octave == out[1])))
    g2 = (w3.t() @ g) * (h2 > 0)
    g1 = (w2.t() @ g2) * (h1 > 0)

    def outer(left: Tensor, right: Tensor) -> Tensor:
        return (left[:, None] * right).flatten(0, 1)

    def of_level(own: Tensor) -> Tensor:
        return F.pad(own, (0, 0, level * len(own), (GRIDS - 1 - level) * len(own)))

    return torch.cat((outer(g1, x), outer(g2, h1), outer(g, h2), outer(g, x), of_level(g1), g2, of_level(g)))


def error_curvature(work: Fit, names: list[str], generator: torch.Generator) -> Tensor:
    """Second derivatives of the squared error along the tensors of the synthesis, in the order of `names`: float [n, n]."""
    tensors = {name: work.tensors[name].detach() for name in names}
    x = rise([grid * work.recipe.gain for grid in work.grids(work.hard())], work.tensors["up"].detach())
    (height, width), convs = x.shape[2:], work.layout.convs
    x = F.pad(x, (convs,) * 4, mode="replicate")[0]
    side = torch.arange(2 * convs + 1)
    rows, columns = (torch.randint(n, (WINDOWS, 1, 1), generator=generator) for n in (height, width))
    windows = x[:, rows + side[:, None], columns + side].movedim(0, 1)
    count = sum(value.numel() for value in tensors.values())
    found = torch.zeros(count, count)
    for part in windows.split(PART_WINDOWS):
        slopes = vmap(jacrev(_pixel), (None, 0))(tensors, part)
        flat = torch.cat([slopes[name].reshape(3 * len(part), -1) for name in names], 1)
        found.addmm_(flat.t(), flat, alpha=2 / (3 * WINDOWS))
    return found


def _pixel(tensors: dict[str, Tensor], window: Tensor) -> Tensor:
    """The synthesis of the middle of a window [GRIDS, side, side] that has just the neighbours it needs: float [3]."""
    flat, convs = window.flatten(1), window.shape[1] // 2
    hidden = (tensors["syn.w1"] @ flat + tensors["syn.b1"][:, None]).relu()
    x = tensors["syn.w2"] @ hidden + tensors["syn.v"] @ flat + tensors["syn.b2"][:, None]
    x = x.view(3, *window.shape[1:])
    for number in range(convs):
        x = x[:, 1:-1, 1:-1] + F.conv2d(x[None], tensors[f"conv.w{number}"], tensors[f"conv.b{number}"])[0]
        if number + 1 < convs:
            x = x.relu()
    return x[:, 0, 0]
