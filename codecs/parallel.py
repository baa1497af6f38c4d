"""Independent pieces of work on several threads, in order and with a bound on how many are under way; pairs of pieces."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

import torch

Given, Made = TypeVar("Given"), TypeVar("Made")
Both = Callable[[Callable[[], Made], Callable[[], Made]], tuple[Made, Made]]


def workers(pieces: int) -> int:
    """How many threads share work of so many pieces: as many as torch may use."""
    return max(1, min(torch.get_num_threads(), pieces))


def in_order(work: Callable[[Given], Made], given: Iterable[Given], threads: int) -> Iterator[Made]:
    """`work` on each of `given`, results in order; at most `threads` are under way or wait to be taken.

    Each thread computes on its own, torch then not sharing single operations among threads. With one thread everything
    happens in that of the caller. An error of `work` or of `given` is raised where its result would have been.
    """
    if threads == 1:
        yield from map(work, given)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    pool, waiting = ThreadPoolExecutor(threads), deque()
    try:
        for piece in given:
            # A copy of the context for each piece: one cannot be entered twice at a time.
            waiting.append(pool.submit(copy_context().run, work, piece))
            if len(waiting) == threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def in_turn(first: Callable[[], Made], second: Callable[[], Made]) -> tuple[Made, Made]:
    """What two functions give, one after the other."""
    return first(), second()


@contextmanager
def beside() -> Iterator[Both]:
    """A function as `in_turn` that calls the second function at the same time, in a thread that lives as long as the context.

    Each of the two computes with half of the threads that torch may use; where that is one they are called in turn.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield in_turn
        return
    torch.set_num_threads(before // 2)
    pool = ThreadPoolExecutor(1)

    def both(first: Callable[[], Made], second: Callable[[], Made]) -> tuple[Made, Made]:
        later = pool.submit(copy_context().run, second)
        return first(), later.result()

    try:
        yield both
    finally:
        pool.shutdown(wait=True)
        torch.set_num_threads(before)
