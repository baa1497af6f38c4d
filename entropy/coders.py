"""Three coders behind one call: count the bits, write them, or read them.

A codec states the order of its symbols once, as `symbols = coder.code(symbols, model)`; whether that counts, encodes or
decodes is the coder's affair. Within a call symbols are grouped by table row, rows ascending, array order within a row,
so that a whole group goes through the entropy coder at once.
"""

# Only a Decoder is given None in place of classes.
# pyright: reportArgumentType=false, reportReturnType=false

import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import constriction
import numpy as np

from ..bitstream.errors import Damaged, Malformed
from .dense import Dense
from .tables import PRECISION, Model, Tables, uniform

# The excess of an escaped symbol is an exp-Golomb number: its class (bit length) by this table, then raw bits.
EXCESS_CLASSES = uniform(64)
RAW_BITS = 12
# Given weights for every symbol; see Tables._coder_model.
EACH = constriction.stream.model.Categorical(perfect=False)  # pyright: ignore[reportAttributeAccessIssue]
BLOCK = 1 << 16  # symbols that are sorted at once
LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1  # symbols are 32-bit integers
_RAW = {bits: uniform(1 << bits) for bits in range(1, RAW_BITS + 1)}


class Coder:
    """What the three coders share: `code` splits a call into groups of one row each.

    Attributes:
        check: CRC-32 of all symbols so far, as little-endian int32 in the order of the calls.
    """

    def __init__(self) -> None:
        self.check = 0

    def code(self, symbols: np.ndarray | None, model: Model | Dense) -> np.ndarray:
        """Code an array of symbols.

        Args:
            symbols: int32 of the model's shape; ignored (may be None) by a decoder.
            model: tables and the row of each symbol, or a distribution for each.

        Returns:
            The symbols as the decoder gets them, int32; those that the model skips are 0.
        """
        if isinstance(model, Dense):
            return self._code_dense(symbols, model)
        tables, given = model.tables, self._given(symbols, model)
        order, groups = _groups(model)
        ordered = np.zeros(model.rows.size, dtype=np.int32) if given is None else order.take(given)
        escaped = []
        for row, part in groups:
            classes = None if given is None else _classes(ordered[part], tables, row)
            classes = self._group(classes, tables, row, part.stop - part.start)
            if given is None:
                ordered[part] = classes + int(tables.firsts[row])
            if tables.escape:
                escaped.append((row, part.start + np.flatnonzero(classes == tables.sizes[row] - 1)))
        self._escapes(ordered, given is not None, escaped, tables)
        result = order.put(ordered) if given is None else _sent(given, model)
        self.check = zlib.crc32(result.astype("<i4", copy=False), self.check)
        return result.reshape(model.shape)

    def _code_dense(self, symbols: np.ndarray | None, model: Dense) -> np.ndarray:
        """`code` where every symbol has a distribution of its own: array order, no escapes."""
        given, count = self._given(symbols, model), model.count
        classes = None if given is None else given - model.first
        if classes is not None and classes.size and (classes.min() < 0 or classes.max() >= count):
            raise ValueError("a symbol lies outside its distribution")
        result = (self._each(classes, model) + model.first).astype(np.int32)
        self.check = zlib.crc32(result.astype("<i4", copy=False), self.check)
        return result.reshape(model.shape)

    def _given(self, symbols: np.ndarray | None, model: Model | Dense) -> np.ndarray | None:
        symbols = np.asarray(symbols)
        if symbols.shape != model.shape:
            raise ValueError(f"symbols of shape {symbols.shape} do not fit a model of shape {model.shape}")
        return symbols.reshape(-1).astype(np.int32 if symbols.dtype == np.int32 else np.int64, copy=False)

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        """Code `count` classes of one table row; returns them."""
        raise TypeError("Coder is the common part; use RateCounter, Encoder or Decoder")

    def _each(self, classes: np.ndarray | None, model: Dense) -> np.ndarray:
        """Code classes with a distribution each; returns them."""
        raise TypeError("Coder is the common part; use RateCounter, Encoder or Decoder")

    def _escapes(self, ordered: np.ndarray, known: bool, found: list[tuple[int, np.ndarray]], tables: Tables) -> None:
        """Code the symbols outside their tables: distance beyond the nearer end and side, as exp-Golomb numbers.

        ordered: symbols by row, those at the places `found` (row, places) to be read or, where not `known`, set.
        """
        where = np.concatenate([places for _, places in found]) if found else np.zeros(0, dtype=np.intp)
        if not len(where):
            return
        rows = np.repeat([row for row, _ in found], [len(places) for _, places in found])
        low = tables.firsts[rows]
        high = low + tables.sizes[rows] - 1
        value = _excess(ordered[where], low, high) + 1 if known else None
        length = None if value is None else np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1
        length = self._group(length, EXCESS_CLASSES, 0, len(where)).astype(np.int64)
        if length.max() > 33:
            raise Damaged("a coded stream holds a number beyond 32 bits")
        numbers = np.int64(1) << length
        for bits in np.unique(length).tolist():
            chosen = np.flatnonzero(length == bits)
            for shift, width in _chunks(bits):
                part = None if value is None else (value[chosen] >> shift) & ((1 << width) - 1)
                numbers[chosen] |= self._group(part, _RAW[width], 0, len(chosen)).astype(np.int64) << shift
        excess = numbers - 1
        symbols = np.where(excess & 1, low - 1 - (excess >> 1), high + (excess >> 1))
        if symbols.min() < LOWEST or symbols.max() > HIGHEST:
            raise Damaged("a coded stream holds a number beyond 32 bits")
        if not known:
            ordered[where] = symbols


