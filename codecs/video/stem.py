"""video/stem: frames coded as pictures are in image/patch, their latents predicted from those of the two frames before.

After "Spatiotemporal Entropy Model is All You Need for Learned Video Compression" (Sun et al. 2021): no motion, no residual
pictures; what earlier frames tell enters the entropy model alone. Means of latents are predicted in float and what is left
is quantised, as in image/patch; table rows come from decoded integers only, so the symbols of a whole group of frames
decode exactly before any of its pixels is computed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import SampleFormat, Track, Unit, VideoMedia, Weights
from ...bitstream.errors import Malformed
from ...entropy import Coder, Decoder, Encoder, Tables
from ...entropy.network import Network
from ..base import Options, verify
from ..blocks import pad_to
from ..image import refine
from ..image.patch import SKIP, STEPS, WORK, PatchCodec, under
from ..image.patch_net import PATCH, checkerboard
from ..image.residuals import completed
from ..image.side import BOUND, traverse_side
from ..image.slices_net import FINE, MOST_ROW
from ..image.tiles import Symbols
from ..parallel import in_order, workers
from ..precision import fast_layers, full_precision
from ..signals import Clip, Crop, Picture
from .stem_net import StemConfig, StemNet, side_step
from .stem_rows import Memory, RowNetworks, Rows
from .whole import counted, whole_film

GROUP = 32  # frames that are decoded together
KINDS = Tables.from_counts(np.array([127, 1]))  # a frame after the first of its group: predicted, or alone
LEAST = 1024  # elements of a matrix that is stored in 8 bits
SYMBOLS = 6  # bytes for each pixel of a frame's symbols


@dataclass(frozen=True)
class Frame:
    """What a frame is coded as; `alone`: without the frames before."""

    alone: bool
    symbols: Symbols


@dataclass(frozen=True)
class Past:
    """Decoded latents [1, latents, h, w] of the last frame and of that before it, or again of the last."""

    last: Tensor
    before: Tensor

    def after(self, latents: Tensor) -> "Past":
        """The past of the next frame."""
        return Past(latents, self.last)


class StemCodec(PatchCodec):
    """The codec of the module; it codes films once `freeze_changes` or loading has given it its integer parts."""

    id: ClassVar[str] = "video/stem"
    kind: ClassVar[str] = "video"
    profile: ClassVar[int] = 1
    recipe: ClassVar[str] = "video_stem.default"
    Config: ClassVar[type] = StemConfig
    Net: ClassVar[type] = StemNet
    training_only: ClassVar[tuple[str, ...]] = (*PatchCodec.training_only, "net.change_", "net.row_")

    def __init__(self, config: StemConfig | None = None) -> None:
        super().__init__(config)
        self.row_networks: RowNetworks | None = None
        self.change_tables: Tables | None = None
        self.learned_change: Tables | None = None
        self.change_residuals = completed(None)

    # Integers

    def freeze_changes(
        self, patch: PatchCodec, side_tables: Tables, change_tables: Tables, learned: Tables, networks: RowNetworks
    ) -> None:
        """Take the integer parts; weights are rounded as they are stored.

        Args:
            patch: the codec whose rows and tables of residuals frames alone are coded with.
            side_tables: static tables of z of frames alone.
            change_tables: the same of predicted frames, `points` times `change` rows.
            learned: tables of the residuals of predicted frames for the first rows.
            networks: the row networks.
        """
        self.head, self.side_tables, self.learned = patch.head, side_tables, patch.learned
        self.residual_tables, self.change_residuals = patch.residual_tables, completed(learned)
        self.change_tables, self.learned_change, self.row_networks = change_tables, learned, networks
        floats = self._floats()
        self._round({name: 1 for name, value in floats.items() if value.dim() > 1 and value.numel() >= LEAST})

    def _rows(self, memory: Memory, index: int) -> Rows:
        """The rows of a frame as the one before lets expect them."""
        most = STEPS * (self.config.points - 1)
        return Rows(self.row_networks, self.config, memory, index * MOST_ROW // most)

    def _memory_of(self, symbols: Symbols, index: int) -> Memory:
        """What the frame after one that is coded alone is to know."""
        fine = torch.from_numpy(self.rows(symbols.side, index).astype(np.int32) * FINE)[None]
        return self.row_networks.remember(fine, symbols.residual, True)

    def traverse_group(
        self, coder: Coder, size: tuple[int, int], index: int, length: int, frames: Sequence[Frame] = ()
    ) -> list[Frame]:
        """The order of the symbols of a group of `length` frames of `size` (height, width) at a rate index."""
        memory, found = None, []
        for number in range(length):
            given = frames[number] if frames else None
            alone = memory is None
            if not alone:
                kind = np.array([given.alone], np.int32) if given else None
                alone = bool(coder.code(kind, KINDS.at(0, (1,)))[0])
            symbols = given and given.symbols
            if alone:
                symbols = self.traverse(coder, size, index, False, symbols)
                memory = self._memory_of(symbols, index)
            else:
                symbols, memory = self._traverse_change(coder, size, index, memory, symbols)
            found.append(Frame(alone, symbols))
        return found

    def _traverse_change(
        self, coder: Coder, size: tuple[int, int], index: int, memory: Memory, given: Symbols | None
    ) -> tuple[Symbols, Memory]:
        """The order of the symbols of a predicted frame: side information, first half, second half."""
        shape = (self.config.change, *(-(-side // (2 * PATCH)) for side in size))
        rows = self._rows(memory, index)
        side = traverse_side(coder, shape, self.change_tables, None, round(index / STEPS), given and given.side)
        if np.abs(side).max(initial=0) > BOUND // side_step(index):
            raise Malformed("side information of a frame lies out of range")
        rows.inform(side * side_step(index))
        half = rows.half.numpy()
        residual = np.zeros(half.shape, np.int32)
        for mask in (half, ~half):
            model = self.change_residuals.at(rows.whole[mask], skip=SKIP)
            residual[mask] = coder.code(given and given.residual[mask], model)
            if mask is half:
                rows.look_around(residual)
        return Symbols(side, residual, None), self.row_networks.remember(rows.fine, residual, False)

    # Latents, in float32: they are handed on from frame to frame

    def _latents(self, frame: Frame, past: Past | None, index: int) -> Tensor:
        """Decoded latents [1, latents, h, w] of a frame."""
        z, residual = (torch.from_numpy(part).float()[None] for part in (frame.symbols.side, frame.symbols.residual))
        if frame.alone:
            first, features = self.net.means.start(z)
        else:
            expected = self.net.forecast.past(past.last, past.before)
            first, features = self.net.forecast.change(*expected, z * side_step(index))
        half = checkerboard(residual)
        means = self.net.means.update(first, features, residual * half)
        return residual + first * half + means * (1 - half)

    @torch.inference_mode()
    def shown(self, frames: Iterable[Frame], media: VideoMedia, index: int) -> Iterator[np.ndarray]:
        """Pixels uint8 [H, W, 3] of the frames of a group, one after the other."""
        past, point = None, torch.tensor([index / STEPS])
        for frame in frames:
            y = self._latents(frame, past, index)
            past = past.after(y) if past else Past(y, y)
            with fast_layers():
                pixels = self.net.pixels(y.contiguous(memory_format=torch.channels_last), point)
            pixels = (pixels.float() + 127.5).round().clamp(0, 255).to(torch.uint8)
            yield pixels[0, :, : media.height, : media.width].permute(1, 2, 0).contiguous().numpy()

    # Pixels to symbols

    @torch.no_grad()
    def analyse_group(self, frames: np.ndarray, index: int, options: Options) -> list[Frame]:
        """Quantise frames uint8 [T, H, W, 3] at a rate index, each with the past as a decoder will have it."""
        past, memory, found = None, None, []
        for pixels in frames:
            predicted = None if past is None else self._analyse_change(pixels, index, memory, past, options.effort)
            if predicted is None:
                with full_precision():
                    symbols = self.analyse(Picture(pixels), index, options.effort, options.seed)
                frame, memory = Frame(True, symbols), self._memory_of(symbols, index)
            else:
                frame, memory = predicted
            y = self._latents(frame, past, index)
            past = Past(y, y) if past is None else past.after(y)
            found.append(frame)
        return found

    def _analyse_change(
        self, pixels: np.ndarray, index: int, memory: Memory, past: Past, effort: int
    ) -> tuple[Frame, Memory] | None:
        """Quantise a frame given those before; None where it has so little to do with them that it is cheaper alone."""
        net, point = self.net, torch.tensor([index / STEPS])
        x = pad_to(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() - 127.5, 2 * PATCH)
        with fast_layers():
            y = net.latents(x.contiguous(memory_format=torch.channels_last), point).float()
        means, features = net.forecast.past(past.last, past.before)
        if (y - means).abs().log1p().sum() > y.abs().log1p().sum():
            return None
        rows = self._rows(memory, index)
        step = side_step(index)
        z = (net.change(y, means, rows.fine / FINE) / step).round().clamp(-(BOUND // step), BOUND // step)
        side = z[0].numpy().astype(np.int32)
        rows.inform(side * step)
        first, features = net.forecast.change(means, features, z * step)
        half, price = checkerboard(y), refine.price_of(net, point)

        def chosen(left: Tensor, mask: Tensor) -> Tensor:
            table_rows = torch.from_numpy(rows.whole.astype(np.int64))[None]
            whole = refine.cheap(left, table_rows, price) if effort >= refine.ROUNDING else left.round()
            return whole * mask * (table_rows >= SKIP)

        residual = chosen(y - first, half)
        rows.look_around(residual[0].numpy())
        residual = residual + chosen(y - net.means.update(first, features, residual), 1 - half)
        symbols = Symbols(side, residual[0].numpy().astype(np.int32), None)
        return Frame(False, symbols), self.row_networks.remember(rows.fine, symbols.residual, False)

    # The protocol

    def open(self, signal: Clip, options: Options) -> tuple[Track, int]:
        """Header of a film; the plan is the rate index."""
        length, height, width = signal.frames.shape[:3]
        index = round(options.quality / 100 * STEPS * (self.config.points - 1))
        rate = signal.rate.numerator, signal.rate.denominator
        media = VideoMedia(width, height, SampleFormat(), None, rate, GROUP, length)
        return Track(self.id, self.profile, True, bytes(8), media, bytes([index])), index

    def parsed(self, track: Track) -> tuple[VideoMedia, int]:
        """Media and rate index by the header; raises Malformed."""
        media, parameters, most = track.media, track.parameters, STEPS * (self.config.points - 1)
        if not isinstance(media, VideoMedia) or media.sample_format != SampleFormat():
            raise Malformed(f"a track of {self.id} is video with three planes of 8 bits")
        if len(parameters) != 1 or parameters[0] > most:
            raise Malformed(f"the parameters of {self.id} are one byte up to {most}")
        return media, parameters[0]

    def encode_units(
        self, signal: Clip, track: Track, plan: int, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """A unit for every group of frames; groups are encoded side by side on the threads that torch may use."""
        size, total = 0, len(signal.frames)

        def coded(pixels: np.ndarray) -> tuple[bytes, int, int]:
            coder = Encoder()
            frames = self.analyse_group(pixels, plan, options)
            self.traverse_group(coder, pixels.shape[1:3], plan, len(frames), frames)
            return coder.finish(), len(frames), coder.check

        starts = range(0, total, GROUP)
        groups = (np.asarray(signal.frames[first : first + GROUP]) for first in starts)
        for first, (data, length, check) in zip(starts, in_order(coded, groups, workers(len(starts))), strict=True):
            size += len(data)
            options.progress((first + length) / total, f"{size} bytes")
            yield Unit(number, (data,), length, last=first + length == total, key=True, check=check)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Clip:
        """The film of a track; raises Malformed, Damaged or SymbolMismatch."""
        return whole_film(self.parsed(track)[0], self.pieces(track, items))

    def pieces(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """All frames, uint8 [1, H, W, 3] each, of groups that are decoded side by side; raises as `decode`."""
        media, index = self.parsed(track)
        groups = in_order(
            lambda item: [*self.shown(self._read(item, media, index), media, index)], items, self._busy(media)
        )
        yield from counted((frame for group in groups for frame in group), media.total)

    def frames(self, track: Track, items: Iterable[Weights | Unit], first: int = 0) -> Iterator[np.ndarray]:
        """Frames uint8 [H, W, 3] one after the other, computed as they are asked for; raises as `decode`.

        first: number of the first frame of the first unit in `items`; no matter here.
        """
        media, index = self.parsed(track)
        for item in items:
            yield from self.shown(self._read(item, media, index), media, index)

    def _read(self, item: Weights | Unit, media: VideoMedia, index: int) -> list[Frame]:
        """The symbols of a unit."""
        if not isinstance(item, Unit) or len(item.streams) != 1 or not 0 < (item.outputs or 0) <= media.frames_per_unit:
            raise Malformed(f"units of {self.id} are one stream and 1 to {media.frames_per_unit} frames")
        coder = Decoder(item.streams[0])
        frames = self.traverse_group(coder, (media.height, media.width), index, item.outputs)
        verify(item.check, coder.check)
        coder.finish()
        return frames

    def _busy(self, media: VideoMedia) -> int:
        """Groups that are decoded at a time."""
        return workers(-(-(media.total or 1) // media.frames_per_unit))

    def memory(self, track: Track) -> int:
        """For each group at work its symbols, its frames and one of them in the making."""
        media, _ = self.parsed(track)
        pixels = (media.width + 2 * PATCH) * (media.height + 2 * PATCH)
        return self._busy(media) * pixels * (WORK + (SYMBOLS + 3) * media.frames_per_unit)

    def region(self, track: Track, crop: Crop) -> None:
        """Films have no tiles."""

    # Weights

    def _integers(self) -> dict[str, Any]:
        networks = self.row_networks.networks if self.row_networks else {}
        parts = {"change.": self.change_tables, "changed.": self.learned_change}
        return super()._integers() | parts | {f"rows.{name}.": network for name, network in networks.items()}

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored; scores as well, since those of another machine might round differently."""
        return super().export_state() | {"scores": self.row_networks.table}

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`."""
        super().import_state(state)
        part = {name: value.numpy() for name, value in state.items()}
        self.change_tables = Tables.from_state(under("change.", part))
        self.learned_change = Tables.from_state(under("changed.", part))
        self.change_residuals = completed(self.learned_change)
        names = ("past", "change", "near")
        networks = {name: Network.from_state(under(f"rows.{name}.", part)) for name in names}
        self.row_networks = RowNetworks(networks, state["scores"])
