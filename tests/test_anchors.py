"""The published points: what every file must hold, what is refused, and figures known from elsewhere."""

import json
from pathlib import Path

import pytest

from triptych.tools import anchors as room
from triptych.tools.metrics import METRICS

FOLDER = Path(__file__).parent.parent / "tools" / "anchors"
FILES = sorted(FOLDER.glob("*.json"))
RANGES = {
    "bpp": (0.0005, 7),
    "kbps": (0.1, 70),
    "psnr_rgb": (20, 50),
    "psnr_y": (25, 50),
    "psnr_yuv": (25, 50),
    "ms_ssim": (0.7, 1),
    "pesq_wb": (1, 4.65),
    "pesq_nb": (1, 4.55),
    "stoi": (0.7, 1),
    "visqol_speech": (1, 5),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_holds_sane_curves_with_their_sources(path):
    found = room.read(path)
    assert found
    for anchor in found:
        assert path.name.startswith(f"{anchor.dataset}.")
        assert "/" in anchor.source or "arXiv" in anchor.source or anchor.source.startswith("measured for this project")
        assert not anchor.points or len(anchor.how) > 40
        for key, values in anchor.points.items():
            low, high = RANGES[key]
            assert all(low <= value <= high for value in values), (anchor.name, key)
            sign = 1 if key == anchor.x or METRICS[key].higher else -1
            assert sorted(values, key=lambda value: sign * value) == list(values), (anchor.name, key)
        assert all(-90 < value < 300 for value in anchor.bd_rate_vs.values())


def test_what_was_read_off_a_plot_says_so():
    marked = {(dataset, each.name) for dataset in room.datasets() for each in room.anchors(dataset) if each.digitised}
    assert {("bunny", "hnerv-boost"), ("uvg", "hnerv"), ("kodak", "evc-s")} <= marked
    assert not marked & {("kodak", name) for name in ("vtm", "hm", "bpg-444", "cool-chic-5", "elic")}


def test_the_data_sets_and_names():
    assert {"kodak", "clic2020-pro-valid", "uvg", "bunny", "speech"} <= set(room.datasets())
    assert {"vtm", "hm", "bpg-444", "av1-444", "mbt2018-mean", "cheng2020-anchor", "elic", "mlic++", "c3"} <= set(
        room.names("kodak")
    )
    assert [anchor.name for anchor in room.anchors("kodak", ["hm", "vtm"])] == ["hm", "vtm"]
    assert room.anchors("nowhere") == () and room.names("nowhere") == ()
    with pytest.raises(ValueError, match=r"kodak has no anchor 'h266', only .*vtm"):
        room.anchors("kodak", ["vtm", "h266"])


def test_codecs_without_points_are_only_stated():
    stated = {anchor.name: anchor for anchor in room.stated("kodak")}
    assert stated["pulse"].bd_rate_vs == {"HM-16.25 intra": 1.2} and not stated["pulse"].points
    assert stated["dcvc-rt-intra"].bd_rate_vs["VTM"] == -11.1
    assert not {"pulse", "dcvc-rt-intra", "jpeg-ai"} & set(room.names("kodak"))


def test_points_are_those_of_the_sources():
    (vtm,) = room.anchors("kodak", ["vtm"])
    assert (vtm.points["bpp"][3], vtm.points["psnr_rgb"][3]) == (0.49055, 34.2615)
    (ours,) = room.anchors("speech", ["lyra-v2"])
    assert ours.x == "kbps" and dict(zip(ours.points["kbps"], ours.points["pesq_wb"], strict=True))[6.0] == 2.82
    (films,) = room.anchors("uvg", ["vtm-ld"])
    assert set(films.points) == {"bpp", "psnr_y", "psnr_yuv"}
    with pytest.raises(TypeError):
        vtm.points["bpp"] = ()


KNOWN = {
    "hm": 23.3,
    "bpg-444": 22.0,
    "av1-444": 16.2,
    "jpeg-published": 208.5,
    "jpeg2000": 98.0,
    "webp-published": 78.8,
    "bmshj2018-factorized": 68.1,
    "bmshj2018-hyperprior": 30.5,
    "mbt2018-mean": 21.3,
    "mbt2018": 11.0,
    "cheng2020-anchor": 3.7,
    "cheng2020-attn": 5.5,
    "charm": 1.1,
    "elic": -7.0,
    "mlic++": -15.0,
    "cool-chic-5": -6.6,
    "c3": 5.2,
    "c3-adaptive": 3.4,
    "dcae": -17.0,
    "recombiner": 61.4,
    "vtm-18": 0.0,
}


def test_kodak_against_vtm():
    """BD-rates against VTM that were worked out before from the same sources; learned codecs from float pictures there."""
    pytest.importorskip("scipy", reason="SciPy is not installed")
    from triptych.tools.metrics.bjontegaard import bd_rate

    (vtm,) = room.anchors("kodak", ["vtm"])
    for anchor in room.anchors("kodak", list(KNOWN)):
        points = (vtm.points["bpp"], vtm.points["psnr_rgb"], anchor.points["bpp"], anchor.points["psnr_rgb"])
        assert bd_rate(*points).value == pytest.approx(KNOWN[anchor.name], abs=0.7), anchor.name


GOOD = {
    "name": "a",
    "label": "A",
    "dataset": "set",
    "kind": "image",
    "x": "bpp",
    "source": "somebody/something, table.json",
    "how": "means over the pictures",
    "licence": "MIT",
    "points": {"bpp": [0.1, 0.2], "psnr_rgb": [30, 33]},
}
BAD = {
    "source": ({"source": ""}, "a: the field 'source' is missing"),
    "field": ({"sauce": "x"}, "a: unknown field 'sauce'"),
    "kind": ({"kind": "smell"}, "a: kind is one of"),
    "rate": ({"x": "bits"}, "a: kind is one of"),
    "nothing": ({"points": {}}, "a: neither points nor bd_rate_vs"),
    "column": ({"points": {"bpp": [0.1], "psnr": [30]}}, "a: 'psnr' is neither the rate 'bpp' nor a metric of image"),
    "of sounds": ({"points": {"bpp": [0.1], "stoi": [0.9]}}, "a: 'stoi' is neither the rate"),
    "no rate": ({"points": {"psnr_rgb": [30]}}, "a: points are a column 'bpp' and at least one metric"),
    "only rate": ({"points": {"bpp": [0.1]}}, "a: points are a column 'bpp' and at least one metric"),
    "length": ({"points": {"bpp": [0.1, 0.2], "ssim": [0.9]}}, "a: 2 values of bpp, but 1 of ssim"),
    "unsorted": (
        {"points": {"bpp": [0.2, 0.1], "ssim": [0.9, 0.8]}},
        "a: the values of bpp are not positive and growing",
    ),
    "zero": ({"points": {"bpp": [0, 0.1], "ssim": [0.8, 0.9]}}, "a: the values of bpp are not positive and growing"),
    "text": ({"points": {"bpp": ["0.1"], "ssim": [0.9]}}, "a: bpp is not a list of numbers"),
    "nan": ({"points": {"bpp": [0.1], "ssim": [float("nan")]}}, "a: ssim has values that are not finite"),
    "stated": ({"bd_rate_vs": {"b": "much"}}, "a: bd_rate_vs is not a list of numbers"),
}


def test_shared_fields_are_those_of_every_entry(tmp_path):
    path = tmp_path / "set.json"
    shared = {key: value for key, value in GOOD.items() if key not in ("name", "points")}
    points = GOOD["points"]
    entries = [{"name": "a", "points": points}, {"name": "b", "source": "elsewhere", "points": points}]
    path.write_text(json.dumps({**shared, "anchors": entries}))
    assert [(anchor.name, anchor.source) for anchor in room.read(path)] == [("a", GOOD["source"]), ("b", "elsewhere")]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused(case, tmp_path):
    change, sentence = BAD[case]
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"anchors": [GOOD | change]}))
    with pytest.raises(ValueError, match=f"set.json: {sentence}"):
        room.read(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"anchors": 3}', '{"x": "bpp"}', '{"anchors": ["a"]}'])
def test_what_is_no_file_of_anchors_is_refused(text, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"set\.json: "):
        room.read(path)
