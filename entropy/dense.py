"""A distribution of its own for every symbol: integer softmax, and the model that hands it to a coder."""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from .tables import TOTAL

DEPTH = 16  # a symbol whose logit lies this many nats below the best gets the least frequency


@dataclass(frozen=True)
class Dense:
    """Frequencies of every symbol of an array, and the symbol that the first class stands for; see `dense`."""

    frequencies: np.ndarray
    first: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.frequencies.shape[:-1]

    @property
    def count(self) -> int:
        """Classes of each distribution."""
        return self.frequencies.shape[-1]

    @property
    def weights(self) -> np.ndarray:
        """What the entropy coder is handed, float64 [symbols, n]: frequencies less the one that it adds itself."""
        weights = self.frequencies.reshape(-1, self.frequencies.shape[-1]) - 1
        return weights.astype(np.float64, order="C")  # other orders of memory would be misread without a word

    def narrow(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Classes and weights that code the same bytes with three classes at most, so that an encoder keeps little.

        An encoder needs the frequency of a symbol and the sum of those below it: the middle one of three classes has both.
        Where nothing lies below or above, the other side is split so that all three are possible.
        """
        if self.count <= 3:
            return classes, self.weights
        found = self.frequencies.reshape(-1, self.count)
        own = np.take_along_axis(found, classes[:, None], 1)[:, 0]
        below = np.where(np.arange(self.count) < classes[:, None], found, 0).sum(axis=1)
        three = np.stack((below, own, TOTAL - own - below), axis=1)
        lowest, highest = classes == 0, classes == self.count - 1
        three[lowest] = np.stack((own, TOTAL - own - 1, np.ones_like(own)), axis=1)[lowest]
        three[highest] = np.stack((np.ones_like(own), below - 1, own), axis=1)[highest]
        return np.where(lowest, 0, np.where(highest, 2, 1)), (three - 1).astype(np.float64)


def dense(frequencies: np.ndarray, first: int = 0) -> Dense:
    """The model of symbols with a distribution each.

    Args:
        frequencies: integers >= 1 that sum to 2^24 over the last axis, [*shape of the symbols, n], n >= 2.
        first: the symbol of the first class; all symbols lie in first .. first + n - 1.

    Raises:
        ValueError: when a distribution breaks these rules.
    """
    frequencies = np.asarray(frequencies, dtype=np.int64)
    if frequencies.ndim < 1 or frequencies.shape[-1] < 2:
        raise ValueError("a distribution needs at least two classes")
    if frequencies.size and (frequencies.min() < 1 or (frequencies.sum(axis=-1) != TOTAL).any()):
        raise ValueError(f"frequencies must be at least 1 and sum to {TOTAL}")
    return Dense(frequencies, first)


@cache
def _exponentials(step: int) -> np.ndarray:
    """exp(-d / 2^step) in units of 2^-24 for d = 0, 1, ..., by integer multiplications from one correctly rounded number."""
    with localcontext() as context:
        context.prec = 60
        ratio = int((Decimal(-1) / (1 << step)).exp() * (1 << 64))
    weight, weights = 1 << 64, []
    for _ in range(DEPTH << step):
        weights.append(weight >> 40)
        weight = (weight * ratio) >> 64
    return np.array([*weights, 0], dtype=np.int64)


def softmax(logits: np.ndarray, step: int = 6) -> np.ndarray:
    """Frequencies by the softmax of integer logits, by integer arithmetic alone.

    Args:
        logits: integers [n, *shape] in units of 2^-step nats.
        step: 0 to 10.

    Returns:
        int64 [*shape, n], each at least 1, summing to 2^24 over the last axis: a distribution for `dense`.

    Raises:
        ValueError: for a step out of bounds.
    """
    if not 0 <= step <= 10:
        raise ValueError(f"the step of a softmax lies between 0 and 10, not at {step}")
    logits = np.moveaxis(np.asarray(logits, dtype=np.int64), 0, -1)
    below = np.minimum(logits.max(axis=-1, keepdims=True) - logits, DEPTH << step)
    weights = _exponentials(step)[below]
    frequencies = 1 + weights * (TOTAL - logits.shape[-1]) // weights.sum(axis=-1, keepdims=True)
    best = weights.argmax(axis=-1)[..., None]
    left = TOTAL - frequencies.sum(axis=-1, keepdims=True)
    np.put_along_axis(frequencies, best, np.take_along_axis(frequencies, best, -1) + left, -1)
    return frequencies
