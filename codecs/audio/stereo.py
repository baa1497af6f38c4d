"""Two channels as their half sum and half difference, where that leaves less to code."""

from collections.abc import Iterable

import numpy as np


def alike(parts: Iterable[np.ndarray]) -> bool:
    """Whether a sound in stretches, float [2, n] each, has less energy as half sum and half difference: the coding gain.

    Energy is the product over the channels.
    """
    straight, crossed = np.zeros(2), np.zeros(2)
    for part in parts:
        straight += np.square(part, dtype=np.float64).sum(1)
        crossed += np.square(crossing(part), dtype=np.float64).sum(1)
    return bool(4 * crossed.prod() <= straight.prod())  # half sum and half difference hold half of the energy


def crossing(samples: np.ndarray) -> np.ndarray:
    """Half sum and half difference of float [2, n]."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1])) / 2


def uncrossing(samples: np.ndarray) -> np.ndarray:
    """The inverse of `crossing`."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1]))
