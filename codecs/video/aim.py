"""Coming to a size while fitting: the weight of the rate is moved as the fit goes on, and steps settle to fit."""

import math
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .levels import Quantised

if TYPE_CHECKING:
    from .fit import Fit, Fitted

PULL = 60.0  # the weight follows a deviation within about a sixtieth of the schedule
MOST = 1.5  # factor of the weight at a time
RANGE = 64.0  # and between the recipe's weight and where it may go
TRIALS = 4  # ways to settle that are coded
LOOK = 0.03  # of the schedule, between two times when the network is coded to see its true size
FREE = 12  # tensors, the largest, whose steps may settle either way
DEAR = 0.03  # a share of the bits missed counts as much as steps that are half a power of two off, for this share of the bits


class Aim:
    """Moves the weight of the rate towards the bits or the error that a recipe aims at, once rounding has begun.

    Args:
        bits: what the coded network is to come to; error: the mean squared error to come to, where no bits are aimed at.
            None for both leaves the weight as it is.
        size: bytes that a fitted network is coded with.

    Attributes:
        truth: coded bits in parts of the estimated ones.
    """

    def __init__(self, bits: float | None, error: float | None, size: Callable[["Fitted"], int] | None) -> None:
        self.bits, self.error, self.size, self.truth = bits, error, size, 1.0
        self.reached, self.moved, self.looked = 0.0, 0.0, -1.0

    def factor(self, work: "Fit", fraction: float) -> float:
        """What the weight is to be multiplied with at a fraction of the schedule."""
        passed, self.reached = fraction - self.reached, fraction
        if not work.quantised or (self.bits is None and self.error is None):
            return 1.0
        if self.bits is None:
            excess = -math.log(max(work.error, 1e-9) / self.error)
        elif work.settled and not work.warm:
            return 1.0
        else:
            if fraction - self.looked >= LOOK:
                self.looked = fraction
                self._look(work)
            excess = math.log(work.bits() * self.truth / self.bits)
        move = max(-math.log(MOST), min(math.log(MOST), 4 * PULL * passed * excess))
        limit = math.log(RANGE)
        move = max(-limit, min(limit, self.moved + move)) - self.moved
        self.moved += move
        return math.exp(move)

    def _look(self, work: "Fit") -> float:
        """Code the network, with steps rounded to powers of two for the while; its bits."""
        parts = (work.weights, work.codes)
        coded = 8 * self.size(work.result(final=False))
        kept = [part.exponents.clone() for part in parts]
        for part in parts:
            part.exponents.round_()
        self.truth = coded / work.bits()
        for part, exponents in zip(parts, kept, strict=True):
            part.exponents.copy_(exponents)
        return coded

    def settle(self, work: "Fit") -> None:
        """Round all exponents for good; where there is an aim, so that the coded network comes near it."""
        parts, tried = (work.weights, work.codes), []
        learned = [part.exponents.clone() for part in parts]
        for _ in range(1 if self.bits is None else TRIALS):
            for part, exponents in zip(parts, learned, strict=True):
                part.exponents.copy_(exponents)
            settle(parts, None if self.bits is None else self.bits / self.truth)
            found = [part.exponents.clone() for part in parts]
            tried.append((0.0 if self.bits is None else abs(self._look(work) - self.bits), found))
        for part, exponents in zip(parts, min(tried, key=lambda pair: pair[0])[1], strict=True):
            part.exponents.copy_(exponents)


def settle(parts: tuple[Quantised, ...], bits: float | None) -> None:
    """Round all exponents to whole numbers; where `bits` is given, up or down so that the estimated bits come near it."""
    if bits is None:
        for part in parts:
            part.exponents.round_()
        return
    learned = np.concatenate([part.exponents.numpy() for part in parts]).astype(np.float64)
    sizes = np.array([tensor.numel() for part in parts for tensor in part.tensors], dtype=np.float64)
    down = np.floor(learned)
    chosen, free = np.rint(learned), np.argsort(-sizes, kind="stable")[:FREE]
    choices = np.array(list(product((0, 1), repeat=len(free))))
    trials = np.tile(chosen, (len(choices), 1))
    trials[:, free] = down[free] + choices
    # A step twice as large saves one bit for every value.
    total = sum(part.bits() for part in parts) - (trials - learned) @ sizes
    off = ((trials - learned) ** 2 @ sizes) / sizes.sum()
    best = trials[np.argmin(((total - bits) / bits / DEAR) ** 2 + 4 * off)]
    first = 0
    for part in parts:
        count = len(part.exponents)
        part.exponents.copy_(part.exponents.new_tensor(best[first : first + count]))
        first += count
