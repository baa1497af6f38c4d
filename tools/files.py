"""Output files that exist whole or not at all; input files that can be read at any place and more than once."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, TypeVar

from . import scratch
from .errors import UsageError

STANDARD = "-"
Found = TypeVar("Found")


def reason(error: OSError) -> str:
    """The cause of an operating system error in lower case, without its number."""
    text = error.strerror or str(error) or type(error).__name__
    return text[0].lower() + text[1:]


def check_output(path: str | Path, force: bool, folder: bool = False) -> None:
    """Refuse, before any work is done, an output that exists; a file may be overwritten with `force`."""
    target = Path(path)
    if target.is_dir():
        if not folder:
            raise UsageError(f"{path}: is a folder, not a file")
        if any(target.iterdir()):
            raise UsageError(f"{path}: is a folder that is not empty")
    elif target.is_file() and not force:
        raise UsageError(f"{path}: exists already (--force overwrites it)")


def special(path: Path) -> bool:
    """Whether `path` is a device, a pipe or a socket: it is written through and must never be replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def whole(path: str | Path, force: bool = False, folder: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` at the end, or vanishes when an error leaves the block.

    The temporary file keeps the suffix of `path`; with `folder` it is a folder. `-` is standard output. Raises
    UsageError, before the block is entered, when the place cannot be written.
    """
    if str(path) == STANDARD or special(Path(path)):
        with tempfile.TemporaryDirectory(prefix="triptych-") as name:
            temporary = Path(name) / "output"
            yield temporary
            try:
                _pass_on(temporary, path)
            except BrokenPipeError:
                raise
            except OSError as error:
                shown = "standard output" if str(path) == STANDARD else path
                raise UsageError(f"{shown}: cannot be written ({reason(error)})") from error
        return
    check_output(path, force, folder)
    target = Path(path).resolve()
    if not target.parent.is_dir():
        raise UsageError(f"{path}: the folder {target.parent} does not exist")
    with ExitStack() as stack:
        try:
            temporary = stack.enter_context(scratch.beside(target, folder))
        except OSError as error:
            raise UsageError(f"{path}: the folder {target.parent} cannot be written ({reason(error)})") from error
        try:
            yield temporary
            check_output(path, force, folder)
            temporary.chmod(_permissions(0o777 if folder else 0o666))
            os.replace(temporary, target)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({reason(error)})") from error


class Handle:
    """A file for libraries, which remembers the first error of the system.

    Libraries that call from C lose such an error, and those that find a descriptor write to it by themselves and
    overlook a full disk: this has none. Nor has it a name, by which they would guess what it holds.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def seekable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read as the file does, or come to an end, once that has failed."""
        return self._try(lambda: self._stream.read(size), b"")

    def write(self, data: bytes) -> int:
        """Write as the file does, or pretend to, once that has failed."""
        return self._try(lambda: self._stream.write(data), len(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek as the file does, which also writes what waits to be written."""
        return self._try(lambda: self._stream.seek(offset, whence), 0)

    def tell(self) -> int:
        """Where the file is."""
        return self._try(self._stream.tell, 0)

    def flush(self) -> None:
        """Write what waits to be written."""
        self._try(lambda: self._stream.flush() or 0, 0)

    def check(self) -> None:
        """Raise the error that came about, if any."""
        if self._error is not None:
            raise self._error

    def _try(self, call: Callable[[], Found], otherwise: Found) -> Found:
        if self._error is None:
            try:
                return call()
            except OSError as error:
                self._error = error
        return otherwise


@contextmanager
def handle(path: Path, mode: str = "rb") -> Iterator[Handle]:
    """Open a file as a Handle; its error, if any, is raised at the end in place of what came of it."""
    with path.open(mode) as stream:
        found = Handle(stream)
        try:
            yield found
        finally:
            found.check()


@contextmanager
def stored(path: str | Path) -> Iterator[Path]:
    """An ordinary file with the content of `path`: itself, or a temporary copy of standard input, a pipe or a device.

    Raises UsageError with the cause where it cannot be read.
    """
    if str(path) != STANDARD and not special(Path(path)):
        with _reading(path):
            pass
        yield Path(path)
        return
    with tempfile.NamedTemporaryFile(prefix="triptych-") as copy:
        with _reading(path) as stream:
            shutil.copyfileobj(stream, copy)
            copy.flush()
        yield Path(copy.name)


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file, or standard input for `-`; raises UsageError with the cause."""
    with _reading(path) as stream:
        return stream.read()


@contextmanager
def _reading(path: str | Path) -> Iterator[BinaryIO]:
    """A file, or standard input for `-`, while it is read; raises UsageError with the cause."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == STANDARD else Path(path).open("rb") as stream:
            yield stream
    except IsADirectoryError as error:
        raise UsageError(f"{path}: is a folder, not a file") from error
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({reason(error)})") from error


def _permissions(wanted: int) -> int:
    """The mode that an ordinary `open` would have given."""
    mask = os.umask(0)
    os.umask(mask)
    return wanted & ~mask


def _pass_on(source: Path, path: str | Path) -> None:
    """Copy the finished file to standard output or to a device."""
    with source.open("rb") as stream:
        if str(path) == STANDARD:
            shutil.copyfileobj(stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with Path(path).open("wb") as sink:
            shutil.copyfileobj(stream, sink)
