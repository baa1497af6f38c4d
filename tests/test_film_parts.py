"""Some frames of a film: those of the whole film, with their sound, out of the units that hold them."""

from fractions import Fraction

import numpy as np
import pytest

import triptych
from triptych.bitstream import OverLimit
from triptych.codecs.base import Options
from triptych.codecs.signals import Clip, Sound
from triptych.tools import pipeline
from triptych.tools.cli import main
from triptych.tools.errors import UsageError


@pytest.fixture(scope="module")
def film():
    """Bytes of 40 frames of 24 x 16 at 20 a second, and two seconds of sound."""
    from io import BytesIO

    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (1, 16, 24, 3)).astype(np.uint8)
    frames = np.concatenate([np.roll(base, n, 2) for n in range(40)])
    sound = Sound(rng.normal(0, 0.1, (1, 32000)).astype(np.float32), 16000)
    out = BytesIO()
    pipeline.encode(Clip(frames, Fraction(20), sound), out, None, Options(effort=0, quality=10))
    return out.getvalue()


@pytest.mark.parametrize("span", [(0, 1), (15, 17), (16, 32), (33, 40), (0, 40)])
def test_frames_are_those_of_the_whole_film(film, span):
    whole, part = triptych.decode(film), triptych.decode(film, frames=span)
    assert part.rate == whole.rate and (part.frames == whole.frames[slice(*span)]).all()
    low, high = (n * 800 for n in span)
    assert (part.sound.samples == whole.sound.samples[:, low:high]).all()


def test_only_their_units_are_read(film):
    data = bytearray(film)
    entries = [entry for entry in triptych.open(film).index() if entry.track == 0 and not entry.weights]
    data[entries[0].offset + entries[0].size // 2] ^= 0xFF
    assert triptych.decode(bytes(data), frames=(20, 22)).frames.shape[0] == 2
    with pytest.raises(Exception, match=r"damaged|checksum|Checksum"):
        triptych.decode(bytes(data), frames=(10, 12))


@pytest.mark.parametrize("span", [(5, 5), (7, 3), (39, 41), (-1, 2)])
def test_frames_outside_are_refused(film, span):
    with pytest.raises(UsageError, match="do not lie inside the film of 40 frames"):
        triptych.decode(film, frames=span)


def test_a_picture_has_no_frames():
    data = triptych.encode(np.zeros((8, 8), np.uint8))
    with pytest.raises(UsageError, match="the file holds none"):
        triptych.decode(data, frames=(0, 1))


def test_a_part_takes_less_memory_than_the_whole(film):
    silent = triptych.encode(triptych.decode(film).frames, quality=10, fps=20, effort=0)
    less = triptych.load("video/hnerv").memory(triptych.open(silent).tracks[0]) + 40 * 24 * 16 * 3 - 1
    with pytest.raises(OverLimit):
        pipeline.decode(silent, memory=less)
    assert len(pipeline.decode(silent, memory=less, frames=(0, 2)).frames) == 2
    assert len(pipeline.decode(silent, memory=less, taped=True).frames) == 40


def test_command_line(film, tmp_path, capsys):
    (tmp_path / "film.trip").write_bytes(film)
    assert main(["decode", str(tmp_path / "film.trip"), str(tmp_path / "part"), "--frames", "3:6"]) == 0
    assert len(list((tmp_path / "part").glob("*.png"))) == 3
    assert main(["decode", str(tmp_path / "film.trip"), str(tmp_path / "other"), "--frames", "3:60"]) == 2
    assert "film of 40 frames" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["decode", str(tmp_path / "film.trip"), "--frames", "3"])
