"""Means and Bjontegaard deltas of one dataset as Markdown tables."""

from collections.abc import Sequence

from ..evaluation.table import means
from ..metrics import Metric
from .content import title
from .curves import RATES, Line, can_compare, deltas, lines, measured, rates
from .sources import KINDS, Dataset

SECONDS = {"encode_seconds": "encode s", "decode_seconds": "decode s"}


def markdown(dataset: Dataset, metric: Metric, published: Sequence[Line]) -> str:
    """BD-rates for one metric, and below them the means of every codec at every quality."""
    rate = rates(dataset)[0]
    parts = [f"{len(dataset.files)} {KINDS[dataset.kind]} of {dataset.name}"]
    if can_compare():
        parts.append(_deltas([*lines(dataset), *(line for line in published if line.drawn)], metric, rate))
    return "\n\n".join([*parts, _means(dataset, rate)]) + "\n"


def _deltas(drawn: Sequence[Line], metric: Metric, rate: str) -> str:
    """Change of rate at equal quality, each row against each column's curve."""
    drawn = [line for line in drawn if line.curve(rate, metric.name).points]
    reasons: list[str] = []
    cells = deltas(drawn, metric, rate, "pchip", reasons)["rate"]
    measured_here = [place for place, line in enumerate(drawn) if line.anchor is None]
    head = [f"BD-rate in %, {title(metric)}", *(f"against {line.label}" for line in drawn)]
    rows = [[drawn[place].label, *(_percent(cell) for cell in cells[place])] for place in measured_here]
    refused = sorted({cell for place in measured_here for cell in cells[place] if isinstance(cell, int)})
    return "\n".join([_table(head, rows), *(f"\nNo figure: {reasons[number]}." for number in refused)])


def _percent(cell: list[float] | int | None) -> str:
    return f"{cell[0]:+.1f}" if isinstance(cell, list) else "-"


def _means(dataset: Dataset, rate: str) -> str:
    """Rate, metrics and seconds."""
    metrics = measured(dataset)
    columns = [rate, *(metric.name for metric in metrics), *SECONDS]
    head = ["codec", "quality", RATES[rate], *map(title, metrics), *SECONDS.values()]
    rows = []
    for series in dataset.series:
        for mean in means(series.rows):
            values = (mean.values.get(column) for column in columns)
            rows.append([series.label, mean.quality, *("-" if value is None else f"{value:.4g}" for value in values)])
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * 1 + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
