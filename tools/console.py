"""What the commands share: arguments, notes, progress, and errors as one sentence with exit status 2."""

import argparse
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from ..bitstream.errors import TripError
from .errors import UsageError
from .files import STANDARD, reason

FAILED, INTERRUPTED, TERMINATED = 2, 130, 143

Progress = Callable[[float, str], None]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"triptych: {message}\n")


def number(low: float, high: float, whole: bool = False) -> Callable[[str], float]:
    """An argument type: a number between `low` and `high`."""

    def convert(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {'whole ' if whole else ''}number") from None
        if not low <= value <= high:
            limits = f"be at least {low:g}" if math.isinf(high) else f"lie between {low:g} and {high:g}"
            raise argparse.ArgumentTypeError(f"must {limits}, not {text}")
        return value

    return convert


def note(text: str) -> None:
    """Tell the user what was changed without asking."""
    print(f"triptych: note: {text}", file=sys.stderr)


def sentence(error: Exception) -> str:
    """The message of an error without a final stop."""
    if isinstance(error, TripError):
        place = "" if error.offset is None else f" (at byte {error.offset})"
        return error.message.rstrip(".") + place
    if isinstance(error, OSError):
        return f"{error.filename}: {reason(error)}" if error.filename else reason(error)
    return str(error).rstrip(".")


def shown(path: str, direction: str = "input") -> str:
    """A path as it stands in messages."""
    return f"standard {direction}" if path == STANDARD else path


def guarded(body: Callable[[], None]) -> int:
    """Run a command; its exit status. Errors that the user can do something about become one sentence on stderr."""
    try:
        with ends_cleanly():
            body()
    except KeyboardInterrupt:
        print("triptych: interrupted, nothing was written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has left: silence, as every filter does
        return FAILED
    except MemoryError:
        print("triptych: there is not enough memory for this", file=sys.stderr)
        return FAILED
    except (UsageError, TripError, OSError, ModuleNotFoundError) as error:
        print(f"triptych: {sentence(error)}", file=sys.stderr)
        return FAILED
    return 0


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress callback that draws a bar on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda fraction, text: None
        return
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}", leave=False) as bar:

        def show(fraction: float, text: str) -> None:
            bar.n = min(max(fraction, 0.0), 1.0)
            bar.set_description_str(text)

        yield show


@contextmanager
def ends_cleanly() -> Iterator[None]:
    """Turn a request to terminate into an exception, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
