"""Three coders behind one call: count the bits, write them, or read them.

A codec states the order of its symbols once, as `symbols = coder.code(symbols, model)`; whether that counts, encodes or
decodes is the coder's affair. Within a call symbols are grouped by table row, rows ascending, array order within a row,
so that a whole group goes through the entropy coder at once.
"""

import zlib
from collections.abc import Iterator

import constriction
import numpy as np

from ..bitstream.errors import Damaged, Malformed
from .tables import PRECISION, Model, Tables, uniform

# The excess of an escaped symbol is an exp-Golomb number: its class (bit length) by this table, then raw bits.
EXCESS_CLASSES = uniform(64)
RAW_BITS = 12
_RAW = {bits: uniform(1 << bits) for bits in range(1, RAW_BITS + 1)}


class Coder:
    """What the three coders share: `code` splits a call into groups of one row each.

    Attributes:
        check: CRC-32 of all symbols so far, as little-endian int32 in the order of the calls.
    """

    def __init__(self) -> None:
        self.check = 0

    def code(self, symbols: np.ndarray | None, model: Model) -> np.ndarray:
        """Code an array of symbols.

        Args:
            symbols: int32 of the model's shape; ignored (may be None) by a decoder.
            model: tables and the row of each symbol.

        Returns:
            The symbols as the decoder gets them, int32; those that the model skips are 0.
        """
        tables, result = model.tables, np.zeros(model.rows.size, dtype=np.int32)
        given = self._given(symbols, model)
        escaped = []
        for row, where in _groups(model):
            classes = None if given is None else _classes(given[where], tables, row)
            classes = self._group(classes, tables, row, len(where))
            result[where] = classes + tables.firsts[row]
            if tables.escape:
                escaped.append(where[classes == tables.sizes[row] - 1])
        if escaped:
            self._escapes(result, given, np.concatenate(escaped), model)
        result = result.reshape(model.shape)
        self.check = zlib.crc32(result.astype("<i4").tobytes(), self.check)
        return result

    def _given(self, symbols: np.ndarray | None, model: Model) -> np.ndarray | None:
        symbols = np.asarray(symbols)
        if symbols.shape != model.shape:
            raise ValueError(f"symbols of shape {symbols.shape} do not fit a model of shape {model.shape}")
        return symbols.reshape(-1).astype(np.int64)

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        """Code `count` classes of one table row; returns them."""
        raise TypeError("Coder is the common part; use RateCounter, Encoder or Decoder")

    def _escapes(self, result: np.ndarray, given: np.ndarray | None, where: np.ndarray, model: Model) -> None:
        """Code the symbols outside their tables: distance beyond the nearer end and side, as exp-Golomb numbers."""
        if not len(where):
            return
        rows = model.rows.reshape(-1)[where]
        low = model.tables.firsts[rows]
        high = low + model.tables.sizes[rows] - 1
        value = None if given is None else _excess(given[where], low, high) + 1
        length = None if value is None else np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1
        length = self._group(length, EXCESS_CLASSES, 0, len(where)).astype(np.int64)
        if length.max() > 33:
            raise Malformed("a coded stream holds a number beyond 32 bits")
        numbers = np.int64(1) << length
        for bits in np.unique(length).tolist():
            chosen = np.flatnonzero(length == bits)
            for shift, width in _chunks(bits):
                part = None if value is None else (value[chosen] >> shift) & ((1 << width) - 1)
                numbers[chosen] |= self._group(part, _RAW[width], 0, len(chosen)).astype(np.int64) << shift
        excess = numbers - 1
        symbols = np.where(excess & 1, low - 1 - (excess >> 1), high + (excess >> 1))
        if symbols.min() < -(1 << 31) or symbols.max() >= 1 << 31:
            raise Malformed("a coded stream holds a number beyond 32 bits")
        result[where] = symbols


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


class Encoder(Coder):
    """Remembers the symbols; `finish` turns them into bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[np.ndarray, Tables, int]] = []

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        self._calls.append((classes, tables, row))
        return classes

    def finish(self) -> bytes:
        """The coded stream: little-endian 32-bit words. The coder is a stack, so the last call goes in first."""
        stack = constriction.stream.stack.AnsCoder()
        for classes, tables, row in reversed(self._calls):
            stack.encode_reverse(np.ascontiguousarray(classes, dtype=np.int32), tables.coder_model(row))
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
        self._stack = constriction.stream.stack.AnsCoder(words)

    def _given(self, symbols: np.ndarray | None, model: Model) -> None:
        return None

    def _group(self, classes: np.ndarray | None, tables: Tables, row: int, count: int) -> np.ndarray:
        return self._stack.decode(tables.coder_model(row), count)

    def finish(self) -> None:
        """Check that the stream is used up; raises Damaged where bits are left or were missing."""
        if not self._stack.is_empty():
            raise Damaged("a coded stream does not end where its symbols end")


def _groups(model: Model) -> Iterator[tuple[int, np.ndarray]]:
    """Row and positions of each group, rows ascending, skipped rows left out."""
    rows = model.rows.reshape(-1)
    if not rows.size:
        return
    if model.rows.strides == (0,) * model.rows.ndim:  # one row broadcast: nothing to sort
        if rows[0] >= model.skip:
            yield int(rows[0]), np.arange(rows.size)
        return
    # numpy sorts 8- and 16-bit integers stably by radix, many times faster than wider ones
    small = rows.astype(np.uint8 if len(model.tables) <= 256 else np.uint16 if len(model.tables) <= 65536 else np.int64)
    order = np.argsort(small, kind="stable")
    ends = np.cumsum(np.bincount(small, minlength=len(model.tables)))
    for row in range(model.skip, len(ends)):
        start = ends[row - 1] if row else 0
        if ends[row] > start:
            yield row, order[start : ends[row]]


def _classes(symbols: np.ndarray, tables: Tables, row: int) -> np.ndarray:
    """Classes of the symbols in one row; those outside become the escape class, or an error where there is none."""
    classes = symbols - tables.firsts[row]
    last = tables.sizes[row] - 1
    outside = (classes < 0) | (classes > last - tables.escape)
    if not outside.any():
        return classes
    if not tables.escape:
        raise ValueError("a symbol lies outside its table, which has no escape class")
    return np.where(outside, last, classes)


def _excess(symbols: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Even numbers count upwards from `high`, odd ones downwards from `low` - 1."""
    return np.where(symbols >= high, 2 * (symbols - high), 2 * (low - 1 - symbols) + 1)


def _chunks(bits: int) -> Iterator[tuple[int, int]]:
    """Shift and width of the pieces in which `bits` raw bits are coded, low bits first."""
    for shift in range(0, bits, RAW_BITS):
        yield shift, min(RAW_BITS, bits - shift)
