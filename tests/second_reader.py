"""A second reader of .trip files, written from bitstream/FORMAT.md alone; it shares no code with the package.

`python second_reader.py FILE` prints each field of a file with its bytes. It reads a whole file into memory, keeps no
limits and gives one error for everything, but keeps every other rule. `ans_decode` is the entropy decoder in plain
Python: slow, and meant to be read.
"""

import json
import math
import re
import sys
import zlib


class Bad(Exception):
    """The file breaks a rule of the format."""


def need(condition, message):
    if not condition:
        raise Bad(message)


class Fields:
    """Fields of a stretch of bytes in turn; each is noted with its offset, its bytes and what it means."""

    def __init__(self, data, start, end, notes):
        self.data, self.at, self.end, self.notes = data, start, end, notes

    def take(self, count, what):
        need(self.at + count <= self.end, f"{what}: cut off")
        start, self.at = self.at, self.at + count
        self.notes.append([start, self.data[start : self.at], what])
        return self.data[start : self.at]

    def say(self, text):
        self.notes[-1][2] += f" {text}"

    def byte(self, what, highest=255):
        value = self.take(1, what)[0]
        need(value <= highest, f"{what}: {value} has no meaning")
        self.say(value)
        return value

    def number(self, what, most=9):
        stop = self.at
        while stop < self.end and self.data[stop] >= 0x80:
            stop += 1
        raw = self.take(stop + 1 - self.at, what)
        need(len(raw) <= most and (len(raw) == 1 or raw[-1]), f"{what}: not the shortest form")
        value = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(raw))
        self.say(value)
        return value

    def done(self):
        need(self.at == self.end, "bytes after the last field of a chunk")


def picture(fields, default):
    need(fields.number("width") and fields.number("height"), "a picture without pixels")
    form = fields.byte("sample format", 63)
    fields.say(f"({(form & 15) + 1} bits, {3 if form & 16 else 1} planes{', alpha' if form & 32 else ''})")
    if fields.byte("colour", 1):
        colour = [fields.byte(what) for what in ("primaries", "transfer", "matrix")]
        need([*colour, fields.byte("full range", 1)] != default, "the default colour spelled out")


def header(fields):
    codec = fields.take(fields.number("codec id length", 5), "codec id").decode("latin-1")
    need(len(codec) <= 64 and re.fullmatch(r"[a-z0-9]+([-_./][a-z0-9]+)*", codec), "codec id")
    track = {"codec": codec, "profile": fields.number("profile"), "exact": fields.byte("contract", 1) == 0}
    track["digest"] = fields.take(8, "model digest")
    track["kind"], most, total = fields.byte("media kind", 3), None, 0
    if track["kind"] == 1:
        rate, channels = fields.number("sample rate"), fields.number("channels")
        most = fields.number("samples per unit")
        need(rate and channels and most, "a zero in the audio fields")
        track |= {"rate": rate, "channels": channels}
        fields.number("skip"), fields.number("pre-roll units")
        total = fields.number("total samples + 1")
    elif track["kind"] == 3:
        fields.byte("element", 2)
        axes = fields.number("axes")
        need(1 <= axes <= 8 and all(fields.number("side") for _ in range(axes)), "axes of a tensor")
    else:
        picture(fields, [1, 1, 0, 1] if track["kind"] else [1, 13, 0, 1])
    if track["kind"] == 2:
        need(math.gcd(fields.number("rate numerator"), fields.number("rate denominator")) == 1, "frame rate")
        need(fields.notes[-2][1] != b"\0" and fields.notes[-1][1] != b"\0", "frame rate of zero")
        most = fields.number("frames per unit")
        need(most, "units without frames")
        total = fields.number("total frames + 1")
    track["parameters"] = fields.take(fields.number("parameters length", 5), "parameters")
    return {**track, "most": most, "total": total - 1 if total else None, "sum": 0, "state": "new", "net": False}


