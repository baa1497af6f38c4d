"""The command line: what it writes, and one sentence with exit status 2 for everything that cannot be done."""

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys
from toys import clip, picture, sound

from triptych.bitstream import Reader, Writer
from triptych.tools import cli, decode, encode, media, pipeline


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    toys.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def run(*arguments) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as leave:  # argparse
        return leave.code


def refused(capsys, *arguments) -> str:
    """The one sentence; checks that nothing but it comes out and that no file appears."""
    before = sorted(Path.cwd().rglob("*"))
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("triptych: ") and captured.err.count("\n") == 1 and captured.err.endswith("\n")
    assert sorted(Path.cwd().rglob("*")) == before
    return captured.err


@pytest.mark.parametrize("signal, name, back", [
    (picture(), "a.png", "a.png"), (sound(), "a.wav", "a.wav"), (clip(with_sound=True), "a.mkv", "a.mp4"),
])  # fmt: skip
def test_default_names(signal, name, back):
    media.write(name, signal)
    assert run("encode", name) == 0
    assert run("decode", "a.trip", "--force") == 0
    assert type(media.read(back)) is type(signal)
    assert sorted(os.listdir()) == sorted({name, back, "a.trip"})


def test_named_outputs_options_and_silence(capsys):
    media.write("a.png", picture())
    assert run("encode", "a.png", "b.trip", "--quality", 9, "--codec", "image/patch", "--seed", 3, "--effort", 1) == 0
    assert run("decode", "b.trip", "c.webp") == 0
    assert capsys.readouterr() == ("", "")
    np.testing.assert_array_equal(media.read("c.webp").pixels, picture().pixels)
    assert Reader(Path("b.trip").read_bytes()).tracks[0].parameters == bytes([9])


def test_existing_outputs_are_kept_unless_forced(capsys):
    media.write("a.png", picture())
    Path("a.trip").write_bytes(b"precious")
    assert "a.trip: exists already" in refused(capsys, "encode", "a.png")
    assert Path("a.trip").read_bytes() == b"precious"
    assert run("encode", "a.png", "--force") == 0
    assert "a.png: exists already" in refused(capsys, "decode", "a.trip")


def test_pipes_both_ways(monkeypatch, capsysbinary):
    media.write("a.png", picture())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("a.png").read_bytes())))
    assert run("encode", "-") == 0
    data = capsysbinary.readouterr().out
    assert data == toys_bytes(picture())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run("decode", "-") == 0
    Path("b.png").write_bytes(capsysbinary.readouterr().out)
    np.testing.assert_array_equal(media.read("b.png").pixels, picture().pixels)
    assert sorted(os.listdir()) == ["a.png", "b.png"]


def toys_bytes(signal) -> bytes:
    out = io.BytesIO()
    pipeline.encode(signal, out)
    return out.getvalue()


@pytest.mark.parametrize("arguments, cause", [
    (["missing.png"], "missing.png: no such file"),
    (["text.png"], "text.png: is a text file named .png"),
    (["empty.png"], "empty.png: is empty"),
    (["folder"], "folder: is a folder, not a file"),
    (["good.trip"], "good.trip: is a Triptych file already"),
    (["good.png", "none/a.trip"], "the folder"),
    (["good.png", "good.png/a.trip"], "the folder"),
    (["good.png", "/proc/a.trip"], "/proc/a.trip: the folder /proc cannot be written"),
    (["good.png", "a.zip"], "a.zip: unknown output extension"),
    (["good.png", "folder"], "folder: unknown output extension"),
    (["good.png", "a.trip", "--quality", "101"], "--quality: must lie between 0 and 100, not 101"),
    (["good.png", "a.trip", "--quality", "nan"], "--quality"),
    (["good.png", "a.trip", "--quality", "best"], "'best' is not a number"),
    (["good.png", "a.trip", "--effort", "1.5"], "'1.5' is not a whole number"),
    (["good.png", "a.trip", "--seconds", "0"], "--seconds: must be at least 1"),
    (["good.png", "a.trip", "--codec", "image/none"], "no codec is called image/none"),
    (["good.png", "a.trip", "--codec", "audio/mdct-rvq"], "audio/mdct-rvq does not take a picture"),
    (["good.png", "a.trip", "--nonsense"], "unrecognized arguments: --nonsense"),
    ([], "IN"),
])  # fmt: skip
def test_encode_refuses_in_one_sentence(capsys, arguments, cause):
    media.write("good.png", picture())
    Path("good.trip").write_bytes(toys_bytes(picture()))
    Path("text.png").write_text("These are words.\n")
    Path("empty.png").touch()
    Path("folder").mkdir()
    assert cause in refused(capsys, "encode", *arguments)


