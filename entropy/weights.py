"""Coder for the quantised weights of a network that travels inside a file: integer levels, one entropy stream for all tensors."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..bitstream import WeightGroup
from ..bitstream.errors import Malformed, SymbolMismatch
from .coders import Coder, Decoder, Encoder, RateCounter
from .families import ROWS, gaussian, laplace
from .tables import Tables, uniform

FIXED, GOLOMB, TABLE = 0, 1, 2
RAW_BITS = 12
_RAW = {bits: uniform(1 << bits) for bits in range(1, RAW_BITS + 1)}
# Class n of an exp-Golomb number has probability about 2^-(n + 1): a unary prefix, without its cost per bit.
_PREFIX = Tables.from_counts(np.left_shift(np.int64(1), np.arange(32, -1, -1, dtype=np.int64)))
_LOW, _HIGH = -(1 << 31), (1 << 31) - 1


def encode_levels(
    levels: Sequence[np.ndarray], exponents: Sequence[int] | None = None, previous: Sequence[np.ndarray] | None = None
) -> tuple[tuple[WeightGroup, ...], bytes, int]:
    """Code quantised tensors; gives the groups, the coded body and the symbol check of a W chunk.

    levels: integer arrays of any shape (also empty), int32 range, in canonical order; exponents: one per tensor, the value of
    a weight is level * 2**exponent (0 when not given); previous: levels of the network to which only the difference is sent.
    Each tensor takes the coder and the parameter that cost fewest bits, counted exactly.
    Raises ValueError when a level or a difference lies outside int32.
    """
    arrays = _differences(levels, previous)
    exponents = [0] * len(arrays) if exponents is None else list(exponents)
    chosen = [choose(array) for array in arrays]
    groups = tuple(WeightGroup(int(e), *choice) for e, choice in zip(exponents, chosen, strict=True))
    coder = Encoder()
    traverse(coder, groups, [array.shape for array in arrays], arrays)
    return groups, coder.finish(), coder.check


def decode_levels(
    groups: Sequence[WeightGroup],
    body: bytes,
    check: int,
    shapes: Sequence[tuple[int, ...]],
    previous: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """The inverse of `encode_levels`: int32 arrays of the given shapes.

    Raises Malformed for groups that break the rules, Damaged where bits are left over, SymbolMismatch for another check.
    """
    if len(groups) != len(shapes):
        raise Malformed(f"the weights come in {len(groups)} groups, the network has {len(shapes)} tensors")
    coder = Decoder(body)
    arrays = traverse(coder, groups, shapes)
    coder.finish()
    if coder.check != check:
        raise SymbolMismatch("the file is intact, but its weights decode to other numbers than the encoder wrote")
    if previous is None:
        return arrays
    sums = [array.astype(np.int64) + old for array, old in zip(arrays, previous, strict=True)]
    if any(total.size and (total.min() < _LOW or total.max() > _HIGH) for total in sums):
        raise Malformed("a difference of weights leads beyond 32 bits")
    return [total.astype(np.int32) for total in sums]


def traverse(
    coder: Coder,
    groups: Sequence[WeightGroup],
    shapes: Sequence[tuple[int, ...]],
    levels: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Code all tensors in order with any coder; gives their levels, int32. Raises Malformed for an impossible group."""
    result = []
    for index, (group, shape) in enumerate(zip(groups, shapes, strict=True)):
        count = int(np.prod(shape, dtype=np.int64))
        flat = None if levels is None else levels[index].reshape(-1)
        result.append(_tensor(coder, group.coder, group.parameter, count, flat).reshape(shape))
    return result


def choose(levels: np.ndarray) -> tuple[int, int]:
    """Coder and parameter with the fewest bits for one tensor of int32 levels; ties go to the simpler coder."""
    flat = levels.reshape(-1)
    if not flat.any():
        return FIXED, 0
    magnitude = int(np.where(flat < 0, -1 - flat.astype(np.int64), flat).max())
    width = magnitude.bit_length() + 1
    best = (width * flat.size, FIXED, width)
    mean = float(_zigzag(flat).mean())
    near = max(0, int(np.log2(mean + 1)) - 1)
    for parameter in range(max(0, near - 1), min(31, near + 2) + 1):
        best = min(best, (_bits(flat, GOLOMB, parameter), GOLOMB, parameter))
    for first in (0, ROWS):
        # The cost has one valley along the rows: every fourth row finds it, its neighbours settle it.
        coarse = min((_bits(flat, TABLE, first + row), row) for row in range(0, ROWS, 4))[1]
        for row in range(max(0, coarse - 3), min(ROWS, coarse + 4)):
            best = min(best, (_bits(flat, TABLE, first + row), TABLE, first + row))
    return best[1], best[2]


