"""Two channels as their half sum and half difference, where that leaves less to code."""

import numpy as np

from .resample import clean

BLOCK = 1 << 20  # samples that are squared at a time


def alike(samples: np.ndarray) -> bool:
    """Whether float [2, n] has less energy, as a product over channels, as half sum and difference: the coding gain."""
    straight, crossed = np.zeros(2), np.zeros(2)
    for start in range(0, samples.shape[1], BLOCK):
        block = clean(samples[:, start : start + BLOCK])
        straight += np.square(block, dtype=np.float64).sum(1)
        crossed += np.square(crossing(block), dtype=np.float64).sum(1)
    return bool(4 * crossed.prod() <= straight.prod())  # half sum and half difference hold half of the energy


def crossing(samples: np.ndarray) -> np.ndarray:
    """Half sum and half difference of float [2, n]."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1])) / 2


def uncrossing(samples: np.ndarray) -> np.ndarray:
    """The inverse of `crossing`."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1]))
