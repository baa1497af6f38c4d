"""Training of where image/overfit begins: networks for five rate points and an analysis, jointly on many pictures.

The networks of the smaller preset and the analysis first, then from their weights those of the larger one, then the analysis
alone for both; ALL is "--data DATA --precision float32":
python -m triptych.tools.train image_overfit.small ALL --out runs/small --export runs/small
python -m triptych.tools.train image_overfit.larger --start SMALL ALL --out runs/larger --export runs/larger
python -m triptych.tools.train image_overfit.default --start BOTH ALL --out runs/overfit --export weights
SMALL and BOTH are the files that the steps before leave in runs/small and runs/larger.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from ...codecs.image.overfit import OverfitCodec, OverfitConfig, Parameters
from ...codecs.image.overfit_bands import Band
from ...codecs.image.overfit_fit import HARD, Fit, bits_of, soften, synthesise
from ...codecs.image.overfit_fit import Recipe as Steps
from ...codecs.image.overfit_net import PRESETS, fresh, widened
from ...codecs.image.overfit_start import POINTS, Sets, gain, lagrangian
from .. import models
from ..train import Recipe
from .image_patch import DATA, _middle
from .packs import decoded

PICTURES = 300
HELD = " Of these the first 300, every 30th kept for validation."
SETTLED = """ After the steps, 24 crops of 256x256 are fitted at each of the five rate points for 300 steps, networks shared and
latents their own, the larger preset from the latents of the smaller."""
COARSE = 4  # the first of the grids that cost little at first
CHEAP, FREE = 0.05, 0.35  # what their bits count for, and in which share of settling


def default(start: Path | None = None) -> Recipe:
    """The analysis alone, crops of 256x256, from weights `start` of `larger`, whose networks stay."""
    return replace(
        small(),
        name="image_overfit.default",
        make=lambda: both(learns=()),
        task=lambda: OverfitTask(crop=256, origin=start, settles=False),
        steps=4000,
        batch=2,
        lr=1e-3,
        data=DATA + HELD,
    )


def larger(start: Path | None = None) -> Recipe:
    """Networks of the preset `hop` and the analysis, crops of 128x128, from weights `start` of `small`; those of `mop` stay."""
    return replace(
        small(),
        name="image_overfit.larger",
        make=lambda: both(learns=("hop",)),
        task=lambda: OverfitTask(crop=128, origin=start),
        steps=24000,
    )


def small() -> Recipe:
    """Networks of the preset `mop` and the analysis from nothing, crops of 128x128."""
    return Recipe(
        name="image_overfit.small",
        make=lambda: OverfitCodec(OverfitConfig("mop")),
        task=lambda: OverfitTask(crop=128),
        steps=16000,
        batch=6,
        lr=2e-3,
        warmup=100,
        ema=0.998,
        validate_every=1000,
        save_every=500,
        data=DATA + HELD + SETTLED,
    )


def smoke() -> Recipe:
    """A few steps, for tests."""
    return Recipe(
        name="image_overfit.smoke",
        make=lambda: OverfitCodec(OverfitConfig("lop")),
        task=lambda: OverfitTask(crop=32, most=8, joint=2, joint_crop=32, joint_steps=4),
        steps=12,
        batch=2,
        lr=3e-3,
        warmup=2,
        validate_every=10,
        save_every=10,
    )


def both(learns: tuple[str, ...]) -> OverfitCodec:
    """The codec that ships, of which the networks of these presets are trained.

    Their up-sampler stays the one they begin with: where it was trained too, one of its kernels came to pass no mean on, and
    the grids before it were lost to the preset.
    """
    codec = OverfitCodec(OverfitConfig("mop", larger="hop"))
    for preset, sets in codec.sets.items():
        sets.requires_grad_(preset in learns)
        sets["up"].requires_grad_(False)
    return codec


class Settling(Fit):
    """A fit in which the coarsest grids cost little at first: networks that do not use them would never begin to."""

    def _rate(self, parts: list[Tensor], band: Band) -> float:
        bits, first = bits_of(self.grids(parts), self.tensors, True, band), self.done < FREE * self.steps
        total = sum(own * (CHEAP if first and level >= COARSE else 1.0) for level, own in enumerate(bits))
        (self.rate * total).backward()
        return float(total.detach())


class OverfitTask:
    """Pictures in memory, random crops; error plus lambda times bits at one random quality a step.

    joint: crops of `joint_crop` pixels a side on which networks settle at the end, unless not `settles`: then networks stay.
    """

    def __init__(
        self,
        crop: int,
        most: int = PICTURES,
        joint: int = 24,
        joint_crop: int = 256,
        joint_steps: int = 300,
        origin: Path | None = None,
        settles: bool = True,
    ) -> None:
        self.crop, self.most, self.origin, self.settles = crop, most, origin, settles
        self.joint, self.joint_crop, self.joint_steps = joint, joint_crop, joint_steps

    def load(self, data: Path, generator: Generator) -> None:
        """The first pictures of `train/images`; every 30th is kept for validation, its centre only."""
        found = islice(decoded(data / "train" / "images"), self.most)
        found = [p for p in found if min(p.shape[:2]) >= max(self.crop, self.joint_crop)]
        self.pictures = [p for i, p in enumerate(found) if i % 30]
        self.held = [_middle(p, 256) for p in found[::30]]

    def start(self, codec: OverfitCodec, generator: Generator) -> None:
        """Random networks; or those that are known of `origin`, and others that these grow to, without effect yet."""
        if not codec.config.larger:
            return
        if self.origin is None:
            raise ValueError("a larger preset begins with the weights of the smaller one: name them with --start")
        known = models.from_file(self.origin)
        codec.analysis.load_state_dict(known.analysis.state_dict())
        for preset, sets in codec.sets.items():
            own = known.nearest(preset)
            for point in range(POINTS):
                learned = known.origin(Parameters(own, True, 100 * point // (POINTS - 1), 0))
                learned = PRESETS[own].grown(learned, sets.layout)
                floats = {name: torch.from_numpy(value).float() for name, value in learned.items()}
                if own != preset:
                    floats = widened(floats, fresh(sets.layout, generator), PRESETS[own])
                for name, value in floats.items():
                    sets[name].data[point] = value

    def batch(self, size: int, generator: Generator, crop: int | None = None) -> Tensor:
        """Random crops, half of them reduced by two, mirrored at random: uint8 [size, 3, crop, crop]."""
        crops, own = [], crop or self.crop
        for _ in range(size):
            u = torch.rand(5, generator=generator).tolist()
            picture = self.pictures[int(u[0] * len(self.pictures))]
            scale = 2 if u[4] < 0.5 and min(picture.shape[:2]) >= 2 * own else 1
            side = own * scale
            top, left = (int(v * (n - side + 1)) for v, n in zip(u[1:3], picture.shape, strict=False))
            crop = picture[top : top + side, left : left + side]
            if scale == 2:
                crop = crop.reshape(own, 2, own, 2, 3).mean((1, 3)).round().astype(np.uint8)
            crops.append(crop[:, ::-1] if u[3] < 0.5 else crop)
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)

    def losses(self, codec: OverfitCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """One quality a step, so that all crops share one set of networks."""
        quality = 100 * float(torch.rand((), generator=generator))
        pixels = batch.float() / 255
        temperature = 0.35 * (0.12 / 0.35) ** progress
        soft = []
        for grid in codec.analysis(pixels, quality):
            noise = torch.randn(grid.shape, generator=generator) * (0.2 - 0.06 * progress)
            soft.append(soften(soften(grid, temperature) + noise, temperature))
        return self._loss(soft, trained(codec).at(quality), pixels, quality)

    def _loss(
        self, grids: list[Tensor], tensors: dict[str, Tensor], pixels: Tensor, quality: float
    ) -> dict[str, Tensor]:
        weight = lagrangian(quality)
        bits = sum(bits_of(grids, tensors, torch.is_grad_enabled())) / pixels[:, 0].numel()
        error = (synthesise(grids, tensors, gain(quality), torch.is_grad_enabled()) - pixels).square().mean()
        # Divided by a power of lambda so that all rates count alike.
        return {"loss": (error + weight * bits) / weight**0.8, "bpp": bits, "mse": error}

    def validate(self, codec: OverfitCodec) -> dict[str, float]:
        """Bits per pixel, PSNR and loss at the rate points, latents rounded."""
        figures: dict[str, float] = {"loss": 0.0}
        for point in range(POINTS):
            quality, sums = 100 * point / (POINTS - 1), np.zeros(3)
            for picture in self.held:
                pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
                grids = [grid.round() for grid in codec.analysis(pixels, quality)]
                found = self._loss(grids, trained(codec).at(quality), pixels, quality)
                sums += [float(found[name]) for name in ("loss", "bpp", "mse")]
            loss, bpp, mse = sums / len(self.held)
            figures |= {f"bpp{point}": bpp, f"psnr{point}": -10 * np.log10(mse)}
            figures["loss"] += loss / POINTS
        return figures

    def sample(self, codec: OverfitCodec, folder: Path, step: int) -> None:
        """The first validation picture at three rates beside the original."""
        pixels = torch.from_numpy(self.held[0]).permute(2, 0, 1)[None].float() / 255
        columns = [pixels]
        for quality in (10.0, 50.0, 90.0):
            grids = [grid.round() for grid in codec.analysis(pixels, quality)]
            columns.append(synthesise(grids, trained(codec).at(quality), gain(quality)))
        strip = torch.cat(columns, 3)[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
        Image.fromarray(strip).save(folder / "sample.png")

    def finish(self, codec: OverfitCodec) -> None:
        """Fit crops at every rate point, networks shared and latents their own; then round to the integers that ship.

        Latents that are fitted are not distributed as those of the analysis: networks for the former are what a fit needs.
        """
        if self.settles:
            pixels = self.batch(self.joint, Generator().manual_seed(11), self.joint_crop).float() / 255
            for point in range(POINTS):
                latents = [grid.detach() for grid in codec.analysis(pixels, 100 * point / (POINTS - 1))]
                for sets in codec.sets.values():  # a grid means the same to all, so one analysis is for all
                    latents = self._settle(sets, point, pixels, latents)
        codec.freeze()

    def _settle(self, sets: Sets, point: int, pixels: Tensor, latents: list[Tensor]) -> list[Tensor]:
        """Fit the networks of one rate point to pictures whose latents are fitted too, from these on; gives the latents."""
        quality = 100 * point / (POINTS - 1)
        recipe = Steps(self.joint_steps, lagrangian(quality), gain(quality), lr_net=0.02, weigh=0.0)
        start = {name: sets[name][point].detach().clone() for name in sets.names}
        work = Settling(pixels, sets.layout, recipe, start, latents, start)
        for step in range(self.joint_steps):
            work.advance(HARD * step / self.joint_steps)
            if step % 50 == 0 or step + 1 == self.joint_steps:
                print(f"point {point} step {step}: {work.bits / pixels[:, 0].numel():.3f} bpp, {work.error:.6f}")
        with torch.no_grad():
            for name, value in work.tensors.items():
                sets[name][point] = value
        return work.grids([part.detach() for part in work.latents])


def trained(codec: OverfitCodec) -> Sets:
    """The networks that learn; where all stay, those of the smaller preset: grids mean the same to the larger one."""
    sets = list(codec.sets.values())
    return next((own for own in sets if next(own.parameters()).requires_grad), sets[0])