class RateCounter(Coder):
    """Adds up the ideal code length.

    Attributes:
        bits: -log2 of the probability of all symbols so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bits = 0.0

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        self.bits += count * PRECISION - float(np.log2(tables.row(row))[classes].sum())
        return classes

    def _each(self, classes: np.ndarray | None, model: Dense) -> np.ndarray:
        frequencies = model.frequencies.reshape(len(classes), model.frequencies.shape[-1])[
            np.arange(len(classes)), classes
        ]
        self.bits += len(classes) * PRECISION - float(np.log2(frequencies).sum())
        return classes


class Encoder(Coder):
    """Remembers the symbols; `finish` turns them into bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[np.ndarray, Callable[[], tuple]]] = []

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        self._calls.append((classes, lambda: (tables.coder_model(row),)))
        return classes

    def _each(self, classes: np.ndarray | None, model: Dense) -> np.ndarray:
        if len(classes):
            places, weights = model.narrow(classes)
            self._calls.append((places, lambda: (EACH, weights)))
        return classes

    def finish(self) -> bytes:
        """The coded stream: little-endian 32-bit words. The coder is a stack, so the last call goes in first."""
        stack = constriction.stream.stack.AnsCoder()  # pyright: ignore[reportAttributeAccessIssue]
        for classes, model in reversed(self._calls):
            stack.encode_reverse(np.ascontiguousarray(classes, dtype=np.int32), *model())
        return stack.get_compressed().astype("<u4").tobytes()


