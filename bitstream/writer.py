"""Writing a .trip file without ever going back."""

from collections.abc import Mapping, Sequence
from typing import BinaryIO

from . import chunk
from .errors import Malformed
from .header import MAGIC, VERSION, Track, check_count, pack_header
from .index import Entry, pack_entry, pack_index
from .items import Unit, Weights, front, pack_unit, pack_weights
from .limits import DEFAULT, Limits
from .media import check_limits
from .metadata import pack_metadata
from .order import Order


class Writer:
    """Writes magic, version and headers at once, then each item as it comes; never seeks, never closes the file.

    It refuses with Malformed or OverLimit what a Reader with the same limits would refuse, before a byte of it is
    written. A file is whole only after `finish`.
    """

    def __init__(self, file: BinaryIO, tracks: Sequence[Track], limits: Limits = DEFAULT) -> None:
        self._file = file
        self._limits = limits
        self._order = Order(tracks, limits)
        self._offset = 0
        self._entries, self._end = bytearray(), len(MAGIC) + 1
        self._finished = False
        check_count(len(tracks), limits)
        for track in tracks:
            check_limits(track.media, limits)
        payloads = [pack_header(track) for track in tracks]
        for payload in payloads:
            chunk.check_length(b"H", len(payload), limits)
        self._write(MAGIC + bytes((VERSION,)))
        for payload in payloads:
            self._chunk(b"H", payload)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written: int | None = self._file.write(view)
            if written is None:  # pyright: ignore[reportUnnecessaryComparison]
                raise BlockingIOError("The output is not ready to be written; open it in blocking mode.")
            view = view[written:]
        self._offset += len(data)

    def _chunk(self, tag: bytes, payload: bytes) -> None:
        chunk.check_length(tag, len(payload), self._limits)
        self._write(chunk.pack(tag, payload))

    def _item(self, tag: bytes, item: Unit | Weights, payload: bytes) -> None:
        chunk.check_length(tag, len(payload), self._limits)
        fields = front(item)
        self._open()
        self._order.item(fields)
        start = self._offset
        self._chunk(tag, payload)
        entry = Entry(start, self._offset - start, fields.track, fields.outputs, fields.key, fields.weights)
        self._entries += pack_entry(entry, self._end)
        self._end = self._offset

    def _open(self) -> None:
        if self._finished:
            raise Malformed("The file is finished.")

    def unit(self, unit: Unit) -> None:
        """Write a D chunk."""
        self._item(b"D", unit, pack_unit(unit))

    def weights(self, weights: Weights) -> None:
        """Write a W chunk; the next unit of its track must be a key unit."""
        self._item(b"W", weights, pack_weights(weights))

    def item(self, item: Unit | Weights) -> None:
        """Write a D or a W chunk."""
        if isinstance(item, Weights):
            self.weights(item)
        else:
            self.unit(item)

    def metadata(self, values: Mapping[str, str]) -> None:
        """Write the m chunk, at most once; before the first unit it can be read at once, later it costs a pass."""
        payload = pack_metadata(values)
        chunk.check_length(b"m", len(payload), self._limits)
        self._open()
        self._order.metadata()
        self._chunk(b"m", payload)

    def finish(self, index: bool = False) -> None:
        """End the file, with an index for seeking if asked for; raises Truncated if a track lacks its last unit."""
        self._open()
        self._order.end()
        if index:
            self._order.index()
            self._chunk(b"i", pack_index(self._entries))
        self._finished = True
