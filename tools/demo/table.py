"""The figures of the demonstration: as text, as Markdown, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...codecs.signals import Clip, Picture, Sound
from .. import machine
from .peers import Result, duration

HEAD = ("input", "bytes", "codec", "coded bytes", "rate", "quality", "encode", "decode")
NOTES = (
    "Sizes are files on disk. Rates: bpp = bits per pixel. Quality: PSNR over all RGB samples of a picture or film, "
    "SI-SDR of a sound after alignment.",
    "The sound example is the film's sound mixed to one channel at 16 kHz, the rate at which the default codec for sounds "
    "works; Opus is given the same 16 kHz.",
    "Films are compared without sound. Our decode times are those of a new process: starting Python and torch, decoding, "
    "writing; the others decode within a process that is already running.",
)


@dataclass(frozen=True)
class Example:
    """One input, what it decodes to, the whole size of our file, and the results, ours first."""

    source: Path
    signal: Picture | Sound | Clip
    whole: int
    results: tuple[Result, ...]


def rate(signal: Picture | Sound | Clip, size: int) -> tuple[float, str]:
    """Bits per pixel of a picture, kilobits per second of others."""
    if isinstance(signal, Picture):
        height, width, _ = signal.pixels.shape
        return 8 * size / (height * width), "bpp"
    return 8 * size / 1000 / float(duration(signal)), "kbit/s"


def metric(signal: Picture | Sound | Clip) -> str:
    """What the quality column holds."""
    return "SI-SDR" if isinstance(signal, Sound) else "PSNR"


def describe(signal: Picture | Sound | Clip) -> str:
    """Size of a signal in a few words."""
    if isinstance(signal, Picture):
        return f"{signal.pixels.shape[1]} x {signal.pixels.shape[0]}"
    if isinstance(signal, Sound):
        return f"{float(duration(signal)):.1f} s, {signal.rate / 1000:g} kHz"
    frames, height, width, _ = signal.frames.shape
    return f"{frames} frames, {width} x {height}"


def rows(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """The cells of the table."""
    found = []
    for example in examples:
        for number, result in enumerate(example.results):
            value, unit = rate(example.signal, result.size)
            first = (f"{example.source.name} ({describe(example.signal)})", f"{example.source.stat().st_size:,}")
            found.append((
                *(first if number == 0 else ("", "")),
                result.name,
                f"{result.size:,}",
                f"{value:.3f} {unit}" if unit == "bpp" else f"{value:.1f} {unit}",
                f"{metric(example.signal)} {result.quality:.2f} dB",
                f"{result.encode_seconds:.1f} s",
                f"{result.decode_seconds:.1f} s",
            ))  # fmt: skip
    return found


def as_text(examples: Sequence[Example]) -> str:
    """Aligned columns for a terminal."""
    cells = [HEAD, *rows(examples)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    forms = [f"{{:{'<' if number in (0, 2) else '>'}{width}}}" for number, width in enumerate(widths)]
    lines = ["  ".join(form.format(text) for form, text in zip(forms, row, strict=True)) for row in cells]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def as_markdown(examples: Sequence[Example]) -> str:
    """A table for the README, with its notes and the machine."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---|--:|---|--:|--:|--:|--:|--:|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(examples)]
    return "\n".join([*lines, "", *NOTES, f"Measured on: {machine.name()}.", ""])


def write_results(out: Path, examples: Sequence[Example]) -> None:
    """Write table.md and results.json."""
    (out / "table.md").write_text(as_markdown(examples))
    found = [
        {
            "input": example.source.name,
            "description": describe(example.signal),
            "input_bytes": example.source.stat().st_size,
            "trip_bytes": example.whole,
            "codec": result.name,
            "bytes": result.size,
            "rate": round(rate(example.signal, result.size)[0], 4),
            "rate_unit": rate(example.signal, result.size)[1],
            "metric": metric(example.signal),
            "quality_db": round(result.quality, 3),
            "encode_seconds": round(result.encode_seconds, 3),
            "decode_seconds": round(result.decode_seconds, 3),
            "file": result.file.name,
        }
        for example in examples
        for result in example.results
    ]
    (out / "results.json").write_text(json.dumps({"machine": machine.name(), "results": found}, indent=2) + "\n")
