"""What others reached, by data set: published points of rate and quality, each with its source."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from ..metrics import METRICS

KINDS = ("image", "audio", "video")
RATES = ("bpp", "kbps")
NEEDED = ("name", "label", "dataset", "kind", "x", "source", "how", "licence")


@dataclass(frozen=True)
class Anchor:
    """One codec on one data set, as its source gives it.

    Attributes:
        name: unique in its data set; label is its name for people.
        dataset: name of the folder of a table that it can stand beside, such as "kodak".
        kind: "image", "audio" or "video".
        x: the column of rate, "bpp" (bits per pixel of all frames) or "kbps" (kbit/s).
        source: public repository, file and commit, or paper, from which the figures are.
        how: what was coded, measured and averaged, and how.
        licence: of the source; figures themselves are facts.
        paper: of the codec.
        colour: format in which pictures were coded and judged.
        digitised: whether the points were read off a plot.
        points: values by column, x and metrics by their names in tables, in order of growing rate; empty where the
            source gives none.
        bd_rate_vs: BD-rates in per cent as the source states them, by what they are against: the name of an anchor of
            the same data set when its points here are those that the source used, words for people otherwise. They are
            at equal RGB PSNR unless the note says otherwise.
    """

    name: str
    label: str
    dataset: str
    kind: str
    x: str
    source: str
    how: str
    licence: str
    paper: str = ""
    colour: str = ""
    note: str = ""
    digitised: bool = False
    points: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    bd_rate_vs: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


FIELDS = {each.name: each.type for each in fields(Anchor)}


def datasets() -> tuple[str, ...]:
    """The data sets that have anchors."""
    return tuple(sorted({anchor.dataset for anchor in _all()}))


def names(dataset: str) -> tuple[str, ...]:
    """The names of the anchors with points for a data set; () when there are none."""
    return tuple(anchor.name for anchor in _all() if anchor.dataset == dataset and anchor.points)


def anchors(dataset: str, names: Sequence[str] | None = None) -> tuple[Anchor, ...]:
    """The anchors with points for a data set: all of them, or those named, in that order.

    Raises ValueError for a name that it does not have. A data set without anchors has ().
    """
    found = {anchor.name: anchor for anchor in _all() if anchor.dataset == dataset and anchor.points}
    if names is None:
        return tuple(found.values())
    for name in names:
        if name not in found:
            raise ValueError(f"{dataset} has no anchor {name!r}, only {', '.join(found) or 'none at all'}")
    return tuple(found[name] for name in names)


def stated(dataset: str) -> tuple[Anchor, ...]:
    """The anchors of a data set for which the source states BD-rates, with points or without."""
    return tuple(anchor for anchor in _all() if anchor.dataset == dataset and anchor.bd_rate_vs)


def read(path: Traversable) -> tuple[Anchor, ...]:
    """The anchors of one JSON file; raises ValueError, with the file's name, for anything that README.md rules out."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        shared = {key: value for key, value in table.items() if key != "anchors"}
        return tuple(_anchor({**shared, **entry}) for entry in table["anchors"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: {_cause(error)}") from error


@cache
def _all() -> tuple[Anchor, ...]:
    """The anchors of every file, by name of the file."""
    folder = files(__package__)
    found: dict[tuple[str, str], Anchor] = {}
    for path in sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda path: path.name):
        for anchor in read(path):
            if (anchor.dataset, anchor.name) in found:
                raise ValueError(f"{path.name}: {anchor.dataset} has an anchor {anchor.name!r} already")
            found[anchor.dataset, anchor.name] = anchor
    return tuple(found.values())


def _anchor(item: Mapping[str, Any]) -> Anchor:
    """An anchor from its fields and those that its file shares; raises ValueError."""
    name = item.get("name", "an anchor")
    for key in item:
        if key not in FIELDS:
            raise ValueError(f"{name}: unknown field {key!r}")
    for key in NEEDED:
        if not item.get(key):
            raise ValueError(f"{name}: the field {key!r} is missing")
    if item["kind"] not in KINDS or item["x"] not in RATES:
        raise ValueError(f"{name}: kind is one of {', '.join(KINDS)}, x one of {', '.join(RATES)}")
    if not item.get("points") and not item.get("bd_rate_vs"):
        raise ValueError(f"{name}: neither points nor bd_rate_vs")
    points = {key: _numbers(name, key, values) for key, values in item.get("points", {}).items()}
    if points:
        _check(name, item["kind"], item["x"], points)
    claims = item.get("bd_rate_vs", {})
    _numbers(name, "bd_rate_vs", list(claims.values()))
    return Anchor(**{**item, "points": MappingProxyType(points), "bd_rate_vs": MappingProxyType(dict(claims))})


def _numbers(name: str, key: str, values: Any) -> tuple[float, ...]:
    """A column as floats; raises ValueError for anything but finite numbers."""
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise ValueError(f"{name}: {key} is not a list of numbers")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name}: {key} has values that are not finite")
    return tuple(map(float, values))


def _check(name: str, kind: str, x: str, points: Mapping[str, tuple[float, ...]]) -> None:
    """Columns known, of one length, in order of growing rate; raises ValueError."""
    for key in points:
        if key != x and (key not in METRICS or kind not in METRICS[key].kinds):
            raise ValueError(f"{name}: {key!r} is neither the rate {x!r} nor a metric of {kind}")
    rates = points.get(x, ())
    if not rates or len(points) < 2:
        raise ValueError(f"{name}: points are a column {x!r} and at least one metric")
    for key, values in points.items():
        if len(values) != len(rates):
            raise ValueError(f"{name}: {len(rates)} values of {x}, but {len(values)} of {key}")
    if rates[0] <= 0 or any(after <= before for before, after in pairwise(rates)):
        raise ValueError(f"{name}: the values of {x} are not positive and growing")


def _cause(error: Exception) -> str:
    """What was wrong with a file, in a few words."""
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    return str(error) if isinstance(error, ValueError) else f"is not a file of anchors ({error})"
