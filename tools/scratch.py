"""Temporary files beside an output, locked while their process lives, so that those of the dead are used again."""

import errno
import os
import shutil
import socket
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such system: names are random, and what a killed process leaves stays
    fcntl = None

MOST = 64  # processes that write the same output at a time
OTHER = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)  # something else has the name


@contextmanager
def beside(target: Path, folder: bool = False) -> Iterator[Path]:
    """An empty hidden file or folder beside `target`, of the same suffix, which is gone at the end or was renamed.

    Its name follows from that of the target and from the machine: what a killed process left there is known by its name
    and by the lock that nobody holds, and is taken. Raises OSError where the place cannot be written.
    """
    found = _claimed(target, folder)
    if found is None:
        path, lock = _random(target, folder), None
    else:
        path, lock = found
    try:
        yield path
    finally:
        if folder:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _claimed(target: Path, folder: bool) -> tuple[Path, int] | None:
    """The first free one of the names, and the descriptor that locks it; None where there are no locks."""
    if fcntl is None:
        return None
    own = zlib.crc32(f"{socket.gethostname()} {os.getuid()} {target.name}".encode())
    for number in range(MOST):
        path = target.parent / f".{target.stem[:40]}-{own:08x}-{number}{target.suffix}"
        if (lock := _locked(path, folder)) is not None:
            return path, lock
    return None


def _locked(path: Path, folder: bool) -> int | None:
    """Make a file or folder, or empty the one that is there; None where another process has it or it is not ours."""
    try:
        lock = _opened(path, folder)
    except OSError as error:
        if error.errno in OTHER:
            return None
        raise
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = os.fstat(lock)
        kind = stat.S_ISDIR(state.st_mode) if folder else stat.S_ISREG(state.st_mode) and state.st_nlink == 1
        # The file may have been renamed between the opening and the lock: what has the name now is another one.
        if kind and state.st_uid == os.getuid() and os.path.samestat(state, path.lstat()):
            _emptied(lock, path, folder)
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _opened(path: Path, folder: bool) -> int:
    if not folder:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if not path.is_dir():
        path.mkdir(0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _emptied(lock: int, path: Path, folder: bool) -> None:
    if not folder:
        os.truncate(lock, 0)
        return
    for inner in path.iterdir():
        inner.unlink()


def _random(target: Path, folder: bool) -> Path:
    """A file or folder whose name nobody else has."""
    prefix = f".{target.stem[:40]}-"
    if folder:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix, dir=target.parent)
    os.close(handle)
    return Path(name)
