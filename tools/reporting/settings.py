"""Tables of how each codec ran and of what failed, as HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from statistics import median

from ..evaluation.table import Row
from .sources import Dataset, Series, finite

HEAD = (
    "codec", "name", "qualities", "settings", "version", "effort", "threads", "jobs", "files", "failed",
    "encode s", "decode s", "peak MiB", "Python", "PyTorch", "machine",
)  # fmt: skip
NUMBERS = ("effort", "threads", "jobs", "files", "failed", "encode s", "decode s", "peak MiB")
WORDY = ("qualities", "settings", "version", "machine")


def settings(dataset: Dataset) -> str:
    """One line for each codec; what differs between its rows is listed, columns without any value are left out."""
    lines = [_line(series) for series in dataset.series]
    shared = {HEAD.index(name) for name, value in _platform(lines).items() if value}
    used = [place for place in range(len(HEAD)) if place not in shared and any(line[place] for line in lines)]
    head = "".join(f'<th scope="col"{_style(HEAD[place])}>{HEAD[place]}</th>' for place in used)
    body = []
    for line in lines:
        cells = "".join(f"<td{_style(HEAD[place])}>{escape(line[place])}</td>" for place in used[1:])
        body.append(f'<tr><th scope="row">{escape(line[0])}</th>{cells}</tr>')
    return f'<table class="settings"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def platform(dataset: Dataset) -> str:
    """Where everything was measured; what differs from codec to codec stands in the table instead."""
    found = _platform([_line(series) for series in dataset.series])
    names = {"machine": "", "Python": "Python ", "PyTorch": "PyTorch "}
    told = [names[name] + found[name] for name in names if found[name]]
    return f"Measured on {', '.join(told)}." if told else ""


def _platform(lines: Sequence[Sequence[str]]) -> dict[str, str]:
    """Versions and machine, each "" where the codecs differ in it."""
    columns = {name: {line[HEAD.index(name)] for line in lines} for name in ("Python", "PyTorch", "machine")}
    return {name: values.pop() if len(values) == 1 else "" for name, values in columns.items()}


def failures(dataset: Dataset) -> str:
    """A card with every error, or nothing."""
    rows = [(series.label, row) for series in dataset.series for row in series.rows if row.error]
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{escape(label)}</td><td>{escape(row.file)}</td><td>{escape(row.quality)}</td>"
        f'<td class="error">{escape(row.error)}</td></tr>'
        for label, row in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("codec", "file", "quality", "error"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    region = '<div class="wide tall" tabindex="0" role="region" aria-label="Errors">'
    return f'<article class="card failures"><h3>What failed</h3>{region}{table}</div></article>'


def _line(series: Series) -> list[str]:
    """The cells of one codec, in the order of HEAD."""
    rows = series.rows
    name = series.codec if not series.preset or ":" in series.codec else f"{series.codec}:{series.preset}"
    good = [row for row in rows if not row.error]
    return [
        series.label,
        name,
        _several(row.quality for row in sorted(good, key=lambda row: row.bytes or 0)) if len(good) else "",
        _several(row.settings for row in rows),
        _several(row.version for row in rows),
        *(_several(_number(getattr(row, column)) for row in rows) for column in ("effort", "threads", "jobs")),
        str(len({row.file for row in good})),
        str(len(rows) - len(good)) if len(good) < len(rows) else "",
        *(_middle(good, column) for column in ("encode_seconds", "decode_seconds")),
        f"{max(peaks):,.0f}" if (peaks := [row.peak_mib for row in good if finite(row.peak_mib)]) else "",
        *(_several(getattr(row, column) for row in rows) for column in ("python", "torch", "machine")),
    ]


def _several(values: Iterable[str]) -> str:
    """Different values, in order of appearance."""
    return ", ".join(dict.fromkeys(value for value in values if value))


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _middle(rows: Sequence[Row], column: str) -> str:
    """The median of a column of seconds."""
    values = [getattr(row, column) for row in rows if finite(getattr(row, column))]
    return f"{median(values):.3g}" if values else ""


def _style(name: str) -> str:
    """The class of a column."""
    if name == "settings":
        return ' class="text long"'
    return ' class="number"' if name in NUMBERS else ' class="text"' if name in WORDY else ""
