"""Reading a .trip file: strictly, in one pass or at any place."""

from collections.abc import Iterator
from io import UnsupportedOperation
from typing import BinaryIO

from .chunk import read_body, read_head
from .errors import Malformed, TripError
from .header import Track
from .index import Entry, Index, find_index
from .items import Unit, Weights, front, parse_item
from .limits import DEFAULT, Limits
from .media import AudioMedia
from .source import Source
from .walk import START, Walk


class Reader:
    """The chunks of a file object or of bytes; iterating yields Weights and Units in file order.

    The headers are read at once, and metadata if it stands before the first unit (otherwise `metadata` is filled when
    the pass gets there). The first rule that is broken raises the error of that rule, a subclass of TripError; only an
    OSError of the file object itself may come besides. With `salvage`, chunks whose checksum fails are skipped, a file
    cut short ends at its last whole unit, and `problems` lists what was skipped. A source that cannot seek can be
    passed over once.
    """

    def __init__(
        self, source: BinaryIO | bytes | bytearray | memoryview, limits: Limits = DEFAULT, salvage: bool = False
    ) -> None:
        self._source = Source(source)
        self._limits = limits
        self._salvage = salvage
        self._problems: list[TripError] = []
        self._walk: Walk | None = self._start()
        self.tracks: tuple[Track, ...] = self._walk.tracks
        self.metadata: dict[str, str] = self._walk.metadata
        self.minor = self._walk.minor

    @property
    def seekable(self) -> bool:
        """Whether the source can be read at any place and more than once."""
        return self._source.seekable

    @property
    def problems(self) -> tuple[TripError, ...]:
        """What the latest pass in salvage mode had to skip."""
        return tuple(self._problems)

    def _start(self) -> Walk:
        self._problems.clear()
        return Walk(self._source, self._limits, self._problems.append if self._salvage else None)

    def _pass(self, full: bool, check: bool) -> Iterator[tuple[Entry, Unit | Weights | None]]:
        walk, self._walk = self._walk, None
        if walk is None:
            if not self.seekable:
                raise UnsupportedOperation("This source cannot seek and was read already.")
            self._source.seek(0)
            walk = self._start()
        for step in walk.steps(full, check):
            self.metadata = walk.metadata
            yield step
            del step  # a unit may be large: hold none while the next one is read
        self.metadata = walk.metadata

    def __iter__(self) -> Iterator[Unit | Weights]:
        for _, item in self._pass(True, True):
            if item is not None:
                yield item
            del item

    def scan(self, check: bool = False) -> Iterator[Entry]:
        """Yield an entry for each D and W without keeping payloads; checksums are compared if `check` is set.

        Where the source can seek and `check` is not set, payloads are passed over unread.
        """
        for entry, _ in self._pass(False, check):
            yield entry

    def index(self, trust: bool = False) -> Index:
        """Return the entries of all D and W chunks; needs a source that can seek.

        They come from a walk over the lengths, which also checks a stored index. With `trust` a stored index found
        from the end of the file is taken without the walk; `read` still checks each chunk against its entry.
        """
        if not self.seekable:
            raise UnsupportedOperation("An index needs a source that can seek; use scan() instead.")
        if trust:
            found = find_index(self._source, START, self.tracks, self._limits)
            if found is not None:
                self._walk = None
                return found
            self._walk = None
        return Index(self.scan())

    def read(self, entry: Entry) -> Unit | Weights:
        """Read the item of an entry; raises Malformed where the chunk there is not what the entry says."""
        if not self.seekable:
            raise UnsupportedOperation("This source cannot seek.")
        self._walk = None
        self._source.seek(entry.offset)
        head = read_head(self._source, self._limits)
        if head is None or head.tag not in b"DW" or head.size != entry.size:
            raise Malformed("The index does not lead to a unit.", entry.offset)
        item = parse_item(read_body(self._source, head), head.tag, head.payload, self.tracks, self._limits)
        fields = front(item)
        found = Entry(head.offset, head.size, fields.track, fields.outputs, fields.key, fields.weights)
        if found != entry:
            raise Malformed("The index does not agree with the unit that it leads to.", entry.offset)
        return item

    def seek(self, track: int, output: int, trust: bool = False) -> tuple[int, Iterator[Unit | Weights]]:
        """Go to an output (sample or frame) of a track.

        Returns the number of the first output that the first unit yields, and the track's items from there to the end
        of the track: the weights in effect, then units from the key unit before `output`, pre-roll included.
        """
        index = self.index(trust)
        media = self.tracks[track].media
        first, numbers = index.plan(track, output, media.preroll if isinstance(media, AudioMedia) else 0)
        last = numbers[-1]
        later = (number for number in range(last + 1, len(index)) if index[number].track == track)
        return first, (self.read(index[number]) for part in (numbers, later) for number in part)