class Decoder(Coder):
    """Reads symbols from the bytes of an `Encoder`.

    Raises:
        Malformed: the bytes cannot be a coded stream.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        if len(data) % 4:
            raise Malformed(f"a coded stream consists of 4-byte words, this one has {len(data)} bytes")
        words = np.frombuffer(data, dtype="<u4").astype(np.uint32)
        if len(words) and not words[-1]:
            raise Malformed("a coded stream never ends in a zero word")
        self._stack = constriction.stream.stack.AnsCoder(words)  # pyright: ignore[reportAttributeAccessIssue]

    def _given(self, symbols: np.ndarray | None, model: Model | Dense) -> None:
        return None

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        return self._stack.decode(tables.coder_model(row), count)

    def _each(self, classes: np.ndarray | None, model: Dense) -> np.ndarray:
        weights = model.weights
        return self._stack.decode(EACH, weights) if len(weights) else np.zeros(0, np.int32)

    def finish(self) -> None:
        """Check that the stream is used up; raises Damaged where bits are left or were missing."""
        if not self._stack.is_empty():
            raise Damaged("a coded stream does not end where its symbols end")


class _Order:
    """The stable order of symbols by row.

    numpy sorts 8- and 16-bit integers by radix, many times faster than wider ones, and what fits into the cache several
    times faster than what does not: blocks are sorted, and their pieces, one for each row, put in their places.
    """

    def __init__(self, rows: np.ndarray, count: int) -> None:
        small = rows.astype(np.uint8 if count <= 256 else np.uint16 if count <= 65536 else np.int64, copy=False)
        size = BLOCK if count <= 256 else max(1, len(small))
        blocks = [small[first : first + size] for first in range(0, len(small), size)]
        counts = np.array([np.bincount(block, minlength=count) for block in blocks])
        self.ends = np.cumsum(counts.T).reshape(count, -1)
        kind = np.uint16 if size <= BLOCK else np.intp
        self.inside = [np.argsort(block, kind="stable").astype(kind) for block in blocks]
        self.pieces = [
            [slice(end - number, end) for number, end in zip(*pair, strict=True) if number]
            for pair in zip(counts.tolist(), self.ends.T.tolist(), strict=True)
        ]

    def take(self, values: np.ndarray) -> np.ndarray:
        """A copy of the values in this order."""
        result, first = np.empty_like(values), 0
        for inside, pieces in zip(self.inside, self.pieces, strict=True):
            part, begin = values[first : first + len(inside)][inside], 0
            first += len(inside)
            for piece in pieces:
                number = piece.stop - piece.start
                result[piece] = part[begin : begin + number]
                begin += number
        return result

    def put(self, ordered: np.ndarray) -> np.ndarray:
        """The inverse of `take`."""
        result, first = np.empty_like(ordered), 0
        for inside, pieces in zip(self.inside, self.pieces, strict=True):
            result[first : first + len(inside)][inside] = np.concatenate([ordered[piece] for piece in pieces])
            first += len(inside)
        return result


class _AsItIs:
    """The order of symbols that all have one row."""

    def take(self, values: np.ndarray) -> np.ndarray:
        """A copy of the values."""
        return values.copy()

    def put(self, ordered: np.ndarray) -> np.ndarray:
        """The values themselves."""
        return ordered


def _groups(model: Model) -> tuple[_Order | _AsItIs, list[tuple[int, slice]]]:
    """The order of symbols by row, and the row and place of each group that is sent."""
    rows = model.rows.reshape(-1)
    if not rows.size:
        return _AsItIs(), []
    if model.rows.strides == (0,) * model.rows.ndim:
        return _AsItIs(), [(int(rows[0]), slice(0, rows.size))] if rows[0] >= model.skip else []
    order = _Order(rows, len(model.tables))
    ends = [0, *order.ends[:, -1].tolist()]
    groups = [(row, slice(*pair)) for row, pair in enumerate(pairwise(ends)) if row >= model.skip and pair[0] < pair[1]]
    return order, groups


def _sent(symbols: np.ndarray, model: Model) -> np.ndarray:
    """A copy as int32 in which the symbols that the model skips are 0."""
    result = symbols.astype(np.int32)
    if model.skip:
        result[model.rows.reshape(-1) < model.skip] = 0
    return result


def _classes(symbols: np.ndarray, tables: Tables, row: int) -> np.ndarray:
    """Classes of the symbols in one row; those outside become the escape class, or an error where there is none.

    Where none lies outside, the classes take the place of the symbols: fresh memory would cost more than subtracting.
    """
    first, last = int(tables.firsts[row]), int(tables.sizes[row]) - 1
    if symbols.min() >= first and symbols.max() <= first + last - tables.escape:
        return np.subtract(symbols, first, out=symbols, casting="same_kind")
    if not tables.escape:
        raise ValueError("a symbol lies outside its table, which has no escape class")
    classes = symbols.astype(np.int64) - first
    return np.where((classes < 0) | (classes >= last), last, classes)


def _excess(symbols: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Even numbers count upwards from `high`, odd ones downwards from `low` - 1."""
    return np.where(symbols >= high, 2 * (symbols - high), 2 * (low - 1 - symbols) + 1)


def _chunks(bits: int) -> Iterator[tuple[int, int]]:
    """Shift and width of the pieces in which `bits` raw bits are coded, low bits first."""
    for shift in range(0, bits, RAW_BITS):
        yield shift, min(RAW_BITS, bits - shift)
