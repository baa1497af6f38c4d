"""Reading any file object, seekable or not, in a way that only allocates what is there."""

import io
from typing import BinaryIO

from .errors import Truncated

PIECE = 1 << 20  # most bytes asked for at once where the size of the input is not known


class Source:
    """A position in a file object or in bytes; offsets count from where the file object stood at first."""

    def __init__(self, file: BinaryIO | bytes | bytearray | memoryview) -> None:
        self._file = io.BytesIO(file) if isinstance(file, bytes | bytearray | memoryview) else file
        can_seek = getattr(self._file, "seekable", None)
        self.seekable = bool(can_seek and can_seek())
        self.offset = 0
        self.size: int | None = None
        if self.seekable:
            self._base = self._file.tell()
            self.size = max(self._file.seek(0, io.SEEK_END) - self._base, 0)
            self._file.seek(self._base)

    def seek(self, offset: int) -> None:
        """Go to an offset; only where `seekable`."""
        self._file.seek(self._base + offset)
        self.offset = offset

    def read(self, count: int) -> bytes | bytearray:
        """Read `count` bytes, fewer only at the end of the input; short reads of the file object are continued."""
        wanted = count if self.size is None else min(count, max(self.size - self.offset, 0))
        first = self._read_once(wanted)
        if len(first) == wanted:
            return first
        gathered = bytearray(first)
        while first and len(gathered) < wanted:
            first = self._read_once(wanted - len(gathered))
            gathered += first
        return gathered

    def _read_once(self, count: int) -> bytes:
        wanted = count if self.size is not None else min(count, PIECE)
        piece: bytes | None = self._file.read(wanted) if count else b""  # None: a file that does not wait
        if piece is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise BlockingIOError("The input is not ready to be read; open it in blocking mode.")
        self.offset += len(piece)
        return piece

    def expect(self, count: int) -> None:
        """Raise Truncated if it is known already that fewer than `count` bytes are left."""
        if self.size is not None and count > self.size - self.offset:
            left = max(self.size - self.offset, 0)
            raise Truncated(f"The file ends too early: {count} bytes needed, {left} left.", self.offset)

    def take(self, count: int) -> bytes | bytearray:
        """Read exactly `count` bytes; raises Truncated."""
        self.expect(count)
        data = self.read(count)
        if len(data) < count:
            raise Truncated(f"The file ends too early: {count} bytes needed, {len(data)} left.", self.offset)
        return data