@pytest.mark.parametrize("arguments, cause", [
    (["missing.trip"], "missing.trip: no such file"),
    (["empty.trip"], "empty.trip: "),
    (["text.trip"], "text.trip: this is not a .trip file"),
    (["folder"], "folder: is a folder, not a file"),
    (["cut.trip"], "cut.trip: "),
    (["damaged.trip"], "damaged.trip: "),
    (["other.trip"], "other.trip: the weights 3132333435363738 of image/patch are not here"),
    (["mismatch.trip"], "mismatch.trip: the file is intact and has the right weights, but this computer derived"),
    (["good.trip", "a.wav"], "a.wav: is the name of a sound, but good.trip holds a picture"),
    (["good.trip", "a.xyz"], "a.xyz: unknown output extension for a picture: choose from .png"),
    (["good.trip", "none/a.png"], "the folder"),
    (["good.trip", "/proc/a.png"], "cannot be written"),
    (["good.trip", "folder.png"], "folder.png: is a folder, not a file"),
    (["good.trip", "a.png", "--memory", "0.0001"], "--memory"),
    (["good.trip", "a.png", "--crop", "1,2,3"], "--crop: must be four whole numbers like 0,0,640,480, not '1,2,3'"),
    (["good.trip", "a.png", "--crop", "0,0,18,1"], "triptych: the crop 0,0,18,1 does not lie inside the picture"),
    (["good.trip", "a.png", "--salvage"], "triptych: pictures of image/patch have no tiles"),
])  # fmt: skip
def test_decode_refuses_in_one_sentence(capsys, arguments, cause):
    good = toys_bytes(picture())
    Path("good.trip").write_bytes(good)
    Path("empty.trip").touch()
    Path("text.trip").write_text("These are words.\n")
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    Path("cut.trip").write_bytes(good[:-9])
    Path("damaged.trip").write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    reader = Reader(good)
    (track,), (unit,) = reader.tracks, tuple(reader)
    changed = {"other": (replace(track, digest=b"12345678"), unit), "mismatch": (track, replace(unit, check=1))}
    for name, (header, item) in changed.items():
        with open(f"{name}.trip", "wb") as stream:
            Writer(stream, [header]).item(item)
    assert cause.lower() in refused(capsys, "decode", *arguments).lower()


@pytest.mark.parametrize("module, name", [(encode, "a.png"), (decode, "b.trip")])
def test_an_interruption_leaves_nothing(monkeypatch, capsys, module, name):
    media.write("a.png", picture())
    Path("b.trip").write_bytes(toys_bytes(picture()))

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(toys.ToyPicture, "encode_units", interrupted)
    monkeypatch.setattr(toys.ToyPicture, "decode", interrupted)
    assert module.main([name, *(["c.png"] if module is decode else [])]) == 130
    assert sorted(os.listdir()) == ["a.png", "b.trip"] and capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing(number, status):
    media.write("a.png", picture())
    program = (
        f"import sys; sys.path.append({str(Path(toys.__file__).parent)!r}); import toys;"
        "from triptych.tools import cli, models; models.load = lambda *_: toys.SlowPicture();"
        "sys.exit(cli.main(['encode', 'a.png']))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", program], **pipes, preexec_fn=toys.hears_interrupts)
    assert process.stdout.readline() == b"started\n"
    assert len(os.listdir()) == 2
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == status
    assert os.listdir() == ["a.png"]


def test_info_of_a_film(capsys):
    Path("a.trip").write_bytes(toys_bytes(clip(with_sound=True)))
    assert run("info", "a.trip") == 0
    text = capsys.readouterr().out
    assert "2 tracks" in text and "film of 5 frames, 25 per second, 48 x 32, colour, 8 bit" in text
    assert "sound of 0.2 s, 48000 Hz, 2 channels" in text and "carries its own network" in text
    assert run("info", "a.trip", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [track["codec"] for track in found["tracks"]] == ["video/hnerv", "audio/mdct-rvq"]
    assert found["bytes"] == os.path.getsize("a.trip") > sum(track["unit_bytes"] for track in found["tracks"])


def test_info_of_a_picture_with_unknown_weights(capsys):
    Path("a.trip").write_bytes(toys_bytes(picture(planes=2)))
    assert run("info", "a.trip") == 0
    text = capsys.readouterr().out
    assert "needs the weights 0102030405060708 (not among those that come with Triptych)" in text
    assert "picture of 17 x 12, grey with alpha, 8 bit" in text and "bits per pixel" in text


@pytest.mark.parametrize("name, cause", [("missing", "missing: no such file"), (".", ".: is a folder, not a file")])
def test_info_refuses_in_one_sentence(capsys, name, cause):
    assert cause in refused(capsys, "info", name)
    Path("cut").write_bytes(toys_bytes(picture())[:-9])
    assert "cut: " in refused(capsys, "info", "cut")


def test_codecs_are_listed(capsys):
    assert run("codecs") == 0
    assert {"image/patch", "audio/mdct-rvq", "video/hnerv", "x265-intra", "opus", "vp9"} <= set(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize("module", ["encode", "decode", "info", "codecs", "cli"])
def test_modules_run_by_themselves(module):
    command = [sys.executable, "-m", f"triptych.tools.{module}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: triptych") and done.stderr == ""


def test_real_processes_refuse_as_well():
    Path("text.png").write_text("These are words.\n")
    for command, cause in (("encode", "text file"), ("decode", "not a .trip file"), ("info", "not a .trip file")):
        done = subprocess.run(
            [sys.executable, "-m", "triptych.tools.cli", command, "text.png"], capture_output=True, text=True
        )
        assert done.returncode == 2 and done.stdout == ""
        assert cause in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir() == ["text.png"]
