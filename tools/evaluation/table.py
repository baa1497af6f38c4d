"""The table of an evaluation: one row per file, codec and quality, as CSV and as JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import UsageError
from ..files import reason, whole
from ..metrics import METRICS

SUFFIXES = (".csv", ".json")
KEYS = ("dataset", "kind", "file", "codec", "label", "quality")  # columns that no table lacks


@dataclass(frozen=True)
class Row:
    """One file coded by one codec at one quality; None is what was not measured.

    Attributes:
        dataset: name of the folder.
        kind: "image", "audio" or "video".
        file: name of the input below the folder.
        codec: as asked for, without quality; label is its name for people.
        quality: the codec's own setting, as text.
        settings: colour format, range, options of the encoder, in words.
        version: of codec and weights.
        frames, rate: of a film its number of frames and frames per second; of a sound samples per second.
        seconds: duration of a sound or film.
        bytes: of the file on disk; bpp counts its bits per pixel of all frames, kbps per second.
        encode_seconds, decode_seconds: wall clock of a warm process, from signal to file and from file to signal.
        peak_mib: highest resident memory of the whole process, the larger of both ways.
        digest: first 8 bytes of the SHA-256 of the input file, in hex.
        original, decoded: kept media, relative to the folder of the table.
        error: why there is nothing else, or nothing.
    """

    dataset: str
    kind: str
    file: str
    codec: str
    label: str
    quality: str
    preset: str = ""
    settings: str = ""
    version: str = ""
    effort: int | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    rate: float | None = None
    channels: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    bpp: float | None = None
    kbps: float | None = None
    psnr_rgb: float | None = None
    psnr_y: float | None = None
    psnr_yuv: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    ms_ssim_db: float | None = None
    lpips: float | None = None
    vmaf: float | None = None
    si_sdr: float | None = None
    mel_distance: float | None = None
    stft_distance: float | None = None
    pesq_wb: float | None = None
    pesq_nb: float | None = None
    stoi: float | None = None
    visqol_speech: float | None = None
    visqol_audio: float | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    peak_mib: float | None = None
    threads: int | None = None
    jobs: int | None = None
    machine: str = ""
    python: str = ""
    torch: str = ""
    digest: str = ""
    original: str = ""
    decoded: str = ""
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells rows of one table apart."""
        return self.file, self.codec, self.quality

    def metrics(self) -> dict[str, float]:
        """The measured metrics by name."""
        return {name: value for name in METRICS if (value := getattr(self, name)) is not None}


FIELDS = {field.name: field.type for field in fields(Row)}


def read(path: Path) -> list[Row]:
    """The rows of a .csv or .json table; raises UsageError when the file is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({reason(error)})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not a table of results (not UTF-8 text)") from error
    try:
        if path.suffix == ".json":
            return [_row(item) for item in json.loads(text)["rows"]]
        table = csv.DictReader(io.StringIO(text, newline=""))
        if missing := [key for key in KEYS if key not in (table.fieldnames or ())]:
            raise ValueError(f"no column {missing[0]}")
        return [_row(item) for item in table]
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise UsageError(f"{path}: is not a table of results ({_cause(error)})") from error


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Write NAME.csv and NAME.json into `folder`, each whole or not at all."""
    ordered = sorted(rows, key=_order)
    with whole(folder / f"{name}.csv", force=True) as temporary, temporary.open("w", newline="") as stream:
        table = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows({key: _cell(getattr(row, key)) for key in FIELDS} for row in ordered)
    with whole(folder / f"{name}.json", force=True) as temporary:
        items = [{key: getattr(row, key) for key in FIELDS} for row in ordered]
        lines = ",\n".join(json.dumps(item, allow_nan=False) for item in items)
        temporary.write_text(f'{{"rows": [\n{lines}\n]}}\n')


@dataclass(frozen=True)
class Mean:
    """Means over the files of one codec at one quality: every column of numbers that all of them have."""

    codec: str
    quality: str
    files: int
    values: dict[str, float]


def means(rows: Sequence[Row]) -> list[Mean]:
    """One mean per codec and quality over the rows without error, in the order of the table."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted((row for row in rows if not row.error), key=_order):
        groups.setdefault((row.codec, row.quality), []).append(row)
    numbers = [name for name, kind in FIELDS.items() if kind is not str]
    found = []
    for (codec, quality), group in groups.items():
        columns = {name: [getattr(row, name) for row in group] for name in numbers}
        values = {name: fmean(column) for name, column in columns.items() if None not in column}
        found.append(Mean(codec, quality, len(group), values))
    return found


def _order(row: Row) -> tuple:
    """By data set, codec, quality and file."""
    return row.dataset, row.codec, *_natural(row.quality), row.file


def _natural(quality: str) -> tuple[float, str]:
    """Numbers by size, other texts after them by letter."""
    try:
        return float(quality), ""
    except ValueError:
        return float("inf"), quality


def _cell(value: Any) -> Any:
    """Floats with six significant digits: more would be noise."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _row(item: dict[str, Any]) -> Row:
    """A row from text or from JSON values; columns that are not ours are refused."""
    values = {}
    for key, value in item.items():
        kind = FIELDS[key]
        if kind is str:
            values[key] = "" if value is None else str(value)
        elif value in ("", None):
            values[key] = None
        else:
            values[key] = int(value) if kind == int | None else float(value)
    return Row(**values)


def _cause(error: Exception) -> str:
    """What was wrong with a table, in a few words."""
    return f"unknown column {error}" if isinstance(error, KeyError) else str(error)
