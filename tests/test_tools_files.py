"""Outputs exist whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from triptych.tools import files
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
