"""The shipped codecs from file to file: encoded here, decoded in a new process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from makers import speech
from toys import clip

from triptych import weights
from triptych.bitstream import Reader, Writer, WrongModel
from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import cli, media, models
from triptych.tools.metrics.pictures import psnr
from triptych.tools.metrics.sounds import aligned, si_sdr


def new_process(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "triptych.tools.cli", *arguments], capture_output=True, text=True)


def needs_weights(codec: str) -> None:
    if weights.find(codec) is None:
        pytest.skip(f"no weights of {codec} are installed")


def back_and_forth(signal, name: str, *options: str):
    """Encode in this process, decode in another; what comes back and the bytes of the file."""
    media.write(name, signal)
    assert cli.main(["encode", name, "a.trip", *options]) == 0
    done = new_process("decode", "a.trip", f"back{Path(name).suffix}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return media.read(f"back{Path(name).suffix}"), Path("a.trip").read_bytes()


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_a_picture():
    needs_weights("image/patch")
    original = Picture(np.kron(clip(height=48, width=64).frames[0], np.ones((3, 3, 1), np.uint8))[:131, :187])
    found, data = back_and_forth(original, "a.png", "--quality", "60")
    assert found.pixels.shape == original.pixels.shape and psnr(original.pixels, found.pixels) > 25
    assert len(data) < original.pixels.size / 8


def test_a_picture_needs_its_own_weights():
    needs_weights("image/patch")
    _, data = back_and_forth(Picture(clip().frames[0]), "a.png")
    reader = Reader(data)
    (track,) = reader.tracks
    with open("other.trip", "wb") as stream:
        Writer(stream, [replace(track, digest=bytes(range(1, 9)))]).item(next(iter(reader)))
    done = new_process("decode", "other.trip", "other.png")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "0102030405060708" in done.stderr
    assert not Path("other.png").exists()


@pytest.mark.parametrize("codec", ["image/patch", "audio/mdct-rvq"])
def test_a_codec_without_weights_says_so(codec, monkeypatch):
    monkeypatch.setattr(weights, "find", lambda *_: None)
    with pytest.raises(WrongModel, match=f"no weights of {codec} are installed"):
        models.load.__wrapped__(codec)


def test_a_sound():
    needs_weights("audio/mdct-rvq")
    original = Sound(speech(20011), 16000)
    found, data = back_and_forth(original, "a.wav", "--quality", "100")
    assert isinstance(found, Sound) and found.rate == 16000 and found.samples.shape == original.samples.shape
    samples, delay = aligned(original, found)
    assert delay == 0 and si_sdr(original.samples, samples) > 3
    assert len(data) < original.samples.size / 2


def test_a_film_with_its_sound():
    needs_weights("audio/mdct-rvq")
    original = clip(6, 48, 64, with_sound=True)
    found, data = back_and_forth(original, "a.mkv", "--seconds", "4")
    assert isinstance(found, Clip) and found.frames.shape == original.frames.shape and found.rate == 25
    assert found.sound.samples.shape == original.sound.samples.shape
    assert psnr(original.frames, found.frames) > 15
    assert [track.codec for track in Reader(data).tracks] == ["video/hnerv", "audio/mdct-rvq"]


def test_a_silent_film():
    original = clip(4, 33, 47)
    found, _ = back_and_forth(original, "a.mkv", "--seconds", "4")
    assert found.frames.shape == original.frames.shape and found.sound is None
    assert psnr(original.frames, found.frames) > 15
