"""Tables and predictions of what image/patch codes, fitted to training crops after the training."""

import math

import numpy as np
import torch

from ...codecs.blocks import gaussian_bits
from ...codecs.image.patch import STEPS as POINT
from ...codecs.image.patch import PatchCodec
from ...codecs.image.patch_net import PatchNet
from ...codecs.image.residuals import MOST
from ...codecs.image.side import BOUND, QUARTERS, STEPS, Near, neighbours, places
from ...codecs.signals import Picture
from ...entropy import ROWS, IntegerLinear, Tables

RIDGE = 100.0
REACH = 2 * BOUND + 1  # of what is left of a value when its expectation is taken away
PSEUDO = 15.0  # observations that a row borrows from all quarters together
EFFORT = 1  # at which residuals are counted: all efforts but 0 round that way or cheaper
VALUES = torch.arange(-BOUND, BOUND + 1).float()


@torch.no_grad()
def seen_side(net: PatchNet, crops: list[torch.Tensor]) -> list[np.ndarray]:
    """Side information of batches of crops uint8 [n, 3, H, W] at every rate point: int32 [all, side, h, w] each."""
    found: list[list[np.ndarray]] = [[] for _ in range(net.config.points)]
    for batch in crops:
        pixels = batch.float() - 127.5
        for number, kept in enumerate(found):
            z = net.hyper(net.latents(pixels, torch.full((len(batch),), float(number)))).round()
            kept.append(z.clamp(-BOUND, BOUND).numpy().astype(np.int32))
    return [np.concatenate(kept) for kept in found]


def counted(net: PatchNet, seen: list[np.ndarray]) -> np.ndarray:
    """How often each value was seen, smoothed by its trained Gaussian: int [points * side, 2 * 127 + 1]."""
    return smoothed(seen, net.side_mean, net.side_log_scale)


def smoothed(seen: list[np.ndarray], mean: torch.Tensor, log_scale: torch.Tensor) -> np.ndarray:
    """The same for values int [n, side, h, w] at every rate point and Gaussians [points, side]."""
    counts = np.stack([_histogram(z.transpose(1, 0, 2, 3).reshape(z.shape[1], -1), BOUND) for z in seen])
    scale = torch.exp(log_scale.detach())[..., None]
    shape = torch.exp(-gaussian_bits(VALUES - mean.detach()[..., None], scale) * math.log(2)).numpy()
    # As many pseudo-counts as one part in fifty of what was seen keeps rare values cheap enough.
    return (counts * 50 + shape * counts[0, 0].sum()).astype(np.int64).reshape(-1, len(VALUES))


def seen_residuals(codec: PatchCodec, crops: torch.Tensor, generator: torch.Generator) -> np.ndarray:
    """How often each residual is coded with each row, crops uint8 [n, 3, H, W] at random rates: int64 [ROWS, 2 * MOST + 1]."""
    size = 2 * MOST + 1
    seen = np.zeros(ROWS * size, np.int64)
    top = POINT * (codec.config.points - 1)
    for crop in crops:
        index = int(torch.randint(0, top + 1, (1,), generator=generator))
        symbols = codec.analyse(Picture(crop.permute(1, 2, 0).numpy()), index, EFFORT)
        places = codec.rows(symbols.side, index).astype(np.int64) * size + symbols.residual.clip(-MOST, MOST) + MOST
        seen += np.bincount(places.reshape(-1), minlength=len(seen))
    return seen.reshape(ROWS, size)


def fit_near(seen: list[np.ndarray]) -> Near:
    """What neighbours tell, from the side information of crops at every rate point."""
    heads, shares = [], []
    for step in range(len(STEPS)):
        around, values = zip(*(_cases(z, step) for z in seen), strict=True)
        heads.append(_head(around, values))
        trial = Near((heads[step], heads[step]), Tables.from_counts(np.ones(2)))
        for point, (given, value) in enumerate(zip(around, values, strict=True)):
            whole, rows = trial.expect(given, 0, point)
            shares.append(_shares(value - whole, rows % QUARTERS))
    return Near((heads[0], heads[1]), Tables.trimmed(np.concatenate(shares), -REACH))


def _cases(z: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours [4 * side, n] and values [side, n] of one step in [crops, side, h, w]."""
    where = places(*z.shape[2:])[step + 1]
    return (
        np.concatenate([neighbours(crop, step, where) for crop in z], 1),
        np.concatenate([crop[:, where] for crop in z], 1),
    )


def _head(around: tuple[np.ndarray, ...], values: tuple[np.ndarray, ...]) -> IntegerLinear:
    """Ridge regression of the values in quarters on the neighbours, with a constant for every rate point."""
    points, inputs = len(around), len(around[0])
    gram, moment = np.zeros((inputs + points,) * 2), np.zeros((inputs + points, len(values[0])))
    for point, (given, value) in enumerate(zip(around, values, strict=True)):
        constant = np.zeros((points, given.shape[1]))
        constant[point] = 1
        x = np.concatenate((given.astype(np.float64), constant))
        gram += x @ x.T
        moment += x @ value.T
    solved = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), moment) * QUARTERS
    limit = QUARTERS * BOUND
    return IntegerLinear.freeze(solved[:inputs].T, solved[inputs:], BOUND, -limit, limit)


def _histogram(values: np.ndarray, reach: int) -> np.ndarray:
    """How often each of -reach .. reach occurs in every row of [rows, n]: int64 [rows, 2 * reach + 1]."""
    size = 2 * reach + 1
    classes = values.clip(-reach, reach) + reach + size * np.arange(len(values))[:, None]
    return np.bincount(classes.reshape(-1), minlength=size * len(values)).reshape(len(values), size)


def _shares(left: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Smoothed shares of what is left in every channel and quarter: float [channels * quarters, 2 * REACH + 1]."""
    counts = []
    for quarter in range(QUARTERS):
        # What belongs to another quarter is counted beyond the end, where nothing is.
        counts.append(_histogram(np.where(quarters == quarter, left, REACH), REACH))
        counts[-1][:, -1] = 0
    counts = np.stack(counts, 1).astype(np.float64)
    together = counts.sum(1, keepdims=True) + 0.01 * np.exp(-np.abs(np.arange(-REACH, REACH + 1)))
    together /= together.sum(2, keepdims=True)
    return (counts + PSEUDO * together).reshape(-1, 2 * REACH + 1)
