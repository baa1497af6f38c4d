"""Every rule of the format has a file that breaks it, and every such file raises the error that it should."""

import runpy
from pathlib import Path

import pytest
import second_reader
from bitstream_cases import outcome

from triptych import bitstream
from triptych.bitstream import Reader, TripError

FOLDER = Path(__file__).parent / "attacks"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
ATTACKS = {attack.name: attack for attack in MAKE["attacks"]()}
ACCEPTED = MAKE["spellings"]()


def test_files_are_what_the_script_writes():
    expected = MAKE["outputs"]()
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in (".trip", ".md")}
    assert found == set(expected)
    for path, content in expected.items():
        assert (FOLDER / path).read_bytes() == content, path
    assert len(ATTACKS) == len(MAKE["attacks"]())


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name):
    path, expected = FOLDER / f"{name}.trip", getattr(bitstream, ATTACKS[name].error)
    with open(path, "rb") as file, pytest.raises(TripError) as caught:
        outcome(file)
    assert type(caught.value) is expected
    size = path.stat().st_size
    assert caught.value.offset is not None and 0 <= caught.value.offset <= size
    assert caught.value.message[0].isupper() and caught.value.message.endswith(".")


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.error != "OverLimit"])
def test_the_second_reader_refuses_it_too(name):
    with pytest.raises(second_reader.Bad):
        second_reader.read(ATTACKS[name].data)


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("index-")])
def test_a_false_index_is_noticed_when_seeking(name):
    with pytest.raises(TripError):
        Reader(ATTACKS[name].data).index()


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name):
    data = (FOLDER / "accepted" / f"{name}.trip").read_bytes()
    _, items, values = outcome(data)
    found = second_reader.read(data)
    assert len(items) == len(found["items"]) > 0 and values == found["metadata"]
    assert [item.track for item in items] == [item["track"] for item in found["items"]]
    assert len(Reader(data).index(trust=True)) == len(items)
