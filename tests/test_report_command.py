"""The command `triptych report`: its figure, its outputs, and what it refuses."""

import importlib.util
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
import report_data
from report_data import bits, page, results, row, rows, run

from triptych.tools import report


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *arguments) -> str:
    """The one sentence of a refusal."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("triptych: ") and captured.err.count("\n") == 1
    return captured.err


def test_a_figure_stands_alone():
    report_data.write(Path("results"), "image")
    assert run("results/pictures.csv", "--figure", "a.svg", "--codecs", "own/codec,third") == 0
    assert not Path("report.html").exists()
    root = ElementTree.parse("a.svg").getroot()
    texts = "".join(text for text in root.itertext())
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("width")
    assert "PSNR RGB (dB)" in texts and "Own" in texts and "Third" in texts and "Classic" not in texts
    assert any(node.get("class") == "paper" for node in root.iter())  # its own ground
    curves = [node for node in root.iter() if node.get("class", "").startswith("curve") and node.get("clip-path")]
    assert [node.get("d").count("L") for node in curves] == [3, 3]
    assert run("results", "--figure", "b.svg", "--metric", "lpips", "--out", "b.html") == 0
    assert "lower is better" in Path("b.svg").read_text() and Path("b.html").exists()


def test_means_and_deltas_as_text(capsys):
    report_data.write(Path("results"), "image")
    assert run("results", "--text", "a.md") == 0 and not Path("report.html").exists()
    text = Path("a.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert text.startswith("2 pictures of pictures\n")
    first = next(row for row in rows if row[:2] == ["Own", "10"])
    assert float(first[2]) == pytest.approx((bits("own/codec", 0, 0) + bits("own/codec", 0, 1)) / 2, rel=1e-3)
    assert float(first[3]) == pytest.approx(25.5)
    if importlib.util.find_spec("scipy"):
        deltas = {row[0]: row[1:] for row in rows[2:5]}
        assert deltas["Own"][:2] == ["-", "-50.0"] and deltas["Classic"][:2] == ["+100.0", "-"]
    assert run("results", "--text", "a.md") == 2 and "exists already" in capsys.readouterr().err


def test_the_metric_that_was_asked_for_is_shown_first():
    report_data.write(Path("results"), "image")
    assert [data["metric"] for data in results(page("results", "--metric", "lpips"))] == ["lpips"]
    assert [data["metric"] for data in results(page("results"))] == ["psnr_rgb"]


def test_outputs_are_kept_unless_forced(capsys):
    report_data.write(Path("results"), "image")
    Path("report.html").write_text("precious")
    assert "report.html: exists already" in refused(capsys, "results")
    assert Path("report.html").read_text() == "precious"
    assert run("results", "--force") == 0 and "precious" not in Path("report.html").read_text()
    assert run("results", "--out", "-") == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")
    assert report.main(["results", "--out", "again.htm"]) == 0


def test_refusals(capsys):
    path = report_data.write(Path("results"), "image")
    report_data.write(Path("results"), "audio")
    Path("empty").mkdir()
    assert "empty: holds no table of results" in refused(capsys, "empty")
    assert "nowhere: no such file or folder" in refused(capsys, "nowhere")
    Path("other.csv").write_text("a,b\n1,2\n")
    assert "other.csv: is not a table of results" in refused(capsys, "other.csv")
    Path("other.txt").write_text("text")
    assert "ends in .csv or .json" in refused(capsys, "other.txt")
    Path("head.csv").write_text(path.read_text().splitlines()[0] + "\n")
    assert "head.csv: is a table without rows" in refused(capsys, "head.csv")
    assert "no metric is called beauty; there are psnr_rgb" in refused(capsys, "results", "--metric", "beauty")
    assert "vmaf was not measured" in refused(capsys, "results", "--metric", "vmaf")
    assert "no codec in these tables is called opus" in refused(capsys, "results", "--codecs", "jpeg,opus")
    assert "name one table" in refused(capsys, "results", "--figure", "a.svg")
    assert "unknown output extension" in refused(capsys, "results", "--out", "a.pdf")
    assert "unknown output extension" in refused(capsys, "results", "--figure", "a.png")
    assert "no published anchor" in refused(capsys, "results", "--anchors", "vtm-99")
    made = [replace(each, error="no memory") for each in rows("image")]
    report_data.write(Path("failed"), "image", made=made)
    assert "the first error: no memory" in refused(capsys, "failed")
    report_data.write(Path("strange"), "image", made=[replace(row("image", "jpeg", 0, 0), kind="smell")])
    assert "names 'smell' as a kind of media" in refused(capsys, "strange")
    assert not Path("report.html").exists()


def test_other_tables_in_a_folder_are_noted(capsys):
    report_data.write(Path("results"), "image")
    Path("results/other.csv").write_text("a,b\n1,2\n")
    assert len(results(page("results"))) == 1
    note = capsys.readouterr().err
    assert "other.csv: is not a table of results" in note and note.endswith("it was left out\n")
