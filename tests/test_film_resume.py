"""Films on the command line: interrupted and resumed, to a PSNR, of odd size, uneven, rotated, with their sound."""

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from test_video_hnerv import moving

import triptych
from triptych.codecs.base import Options
from triptych.codecs.signals import Clip, Sound
from triptych.codecs.video import film
from triptych.tools import keeping, media, targets
from triptych.tools.cli import main
from triptych.tools.errors import UsageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A film of 6 frames of 27 x 33 pixels with a sound."""
    clip = moving(6, 33, 27)
    sound = Sound(np.sin(np.arange(3840) / 9, dtype=np.float32)[None] * 0.2, 16000)
    media.write(tmp_path / "a.mkv", Clip(clip.frames, clip.rate, sound))
    return tmp_path / "a.mkv"


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the fit be interrupted after some steps, once."""
    left = [after]
    report = film.Control.report

    def noted(self, *values) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        report(self, *values)

    monkeypatch.setattr(film.Control, "report", noted)


def test_an_interrupted_film_is_resumed(source: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    out, whole = source.with_suffix(".trip"), source.with_name("whole.trip")
    call = ["encode", str(source), str(out), "--effort", "3"]
    assert main(["encode", str(source), str(whole), "--effort", "3"]) == 0
    assert not whole.with_name("whole.trip.fit").exists()
    with monkeypatch.context() as patch:
        interrupted(patch, 20)
        assert main(call) == 0
    assert "--resume goes on" in capsys.readouterr().err
    folder = out.with_name("a.trip.fit")
    assert triptych.decode(out).frames.shape == (6, 33, 27, 3) and folder.is_dir()
    assert main(call) == 2 and "--resume goes on with it" in capsys.readouterr().err
    assert main([*call, "--resume", "--quality", "60"]) == 2 and "other options" in capsys.readouterr().err
    assert main([*call, "--resume"]) == 0
    assert out.read_bytes() == whole.read_bytes() and not folder.exists()
    assert triptych.decode(out).sound is not None


def test_an_interrupt_ends_the_search_for_a_target(source: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    out = source.with_suffix(".trip")
    call = ["encode", str(source), str(out), "--effort", "3", "--target-bytes", "4000"]
    with monkeypatch.context() as patch:
        interrupted(patch, 20)
        assert main(call) == 0
    assert "--resume goes on" in capsys.readouterr().err and triptych.decode(out).frames.shape == (6, 33, 27, 3)
    assert main([*call, "--resume"]) == 0 and out.stat().st_size <= 4000 and not out.with_name("a.trip.fit").exists()


def test_a_killed_fit_is_resumed(source: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    out = source.with_suffix(".trip")
    call = ["encode", str(source), str(out), "--effort", "3", "--group", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(film, "SAVE_EVERY", 0.0)
        patch.setattr(film.Group, "count", property(lambda group: 1 // (4 - group.first)))  # fails in the second group
        patch.setattr(film, "_recipe", lambda recipe, group, *rest: recipe if group.count == 0 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(call)
    assert not out.exists() and len(list(out.with_name("a.trip.fit").glob("*.safetensors"))) == 2
    assert main([*call, "--resume"]) == 0 and out.exists()
    assert main([*call, "--resume", "--force"]) == 0 and "starts afresh" in capsys.readouterr().err


def test_what_was_kept_for_something_else_is_refused(tmp_path: Path) -> None:
    clip, notes = moving(2, 8, 8), []

    def beside(settings: tuple, resume: bool = False, force: bool = False):
        return keeping.beside(tmp_path / "o.trip", clip, settings, resume, force, notes.append)

    with pytest.raises(ValueError), beside((1,)) as folder:
        folder.within("a").save("x", {"t": torch.ones(2)})
        raise ValueError
    with beside((1,), True) as folder:
        assert folder.within("a").load("x")["t"].tolist() == [1, 1] and folder.load("x") is None
        folder.interrupt()
    for arguments in (((1,),), ((1,), False)):
        with pytest.raises(UsageError, match="interrupted fit"), beside(*arguments):
            pass
    (tmp_path / "o.trip.fit" / "a" / "x.safetensors").write_bytes(b"rubbish")
    with pytest.raises(UsageError, match="cannot be read"), beside((1,), True) as folder:
        folder.within("a").load("x")
    with beside((2,), True, True) as folder:
        assert folder.within("a").load("x") is None
    assert not (tmp_path / "o.trip.fit").exists()


def test_only_films_in_files_are_resumed(tmp_path: Path, capsys) -> None:
    media.write(tmp_path / "p.png", triptych.decode(triptych.encode(np.zeros((70, 70), np.uint8))))
    assert main(["encode", str(tmp_path / "p.png"), "--resume"]) == 2
    assert "only a film" in capsys.readouterr().err


def test_a_film_comes_to_a_psnr() -> None:
    clip = moving(8, 32, 40)
    found = targets.reach(clip, targets.Target("psnr", 31.0), None, Options(effort=5))
    assert abs(found.reached - 31) < 0.5
    frames = triptych.decode(found.data).frames.astype(float)
    wanted = [-10 * np.log10(np.mean((a - b) ** 2) / 255**2) for a, b in zip(frames, clip.frames, strict=True)]
    assert found.reached == pytest.approx(np.mean(wanted), abs=1e-3)
    with pytest.raises(UsageError, match="cannot be reached"):
        targets.reach(moving(2, 16, 16), targets.Target("psnr", 90.0), None, Options(effort=0))


def written(path: Path, times: list[int], turned: int = 0) -> np.ndarray:
    """A film whose frames are shown at given times, in 1/1000 s."""
    frames = moving(len(times), 32, 48).frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, when in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return frames


def test_uneven_frames_are_told(tmp_path: Path) -> None:
    notes: list[str] = []
    frames = written(tmp_path / "even.mp4", [0, 40, 80, 120, 160])
    assert media.read(tmp_path / "even.mp4", notes.append).frames.shape == frames.shape and not notes
    written(tmp_path / "uneven.mp4", [0, 40, 80, 500, 540])
    found = media.read(tmp_path / "uneven.mp4", notes.append)
    assert len(found.frames) == 5 and any("not evenly spaced" in note for note in notes)


def test_time_is_not_lost_by_keeping(source: Path) -> None:
    began = time.monotonic()
    assert main(["encode", str(source), str(source.with_suffix(".trip")), "--seconds", "1"]) == 0
    assert time.monotonic() - began < 20
