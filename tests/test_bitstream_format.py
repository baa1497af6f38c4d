"""FORMAT.md tells the truth: its dumps, its limits, its errors and its worked stream are made again and compared."""

import re
from pathlib import Path

import pytest
import second_reader
from bitstream_cases import EXAMPLES
from test_bitstream_entropy_layer import coded

from triptych import bitstream
from triptych.bitstream import Limits, TripError

TEXT = (Path(__file__).parent.parent / "bitstream" / "FORMAT.md").read_text(encoding="utf-8")
TABLE = [1 << 23, 1 << 22, 1 << 22]
SYMBOLS = [0, 2, 1, 0, 2, 2]


def worked_stream():
    """The example stream of section 9.2 in hexadecimal."""
    return coded(SYMBOLS, [TABLE] * len(SYMBOLS)).hex(" ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_dumps(name):
    (block,) = re.findall(rf"```{name}\n(.*?)```", TEXT, re.DOTALL)
    assert block == second_reader.dump(EXAMPLES[name]())
    spelled = bytes.fromhex("".join(line[6:29] for line in block.splitlines()))
    assert spelled == EXAMPLES[name]()


def test_worked_stream():
    assert f"\n    {worked_stream()}\n" in TEXT
    assert second_reader.ans_decode(bytes.fromhex(worked_stream()), [TABLE] * len(SYMBOLS)) == SYMBOLS


def test_every_error_is_described():
    section = TEXT[TEXT.index("## 6.") : TEXT.index("## 7.")]
    described = set(re.findall(r"^\| ([A-Z]\w+) \|", section, re.MULTILINE))
    assert described == {error.__name__ for error in TripError.__subclasses__()}
    assert set(re.findall(r"\[([A-Z][a-zA-Z]+)[\] ]", TEXT)) <= described
    assert described <= set(bitstream.__all__)


def test_limits_are_the_defaults():
    section, limits = TEXT[TEXT.index("## 5.") : TEXT.index("## 6.")], Limits()
    stated = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)[1:])
    units = {"MiB": 1 << 20, "KiB": 1 << 10}

    def value(text):
        if "^" in text:
            return 1 << int(text.split("^")[1])
        number, *unit = text.replace(" each", "").split()
        return int(number) * (units[unit[0]] if unit else 1)

    names = [
        "chunk",
        "header",
        "metadata",
        "tracks",
        "units",
        "streams",
        "pixels",
        "frames",
        "samples",
        "channels",
        "elements",
    ]
    numbers = [value(text) for what, text in stated.items() if not what.startswith("---")]
    assert numbers == [*(getattr(limits, name) for name in names), limits.weights]
    assert limits.groups == limits.streams


def test_the_text_names_every_chunk_and_field():
    for name in EXAMPLES:
        for _, _, meaning in second_reader.read(EXAMPLES[name]())["notes"]:
            field = re.sub(r"( \d| \(| '|:).*", "", meaning).split(" id")[0].split(" length")[0]
            assert field.split()[-1].lower().rstrip("s") in TEXT.lower(), meaning
