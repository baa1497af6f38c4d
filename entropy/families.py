"""Two parametric families of integer tables, made by integer arithmetic alone.

A row is a discrete Gaussian with weights q^(k*k), or a discrete Laplace distribution with weights q^|k|, k an integer.
Row r belongs to a continuous scale of sigma_r = 0.11 * (256 / 0.11)^(r / 63); q is the ratio whose second moment equals
that of a Gaussian of sigma_r rounded to integers. The ratios are constants in units of 2^-32, so no float takes part and
every machine makes the same tables.
"""

import math
from functools import cache

import numpy as np

from .tables import TOTAL, Tables

ROWS = 64
SIGMA_MIN, SIGMA_MAX = 0.11, 256.0
ESCAPE = 64  # frequency of the escape class: 18 bits for a symbol outside the row
TAIL = 15  # a row ends where the weight falls below 2^-15 of the centre

# fmt: off
GAUSSIAN_RATIOS = (
    11772, 125433, 815719, 3605467, 11792185, 30532787, 66030403, 124387513, 210810596, 329282515, 482403794,
    671495161, 897569115, 1161724954, 1461000779, 1783380633, 2111384269, 2429118256, 2724904795, 2991322340,
    3224771692, 3424736302, 3592870444, 3732134676, 3846103756, 3938478397, 4012779292, 4072181401, 4119445294,
    4156909591, 4186518044, 4209863391, 4228236786, 4242676371, 4254011620, 4262902087, 4269870247, 4275328794,
    4279602970, 4282948646, 4285566848, 4287615341, 4289217837, 4290471283, 4291451614, 4292218280, 4292817815,
    4293286631, 4293653216, 4293939854, 4294163977, 4294339214, 4294476228, 4294583355, 4294667113, 4294732600,
    4294783800, 4294823831, 4294855130, 4294879600, 4294898732, 4294913690, 4294925385, 4294934528,
)
LAPLACE_RATIOS = (
    11772, 125419, 815099, 3593403, 11664173, 29690027, 62218991, 111559181, 176586826, 253266757, 336430152,
    421945128, 508573522, 598579486, 696336284, 805776469, 928782788, 1065318231, 1214178617, 1373452629, 1540742947,
    1713356822, 1888505305, 2063488360, 2235843861, 2403449530, 2564577205, 2717905997, 2862504385, 2997791849,
    3123489398, 3239566263, 3346187792, 3443667733, 3532426511, 3612956111, 3685791432, 3751487600, 3810602513,
    3863683837, 3911259660, 3953832115, 3991873337, 4025823228, 4056088596, 4083043293, 4107029089, 4128357034,
    4147309154, 4164140331, 4179080271, 4192335500, 4204091314, 4214513662, 4223750937, 4231935646, 4239185975,
    4245607224, 4251293128, 4256327057, 4260783116, 4264727130, 4268217535, 4271306190,
)
# fmt: on


def sigma(row: int) -> float:
    """Scale of a row in symbol units; for training and diagrams only, never needed to decode."""
    return SIGMA_MIN * math.exp(row / (ROWS - 1) * math.log(SIGMA_MAX / SIGMA_MIN))


def _weights(ratio: int, step: int) -> list[int]:
    """Weights of k = 0, 1, ... in units of 2^-32: each is the last times a factor that itself shrinks by `step` (2^-32)."""
    weight, factor, weights = 1 << 32, ratio, []
    while weight >= 1 << (32 - TAIL):
        weights.append(weight)
        weight = (weight * factor) >> 32
        factor = (factor * step) >> 32
    return weights


def _row(weights: list[int]) -> np.ndarray:
    """Frequencies of -n..n and the escape class: proportional shares, at least 1, the remainder to the centre."""
    share = TOTAL - ESCAPE - 2 * len(weights)
    total = 2 * sum(weights) - weights[0]
    tail = [1 + weight * share // total for weight in weights[1:]]
    centre = TOTAL - ESCAPE - 2 * sum(tail)
    return np.array([*reversed(tail), centre, *tail, ESCAPE], dtype=np.int64)


def _family(rows: list[list[int]]) -> Tables:
    return Tables([_row(weights) for weights in rows], [1 - len(weights) for weights in rows], escape=True)


@cache
def gaussian() -> Tables:
    """64 zero-mean discrete Gaussian rows with escape; row r has scale `sigma(r)`."""
    return _family([_weights(q, (q * q) >> 32) for q in GAUSSIAN_RATIOS])


@cache
def laplace() -> Tables:
    """64 zero-mean discrete Laplace rows with escape; row r has the second moment of a rounded Gaussian of `sigma(r)`."""
    return _family([_weights(q, 1 << 32) for q in LAPLACE_RATIOS])
