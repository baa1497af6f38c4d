"""How much rate, or quality, lies between two curves on average: the deltas of Bjontegaard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ..errors import UsageError

SAME = 1e-9  # two rates, or two qualities, that differ by less than this part of their size are equal


@dataclass(frozen=True)
class Delta:
    """The mean difference of two curves over what they share.

    Attributes:
        value: per cent of rate, or units of the metric, of the second curve against the first.
        overlap: the part of the shorter of the two intervals of quality (of log rate, for bd_quality) that the other
            shares, 0 to 1. The shorter one, because the value speaks of all that this curve covers when it lies within the
            other, however far the other reaches.
    """

    value: float
    overlap: float


def bd_rate(
    rate_a: Sequence[float],
    quality_a: Sequence[float],
    rate_b: Sequence[float],
    quality_b: Sequence[float],
    method: Literal["pchip", "akima"] = "pchip",
    least_overlap: float = 0.2,
    higher: bool = True,
) -> Delta:
    """The rate that curve b needs beyond curve a at equal quality, in per cent of that of a: negative is better.

    Log rate is interpolated over quality and averaged over the interval that both cover (Bjontegaard, VCEG-M33; piecewise
    cubic as in the JVET spreadsheets, JVET-T2010, or Akima's, Herglotz et al., arXiv 2202.12565). Points may come in any
    order, rates in any unit; `higher` is whether more quality is better. A point that repeats another (rate and quality
    equal to 1 in 10^9) is left out. Raises ValueError, with the figures, for fewer than two points, values that are not
    finite, rates that are not positive, a point that costs more than another and is not better, and curves that share
    less than `least_overlap` of the shorter interval; UsageError when SciPy is not installed.
    """
    sign = 1.0 if higher else -1.0
    logs_a, values_a = _curve("the first curve", rate_a, quality_a, sign)
    logs_b, values_b = _curve("the second curve", rate_b, quality_b, sign)
    low, high, overlap = _shared(values_a, values_b, least_overlap, "quality", lambda value: sign * value)
    mean = _mean(values_b, logs_b, low, high, method) - _mean(values_a, logs_a, low, high, method)
    return Delta(float(100 * np.expm1(mean)), overlap)


def bd_quality(
    rate_a: Sequence[float],
    quality_a: Sequence[float],
    rate_b: Sequence[float],
    quality_b: Sequence[float],
    method: Literal["pchip", "akima"] = "pchip",
    least_overlap: float = 0.2,
    higher: bool = True,
) -> Delta:
    """The quality of curve b beyond that of curve a at equal rate, in units of the metric: b minus a.

    Quality is interpolated over log rate and averaged over the interval that both cover; otherwise as bd_rate. Where less
    is better (`higher` false), a negative value is better.
    """
    sign = 1.0 if higher else -1.0
    logs_a, values_a = _curve("the first curve", rate_a, quality_a, sign)
    logs_b, values_b = _curve("the second curve", rate_b, quality_b, sign)
    low, high, overlap = _shared(logs_a, logs_b, least_overlap, "rate", np.exp)
    mean = _mean(logs_b, values_b, low, high, method) - _mean(logs_a, values_a, low, high, method)
    return Delta(float(sign * mean), overlap)


def _curve(who: str, rate: Sequence[float], quality: Sequence[float], sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Log rates and signed qualities, both strictly growing; raises ValueError."""
    rates, values = np.asarray(rate, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != values.shape:
        raise ValueError(f"{who} has {rates.size} rates, but {values.size} values of quality")
    points = sorted(zip(rates.tolist(), values.tolist(), strict=True), key=lambda point: (point[0], sign * point[1]))
    for rate_, value in points:
        if not (np.isfinite(rate_) and np.isfinite(value)):
            raise ValueError(f"{who} has a point that is not finite: rate {rate_:.6g}, quality {value:.6g}")
        if rate_ <= 0:
            raise ValueError(f"{who} has a rate of {rate_:.6g}, and only positive rates have a logarithm")
    points = [point for last, point in pairwise([None, *points]) if last is None or not _same(last, point)]
    if len(points) < 2:
        raise ValueError(f"{who} has {'one point' if points else 'no points'}, and a comparison needs two at least")
    for (cheap, lesser), (dear, value) in pairwise(points):
        if _equal(cheap, dear) or _equal(lesser, value) or sign * value < sign * lesser:
            raise ValueError(
                f"{who} is not monotone: rate {dear:.6g} gives quality {value:.6g}, "
                f"where rate {cheap:.6g} gives {lesser:.6g} already"
            )
    logs, kept = np.log([point[0] for point in points]), np.array([point[1] for point in points])
    return logs, sign * kept


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other))


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return _equal(one[0], other[0]) and _equal(one[1], other[1])


def _shared(
    a: np.ndarray, b: np.ndarray, least: float, of: str, show: Callable[[float], float]
) -> tuple[float, float, float]:
    """The ends of the interval that both cover, and its part of the shorter one; raises ValueError when that is too little."""
    low, high = max(a[0], b[0]), min(a[-1], b[-1])
    shorter = min(a[-1] - a[0], b[-1] - b[0])
    overlap = max(0.0, float((high - low) / shorter))
    if overlap <= 0 or overlap < least:
        ends = [f"{show(each[0]):.6g} to {show(each[-1]):.6g}" for each in (a, b)]
        much = f"only {100 * overlap:.1f} % of the shorter interval" if overlap else "nothing"
        raise ValueError(f"the curves share {much} of {of}: {ends[0]}, and {ends[1]}")
    return float(low), float(high), overlap


def _mean(x: np.ndarray, y: np.ndarray, low: float, high: float, method: str) -> float:
    """The mean over [low, high] of the curve through the points (x, y); two points are joined by a line."""
    if method not in ("pchip", "akima"):
        raise ValueError(f"unknown method {method!r}: pchip or akima")
    try:
        from scipy.interpolate import Akima1DInterpolator, PchipInterpolator
    except ImportError as error:
        raise UsageError("BD-rates need SciPy: pip install 'triptych[report]'") from error
    made = Akima1DInterpolator(x, y) if method == "akima" and len(x) > 2 else PchipInterpolator(x, y)
    return float(made.integrate(low, high)) / (high - low)
