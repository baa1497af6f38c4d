"""Framing: tag, length, payload, checksum."""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from . import varint
from .errors import Damaged, Malformed, OverLimit
from .limits import Limits
from .source import PIECE, Source

CRC = 4  # bytes of the checksum


@dataclass(frozen=True)
class Head:
    """The beginning of a chunk: its tag, its payload's length, its offset in the file and its bytes as they stand."""

    tag: bytes
    length: int
    offset: int
    raw: bytes

    @property
    def payload(self) -> int:
        """Offset of the first payload byte."""
        return self.offset + len(self.raw)

    @property
    def size(self) -> int:
        """Bytes of the whole chunk."""
        return len(self.raw) + self.length + CRC


def pack(tag: bytes, payload: bytes) -> bytes:
    """Return the bytes of a chunk."""
    raw = tag + varint.encode(len(payload), varint.LENGTH)
    return b"".join((raw, payload, crc32(payload, crc32(raw)).to_bytes(CRC, "little")))


def _bound(tag: bytes, limits: Limits) -> int:
    return {b"H": limits.header, b"m": limits.metadata}.get(tag, limits.chunk)


def check_length(tag: bytes, length: int, limits: Limits, offset: int | None = None) -> None:
    """Raise OverLimit where a payload is larger than the limits allow for its tag."""
    if length > _bound(tag, limits):
        name = tag.decode("ascii")
        raise OverLimit(f"A chunk {name!r} declares {length} bytes; the limit is {_bound(tag, limits)}.", offset)


def read_head(source: Source, limits: Limits) -> Head | None:
    """Read tag and length of the next chunk, None at the end of the input; raises Malformed, OverLimit, Truncated."""
    offset = source.offset
    raw = bytes(source.read(1))
    if not raw:
        return None
    if not raw.isalpha():
        raise Malformed(f"Byte 0x{raw[0]:02x} stands where a chunk must begin with a letter.", offset)
    while len(raw) <= varint.LENGTH:
        raw += source.take(1)
        if raw[-1] < 0x80:
            break
    try:
        length, _ = varint.decode(raw, 1, varint.LENGTH)
    except Malformed as error:
        raise error.located(offset + 1) from None
    check_length(raw[:1], length, limits, offset)
    source.expect(length + CRC)
    return Head(raw[:1], length, offset, raw)


def _compare(head: Head, found: int, source: Source) -> None:
    if found.to_bytes(CRC, "little") != source.take(CRC):
        name = head.tag.decode("ascii")
        raise Damaged(f"The file is damaged: the checksum of a chunk {name!r} does not fit.", head.offset)


def read_body(source: Source, head: Head) -> bytes | bytearray:
    """Read the payload that follows `head` and check it; raises Truncated or Damaged."""
    payload = source.take(head.length)
    _compare(head, crc32(payload, crc32(head.raw)), source)
    return payload


def pass_body(source: Source, head: Head, keep: int, check: bool) -> bytes:
    """Return the first `keep` payload bytes and pass over the rest, holding a piece at a time.

    The checksum is compared if `check` is set or the input cannot seek; raises Truncated or Damaged.
    """
    kept = bytes(source.take(min(keep, head.length)))
    if source.seekable and not check:
        end = head.offset + head.size
        source.expect(end - source.offset)
        source.seek(end)
        return kept
    found = crc32(kept, crc32(head.raw))
    for count in _pieces(head.length - len(kept)):
        found = crc32(source.take(count), found)
    _compare(head, found, source)
    return kept


def _pieces(total: int) -> Iterator[int]:
    for start in range(0, total, PIECE):
        yield min(PIECE, total - start)
