"""What would take too much memory is refused by its header, before any sample is decoded."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import toys
from PIL import Image

from triptych.tools import cli, media, media_image, media_sound, media_video, pipeline, sizes


@pytest.fixture(autouse=True)
def _no_reading(monkeypatch, tmp_path):
    """Reading beyond a header is an error of the test."""
    monkeypatch.chdir(tmp_path)
    for module in (media_image, media_sound, media_video):
        monkeypatch.setattr(module, "read", lambda *arguments: pytest.fail("the file was read"))


def refused(capsys, name, gib) -> str:
    assert cli.main(["encode", name, "--memory", str(gib)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"triptych: {name}: encoding would take at least ")
    return error


def test_pictures_sounds_and_films(capsys):
    Image.new("RGB", (6000, 2000)).save("a.png")
    assert "0.0783 GiB of memory; the limit is 0.05 GiB" in refused(capsys, "a.png", 0.05)
    Image.new("L", (16384, 16384)).save("b.png")  # more pixels than Pillow reads by itself
    assert "0.5 GiB" in refused(capsys, "b.png", 0.4)
    soundfile.write("a.flac", np.zeros((3_000_000, 2)), 48000)
    assert "0.11 GiB" in refused(capsys, "a.flac", 0.1)  # ten seconds and a stretch of it, and the networks
    media.write("a.mp4", toys.clip(30, 480, 640, with_sound=True))
    refused(capsys, "a.mp4", 0.12)


@pytest.mark.parametrize("kind, data", [("image", b"\x89PNG"), ("audio", b"fLaC"), ("video", b"\0" * 9), (None, b"?")])
def test_headers_that_cannot_be_read_are_left_to_the_reader(tmp_path, kind, data):
    (tmp_path / "a").write_bytes(data)
    sizes.check(tmp_path / "a", kind, "a", 1000)


@pytest.mark.parametrize("name, expected", [("a.mp4", 12), ("a.mkv", 12), ("a.y4m", 12)])
def test_lengths_of_films(name, expected):
    media.write(name, toys.clip(expected, 32, 48))
    found = sizes._film(Path(name)) - sizes.WORK
    assert found in (0, 2 * expected * 32 * 48 * 3)  # a plain stream does not state its length
    assert found or name == "a.y4m"


def test_what_writing_a_picture_takes_counts_when_it_is_decoded(monkeypatch, capsys):
    toys.install(monkeypatch)
    data = toys_bytes(toys.picture(900, 1000))
    Path("a.trip").write_bytes(data)
    monkeypatch.setattr(toys.Toy, "memory", lambda self, track: 8 << 20)
    assert cli.main(["decode", "a.trip", "a.png", "--memory", str(11 / 1024)]) == 2
    assert "decoding would take 0.0112 GiB of memory; the limit is 0.0107 GiB" in capsys.readouterr().err
    assert cli.main(["decode", "a.trip", "a.png", "--memory", str(12 / 1024)]) == 0


def toys_bytes(signal) -> bytes:
    """A file of one of the toys."""
    out = BytesIO()
    pipeline.encode(signal, out)
    return out.getvalue()