def dequantise(levels: np.ndarray, exponent: int) -> np.ndarray:
    """Values level * 2**exponent, float32; exact while the levels stay below 2^24."""
    return np.ldexp(levels.astype(np.float32), exponent)


def _bits(flat: np.ndarray, coder_id: int, parameter: int) -> float:
    counter = RateCounter()
    _tensor(counter, coder_id, parameter, flat.size, flat)
    return counter.bits


def _tensor(coder: Coder, coder_id: int, parameter: int, count: int, flat: np.ndarray | None) -> np.ndarray:
    if coder_id == FIXED and parameter <= 32:
        return _fixed(coder, parameter, count, flat)
    if coder_id == GOLOMB and parameter <= 31:
        return _golomb(coder, parameter, count, flat)
    if coder_id == TABLE and parameter < 2 * ROWS:
        tables = gaussian() if parameter < ROWS else laplace()
        return coder.code(flat, tables.at(parameter % ROWS, (count,)))
    raise Malformed(f"weights name coder {coder_id} with parameter {parameter}, which does not exist")


def _fixed(coder: Coder, width: int, count: int, flat: np.ndarray | None) -> np.ndarray:
    """Two's complement numbers of `width` bits, shifted to start at 0."""
    if width == 0:
        return np.zeros(count, dtype=np.int32)
    offset = 1 << (width - 1)
    value = None if flat is None else flat.astype(np.int64) + offset
    return (_raw(coder, width, count, value) - offset).astype(np.int32)


def _golomb(coder: Coder, parameter: int, count: int, flat: np.ndarray | None) -> np.ndarray:
    """Exp-Golomb numbers: the upper part plus one as class and remainder, then the `parameter` lowest bits."""
    zigzag = None if flat is None else _zigzag(flat)
    upper = None if zigzag is None else (zigzag >> parameter) + 1
    length = None if upper is None else np.frexp(upper.astype(np.float64))[1] - 1
    length = coder.code(length, _PREFIX.at(0, (count,)))
    numbers = np.left_shift(np.int64(1), length.astype(np.int64))
    for bits in np.unique(length[length > 0]).tolist():
        where = np.flatnonzero(length == bits)
        numbers[where] += _raw(coder, bits, len(where), None if upper is None else upper[where] - (1 << bits))
    low = _raw(coder, parameter, count, None if zigzag is None else zigzag & ((1 << parameter) - 1))
    value = ((numbers - 1) << parameter) + low
    if count and int(value.max()) > 2 * _HIGH + 1:
        raise Malformed("a coded weight lies beyond 32 bits")
    return ((value >> 1) ^ -(value & 1)).astype(np.int32)


def _raw(coder: Coder, bits: int, count: int, value: np.ndarray | None) -> np.ndarray:
    """Numbers below 2^bits in pieces of up to 12 bits, low bits first; int64."""
    result = np.zeros(count, dtype=np.int64)
    for shift, width in _pieces(bits):
        part = None if value is None else (value >> shift) & ((1 << width) - 1)
        result += coder.code(part, _RAW[width].at(0, (count,))).astype(np.int64) << shift
    return result


def _pieces(bits: int) -> Iterator[tuple[int, int]]:
    for shift in range(0, bits, RAW_BITS):
        yield shift, min(RAW_BITS, bits - shift)


def _zigzag(flat: np.ndarray) -> np.ndarray:
    """0, -1, 1, -2, ... to 0, 1, 2, 3, ...; int64."""
    wide = flat.astype(np.int64)
    return (wide << 1) ^ (wide >> 63)


def _differences(levels: Sequence[np.ndarray], previous: Sequence[np.ndarray] | None) -> list[np.ndarray]:
    arrays = [np.asarray(array).astype(np.int64) for array in levels]
    if previous is not None:
        arrays = [array - old for array, old in zip(arrays, previous, strict=True)]
    if any(array.size and (array.min() < _LOW or array.max() > _HIGH) for array in arrays):
        raise ValueError("a weight level or its difference lies outside the 32-bit integers")
    return [array.astype(np.int32) for array in arrays]
