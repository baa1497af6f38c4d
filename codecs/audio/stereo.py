"""Two channels as their half sum and half difference, where that leaves less to code."""

import numpy as np


def alike(samples: np.ndarray) -> bool:
    """Whether float [2, n] has less energy, as a product over channels, as half sum and difference: the coding gain."""
    straight, crossed = (np.square(part, dtype=np.float64).mean(1) for part in (samples, crossing(samples)))
    return bool(4 * crossed.prod() <= straight.prod())  # half sum and half difference hold half of the energy


def crossing(samples: np.ndarray) -> np.ndarray:
    """Half sum and half difference of float [2, n]."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1])) / 2


def uncrossing(samples: np.ndarray) -> np.ndarray:
    """The inverse of `crossing`."""
    return np.stack((samples[0] + samples[1], samples[0] - samples[1]))
