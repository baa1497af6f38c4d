"""The symbols of a .trip file of audio/mdct-rvq in plain Python, written from bitstream/FORMAT.md; no code of the package.

`python second_symbols.py FILE.trip WEIGHTS.safetensors` prints the codes of every unit. It shows that the text is enough
to get a file's integers back with nothing but a Python interpreter.
"""

import json
import sys
import zlib
from pathlib import Path

from second_reader import Stack, need, read

TYPES = {"I32": ("i", 4), "U8": ("u", 1)}


def tensors(data):
    """The integer tensors of a safetensors file as flat lists, and its configuration."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    config = json.loads(header.pop("__metadata__")["config"])
    found = {}
    for name, entry in header.items():
        if entry["dtype"] in TYPES:
            sign, width = TYPES[entry["dtype"]]
            start, end = (8 + size + at for at in entry["data_offsets"])
            steps = range(start, end, width)
            found[name] = [int.from_bytes(data[at : at + width], "little", signed=sign == "i") for at in steps]
    return found, config


class Tables:
    def __init__(self, found, name):
        self.rows, at = [], 0
        for size in found[f"{name}.sizes"]:
            self.rows.append(found[f"{name}.frequencies"][at : at + size])
            at += size
        self.firsts = found[f"{name}.firsts"]
        need(not any(found[f"{name}.escape"]), "tables with escape are not needed here")


class Reader:
    """Calls of one unit: symbols grouped by row, rows ascending; the check runs along."""

    def __init__(self, stream):
        self.stack, self.check = Stack(stream), 0

    def call(self, tables, rows, skip=0):
        symbols = [0] * len(rows)
        for at in sorted(range(len(rows)), key=lambda at: rows[at]):
            if rows[at] >= skip:
                symbols[at] = tables.firsts[rows[at]] + self.stack.take(tables.rows[rows[at]])
        packed = b"".join(symbol.to_bytes(4, "little", signed=True) for symbol in symbols)
        self.check = zlib.crc32(packed, self.check)
        return symbols


def running(steps, frames):
    """Values from differences, channel by channel."""
    values = []
    for at, step in enumerate(steps):
        values.append(step if at % frames == 0 else values[-1] + step)
    return values


def unit(stream, found, channels, frames, books, sparing):
    """Levels, numbers of codebooks in use and codes of one unit, as flat lists [channel * frame], and the check."""
    reader = Reader(stream)
    start = [1 if at % frames == 0 else 0 for at in range(channels * frames)]
    levels = running(reader.call(Tables(found, "tables.levels"), start), frames)
    used = [books] * len(levels)
    if sparing:
        spared = running(reader.call(Tables(found, "tables.spared"), start), frames)
        used = [books - number for number in spared]
    used = [number if level else 0 for number, level in zip(used, levels, strict=True)]
    tables, first, codes = Tables(found, "tables.codes"), found["tables.first_row"], []
    for book in range(books):
        rows = []
        for at, level in enumerate(levels):
            row = first[book] if used[at] > book else 0
            if row and first[book + 1] - first[book] != 1:
                kinds = found["tables.class_of_code"] if book else found["tables.class_of_level"]
                row += kinds[codes[0][at] if book else level]
            rows.append(row)
        codes.append(reader.call(tables, rows, skip=1))
    reader.stack.done()
    return levels, used, codes, reader.check


def symbols(data, weights):
    """What `unit` gives for every unit of a file with one sound."""
    found, config = tensors(weights)
    parsed = read(data)
    track = parsed["tracks"][0]
    need(track["codec"] == "audio/mdct-rvq", "another codec")
    books, modes = track["parameters"][:2]
    per_unit = int.from_bytes(track["parameters"][2:], "little")
    samples = -(-track["total"] * config["rate"] // track["rate"])
    blocks, reach = -(-samples // config["hop"]), 3 * config["decoder_blocks"]
    passed, results = 0, []
    for number, item in enumerate(parsed["items"]):
        end = min(blocks + 1, (number + 1) * per_unit + reach + 1)
        results.append(unit(item["streams"][0], found, track["channels"], end - passed, books, modes & 1))
        need(results[-1][-1] == item["check"], "other symbols than the encoder's")
        passed = end
    return results


if __name__ == "__main__":
    contents = [Path(path).read_bytes() for path in sys.argv[1:3]]
    for number, (_, _, codes, _) in enumerate(symbols(*contents)):
        print(f"unit {number}: {codes}")
