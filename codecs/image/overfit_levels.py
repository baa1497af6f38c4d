"""Levels of the networks of image/overfit one by one: each moves where that lowers error plus lambda times bits.

Rounding each weight to its nearest level leaves more than it must: errors of one weight can make up for those of another,
and a level that brings less than it costs can go. Costs are compared on a sample of blocks and windows.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .overfit_fit import ARM, GROUPS, Fit, group_of, paint
from .overfit_net import features, rise, to_blocks
from .overfit_rate import GridBits

PLACES = 1 << 16  # of a grid in the sample, about; with an eighth of them what is found does not hold for the picture
COARSER = (0, 1)  # exponents by which the steps grow, tried in turn, beyond what is best for nearest levels
WINDOWS, SIDE, RIM = 8, 48, 2  # windows down and across, their side, and pixels of it that only serve the 3x3 layers

Cost = Callable[[dict[str, Tensor]], float]


def _spread(count: int, most: int) -> Tensor:
    """Up to `most` of `count` numbers, evenly."""
    return torch.linspace(0, count - 1, min(count, most)).round().long()


def sampled_bits(work: Fit) -> Cost:
    """Bits of all grids, estimated from some of their blocks, as a function of the networks."""
    grids, parts = work.grids(work.hard()), []
    for level, grid in enumerate(grids):
        blocks = to_blocks(grid).flatten(0, 1)
        pick = _spread(len(blocks), max(1, PLACES // blocks[0].numel()))
        seen = to_blocks(features(grids, level)).flatten(1, 2)[:, pick].contiguous()
        valid = to_blocks(torch.ones_like(grid)).flatten(0, 1)
        share = float(valid.sum() / valid[pick].sum())
        parts.append((level, blocks[pick], seen, valid[pick], share))

    def cost(tensors: dict[str, Tensor]) -> float:
        weights = [tensors[name] for name in ARM]
        return sum(
            share * float(GridBits.apply(blocks, seen, valid, level, False, *weights))
            for level, blocks, seen, valid, share in parts
        )

    return cost


def sampled_error(work: Fit) -> Cost:
    """Squared error, of a large picture estimated from some windows, as a function of the networks."""
    grids = [grid * work.recipe.gain for grid in work.grids(work.hard())]
    x = rise(grids, work.tensors["up"].detach())
    height, width = x.shape[2:]
    if height * width <= (WINDOWS * SIDE) ** 2:
        return lambda tensors: float((paint(x, tensors) - work.pixels).square().mean())
    tops, lefts = (_spread(max(1, length - SIDE + 1), WINDOWS).tolist() for length in (height, width))

    def windows(whole: Tensor) -> Tensor:
        return torch.cat([whole[:, :, top : top + SIDE, left : left + SIDE] for top in tops for left in lefts])

    inside, wanted = windows(x), windows(work.pixels)
    rim = RIM if min(inside.shape[2:]) > 4 * RIM else 0

    def cost(tensors: dict[str, Tensor]) -> float:
        difference = paint(inside, tensors) - wanted
        return float(F.pad(difference, (-rim,) * 4).square().mean())

    return cost


@torch.no_grad()
def refine(work: Fit) -> None:
    """Choose steps and levels of a fit whose latents are settled; what the sample says holds if the whole picture agrees."""
    work.choose_steps()
    best, nearest, bits, error = _whole(work), list(work.exponents), sampled_bits(work), sampled_error(work)
    kept = {}, nearest
    for coarser in COARSER:
        work.refined, work.exponents = {}, [exponent + coarser for exponent in nearest]
        work.refined = _moved(work, bits, error)
        cost = _whole(work)
        if cost < best:
            best, kept = cost, (work.refined, work.exponents)
    work.refined, work.exponents = kept


def _moved(work: Fit, bits: Cost, error: Cost) -> dict[str, Tensor]:
    """Levels of all tensors, each moved by one or left, the groups in turn."""
    levels = {name: work.levels(name).flatten() for name in work.tensors}
    tensors = {name: value.clone() for name, value in work.networks().items()}
    for group, prefixes in enumerate(GROUPS):
        names = [name for name in work.tensors if group_of(name) == group and name != "up"]
        arm = prefixes[0].startswith("arm")
        cost = (lambda: work.rate * bits(tensors)) if arm else (lambda: error(tensors))
        if names:
            _descend(work, {name: levels[name] for name in names}, tensors, cost, 2.0 ** work.exponents[group])
    return {name: value.view_as(work.tensors[name]) for name, value in levels.items()}


def _whole(work: Fit) -> float:
    """Error plus lambda times bits of what would be written now."""
    bits, extra, error = work.measure()
    return error + work.rate * (bits + extra)


def _descend(
    work: Fit, levels: dict[str, Tensor], tensors: dict[str, Tensor], cost: Callable[[], float], step: float
) -> None:
    """Try for each level of a group the other neighbour of its weight and one step towards zero; in place."""
    count = sum(len(value) for value in levels.values())
    total = sum(float(value.abs().sum()) for value in levels.values())

    def rate(total: float) -> float:
        return work.rate * count * math.log2(1 + 2 * math.e * total / count)

    best = cost() + rate(total)
    for name, own in levels.items():
        flat, origin = tensors[name].view(-1), work.origin[name].flatten()
        rest = (work.tensors[name].detach().flatten() - flat).sign()
        for place, (level, side) in enumerate(zip(own.tolist(), rest.tolist(), strict=True)):
            for other in {level + side, level - math.copysign(1, level) if level else level} - {level}:
                flat[place] = origin[place] + other * step
                changed = total - abs(float(own[place])) + abs(other)
                found = cost() + rate(changed)
                if found < best:
                    best, total, own[place] = found, changed, other
                else:
                    flat[place] = origin[place] + float(own[place]) * step
