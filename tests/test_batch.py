"""Batches of files: what is made, what is left alone, what fails, and that it does not matter who does the work."""

import json
import os
import shutil
import signal
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import toys
from PIL import Image

from triptych.tools import cli, engines, manifest, media


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Three toy media in two folders, a text and a hidden file."""
    toys.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in"
    (source / "deep" / "er").mkdir(parents=True)
    media.write(source / "a.png", toys.picture())
    media.write(source / "deep" / "b.wav", toys.sound())
    media.write(source / "deep" / "er" / "c.mp4", toys.clip())
    (source / "notes.txt").write_text("no media")
    shutil.copy(source / "a.png", source / ".hidden.png")
    return source, tmp_path / "out"


def run(*arguments) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as leave:
        return leave.code


def batch(command, source, target, *more, jobs=1) -> int:
    return run(command, "--batch", source, target, "--jobs", jobs, *more)


def content(folder: Path) -> dict[str, bytes]:
    """Files below a folder with their bytes, without the manifest."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != manifest.NAME]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_folders_are_mirrored_both_ways_and_equal_single_files(folders, capsys):
    source, target = folders
    assert batch("encode", source, target, "--quality", 7) == 0
    found = content(target)
    assert list(found) == ["a.trip", "deep/b.trip", "deep/er/c.trip"]
    assert capsys.readouterr() == ("encoded 3 files, 0 were up to date, 0 failed\n", "")
    for name, original in (("a.trip", "a.png"), ("deep/b.trip", "deep/b.wav"), ("deep/er/c.trip", "deep/er/c.mp4")):
        assert run("encode", source / original, "single.trip", "--force", "--quality", 7) == 0
        assert Path("single.trip").read_bytes() == found[name]
    assert batch("decode", target, "back") == 0
    assert list(content(Path("back"))) == ["a.png", "deep/b.wav", "deep/er/c.mp4"]
    assert np.array_equal(media.read("back/a.png").pixels, toys.picture().pixels)


def test_what_is_up_to_date_is_left_alone(folders, capsys):
    source, target = folders
    assert batch("encode", source, target) == 0
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.trip")}
    os.utime(source / "deep" / "b.wav")  # a new time alone changes nothing
    media.write(source / "a.png", toys.picture(9), force=True)
    (target / "deep" / "er" / "c.trip").unlink()
    capsys.readouterr()
    assert batch("encode", source, target) == 0
    assert capsys.readouterr().out == "encoded 2 files, 1 were up to date, 0 failed\n"
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"a.trip", "c.trip"}
    assert batch("encode", source, target, "--quality", 3) == 0
    assert capsys.readouterr().out == "encoded 3 files, 0 were up to date, 0 failed\n"


def test_the_name_of_a_variant_stands_for_its_weights(folders, capsys):
    source, target = folders
    for text in ("encoded 3 files, 0 were up to date, 0 failed\n", "encoded 0 files, 3 were up to date, 0 failed\n"):
        assert batch("encode", source, target, "--weights", "16k") == 0
        assert capsys.readouterr().out == text
    assert batch("encode", source, target, "--weights", "17k") == 2


def test_failures_come_at_the_end_with_status_1(folders, capsys):
    source, target = folders
    (source / "deep" / "empty.png").write_bytes(b"")
    (source / "broken.png").write_bytes((source / "a.png").read_bytes()[:60])
    (source / "odd.wav").write_bytes(bytes(range(200, 256)))
    assert batch("encode", source, target) == 1
    out, err = capsys.readouterr()
    assert out == "encoded 3 files, 0 were up to date, 3 failed\n"
    lines = err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["broken.png", "deep/empty.png", "odd.wav"]
    assert str(source) not in err and len(content(target)) == 3
    (target / "a.trip").write_bytes(b"\xd3TRPgarbage")
    (target / "other.trip").write_bytes(b"text")
    assert batch("decode", target, "back") == 1
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == ["a.trip", "other.trip"]


