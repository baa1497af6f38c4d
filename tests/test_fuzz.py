"""Mutated files for everything that reads files, for a few seconds; fuzz/mutate.py runs as long as one likes."""

import random
import subprocess
import sys
from pathlib import Path

import mutate
import mutations
import pytest
import targets

from triptych import weights
from triptych.bitstream import Malformed, Reader
from triptych.codecs.registry import build
from triptych.tools import models

FUZZ = Path(__file__).parent.parent / "fuzz"


def test_mutated_files_do_no_harm(tmp_path):
    command = [sys.executable, FUZZ / "mutate.py", "--seconds", "6", "--most", "300", "--keep", tmp_path, "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, total = done.stdout.splitlines()
    assert len(lines) == len(targets.codec_names()) + 3 and total.endswith(" 0 harmful")


def test_harm_would_be_noticed(tmp_path, capsys):
    def careless(data: bytes) -> None:
        if len(data) % 2:
            raise IndexError("out of range")

    def greedy(data: bytes) -> None:
        b"x" * (100 << 20)

    assert mutate.attack("a", mutate.Target(careless, (b"seed",), 1 << 20, "text"), 5, 0, tmp_path, 40, set())[1] > 0
    assert "IndexError" in next(tmp_path.glob("a-*.txt")).read_text()
    assert mutate.attack("b", mutate.Target(greedy, (b"seed",), 1 << 20, "text"), 5, 0, tmp_path, 2, set())[1] > 0


def test_rounds_go_on_where_they_were_interrupted(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(mutate, "ROUND", 0.005)
    found = {name: mutate.Target(tried.append, (b"seed of some length",), 1 << 20, "text") for name in "ab"}
    before = mutate.attack_in_rounds(found, 300, 3, tmp_path, False)
    rows = mutate.attack_in_rounds(found, 900, 3, tmp_path, True)
    assert rows[: len(before)] == before and mutate.summary(rows) == (900, 0)
    assert len({(row["target"], row["round"]) for row in rows}) == len(rows) and {"a", "b"} == {
        row["target"] for row in rows
    }
    assert len(tried) == 900 + len(rows)  # every turn begins with the seed


def test_mutations_are_the_same_for_equal_seeds_and_whole_files_for_a_reader():
    (seed, *_) = targets.targets(["image-patch"])["image-patch"].seeds
    made = [[mutations.mutate_items(rng, seed) for _ in range(40)] for rng in (random.Random(1), random.Random(1))]
    assert made[0] == made[1] and len(set(made[0])) > 30
    readable = 0
    for data in made[0]:
        try:
            readable += bool(list(Reader(data)))
        except Exception:
            continue
    assert readable > 10


@pytest.mark.parametrize("name, change", [
    ("image/patch", {"width": 1 << 20}),
    ("image/patch", {"width": "wide"}),
    ("image/patch", {"width": [192]}),
    ("image/patch", {"lambdas": [[0.1]]}),
    ("image/patch", {"breadth": 3}),
    ("audio/mdct-rvq", {"decay": True}),
    ("image/overfit", {"preset": "x" * 100}),
])  # fmt: skip
def test_configurations_that_cannot_be(name, change):
    with pytest.raises(Malformed, match="configuration"):
        build(name, change, 2048)


def test_a_configuration_much_larger_than_its_file(tmp_path):
    folder = targets.GOLDEN / "image-patch"
    metadata, tensors = weights.read(folder / "weights.safetensors")
    path = tmp_path / "weights.safetensors"
    for change in ({"width": 1500, "encoder_blocks": 60}, {"side": 7}):
        weights.save(path, "image/patch", 1, metadata["config"] | change, tensors)
        with pytest.raises((ValueError, Malformed)):
            models.from_file(path)


ROW = (
    'codec = "a/b"\nprofile = 1\nfile = "a.safetensors"\ndigest = "{digest}"\nbytes = 3\nlicence = "x"\nrecipe = "y"\n'
)


def test_registries_that_are_none():
    good = "[[weights]]\n" + ROW.format(digest="0" * 64)
    assert weights.parse(good)[0].file == "a.safetensors" and weights.parse("") == ()
    broken = [
        "weights = 3",
        "weights = [3]",
        good.replace("profile = 1", "profile = true"),
        good.replace("bytes = 3\n", ""),
        good + "colour = 1\n",
        good.replace("a.safetensors", "../a.safetensors"),
        good.replace("0" * 64, "0" * 63),
        good + good.replace("a.safetensors", "b.safetensors"),
        "[[weights",
    ]
    for text in broken:
        with pytest.raises(ValueError):
            weights.parse(text)
