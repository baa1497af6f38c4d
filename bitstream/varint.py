"""Numbers as unsigned LEB128 in shortest form: seven bits a byte, lowest first, the top bit says that more follow."""

from .errors import Malformed, OverLimit

LENGTH = 5  # bytes at most in a number that says how many bytes follow
COUNT = 9  # bytes at most in any other number


def encode(value: int, most: int = COUNT) -> bytes:
    """Spell a number >= 0 in at most `most` bytes; raises OverLimit where it does not fit, Malformed below zero."""
    if value < 0:
        raise Malformed(f"The number {value} is negative.")
    if value >> 7 * most:
        raise OverLimit(f"The number {value} needs more than {most} bytes.")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes | memoryview, start: int, most: int = COUNT) -> tuple[int, int]:
    """Read a number at `start`; returns it and the position after it; raises Malformed unless in shortest form."""
    value = 0
    for position in range(start, start + most):
        if position >= len(data):
            raise Malformed("A number is cut off by the end of its chunk.")
        byte = data[position]
        value |= (byte & 0x7F) << 7 * (position - start)
        if byte < 0x80:
            if byte == 0 and position > start:
                raise Malformed("A number is not written in its shortest form.")
            return value, position + 1
    raise Malformed(f"A number is longer than {most} bytes.")
