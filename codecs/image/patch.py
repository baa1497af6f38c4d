"""image/patch: an asymmetric patch codec whose table rows come from one integer linear layer.

After PULSE (arXiv 2609.18602): a 16x16 patch encoder, side information z with a factorised prior per rate point, rows of
zero-mean tables from z in integers, means in float in two checkerboard steps, a decoder at 1/16 resolution with a
renderer at 1/4. The means may differ in the last bit between machines; the symbols, residuals from the means, cannot.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import ImageMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed
from ...entropy import Coder, Decoder, Encoder, IntegerLinear, Tables, gaussian
from ..base import Codec, Options, verify
from ..blocks import pad_to
from ..signals import Picture
from .alpha import traverse_alpha
from .patch_net import PATCH, PatchConfig, PatchNet, checkerboard
from .planes import format_of, join, split

STEPS = 16  # rate indices between two rate points
SKIP = 3  # latents whose row is below this are not sent: their scale is under 0.16
SIDE_BOUND = 127
TRAINING_ONLY = ("net.head.", "net.side_")  # what `freeze` turns into integers


@dataclass(frozen=True)
class Symbols:
    """What a picture is coded as: z int32 [side, h/2, w/2], residuals int32 [latents, h, w], alpha uint8 or None."""

    side: np.ndarray
    residual: np.ndarray
    alpha: np.ndarray | None


class PatchCodec(Codec):
    """The patch codec; see the module. It codes pictures once `freeze` or loading has given it its integer parts."""

    id: ClassVar[str] = "image/patch"
    kind: ClassVar[str] = "image"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = PatchConfig

    def __init__(self, config: PatchConfig | None = None) -> None:
        super().__init__()
        self.config = config or PatchConfig()
        self.net = PatchNet(self.config)
        self.head: IntegerLinear | None = None
        self.side_tables: Tables | None = None

    # Integers

    def freeze(self, side_counts: np.ndarray) -> None:
        """Make the integer parts from the trained float ones; weights are rounded to half precision first.

        Args:
            side_counts: how often each z was seen, int [points * side, 2 * 127 + 1].
        """
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.copy_(parameter.half().float())
        head = self.net.head
        self.head = IntegerLinear.freeze(head.weight.numpy(force=True), head.bias.numpy(force=True), SIDE_BOUND, 0, 63)
        self.side_tables = Tables.from_counts(side_counts, first=-SIDE_BOUND)

    def rows(self, side: np.ndarray, index: int) -> np.ndarray:
        """Table rows of the residuals [latents, 2 h, 2 w] from z int [side, h, w]: integers only."""
        point, step = divmod(index, STEPS)
        biases = self.head.bias
        bias = (biases[point] * (STEPS - step) + biases[min(point + 1, len(biases) - 1)] * step) // STEPS
        height, width = side.shape[1:]
        rows = self.head(side.reshape(len(side), -1), bias).reshape(-1, 2, 2, height, width)
        return rows.transpose(0, 3, 1, 4, 2).reshape(-1, 2 * height, 2 * width).astype(np.uint8)

    def traverse(
        self, coder: Coder, size: tuple[int, int], index: int, alpha: bool, symbols: Symbols | None = None
    ) -> Symbols:
        """The order of the symbols of a picture of `size` (height, width) at rate index 0 .. 16 * (points - 1)."""
        height, width = (-(-side // (2 * PATCH)) for side in size)
        tables = np.arange(self.config.side) + self.config.side * round(index / STEPS)
        shape = (self.config.side, height, width)
        side = coder.code(symbols and symbols.side, self.side_tables.at(tables[:, None, None], shape))
        rows = self.rows(side, index)
        residual = coder.code(symbols and symbols.residual, gaussian().at(rows, skip=SKIP))
        plane = traverse_alpha(coder, size, symbols and symbols.alpha) if alpha else None
        return Symbols(side, residual, plane)

    # Pixels to symbols and back

    @torch.inference_mode()
    def analyse(self, picture: Picture, index: int) -> Symbols:
        """Quantise a picture at a rate index."""
        colour, alpha = split(picture)
        pixels = pad_to(torch.from_numpy(colour).permute(2, 0, 1)[None].float() - 127.5, 2 * PATCH)
        point = torch.tensor([index / STEPS])
        y = self.net.latents(pixels.contiguous(memory_format=torch.channels_last), point)
        z = self.net.hyper(y).round().clamp(-SIDE_BOUND, SIDE_BOUND)
        side = z[0].numpy().astype(np.int32)
        sent = torch.from_numpy(self.rows(side, index) >= SKIP)
        first, features = self.net.means.start(z)
        half = checkerboard(y)
        residual = (y - first).round() * (half * sent)
        means = self.net.means.update(first, features, residual)
        residual = residual + (y - means).round() * ((1 - half) * sent)
        return Symbols(side, residual[0].numpy().astype(np.int32), alpha)

    @torch.inference_mode()
    def synthesise(self, symbols: Symbols, size: tuple[int, int], index: int) -> Tensor:
        """RGB uint8 [height, width, 3] of symbols."""
        z = torch.from_numpy(symbols.side).float()[None]
        residual = torch.from_numpy(symbols.residual).float()[None]
        first, features = self.net.means.start(z)
        half = checkerboard(residual)
        means = self.net.means.update(first, features, residual * half)
        y = residual + first * half + means * (1 - half)
        pixels = self.net.pixels(y.contiguous(memory_format=torch.channels_last), torch.tensor([index / STEPS]))
        pixels = (pixels + 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels[0, :, : size[0], : size[1]].permute(1, 2, 0)

    # The protocol

    def open(self, signal: Picture, options: Options) -> tuple[Track, int]:
        """Header of a picture; the plan is the rate index."""
        height, width = signal.pixels.shape[:2]
        index = round(options.quality / 100 * STEPS * (self.config.points - 1))
        media = ImageMedia(width, height, format_of(signal), None)
        return Track(self.id, self.profile, True, bytes(8), media, bytes([index])), index

    def encode_units(
        self, signal: Picture, track: Track, plan: int, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """One unit with one stream."""
        symbols = self.analyse(signal, plan)
        options.progress(0.5, "transformed")
        coder = Encoder()
        self.traverse(coder, signal.pixels.shape[:2], plan, symbols.alpha is not None, symbols)
        data = coder.finish()
        options.progress(1.0, f"{len(data)} bytes")
        yield Unit(number, (data,), None, last=True, key=True, check=coder.check)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Picture:
        """The picture of a track; raises Malformed, Damaged or SymbolMismatch."""
        media = track.media
        if len(track.parameters) != 1 or track.parameters[0] > STEPS * (self.config.points - 1):
            raise Malformed(f"the parameters of {self.id} are one byte up to {STEPS * (self.config.points - 1)}")
        index, size = track.parameters[0], (media.height, media.width)
        units = list(items)
        if len(units) != 1 or not isinstance(units[0], Unit) or len(units[0].streams) != 1:
            raise Malformed(f"a picture of {self.id} is one unit with one stream")
        coder = Decoder(units[0].streams[0])
        symbols = self.traverse(coder, size, index, media.sample_format.alpha)
        verify(units[0].check, coder.check)
        coder.finish()
        colour = self.synthesise(symbols, size, index).numpy()
        return join(colour, symbols.alpha, media.sample_format.planes == 1)

    def memory(self, track: Track) -> int:
        """200 bytes a pixel, padding included, of which up to 177 were seen: latents, features and pixels in float32."""
        height, width = (-(-side // (2 * PATCH)) * 2 * PATCH for side in (track.media.height, track.media.width))
        return 200 * height * width

    # Weights

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored: floats in half precision, integer parts under `head.` and `tables.`."""
        state = {name: value.half() for name, value in self.net.state_dict(prefix="net.").items()}
        state = {name: value for name, value in state.items() if not name.startswith(TRAINING_ONLY)}
        for prefix, part in (("head.", self.head.state()), ("tables.", self.side_tables.state())):
            state |= {prefix + name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in part.items()}
        return state

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`."""
        own = self.net.state_dict(prefix="net.")
        kept = {name: own[name] if name.startswith(TRAINING_ONLY) else state[name].float() for name in own}
        self.net.load_state_dict({name.removeprefix("net."): value for name, value in kept.items()})
        part = {name: value.numpy() for name, value in state.items()}
        self.head = IntegerLinear.from_state(_under("head.", part))
        self.side_tables = Tables.from_state(_under("tables.", part))

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the analysis."""
        unused = ("net.analysis.", "net.hyper.")
        return {name: value for name, value in self.export_state().items() if not name.startswith(unused)}


def _under(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
