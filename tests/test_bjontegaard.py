"""BD-rate and BD-quality: exact cases, another implementation, published tables, and what is refused."""

import math
import sys

import numpy as np
import pytest

from triptych.tools.anchors import anchors, datasets, stated
from triptych.tools.errors import UsageError
from triptych.tools.metrics.bjontegaard import bd_quality, bd_rate

pytest.importorskip("scipy", reason="SciPy is not installed")

RATE = [0.1, 0.25, 0.5, 0.9, 1.6]
QUALITY = [27.0, 30.0, 33.0, 36.0, 39.5]
METHODS = ("pchip", "akima")


def random_curve(generator: np.random.Generator, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Growing rates and qualities of a plausible curve, unevenly spaced."""
    rate = np.cumprod(generator.uniform(1.2, 2.0, points)) * generator.uniform(0.05, 0.1)
    return rate, 25 + np.cumsum(generator.uniform(0.8, 2.5, points))


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_against_itself_is_zero(method):
    for function in (bd_rate, bd_quality):
        delta = function(RATE, QUALITY, RATE, QUALITY, method)
        assert delta.value == pytest.approx(0, abs=1e-12) and delta.overlap == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("percent", [-40.0, 7.5, 250.0])
def test_a_known_part_more_rate_is_that_part(method, percent):
    dearer = [rate * (1 + percent / 100) for rate in RATE]
    assert bd_rate(RATE, QUALITY, dearer, QUALITY, method).value == pytest.approx(percent, abs=1e-9)
    back = bd_rate(dearer, QUALITY, RATE, QUALITY, method).value
    assert (1 + back / 100) * (1 + percent / 100) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_known_step_in_quality_is_that_step(method):
    better = [value + 0.75 for value in QUALITY]
    assert bd_quality(RATE, QUALITY, RATE, better, method).value == pytest.approx(0.75, abs=1e-12)


def test_straight_lines_have_the_mean_of_their_distance():
    """Log rate grows as q - 30 on one curve, half as fast on the other: between 30 and 34 the mean distance is 1."""
    steps = np.arange(5.0)
    delta = bd_rate(np.exp(steps), 30 + steps, np.exp(steps / 2), 30 + steps)
    assert delta.value == pytest.approx(100 * (math.exp(-1) - 1), abs=1e-9)


def test_order_and_repeated_points_do_not_matter():
    cheaper = [0.8 * rate for rate in RATE]
    plain = bd_rate(RATE, QUALITY, cheaper, QUALITY)
    order = [3, 0, 4, 2, 1, 3]
    mixed = bd_rate([RATE[i] for i in order], [QUALITY[i] for i in order], cheaper, QUALITY)
    assert mixed == plain


def test_where_less_is_better_the_sign_says_so():
    loss = [40 - value for value in QUALITY]
    other = [value - 0.5 for value in loss]
    assert bd_quality(RATE, loss, RATE, other, higher=False).value == pytest.approx(-0.5, abs=1e-12)
    doubled = bd_rate(RATE, loss, [2 * rate for rate in RATE], loss, higher=False)
    assert doubled.value == pytest.approx(100, abs=1e-9)


def test_two_points_are_joined_by_a_line():
    for method in METHODS:
        assert bd_rate([1, 2], [30, 33], [2, 4], [30, 33], method).value == pytest.approx(100, abs=1e-9)


def test_overlap_is_the_part_of_the_shorter_interval():
    short = bd_rate(RATE, QUALITY, [0.2, 0.3], [29.0, 31.0])
    assert short.overlap == 1
    half = bd_rate([1, 2, 4], [30, 32, 34], [1, 2, 4, 8], [32, 34, 36, 40])
    assert half.overlap == pytest.approx(0.5)
    rates = bd_quality([1, 2, 4], [30, 32, 34], [2, 4, 8, 16], [30, 32, 34, 36])
    assert rates.overlap == pytest.approx(0.5)


@pytest.mark.parametrize("method", METHODS)
def test_equal_to_the_package_bjontegaard(method):
    package = pytest.importorskip("bjontegaard", reason="the package bjontegaard is not installed")
    generator = np.random.default_rng(3)
    for _ in range(50):
        a, b = (random_curve(generator, generator.integers(4, 9)) for _ in range(2))
        options = {"require_matching_points": False, "min_overlap": 0}
        rate = package.bd_rate(*a, *b, method, **options)
        quality = package.bd_psnr(*a, *b, method, **options)
        if math.isnan(rate) or math.isnan(quality):
            continue
        assert bd_rate(*a, *b, method, least_overlap=0).value == pytest.approx(rate, rel=1e-9, abs=1e-9)
        assert bd_quality(*a, *b, method, least_overlap=0).value == pytest.approx(quality, rel=1e-9, abs=1e-9)


def test_published_tables_are_met():
    """MLIC's README (CLIC, against VTM 17.0), QARV's (three sets, against VTM 18.0), HiNeRV's abstract (UVG, against HNeRV).

    Points and BD-rates stand beside each other in the files of anchors. They are met to 0.25 per cent of rate: the sources
    round points and results, and some of them fit one cubic instead of pieces.
    """
    met = []
    for dataset in datasets():
        points = {anchor.name: anchor.points for anchor in anchors(dataset)}
        for anchor in stated(dataset):
            for name in set(anchor.bd_rate_vs) & set(points) if anchor.points else ():
                sides = (points[name]["bpp"], points[name]["psnr_rgb"], anchor.points["bpp"], anchor.points["psnr_rgb"])
                found = [bd_rate(*sides, method).value for method in METHODS]
                assert found == pytest.approx([anchor.bd_rate_vs[name]] * 2, abs=0.25), (dataset, anchor.name, name)
                met.append((dataset, anchor.name, name))
    wanted = {("clic2020-pro-valid", "mlic++", "vtm-17"), ("kodak", "qarv", "vtm-18"), ("uvg", "hinerv", "hnerv")}
    assert wanted <= set(met) and len(met) >= 9


REFUSED = {
    "length": (RATE[:-1], QUALITY, "first curve has 4 rates, but 5 values of quality"),
    "none": ([], [], "first curve has no points, and a comparison needs two at least"),
    "one": ([1.0], [30.0], "first curve has one point, and a comparison needs two at least"),
    "one twice": ([1.0, 1.0], [30.0, 30.0], "first curve has one point"),
    "nan": ([0.1, 0.2], [30.0, math.nan], "not finite: rate 0.2, quality nan"),
    "infinite": ([0.1, 0.2], [30.0, math.inf], "not finite: rate 0.2, quality inf"),
    "zero": ([0.0, 0.2], [30.0, 31.0], "a rate of 0, and only positive rates"),
    "negative": ([-0.5, 0.2], [30.0, 31.0], "a rate of -0.5"),
    "dominated": ([0.1, 0.2, 0.4], [30.0, 33.5, 33.0], "rate 0.4 gives quality 33, where rate 0.2 gives 33.5 already"),
    "saturated": ([0.1, 0.2, 0.4], [30.0, 33.0, 33.0], "rate 0.4 gives quality 33, where rate 0.2 gives 33 already"),
    "same rate": ([0.1, 0.2, 0.2], [30.0, 32.0, 33.0], "rate 0.2 gives quality 33, where rate 0.2 gives 32 already"),
    "apart": ([1, 2], [50, 60], r"share nothing of quality: 50 to 60, and 27 to 39.5"),
    "hardly": ([1, 2], [39, 60], r"share only 4.0 % of the shorter interval of quality: 39 to 60, and 27 to 39.5"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_figures(case):
    rate, quality, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        bd_rate(rate, quality, RATE, QUALITY)
    with pytest.raises(ValueError, match=sentence.replace("first", "second") if "first" in sentence else "."):
        bd_rate(RATE, QUALITY, rate, quality)


def test_refused_for_lack_of_shared_rates():
    with pytest.raises(ValueError, match=r"share nothing of rate: 0\.1 to 1\.6, and 2 to 4"):
        bd_quality(RATE, QUALITY, [2, 4], [30, 33])
    with pytest.raises(ValueError, match="share nothing"):
        bd_quality(RATE, QUALITY, [2, 4], [30, 33], least_overlap=0)


def test_refused_the_wrong_way_round_and_for_an_unknown_method():
    with pytest.raises(ValueError, match="not monotone"):
        bd_rate(RATE, QUALITY, RATE, QUALITY, higher=False)
    with pytest.raises(ValueError, match="unknown method 'cubic': pchip or akima"):
        bd_rate(RATE, QUALITY, RATE, QUALITY, "cubic")


def test_without_scipy_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.interpolate", None)
    with pytest.raises(UsageError, match=r"BD-rates need SciPy: pip install 'triptych\[report\]'"):
        bd_rate(RATE, QUALITY, RATE, QUALITY)
