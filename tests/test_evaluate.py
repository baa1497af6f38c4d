"""The command evaluate: every file through a file on disk, one row each, resumable, with errors as rows."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import toys
from makers import photo, speech

from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import cli, media
from triptych.tools.evaluation import coders, dataset, run, table
from triptych.tools.metrics.pictures import psnr


@pytest.fixture
def pictures(tmp_path):
    """A folder with two pictures, one of them in a folder below, and things that are none."""
    folder = tmp_path / "some pictures"
    (folder / "more").mkdir(parents=True)
    media.write(folder / "a.png", Picture(photo(40, 56)))
    media.write(folder / "more" / "b.png", Picture(photo(33, 47, seed=1)))
    (folder / "README.md").write_text("Pictures.\n")
    (folder / ".hidden.png").write_bytes((folder / "a.png").read_bytes())
    return folder


def evaluate(folder, out, *options):
    """Run the command in this process; its exit status."""
    try:
        return cli.main(["evaluate", str(folder), "--out", str(out), *options])
    except SystemExit as error:
        return error.code


def test_pictures(pictures, tmp_path, capsys):
    out = tmp_path / "results"
    assert evaluate(pictures, out, "--codecs", "jpeg@20/80,webp@50", "--keep", "1") == 0
    rows = table.read(out / "some pictures.csv")
    assert [(row.codec, row.quality, row.file) for row in rows] == [
        ("jpeg", "20", "a.png"),
        ("jpeg", "20", "more/b.png"),
        ("jpeg", "80", "a.png"),
        ("jpeg", "80", "more/b.png"),
        ("webp", "50", "a.png"),
        ("webp", "50", "more/b.png"),
    ]
    for row in rows:
        assert row.error == "" and row.kind == "image" and row.dataset == "some pictures"
        assert row.bpp == pytest.approx(8 * row.bytes / (row.width * row.height), rel=1e-4)
        assert row.encode_seconds > 0 and row.decode_seconds > 0 and row.peak_mib > 20
        assert (
            row.version and row.settings and row.machine and row.python and row.torch and row.threads == row.jobs == 1
        )
        assert row.ssim is not None and row.ms_ssim is None and row.kbps is None
        assert bool(row.decoded) == bool(row.original) == (row.file == "a.png")
    kept = media.read(out / rows[0].decoded).pixels
    assert psnr(photo(40, 56), kept) == pytest.approx(rows[0].psnr_rgb, abs=1e-3)
    np.testing.assert_array_equal(media.read(out / rows[0].original).pixels, photo(40, 56))
    assert rows[0].psnr_rgb < rows[2].psnr_rgb and rows[0].bytes < rows[2].bytes
    again = json.loads((out / "some pictures.json").read_text())["rows"]
    assert [item["bytes"] for item in again] == [row.bytes for row in rows]
    assert "jpeg" in capsys.readouterr().out


def test_sounds_and_films(tmp_path):
    folders = tmp_path / "sounds", tmp_path / "films"
    for folder in folders:
        folder.mkdir()
    media.write(folders[0] / "a.wav", Sound(speech(24000, channels=2, rate=24000), 24000))
    frames = np.stack([np.roll(photo(48, 64), 2 * t, axis=1) for t in range(4)])
    media.write(folders[1] / "a.mkv", Clip(frames, Fraction(25), Sound(speech(2560), 16000)))
    assert evaluate(folders[0], tmp_path, "--codecs", "opus@24,flac", "--rate", "16000", "--mono", "--keep", "1") == 0
    opus, flac = sorted(table.read(tmp_path / "sounds.csv"), key=lambda row: row.codec, reverse=True)
    assert opus.channels == flac.channels == 1 and opus.rate == 16000 and opus.seconds == 1
    assert opus.kbps == pytest.approx(opus.bytes * 8e-3) and opus.bpp is None
    assert flac.si_sdr > 40 > opus.si_sdr > 3 and flac.mel_distance < opus.mel_distance
    assert media.read(tmp_path / flac.decoded).samples.shape == (1, 16000)
    assert evaluate(folders[1], tmp_path, "--codecs", "x264@20/40", "--keep", "0") == 0
    fine, coarse = sorted(table.read(tmp_path / "films.csv"), key=lambda row: row.bytes, reverse=True)
    assert fine.frames == 4 and fine.rate == 25 and fine.seconds == pytest.approx(0.16) and not fine.decoded
    assert fine.psnr_rgb > coarse.psnr_rgb and fine.psnr_y > fine.psnr_rgb
    assert fine.bpp == pytest.approx(8 * fine.bytes / (4 * 48 * 64), rel=1e-4)
    assert fine.kbps == pytest.approx(fine.bytes * 8e-3 / 0.16, rel=1e-4)


def test_our_codec_in_two_processes(pictures, tmp_path):
    assert evaluate(pictures, tmp_path, "--codecs", "image/patch@40", "--jobs", "2", "--keep", "0") == 0
    rows = table.read(tmp_path / "some pictures.csv")
    assert len(rows) == 2 and all(row.jobs == 2 and not row.error and row.psnr_rgb > 20 for row in rows)
    assert "weights" in rows[0].version and rows[0].effort == 3
    import triptych

    data = triptych.encode(pictures / "a.png", "image/patch", 40)
    assert rows[0].bytes == len(data)
    assert rows[0].psnr_rgb == pytest.approx(psnr(photo(40, 56), triptych.decode(data).pixels), abs=1e-3)


def test_a_second_run_does_what_is_left_only(pictures, tmp_path, monkeypatch):
    done = []
    measured = run.measured
    monkeypatch.setattr(run, "measured", lambda *a: done.append((a[4].file, a[4].quality)) or measured(*a))
    arguments = pictures, tmp_path, "--keep", "0", "--codecs"
    evaluate(*arguments, "jpeg@20")
    assert len(done) == 2
    evaluate(*arguments, "jpeg@20/50")
    assert done[2:] == [("a.png", "50"), ("more/b.png", "50")]
    evaluate(*arguments, "webp@50")
    assert len(done) == 6 and len(table.read(tmp_path / "some pictures.csv")) == 6
    media.write(pictures / "a.png", Picture(photo(40, 56, seed=5)), force=True)
    evaluate(*arguments, "jpeg@20")
    assert done[6:] == [("a.png", "20")]
    evaluate(*arguments, "jpeg@20", "--again")
    assert len(done) == 9
    evaluate(pictures, tmp_path, "--codecs", "jpeg@20")
    assert len(done) == 11  # media are kept now


def test_a_failing_file_is_a_row(pictures, tmp_path, capsys):
    (pictures / "c.png").write_bytes((pictures / "a.png").read_bytes()[:300])
    media.write(pictures / "d.png", Picture(photo(8, 8, planes=4)))
    assert evaluate(pictures, tmp_path, "--codecs", "jpeg@20") == 1
    rows = {row.file: row for row in table.read(tmp_path / "some pictures.csv")}
    assert "damaged" in rows["c.png"].error and rows["c.png"].bytes is None
    assert "transparency" in rows["d.png"].error or "alpha" in rows["d.png"].error
    assert rows["a.png"].error == "" and rows["a.png"].bytes
    assert "2 of 4 rows failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--codecs", "nonsense"), "no codec is called nonsense"),
        (("--codecs", "opus"), "opus codes sounds, and these are pictures"),
        (("--codecs", "jpeg@hi"), "'hi' is not a quality"),
        (("--codecs", "jpeg,jpeg"), "names jpeg twice"),
        (("--codecs", ","), "names no codec"),
        (("--codecs", "jpeg:slow"), "jpeg"),
        (("--codecs", "image/patch:slow"), "image/patch has no preset slow; there are effort0 to effort10"),
        (("--codecs", "image/patch:effort11"), "no preset effort11"),
        (("--metrics", "stoi"), "stoi is no metric for image"),
        (("--kind", "audio"), "holds no sounds"),
        (("--codecs", "image/patch", "--weights", "/none.safetensors"), "none.safetensors"),
    ],
)
def test_bad_requests(pictures, tmp_path, capsys, options, sentence):
    assert evaluate(pictures, tmp_path / "out", *options) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_bad_folders(pictures, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert evaluate(tmp_path / "empty", tmp_path) == 2
    assert evaluate(tmp_path / "nowhere", tmp_path) == 2
    media.write(pictures / "s.wav", Sound(speech(1600), 16000))
    assert evaluate(pictures, tmp_path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "holds no media files" in lines[0] and "no such folder" in lines[1]
    assert "holds 2 pictures and 1 sounds; choose with --kind" in lines[2]
    assert dataset.scan(pictures, "audio").files == (Path("s.wav"),)
    assert dataset.scan(pictures / "a.png").files == (Path("a.png"),)


def test_a_table_that_is_none(pictures, tmp_path, capsys):
    for text in ("a,b\n1,2\n", "\0\0", '{"rows": 3}'):
        (tmp_path / "some pictures.csv").write_text(text)
        assert evaluate(pictures, tmp_path, "--codecs", "jpeg@20") == 2
        assert "is not a table of results" in capsys.readouterr().err


def test_rows_survive_both_formats(tmp_path):
    row = table.Row("d", "image", 'a "b",\nc.png', "jpeg", "JPEG", "20", bytes=3, bpp=0.1, psnr_rgb=1 / 3, error="")
    table.write(tmp_path, "d", [row])
    (text,) = table.read(tmp_path / "d.json")
    assert text == row
    (text,) = table.read(tmp_path / "d.csv")
    assert text.file == row.file and text.psnr_rgb == pytest.approx(1 / 3, abs=1e-6) and text.ssim is None
    with (tmp_path / "d.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == list(table.FIELDS)


def test_interruption_keeps_what_is_finished(pictures, tmp_path):
    if os.name != "posix":
        pytest.skip("needs signals")
    for number in range(30):
        media.write(pictures / f"p{number}.png", Picture(photo(300, 400, seed=number)))
    command = [sys.executable, "-m", "triptych.tools.evaluate", pictures, "--out", tmp_path / "out", "--keep", "0"]
    command += ["--codecs", "webp@1/20/40/60/80", "--metrics", "psnr_rgb"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=toys.hears_interrupts
    )
    for _ in range(600):
        time.sleep(0.1)
        if (tmp_path / "out" / "some pictures.csv").exists():
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on" in error and error.count("\n") == 1
    rows = table.read(tmp_path / "out" / "some pictures.csv")
    assert len(rows) < 160 and all(row.bytes and not row.error for row in rows)


PEAKS = """
import numpy as np
from triptych.tools import machine
machine.reset_peak()
before = machine.peak()
block = np.ones(64 << 20, np.uint8)
assert machine.peak() >= before + 60, (before, machine.peak())
del block
assert not machine.reset_peak() or machine.peak() < before + 40, (before, machine.peak())
"""


def test_peak_memory_falls_again():
    # In a process of its own: in this one, memory that earlier tests freed may serve the block.
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_choices():
    choice = coders.Choice.parse("x265-intra:veryslow@22/27.5")
    assert (choice.text, choice.name, choice.preset) == ("x265-intra:veryslow", "x265-intra", "veryslow")
    assert choice.qualities == ("22", "27.5")
    assert coders.Choice.parse("image/patch").qualities == ()
    found = coders.coder(coders.Choice.parse("image/patch:effort7"), "image")
    assert (found.effort, found.label) == (7, "image/patch, effort 7") and "effort 7" in found.settings()
