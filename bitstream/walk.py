"""One pass over a file from its first byte to its last: every rule of the format is kept here."""

from collections.abc import Callable, Iterator
from hashlib import sha256

from .chunk import Head, pass_body, read_body, read_head
from .cursor import Cursor
from .errors import Damaged, Malformed, NotOurs, OverLimit, TooNew, TripError, Truncated, UnknownCritical
from .header import MAGIC, VERSION, Track, check_count, parse_header
from .index import Entry, check_tail, pack_entry
from .items import FRONT, Front, Unit, Weights, front, parse_front, parse_item
from .limits import Limits
from .metadata import parse_metadata
from .order import Order
from .source import Source

START = len(MAGIC) + 1  # offset of the first chunk
OPTIONAL = frozenset(bytes((byte,)) for byte in b"abcdefghjklnopqrstuvwxyz")  # small letters without a meaning yet
Step = tuple[Entry, Unit | Weights | None]


def read_start(source: Source) -> int:
    """Read magic and version, return the minor version; raises NotOurs, TooNew, Malformed or Truncated."""
    found = bytes(source.read(len(MAGIC)))
    if found != MAGIC:
        if found and MAGIC.startswith(found):
            raise Truncated("The file ends inside its first four bytes.", len(found))
        raise NotOurs("This is not a .trip file." if found else "The file is empty.", 0)
    major, minor = divmod(source.take(1)[0], 16)
    if major > VERSION >> 4:
        raise TooNew(f"The file needs a reader of version {major}; this one reads version {VERSION >> 4}.", len(MAGIC))
    if major < VERSION >> 4:
        raise Malformed(f"There is no version {major} of this format.", len(MAGIC))
    return minor


class Walk:
    """The state of one pass; `report` is None in strict mode, in salvage mode it is told of everything skipped."""

    def __init__(self, source: Source, limits: Limits, report: Callable[[TripError], None] | None) -> None:
        self._source = source
        self._limits = limits
        self._report = report
        self.metadata: dict[str, str] = {}
        self.minor = read_start(source)
        self._next: Head | None = self._first()
        self.tracks = self._headers()
        self._order = Order(self.tracks, limits)
        self._entries, self._entries_length, self._end = sha256(), 0, START
        while self._next is not None and self._next.tag == b"m":  # pyright: ignore[reportUnnecessaryComparison]
            self._aside(self._next)

    def _first(self) -> Head:
        head = read_head(self._source, self._limits)
        if head is None:
            raise Truncated("The file ends before its first chunk.", self._source.offset)
        if head.tag != b"H":
            self._unknown_or(head, "The first chunk is not a header.")
        return head

    def _unknown_or(self, head: Head, message: str) -> None:
        if head.tag.isupper() and head.tag not in b"HWD":
            self._refuse(head)
        raise Malformed(message, head.offset)

    def _refuse(self, head: Head) -> None:
        pass_body(self._source, head, 0, True)
        name = head.tag.decode("ascii")
        raise UnknownCritical(f"The file needs a chunk {name!r} that this reader does not know.", head.offset)

    def _headers(self) -> tuple[Track, ...]:
        tracks: list[Track] = []
        while self._next is not None and (self._next.tag == b"H" or self._next.tag in OPTIONAL):
            head = self._next
            if head.tag in OPTIONAL:
                self._aside(head)
                continue
            tracks.append(parse_header(read_body(self._source, head), head.payload, self._limits))
            check_count(len(tracks), self._limits, head.offset)
            self._advance()
        return tuple(tracks)

    def _aside(self, head: Head) -> None:
        """Deal with a chunk that yields no item, before the walk proper."""
        list(self._salvaged(head, True, True))
        self._advance()

    def _advance(self) -> None:
        try:
            self._next = read_head(self._source, self._limits)
        except (Malformed, OverLimit, Truncated) as error:
            if self._report is None:
                raise
            self._report(error)
            self._next = None

    def steps(self, full: bool, check: bool) -> Iterator[Step]:
        """Yield each D and W in file order with its item if `full`; checksums are compared if `full` or `check`.

        Raises the first rule that is broken; in salvage mode damage and a missing end are reported instead.
        """
        while self._next is not None:
            head = self._next
            yield from self._salvaged(head, full, check)
            self._advance()
        try:
            self._order.end(self._source.offset)
        except Truncated as error:
            if self._report is None:
                raise
            self._report(error)

    def _salvaged(self, head: Head, full: bool, check: bool) -> Iterator[Step]:
        try:
            step = self._step(head, full, check)
        except (Damaged, Truncated) as error:
            if self._report is None:
                raise
            self._report(error)
            if head.tag.isupper():
                self._order.lost(head.tag != b"D")
            return
        if step is not None:
            yield step

    def _step(self, head: Head, full: bool, check: bool) -> Step | None:
        if head.tag not in b"DW":
            self._pass(head, check)
            return None
        if full:
            item: Unit | Weights | None = parse_item(
                read_body(self._source, head), head.tag, head.payload, self.tracks, self._limits
            )
            fields = front(item)
        else:
            kept = pass_body(self._source, head, FRONT, check)
            item, fields = None, parse_front(Cursor(kept, head.payload), head.tag, self.tracks)
        usable = self._order.item(fields, head.offset)
        entry = self._note(head, fields)
        if not usable and self._report is not None:
            self._report(Damaged("A unit is left out because it needs one that is lost.", head.offset))
            return None
        return entry, item

    def _note(self, head: Head, fields: Front) -> Entry:
        entry = Entry(head.offset, head.size, fields.track, fields.outputs, fields.key, fields.weights)
        packed = pack_entry(entry, self._end)
        self._entries.update(packed)
        self._entries_length += len(packed)
        self._end = head.offset + head.size
        return entry

    def _pass(self, head: Head, check: bool) -> None:
        """Deal with a chunk that is neither D nor W."""
        if head.tag == b"m":
            self._order.metadata(head.offset)
            self.metadata = parse_metadata(read_body(self._source, head), head.payload)
        elif head.tag == b"i":
            self._order.index(head.offset)
            self._check_index(read_body(self._source, head), head)
        elif head.tag == b"H":
            raise Malformed("A header stands after other chunks.", head.offset)
        elif head.tag.isupper():
            self._refuse(head)
        else:
            pass_body(self._source, head, 0, check)

    def _check_index(self, payload: bytes | bytearray, head: Head) -> None:
        # The walk keeps only a digest of the index it would write, so that it needs no memory per unit.
        check_tail(payload, head)
        entries = memoryview(payload)[: self._entries_length]
        same = len(payload) == self._entries_length + 4 and sha256(entries).digest() == self._entries.digest()
        if not same and not self._order.broken:
            raise Malformed("The index does not agree with the chunks before it.", head.offset)
