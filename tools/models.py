"""Codecs with their weights: load by name or by the digest in a file, export after training."""

import dataclasses
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from .. import weights
from ..bitstream import Track
from ..bitstream.errors import UnknownCodec, WrongModel
from ..codecs.base import Codec
from ..codecs.registry import build, codec_class, family_of
from ..codecs.settings import LARGEST, bounded
from . import outside

if TYPE_CHECKING:
    from .train import Recipe

# What a network that fits no numbers may raise while it is made or filled.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def from_file(path: Path) -> Codec:
    """The codec of a weights file, ready to encode and decode; raises OSError, ValueError for other files."""
    metadata, tensors = weights.read(path)
    largest = max((4 * size for array in tensors.values() for size in array.shape), default=0)
    try:
        with bounded(sum(array.size for array in tensors.values())):
            codec = build(metadata["codec"], metadata["config"], max(largest, LARGEST))
    except BROKEN as error:
        raise ValueError(f"{path} does not describe a network of {metadata['codec']}: {_first_line(error)}") from error
    try:
        codec.import_state({name: torch.from_numpy(array) for name, array in tensors.items()})
    except BROKEN as error:
        raise ValueError(f"{path} does not hold the tensors of {codec.id}: {_first_line(error)}") from error
    codec.identity = _identity(codec, metadata["config"], tensors)
    return codec.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].strip("'")


def config_of(codec: Codec) -> dict:
    """The configuration of a codec as plain data; `build` makes the same networks from it."""
    return dataclasses.asdict(codec.config)


def _identity(codec: Codec, config: dict, tensors: dict[str, np.ndarray]) -> bytes:
    used = {name: tensors[name] for name in codec.decoder_state()}
    return weights.digest(codec.id, codec.profile, config, used)


def identify(codec: Codec) -> None:
    """Set the identity of a codec from its tensors."""
    tensors = {name: value.numpy(force=True) for name, value in codec.export_state().items()}
    codec.identity = _identity(codec, config_of(codec), tensors)


def save(codec: Codec, path: Path) -> None:
    """Write the weights file of a codec and set its identity; `load` takes the file."""
    identify(codec)
    tensors = {name: value.numpy(force=True) for name, value in codec.export_state().items()}
    weights.save(path, codec.id, codec.profile, config_of(codec), tensors)


def _registered(entry: weights.Entry) -> Codec:
    """The codec of installed weights; raises WrongModel where their file is not what was installed."""
    codec = from_file(entry.path)
    if codec.identity.hex() != entry.digest:
        raise WrongModel(
            f"the weights file {entry.path} was changed after it was installed: it holds {codec.identity[:8].hex()}, "
            f"not {entry.digest[:16]}; install Triptych again"
        )
    return codec


@lru_cache(maxsize=4)
def load(name: str, path: Path | None = None, level: int = 0) -> Codec:
    """The codec of this name with its default weights, or with those of a weights file or of a variant such as "48k".

    `level` chooses among the weights of a codec that has several, see `Codec.level`; 0 takes those for quality 50.

    Raises:
        UnknownCodec: no codec has this name.
        WrongModel: the weights file is for another codec, none ships, or published ones could not be fetched.
        MissingDependency: the package of the codec is not installed.
        OSError, ValueError: the weights file cannot be read.
    """
    cls = codec_class(name)
    if path is not None:
        shipped = weights.find(name, variant=str(path))
        codec = from_file(path if shipped is None else shipped.path)
        if codec.id != name:
            raise WrongModel(f"{path} holds weights of {codec.id}, not of {name}")
        return codec
    entry = weights.find(name)
    if entry is not None:
        return _registered(entry)
    if family_of(name) is not None:
        return outside.load(name, level)
    if recipe := getattr(cls, "recipe", ""):
        command = f"python -m triptych.tools.train {recipe} --data DATA --out RUN --export FOLDER"
        raise WrongModel(
            f"no weights of {name} are installed; give a weights file with --weights, or train one: {command}"
        )
    codec = cls()
    if next(codec.parameters(), None) is not None:
        raise WrongModel(f"no weights of {name} are installed")
    return codec.eval()


@lru_cache(maxsize=4)
def _installed(name: str, digest: bytes) -> Codec | None:
    entry = weights.find(name, digest)
    return None if entry is None else _registered(entry)


def _found(track: Track) -> Codec | None:
    codec = _installed(track.codec, track.digest)
    return outside.load_for(track) if codec is None and family_of(track.codec) is not None else codec


def load_for(track: Track, path: Path | None = None) -> Codec:
    """The codec that a track needs, found by the digest in its header.

    Raises:
        UnknownCodec: no codec of this name and profile is known.
        WrongModel: its weights are not at hand, or the weights file given is another.
        MissingDependency: the package of the codec is not installed.
    """
    cls = codec_class(track.codec)
    profiles = (cls.profile, *cls.later)
    if track.profile not in profiles:
        known = ", ".join(map(str, profiles))
        raise UnknownCodec(f"the file uses profile {track.profile} of {track.codec}, this version knows {known}")
    if not any(track.digest):
        return load(track.codec)
    codec = load(track.codec, path) if path is not None else _found(track)
    if codec is None or codec.identity[:8] != track.digest:
        there = "which are not installed" if path is None else f"{path} holds {codec.identity[:8].hex()}"
        raise WrongModel(
            f"the file needs weights {track.digest.hex()} of {track.codec}, {there}; give their weights file with --weights"
        )
    return codec


def export(codec: Codec, folder: Path, recipe: "Recipe", steps: int, seconds: float) -> Path:
    """Write a frozen codec's weights, their line in the registry and their card into a folder.

    The new weights become the default of their codec and variant; other entries stay.
    """
    identify(codec)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{codec.id.replace('/', '-')}-{codec.identity[:4].hex()}.safetensors"
    save(codec, path)
    entry = weights.Entry(
        codec.id,
        codec.profile,
        path.name,
        codec.identity.hex(),
        os.path.getsize(path),
        "Apache-2.0",
        recipe.name,
        default=True,
        variant=codec.variant,
    )
    weights.register(folder / "registry.toml", entry)
    path.with_suffix(".md").write_text(_card(codec, recipe, entry, steps, seconds))
    return path


def _card(codec: Codec, recipe: "Recipe", entry: weights.Entry, steps: int, seconds: float) -> str:
    parameters = sum(p.numel() for p in codec.parameters())
    return f"""# {entry.file.removesuffix(".safetensors")}

Weights of `{codec.id}`, profile {codec.profile}.

| | |
|---|---|
| digest | `{entry.digest}` |
| size | {entry.bytes:,} bytes, {parameters:,} parameters |
| licence | {entry.licence} |
| recipe | `{recipe.name}` |
| trained | {steps:,} steps of batch {recipe.batch}, {seconds / 3600:.2f} hours, {recipe.hardware} |
| command | `python -m triptych.tools.train {recipe.name} --data DATA --out RUN --export weights` |

## Data

{recipe.data}
"""
