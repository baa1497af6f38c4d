"""image/patch: an asymmetric patch codec whose table rows come from one integer linear layer.

After PULSE (arXiv 2609.18602): a 16x16 patch encoder, side information z with a factorised prior per rate point, rows of
zero-mean tables from z in integers, means in float in two checkerboard steps, a decoder at 1/16 resolution with a
renderer at 1/4. The means may differ in the last bit between machines; the symbols, residuals from the means, cannot.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import ImageMedia, Track, Unit, Weights, varint
from ...bitstream.errors import Damaged, Malformed
from ...entropy import Coder, Decoder, Encoder, IntegerLinear, Tables, gaussian
from ...entropy.network import Network
from ..base import LEAST_TILE, Codec, Options, verify
from ..blocks import pad_to
from ..compact import large, pack, rows_of, unpack
from ..parallel import in_order, workers
from ..precision import fast_layers
from ..signals import Crop, Picture
from . import refine
from .alpha import traverse_alpha
from .patch_net import (
    MEANS_OF_RESIDUALS,
    NO_MARGIN,
    PATCH,
    Margin,
    PatchConfig,
    PatchNet,
    checkerboard,
    decoder_halo,
    encoder_halo,
    synthesis_reach,
    trim,
)
from .planes import format_of, join, split
from .residuals import completed, learned
from .side import BOUND as SIDE_BOUND
from .side import Near, traverse_side
from .tiles import CELL, Box, Grid, Symbols, code_number, windows

STEPS = 16  # rate indices between two rate points
SKIP = 3  # latents whose row is below this are not sent: their scale is under 0.16
PRECISE = ("net.synthesis.transform.",)  # of which 8 bits would show at high rates
RARE = 1e-3  # what a z that was never seen counts
TILE = 32  # cells per side of a tile unless the user asks for others
LEAST = LEAST_TILE // CELL  # cells; smaller tiles would mostly consist of surroundings
WHOLE = 1 << 22  # pixels of the largest picture that is coded as one unit
WORK = 200  # bytes for each pixel at work, of which up to 177 were seen: latents, features and pixels in float32


class PatchCodec(Codec):
    """The patch codec; see the module. It codes pictures once `freeze` or loading has given it its integer parts."""

    id: ClassVar[str] = "image/patch"
    kind: ClassVar[str] = "image"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = PatchConfig
    Net: ClassVar[type] = PatchNet
    training_only: ClassVar[tuple[str, ...]] = ("net.head.", "net.side_")  # what `freeze` turns into integers

    def __init__(self, config: PatchConfig | None = None) -> None:
        super().__init__()
        self.config = config or self.Config()
        self.net = self.Net(self.config)
        self.head: IntegerLinear | None = None
        self.side_tables: Tables | None = None
        self.side_near: Near | None = None
        self.learned: Tables | None = None
        self.residual_tables = gaussian()
        self.stored: dict[str, int] = {}  # matrices that are stored as int8

    @property
    def halos(self) -> tuple[int, int]:
        """Cells around a tile that the encoder and the decoder look at."""
        return encoder_halo(self.config), decoder_halo(self.config)

    # Integers

    def freeze(self, side_counts: np.ndarray, near: Near | None = None, seen: np.ndarray | None = None) -> None:
        """Make the integer parts from the trained float ones; weights are rounded first as they are stored.

        Args:
            side_counts: how often each z was seen, int [points * side, 2 * 127 + 1].
            near: what the neighbours of a z tell about it.
            seen: how often each residual was coded with each row, as `residuals.learned` takes it.
        """
        self._round({name: rows for name, rows in large(self._floats()).items() if not name.startswith(PRECISE)})
        head = self.net.head
        self.head = IntegerLinear.freeze(head.weight.numpy(force=True), head.bias.numpy(force=True), SIDE_BOUND, 0, 63)
        self.side_tables, self.side_near = Tables.trimmed(side_counts + RARE, -SIDE_BOUND), near
        self.learned = None if seen is None else learned(seen)
        self.residual_tables = completed(self.learned)

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
        shape = (self.config.side, height, width)
        given = symbols and symbols.side
        side = traverse_side(coder, shape, self.side_tables, self.side_near, round(index / STEPS), given)
        rows = self.rows(side, index)
        residual = coder.code(symbols and symbols.residual, self.residual_tables.at(rows, skip=SKIP))
        plane = traverse_alpha(coder, size, symbols and symbols.alpha) if alpha else None
        return Symbols(side, residual, plane)

    # Pixels to symbols and back

    def transformed(self, picture: Picture, index: int) -> tuple[Tensor, Tensor, Tensor, np.ndarray | None]:
        """Padded pixels minus 127.5, scaled latents and whole-numbered z of a picture at a rate index, and its alpha."""
        colour, alpha = split(picture)
        pixels = pad_to(torch.from_numpy(colour).permute(2, 0, 1)[None].float() - 127.5, 2 * PATCH)
        with fast_layers():
            y = self.net.latents(pixels.contiguous(memory_format=torch.channels_last), torch.tensor([index / STEPS]))
            z = self.net.hyper(y).float().round().clamp(-SIDE_BOUND, SIDE_BOUND)
        return pixels, y, z, alpha

    @torch.no_grad()
    def analyse(self, picture: Picture, index: int, effort: int = 0, seed: int = 0) -> Symbols:
        """Quantise a picture at a rate index; `effort` chooses symbols that cost less for what they show."""
        pixels, y, z, alpha = self.transformed(picture, index)
        with fast_layers():
            first, features = self.net.means.start(z)
        point, side = torch.tensor([index / STEPS]), z[0].numpy().astype(np.int32)
        rows = torch.from_numpy(self.rows(side, index).astype(np.int64))[None]
        start = refine.Start(point, rows, (rows >= SKIP).float(), first, features.float())
        if effort >= min(refine.STEPS):
            y = refine.anneal_patch(self.net, pixels, y, start, effort, torch.Generator().manual_seed(seed))
        residual = refine.symbols(self.net, y, start, effort)
        return Symbols(side, residual[0].numpy().astype(np.int32), alpha)

    @torch.inference_mode()
    def synthesise(self, symbols: Symbols, size: tuple[int, int], index: int, margin: Margin = NO_MARGIN) -> Tensor:
        """RGB uint8 [height, width, 3] of symbols without their margin of context, given in latents."""
        z = torch.from_numpy(symbols.side).float()[None]
        residual = torch.from_numpy(symbols.residual).float()[None]
        reach = synthesis_reach(self.config)
        half = checkerboard(residual)
        with fast_layers():
            first, features = self.net.means.start(z)
        margin, residual, half, first, features = trim(
            margin, reach + MEANS_OF_RESIDUALS, residual, half, first, features
        )
        with fast_layers():
            means = self.net.means.update(first, features, residual * half)
            y = residual + first * half + means * (1 - half)
            margin, y = trim(margin, reach, y)
            y = y.contiguous(memory_format=torch.channels_last)
            pixels = self.net.pixels(y, torch.tensor([index / STEPS]), margin)
        pixels = (pixels + 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels[0, :, : size[0], : size[1]].permute(1, 2, 0)

    # The protocol

    def open(self, signal: Picture, options: Options) -> tuple[Track, int]:
        """Header of a picture; the plan is the rate index."""
        height, width = signal.pixels.shape[:2]
        index = round(options.quality / 100 * STEPS * (self.config.points - 1))
        media = ImageMedia(width, height, format_of(signal), None)
        tile = varint.encode(side) if (side := tile_side(height, width, options.tile)) else b""
        return Track(self.id, self.profile, True, bytes(8), media, bytes([index]) + tile), index

    def layout(self, track: Track) -> tuple[int, Grid]:
        """Rate index and tiles by the header; a picture without tiles is one tile. Raises Malformed."""
        media, parameters, most = track.media, track.parameters, STEPS * (self.config.points - 1)
        if not parameters or parameters[0] > most:
            raise Malformed(f"the parameters of {self.id} begin with a byte up to {most}")
        side = longest = -(-max(media.height, media.width) // CELL)
        if len(parameters) > 1:
            side, end = varint.decode(parameters, 1)
            if end != len(parameters) or not LEAST <= side < longest:
                raise Malformed(f"the tiles of a picture have sides of {LEAST} to {longest - 1} times {CELL} pixels")
        return parameters[0], Grid(media.height, media.width, side)

    def encode_units(
        self, signal: Picture, track: Track, plan: int, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """One unit with one stream for each tile; tiles are encoded side by side on the threads that torch may use."""
        _, grid = self.layout(track)
        size, count = 0, len(grid)

        def coded(tile: int) -> tuple[bytes, int]:
            symbols, coder = self._analyse_tile(signal, grid, tile, plan, options), Encoder()
            self._traverse_tile(coder, grid, plan, symbols.alpha is not None, tile, symbols)
            return coder.finish(), coder.check

        for tile, (data, check) in enumerate(in_order(coded, range(count), workers(count))):
            size += len(data)
            options.progress((tile + 1) / count, f"{size} bytes")
            yield Unit(number, (data,), None, last=tile == count - 1, key=True, check=check)

    def _analyse_tile(self, picture: Picture, grid: Grid, tile: int, index: int, options: Options) -> Symbols:
        """The symbols of a tile as those of the whole picture would have them, but for what effort makes of them."""
        box = grid.box(tile)
        around = grid.around(box, self.halos[0])
        part = Picture(picture.pixels[grid.pixels(around)])
        return self.analyse(part, index, options.effort, options.seed).part(around, box)

    def _traverse_tile(
        self, coder: Coder, grid: Grid, index: int, alpha: bool, tile: int | None = None, symbols: Symbols | None = None
    ) -> tuple[int, Symbols]:
        """The order of the symbols of a unit: the number of its tile, where there are several, and what is in it."""
        tile = code_number(coder, len(grid), tile)
        return tile, self.traverse(coder, grid.size(grid.box(tile)), index, alpha, symbols)

    def decode(
        self, track: Track, items: Iterable[Weights | Unit], crop: Crop | None = None, salvage: bool = False
    ) -> Picture:
        """The picture of a track, or a part of it.

        Args:
            track: its header.
            items: its units; with `crop` only those that `region` names.
            crop: the part, inside the picture.
            salvage: units may be missing; their tiles become black, and transparent where there is alpha.

        Raises:
            Malformed, Damaged, SymbolMismatch: the items are not what the encoder wrote.
        """
        index, grid = self.layout(track)
        form, crop = track.media.sample_format, crop or Crop(0, 0, grid.width, grid.height)
        halo, part = self.halos[1], grid.covering(crop)
        numbers = grid.meeting(grid.around(part, halo))
        tiles = self._tiles(items, numbers, grid, index, form.alpha, salvage)
        pixels = np.zeros((crop.height, crop.width, form.planes + form.alpha), np.uint8)

        def shown(window: tuple[int, Box, Symbols]) -> tuple[np.ndarray, tuple[slice, slice]]:
            block, around, symbols = window
            box = grid.box(block)
            colour = self.synthesise(symbols, grid.size(box), index, around.margin(box)).numpy()
            return join(colour, symbols.alpha, form.planes == 1).pixels, grid.pixels(box)

        for tile, where in in_order(shown, windows(grid, part, halo, tiles), workers(len(grid))):
            _place(pixels, crop, tile, where)
        return Picture(pixels)

    def _tiles(
        self,
        items: Iterable[Weights | Unit],
        numbers: Iterable[int],
        grid: Grid,
        index: int,
        alpha: bool,
        salvage: bool,
    ) -> Iterator[tuple[int, Symbols | None]]:
        """Numbers and symbols of the tiles `numbers`, which the items must hold in this order; None for one missing."""
        decoded = (self._read(item, grid, index, alpha) for item in items)
        tile = next(decoded, None)
        if tile is None and salvage:
            raise Damaged("no part of the picture is left")
        for number in numbers:
            if tile is not None and tile[0] == number:
                yield tile
                tile = next(decoded, None)
            elif salvage:
                yield number, None
            else:
                raise Malformed(f"tile {number} of {len(grid)} is not where it belongs")
        if tile is not None:
            raise Malformed(f"tile {tile[0]} of {len(grid)} is not where it belongs")

    def _read(self, item: Weights | Unit, grid: Grid, index: int, alpha: bool) -> tuple[int, Symbols]:
        """Number and symbols of the tile in a unit."""
        if not isinstance(item, Unit) or len(item.streams) != 1:
            raise Malformed(f"a picture of {self.id} is units with one stream")
        coder = Decoder(item.streams[0])
        tile = self._traverse_tile(coder, grid, index, alpha)
        verify(item.check, coder.check)
        coder.finish()
        return tile

    def region(self, track: Track, crop: Crop) -> tuple[list[int], int]:
        """Numbers of the units that a part of a picture needs, and bytes that decoding them takes."""
        _, grid = self.layout(track)
        numbers = [*grid.meeting(grid.around(grid.covering(crop), self.halos[1]))]
        return numbers, self._memory(track, grid, crop.width * crop.height, len(numbers))

    def memory(self, track: Track) -> int:
        """Bytes for the pixels, the tiles that wait for their neighbours, and one tile with its surroundings at work."""
        _, grid = self.layout(track)
        return self._memory(track, grid, grid.width * grid.height, len(grid))

    def _memory(self, track: Track, grid: Grid, pixels: int, tiles: int) -> int:
        form, config, halo = track.media.sample_format, self.config, self.halos[1]
        around = grid.around(grid.box(0), 2 * halo)  # as large as any with its surroundings
        work = WORK * CELL**2 * (around.bottom - around.top) * (around.right - around.left)
        if len(grid) == 1:
            return work
        symbols = CELL**2 + 4 * (config.side + 4 * config.latents)  # bytes of alpha, z and residuals in a cell
        waiting = min(grid.held(halo), tiles) * grid.side**2 * symbols
        busy = workers(tiles)  # tiles at work and tiles that wait to be put in their place
        return pixels * (form.planes + form.alpha) + waiting + busy * work

    # Weights

    def _floats(self) -> dict[str, Tensor]:
        state = self.net.state_dict(prefix="net.")
        return {name: value for name, value in state.items() if not name.startswith(self.training_only)}

    def _load(self, floats: dict[str, Tensor]) -> None:
        own = self.net.state_dict(prefix="net.")
        kept = {name: own[name] if name.startswith(self.training_only) else floats[name] for name in own}
        self.net.load_state_dict({name.removeprefix("net."): value for name, value in kept.items()})

    def _round(self, stored: dict[str, int]) -> None:
        """Round the float weights as they will be stored: the matrices `stored` as int8, others in half precision."""
        self.stored = stored
        self._load(unpack(pack(self._floats(), stored)))

    def _integers(self) -> dict[str, IntegerLinear | Tables | Near | Network | None]:
        """The integer parts by the prefix of their names."""
        return {"head.": self.head, "tables.": self.side_tables, "near.": self.side_near, "residuals.": self.learned}

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored: see `compact` for floats; integer parts have names of their own."""
        state = pack(self._floats(), self.stored)
        for prefix, part in self._integers().items():
            values = part.state() if part is not None else {}
            state |= {prefix + name: torch.from_numpy(np.array(value)) for name, value in values.items()}
        return state

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`."""
        floats = {name: value for name, value in state.items() if name.startswith("net.")}
        self.stored = rows_of(floats)
        self._load(unpack(floats))
        part = {name: value.numpy() for name, value in state.items()}
        self.head = IntegerLinear.from_state(under("head.", part))
        self.side_tables = Tables.from_state(under("tables.", part))
        near, residuals = under("near.", part), under("residuals.", part)
        self.side_near = Near.from_state(near) if near else None
        self.learned = Tables.from_state(residuals) if residuals else None
        self.residual_tables = completed(self.learned)

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the analysis."""
        unused = ("net.analysis.", "net.hyper.")
        return {name: value for name, value in self.export_state().items() if not name.startswith(unused)}


def under(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def tile_side(height: int, width: int, asked: int | None) -> int:
    """Cells per side of the tiles of a picture, given what the user asks for in pixels; 0 where it is coded whole."""
    side = TILE if asked is None else max(-(-asked // CELL), LEAST)
    whole = -(-max(height, width) // CELL) <= side or (asked is None and height * width <= WHOLE)
    return 0 if whole else side


def _place(pixels: np.ndarray, crop: Crop, tile: np.ndarray, where: tuple[slice, slice]) -> None:
    """Copy what a crop shows of a tile, whose rows and columns in the picture are `where`, into the crop's pixels."""
    inside, outside = [], []
    for start, length, place in zip((crop.y, crop.x), pixels.shape, where, strict=False):
        low, high = max(start, place.start), min(start + length, place.stop)
        inside.append(slice(low - start, high - start))
        outside.append(slice(low - place.start, high - place.start))
    pixels[tuple(inside)] = tile[tuple(outside)]
