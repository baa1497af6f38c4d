"""Outputs exist whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from triptych.tools import files, scratch
from triptych.tools.errors import UsageError


def test_nothing_is_seen_before_the_end(tmp_path):
    target = tmp_path / "out.bin"
    with files.whole(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists() and temporary.suffix == ".bin" and temporary.parent == tmp_path
    assert target.read_bytes() == b"half" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("folder", [False, True])
def test_an_error_leaves_nothing(tmp_path, error, folder):
    with pytest.raises(error), files.whole(tmp_path / "out", folder=folder) as temporary:
        (temporary / "x" if folder else temporary).write_bytes(b"half")
        raise error
    assert not list(tmp_path.iterdir())


def test_existing_outputs_are_kept(tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with pytest.raises(UsageError, match="exists already"), files.whole(target):
        pytest.fail("the block must not run")
    with files.whole(target, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(UsageError, match="exists already"), files.whole(target) as temporary:
        temporary.write_bytes(b"new")
        target.write_bytes(b"other")
    assert target.read_bytes() == b"other" and list(tmp_path.iterdir()) == [target]


def test_the_mode_is_that_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with files.whole(tmp_path / "out") as temporary:
        temporary.write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_missing_folder_and_file_as_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "no" / "out", tmp_path / "file" / "out"):
        with pytest.raises(UsageError, match=r"the folder .* does not exist"), files.whole(target):
            pytest.fail("the block must not run")


def test_a_folder_that_cannot_be_written(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # the superuser writes anywhere but into the kernel's folders
        folder = Path("/proc")
    with pytest.raises(UsageError, match=r"the folder .* cannot be written"), files.whole(folder / "out"):
        pytest.fail("the block must not run")


def test_devices_are_written_through_and_links_followed(tmp_path):
    with files.whole("/dev/null") as temporary:
        temporary.write_bytes(b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with files.whole(link, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"


@pytest.fixture
def killed(tmp_path):
    """Leave what a process leaves that is killed while it writes `out.png`; its name."""

    def leave(folder: bool) -> Path:
        child = os.fork()
        if not child:
            with files.whole(tmp_path / "out.png", folder=folder) as temporary:
                (temporary / "x" if folder else temporary).write_bytes(b"half of a much longer file")
                os._exit(9)
        os.waitpid(child, 0)
        (left,) = tmp_path.iterdir()
        return left

    return leave


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_process_left_is_used_again(tmp_path, killed, folder):
    left = killed(folder)
    assert left.name.startswith(".out-") and left.suffix == ".png"
    with files.whole(tmp_path / "out.png", folder=folder) as temporary:
        assert temporary == left and not (list(left.iterdir()) if folder else left.read_bytes())
        (temporary / "y" if folder else temporary).write_bytes(b"whole")
    assert list(tmp_path.iterdir()) == [tmp_path / "out.png"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    target = tmp_path / "out.png"
    with files.whole(target, force=True) as first:
        first.write_bytes(b"first")
        with files.whole(target, force=True) as second:
            assert first != second and first.read_bytes() == b"first"
            second.write_bytes(b"second")
        assert target.read_bytes() == b"second" and first.read_bytes() == b"first"
    assert target.read_bytes() == b"first" and list(tmp_path.iterdir()) == [target]


def test_what_is_not_ours_is_left_alone(tmp_path, killed):
    left = killed(False)
    left.unlink()
    other = tmp_path / "precious"
    other.write_bytes(b"precious")
    target = tmp_path / "out.png"
    for make in (left.symlink_to, left.hardlink_to, lambda _: left.mkdir()):
        make(other)
        with files.whole(target, force=True) as temporary:
            assert temporary != left
            temporary.write_bytes(b"whole")
        assert other.read_bytes() == b"precious" and target.read_bytes() == b"whole"
        left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()


def test_without_locks_names_are_random(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "fcntl", None)
    for folder in (False, True):
        with files.whole(tmp_path / "a", folder=folder) as first, scratch.beside(tmp_path / "a", folder) as second:
            assert first != second and first.is_dir() == second.is_dir() == folder
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        (tmp_path / "a").rmdir() if folder else (tmp_path / "a").unlink()
