"""The index: where each unit stands and what it yields."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from . import varint
from .chunk import CRC, Head, read_body, read_head
from .cursor import Cursor
from .errors import Malformed, OverLimit, TripError
from .header import Track
from .limits import Limits
from .media import WHOLE
from .source import Source

KEY, WEIGHTS = 1, 2  # bits of an entry's mark
TAIL = 4  # bytes at the end of the payload that give the size of the index chunk


@dataclass(frozen=True)
class Entry:
    """One D chunk (or W, if `weights`): offset and size in bytes of the whole chunk, its track, outputs, key bit.

    The key bit of weights says that they are no difference to earlier ones; `outputs` is None for them and for images.
    """

    offset: int
    size: int
    track: int
    outputs: int | None
    key: bool
    weights: bool = False


class Index(Sequence[Entry]):
    """The entries of a file in file order, at about 33 bytes of memory each."""

    def __init__(self, entries: Iterator[Entry] | Sequence[Entry] = ()) -> None:
        self._numbers = tuple(array("Q") for _ in range(4))  # offset, size, track, outputs + 1
        self._marks = bytearray()
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> None:
        """Add an entry at the end."""
        outputs = 0 if entry.outputs is None else entry.outputs + 1
        for column, value in zip(self._numbers, (entry.offset, entry.size, entry.track, outputs), strict=True):
            column.append(value)
        self._marks.append(entry.key * KEY | entry.weights * WEIGHTS)

    def __len__(self) -> int:
        return len(self._marks)

    @overload
    def __getitem__(self, number: int) -> Entry: ...

    @overload
    def __getitem__(self, number: slice) -> "Index": ...

    def __getitem__(self, number: int | slice) -> "Entry | Index":
        """Return an entry, or an Index of some."""
        if isinstance(number, slice):
            return Index([self[n] for n in range(*number.indices(len(self)))])
        offset, size, track, outputs = (column[number] for column in self._numbers)
        mark = self._marks[number]
        return Entry(offset, size, track, outputs - 1 if outputs else None, bool(mark & KEY), bool(mark & WEIGHTS))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and (self._numbers, self._marks) == (other._numbers, other._marks)

    __hash__ = None  # type: ignore[assignment]

    def plan(self, track: int, output: int, preroll: int = 0) -> tuple[int, list[int]]:
        """Say what to decode so that output number `output` of a track comes out right.

        Returns the number of the first output of the first unit in the list, and the entry numbers to read up to the
        unit that holds `output` (the last unit where there is no such output): the weights in effect, then units from
        a key unit on that lies at least `preroll` units before. Raises Malformed where the track has no unit.
        """
        units: list[tuple[int, int]] = []  # entry number and first output, from the last usable key unit on
        held: list[int] = []
        keys: list[tuple[int, tuple[int, ...]]] = []  # position in `units`, weights in effect there
        position = 0
        for number, entry in enumerate(self):
            if entry.track != track:
                continue
            if entry.weights:
                held = [number] if entry.key else [*held, number]
                continue
            if entry.key:
                keys.append((len(units), tuple(held)))
            units.append((number, position))
            position += entry.outputs or 0
            if position > output:
                break
        if not keys:
            raise Malformed(f"Track {track} has no key unit to start from.")
        wanted = max(len(units) - 1 - preroll, 0)
        start, weights = next(((s, w) for s, w in reversed(keys) if s <= wanted), keys[0])
        first, last = units[start][0], units[-1][0]
        run = [n for n in range(first, last + 1) if self[n].track == track]
        return units[start][1], [*weights, *run]


def pack_entry(entry: Entry, end: int) -> bytes:
    """Spell an entry of which the previous one ended at `end` (the first: the end of the version byte)."""
    numbers = (entry.offset - end, entry.size, entry.track, *(() if entry.outputs is None else (entry.outputs,)))
    return bytes((entry.key * KEY | entry.weights * WEIGHTS,)) + b"".join(map(varint.encode, numbers))


def pack_index(entries: bytes | bytearray) -> bytes:
    """Spell the payload of an i chunk from the entries' bytes."""
    length = len(entries) + TAIL
    size = 1 + len(varint.encode(length, varint.LENGTH)) + length + CRC
    return bytes(entries) + size.to_bytes(TAIL, "little")


def _parse_entry(cursor: Cursor, end: int, tracks: Sequence[Track]) -> Entry:
    mark = cursor.flags(KEY | WEIGHTS, "index mark")
    gap, size, track = cursor.number(), cursor.number(), cursor.number()
    if track >= len(tracks):
        raise Malformed(f"The index names track {track}, but the file has {len(tracks)}.", cursor.offset)
    counted = not mark & WEIGHTS and not isinstance(tracks[track].media, WHOLE)
    outputs = cursor.number() if counted else None
    return Entry(end + gap, size, track, outputs, bool(mark & KEY), bool(mark & WEIGHTS))


def parse_index(payload: bytes | bytearray, head: Head, start: int, tracks: Sequence[Track], limits: Limits) -> Index:
    """Read the payload of an i chunk; `start` is where the first gap counts from; raises Malformed or OverLimit."""
    check_tail(payload, head)
    cursor, index = Cursor(payload, head.payload), Index()
    while cursor.left > TAIL:
        entry = _parse_entry(cursor, start, tracks)
        start = entry.offset + entry.size
        if start > head.offset:
            raise Malformed("The index names a chunk behind itself.", cursor.offset)
        if len(index) == limits.units:
            raise OverLimit(f"The index has more than {limits.units} entries.", cursor.offset)
        index.append(entry)
    if cursor.left != TAIL:
        raise Malformed("The last entry of the index is cut off.", cursor.offset)
    return index


def check_tail(payload: bytes | bytearray, head: Head) -> None:
    """Refuse an index whose last four payload bytes are not the size of its chunk."""
    if len(payload) < TAIL or int.from_bytes(payload[-TAIL:], "little") != head.size:
        raise Malformed("The index does not end with its own size.", head.offset)


def find_index(source: Source, start: int, tracks: Sequence[Track], limits: Limits) -> Index | None:
    """Look for an index at the end of a seekable source; None where the last bytes do not lead to a whole one."""
    end = source.size or 0
    if end < start + TAIL + CRC:
        return None
    source.seek(end - TAIL - CRC)
    offset = end - int.from_bytes(source.take(TAIL), "little")
    if not start <= offset < end:
        return None
    source.seek(offset)
    try:
        head = read_head(source, limits)
        if head is None or head.tag != b"i" or head.offset + head.size != end:
            return None
        return parse_index(read_body(source, head), head, start, tracks, limits)
    except OverLimit:
        raise
    except TripError:
        return None
