"""Engines that carry out work items, of a batch above all: processes of this machine, or a Ray cluster."""

import argparse
import hashlib
import io
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from ..bitstream.errors import TripError
from . import console
from .errors import UsageError

EXPECTED = (UsageError, TripError, OSError, ValueError, RuntimeError, MemoryError, ArithmeticError, ImportError)
DIED = "the process that worked on it died, perhaps for want of memory"


@dataclass(frozen=True)
class Item:
    """One file of a batch.

    Attributes:
        name: of the input below its folder, as it stands in messages.
        command: "encode" or "decode".
        arguments: those of the command for this file alone, paths absolute.
    """

    name: str
    command: str
    arguments: argparse.Namespace


@dataclass(frozen=True)
class Done:
    """What became of an item: SHA-256 of input and output in hex, or the error as one sentence; notes on the way."""

    digest: str = ""
    made: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()


Work = Callable[[Any], Any]  # of an item that can be pickled; the engines give a Done with an error where it dies
Results = Iterator[tuple[Any, Any]]


def digest(path: str | Path) -> str:
    """SHA-256 of a file in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def perform(item: Item) -> Done:
    """Carry out one item exactly as the command line does for one file."""
    said = io.StringIO()
    try:
        with redirect_stderr(said), console.ends_cleanly():
            before = digest(item.arguments.input)
            import_module(f".{item.command}", __package__).run(item.arguments)
            done = Done(before, digest(item.arguments.output))
    except EXPECTED as error:
        text = console.sentence(error).partition("\n")[0] or type(error).__name__
        done = Done(error="there is not enough memory for this" if isinstance(error, MemoryError) else text)
    return Done(done.digest, done.made, done.error, tuple(said.getvalue().splitlines()))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local(items: Iterable[Any], jobs: int, work: Work = perform) -> Results:
    """Items in order of completion, by `jobs` processes that share the processors; by this one where that is 1.

    A process that dies takes nothing with it: what was under way is tried again alone, and given up only when that
    fails too.
    """
    if jobs == 1:
        yield from ((item, work(item)) for item in items)
        return
    queue = deque(items)
    with _threads(max(processors() // jobs, 1)):
        while queue:
            for suspect in (yield from _pool(queue, min(jobs, len(queue)), work)):
                if (yield from _pool(deque([suspect]), 1, work)):
                    yield suspect, Done(error=DIED)


def _pool(queue: deque[Any], jobs: int, work: Work) -> Generator[tuple[Any, Any], None, list[Any]]:
    """Take items from the queue until it is empty or a process dies; returns what was under way then."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _settle)
    waiting: dict[Future[Any], Any] = {}
    try:
        while queue or waiting:
            while queue and len(waiting) < jobs:
                future = pool.submit(work, queue[0])
                waiting[future] = queue.popleft()
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                done = future.result()
                yield waiting.pop(future), done
    except BrokenProcessPool:
        return list(waiting.values()) or [queue.popleft()]
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def _settle() -> None:
    """Prepare a process: interrupts are for the one that started it, and it does not outlive that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let processes that are started meanwhile compute with at most so many threads."""
    before = os.environ.get("OMP_NUM_THREADS")
    asked = int(before) if before and before.isdecimal() else count
    os.environ["OMP_NUM_THREADS"] = str(min(count, asked))
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def on_ray(items: Iterable[Any], jobs: int, work: Work = perform) -> Results:
    """Items in order of completion, by a Ray cluster whose machines all see the folders.

    It is the cluster that RAY_ADDRESS names or this process has joined; without one a cluster of this machine is
    started. `jobs` tasks of one processor each are under way at a time.
    """
    from ..codecs.optional import optional

    ray = optional("ray", "ray", "--engine ray")
    started = not ray.is_initialized()
    if started:
        with _threads(1):  # a task has one processor, and threads that wait for another spin
            ray.init(log_to_driver=False, include_dashboard=False)
    task, queue, waiting = ray.remote(num_cpus=1, max_retries=1)(work), deque(items), {}
    try:
        while queue or waiting:
            while queue and len(waiting) < jobs:
                item = queue.popleft()
                waiting[task.remote(item)] = item
            (ready, *_), _ = ray.wait(list(waiting))
            item = waiting.pop(ready)
            try:
                done = ray.get(ready)
            except ray.exceptions.RayError:
                done = Done(error=DIED)
            yield item, done
    finally:
        for task_id in waiting:
            ray.cancel(task_id)
        if started:
            ray.shutdown()


ENGINES = {"local": local, "ray": on_ray}
