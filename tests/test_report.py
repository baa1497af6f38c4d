"""The report: its numbers, what it embeds, and that it needs nothing from elsewhere."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import report_data
import soundfile
from PIL import Image
from report_data import CODECS, QUALITIES, bits, page, results, rows, run, value

from triptych.tools import media
from triptych.tools.reporting import content, sources, svg
from triptych.tools.reporting.samples import FRAMES, _spread, frame_numbers


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def points(line: dict, metric: str = "psnr_rgb", rate: str = "bpp") -> list[list]:
    return line["curves"][rate][metric]["points"]


def mean(function, *place) -> float:
    return sum(function(*place, number) for number in (0, 1)) / 2


@pytest.mark.parametrize("kind, rate", [("image", "bpp"), ("audio", "kbps"), ("video", "bpp")])
def test_curves_are_means_over_files(kind, rate):
    report_data.write(Path("results"), kind)
    (data,) = results(page("results"))
    assert [line["label"] for line in data["lines"]] == ["Own", "Classic", "Third"]
    assert data["expected"] == 2 and data["kind"] == kind
    for codec, line in zip(CODECS, data["lines"], strict=True):
        found = points(line, report_data.METRIC[kind], rate)
        assert [point[0] for point in found] == list(QUALITIES)
        for step, (_, x, y) in enumerate(found):
            assert x == pytest.approx(mean(bits, codec, step), rel=1e-5)
            assert y == pytest.approx(mean(value, kind, step), rel=1e-5)
    assert len(data["rows"]) == 24
    if kind == "video":
        assert [each["name"] for each in data["rates"]] == ["bpp", "kbps"]


def test_deltas_are_those_of_known_curves():
    pytest.importorskip("scipy")
    report_data.write(Path("results"), "image")
    (data,) = results(page("results"))
    for method in ("pchip", "akima"):
        found = data["deltas"]["bpp"]["psnr_rgb"][method]
        assert found["rate"][1][0] == pytest.approx([100.0, 1.0], abs=0.01)  # twice the bits
        assert found["rate"][0][2] == pytest.approx([-200 / 3, 1.0], abs=0.01)
        assert found["quality"][1][0][0] == pytest.approx(-3.0, abs=0.01)  # 3 dB with every doubling
        assert found["rate"][1][1] is None
        lower = data["deltas"]["bpp"]["lpips"][method]
        assert lower["rate"][1][0] == pytest.approx([100.0, 1.0], abs=0.01)
        assert lower["quality"][1][0][0] == pytest.approx(0.1, abs=0.01)  # more, which is worse


def test_speeds_are_medians_and_sounds_count_real_time():
    report_data.write(Path("results"), "audio")
    (data,) = results(page("results"))
    assert data["lines"][1]["speed"] == {"encode": 1.0, "decode": 0.5, "encode_times": 4.0, "decode_times": 8.0}


def test_failed_files_are_left_out_of_every_mean_and_told():
    made = [
        replace(each, error="it broke <b>here</b>", bpp=None, psnr_rgb=None, lpips=None)
        if (each.codec, each.quality, each.file) == ("jpeg", "30", "file1.png")
        else each
        for each in rows("image")
    ]
    report_data.write(Path("results"), "image", made=made)
    read = page("results")
    (data,) = results(read)
    line = data["lines"][1]
    assert line["curves"]["bpp"]["psnr_rgb"]["files"] == 1
    for step, (_, x, y) in enumerate(points(line)):
        assert x == pytest.approx(bits("jpeg", step, 0), rel=1e-5) and y == pytest.approx(value("image", step, 0))
    assert "Classic (1 of 2 files)" in read.shown and "it broke <b>here</b>" in read.shown and "1 failed" in read.shown
    assert points(data["lines"][0])[0][1] == pytest.approx(mean(bits, "own/codec", 0), rel=1e-5)


def test_one_point_and_disjoint_curves_are_drawn_but_not_compared():
    made = [each for each in rows("image") if each.codec != "jpeg" or each.quality == "30"]
    made = [replace(each, psnr_rgb=each.psnr_rgb + 40) if each.codec == "third" else each for each in made]
    report_data.write(Path("results"), "image", made=made)
    (data,) = results(page("results"))
    assert len(points(data["lines"][1])) == 1
    if data["deltas"] is None:
        pytest.skip("SciPy is not installed")
    table, reasons = data["deltas"]["bpp"]["psnr_rgb"]["pchip"]["rate"], data["reasons"]
    assert "Classic has one point" in reasons[table[1][0]]
    assert "share nothing" in reasons[table[2][0]] or "overlap" in reasons[table[2][0]]


def test_exact_copies_are_not_part_of_a_curve():
    made = [replace(each, psnr_rgb=100.0) if each.quality == "70" else each for each in rows("image")]
    report_data.write(Path("results"), "image", made=made)
    (data,) = results(page("results"))
    curve = data["lines"][0]["curves"]["bpp"]["psnr_rgb"]
    assert len(curve["points"]) == 3 and [point[0] for point in curve["exact"]] == ["70"]


def test_without_scipy_there_is_a_page_without_deltas(monkeypatch):
    report_data.write(Path("results"), "image")
    monkeypatch.setattr(content, "can_compare", lambda: False)
    (data,) = results(page("results"))
    assert data["deltas"] is None and len(data["lines"]) == 3


def test_two_folders_show_before_and_after():
    report_data.write(Path("before"), "image")
    report_data.write(Path("after"), "image", made=[each for each in rows("image") if each.codec == "own/codec"])
    (data,) = results(page("before", "after"))
    labels = [line["label"] for line in data["lines"]]
    assert sorted(labels) == ["Classic", "Own (after)", "Own (before)", "Third"]
    assert len(data["rows"]) == 32


def test_presets_tell_codecs_of_one_name_apart():
    made = [replace(each, label="Same", preset=each.codec[:2]) for each in rows("image")]
    report_data.write(Path("results"), "image", made=made)
    (data,) = results(page("results"))
    assert [line["label"] for line in data["lines"]] == ["Same, ow", "Same, jp", "Same, th"]


def test_a_table_is_read_once_and_json_serves_as_well():
    path = report_data.write(Path("results"), "image")
    assert len(results(page("results", path))[0]["rows"]) == 24
    path.unlink()
    assert len(results(page("results"))[0]["rows"]) == 24


def test_several_datasets_get_a_tab_each():
    for kind in ("image", "audio", "video"):
        report_data.write(Path("results"), kind)
    read = page("results")
    assert [data["name"] for data in results(read)] == ["films", "pictures", "sounds"]
    assert [told for tag, name, told in read.attributes if tag == "a" and name == "href"] == ["#d0", "#d1", "#d2"]
    assert read.tags.count("section") == 3
    assert sum(tag == "svg" for tag in read.tags) == 3  # curves without scripts, too


def test_media_are_embedded_without_loss():
    for kind in ("image", "audio", "video"):
        report_data.write(Path("results"), kind, media=True)
    read = page("results")
    films, pictures, sounds = ({each["file"]: each for each in data["samples"]} for data in results(read))

    def data(name: str) -> bytes:
        return base64.b64decode(read.scripts[name].partition(",")[2])

    picture = pictures["file0.png"]
    assert len(picture["copies"]) == 12 and (picture["width"], picture["height"]) == (48, 32)
    for number, name in enumerate((picture["original"][0], picture["copies"][0]["media"][0])):
        shown = np.array(Image.open(io.BytesIO(data(name))))
        np.testing.assert_array_equal(shown, report_data.signal("image", number).pixels)
    sound = sounds["file0.flac"]
    samples, rate = soundfile.read(io.BytesIO(data(sound["original"][0])))
    assert rate == report_data.RATE and len(samples) == rate * report_data.SECONDS
    assert read.scripts[sound["original"][0]].startswith("data:audio/flac;base64,")
    assert Image.open(io.BytesIO(data(sound["original"][1]))).height == 257
    film = films["file0.mp4"]
    assert len(film["original"]) == len(film["numbers"]) == FRAMES == len(film["copies"][3]["media"])
    clip = media.read("results/films.media/file0.mp4")
    for place, number in enumerate(film["numbers"]):
        shown = np.array(Image.open(io.BytesIO(data(film["original"][place]))))
        np.testing.assert_array_equal(shown, clip.frames[number])


def test_media_beyond_the_limit_are_left_out_with_a_note():
    report_data.write(Path("results"), "image", media=True)
    read = page("results", "--media-limit", 0.03)
    embedded = sum(len(text) for name, text in read.scripts.items() if name.startswith("m"))
    (sample,) = results(read)[0]["samples"]
    assert 0 < embedded <= 0.03 * 2**20 and 0 < len(sample["copies"]) < 12
    assert f"{12 - len(sample['copies'])} kept copies found no room" in read.shown
    assert {copy["series"] for copy in sample["copies"]} == {0, 1, 2}  # every codec before more qualities
    read = page("results", "--media-limit", 0)
    assert results(read)[0]["samples"] == [] and "12 kept copies" in read.shown


def test_only_media_beside_the_table_are_read(capsys):
    made = [replace(report_data.kept(Path(), each), dataset="pictures") for each in rows("image")[:2]]
    Path("results").mkdir()
    made = [replace(each, original=f"../{each.original}", decoded=f"../{each.decoded}") for each in made]
    report_data.write(Path("results"), "image", made=made)
    read = page("results")
    assert results(read)[0]["samples"] == [] and not any(name.startswith("m") for name in read.scripts)
    assert "lies outside the folder" in capsys.readouterr().err


def test_broken_and_absent_media_are_noted(capsys):
    made = [
        report_data.kept(Path("results"), each)
        for each in rows("image")[:4]
        if Path("results").mkdir(exist_ok=True) is None
    ]
    Path("results", made[0].decoded).write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    Path("results", made[2].decoded).unlink()
    report_data.write(Path("results"), "image", made=made)
    (data,) = results(page("results"))
    assert sum(len(sample["copies"]) for sample in data["samples"]) == 2
    errors = capsys.readouterr().err
    assert "is not a picture that can be read" in errors and "1 kept copy named in the tables" in errors


HOSTILE = "</script><script>alert('a')</script><img src=x onerror=\"alert(1)\">&amp;<!--"


def test_hostile_names_stay_text():
    made = [
        replace(each, file=HOSTILE, label=HOSTILE, settings=HOSTILE, machine=HOSTILE, dataset=f"{HOSTILE}{each.kind}")
        for each in rows("image")
        if each.file == "file0.png"
    ]
    made.append(replace(made[0], quality=HOSTILE, error=HOSTILE))
    report_data.write(Path("results"), "image", made=made)
    read = page("results")
    report_data.write(Path("plain"), "image")
    plain = page("plain")
    assert read.tags.count("script") == plain.tags.count("script") == 2 and "img" not in read.tags
    (data,) = results(read)
    assert HOSTILE in data["lines"][0]["label"] and data["rows"][0][0] == HOSTILE and data["name"].startswith(HOSTILE)
    assert read.shown.count(HOSTILE) > 10
    assert run("results", "--figure", "a.svg", "--metric", "psnr_rgb") == 0
    texts = [node.text or "" for node in ElementTree.parse("a.svg").getroot().iter()]
    assert any(HOSTILE in text for text in texts)


def test_the_page_asks_for_nothing_from_elsewhere():
    for kind in ("image", "audio", "video"):
        report_data.write(Path("results"), kind, media=True)
    read = page("results")
    text = Path("page.html").read_text(encoding="utf-8")
    assert set(re.findall(r"[a-z]+://[^\s\"'<>]*", text)) == {"http://www.w3.org/2000/svg"}
    for tag, name, told in read.attributes:
        if name in ("src", "href", "data", "poster", "action", "srcset"):
            assert told.startswith("#") or told == "data:,", (tag, name, told)
        assert not name.startswith("on") and "url(" not in told.replace("url(#", "")
    assert "@import" not in text and "fetch(" not in text and "XMLHttpRequest" not in text


def test_published_anchors_are_drawn_and_cited():
    report_data.write(Path("results"), "image", made=[replace(each, dataset="kodak") for each in rows("image")])
    read = page("results/pictures.csv")
    (data,) = results(read)
    published = [line for line in data["lines"] if line["style"]["published"]]
    assert {"VVC intra (VTM)", "MLIC++"} <= {line["label"] for line in published}
    assert 0 < sum(not line["hidden"] for line in published) < 5
    assert all(line["style"]["dash"] for line in published) and "CompressAI" in read.shown
    (data,) = results(page("results/pictures.csv", "--anchors", "vtm"))
    assert [line["label"] for line in data["lines"] if line["style"]["published"]] == ["VVC intra (VTM)"]
    (data,) = results(page("results/pictures.csv", "--anchors", "none"))
    assert len(data["lines"]) == 3


def test_labels_and_tags_of_tables_with_one_name():
    keys = [("a", "", Path("x/t.csv")), ("a", "", Path("x/u.csv")), ("b", "", Path("x/t.csv"))]
    assert sources._tags(keys) == ["t", "u", ""]
    keys = [("a", "", Path("x/t.csv")), ("a", "", Path("y/t.csv"))]
    assert sources._tags(keys) == ["x", "y"]
    assert sources._labels([("L", "", "a", ""), ("L", "", "b", "")]) == ["L, a", "L, b"]


def test_orders_and_frames():
    assert [sorted(_spread(count)) for count in range(6)] == [list(range(count)) for count in range(6)]
    assert _spread(5)[:3] == [2, 0, 4]
    assert frame_numbers(1) == [0] and frame_numbers(5) == [0, 1, 2, 3, 4]
    assert frame_numbers(300)[0] == 0 and frame_numbers(300)[-1] == 299 and len(frame_numbers(300)) == FRAMES


def test_styles_and_ticks():
    assert len({svg.Style.of(place, False) for place in range(56)}) == 56
    assert svg.Axis(0, 1, 0, 100).ticks(6) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert svg.Axis(0.9, 60, 0, 100, True).ticks(6) == [1, 2, 5, 10, 20, 50]
    assert svg.Axis(1, 100, 0, 100, True).place(10) == pytest.approx(50)
