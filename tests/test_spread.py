"""Parts of one encoding by several processes: the results in order, errors as one sentence."""

import math
import os
import warnings

import pytest

from triptych.bitstream import Malformed
from triptych.tools.errors import UsageError
from triptych.tools.spread import Workers


def halved(number: int) -> tuple[int, int]:
    """Called in a new process."""
    if number == 13:
        raise Malformed("no half of 13")
    if number == 17:
        os._exit(1)
    return number // 2, os.getpid()


def test_results_come_in_order_from_several_processes():
    found = list(Workers(2)(halved, range(0, 12, 2)))
    assert [half for half, _ in found] == list(range(6)) and os.getpid() not in {process for _, process in found}


def test_one_worker_is_this_process():
    assert list(Workers(1)(halved, [4, 6])) == [(2, os.getpid()), (3, os.getpid())]


@pytest.mark.parametrize("number, message", [(13, "no half of 13"), (17, "the process that worked on it died")])
def test_failures_are_one_sentence(number, message):
    with pytest.raises(UsageError, match=message):
        list(Workers(2)(halved, [2, number]))


def test_a_ray_cluster():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of ray are not ours
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            assert list(Workers(2, "ray")(math.isqrt, [4, 9, 16])) == [2, 3, 4]
            with pytest.raises(UsageError, match="isqrt"):
                list(Workers(2, "ray")(math.isqrt, [4, -9]))
        finally:
            ray.shutdown()
