"""Integer networks: several layers that feed a probability and give the same integers on every machine.

Every layer computes floor((W x * multiplier + bias) / 2^shift), clipped, in whole numbers. The products are added in
float64 matrices whose entries are multiples of 2^-shift; construction proves that no partial sum needs more than 53 bits,
so float64 is exact whatever the order of the additions, the instruction set or the number of threads.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar

import numpy as np

EXACT = 1 << 53  # float64 holds every integer up to here
SHIFT = 24
CODES = 1 << 16  # largest codebook of an embedding


@dataclass(frozen=True)
class Layer:
    """What the layers that multiply share: int8 weights, one multiplier and bias for every output, a clip.

    Attributes:
        weight: int8 [outputs, ...].
        multiplier: int64 [outputs], in units of 2^-shift.
        bias: int64 [outputs], in units of 2^-shift, the half for rounding included.
        low, high: range of the result.
    """

    weight: np.ndarray
    multiplier: np.ndarray
    bias: np.ndarray
    low: int
    high: int
    shift: int = SHIFT

    @cached_property
    def _matrix(self) -> np.ndarray:
        # A power of two moves the exponent only: the entries stay exact.
        spread = self.multiplier.reshape(-1, *[1] * (self.weight.ndim - 1))
        return (self.weight.astype(np.int64) * spread).astype(np.float64) * 2.0**-self.shift

    @cached_property
    def _offset(self) -> np.ndarray:
        return self.bias.astype(np.float64) * 2.0**-self.shift

    def prove(self, bound: int) -> int:
        """The largest magnitude of the outputs for inputs up to `bound`; raises OverflowError where sums are not exact."""
        if self.low > self.high or not 0 <= self.shift <= 40:
            raise OverflowError("a layer of an integer network has an empty range or a shift beyond 40")
        reach = np.abs(self.weight.astype(object).reshape(len(self.weight), -1)).sum(axis=1) * bound
        largest = max(
            int(r * abs(int(m)) + abs(int(b))) for r, m, b in zip(reach, self.multiplier, self.bias, strict=True)
        )
        if largest >= EXACT:
            raise OverflowError(f"a scaled sum reaches {largest}, beyond the {EXACT} that float64 adds exactly")
        return max(abs(self.low), abs(self.high))

    def _finish(self, total: np.ndarray) -> np.ndarray:
        total += self._offset.reshape(-1, *[1] * (total.ndim - 1))
        np.floor(total, out=total)
        return np.clip(total, self.low, self.high, out=total)


class Affine(Layer):
    """A 1x1 convolution, which is a linear layer at every place: int8 [outputs, inputs]."""

    reach: ClassVar[int] = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        total = self._matrix @ x.reshape(len(x), -1)
        return self._finish(total.reshape(-1, *x.shape[1:]))


class DepthWise(Layer):
    """A convolution of each channel with a kernel of its own, int8 [channels, k, k], k odd, zeros around; of [C, H, W]."""

    @property
    def reach(self) -> int:
        """Places on each side that an output depends on."""
        return self.weight.shape[-1] // 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        side, (height, width) = self.reach, x.shape[1:]
        padded = np.pad(x, ((0, 0), (side, side), (side, side)))
        total = np.zeros(x.shape)
        for row in range(2 * side + 1):
            for column in range(2 * side + 1):
                part = padded[:, row : row + height, column : column + width]
                total += part * self._matrix[:, row, column, None, None]
        return self._finish(total)


@dataclass(frozen=True)
class Causal(Layer):
    """A convolution over time that sees the present and the past: int8 [outputs, inputs, k]; of [C, T], zeros before it."""

    dilation: int = 1

    @property
    def reach(self) -> int:
        """Steps of the past that an output depends on."""
        return (self.weight.shape[2] - 1) * self.dilation

    def __call__(self, x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (self.reach, 0)))
        taps = range(self.weight.shape[2])
        parts = (self._matrix[:, :, k] @ padded[:, k * self.dilation :][:, : x.shape[1]] for k in taps)
        return self._finish(sum(parts))  # pyright: ignore[reportArgumentType]  a kernel has at least one tap


@dataclass(frozen=True)
class Stored:
    """What the layers share that look their outputs up: the table."""

    table: np.ndarray
    reach: ClassVar[int] = 0

    @property
    def low(self) -> int:
        """Smallest entry."""
        return int(self.table.min())

    @property
    def high(self) -> int:
        """Largest entry."""
        return int(self.table.max())


@dataclass(frozen=True)
class Embedding(Stored):
    """Codes [books, *space] to vectors [books * dim, *space]: int16 tables [books, size, dim]."""

    def prove(self, bound: int) -> int:
        """The largest magnitude of the outputs; `bound` is the largest code."""
        if not 0 <= bound < self.table.shape[1]:
            raise OverflowError(f"codes up to {bound} do not fit an embedding of {self.table.shape[1]}")
        return max(abs(self.low), abs(self.high))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        vectors = [table[codes] for table, codes in zip(self.table, x.astype(np.int64), strict=True)]
        return np.concatenate([np.moveaxis(v, -1, 0) for v in vectors]).astype(np.float64)


@dataclass(frozen=True)
class Lookup(Stored):
    """An activation: the output for every integer input from `first` on, int32 [n]."""

    first: int

    def prove(self, bound: int) -> int:
        """The largest magnitude of the outputs; inputs beyond the ends are as those at the ends."""
        return max(abs(self.low), abs(self.high))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        places = np.clip(x.astype(np.int64) - self.first, 0, len(self.table) - 1)
        return self.table[places].astype(np.float64)


@dataclass(frozen=True)
class Residual:
    """Adds what `layers` make of the input to it, and clips to `low` .. `high`."""

    layers: tuple
    low: int
    high: int

    @property
    def reach(self) -> int:
        """Places that an output depends on."""
        return sum(layer.reach for layer in self.layers)

    def prove(self, bound: int) -> int:
        """The largest magnitude of the outputs."""
        _prove(self.layers, bound)
        return max(abs(self.low), abs(self.high))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x + _run(self.layers, x), self.low, self.high)


KINDS = {kind.__name__: kind for kind in (Affine, DepthWise, Causal, Embedding, Lookup)}


class Network:
    """A sequence of integer layers; `codecs.freezing.freeze` makes one out of a trained float network.

    Args:
        layers: at least one.
        input_bound: largest magnitude of an input (of a code, where an embedding comes first).

    Raises:
        OverflowError: when a sum could leave the range in which float64 is exact.
    """

    def __init__(self, layers: Iterable, input_bound: int) -> None:
        self.layers, self.input_bound = tuple(layers), input_bound
        if _prove(self.layers, input_bound) >= 1 << 31:
            raise OverflowError("the outputs of an integer network do not fit 32 bits")

    @property
    def low(self) -> int:
        """Smallest output."""
        return self.layers[-1].low

    @property
    def high(self) -> int:
        """Largest output."""
        return self.layers[-1].high

    @property
    def reach(self) -> int:
        """Places (on each side, or of the past) that an output depends on."""
        return sum(layer.reach for layer in self.layers)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers [channels, *space] up to the bound to int32 [outputs, *space]; raises OverflowError beyond the bound."""
        if x.size and (x.max() > self.input_bound or -x.min() > self.input_bound):
            raise OverflowError(f"an input lies beyond the bound {self.input_bound} that the network was frozen for")
        return _run(self.layers, x.astype(np.float64)).astype(np.int32)

    def state(self) -> dict[str, np.ndarray]:
        """The network as arrays for a weights file; `from_state` is the inverse."""
        arrays: dict[str, np.ndarray] = {}
        plan = {"bound": self.input_bound, "layers": _describe(self.layers, "", arrays)}
        return arrays | {"plan": np.frombuffer(json.dumps(plan, sort_keys=True).encode(), dtype=np.uint8)}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> "Network":
        """A network from what `state` gave; the bounds are proved again. Raises KeyError, ValueError, OverflowError."""
        plan = json.loads(bytes(np.asarray(state["plan"], dtype=np.uint8)))
        return cls(_restore(plan["layers"], "", state), int(plan["bound"]))


