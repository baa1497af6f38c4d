"""Parts of one encoding by several processes: the results in order, errors as one sentence."""

import io
import math
import os
import warnings

import pytest
from makers import photo
from PIL import Image

from triptych.bitstream import Malformed
from triptych.codecs.base import Options
from triptych.codecs.signals import Picture
from triptych.tools import cli, pipeline
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


def test_tiles_of_a_picture_are_fitted_apart_to_the_same_file():
    told, found = [], []
    for workers in (None, Workers(2)):
        out = io.BytesIO()
        options = Options(effort=0, tile=64, workers=workers, progress=lambda fraction, text: told.append(text))
        pipeline.encode(Picture(photo(64, 130)), out, "image/overfit", options)
        found.append(out.getvalue())
    assert found[0] == found[1] and told[-1] == "3 of 3 tiles"


def test_codecs_without_parts_have_no_workers(tmp_path, capsys):
    Image.fromarray(photo(16, 16)).save(tmp_path / "a.png")
    assert cli.main(["encode", str(tmp_path / "a.png"), "--jobs", "2"]) == 2
    assert "--jobs is for --batch and for codecs that fit parts" in capsys.readouterr().err


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
