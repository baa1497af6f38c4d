"""Mutations of files: of bytes, of chunks whose checksums are made right again, of items, and of the text of a registry."""

import random
import re
import zlib
from dataclasses import replace
from io import BytesIO

from triptych.bitstream import Limits, Reader, TripError, Unit, Weights, Writer, varint

INTERESTING = [0, 1, 2, 3, 0x7F, 0x80, 0x81, 0xFE, 0xFF]
TAGS = b"HWDimxZ7\x80"
SIDES = (1, 2, 7, 16, 31, 33, 63, 64, 65, 127, 255, 256, 257, 1000, 4095, 65535, 1 << 20, 1 << 28, (1 << 32) - 1)


def split(data: bytes) -> list[list[bytes]]:
    """Chunks of a whole file as [tag, payload]."""
    chunks, at = [], 5
    while at < len(data):
        length, body = varint.decode(data, at + 1)
        chunks.append([data[at : at + 1], data[body : body + length]])
        at = body + length + 4
    return chunks


def join(start: bytes, chunks: list[list[bytes]]) -> bytes:
    """A file of these chunks with right lengths and checksums."""
    out = [start]
    for tag, payload in chunks:
        raw = tag + varint.encode(len(payload)) + payload
        out += (raw, zlib.crc32(raw).to_bytes(4, "little"))
    return b"".join(out)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Change a few bytes: set, flip, insert, delete, copy, blow up a number."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, kind = rng.randint(0, max(len(data) - 1, 0)), rng.randrange(7)
        if kind == 0 and data:
            data[at] = rng.choice(INTERESTING)
        elif kind == 1 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
        elif kind == 3:
            del data[at : at + rng.randint(1, 4)]
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 16)]
        elif kind == 5:
            data[at : at + 1] = varint.encode(1 << rng.randrange(63))
        else:
            del data[at:]
    return bytes(data)


def mutate_chunks(rng: random.Random, data: bytes) -> bytes:
    """Change the chunks: payload, tag, order, number; checksums are made right again."""
    chunks = split(data)
    for _ in range(rng.randint(1, 3)):
        if not chunks:
            break
        at, kind = rng.randrange(len(chunks)), rng.randrange(8)
        if kind < 4:
            chunks[at] = [chunks[at][0], mutate_bytes(rng, chunks[at][1])]
        elif kind == 4:
            chunks[at] = [bytes((rng.choice(TAGS),)), chunks[at][1]]
        elif kind == 5:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks[at])
        elif kind == 6:
            del chunks[at]
        else:
            rng.shuffle(chunks)
    return join(data[:5], chunks)


def _stream(rng: random.Random, data: bytes) -> bytes:
    """Other bytes for a coded stream: noise, a few changes, a part of it."""
    way = rng.randrange(5)
    if way == 0:
        return rng.randbytes(4 * rng.randint(0, len(data) // 2 + 2))
    if way == 1 and data:
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(len(data) - at)
    if way == 2 and data:
        at = rng.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
    return mutate_bytes(rng, data)


def _media(rng: random.Random, media: object) -> object:
    """The same media with one number changed."""
    names = [name for name, value in vars(media).items() if type(value) is int]
    name = rng.choice(names)
    return replace(media, **{name: rng.choice((*SIDES, max(getattr(media, name) + rng.choice((-1, 1)), 0)))})


def mutate_items(rng: random.Random, data: bytes) -> bytes:
    """Change what the items of a file hold and write it as our writer does, mostly without checks of symbols.

    Such a file is in order as a container: its codec gets to see it. Falls back to `mutate_chunks`.
    """
    try:
        reader = Reader(data, Limits(chunk=1 << 20))
        tracks, items = list(reader.tracks), list(reader)
        if rng.random() < 0.8:
            items = [replace(item, check=None) if isinstance(item, Unit) else item for item in items]
        for _ in range(rng.randint(1, 3)):
            at, number, way = rng.randrange(len(items)), rng.randrange(len(tracks)), rng.randrange(6)
            item, track = items[at], tracks[number]
            if way < 3 and isinstance(item, Unit):
                streams = list(item.streams)
                place = rng.randrange(len(streams))
                streams[place] = _stream(rng, streams[place])
                items[at] = replace(item, streams=tuple(streams))
            elif way < 3 and isinstance(item, Weights):
                items[at] = replace(item, body=_stream(rng, item.body))
            elif way == 3:
                tracks[number] = replace(track, media=_media(rng, track.media))
            elif way == 4:
                tracks[number] = replace(track, parameters=mutate_bytes(rng, track.parameters))
            elif isinstance(item, Unit):
                change = {"outputs": None if item.outputs is None else rng.choice(SIDES)}
                items[at] = replace(item, **rng.choice((change, {"streams": item.streams * 2}, {"streams": (b"",)})))
        out = BytesIO()
        writer = Writer(out, tracks)
        for item in items:
            writer.item(item)
        writer.finish()
        return out.getvalue()
    except (TripError, ValueError, IndexError):
        return mutate_chunks(rng, data)


WORDS = ("0", "-1", "1", "2", "7", "1e9", "4096", "65536", "1099511627776", "null", "true", '""', '"x"', "[]", "{}", "[1]",
         "[[1]]", "NaN", "Infinity", '"' + "9" * 400 + '"', "9" * 400)  # fmt: skip


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """Put other values where a text (JSON, TOML, the head of a weights file) has numbers or words; or change bytes."""
    places = [match.start() for match in re.finditer(rb"[:=,\[]", data)]
    if not places or rng.random() < 0.4:
        return mutate_bytes(rng, data)
    at = rng.choice(places) + 1
    end = at
    while end < len(data) and data[end : end + 1] not in b",}]\n":
        end += 1
    return data[:at] + rng.choice(WORDS).encode() + data[end:]
