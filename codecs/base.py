"""The protocol that every codec implements: a signal becomes units of integers and comes back."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from ..bitstream import Track, Unit, Weights
from ..bitstream.errors import SymbolMismatch
from .signals import Crop, Signal, Sound


def silent(fraction: float, text: str) -> None:
    """The progress callback of those who do not want to know."""


class Keeper(Protocol):
    """A place that outlives an encoder: what it saves there, an interrupted encoding finds again."""

    interrupted: bool

    def load(self, name: str) -> dict[str, Tensor] | None:
        """What was saved under a name; None where nothing was."""

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Keep tensors under a name in place of what was there."""

    def within(self, name: str) -> "Keeper":
        """A place of its own inside this one."""

    def interrupt(self) -> None:
        """Note that the encoding comes to an end before its time."""


class Workers(Protocol):
    """Those who call a function of a module for every argument, `count` at a time, perhaps on other machines."""

    count: int

    def __call__(self, function: Callable[[Any], Any], arguments: Sequence[Any]) -> Iterator[Any]:
        """The results in the order of the arguments."""


LEAST_TILE = 64  # pixels a side


@dataclass(frozen=True)
class Options:
    """What a user asks of an encoder.

    Attributes:
        quality: 0 (smallest file) to 100 (best signal).
        effort: 0 to 10, how long an encoder that searches or fits may take.
        seconds: wall-clock budget of codecs that fit a network; None lets `effort` decide.
        progress: called with the fraction done and a short text.
        seed: start of every random choice; equal seeds give equal files.
        tile: side of the tiles of a picture in pixels, at least 64, rounded up as the codec needs; None lets the codec
            decide. Tiles decode without each other.
        aim: a measure and a value that a codec which names the measure in `aims` comes to by itself.
        group: frames of a film that share a fitted network; None lets the codec decide.
        keep: where a codec that fits keeps its state from time to time; None for nowhere.
        workers: who fits parts that need nothing of each other, for a codec that `spreads`; None for this process.
    """

    quality: float = 50.0
    effort: int = 3
    seconds: float | None = None
    progress: Callable[[float, str], None] = silent
    seed: int = 0
    tile: int | None = None
    aim: tuple[str, float] | None = None
    group: int | None = None
    keep: Keeper | None = None
    workers: Workers | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality must lie between 0 and 100, not {self.quality:g}")
        if not 0 <= self.effort <= 10:
            raise ValueError(f"effort must lie between 0 and 10, not {self.effort}")
        if self.group is not None and self.group < 1:
            raise ValueError(f"a group has at least one frame, not {self.group}")
        if self.tile is not None and self.tile < LEAST_TILE:
            raise ValueError(f"tiles have at least {LEAST_TILE} pixels a side, not {self.tile}")


class Codec(torch.nn.Module):
    """A codec: analysis transform, quantiser, entropy model and synthesis transform.

    Attributes:
        id: name in files and on the command line, such as "image/patch".
        kind: "image", "audio" or "video".
        profile: number of the codec's own syntax, under which its weights are known.
        later: profiles of files with the same weights that it reads as well; it writes the last of all.
        aims: measures of `Options.aim` that this codec comes to in one go: "bytes", "bpp", "psnr".
        spreads: whether `Options.workers` may fit parts of what it encodes.
        config: frozen dataclass from which the same networks can be built again.
        variant: name of the weights' variant, such as "48k", where there are several.
        identity: SHA-256 of what the decoder uses, set when weights are loaded or exported; zeros for codecs whose
            files carry their own network. Files hold the first 8 bytes.
    """

    id: ClassVar[str]
    kind: ClassVar[str]
    profile: ClassVar[int] = 1
    later: ClassVar[tuple[int, ...]] = ()
    Config: ClassVar[type]
    aims: ClassVar[tuple[str, ...]] = ()
    spreads: ClassVar[bool] = False
    config: Any
    variant: str = ""
    identity: bytes = bytes(32)

    @classmethod
    def variant_for(cls, signal: Signal) -> str:
        """Name of the variant of the weights that serves a signal; "" where there is but one."""
        return ""

    @classmethod
    def level(cls, quality: float) -> int:
        """Which of several sets of weights serves a quality of 0 to 100; 0 where one set serves them all."""
        return 0

    @abstractmethod
    def open(self, signal: Signal, options: Options) -> tuple[Track, Any]:
        """Header of the track (digest left at zero) and the encoder's plan, which `encode_units` is given back."""

    @abstractmethod
    def encode_units(
        self, signal: Signal, track: Track, plan: Any, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """Items of track `number`, in file order, each ready to be written."""

    @abstractmethod
    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Signal:
        """The signal from the items of one track; raises a TripError when they are not what the encoder wrote."""

    def pieces(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """What `decode` gives of a sound or a film, piece by piece: float32 [channels, n] or uint8 [n, H, W, 3]."""
        signal = self.decode(track, items)
        yield signal.samples if isinstance(signal, Sound) else signal.frames

    def region(self, track: Track, crop: Crop) -> tuple[list[int], int] | None:
        """Numbers of the units that a part of a picture needs, and bytes that decoding them takes.

        None where pictures are decoded whole; otherwise `decode` takes `crop` and `salvage`, as in image/patch.
        """
        return None

    @abstractmethod
    def memory(self, track: Track) -> int:
        """Bytes that decoding takes at most, from the header alone.

        What is kept of a sound or a film comes on top: its pieces may be written as they come.
        """

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as a weights file stores them; `import_state` takes them back."""
        return self.state_dict()

    def import_state(self, state: dict[str, Tensor]) -> None:
        """Load what `export_state` gave; raises RuntimeError or KeyError when it does not fit."""
        self.load_state_dict(state)

    @abstractmethod
    def decoder_state(self) -> dict[str, Tensor]:
        """Exactly those tensors of `export_state` that the decoder uses: their content is the identity of the weights."""


def verify(check: int | None, found: int) -> None:
    """Compare the symbol check of a unit with that of the symbols just decoded; raises SymbolMismatch."""
    if check is not None and check != found:
        raise SymbolMismatch(
            "the file is intact, but this computer derived other symbols than the encoder did (another build or other weights)"
        )
