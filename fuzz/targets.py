"""What is attacked: each target takes the bytes of a file that nobody trusts and may raise nothing but errors of ours."""

import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch

from triptych import weights
from triptych.bitstream import Limits, Reader, Track, TripError, WrongModel
from triptych.codecs.base import Codec
from triptych.codecs.registry import codec_class
from triptych.entropy import Decoder
from triptych.tools import models, pipeline
from triptych.tools.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "v1"
SHARED = {"image-patch-tiles": "image-patch"}  # golden folders that use the weights of another one
SMALL = Limits(chunk=2048, header=256, metadata=256, units=40, streams=16, groups=16, pixels=1 << 20, tracks=4)
LIMITS = Limits(chunk=1 << 20, units=256, streams=64, pixels=1 << 18, samples=1 << 20, frames=64, weights=1 << 20)
MEMORY = 128 << 20  # bytes that decoding may take
OURS = (TripError, UsageError, OSError)


@dataclass(frozen=True)
class Target:
    """Something to attack.

    Attributes:
        run: called with a mutated file.
        seeds: whole files to begin with.
        memory: bytes by which the process may grow while it runs.
        form: how the files are mutated: "container", "codec", "safetensors" or "text".
    """

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    memory: int
    form: str


def read_container(data: bytes) -> None:
    """Every way to read a container: strictly, salvaging, by its index, by a scan."""
    for way in ("strict", "salvage", "trust", "check"):
        try:
            reader = Reader(data, SMALL, salvage=way == "salvage")
            if way == "trust":
                for entry in reader.index(trust=True):
                    reader.read(entry)
            elif way == "check":
                list(reader.scan(True))
            else:
                list(reader)
        except TripError:
            continue


@cache
def golden(name: str) -> Codec:
    """The codec of a golden file with its small weights."""
    path = GOLDEN / name / "weights.safetensors"
    return models.from_file(path) if path.exists() else codec_class(_codec_of(name))().eval()


@cache
def _codec_of(name: str) -> str:
    return Reader((GOLDEN / name / "file.trip").read_bytes()).tracks[0].codec


@cache
def codec_names() -> list[str]:
    """Golden folders that do not use the weights of another one."""
    return sorted(path.parent.name for path in GOLDEN.glob("*/file.trip") if path.parent.name not in SHARED)


def _stand_in(name: str) -> Callable[..., Codec]:
    """What takes the place of models.load_for: small weights, and no heed of the digest, so that mutations get further."""

    def load_for(track: Track, path: Path | None = None) -> Codec:
        own = name if track.codec == _codec_of(name) else track.codec.replace("/", "-")
        if own not in codec_names() or track.profile != codec_class(track.codec).profile:
            raise WrongModel("no such weights")
        return golden(own)

    return load_for


def decode(name: str, data: bytes) -> None:
    """Decode a whole file with tight limits and the weights of the golden file `name`.

    Half of the files are spared the check that a stream ends where its symbols do: whoever wrote an encoder of his own
    passes it with any symbols, mutations hardly ever do.
    """
    before, finish = models.load_for, Decoder.finish
    models.load_for = _stand_in(name)
    if zlib.crc32(data) & 1:
        Decoder.finish = lambda self: None
    try:
        pipeline.decode(data, LIMITS, MEMORY)
    finally:
        models.load_for, Decoder.finish = before, finish


def load_weights(data: bytes) -> None:
    """Load a codec from a weights file."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        try:
            models.from_file(Path(file.name))
        except ValueError:  # the pipeline makes a UsageError of it
            return


def read_registry(data: bytes) -> None:
    """Read a registry; what is wrong with it is said by a ValueError."""
    try:
        weights.parse(data.decode(errors="replace"))
    except ValueError:
        return


def targets(names: list[str] | None = None) -> dict[str, Target]:
    """All targets by name, or some: container, registry, weights, and one for each codec with a golden file."""
    made = {
        "container": lambda: Target(read_container, _container_seeds(), SMALL.memory(), "container"),
        "registry": lambda: Target(
            read_registry, ((ROOT / "weights" / "registry.toml").read_bytes(),), 16 << 20, "text"
        ),
        "weights": lambda: Target(load_weights, _weights_seeds(), 256 << 20, "safetensors"),
    }
    for name in codec_names():
        made[name] = lambda name=name: Target(
            partial(decode, name), _codec_seeds(name), LIMITS.memory() + MEMORY, "codec"
        )
    return {name: made[name]() for name in (names or made)}


def _container_seeds() -> tuple[bytes, ...]:
    files = sorted((GOLDEN / "container").glob("*.trip")) + sorted(
        (ROOT / "tests" / "attacks" / "accepted").glob("*.trip")
    )
    return tuple(path.read_bytes() for path in files)


def _weights_seeds() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted(GOLDEN.glob("*/weights.safetensors")))


def _codec_seeds(name: str) -> tuple[bytes, ...]:
    """A golden file and those that use its weights."""
    torch.set_num_threads(1)
    folders = [name, *(other for other, owner in SHARED.items() if owner == name)]
    return tuple((GOLDEN / folder / "file.trip").read_bytes() for folder in folders)
