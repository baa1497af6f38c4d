"""Units and weights: what a track consists of, as values and as the payloads of D and W."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import varint
from .cursor import Cursor
from .errors import Malformed, OverLimit, TripError
from .header import Track
from .limits import Limits
from .media import WHOLE, require

LAST, KEY, CHECK = 1, 2, 4  # flags of D
DIFFERENCE = 1  # flag of W
FRONT = 32  # bytes of a payload in which its track, flags and outputs always lie


def _require_check(check: int) -> None:
    require(0 <= check < 1 << 32, f"The symbol check {check} is not a 32-bit number.")


@dataclass(frozen=True)
class Unit:
    """One unit of data: the coded streams of track number `track`.

    `outputs` is the number of samples per channel or frames it yields, None for an image; `last` ends the track;
    `key` says that it decodes without its predecessors; `check` is the CRC-32 of its symbols, if there is one.
    """

    track: int
    streams: tuple[bytes, ...]
    outputs: int | None
    last: bool
    key: bool = True
    check: int | None = None

    def __post_init__(self) -> None:
        require(len(self.streams) >= 1, "A unit has at least one coded stream, which may be empty.")
        require(self.outputs is None or self.outputs >= 0, f"A unit cannot yield {self.outputs} outputs.")
        _require_check(self.check or 0)


@dataclass(frozen=True)
class WeightGroup:
    """How a group of tensors is coded: integers x 2**exponent (-128..127), coder 0, 1 or 2 and its parameter."""

    exponent: int
    coder: int
    parameter: int

    def __post_init__(self) -> None:
        require(-128 <= self.exponent <= 127, f"The exponent {self.exponent} is outside -128 to 127.")
        require(0 <= self.coder <= 2, f"The weight coder {self.coder} has no meaning in this version.")


@dataclass(frozen=True)
class Weights:
    """Fitted network weights of a track, or with `difference` what is added to those before; check is over symbols."""

    track: int
    difference: bool
    groups: tuple[WeightGroup, ...]
    body: bytes
    check: int

    def __post_init__(self) -> None:
        require(len(self.groups) >= 1, "Weights have at least one group.")
        _require_check(self.check)


@dataclass(frozen=True)
class Front:
    """What the first bytes of a D or W payload say: enough to check the order of a file and to write its index."""

    weights: bool
    track: int
    outputs: int | None
    key: bool
    last: bool
    checked: bool = False


def front(item: Unit | Weights) -> Front:
    """Return the front fields of an item."""
    if isinstance(item, Weights):
        return Front(True, item.track, None, not item.difference, False)
    return Front(False, item.track, item.outputs, item.key, item.last, item.check is not None)


def parse_front(cursor: Cursor, tag: bytes, tracks: Sequence[Track]) -> Front:
    """Read the front fields of a D or W payload; raises Malformed."""
    start, track = cursor.offset, cursor.number()
    if track >= len(tracks):
        raise Malformed(f"A chunk belongs to track {track}, but the file has {len(tracks)}.", start)
    if tag == b"W":
        return Front(True, track, None, not cursor.flags(DIFFERENCE, "weights"), False)
    flags = cursor.flags(LAST | KEY | CHECK, "unit")
    outputs = None if isinstance(tracks[track].media, WHOLE) else cursor.number()
    return Front(False, track, outputs, bool(flags & KEY), bool(flags & LAST), bool(flags & CHECK))


def pack_unit(unit: Unit) -> bytes:
    """Spell the payload of a D chunk."""
    flags = unit.last * LAST | unit.key * KEY | (unit.check is not None) * CHECK
    return b"".join(
        (
            varint.encode(unit.track),
            bytes((flags,)),
            b"" if unit.outputs is None else varint.encode(unit.outputs),
            varint.encode(len(unit.streams)),
            *(varint.encode(len(stream), varint.LENGTH) for stream in unit.streams[:-1]),
            *unit.streams,
            b"" if unit.check is None else unit.check.to_bytes(4, "little"),
        )
    )


def pack_weights(weights: Weights) -> bytes:
    """Spell the payload of a W chunk."""
    parts = [varint.encode(weights.track), bytes((weights.difference,)), varint.encode(len(weights.groups))]
    for group in weights.groups:
        parts += (bytes((group.exponent & 0xFF, group.coder)), varint.encode(group.parameter))
    return b"".join((*parts, weights.body, weights.check.to_bytes(4, "little")))


def _counted(cursor: Cursor, what: str, bound: int) -> int:
    start, count = cursor.offset, cursor.number()
    if count > bound:
        raise OverLimit(f"A chunk declares {count} {what}; the limit is {bound}.", start)
    return count


def _rest(cursor: Cursor, reserved: int) -> bytes:
    if cursor.left < reserved:
        raise Malformed("The chunk ends inside a field.", cursor.offset)
    return cursor.take(cursor.left - reserved)


def _parse_unit(cursor: Cursor, fields: Front, limits: Limits) -> Unit:
    count = _counted(cursor, "streams", limits.streams)
    lengths = [cursor.number(varint.LENGTH) for _ in range(count - 1)]
    streams = [cursor.take(length) for length in lengths]
    if count:
        streams.append(_rest(cursor, 4 * fields.checked))
    check = int.from_bytes(cursor.take(4), "little") if fields.checked else None
    cursor.end()
    return Unit(fields.track, tuple(streams), fields.outputs, fields.last, fields.key, check)


def _parse_weights(cursor: Cursor, fields: Front, limits: Limits) -> Weights:
    groups: list[WeightGroup] = []
    for _ in range(_counted(cursor, "groups of weights", limits.groups)):
        exponent = int.from_bytes(cursor.take(1), "little", signed=True)
        groups.append(WeightGroup(exponent, cursor.byte(), cursor.number()))
    body = _rest(cursor, 4)
    return Weights(fields.track, not fields.key, tuple(groups), body, int.from_bytes(cursor.take(4), "little"))


def parse_item(
    payload: bytes | bytearray, tag: bytes, base: int, tracks: Sequence[Track], limits: Limits
) -> Unit | Weights:
    """Read the payload of a D or W chunk whose first byte stands at `base`; raises Malformed or OverLimit."""
    cursor = Cursor(payload, base)
    try:
        fields = parse_front(cursor, tag, tracks)
        return (_parse_weights if fields.weights else _parse_unit)(cursor, fields, limits)
    except TripError as error:
        raise error.located(cursor.offset) from None
