"""image/circuit: lossless coding of pictures with a small probabilistic circuit.

After Liu, Mandt and Van den Broeck, "Lossless compression with probabilistic circuits" (arXiv 2111.11632): a circuit gives the
exact probability of every value given all values before it, from messages that are kept and passed on. Pictures go through
a reversible prediction first, as flows do in that paper; the circuit codes what is left of square patches, all patches at
once, in whole numbers, so that every machine reads the same picture.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import ImageMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed
from ...entropy import Coder, Decoder, Encoder
from ..base import Codec, Options, verify
from ..signals import Picture
from .alpha import traverse_alpha
from .circuit_exact import ExactCircuit, codes_of
from .circuit_net import CircuitConfig, CircuitNet
from .planes import format_of
from .reversible import from_planes, residuals, restore, to_planes
from .tiles import code_number

PATCHES = 4096  # of a unit, unless one row of patches has more
PARTS = ("root", "edges", "leaves")


class CircuitCodec(Codec):
    """The circuit codec; see the module. It codes pictures once `freeze` or loading has given it its whole numbers."""

    id: ClassVar[str] = "image/circuit"
    kind: ClassVar[str] = "image"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = CircuitConfig
    recipe: ClassVar[str] = "image_circuit.default"

    def __init__(self, config: CircuitConfig | None = None) -> None:
        super().__init__()
        self.config = config or CircuitConfig()
        self.net = CircuitNet(self.config)
        self.codes: dict[str, Tensor] = {}
        self.circuit: ExactCircuit | None = None

    def freeze(self) -> None:
        """Round the probabilities of the float circuit to codes of 8 bits, which make the exact one."""
        codes = [torch.from_numpy(codes_of(x.numpy(force=True))) for x in self.net.logs()]
        self.import_state(dict(zip(PARTS, codes, strict=True)))

    def traverse(
        self, coder: Coder, size: tuple[int, int], planes: int, alpha: bool, pixels: np.ndarray | None = None
    ) -> np.ndarray:
        """The order of the symbols of a strip.

        Args:
            coder: counts, writes or reads.
            size: height and width.
            planes: 1 or 3.
            alpha: an alpha plane follows.
            pixels: uint8 [height, width, planes, plus one for alpha]; None when decoding.

        Returns:
            The pixels.
        """
        given = None
        if pixels is not None:
            given = to_planes(pixels[:, :, :planes])
            given = _patches(residuals(given) if self.config.predict else given, self.config.side)
        present = _patches(np.ones((1, *size), np.uint8), self.config.side)[:, 0] > 0
        found = self.circuit.traverse(coder, present, planes, given)
        plane = None
        if alpha:
            plane = traverse_alpha(coder, size, None if pixels is None else pixels[:, :, -1])
        if pixels is not None:
            return pixels
        found = _joined(found.astype(np.uint8), size)
        colour = from_planes(restore(found) if self.config.predict else found)
        return colour if plane is None else np.concatenate((colour, plane[:, :, None]), axis=2)

    def strips(self, media: ImageMedia) -> list[tuple[int, int]]:
        """First and last row (excluded) of each unit: as many rows of patches as hold no more than 4096 of them."""
        side = self.config.side
        rows = side * max(1, PATCHES // -(-media.width // side))
        return [(top, min(top + rows, media.height)) for top in range(0, media.height, rows)]

    def open(self, signal: Picture, options: Options) -> tuple[Track, None]:
        """Header of a picture; there is nothing to plan."""
        height, width = signal.pixels.shape[:2]
        return Track(self.id, self.profile, True, bytes(8), ImageMedia(width, height, format_of(signal), None)), None

    def _media(self, track: Track) -> ImageMedia:
        media = track.media
        if not isinstance(media, ImageMedia) or media.sample_format.depth != 8 or track.parameters:
            raise Malformed(f"{self.id} codes pictures of 8 bits and has no parameters")
        return media

    def encode_units(
        self, signal: Picture, track: Track, plan: None, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """One unit with one stream for each strip."""
        form, strips, size = track.media.sample_format, self.strips(track.media), 0
        for place, (top, end) in enumerate(strips):
            coder = Encoder()
            code_number(coder, len(strips), place)
            part = signal.pixels[top:end]
            self.traverse(coder, part.shape[:2], form.planes, form.alpha, part)
            data = coder.finish()
            size += len(data)
            options.progress((place + 1) / len(strips), f"{size} bytes")
            yield Unit(number, (data,), None, last=place + 1 == len(strips), key=True, check=coder.check)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Picture:
        """The picture, exactly; raises Malformed, Damaged, SymbolMismatch when the items are not what the encoder wrote."""
        media = self._media(track)
        form, strips, items = media.sample_format, self.strips(media), [*items]
        if len(items) != len(strips):
            raise Malformed(f"a picture of {len(strips)} strips has {len(items)} units")
        parts = []
        for place, (item, (top, end)) in enumerate(zip(items, strips, strict=True)):
            if not isinstance(item, Unit) or len(item.streams) != 1:
                raise Malformed(f"a picture of {self.id} is units with one stream")
            coder = Decoder(item.streams[0])
            if code_number(coder, len(strips)) != place:
                raise Malformed(f"strip {place} of {len(strips)} is not where it belongs")
            parts.append(self.traverse(coder, (end - top, media.width), form.planes, form.alpha))
            verify(item.check, coder.check)
            coder.finish()
        return Picture(np.concatenate(parts))

    def memory(self, track: Track) -> int:
        """Bytes for the pixels, and for the messages, distributions and planes of one strip."""
        media, side = self._media(track), self.config.side
        strip = (self.strips(media)[0][1] + side) * (media.width + side)
        patches = strip // side**2 + 1
        messages = 8 * self.config.states * 6 * (self.config.levels + 2)
        return 8 * media.width * media.height + patches * (messages + 8 * 256 * 10) + strip * 3 * 64

    def export_state(self) -> dict[str, Tensor]:
        """The codes of the probabilities."""
        return dict(self.codes)

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`."""
        self.codes = {name: state[name] for name in PARTS}
        try:
            self.circuit = ExactCircuit(*(self.codes[name].numpy() for name in PARTS))
        except (ValueError, IndexError) as error:
            raise RuntimeError(str(error)) from error

    def decoder_state(self) -> dict[str, Tensor]:
        """All codes."""
        return dict(self.codes)


def _patches(planes: np.ndarray, side: int) -> np.ndarray:
    """Planes [planes, H, W] to patches [n, planes, side, side], row by row; what lies outside is 0."""
    count, height, width = planes.shape
    rows, columns = -(-height // side), -(-width // side)
    wide = np.pad(planes, ((0, 0), (0, rows * side - height), (0, columns * side - width)))
    cut = wide.reshape(count, rows, side, columns, side)
    return cut.transpose(1, 3, 0, 2, 4).reshape(rows * columns, count, side, side)


def _joined(patches: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `_patches` for a picture of `size` (height, width)."""
    count, side = patches.shape[1:3]
    rows, columns = (-(-length // side) for length in size)
    wide = patches.reshape(rows, columns, count, side, side).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(wide.reshape(count, rows * side, columns * side)[:, : size[0], : size[1]])
