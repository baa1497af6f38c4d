"""`triptych evaluate`: code a folder of media with several codecs and write a table of rate, quality and speed."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import console
from .errors import UsageError

if TYPE_CHECKING:
    from .evaluation.coders import Ours
    from .evaluation.dataset import Dataset
    from .evaluation.run import Plan
    from .evaluation.table import Row

SHOWN = {"image": ("psnr_rgb", "ms_ssim_db"), "video": ("psnr_rgb", "ms_ssim_db"), "audio": ("si_sdr", "pesq_wb")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder of pictures, of sounds or of films")
    parser.add_argument(
        "--codecs",
        metavar="A,B:PRESET,C@10/30/50",
        help="names as triptych codecs lists them, with a preset and qualities where wanted; "
        "default: the default codec and some well-known ones",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="FOLDER", help="default: results")
    parser.add_argument("--name", help="of the table; default: that of the folder DATA")
    parser.add_argument("--kind", choices=("image", "audio", "video"), help="of a folder with several kinds of media")
    parser.add_argument("--limit", type=console.number(1, 1e9, True), metavar="N", help="only the first N files")
    parser.add_argument("--metrics", metavar="A,B", help="default: all that can be computed here")
    parser.add_argument(
        "--rate", type=console.number(1000, 384000, True), help="bring sounds to this sample rate first"
    )
    parser.add_argument("--mono", action="store_true", help="mix sounds to one channel first")
    parser.add_argument("--effort", type=console.number(0, 10, True), default=3, metavar="0..10", help="default: 3")
    parser.add_argument("--seconds", type=console.number(1, 1e9), help="time to fit a network, for codecs that do so")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file instead of those that ship")
    parser.add_argument(
        "--keep", type=console.number(0, 1e9, True), default=2, metavar="N",
        help="decoded media of the first N files are kept for the report; default: 2",
    )  # fmt: skip
    parser.add_argument("--jobs", type=console.number(1, 1024, True), default=1, help="processes; default: 1")
    parser.add_argument("--threads", type=console.number(1, 1024, True), default=1, help="of each; default: 1")
    parser.add_argument("--again", action="store_true", help="measure everything again, also what is in the table")


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    from .evaluation import dataset, table
    from .evaluation.coders import Ours, coder
    from .evaluation.run import collect

    data = dataset.scan(arguments.data, arguments.kind, arguments.limit)
    name = arguments.name or data.name
    ours = Ours("", data.kind, (), arguments.effort, arguments.seconds, arguments.weights)
    choices = _choices(arguments.codecs, data.kind)
    for choice in choices:
        coder(choice, data.kind, ours)  # refuses what is unknown before any work is done
    plan = _plan(arguments, data, name, ours)
    path = arguments.out / f"{name}.csv"
    before = table.read(path) if path.exists() and not arguments.again else []
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # of the processes that are started
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with console.progress_bar() as report:
            rows = collect(plan, choices, before, lambda rows: table.write(arguments.out, name, rows), report)
    except KeyboardInterrupt:
        print(f"triptych: interrupted; what was finished is in {path}, the same command goes on", file=sys.stderr)
        raise SystemExit(console.INTERRUPTED) from None
    print(summary(rows, [choice.text for choice in choices], data.kind))
    print(f"table: {path}")
    failed = [row for row in rows if row.error]
    if failed:
        first = f"{failed[0].file}, {failed[0].codec} {failed[0].quality}: {failed[0].error}"
        print(f"triptych: {len(failed)} of {len(rows)} rows failed; the first: {first}", file=sys.stderr)
        raise SystemExit(1)


def _plan(arguments: argparse.Namespace, data: "Dataset", name: str, ours: "Ours") -> "Plan":
    """What the processes need to know."""
    from .evaluation.run import Plan
    from .metrics.judge import usable

    asked = arguments.metrics.split(",") if arguments.metrics else None
    metrics, missing = usable(data.kind, asked)
    if asked and missing:
        raise UsageError(next(iter(missing.values())))
    for reason in missing.values():
        console.note(f"not measured: {reason}")
    return Plan(
        replace(data, name=name, rate=arguments.rate, mono=arguments.mono),
        ours,
        metrics,
        arguments.out / f"{name}.media",
        arguments.keep,
        arguments.threads,
        arguments.jobs,
    )


def _choices(text: str | None, kind: str) -> list:
    """The codecs to run; raises UsageError for a list with nothing or something twice."""
    from ..codecs.registry import DEFAULTS
    from .evaluation.coders import USUAL, Choice

    names = text.split(",") if text else [DEFAULTS[kind], *USUAL[kind]]
    choices = [Choice.parse(name) for name in names if name.strip()]
    if not choices:
        raise UsageError("--codecs names no codec")
    for choice in choices:
        if sum(other.text == choice.text for other in choices) > 1:
            raise UsageError(f"--codecs names {choice.text} twice")
    return choices


def summary(rows: Sequence["Row"], codecs: Sequence[str], kind: str) -> str:
    """Means over files by codec and quality as a text table."""
    from .evaluation.table import means
    from .metrics import METRICS

    rate = "kbps" if kind == "audio" else "bpp"
    columns = [rate, *SHOWN[kind], "encode_seconds", "decode_seconds"]
    titles = {rate: "kbit/s" if kind == "audio" else "bpp", "encode_seconds": "encode s", "decode_seconds": "decode s"}
    titles |= {name: f"{METRICS[name].label} {METRICS[name].unit}".strip() for name in SHOWN[kind]}
    lines = [["codec", "quality", "files", *(titles[column] for column in columns)]]
    for point in means([row for row in rows if row.codec in codecs]):
        values = [point.values.get(column) for column in columns]
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        lines.append([point.codec, point.quality, str(point.files), *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych evaluate", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
