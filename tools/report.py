"""`triptych report`: tables of results become one page of curves, comparisons and samples, or one figure."""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import console
from .errors import UsageError
from .files import STANDARD, check_output, special, whole
from .metrics import METRICS

PAGE, FIGURE, TEXT = (".html", ".htm"), (".svg",), (".md", ".txt")
MEDIA_LIMIT = 64.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "tables", metavar="RESULTS", nargs="+", help="folders of tables, or single .csv or .json tables"
    )
    parser.add_argument("--out", metavar="PAGE", help="default: report.html; - for standard output")
    parser.add_argument(
        "--figure", metavar="SVG", help="write the curves of one dataset as a picture instead of a page"
    )
    parser.add_argument(
        "--text", metavar="MD", help="write means and BD-rates of one dataset as Markdown tables; - for standard output"
    )
    parser.add_argument("--metric", help="the metric of the figure, and the one that the page shows first")
    parser.add_argument("--codecs", type=_names, default=(), metavar="A,B", help="only these codecs; default: all")
    parser.add_argument(
        "--anchors", metavar="A,B", help="published anchors by name, all (default; a few drawn) or none"
    )
    parser.add_argument(
        "--media-limit", type=console.number(0, math.inf), default=MEDIA_LIMIT, metavar="MIB",
        help=f"of media inside the page; default: {MEDIA_LIMIT:g}",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    page = arguments.out or (None if arguments.figure or arguments.text else "report.html")
    _check_outputs({page: PAGE, arguments.figure: FIGURE, arguments.text: TEXT}, arguments.force)
    if arguments.metric is not None and arguments.metric not in METRICS:
        raise UsageError(f"no metric is called {arguments.metric}; there are {', '.join(METRICS)}")
    from .reporting import sources
    from .reporting.page import Wanted, render

    found = sources.datasets(sources.collect(arguments.tables, console.note), arguments.codecs)
    anchors = _anchors(arguments.anchors, found)
    _check_metric(arguments.metric, found)
    if arguments.figure:
        _write(arguments.figure, _figure(found, arguments.metric, anchors), arguments.force)
    if arguments.text:
        _write(arguments.text, _text(found, arguments.metric, anchors), arguments.force)
    if page:
        text, notes = render(found, Wanted(arguments.metric or "", anchors, arguments.media_limit))
        for note in notes:
            console.note(note)
        _write(page, text, arguments.force)


def _check_outputs(outputs: Mapping[str | None, tuple[str, ...]], force: bool) -> None:
    """Refuse names that do not fit and files that exist, before any work."""
    for path, suffixes in outputs.items():
        if path is None or path == STANDARD or special(Path(path)):
            continue
        if Path(path).suffix.lower() not in suffixes:
            raise UsageError(f"{path}: unknown output extension: choose from {', '.join(suffixes)}")
        check_output(path, force)


def _check_metric(metric: str | None, found: Sequence) -> None:
    """Refuse a metric that no row has."""
    from .reporting.curves import measured

    names = list(dict.fromkeys(one.name for dataset in found for one in measured(dataset)))
    if metric is not None and metric not in names:
        raise UsageError(f"{metric} was not measured in these tables; there are {', '.join(names)}")


def _figure(found: Sequence, metric: str | None, anchors: tuple[str, ...] | None) -> str:
    """The curves of the one dataset as SVG."""
    from .reporting.content import LOGARITHMIC, strokes, title
    from .reporting.curves import RATES, lines, published, rates
    from .reporting.sources import KINDS
    from .reporting.svg import figure

    dataset, chosen = _only(found, metric)
    rate = rates(dataset)[0]
    drawn = strokes(dataset, [*lines(dataset), *published(dataset, anchors)], chosen, rate)
    if not drawn:
        raise UsageError(f"{dataset.name}: {chosen.name} has no point that can be drawn")
    head = f"{dataset.name}: mean of {len(dataset.files)} {KINDS[dataset.kind]}"
    label = title(chosen) + ("" if chosen.higher else ", lower is better")
    return figure(drawn, RATES[rate], label, LOGARITHMIC[dataset.kind], head)


def _text(found: Sequence, metric: str | None, anchors: tuple[str, ...] | None) -> str:
    """The one dataset as Markdown."""
    from .reporting.curves import published
    from .reporting.text import markdown

    dataset, chosen = _only(found, metric)
    return markdown(dataset, chosen, published(dataset, anchors))


def _only(found: Sequence, metric: str | None) -> tuple:
    """The one dataset and the metric to show; refuses several."""
    from .reporting.curves import first_metric, measured

    if len(found) > 1:
        names = ", ".join(dataset.name for dataset in found)
        raise UsageError(f"a figure or text shows one dataset, and these tables hold {names}: name one table")
    (dataset,) = found
    return dataset, METRICS[metric or first_metric(measured(dataset))]


def _anchors(text: str | None, found: Sequence) -> tuple[str, ...] | None:
    """The names of the published anchors that were asked for; None for all. Refuses unknown ones."""
    if text in (None, "all"):
        return None
    if text == "none":
        return ()
    from .anchors import anchors

    known = [anchor.name for dataset in found for anchor in anchors(dataset.name.lower())]
    for name in _names(text):
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none"
            raise UsageError(f"no published anchor for these datasets is called {name}; {there}")
    return _names(text)


def _names(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _write(path: str, text: str, force: bool) -> None:
    """Write an output whole or not at all."""
    with whole(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych report", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
