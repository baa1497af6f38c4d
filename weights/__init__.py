"""Weights that ship: a registry, and weights files whose identity is their content."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

_DIGEST = re.compile("[0-9a-f]{64}")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@dataclass(frozen=True)
class Entry:
    """One weights file of the registry.

    Attributes:
        digest: the whole SHA-256 in hex, of which files carry the first 8 bytes.
        default: whether it is used for encoding, of those of its codec and variant.
        variant: name of what it is made for, where a codec has weights for several things, such as "48k".
    """

    codec: str
    profile: int
    file: str
    digest: str
    bytes: int
    licence: str
    recipe: str
    default: bool = False
    variant: str = ""

    @property
    def path(self) -> Path:
        return Path(str(files(__package__) / self.file))


@cache
def entries() -> tuple[Entry, ...]:
    """All weights of the registry; raises ValueError where it is not in order."""
    return parse((files(__package__) / "registry.toml").read_text())


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of a registry; raises ValueError for other texts, and where two share the 8 bytes that files carry."""
    rows = tomllib.loads(text).get("weights", [])
    if not isinstance(rows, list):
        raise ValueError("the weights of a registry are tables")
    found = tuple(map(_entry, rows))
    if len({entry.digest[:16] for entry in found}) != len(found):
        raise ValueError("two weights of the registry share the first 8 bytes of their digest")
    return found


def _entry(row: object) -> Entry:
    """A row of the registry, its fields checked."""
    types = {field.name: field.type for field in fields(Entry)}
    if not isinstance(row, dict) or not types.keys() - {"default", "variant"} <= row.keys() <= types.keys():
        raise ValueError(f"weights in a registry have the fields {', '.join(types)}")
    wrong = [name for name, value in row.items() if type(value) is not types[name]]
    if wrong or not _DIGEST.fullmatch(row["digest"]) or Path(row["file"]).name != row["file"]:
        raise ValueError(f"weights in a registry have a {wrong[0] if wrong else 'digest or file name'} that is none")
    return Entry(**row)


def find(codec: str, digest: bytes | None = None, variant: str = "") -> Entry | None:
    """The entry of a codec with this digest (its first 8 bytes), or the default when no digest is given.

    variant: of which variant; where none is asked for, the first by name.
    """
    rows = [entry for entry in entries() if entry.codec == codec and variant in ("", entry.variant)]
    if digest is not None:
        return next((entry for entry in rows if entry.digest[:16] == digest.hex()), None)
    return min((entry for entry in rows if entry.default), key=lambda entry: entry.variant, default=None)


def register(path: Path, entry: Entry) -> None:
    """Add an entry to a registry file, as the default of its codec and variant where it is one; other entries stay."""
    table = tomllib.loads(path.read_text()) if path.exists() else {}
    rows = [row for row in table.get("weights", []) if row["digest"] != entry.digest]
    for row in rows:
        if entry.default and (row["codec"], row.get("variant", "")) == (entry.codec, entry.variant):
            row["default"] = False
    lines = []
    for row in [*rows, asdict(entry)]:
        lines.append("[[weights]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in row.items() if (key, value) != ("variant", "")]
        lines.append("")
    path.write_text("\n".join(lines))


def canonical(config: Mapping[str, Any]) -> str:
    """A configuration as canonical JSON: sorted keys, no spaces."""
    return json.dumps(dict(config), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(codec: str, profile: int, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """SHA-256 over exactly what a decoder uses: codec, profile, configuration and tensors in the order of their names.

    Returns:
        32 bytes; files carry the first 8. Zeros when there are no tensors: such a file carries its own network.
    """
    if not tensors:
        return bytes(32)
    state = hashlib.sha256(f"{codec}\n{profile}\n{canonical(config)}\n".encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        little = array.astype(array.dtype.newbyteorder("<"))
        state.update(f"{name} {little.dtype.str} {list(array.shape)}\n".encode())
        state.update(little.tobytes())
    return state.digest()


def save(path: Path, codec: str, profile: int, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write a weights file; the configuration travels as its metadata, and so do the types of integers.

    These are stored in the narrowest type that holds them; `read` gives back the type they had.
    """
    kept = {name: narrowed(array) for name, array in tensors.items()}
    types = {name: array.dtype.name for name, array in tensors.items() if kept[name].dtype != array.dtype}
    metadata = {"codec": codec, "profile": str(profile), "config": canonical(config)}
    metadata |= {"types": json.dumps(types, sort_keys=True)} if types else {}
    save_file({name: np.ascontiguousarray(array) for name, array in kept.items()}, str(path), metadata)
    path.chmod(0o644)  # the library writes for the owner alone


def narrowed(array: np.ndarray) -> np.ndarray:
    """An array whose integers have the narrowest type that holds them."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    fitting = [kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
    # The type it has comes first, so that it stays where no other is narrower.
    return array.astype(min((array.dtype.name, *fitting), key=lambda kind: np.dtype(kind).itemsize), copy=False)


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata (codec, profile, config) and tensors of a weights file; raises OSError, or ValueError for another file."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, kind in json.loads(metadata.get("types", "{}")).items():
            if kind not in INTEGERS or tensors[name].dtype.kind not in "iu":
                raise ValueError(f"{name} cannot be of type {kind}")
            tensors[name] = tensors[name].astype(kind)
        config = json.loads(metadata["config"])
        return {"codec": metadata["codec"], "profile": int(metadata["profile"]), "config": config}, tensors
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a weights file of Triptych: {error}") from error
