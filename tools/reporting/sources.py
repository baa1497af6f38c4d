"""What a report is made from: tables found in folders, sorted into datasets and codecs."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..evaluation import table
from ..evaluation.table import Row

KINDS = {"image": "pictures", "audio": "sounds", "video": "films"}
RATES_OF = {"image": ("bpp",), "audio": ("kbps",), "video": ("bpp", "kbps")}


@dataclass(frozen=True)
class Source:
    """A table and where it stands: its rows name media relative to that folder."""

    path: Path
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Series:
    """All rows of one codec in one dataset.

    Attributes:
        label: its name for people, different from that of every other series of the dataset.
        codec, preset: as in the table.
        source: the table.
        rows: one per file and quality, failed ones included.
    """

    label: str
    codec: str
    preset: str
    source: Source
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Dataset:
    """Everything that was measured on one folder of media."""

    name: str
    kind: str
    series: tuple[Series, ...]

    @property
    def files(self) -> list[str]:
        """Names of all inputs, in order."""
        return sorted({row.file for series in self.series for row in series.rows})


def collect(places: Sequence[str], note: Callable[[str], None]) -> list[Source]:
    """Read the tables of folders and single files; in folders, files that are no tables are noted and left out.

    Raises UsageError for a place without a table and for a table in which nothing succeeded.
    """
    paths: dict[Path, Path] = {}
    found: dict[Path, list[Row]] = {}
    for place in places:
        for path, rows in _tables(Path(place), note):
            if paths.setdefault(path.resolve(), path) is path:
                found[path] = rows
    for path, rows in found.items():
        if not rows:
            raise UsageError(f"{path}: is a table without rows")
        strange = next((row.kind for row in rows if row.kind not in KINDS), None)
        if strange is not None:
            raise UsageError(f"{path}: names {strange!r} as a kind of media; there are {', '.join(KINDS)}")
        if not any(usable(row) for row in rows):
            first = next((f", the first error: {row.error.rstrip('.')}" for row in rows if row.error), "")
            raise UsageError(f"{path}: holds no row with a rate and a metric{first}")
    return [Source(path, tuple(rows)) for path, rows in found.items()]


def usable(row: Row) -> bool:
    """Whether a row has a rate and a metric to draw."""
    rated = any(finite(getattr(row, rate)) for rate in RATES_OF[row.kind])
    return not row.error and rated and any(map(finite, row.metrics().values()))


def finite(value: float | None) -> bool:
    """Whether a cell holds a number."""
    return value is not None and math.isfinite(value)


def datasets(sources: Sequence[Source], codecs: Sequence[str] = ()) -> list[Dataset]:
    """Sort rows by dataset and codec, of all codecs or those named; raises UsageError for an unknown codec."""
    groups: dict[tuple[str, str], dict[tuple[str, str, Path], list[tuple[Source, Row]]]] = {}
    for source in sources:
        for row in {row.key: row for row in source.rows}.values():
            if not codecs or {row.codec, f"{row.codec}:{row.preset}"} & set(codecs):
                lanes = groups.setdefault((row.dataset, row.kind), {})
                lanes.setdefault((row.codec, row.preset, source.path), []).append((source, row))
    if codecs:
        _check_names(codecs, sources)
    found = [Dataset(name, kind, _series(groups[name, kind])) for name, kind in sorted(groups)]
    for dataset in found:
        if not any(usable(row) for series in dataset.series for row in series.rows):
            raise UsageError(f"{dataset.name}: {', '.join(codecs)} coded nothing there without error")
    return found


def _check_names(codecs: Sequence[str], sources: Sequence[Source]) -> None:
    """Refuse a codec that no table has."""
    rows = [row for source in sources for row in source.rows]
    plain = {row.codec for row in rows}
    known = plain | {f"{row.codec}:{row.preset}" for row in rows}
    for name in codecs:
        if name not in known:
            raise UsageError(f"no codec in these tables is called {name}; there are {', '.join(sorted(plain))}")


def _tables(place: Path, note: Callable[[str], None]) -> Iterable[tuple[Path, list[Row]]]:
    """The tables at one place."""
    if not place.exists():
        raise UsageError(f"{place}: no such file or folder")
    if not place.is_dir():
        if place.suffix not in table.SUFFIXES:
            raise UsageError(f"{place}: a table of results ends in {' or '.join(table.SUFFIXES)}")
        return [(place, table.read(place))]
    stems = {path.stem for path in place.glob("*.csv")}
    paths = [*place.glob("*.csv"), *(path for path in place.glob("*.json") if path.stem not in stems)]
    found, refused = [], []
    for path in sorted(path for path in paths if path.is_file()):
        try:
            found.append((path, table.read(path)))
        except UsageError as error:
            refused.append(str(error))
    if not found:
        raise UsageError(refused[0] if len(refused) == 1 else f"{place}: holds no table of results")
    for sentence in refused:
        note(f"{sentence}; it was left out")
    return found


def _series(lanes: dict[tuple[str, str, Path], list[tuple[Source, Row]]]) -> tuple[Series, ...]:
    """Series with labels; neural codecs, whose names hold a slash, come first."""
    keys = sorted(lanes, key=lambda key: ("/" not in key[0], key[0], key[1], list(lanes).index(key)))
    where = dict(zip(keys, _tags(keys), strict=True))
    labels = _labels([(lanes[key][0][1].label or key[0], key[1], key[0], where[key]) for key in keys])
    made = []
    for key, label in zip(keys, labels, strict=True):
        source = lanes[key][0][0]
        made.append(Series(label, key[0], key[1], source, tuple(row for _, row in lanes[key])))
    return tuple(made)


def _tags(keys: Sequence[tuple[str, str, Path]]) -> list[str]:
    """What tells the tables of one codec apart: the folder, the name, or as much of the path as is needed."""
    tables = sorted({path for _, _, path in keys})
    shared = Counter((codec, preset) for codec, preset, _ in keys)
    ways = (
        {path: path.resolve().parent.name for path in tables},
        {path: path.stem for path in tables},
        {path: os.path.join(path.resolve().parent.name, path.name) for path in tables},
        {path: str(path) for path in tables},
    )
    names = next((names for names in ways if len(set(names.values())) == len(tables)), ways[-1])
    return [names[path] if shared[codec, preset] > 1 else "" for codec, preset, path in keys]


def _labels(parts: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Labels from (label, preset, codec, tag), with as much added as makes them differ."""
    labels = [label + (f" ({tag})" if tag else "") for label, _, _, tag in parts]
    for position in (1, 2):
        often = Counter(labels)
        labels = [
            f"{label}, {part[position]}"
            if often[label] > 1 and part[position] and part[position] not in label
            else label
            for label, part in zip(labels, parts, strict=True)
        ]
    often = Counter(labels)
    return [f"{label} [{number}]" if often[label] > 1 else label for number, label in enumerate(labels, 1)]
