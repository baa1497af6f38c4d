"""The demonstration on small media with toy codecs, and its measurements on known signals."""

import json
import re

import numpy as np
import pytest
import toys
from toys import clip, picture

from triptych.codecs.signals import Picture, Sound
from triptych.tools import media, pipeline
from triptych.tools.demo import __main__ as demo
from triptych.tools.demo import inputs, peers
from triptych.tools.errors import UsageError
from triptych.tools.reporting import spectrogram


def noise(total: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, total).astype(np.float32)


def test_the_spectrogram_shows_a_tone_where_it_is():
    shown = spectrogram.spectrogram(np.sin(2 * np.pi * 2000 / 16000 * np.arange(16000)).astype(np.float32))
    assert shown.shape[0] == spectrogram.WINDOW // 2 + 1 and shown.dtype == np.uint8
    column = shown[:, shown.shape[1] // 2].sum(axis=1)
    assert np.argmax(column) == pytest.approx((1 - 2000 / 8000) * 256, abs=2)


@pytest.mark.parametrize("size", [1, 30, 31, 100, 999])
def test_the_search_finds_the_nearest_size(size):
    setting, data, _ = peers.closest(range(1, 101), lambda quality: bytes(3 * quality + 1), size)
    assert abs(len(data) - size) == min(abs(3 * quality + 1 - size) for quality in range(1, 101))
    assert len(data) == 3 * setting + 1


def test_peers_come_near_the_wanted_size(tmp_path):
    still = Picture(np.kron(clip(height=64, width=96).frames[0], np.ones((3, 3, 1), np.uint8)))
    for kind in ("jpeg", "webp"):
        found = peers.still(still, kind, 4000, tmp_path / "a")
        assert abs(found.size - 4000) < 1500 and found.quality > 25 and found.size == found.file.stat().st_size
    speech = Sound(noise(32000)[None], 16000)
    found = peers.opus(speech, 6000, tmp_path / "a")
    assert abs(found.size - 6000) < 1500 and found.decoded.samples.shape == speech.samples.shape
    found = peers.x264(clip(20), 3000, tmp_path / "a")
    assert abs(found.size - 3000) < 1000 and found.decoded.frames.shape == clip(20).frames.shape


def test_inputs_name_the_missing_package(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "PICTURES", (("no-such-package", "a.png"),))
    with pytest.raises(UsageError, match=r"triptych\[demo\]"):
        inputs.collect(tmp_path)


def test_inputs_are_real_media(tmp_path):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    try:
        found = inputs.collect(tmp_path)
    except UsageError as error:
        pytest.skip(str(error))
    kinds = [pipeline.KINDS[type(media.read(path))] for path in found]
    assert kinds == ["image", "image", "audio", "video", "video"]
    assert media.read(found[2]).rate == 16000


def test_the_whole_demonstration(tmp_path, monkeypatch, capsys):
    toys.install(monkeypatch)
    speech = Sound(noise(16000)[None], 16000)

    def collect(folder):
        folder.mkdir(parents=True)
        signals = {"a.png": picture(64, 48), "b.wav": speech, "c.mp4": clip(6, with_sound=True)}
        for name, signal in signals.items():
            media.write(folder / name, signal)
        return [folder / name for name in signals]

    def decode(file, out):
        return pipeline.decode(file.read_bytes()), 0.1

    monkeypatch.setattr(demo, "collect", collect)
    monkeypatch.setattr(demo, "decode", decode)
    out = tmp_path / "demo"
    assert demo.main(["--out", str(out), "--seconds", "5"]) == 0
    results = json.loads((out / "results.json").read_text())["results"]
    assert [row["codec"].split()[0] for row in results] == [
        "Triptych",
        "JPEG",
        "WebP",
        "Triptych",
        "Opus",
        "Triptych",
        "x264",
    ]
    ours = [row for row in results if row["codec"] == "Triptych"]
    assert all(row["quality_db"] > 80 for row in ours)
    assert ours[0]["rate"] == pytest.approx(8 * ours[0]["bytes"] / (64 * 48), abs=1e-4)
    assert ours[2]["trip_bytes"] > ours[2]["bytes"]
    page = (out / "index.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) > 15 and all((out / link).is_file() for link in links)
    assert (out / "table.md").read_text().count("\n| ") == 7 and (out / "strip.jpg").is_file()
    shown = capsys.readouterr().out
    assert "encoding a.png" in shown and "SI-SDR" in shown and "coded bytes" in shown