def _prove(layers: tuple, bound: int) -> int:
    if not layers:
        raise ValueError("an integer network needs a layer")
    for layer in layers:
        bound = layer.prove(bound)
    return bound


def _run(layers: tuple, x: np.ndarray) -> np.ndarray:
    for layer in layers:
        x = layer(x)
    return x


def _describe(layers: tuple, prefix: str, arrays: dict[str, np.ndarray]) -> list[dict]:
    """A plain description of the layers; their arrays go into `arrays`, named by place."""
    described = []
    for place, layer in enumerate(layers):
        name = f"{prefix}{place}."
        entry: dict[str, object] = {"kind": type(layer).__name__}
        for field in fields(layer):
            value = getattr(layer, field.name)
            if isinstance(value, np.ndarray):
                arrays[name + field.name] = value
            elif isinstance(value, tuple):
                entry[field.name] = _describe(value, name, arrays)
            else:
                entry[field.name] = int(value)
        described.append(entry)
    return described


def _restore(described: list[dict], prefix: str, state: dict[str, np.ndarray]) -> list:
    layers = []
    for place, entry in enumerate(described):
        name, numbers = f"{prefix}{place}.", {key: value for key, value in entry.items() if key != "kind"}
        if entry["kind"] == "Residual":
            inner = _restore(numbers.pop("layers"), name, state)
            layers.append(Residual(tuple(inner), **numbers))
            continue
        kind = KINDS[entry["kind"]]
        arrays = {field.name: state[name + field.name] for field in fields(kind) if name + field.name in state}
        layers.append(kind(**arrays, **numbers))
    return layers