def unit(fields, tracks):
    number = fields.number("track")
    need(number < len(tracks), "no such track")
    flags = fields.byte("unit flags", 7)
    last, key, checked = flags & 1, flags >> 1 & 1, flags >> 2
    fields.say(f"({', '.join(n for n, bit in (('last', last), ('key', key), ('check', checked)) if bit) or 'none'})")
    outputs = fields.number("outputs") if tracks[number]["kind"] in (1, 2) else None
    count = fields.number("streams")
    need(count, "a unit without streams")
    lengths = [fields.number("stream length", 5) for _ in range(count - 1)]
    lengths.append(fields.end - fields.at - sum(lengths) - 4 * checked)
    need(lengths[-1] >= 0, "streams longer than the chunk")
    streams = tuple(fields.take(length, "stream") for length in lengths)
    check = int.from_bytes(fields.take(4, "symbol check"), "little") if checked else None
    return {"track": number, "streams": streams, "outputs": outputs, "last": last, "key": key, "check": check}


def weights(fields, tracks):
    number = fields.number("track")
    need(number < len(tracks), "no such track")
    difference, count = fields.byte("weights flags", 1), fields.number("groups")
    need(count, "weights without groups")
    groups = []
    for _ in range(count):
        exponent = int.from_bytes(fields.take(1, "exponent"), "little", signed=True)
        fields.say(exponent)
        groups.append((exponent, fields.byte("coder", 2), fields.number("coder parameter")))
    need(fields.end - fields.at >= 4, "weights without symbol check")
    body = fields.take(fields.end - fields.at - 4, "body")
    check = int.from_bytes(fields.take(4, "symbol check"), "little")
    return {"track": number, "difference": difference, "groups": tuple(groups), "body": body, "check": check}


def follow(track, item):
    """Keep the rules about the order of one track's chunks."""
    need(track["state"] != "ended", "a chunk after the last unit")
    if "groups" in item:
        need(track["net"] or not item["difference"], "a difference to no weights")
        track["net"], track["state"] = True, "needs key"
        return
    need(item["key"] or track["state"] == "running", "a key unit is missing")
    track["state"] = "ended" if item["last"] else "running"
    if track["kind"] in (0, 3):
        need(item["key"], "a unit of an image or a tensor that is no key unit")
        return
    track["sum"] += item["outputs"]
    need(item["outputs"] <= track["most"], "too many outputs in a unit")
    if track["total"] is not None:
        need(track["sum"] <= track["total"] and (not item["last"] or track["sum"] == track["total"]), "total")


def index(fields, tracks, passed, size):
    """Compare the entries with the D and W chunks that were passed."""
    end = 5
    for start, stop, item in passed:
        mark = fields.byte("mark", 3)
        fields.say("(weights)" if mark & 2 else "(unit)")
        entry = [fields.number("gap"), fields.number("size"), fields.number("track")]
        w = "groups" in item
        need(entry == [start - end, stop - start, item["track"]] and mark >> 1 == w, "index")
        need(mark & 1 == (not item["difference"] if w else item["key"]), "index")
        if not w and tracks[item["track"]]["kind"] in (1, 2):
            need(fields.number("outputs") == item["outputs"], "index")
        end = stop
    need(int.from_bytes(fields.take(4, "size of this chunk"), "little") == size, "index size")
    fields.say(size)


def metadata(text):
    def pairs(found):
        need(all(isinstance(value, str) for _, value in found), "metadata value")
        need(len(dict(found)) == len(found), "metadata key twice")
        return dict(found)

    try:
        values = json.loads(text.decode(), object_pairs_hook=pairs)
        need(isinstance(values, dict), "metadata")
        "".join((*values.keys(), *values.values())).encode()
    except (ValueError, RecursionError):
        raise Bad("metadata") from None
    return values