def test_foreign_outputs_are_kept_unless_forced(folders, capsys):
    source, target = folders
    target.mkdir()
    (target / "a.trip").write_bytes(b"mine")
    assert batch("encode", source, target) == 1
    assert "a.png: a.trip exists already" in capsys.readouterr().err and (target / "a.trip").read_bytes() == b"mine"
    assert batch("encode", source, target, "--force") == 0
    (target / "a.trip").write_bytes(b"changed by hand")
    assert batch("encode", source, target) == 1
    assert (target / "a.trip").read_bytes() == b"changed by hand"


def test_inputs_that_differ_in_their_suffix_only(folders):
    source, target = folders
    media.write(source / "a.wav", toys.sound())
    assert batch("encode", source, target) == 0
    assert set(content(target)) >= {"a.png.trip", "a.wav.trip"} and "a.trip" not in content(target)


def test_a_batch_goes_on_after_a_crash(folders, capsys):
    source, target = folders
    assert batch("encode", source, target) == 0
    whole = content(target)
    lines = (target / manifest.NAME).read_text().splitlines()
    begun = [line for line in lines if not json.loads(line)["made"]]
    assert len(lines) == 6 and len(begun) == 3
    torn = "\n".join([*begun, lines[3], lines[4][: len(lines[4]) // 2]])  # killed while it wrote the second record
    (target / manifest.NAME).write_text(torn)
    (target / "deep" / "er" / "c.trip").write_bytes(b"older")
    capsys.readouterr()
    assert batch("encode", source, target) == 0
    assert capsys.readouterr().out == "encoded 2 files, 1 were up to date, 0 failed\n"
    assert content(target) == whole


@pytest.mark.parametrize("arguments, cause", [
    (["encode", "--batch", "in"], "two folders"),
    (["encode", "--batch", "in/a.png", "out"], "is not a folder"),
    (["encode", "--batch", "in", "in/a.png"], "cannot be made"),
    (["encode", "in/a.png", "--jobs", "2"], "is for --batch"),
    (["decode", "in/a.png", "--engine", "local"], "is for --batch"),
    (["encode", "--batch", "in", "out", "--weights", "no.safetensors"], "no such file"),
])  # fmt: skip
def test_what_cannot_be_done(folders, capsys, arguments, cause):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert cause in err and err.count("\n") == 1


def pictures(folder: Path, count: int) -> Path:
    """Small smooth pictures as files."""
    folder.mkdir()
    y, x = np.mgrid[:48, :64]
    for number in range(count):
        planes = [128 + 100 * np.sin((x * (1 + c) + y * number) / 17) for c in range(3)]
        Image.fromarray(np.stack(planes, -1).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def test_two_processes_make_the_same_files(tmp_path):
    source = pictures(tmp_path / "in", 3)
    assert batch("encode", source, tmp_path / "one") == 0
    assert batch("encode", source, tmp_path / "two", jobs=2) == 0
    assert len(content(tmp_path / "one")) == 3 and content(tmp_path / "one") == content(tmp_path / "two")


def deadly(item: engines.Item) -> engines.Done:
    """Work that ends the process of one item at once."""
    if item.name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return engines.Done(made=item.name)


def test_a_process_that_dies_fails_its_own_file_only():
    items = [engines.Item(name, "encode", Namespace()) for name in ("one", "dies", "two", "three")]
    found = {item.name: done for item, done in engines.local(items, 2, deadly)}
    assert found.pop("dies").error == engines.DIED
    assert {name: done.made for name, done in found.items()} == {name: name for name in ("one", "two", "three")}


def test_a_ray_cluster_makes_the_same_files(tmp_path, capsys):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    source = pictures(tmp_path / "in", 2)
    (source / "broken.png").write_bytes(b"\x89PNG")
    assert batch("encode", source, tmp_path / "one") == 1
    expected = capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of ray are not ours
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            assert batch("encode", source, tmp_path / "two", "--engine", "ray", jobs=2) == 1
        finally:
            ray.shutdown()
    assert capsys.readouterr() == expected
    assert len(content(tmp_path / "one")) == 2 and content(tmp_path / "one") == content(tmp_path / "two")
