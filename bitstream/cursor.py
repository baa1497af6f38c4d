"""A cursor that reads the fields of one payload and knows where in the file it stands."""

from . import varint
from .errors import Malformed


class Cursor:
    """Fields of `data` in turn; `base` is the offset of its first byte in the file. Every error is Malformed."""

    def __init__(self, data: bytes | bytearray, base: int) -> None:
        self._data = memoryview(data)  # slicing a bytearray would copy once more
        self._base = base
        self._position = 0

    @property
    def offset(self) -> int:
        """Offset in the file of the next byte."""
        return self._base + self._position

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._data) - self._position

    def number(self, most: int = varint.COUNT) -> int:
        """Read a varint of at most `most` bytes."""
        try:
            value, self._position = varint.decode(self._data, self._position, most)
        except Malformed as error:
            raise error.located(self.offset) from None
        return value

    def length(self) -> int:
        """Read a varint that says how many of the following bytes belong together, and check that they are there."""
        start, value = self.offset, self.number(varint.LENGTH)
        if value > self.left:
            raise Malformed(f"A length says {value} bytes where only {self.left} are left in the chunk.", start)
        return value

    def byte(self) -> int:
        """Read one byte as a number."""
        return self.take(1)[0]

    def flags(self, known: int, what: str) -> int:
        """Read a byte of flags in which only the bits of `known` may be set."""
        start, value = self.offset, self.byte()
        if value & ~known:
            raise Malformed(f"The {what} byte is 0x{value:02x}; its reserved bits must be zero.", start)
        return value

    def take(self, count: int) -> bytes:
        """Read `count` bytes."""
        if count > self.left:
            raise Malformed(f"The chunk ends inside a field: {count} bytes needed, {self.left} left.", self.offset)
        self._position += count
        return bytes(self._data[self._position - count : self._position])

    def end(self) -> None:
        """Refuse bytes after the last field."""
        if self.left:
            raise Malformed(f"A chunk has {self.left} bytes after its last field.", self.offset)
