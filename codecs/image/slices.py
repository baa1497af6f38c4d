"""image/slices: the transforms of image/patch with a context-rich entropy model, in slices of channels and two halves.

After ELIC (uneven slices, checkerboard), MLIC++ and MLICv2 (context modules; see `context`). Means come from float networks
and move with them by a hair; table rows come from integer networks on decoded integers alone, so symbols decode exactly
everywhere. Tiles of a large picture are coded each for itself, without surroundings.
"""

import itertools
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...entropy import Coder, IntegerLinear, Model, Tables
from ...entropy.network import Network
from ..blocks import gaussian_bits
from ..freezing import freeze
from ..precision import fast_layers
from ..signals import Picture
from . import refine
from .alpha import traverse_alpha
from .patch import SKIP, STEPS, PatchCodec, under
from .patch_net import NO_MARGIN, PATCH, Margin, weight_of
from .residuals import completed
from .side import BOUND as SIDE_BOUND
from .side import Near, traverse_side
from .slices_net import FINE, MOST_ROW, SCORE_BOUND, RowInputs, SlicesConfig, SlicesNet
from .tiles import Symbols

MOST_CORRECTION = FINE * MOST_ROW
LEAST = 1024  # elements of a matrix that is stored in 8 bits
REFRESH = 30  # steps of annealing after which rows are found again