def chunk(fields):
    """Read tag and length, check the checksum; returns the tag and the payload."""
    start, tag = fields.at, chr(fields.take(1, "chunk")[0])
    fields.say(tag)
    need(tag.isascii() and tag.isalpha(), "a chunk without a tag")
    stop = fields.number("payload length", 5) + fields.at
    need(stop + 4 <= fields.end, "truncated")
    need(zlib.crc32(fields.data[start:stop]).to_bytes(4, "little") == fields.data[stop : stop + 4], "damaged")
    return tag, Fields(fields.data, fields.at, stop, fields.notes)


def read(data):
    """Return tracks, items, metadata and the notes on every field of a file; raises Bad."""
    notes, tracks, passed, seen, values = [], [], [], "", {}
    fields = Fields(data, 0, len(data), notes)
    need(fields.take(4, "magic 'TRP'") == b"\xd3TRP", "not a .trip file")
    need(fields.take(1, "version")[0] >> 4 == 1, "version")
    fields.say(f"1.{data[4] & 15}")
    while fields.at < len(data):
        start = fields.at
        tag, inside = chunk(fields)
        stop = inside.end + 4
        need(seen or tag == "H", "the first chunk is no header")
        if tag == "H":
            need(set(seen) <= {"H"}, "a late header")
            tracks.append(header(inside))
        elif tag in "DW":
            need("i" not in seen, "units after the index")
            item = (unit if tag == "D" else weights)(inside, tracks)
            follow(tracks[item["track"]], item)
            passed.append((start, stop, item))
        elif tag == "i":
            need("i" not in seen and all(track["state"] == "ended" for track in tracks), "index out of place")
            index(inside, tracks, passed, stop - start)
        elif tag == "m":
            need("m" not in seen, "metadata twice")
            values = metadata(inside.take(inside.end - inside.at, "metadata"))
        else:
            need(tag.islower(), "an unknown critical chunk")
            inside.take(inside.end - inside.at, "unknown, skipped")
        inside.done()
        seen += tag if tag in "HDWim" else ""
        fields.at = stop - 4
        fields.take(4, "checksum")
    need(tracks and all(track["state"] == "ended" for track in tracks), "truncated")
    return {"tracks": tracks, "items": [item for _, _, item in passed], "metadata": values, "notes": notes}


def dump(data):
    """Return the fields of a file as text: offset, bytes, meaning."""
    lines = []
    for offset, raw, meaning in read(data)["notes"]:
        for start in range(0, max(len(raw), 1), 8):
            part = raw[start : start + 8].hex(" ")
            lines.append(f"{offset + start:04x}  {part:<23}  {meaning if start == 0 else ''}".rstrip())
    return "\n".join(lines) + "\n"


class Stack:
    """The entropy decoder: `take` gives the next symbol, as its position in the table (frequencies that sum to 2**24)."""

    def __init__(self, stream):
        need(len(stream) % 4 == 0, "a stream of broken words")
        self.words = [int.from_bytes(stream[at : at + 4], "little") for at in range(0, len(stream), 4)]
        need(not self.words or self.words[-1], "a stream that ends with a zero word")
        self.state = 0
        for _ in range(2):
            self.refill()

    def refill(self):
        if self.words:
            self.state = self.state << 32 | self.words.pop()

    def take(self, table):
        quantile, symbol, below = self.state & 0xFFFFFF, 0, 0
        while below + table[symbol] <= quantile:
            below += table[symbol]
            symbol += 1
        self.state = (self.state >> 24) * table[symbol] + quantile - below
        if self.state < 1 << 32:
            self.refill()
        return symbol

    def done(self):
        need(self.state == 0 and not self.words, "a stream that is longer than its symbols")


def ans_decode(stream, tables):
    """Decode one symbol per table from a coded stream; raises Bad unless every bit of the stream was used."""
    stack = Stack(stream)
    symbols = [stack.take(table) for table in tables]
    stack.done()
    return symbols


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        sys.stdout.write(dump(file.read()))
