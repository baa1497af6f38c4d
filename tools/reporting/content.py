"""Everything that the page draws, as plain values for its scripts."""

from collections.abc import Sequence
from typing import Any

from ..metrics import Metric
from .curves import METHODS, RATES, Curve, Line, can_compare, deltas, lines, measured, rates, speeds
from .samples import frame_numbers
from .sources import Dataset, finite
from .svg import Stroke, Style

LOGARITHMIC = {"image": False, "audio": True, "video": True}
COLUMNS = {
    "bytes": "bytes",
    "bpp": "bits per pixel",
    "kbps": "kbit/s",
    "encode_seconds": "encode s",
    "decode_seconds": "decode s",
    "peak_mib": "peak MiB",
}


def content(dataset: Dataset, anchors: Sequence[Line], metric: str, shown: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One dataset: lines with their curves, deltas for each metric and method, one row per file, and the samples."""
    metrics, names = measured(dataset), rates(dataset)
    drawn = [*lines(dataset), *anchors]
    reasons: list[str] = []
    tables = can_compare() and {
        rate: {m.name: {way: deltas(drawn, m, rate, way, reasons) for way in METHODS} for m in metrics}
        for rate in names
    }
    columns, rows = _rows(dataset, metrics)
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "metrics": [_metric(m) for m in metrics],
        "rates": [{"name": rate, "label": RATES[rate]} for rate in names],
        "metric": metric,
        "logarithmic": LOGARITHMIC[dataset.kind],
        "expected": len(dataset.files),
        "lines": [_line(dataset, drawn, place) for place in range(len(drawn))],
        "deltas": tables or None,
        "reasons": reasons,
        "columns": columns,
        "rows": rows,
        "samples": [_sample(sample) for sample in shown],
    }


def strokes(dataset: Dataset, drawn: Sequence[Line], metric: Metric, rate: str) -> list[Stroke]:
    """What a static chart shows; a codec whose means lack files is marked."""
    made = []
    for place, line in enumerate(drawn):
        curve = line.curve(rate, metric.name)
        points = [(point.rate, point.value) for point in curve.points]
        if line.drawn and points:
            made.append(
                Stroke(_label(line, curve, len(dataset.files)), points, Style.of(place, line.anchor is not None))
            )
    return made


def title(metric: Metric) -> str:
    """Name and unit of a metric."""
    return f"{metric.label} ({metric.unit})" if metric.unit else metric.label


def _label(line: Line, curve: Curve, expected: int) -> str:
    """The name of a line, with the number of files where some are missing."""
    return line.label if line.anchor or curve.files == expected else f"{line.label} ({curve.files} of {expected} files)"


def _metric(metric: Metric) -> dict[str, Any]:
    return {"name": metric.name, "label": metric.label, "unit": metric.unit, "higher": metric.higher}


def _line(dataset: Dataset, drawn: Sequence[Line], place: int) -> dict[str, Any]:
    """One line with all its curves; points are [quality, rate, value]."""
    line = drawn[place]
    style = Style.of(place, line.anchor is not None)
    curves: dict[str, dict[str, Any]] = {}
    for (rate, metric), curve in line.curves.items():
        points, exact = (
            [[point.quality, point.rate, point.value] for point in group] for group in (curve.points, curve.exact)
        )
        curves.setdefault(rate, {})[metric] = {"points": points, "exact": exact, "files": curve.files}
    return {
        "label": line.label,
        "classical": not line.anchor and "/" not in dataset.series[place].codec,
        "hidden": not line.drawn,
        "style": {"colour": style.colour, "marker": style.marker, "dash": style.dash, "published": style.published},
        "speed": None if line.anchor else speeds(dataset.series[place]),
        "curves": curves,
    }


def _rows(dataset: Dataset, metrics: Sequence[Metric]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """The table of files: its columns, and rows in the order of the columns."""
    everything = [(place, row) for place, series in enumerate(dataset.series) for row in series.rows]
    labels = {"file": "file", "line": "codec", "quality": "quality", "error": "error", **COLUMNS}
    labels |= {metric.name: title(metric) for metric in metrics}
    order = [
        "bytes",
        "bpp",
        "kbps",
        *(metric.name for metric in metrics),
        "encode_seconds",
        "decode_seconds",
        "peak_mib",
    ]
    names = [name for name in order if any(finite(getattr(row, name)) for _, row in everything)]
    failed = ["error"] if any(row.error for _, row in everything) else []
    columns = [{"name": name, "label": labels[name]} for name in ("file", "line", "quality", *names, *failed)]
    rows = []
    for place, row in everything:
        numbers = [getattr(row, name) if finite(getattr(row, name)) else None for name in names]
        rows.append([row.file, place, row.quality, *numbers, *(row.error for _ in failed)])
    return columns, rows


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    """A sample with the numbers of the frames that it shows."""
    frames = sample["frames"]
    return {**sample, "numbers": frame_numbers(frames) if frames else []}
