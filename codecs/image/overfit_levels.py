"""Steps and levels of the networks of image/overfit, chosen for what they do together to error plus lambda times bits.

Rounding each weight to its nearest level costs more than it must: the error that one makes can be made up for by others, and a
level that brings less than it costs can go. What rounding does is taken from second derivatives at the fitted weights, so no
network runs for a choice, and step sizes can be searched.
"""

import math

import numpy as np
import torch

from .overfit_curvature import error_curvature, rate_curvature
from .overfit_fit import ARM, Fit, group_bits, group_of

# Added to the curvature along each weight, in bits: what the sample shows no use for may still be of use. The second is for
# pictures where a choice by the first does not hold.
DAMPED = (300.0, 30000.0)
PASSES = 6  # over all weights
FINEST = {"arm": -8, "syn": -14}  # exponents of steps


@torch.no_grad()
def refine(work: Fit) -> None:
    """Choose steps and levels of a fit whose latents are settled; they replace nearest levels if they cost less."""
    generator = torch.Generator().manual_seed(work.recipe.seed)
    rest = [name for name in work.tensors if name.startswith(("syn", "conv"))]
    curvatures = (
        (list(ARM), rate_curvature(work, generator)),
        (rest, error_curvature(work, rest, generator) / work.rate),
    )
    start = list(work.exponents)
    best, kept = _cost(work), ({}, start)
    for damp in DAMPED:
        work.refined, work.exponents = {}, list(start)
        chosen = {name: work.levels(name) for name in work.tensors}
        for names, curvature in curvatures:
            chosen |= _choose(work, names, curvature.double().numpy() + damp * np.eye(len(curvature)))
        work.refined = chosen
        cost = _cost(work)
        if cost < best:
            best, kept = cost, (chosen, work.exponents)
            break
    work.refined, work.exponents = kept


def _cost(work: Fit) -> float:
    """Error plus lambda times bits of what would be written now."""
    bits, extra, error = work.measure()
    return error + work.rate * (bits + extra)


def _choose(work: Fit, names: list[str], curvature: np.ndarray) -> dict[str, torch.Tensor]:
    """Levels of some tensors at the steps that cost least, which are set in `work`."""
    wanted = torch.cat([(work.tensors[name].detach() - work.origin[name]).flatten() for name in names]).double().numpy()
    groups = np.repeat([group_of(name) for name in names], [work.tensors[name].numel() for name in names])
    finest = FINEST[names[0][:3]]

    def tried(exponents: dict[int, int]) -> tuple[float, np.ndarray]:
        steps = np.array([2.0 ** exponents[group] for group in groups.tolist()])
        return descend(curvature * np.outer(steps, steps), wanted / steps, groups)

    exponents = {group: work.exponents[group] for group in sorted({*groups.tolist()})}
    (best, levels), seen, improved = tried(exponents), {tuple(exponents.values())}, True
    while improved:
        improved = False
        for group in exponents:
            for other in (exponents[group] + 1, exponents[group] - 1):
                trial = exponents | {group: max(finest, other)}
                if tuple(trial.values()) not in seen:
                    seen.add(tuple(trial.values()))
                    cost, found = tried(trial)
                    if cost < best:
                        best, levels, exponents, improved = cost, found, trial, True
    for group, exponent in exponents.items():
        work.exponents[group] = exponent
    parts = torch.from_numpy(levels).float().split([work.tensors[name].numel() for name in names])
    return {name: part.view_as(work.tensors[name]) for name, part in zip(names, parts, strict=True)}


def descend(curvature: np.ndarray, wanted: np.ndarray, groups: np.ndarray) -> tuple[float, np.ndarray]:
    """Levels, whole float64 [n], that come near the least of rest' curvature rest / 2 + bits, and that sum.

    curvature: float64 [n, n], in bits, symmetric with a positive diagonal; wanted: float64 [n], what levels would be if they
    were not whole; rest is levels - wanted; groups: numbers of the groups whose levels share a Laplace distribution.
    """
    levels, own = np.round(wanted), np.diag(curvature).tolist()
    slopes = curvature @ (levels - wanted)
    counts = np.bincount(groups).tolist()
    sums = np.bincount(groups, np.abs(levels)).tolist()
    for _ in range(PASSES):
        moved = False
        for at, group in enumerate(groups.tolist()):
            # What another unit of magnitude costs, about; then the least is as far from zero as the curvature is worth it.
            price = 2 * math.e / ((1 + 2 * math.e * sums[group] / counts[group]) * math.log(2))
            level, bend = float(levels[at]), own[at]
            best = level - float(slopes[at]) / bend
            low = math.floor(math.copysign(max(0.0, abs(best) - price / bend), best))
            costs = [(bend / 2 * (best - x) ** 2 + price * abs(x), x) for x in (0.0, float(low), low + 1.0)]
            other = min(costs)[1]
            if other != level:
                slopes += curvature[at] * (other - level)
                sums[group] += abs(other) - abs(level)
                levels[at], moved = other, True
        if not moved:
            break
    bits = sum(group_bits(n, total) for n, total in zip(counts, sums, strict=True) if n)
    rest = levels - wanted
    return float(rest @ curvature @ rest / 2) + bits, levels
