"""What stands under a final name is whole, whether the process was killed, the disk is full or the folder is locked."""

import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import toys

from triptych.tools import cli, media
from triptych.tools.errors import UsageError

ROOT = Path(__file__).parent.parent
SIGNALS = [
    *((toys.picture(200, 200), suffix) for suffix in (".png", ".webp", ".jpg", ".tif", ".bmp")),
    *((toys.sound(1, 60000), suffix) for suffix in (".wav", ".flac", ".ogg", ".opus", ".mp3")),
    *((toys.clip(12, 64, 64, with_sound=True), suffix) for suffix in (".mp4", ".mkv", ".mov", ".y4m")),
]


@contextmanager
def room(size: int):
    """Let no file become larger than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("signal, suffix", SIGNALS, ids=[suffix for _, suffix in SIGNALS])
def test_a_full_disk_is_noticed_wherever_it_comes(tmp_path, signal, suffix):
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    media.write(whole, signal)
    size = whole.stat().st_size
    for limit in (size - 1, size - 100, size * 9 // 10, size // 2, 100, 0):
        with room(limit), pytest.raises(UsageError, match=rf"cut{suffix}: cannot be written \(file too large\)"):
            media.write(target, signal)
    assert list(tmp_path.iterdir()) == [whole]


@pytest.mark.parametrize("signal, name", [(toys.picture(200, 200), "a.png"), (toys.clip(4), "a.mkv")])
def test_a_full_disk_keeps_what_was_there(tmp_path, monkeypatch, capsys, signal, name):
    toys.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    media.write(name, signal)
    assert cli.main(["encode", name, "a.trip"]) == cli.main(["decode", "a.trip", f"b-{name}"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command in (["encode", name, "a.trip"], ["decode", "a.trip", f"b-{name}"]):
        with room(Path(command[2]).stat().st_size - 1):
            assert cli.main([*command, "--force"]) == 2
        error = capsys.readouterr().err
        assert error == f"triptych: {command[2]}: cannot be written (file too large)\n"
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_folders_and_devices_that_take_nothing(tmp_path, monkeypatch, capsys):
    toys.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    media.write("a.png", toys.picture())
    assert cli.main(["encode", "a.png", "/proc/a.trip"]) == cli.main(["encode", "a.png", "/dev/full"]) == 2
    assert cli.main(["encode", "--batch", ".", "/proc/out"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "/dev/full" in lines[1] and "no space left" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_killed_processes_harm_nothing():
    command = [sys.executable, ROOT / "fuzz" / "crash.py", "--times", "10", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("10 processes: ") and done.stdout.endswith("nothing was harmed\n")
