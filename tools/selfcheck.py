"""`triptych selfcheck`: decode small files under many settings of this machine; the symbols must always be the same.

Symbols are compared, by the checks that files carry; pixels and samples may differ a little and are only reported. The
exit status is 0 where all symbols were the same and 1 where any differed.
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import machine

if TYPE_CHECKING:
    from .checking.compare import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--codecs",
        type=lambda text: text.split(","),
        metavar="NAMES",
        help="codecs, with commas; default: all of Triptych",
    )
    parser.add_argument("--quick", action="store_true", help="leave out the settings that need a new process")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command; raises SystemExit(1) where symbols differ."""
    import torch

    started = {"machine": machine.name(), "torch": torch.__version__}
    if not arguments.json:
        print(f"{started['machine']}, torch {started['torch']}")
    results = []
    for result in check(arguments.codecs, arguments.quick):
        results.append(result)
        if not arguments.json:
            print(line(result), flush=True)
    text, same = verdict(results)
    if arguments.json:
        listed = [dataclasses.asdict(result) for result in results]
        print(json.dumps({**started, "results": listed, "same": same, "verdict": text}, indent=2))
    else:
        print(text)
    if not same:
        raise SystemExit(1)


def check(names: Sequence[str] | None = None, quick: bool = False) -> Iterator["Result"]:
    """All results, as they are found: for each setting one per file of the codecs `names` (all by default)."""
    from .checking import compare
    from .checking.cases import cases
    from .checking.settings import ELSEWHERE, HERE

    found = list(cases(names))
    references = []
    for case in found:
        result, reference = compare.compare(case, HERE[0], None)
        references.append(reference)
        yield result
    ready = [pair for pair in zip(found, references, strict=True) if pair[1] is not None]
    for setting in HERE[1:]:
        for case, reference in ready:
            yield compare.compare(case, setting, reference)[0]
    if quick or not ready:
        return
    with tempfile.TemporaryDirectory() as folder:
        compare.store(Path(folder), *zip(*ready, strict=True))
        for setting in ELSEWHERE:
            yield from compare.elsewhere(Path(folder), setting)


def line(result: "Result") -> str:
    """A result for people."""
    text = f"{result.case:30} {result.setting:32} {result.verdict}"
    if result.difference is not None:
        unit = "samples" if result.case.startswith(("audio/", "hf/")) else "pixels"
        text += f", {unit} within {result.difference:.3g}" if result.difference else f", {unit} equal"
    return f"{text}: {result.note}" if result.note else text


def verdict(results: Sequence["Result"]) -> tuple[str, bool]:
    """The last line, and whether all symbols were the same."""
    counts = {name: sum(result.verdict == name for result in results) for name in ("same", "DIFFERENT")}
    tried = sum(counts.values())
    rest = f"; {len(results) - tried} not supported or skipped" if len(results) > tried else ""
    if counts["DIFFERENT"]:
        return f"verdict: OTHER symbols in {counts['DIFFERENT']} of {tried} decodings{rest}", False
    if not tried:
        return f"verdict: nothing could be decoded{rest}", False
    return f"verdict: the same symbols in all {tried} decodings{rest}", True
