"""Independent pieces of work on several threads, in order and with a bound on how many are under way."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import torch

Given, Made = TypeVar("Given"), TypeVar("Made")


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
