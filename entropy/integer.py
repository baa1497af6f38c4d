"""Integer layers: networks that feed a probability and give the same integers on every machine."""

from dataclasses import dataclass

import numpy as np

EXACT = 1 << 24  # float32 holds every integer up to here, so sums below it are exact in any order
SHIFT = 20


@dataclass(frozen=True)
class IntegerLinear:
    """A linear layer in integers: clip((W8 z * multiplier + bias + half) >> shift, low, high).

    The products W8 z are summed in float32, which is exact because `freeze` proves that no partial sum reaches 2^24;
    the rest is 64-bit integer arithmetic. `freeze` is the way to make one.

    Attributes:
        weight: int8 [outputs, inputs].
        multiplier: int64 [outputs], in units of 2^-shift.
        bias: int64 [sets, outputs], in units of 2^-shift; one set is chosen by the caller.
        input_bound: largest magnitude of an input that is allowed.
        low, high: range of the result.
    """

    weight: np.ndarray
    multiplier: np.ndarray
    bias: np.ndarray
    input_bound: int
    low: int
    high: int
    shift: int = SHIFT

    def __post_init__(self) -> None:
        reach = np.abs(self.weight.astype(np.int64)).sum(axis=1) * self.input_bound
        if reach.max() >= EXACT:
            raise OverflowError(f"partial sums reach {int(reach.max())}, beyond the {EXACT} that float32 adds exactly")
        largest = int((reach * np.abs(self.multiplier)).max()) + int(np.abs(self.bias).max()) + (1 << self.shift)
        if largest >= 1 << 62:
            raise OverflowError(f"a scaled sum reaches {largest}, beyond 64-bit integers")

    @classmethod
    def freeze(
        cls, weight: np.ndarray, bias: np.ndarray, input_bound: int, low: int, high: int, shift: int = SHIFT
    ) -> "IntegerLinear":
        """The integer layer next to a trained float layer.

        Args:
            weight: float [outputs, inputs].
            bias: float [sets, outputs].
            input_bound: largest magnitude of the integer inputs.
            low, high: range of the result.

        Raises:
            OverflowError: when sums could leave the exact range.
        """
        weight = np.asarray(weight, dtype=np.float64)
        scale = np.maximum(np.abs(weight).max(axis=1), 2.0**-shift) / 127
        # The scale is rounded to the multiplier first, so that the rounded weights belong to the scale in use.
        multiplier = np.maximum(np.rint(scale * 2.0**shift), 1).astype(np.int64)
        rounded = np.rint(weight / (multiplier[:, None] * 2.0**-shift))
        return cls(
            np.clip(rounded, -127, 127).astype(np.int8),
            multiplier,
            np.rint(np.asarray(bias, dtype=np.float64) * 2.0**shift).astype(np.int64),
            input_bound,
            low,
            high,
            shift,
        )

    def __call__(self, inputs: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Integer outputs [outputs, n] of integer inputs [inputs, n]; `bias` int64 [outputs] comes from `self.bias`."""
        if inputs.size and np.abs(inputs).max() > self.input_bound:
            raise OverflowError(f"an input lies beyond the bound {self.input_bound} that the layer was frozen for")
        total = np.rint(self.weight.astype(np.float32) @ inputs.astype(np.float32)).astype(np.int64)
        total = total * self.multiplier[:, None] + bias[:, None] + (1 << (self.shift - 1))
        return np.clip(total >> self.shift, self.low, self.high)

    def state(self) -> dict[str, np.ndarray]:
        """The layer as arrays for a weights file."""
        numbers = np.array([self.input_bound, self.low, self.high, self.shift], dtype=np.int64)
        return {"weight": self.weight, "multiplier": self.multiplier, "bias": self.bias, "numbers": numbers}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> "IntegerLinear":
        """The inverse of `state`; the bounds are proved again."""
        bound, low, high, shift = (int(number) for number in state["numbers"])
        return cls(state["weight"], state["multiplier"], state["bias"], bound, low, high, shift)
