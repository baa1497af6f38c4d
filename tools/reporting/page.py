"""The page: one file of HTML with its styles, scripts, numbers and media inside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ..metrics import METRICS
from .content import LOGARITHMIC, content, strokes, title
from .curves import LEAST_OVERLAP, RATES, Line, can_compare, first_metric, lines, measured, published, rates
from .samples import Album, samples, weight
from .settings import failures, platform, settings
from .sources import KINDS, Dataset
from .svg import MARKERS, chart

SCRIPTS = ("base", "plot", "curves", "deltas", "files", "stage", "samples", "page")
MIB, FEW = 1 << 20, 5  # FEW: complaints about media that are worth reading
SHOWN = {
    "image": "The pictures are shown without loss.",
    "audio": "The sounds are the kept copies; spectrograms show the mean of all channels.",
    "video": "Frames are evenly spaced and shown without loss as they stand in the kept films, which are coded once more at "
    "a high quality; the metrics were measured before that.",
}


@dataclass(frozen=True)
class Wanted:
    """What the user asked for.

    Attributes:
        metric: shown first where it was measured; "" for the usual one.
        anchors: names of published anchors; None for all of the dataset.
        media_limit: MiB of media in the page.
    """

    metric: str = ""
    anchors: tuple[str, ...] | None = None
    media_limit: float = 64.0


def render(found: Sequence[Dataset], wanted: Wanted) -> tuple[str, list[str]]:
    """The text of the page, and sentences about what it leaves out."""
    album = Album(0)
    shown, left_out = _fill(album, found, wanted.media_limit)
    sections, values = [], []
    for place, dataset in enumerate(found):
        section, value = _dataset(place, dataset, wanted, shown[place], left_out[place])
        sections.append(section)
        values.append(value)
    page = Template(asset("page.html")).substitute(
        title=escape(", ".join(dataset.name for dataset in found)),
        summary=f"<p>{escape('; '.join(map(_summary, found)))}.</p>" if len(found) > 1 else "",
        style=asset("page.css"),
        tabs=_tabs(found),
        sections="\n".join(sections),
        results=embedded({"markers": MARKERS, "datasets": values}),
        media="\n".join(f'<script type="text/plain" id="{name}">{uri}</script>' for name, uri in album.media.items()),
        script="\n".join(asset(f"{name}.js") for name in SCRIPTS),
    )
    absent = f"{_copies(album.absent)} named in the tables, or the originals, are not there and not shown"
    return page, [*album.broken[:FEW], *([absent] if album.absent else [])]


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element or starts a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def asset(name: str) -> str:
    """The text of a file that ships beside this module."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _fill(album: Album, found: Sequence[Dataset], limit: float) -> tuple[list[list[dict[str, Any]]], list[int]]:
    """Samples of each dataset, and how many of its kept copies found no room; light datasets leave room to heavy ones."""
    total = int(limit * MIB)
    shown: list[list[dict[str, Any]]] = [[] for _ in found]
    left_out = [0] * len(found)
    order = sorted(range(len(found)), key=lambda place: weight(found[place]))
    for done, place in enumerate(order):
        used = sum(map(len, album.media.values()))
        album.room, album.left_out = (total - used) // (len(order) - done), 0
        shown[place] = samples(found[place], album)
        left_out[place] = album.left_out
    return shown, left_out


def _tabs(found: Sequence[Dataset]) -> str:
    """Links to the sections, where there are several."""
    if len(found) < 2:
        return ""
    links = "".join(f'<a href="#d{place}">{escape(_name(dataset, found))}</a>' for place, dataset in enumerate(found))
    return f'<nav class="tabs" aria-label="Datasets">{links}</nav>'


def _name(dataset: Dataset, found: Sequence[Dataset]) -> str:
    """The name of a dataset, with its kind where two have one name."""
    twice = sum(other.name == dataset.name for other in found) > 1
    return f"{dataset.name} ({KINDS[dataset.kind]})" if twice else dataset.name


