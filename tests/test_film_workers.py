"""Parts of one long film by several processes: the same file, byte for byte, as from one."""

import io
import warnings

import pytest
import torch
from toys import clip, picture

from triptych.codecs.base import Options
from triptych.codecs.video import film
from triptych.tools import cli, media, pipeline
from triptych.tools.keeping import Folder
from triptych.tools.spread import Workers

FRAMES, GROUP = 40, 2  # three chains of up to eight groups


def encoded(workers=None, progress=lambda fraction, text: None, keep=None) -> bytes:
    out = io.BytesIO()
    options = Options(effort=0, group=GROUP, progress=progress, workers=workers, keep=keep)
    pipeline.encode(clip(FRAMES, 24, 32), out, None, options)
    return out.getvalue()


@pytest.fixture(scope="module")
def alone() -> bytes:
    torch.set_num_threads(1)
    return encoded()


def test_the_film_has_parts_that_need_nothing_of_each_other():
    assert len(film.chains(FRAMES, GROUP)) == 3


def test_two_processes_make_the_same_file(alone):
    told = []
    assert encoded(Workers(2), lambda fraction, text: told.append((fraction, text))) == alone
    assert (1.0, "40 of 40 frames") in [(round(fraction, 6), text) for fraction, text in told]
    assert pipeline.decode(alone).frames.shape == (FRAMES, 24, 32, 3)


def test_threads_and_one_worker_make_the_same_file(alone):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert encoded() == encoded(Workers(1)) == alone and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_workers_kept_is_gone_on_with(alone, tmp_path, monkeypatch):
    assert encoded(Workers(2), keep=Folder(tmp_path / "fit", "key")) == alone
    kept = {path.name for path in (tmp_path / "fit").iterdir()}
    assert kept >= {"plan.safetensors", *(f"{number:05d}.safetensors" for number in range(20))}
    monkeypatch.setattr(film, "Fit", lambda *_: pytest.fail("everything was fitted before"))
    assert encoded(Workers(1), keep=Folder(tmp_path / "fit", "key")) == alone


def test_the_command_line(alone, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    media.write("a.mkv", clip(FRAMES, 24, 32))
    media.write("a.png", picture())
    common = ["--effort", "0", "--group", str(GROUP)]
    assert cli.main(["encode", "a.mkv", "one.trip", *common, "--jobs", "1"]) == 0
    assert cli.main(["encode", "a.mkv", "two.trip", *common, "--jobs", "2", "--engine", "local"]) == 0
    assert (tmp_path / "one.trip").read_bytes() == (tmp_path / "two.trip").read_bytes()
    assert cli.main(["encode", "a.png", "--jobs", "2"]) == 2
    assert "--jobs is for --batch and for codecs that fit parts" in capsys.readouterr().err


def test_a_ray_cluster_makes_the_same_file(alone):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of ray are not ours
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            assert encoded(Workers(2, "ray")) == alone
        finally:
            ray.shutdown()
