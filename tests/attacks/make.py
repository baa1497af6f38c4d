"""Writes the attack files beside this script: one small file per rule of the format, and the table in README.md.

`python tests/attacks/make.py` writes them again; equal bytes come out each time. The files are put together by hand,
because a Writer refuses to write them.
"""

# ruff: noqa: E501
# The tables below are read line by line: a line is a file.

import zlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
START = b"\xd3TRP\x10"
NUMBER_CUT = b"\x80\x80"


def number(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def chunk(tag: bytes, payload: bytes, length: bytes | None = None, wrong: int = 0) -> bytes:
    """A chunk; `length` replaces the spelling of its length, `wrong` changes its checksum."""
    raw = tag + (number(len(payload)) if length is None else length) + payload
    return raw + (zlib.crc32(raw) ^ wrong).to_bytes(4, "little")


def header(media: bytes, codec: bytes = b"a/b", contract: int = 0, parameters: bytes = b"\0", digest: bytes = bytes(8)):
    """Payload of an H chunk; `parameters` includes its length."""
    return number(len(codec)) + codec + b"\x01" + bytes((contract,)) + digest + media + parameters


PICTURE = b"\x00\x10\x10\x17\x00"  # image, 16 x 16, 8 bits in 3 planes, default colour
SOUND = b"\x01" + number(24000) + b"\x01\x64\x00\x00\x00"  # 24 kHz, mono, 100 samples per unit, total unknown
FILM = b"\x02\x10\x10\x17\x00\x19\x01\x08\x00"  # 16 x 16, 25/1 frames per second, 8 per unit, total unknown
IMAGE = START + chunk(b"H", header(PICTURE))
AUDIO = START + chunk(b"H", header(SOUND))
VIDEO = START + chunk(b"H", header(FILM))
STILL = b"\x00\x03\x01data"  # track 0, last and key, one stream
UNIT = chunk(b"D", STILL)
TILE = chunk(b"D", b"\x00\x02\x01data")  # of an image: key, not the last
FIRST = chunk(b"D", b"\x00\x02\x64\x01data")  # of audio: key, 100 outputs
FINAL = chunk(b"D", b"\x00\x03\x64\x01data")  # of audio: last and key, 100 outputs
WEIGHTS = chunk(b"W", b"\x00\x00\x01\xf9\x01\x03body\0\0\0\0")
DIFFERENCE = chunk(b"W", b"\x00\x01\x01\xf9\x01\x03body\0\0\0\0")


def index(entries: bytes, size: int | None = None) -> bytes:
    """An i chunk; `size` replaces the size at its end."""
    whole = 1 + len(number(len(entries) + 4)) + len(entries) + 8
    return chunk(b"i", entries + (whole if size is None else size).to_bytes(4, "little"))


def entry(mark: int, gap: int, unit: bytes, outputs: bytes = b"") -> bytes:
    """An index entry of track 0."""
    return bytes((mark,)) + number(gap) + number(len(unit)) + b"\0" + outputs


GOOD_INDEX = index(entry(1, len(IMAGE) - 5, UNIT))


@dataclass(frozen=True)
class Attack:
    """A file, the rule that it breaks, the error it must raise and what would happen without the rule."""

    name: str
    data: bytes
    rule: str
    error: str
    otherwise: str


def _start() -> list[Attack]:
    return [
        Attack("empty", b"", "a file begins with the magic", "NotOurs", "an empty picture from an empty file"),
        Attack("magic-other", b"RIFF" + IMAGE[4:] + UNIT, "a file begins with the magic", "NotOurs", "other formats read as ours"),
        Attack("magic-cut", START[:2], "the magic has four bytes", "Truncated", "a wrong message to the user"),
        Attack("magic-alone", START, "there is at least one header", "Truncated", "a file without tracks"),
        Attack("version-2", b"\xd3TRP\x20" + IMAGE[5:] + UNIT, "major versions above ours are refused", "TooNew", "noise instead of a clear sentence"),
        Attack("version-0", b"\xd3TRP\x0f" + IMAGE[5:] + UNIT, "major version 0 does not exist", "Malformed", "a second spelling of one file"),
        Attack("critical-unknown", IMAGE + chunk(b"Z", b"") + UNIT, "unknown capital tags must be understood", "UnknownCritical", "what the chunk requires is ignored"),
        Attack("critical-first", START + chunk(b"A", b"") + IMAGE[5:] + UNIT, "unknown capital tags must be understood", "UnknownCritical", "what the chunk requires is ignored"),
        Attack("critical-at-end", IMAGE + UNIT + chunk(b"Z", b""), "unknown capital tags must be understood", "UnknownCritical", "what the chunk requires is ignored"),
        Attack("tag-no-letter", IMAGE + chunk(b"7", b"") + UNIT, "tags are letters", "Malformed", "a chunk that is neither critical nor optional"),
        Attack("tag-beyond-ascii", IMAGE + chunk(b"\xe4", b"") + UNIT, "tags are letters of ASCII", "Malformed", "readers disagree about its case"),
    ]  # fmt: skip


def _framing() -> list[Attack]:
    long_length = IMAGE + chunk(b"D", STILL, b"\x87\x00")
    return [
        Attack("length-not-shortest", long_length, "numbers are in shortest form", "Malformed", "one file has many spellings"),
        Attack("length-six-bytes", IMAGE + chunk(b"D", STILL, b"\x87\x80\x80\x80\x80\x00"), "lengths have at most five bytes", "Malformed", "an endless number"),
        Attack("length-beyond-limit", IMAGE + b"D" + number(1 << 34), "lengths are checked before allocation", "OverLimit", "16 GiB are allocated"),
        Attack("length-beyond-file", IMAGE + b"D" + number(1 << 25) + STILL, "lengths are checked against what is left", "Truncated", "32 MiB are allocated for 7 bytes"),
        Attack("length-cut", IMAGE + b"D" + NUMBER_CUT, "a chunk is whole", "Truncated", "a number of what comes next"),
        Attack("header-beyond-limit", START + b"H" + number((1 << 16) + 1) + bytes(1 << 10), "a header has at most 64 KiB", "OverLimit", "megabytes before the first check"),
        Attack("metadata-beyond-limit", IMAGE + b"m" + number((1 << 20) + 1), "metadata has at most 1 MiB", "OverLimit", "a JSON parser is fed with megabytes"),
        Attack("checksum-header", START + chunk(b"H", header(PICTURE), wrong=1) + UNIT, "checksums fit", "Damaged", "a picture of another size"),
        Attack("checksum-unit", IMAGE + chunk(b"D", STILL, wrong=1), "checksums fit", "Damaged", "noise from the first wrong symbol on"),
        Attack("checksum-weights", VIDEO + chunk(b"W", b"\x00\x00\x01\xf9\x01\x03body\0\0\0\0", wrong=1) + UNIT, "checksums fit", "Damaged", "a broken network"),
        Attack("checksum-index", IMAGE + UNIT + chunk(b"i", GOOD_INDEX[2:-4], wrong=1), "checksums fit", "Damaged", "seeking to the wrong place"),
        Attack("checksum-metadata", IMAGE + chunk(b"m", b"{}", wrong=1) + UNIT, "checksums fit", "Damaged", "a wrong title"),
        Attack("checksum-unknown", IMAGE + chunk(b"x", b"data", wrong=1) + UNIT, "checksums fit even in skipped chunks", "Damaged", "damage stays unnoticed"),
        Attack("checksum-critical", IMAGE + chunk(b"Z", b"data", wrong=1) + UNIT, "damage is told apart from an unknown chunk", "Damaged", "a user looks for a newer reader in vain"),
        Attack("checksum-cut", (IMAGE + UNIT)[:-2], "a chunk is whole", "Truncated", "a unit without its check"),
        Attack("payload-cut", (IMAGE + UNIT)[:-6], "a chunk is whole", "Truncated", "a part of a unit"),
        Attack("trailing-zero", IMAGE + UNIT + b"\0", "nothing follows the last chunk", "Malformed", "a file that is two things"),
        Attack("trailing-zip", IMAGE + UNIT + b"PK\x03\x04abcd", "nothing follows the last chunk", "Truncated", "a file that is two things"),
        Attack("trailing-letter", IMAGE + UNIT + b"x", "nothing follows the last chunk", "Truncated", "a file that is two things"),
    ]  # fmt: skip


def _fields() -> list[Attack]:
    def head(payload: bytes) -> bytes:
        return START + chunk(b"H", payload) + UNIT

    return [
        Attack("header-empty", head(b""), "every field of a header is there", "Malformed", "a field of what comes next"),
        Attack("header-trailing", head(header(PICTURE) + b"\0"), "nothing follows the last field", "Malformed", "room to hide something"),
        Attack("header-parameters-cut", head(header(PICTURE, parameters=b"\x09abc")), "a length lies within its chunk", "Malformed", "parameters from the next chunk"),
        Attack("header-contract-2", head(header(PICTURE, contract=2)), "reserved values are refused", "Malformed", "a promise that nobody knows"),
        Attack("header-codec-empty", head(header(PICTURE, codec=b"")), "a codec id has 1 to 64 characters", "Malformed", "a codec without a name"),
        Attack("header-codec-path", head(header(PICTURE, codec=b"../../x")), "a codec id is made of few characters", "Malformed", "a name that leads out of a folder"),
        Attack("header-codec-line", head(header(PICTURE, codec=b"a/b\n")), "a codec id is made of few characters", "Malformed", "a name that writes on the terminal"),
        Attack("header-codec-long", head(header(PICTURE, codec=b"a" * 65)), "a codec id has 1 to 64 characters", "Malformed", "a name without end"),
        Attack("header-kind-4", head(header(b"\x04\x00")), "media kinds are image, audio, video, tensor", "Malformed", "fields of an unknown kind"),
        Attack("tensor-element-3", head(header(b"\x03\x03\x01\x10")), "element types are float32, float16, bfloat16", "Malformed", "values of an unknown type"),
        Attack("tensor-no-axes", head(header(b"\x03\x00\x00")), "a tensor has 1 to 8 axes", "Malformed", "a tensor without a place for values"),
        Attack("tensor-nine-axes", head(header(b"\x03\x00\x09" + bytes([1]) * 9)), "a tensor has 1 to 8 axes", "Malformed", "shapes that array libraries refuse"),
        Attack("tensor-no-elements", head(header(b"\x03\x00\x02\x04\x00")), "sides of a tensor are at least 1", "Malformed", "an empty tensor"),
        Attack("tensor-terabytes", head(header(b"\x03\x00\x02" + number(1 << 20) * 2)), "at most 2^30 elements", "OverLimit", "terabytes of memory for a file of 40 bytes"),
        Attack("tensor-no-key", START + chunk(b"H", header(b"\x03\x00\x01\x04")) + chunk(b"D", b"\x00\x01\x01data"), "units of a tensor are key units", "Malformed", "a unit that waits for another"),
        Attack("header-number-long", head(header(b"\x00" + b"\x90" + b"\x80" * 8 + b"\x00" + PICTURE[2:])), "counts have at most nine bytes", "Malformed", "an endless number"),
        Attack("header-number-not-shortest", head(header(b"\x00\x90\x00\x10\x17\x00")), "numbers are in shortest form", "Malformed", "one file has many spellings"),
        Attack("image-no-pixels", head(header(b"\x00\x00\x10\x17\x00")), "sides are at least 1", "Malformed", "a division by zero later"),
        Attack("image-gigapixels", head(header(b"\x00" + number(1 << 20) + number(1 << 20) + b"\x17\x00")), "at most 2^28 pixels", "OverLimit", "terabytes for an empty payload"),
        Attack("image-format-reserved", head(header(b"\x00\x10\x10\x57\x00")), "reserved bits are zero", "Malformed", "a later meaning is ignored"),
        Attack("image-colour-2", head(header(b"\x00\x10\x10\x17\x02")), "the colour byte is 0 or 1", "Malformed", "a later meaning is ignored"),
        Attack("image-colour-default", head(header(b"\x00\x10\x10\x17\x01\x01\x0d\x00\x01")), "the default colour is written as 0", "Malformed", "one file has many spellings"),
        Attack("image-colour-range", head(header(b"\x00\x10\x10\x17\x01\x09\x10\x00\x02")), "the range byte is 0 or 1", "Malformed", "a later meaning is ignored"),
        Attack("audio-no-rate", head(header(b"\x01\x00\x01\x64\x00\x00\x00")), "rates are at least 1", "Malformed", "a division by zero later"),
        Attack("audio-channels", head(header(b"\x01\x64" + number(1 << 20) + b"\x64\x00\x00\x00")), "at most 256 channels", "OverLimit", "a million channels"),
        Attack("audio-long-unit", head(header(b"\x01\x64\x01" + number(1 << 40) + b"\x00\x00\x00")), "at most 2^28 samples in a unit", "OverLimit", "terabytes for an empty payload"),
        Attack("video-rate-zero", head(header(b"\x02\x10\x10\x17\x00\x19\x00\x08\x00")), "rates are at least 1", "Malformed", "a division by zero later"),
        Attack("video-rate-not-reduced", head(header(b"\x02\x10\x10\x17\x00\x32\x02\x08\x00")), "rates are reduced fractions", "Malformed", "one file has many spellings"),
        Attack("video-long-unit", head(header(b"\x02\x10\x10\x17\x00\x19\x01" + number(1 << 30) + b"\x00")), "at most 2^16 frames in a unit", "OverLimit", "a unit that never ends"),
    ]  # fmt: skip


def _items() -> list[Attack]:
    def still(payload: bytes) -> bytes:
        return IMAGE + chunk(b"D", payload)

    many = number((1 << 62) + 1)
    return [
        Attack("unit-empty", still(b""), "every field of a unit is there", "Malformed", "a field of what comes next"),
        Attack("unit-no-track", still(b"\x01\x03\x01data"), "track numbers exist", "Malformed", "an index error"),
        Attack("unit-flag-reserved", still(b"\x00\x0b\x01data"), "reserved bits are zero", "Malformed", "a later meaning is ignored"),
        Attack("unit-no-streams", still(b"\x00\x03\x00"), "a unit has a stream", "Malformed", "a unit that yields outputs from nothing"),
        Attack("unit-many-streams", still(b"\x00\x03" + many), "at most 4096 streams", "OverLimit", "a list of 2^62 lengths"),
        Attack("unit-streams-too-long", still(b"\x00\x03\x02\x64data"), "a length lies within its chunk", "Malformed", "a stream from the next chunk"),
        Attack("unit-check-cut", still(b"\x00\x07\x01abc"), "the symbol check has four bytes", "Malformed", "a check made of the stream"),
        Attack("weights-flag-reserved", VIDEO + chunk(b"W", b"\x00\x02\x01\xf9\x01\x03\0\0\0\0"), "reserved bits are zero", "Malformed", "a later meaning is ignored"),
        Attack("weights-no-groups", VIDEO + chunk(b"W", b"\x00\x00\x00\0\0\0\0"), "weights have a group", "Malformed", "weights of nothing"),
        Attack("weights-many-groups", VIDEO + chunk(b"W", b"\x00\x00" + many + b"\0\0\0\0"), "at most 4096 groups", "OverLimit", "a list of 2^62 groups"),
        Attack("weights-coder-3", VIDEO + chunk(b"W", b"\x00\x00\x01\xf9\x03\x03\0\0\0\0"), "coders are 0, 1, 2", "Malformed", "weights of an unknown coder"),
        Attack("weights-check-cut", VIDEO + chunk(b"W", b"\x00\x00\x01\xf9\x01\x03\0\0"), "the symbol check has four bytes", "Malformed", "a check made of the body"),
    ]  # fmt: skip


def _order() -> list[Attack]:
    media = (("total-too-few", 150), ("total-too-many", 250))
    totals = {name: START + chunk(b"H", header(SOUND[:-1] + number(total + 1))) for name, total in media}
    two = START + chunk(b"H", header(SOUND)) * 2
    return [
        Attack("order-no-header", START + UNIT, "the first chunk is a header", "Malformed", "a unit of no track"),
        Attack("order-metadata-first", START + chunk(b"m", b"{}") + IMAGE[5:] + UNIT, "the first chunk is a header", "Malformed", "one file has many spellings"),
        Attack("order-optional-first", START + chunk(b"x", b"") + IMAGE[5:] + UNIT, "the first chunk is a header", "Malformed", "anything may stand before the header"),
        Attack("order-late-header", IMAGE + UNIT + IMAGE[5:] + UNIT, "headers come first", "Malformed", "a second file behind the first"),
        Attack("order-header-after-metadata", IMAGE + chunk(b"m", b"{}") + IMAGE[5:] + UNIT, "headers come first", "Malformed", "a reader that starts early misses a track"),
        Attack("tracks-17", START + chunk(b"H", header(PICTURE)) * 17, "at most 16 tracks", "OverLimit", "headers without end"),
        Attack("last-missing", AUDIO + FIRST, "the last unit says so", "Truncated", "a cut file passes for a whole one"),
        Attack("last-missing-in-one-track", two + FINAL, "each track has a last unit", "Truncated", "a film without sound passes for a whole one"),
        Attack("last-twice", AUDIO + FINAL + FINAL, "no unit follows the last one", "Malformed", "readers disagree about the length"),
        Attack("last-then-weights", VIDEO + WEIGHTS + chunk(b"D", b"\x00\x03\x08\x01data") + WEIGHTS, "no weights follow the last unit", "Malformed", "room to hide something"),
        Attack("image-last-missing", IMAGE + TILE, "the last unit says so", "Truncated", "a part of a picture passes for the whole"),
        Attack("image-after-last", IMAGE + UNIT + UNIT, "no unit follows the last one", "Malformed", "which of the two is the picture"),
        Attack("image-no-key", IMAGE + chunk(b"D", b"\x00\x01\x01data"), "units of an image are key units", "Malformed", "one file has many spellings"),
        Attack("image-later-no-key", IMAGE + TILE + chunk(b"D", b"\x00\x01\x01data"), "units of an image are key units", "Malformed", "a tile that needs another one"),
        Attack("key-missing-at-start", AUDIO + chunk(b"D", b"\x00\x01\x64\x01data"), "a track begins with a key unit", "Malformed", "a unit decodes from nothing"),
        Attack("key-missing-after-weights", VIDEO + WEIGHTS + chunk(b"D", b"\x00\x02\x08\x01a") + WEIGHTS + chunk(b"D", b"\x00\x01\x08\x01a"), "weights stand before key units", "Malformed", "a network changes below a running unit"),
        Attack("difference-to-nothing", VIDEO + DIFFERENCE + chunk(b"D", b"\x00\x03\x08\x01a"), "the first weights are whole", "Malformed", "a difference to chance"),
        Attack("outputs-too-many", AUDIO + chunk(b"D", b"\x00\x03\x65\x01data"), "a unit keeps to its track's size", "Malformed", "a buffer overflows"),
        Attack("total-too-few", totals["total-too-few"] + FINAL, "units add up to the total", "Malformed", "50 samples of chance"),
        Attack("total-too-many", totals["total-too-few"] + FIRST + FINAL, "units add up to the total", "Malformed", "a buffer overflows"),
        Attack("total-short-at-end", totals["total-too-many"] + FIRST + FINAL, "units add up to the total", "Malformed", "50 samples of chance"),
    ]  # fmt: skip


def _extras() -> list[Attack]:
    return [
        Attack("index-early", AUDIO + index(b"") + FINAL, "the index follows the last unit", "Malformed", "an index of a part"),
        Attack("index-twice", IMAGE + UNIT + GOOD_INDEX + GOOD_INDEX, "there is one index", "Malformed", "two indexes that disagree"),
        Attack("index-wrong-size", IMAGE + UNIT + index(entry(1, len(IMAGE) - 5, UNIT), 5), "an index ends with its own size", "Malformed", "it is not found from the end"),
        Attack("index-wrong-gap", IMAGE + UNIT + index(entry(1, len(IMAGE) - 6, UNIT)), "the index agrees with the walk", "Malformed", "seeking to the wrong place"),
        Attack("index-wrong-key", AUDIO + FIRST + FINAL + index(entry(1, len(AUDIO) - 5, FIRST, b"\x64") + entry(0, 0, FINAL, b"\x64")), "the index agrees with the walk", "Malformed", "seeking to the wrong unit"),
        Attack("index-wrong-outputs", AUDIO + FINAL + index(entry(1, len(AUDIO) - 5, FINAL, b"\x63")), "the index agrees with the walk", "Malformed", "seeking to the wrong sample"),
        Attack("index-too-short", AUDIO + FIRST + FINAL + index(entry(1, len(AUDIO) - 5, FIRST, b"\x64")), "the index agrees with the walk", "Malformed", "a film that ends early for some"),
        Attack("index-too-long", IMAGE + UNIT + index(entry(1, len(IMAGE) - 5, UNIT) * 2), "the index agrees with the walk", "Malformed", "seeking beyond the end"),
        Attack("index-empty", IMAGE + UNIT + chunk(b"i", b""), "an index ends with its own size", "Malformed", "a number from the chunk before"),
        Attack("metadata-twice", IMAGE + chunk(b"m", b"{}") + chunk(b"m", b"{}") + UNIT, "there is one metadata chunk", "Malformed", "two titles"),
        Attack("metadata-list", IMAGE + chunk(b"m", b"[]") + UNIT, "metadata is an object", "Malformed", "an attribute error"),
        Attack("metadata-number", IMAGE + chunk(b"m", b'{"a":1}') + UNIT, "metadata values are strings", "Malformed", "a type error"),
        Attack("metadata-nested", IMAGE + chunk(b"m", b'{"a":{}}') + UNIT, "metadata values are strings", "Malformed", "a type error"),
        Attack("metadata-key-twice", IMAGE + chunk(b"m", b'{"a":"","a":""}') + UNIT, "keys are unique", "Malformed", "readers disagree about the title"),
        Attack("metadata-not-utf8", IMAGE + chunk(b"m", b'{"a":"\xff"}') + UNIT, "metadata is UTF-8", "Malformed", "a decoding error"),
        Attack("metadata-surrogate", IMAGE + chunk(b"m", b'{"a":"\\ud800"}') + UNIT, "metadata holds characters", "Malformed", "an encoding error when it is printed"),
        Attack("metadata-deep", IMAGE + chunk(b"m", b"[" * 5000) + UNIT, "metadata is JSON", "Malformed", "a recursion error"),
        Attack("metadata-not-json", IMAGE + chunk(b"m", b"title: x") + UNIT, "metadata is JSON", "Malformed", "a value error"),
    ]  # fmt: skip


def attacks() -> list[Attack]:
    """All attack files."""
    return [*_start(), *_framing(), *_fields(), *_items(), *_order(), *_extras()]


def spellings() -> dict[str, bytes]:
    """Files that a Writer would not make but that the text allows: they must be accepted."""
    one = chunk(b"D", b"\x00\x02\x01\x01a")
    film = START + chunk(b"H", header(FILM)) + chunk(b"H", header(SOUND))
    picture = chunk(b"D", b"\x00\x03\x08\x01a")
    sound = chunk(b"D", b"\x01\x03\x64\x01a")
    tiles = entry(1, len(IMAGE) - 5, TILE) + entry(1, 0, TILE) + entry(1, 0, UNIT)
    return {
        "no-index": IMAGE + UNIT,
        "index-and-metadata-behind": IMAGE + UNIT + GOOD_INDEX + chunk(b"m", b"{}"),
        "metadata-in-the-middle": AUDIO + FIRST + chunk(b"m", b' { "a" : "\\u00e4" } ') + FINAL,
        "optional-between-headers": START + IMAGE[5:] + chunk(b"x", b"1") + IMAGE[5:] + UNIT + chunk(b"D", b"\1\3\1"),
        "optional-everywhere": AUDIO + chunk(b"x", b"") + FIRST + chunk(b"x", b"") * 2 + FINAL + chunk(b"z", b"end"),
        "minor-version": b"\xd3TRP\x1f" + IMAGE[5:] + UNIT,
        "one-output-units": AUDIO + one * 5 + chunk(b"D", b"\x00\x03\x01\x01a"),
        "no-outputs": AUDIO + chunk(b"D", b"\x00\x03\x00\x01"),
        "several-weights": VIDEO + WEIGHTS + DIFFERENCE + WEIGHTS + DIFFERENCE + picture,
        "weights-between": VIDEO + WEIGHTS + chunk(b"D", b"\x00\x02\x08\x01a") + DIFFERENCE + picture,
        "weights-of-a-track-that-waits": film + WEIGHTS + sound + picture,
        "sound-after-film": film + picture + sound,
        "film-after-sound": film + sound + picture,
        "empty-stream-of-several": IMAGE + chunk(b"D", b"\x00\x03\x03\x00\x00"),
        "image-in-tiles": IMAGE + TILE + TILE + UNIT + index(tiles),
        "same-build-only": START + chunk(b"H", header(PICTURE, contract=1)) + UNIT,
    }


def table() -> str:
    """The text of README.md."""
    lines = [
        "# Files that break one rule each",
        "",
        "Written by `make.py`; a test compares files and script and opens each file. `accepted/` holds the opposite:",
        "spellings that our writer does not use but the format allows.",
        "",
        "| file | rule | error | without the rule |",
        "|---|---|---|---|",
    ]
    lines += [f"| {a.name}.trip | {a.rule} | {a.error} | {a.otherwise} |" for a in attacks()]
    return "\n".join(lines) + "\n"


def outputs() -> dict[str, bytes]:
    """Relative path and content of everything this script writes."""
    files = {f"{attack.name}.trip": attack.data for attack in attacks()}
    files |= {f"accepted/{name}.trip": data for name, data in spellings().items()}
    return files | {"README.md": table().encode()}


if __name__ == "__main__":
    (HERE / "accepted").mkdir(exist_ok=True)
    for path, content in outputs().items():
        (HERE / path).write_bytes(content)
