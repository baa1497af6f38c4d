"""Means over files for each codec and quality, and Bjontegaard deltas between the curves that they form."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from ..anchors import Anchor, anchors
from ..evaluation.table import Row
from ..metrics import METRICS, Metric
from ..metrics.bjontegaard import Delta, bd_quality, bd_rate
from .sources import RATES_OF, Dataset, Series, finite, usable

RATES = {"bpp": "bits per pixel", "kbps": "kbit/s"}
FIRST = ("psnr_rgb", "pesq_wb", "visqol_speech", "visqol_audio", "si_sdr")
METHODS = ("pchip", "akima")
FEW = 2  # published anchors that are drawn before anybody asks for them
LEAST_OVERLAP = 0.2  # of the shorter of two curves; below it a delta says nothing


@dataclass(frozen=True)
class Point:
    """The mean over files at one quality."""

    quality: str
    rate: float
    value: float


@dataclass(frozen=True)
class Curve:
    """Rate and quality of one codec.

    Attributes:
        points: in order of rate, without exact copies.
        files: the number of files behind each point.
        exact: points at the highest value of the metric, which have no place on a scale of quality.
    """

    points: tuple[Point, ...] = ()
    files: int = 0
    exact: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Line:
    """What is drawn and compared: a codec of the table, or a published anchor, with its curves.

    Attributes:
        curves: by rate ("bpp", "kbps") and name of the metric.
        anchor: where a published line comes from; None for what was measured.
        drawn: whether it is shown before anybody asks for it.
    """

    label: str
    curves: dict[tuple[str, str], Curve]
    anchor: Anchor | None = None
    drawn: bool = True

    def curve(self, rate: str, metric: str) -> Curve:
        """One of the curves, empty where nothing was measured."""
        return self.curves.get((rate, metric), Curve())


def measured(dataset: Dataset) -> list[Metric]:
    """The metrics that at least one row of the dataset has."""
    rows = [row for series in dataset.series for row in series.rows if not row.error]
    return [metric for metric in METRICS.values() if any(finite(getattr(row, metric.name)) for row in rows)]


def rates(dataset: Dataset) -> list[str]:
    """The rates that at least one row of the dataset has, of those that suit its kind of media."""
    rows = [row for series in dataset.series for row in series.rows if not row.error]
    return [rate for rate in RATES_OF[dataset.kind] if any(finite(getattr(row, rate)) for row in rows)]


def first_metric(metrics: Sequence[Metric]) -> str:
    """The metric that is shown first."""
    names = [metric.name for metric in metrics]
    return next((name for name in FIRST if name in names), names[0])


def curve(rows: Sequence[Row], metric: Metric, rate: str) -> Curve:
    """Means of rate and metric for each quality, over the files that every quality has.

    A quality at which no file has both numbers is left out.
    """
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        if usable(row) and finite(getattr(row, metric.name)) and (getattr(row, rate) or 0) > 0:
            found.setdefault(row.quality, {})[row.file] = row
    if not found:
        return Curve()
    files = set.intersection(*(set(by_file) for by_file in found.values()))
    if not files:
        return Curve()
    points = []
    for quality, by_file in found.items():
        chosen = [by_file[file] for file in sorted(files)]
        means = (fmean(getattr(row, column) for row in chosen) for column in (rate, metric.name))
        points.append(Point(quality, *means))
    points.sort(key=lambda point: (point.rate, point.value))
    exact = [point for point in points if point.value == metric.top]
    return Curve(tuple(point for point in points if point not in exact), len(files), tuple(exact))


def lines(dataset: Dataset) -> list[Line]:
    """One line for each series, with a curve for each rate and metric."""
    pairs = [(rate, metric) for rate in rates(dataset) for metric in measured(dataset)]
    return [
        Line(series.label, {(rate, metric.name): curve(series.rows, metric, rate) for rate, metric in pairs})
        for series in dataset.series
    ]


def published(dataset: Dataset, names: Sequence[str] | None) -> list[Line]:
    """Lines of the published anchors for the dataset: all, of which a few are drawn, or those named."""
    made = []
    for anchor in anchors(dataset.name) or anchors(dataset.name.lower()):
        if anchor.kind != dataset.kind or (names is not None and anchor.name not in names):
            continue
        abscissa = anchor.points[anchor.x]
        found = {
            (anchor.x, name): Curve(tuple(Point("", *pair) for pair in zip(abscissa, values, strict=True)))
            for name, values in anchor.points.items()
            if name != anchor.x
        }
        made.append(Line(anchor.label, found, anchor, names is not None or len(made) < FEW))
    return made


def can_compare() -> bool:
    """Whether what the deltas need is installed."""
    return importlib.util.find_spec("scipy") is not None


def deltas(all_lines: Sequence[Line], metric: Metric, rate: str, method: str, reasons: list[str]) -> dict[str, Any]:
    """BD-rate and BD-quality of each line (row) against each line (column).

    A cell is [value, overlap], the place in `reasons` of the sentence that refuses it, or None on the diagonal and for
    lines without points.
    """
    sides = []
    for line in all_lines:
        points = line.curve(rate, metric.name).points
        sides.append(([point.rate for point in points], [point.value for point in points]))

    def refused(sentence: str) -> int:
        if sentence not in reasons:
            reasons.append(sentence)
        return reasons.index(sentence)

    def cell(function: Callable[..., Delta], row: int, column: int) -> list[float] | int | None:
        if row == column or not sides[row][0] or not sides[column][0]:
            return None
        if all_lines[row].anchor and all_lines[column].anchor:
            return refused("two published curves are not compared here")
        try:
            delta = function(*sides[column], *sides[row], method, LEAST_OVERLAP, metric.higher)
        except ValueError as error:
            names = {"the first curve": all_lines[column].label, "the second curve": all_lines[row].label}
            sentence = str(error)
            for word, name in names.items():
                sentence = sentence.replace(word, name)
            return refused(sentence)
        return [round(delta.value, 4), round(delta.overlap, 4)]

    places = range(len(all_lines))
    return {
        name: [[cell(function, row, column) for column in places] for row in places]
        for name, function in (("rate", bd_rate), ("quality", bd_quality))
    }


def speeds(series: Series) -> dict[str, float | None]:
    """Medians over all files and qualities: seconds, and how many seconds of sound or film are done in one."""
    good = [row for row in series.rows if not row.error]
    found: dict[str, float | None] = {}
    for name in ("encode", "decode"):
        column = f"{name}_seconds"
        timed = [row for row in good if finite(getattr(row, column))]
        found[name] = median(getattr(row, column) for row in timed) if timed else None
        lasting = [row.seconds / getattr(row, column) for row in timed if row.seconds and getattr(row, column) > 0]
        found[f"{name}_times"] = median(lasting) if lasting else None
    return found
