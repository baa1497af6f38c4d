"""Work on several threads: results in order, bounded, errors where they belong, the caller's settings kept."""

import threading
import time

import pytest
import torch

from triptych.codecs.parallel import in_order, workers
from triptych.codecs.precision import _FULL, full_precision


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_and_in_the_callers_context(threads):
    def work(number):
        time.sleep(0.002 * (number % 3))
        return number * number, _FULL.get()

    before = torch.get_num_threads()
    with full_precision():
        assert list(in_order(work, range(20), threads)) == [(n * n, True) for n in range(20)]
    assert torch.get_num_threads() == before


def test_no_more_than_asked_for_are_under_way():
    under_way, most, lock = 0, 0, threading.Lock()
    taken = []

    def work(number):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.003)
        with lock:
            under_way -= 1
        return number

    given = (taken.append(n) or n for n in range(30))
    for number in in_order(work, given, 3):
        assert len(taken) <= number + 3
    assert most == 3


def test_an_error_comes_where_its_result_would_have_been():
    def work(number):
        if number == 4:
            raise ValueError("four")
        return number

    found = []
    with pytest.raises(ValueError, match="four"):
        for number in in_order(work, range(10), 3):
            found.append(number)
    assert found == [0, 1, 2, 3]


def test_workers_are_those_of_torch():
    assert workers(1) == 1 and workers(10**6) == torch.get_num_threads()