class SlicesCodec(PatchCodec):
    """The slices codec; see the module. It codes pictures once `freeze_rows` or loading has given it its integer parts."""

    id: ClassVar[str] = "image/slices"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = SlicesConfig
    Net: ClassVar[type] = SlicesNet
    training_only: ClassVar[tuple[str, ...]] = ("net.head.", "net.side_", "net.row_networks.")

    def __init__(self, config: SlicesConfig | None = None) -> None:
        super().__init__(config)
        self.row_networks: list[Network] = []
        self.score_table: Tensor = self.net.score_table

    @property
    def halos(self) -> tuple[int, int]:
        """None: attention over all of a picture has no halo, so tiles do without."""
        return 0, 0

    # Integers

    def freeze_rows(
        self, side_tables: Tables, side_near: Near | None, learned_tables: Tables, calibration: list[Tensor]
    ) -> None:
        """Make the integer parts from the trained float ones; other weights are rounded as they are stored.

        Args:
            side_tables: static tables of z, `points` times `side` rows.
            side_near: what the neighbours of a z tell about it.
            learned_tables: tables of residuals for the first rows; those of the others are Gaussian.
            calibration: inputs of the network of every step as they come up, [N, channels, h, w].
        """
        net = self.net
        weight, bias = (x.numpy(force=True) * FINE for x in (net.head.weight, net.head.bias))
        self.head = IntegerLinear.freeze(weight, bias, SIDE_BOUND, 0, MOST_CORRECTION)
        self.side_tables, self.side_near, self.learned = side_tables, side_near, learned_tables
        self.residual_tables, self.score_table = completed(learned_tables), net.score_table
        self.row_networks = [
            freeze(
                network, inputs, low=-MOST_CORRECTION, high=MOST_CORRECTION, resolution=FINE, input_bound=SCORE_BOUND
            )
            for network, inputs in zip(net.row_networks, calibration, strict=True)
        ]
        floats = self._floats()
        self._round({name: 1 for name, value in floats.items() if value.dim() > 1 and value.numel() >= LEAST})

    def _rows_of(self, place: int, state: RowInputs) -> np.ndarray:
        """Table rows of all latents in the slice of a step, uint8 [own, h, w]: integers only."""
        step = self.net.steps[place]
        correction = self.row_networks[place](state.inputs(step)[0].numpy())
        fine = state.base[0, step.channels].numpy() + correction
        return np.clip((fine + FINE // 2) // FINE, 0, MOST_ROW).astype(np.uint8)

    def traverse(
        self, coder: Coder, size: tuple[int, int], index: int, alpha: bool, symbols: Symbols | None = None
    ) -> Symbols:
        """The order of the symbols of a picture of `size` (height, width) at rate index 0 .. 16 * (points - 1)."""
        height, width = (-(-side // (2 * PATCH)) for side in size)
        given, shape = symbols and symbols.side, (self.config.side, height, width)
        side = traverse_side(coder, shape, self.side_tables, self.side_near, round(index / STEPS), given)
        state = RowInputs(
            self.config, self.score_table, torch.from_numpy(self.rows(side, index).astype(np.int32))[None]
        )
        residual = np.zeros((self.config.latents, 2 * height, 2 * width), np.int32)
        for place, step in enumerate(self.net.steps):
            rows, mask = self._rows_of(place, state), step.mask(2 * height, 2 * width).numpy()
            given = None if symbols is None or symbols.residual is None else symbols.residual[step.channels][mask]
            residual[step.channels][mask] = coder.code(given, self.residual_tables.at(rows[mask], skip=SKIP))
            state.take(step, torch.from_numpy(rows)[None], torch.from_numpy(residual[step.channels])[None])
        plane = traverse_alpha(coder, size, symbols and symbols.alpha) if alpha else None
        return Symbols(side, residual, plane)

    # Pixels to symbols and back

    @torch.no_grad()
    def analyse(self, picture: Picture, index: int, effort: int = 0, seed: int = 0) -> Symbols:
        """Quantise a picture at a rate index; `effort` chooses symbols that cost less for what they show."""
        pixels, y, z, alpha = self.transformed(picture, index)
        if effort >= min(refine.STEPS):
            y = self._annealed(pixels, y, z, index, effort, torch.Generator().manual_seed(seed))
        symbols = self._quantised(y, z, index, refine.ROUNDING <= effort < min(refine.STEPS))[0]
        return Symbols(symbols.side, symbols.residual, alpha)

    def _quantised(self, y: Tensor, z: Tensor, index: int, cheap: bool = False) -> tuple[Symbols, Tensor]:
        """Symbols of latents and z, and the table row of every latent [latents, h, w]."""
        quantiser = Quantiser(self.net, y, z, torch.tensor([index / STEPS]), cheap)
        given = Symbols(z[0].numpy().astype(np.int32), None, None)
        symbols = self.traverse(quantiser, tuple(PATCH * side for side in y.shape[-2:]), index, False, given)
        return symbols, quantiser.rows

    def _annealed(
        self, pixels: Tensor, y: Tensor, z: Tensor, index: int, effort: int, generator: torch.Generator
    ) -> Tensor:
        """Latents that cost less for what they show; rows follow what is chosen now and then."""
        point, calls = torch.tensor([index / STEPS]), itertools.count()
        scale = sent = torch.empty(0)

        def code(y: Tensor, choose: refine.Choice) -> tuple[Tensor, Tensor]:
            nonlocal scale, sent
            if next(calls) % REFRESH == 0:
                with torch.no_grad(), torch.autocast("cpu", enabled=False):
                    rows = self._quantised(y.detach(), z, index)[1][None]
                scale, sent = refine.SCALES[rows], (rows >= SKIP).float()
            walk, bits = self.net.walk(z), torch.zeros(())
            for step in self.net.steps:
                part, means = step.channels, walk.means(step)
                residual = choose(y[:, part] - means) * sent[:, part]
                walk.take(step, means, residual)
                mask = step.mask(*y.shape[-2:])
                bits = bits + (gaussian_bits(residual, scale[:, part]) * sent[:, part] * mask).sum()
            return bits, self.net.pixels(walk.latents, point)

        return refine.anneal(pixels, y, weight_of(self.config, point), effort, generator, code)

    @torch.inference_mode()
    def synthesise(self, symbols: Symbols, size: tuple[int, int], index: int, margin: Margin = NO_MARGIN) -> Tensor:
        """RGB uint8 [height, width, 3] of symbols; the margin is always empty."""
        z, residual = (torch.from_numpy(part).float()[None] for part in (symbols.side, symbols.residual))
        y = self.net.decoded(z, residual).contiguous(memory_format=torch.channels_last)
        with fast_layers():
            pixels = self.net.pixels(y, torch.tensor([index / STEPS]), margin)
        pixels = (pixels + 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels[0, :, : size[0], : size[1]].permute(1, 2, 0)

    # Weights

    def _integers(self) -> dict[str, IntegerLinear | Tables | Near | Network | None]:
        return super()._integers() | {f"rows.{place}.": network for place, network in enumerate(self.row_networks)}

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored; scores as well, since those of another machine might round differently."""
        return super().export_state() | {"scores": self.score_table}

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`."""
        super().import_state(state)
        self.score_table = state["scores"]
        part = {name: value.numpy() for name, value in state.items() if name.startswith("rows.")}
        self.row_networks = [Network.from_state(under(f"rows.{n}.", part)) for n in range(len(self.net.steps))]


class Quantiser:
    """A coder that chooses the symbols where none are given: residuals of latents from the means known at each step."""

    def __init__(self, net: SlicesNet, y: Tensor, z: Tensor, point: Tensor, cheap: bool) -> None:
        self.net, self.y, self.cheap = net, y, cheap
        self.rows = torch.zeros(y.shape[1:], dtype=torch.long)
        self.price = refine.price_of(net, point)
        self.walk = net.walk(z)
        self.place = -1

    def code(self, symbols: np.ndarray | None, model: Model) -> np.ndarray:
        """The symbols of the next call of `traverse`."""
        if symbols is not None:
            return symbols.astype(np.int32)
        self.place += 1
        step = self.net.steps[self.place]
        means, mask = self.walk.means(step), step.mask(*self.y.shape[-2:])
        left = (self.y[:, step.channels] - means)[0][mask]
        rows = torch.from_numpy(model.rows.astype(np.int64))
        self.rows[step.channels][mask] = rows
        price = self.price[0, step.channels].expand(mask.shape)[mask]
        chosen = refine.cheap(left, rows, price) if self.cheap else left.round()
        chosen = chosen * (rows >= model.skip)
        residual = torch.zeros_like(means)
        residual[0][mask] = chosen
        self.walk.take(step, means, residual)
        return chosen.numpy().astype(np.int32)