def _summary(dataset: Dataset) -> str:
    return f"{_counted(len(dataset.series), 'codec')} on {dataset.name} ({_inputs(dataset)})"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _copies(number: int) -> str:
    return f"{number:,} kept {'copy' if number == 1 else 'copies'}"


def _inputs(dataset: Dataset) -> str:
    """The number of files and what they are."""
    return _counted(len(dataset.files), KINDS[dataset.kind].removesuffix("s"))


def _dataset(
    place: int, dataset: Dataset, wanted: Wanted, shown: list[dict[str, Any]], left_out: int
) -> tuple[str, dict[str, Any]]:
    """The section of one dataset, and what its scripts draw."""
    metrics = measured(dataset)
    metric = wanted.metric if wanted.metric in {m.name for m in metrics} else first_metric(metrics)
    anchors = published(dataset, wanted.anchors)
    rate = rates(dataset)[0]
    drawn = strokes(dataset, [*lines(dataset), *anchors], METRICS[metric], rate)
    rows = [row for series in dataset.series for row in series.rows]
    failed = sum(bool(row.error) for row in rows)
    counts = [_inputs(dataset), _counted(len(dataset.series), "codec"), _counted(len(rows), "coding")]
    counts += [f"{failed:,} failed"] if failed else []
    section = Template(asset("dataset.html")).substitute(
        place=place,
        name=escape(dataset.name),
        facts="".join(f"<li><b>{first}</b> {rest}</li>" for first, _, rest in (text.partition(" ") for text in counts)),
        platform=escape(platform(dataset)),
        chart=chart(drawn, RATES[rate], title(METRICS[metric]), LOGARITHMIC[dataset.kind], f"window{place}"),
        settings=settings(dataset),
        failures=failures(dataset),
        citations=_citations(anchors),
        notes="\n".join(f"<li>{escape(note)}</li>" for note in _notes(dataset, bool(shown), left_out, wanted)),
    )
    return section, content(dataset, anchors, metric, shown)


def _citations(lines: Sequence[Line]) -> str:
    """A table with the source of every published line."""
    if not lines:
        return ""
    rows = []
    for line in lines:
        anchor = line.anchor
        told = [anchor.how, anchor.colour, anchor.note, "read off a plot" if anchor.digitised else ""]
        cells = (anchor.paper, "; ".join(text for text in told if text), anchor.source)
        rows.append(
            f'<tr><th scope="row">{escape(anchor.label)}</th>'
            + "".join(f'<td class="text">{escape(cell)}</td>' for cell in cells)
            + "</tr>"
        )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("curve", "paper", "what was measured", "source of the figures")
    )
    return Template(asset("citations.html")).substitute(count=len(lines), head=head, body="".join(rows))


def _notes(dataset: Dataset, shown: bool, left_out: int, wanted: Wanted) -> list[str]:
    """How the numbers were formed, what is cited, and what is not shown."""
    notes = [
        "Each point is the mean of the rate and the mean of the metric at one quality, over the files that every quality of "
        "that codec has. Where files are missing, because they failed or were not coded, their number stands beside the "
        "name. Sizes are those of files on disk.",
        "Points at the highest value of a metric, as of exact copies, are not part of curves.",
    ]
    if can_compare():
        notes.append(
            "Bjøntegaard deltas compare two curves where they overlap: BD-rate is the mean difference of the logarithm of "
            "the rate at equal quality, BD-quality the mean difference of quality at equal logarithm of the rate. Curves "
            f"that overlap by less than {LEAST_OVERLAP:.0%} of the shorter one are not compared.".replace(
                "%", "\u00a0%"
            )
        )
    notes.append(
        "Times are medians over all files and qualities, of one encoding and one decoding each"
        + (", and stand as seconds of sound for each second of work." if dataset.kind == "audio" else ".")
    )
    if any((row.jobs or 1) > 1 for series in dataset.series for row in series.rows):
        notes.append("Where several jobs ran at once, times are longer than alone and do not compare with others.")
    if shown:
        notes.append(SHOWN[dataset.kind])
    if left_out:
        notes.append(f"{_copies(left_out)} found no room among the {wanted.media_limit:g} MiB of media of this page.")
    return notes
