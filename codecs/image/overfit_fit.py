"""Fitting image/overfit to one picture: latent grids and networks by gradient descent on error plus lambda times bits.

Cool-Chic (Ladune et al. 2023, 2024) and C3 (Kim et al. 2024): soft rounding that hardens and noise that shrinks, then hard
rounding. The networks may start from learned ones; then only their difference costs bits.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..optim import cosine
from ..parallel import Both, beside, in_turn
from ..soap import Soap
from .overfit_bands import MOST, Band, bands
from .overfit_net import GRIDS, WHOLE, Layout, Rise, rise, sizes
from .overfit_rate import GridBits, Mix

# Groups of tensors that share a step, a power of two, and its exponent where none is chosen.
GROUPS = (("arm.w", "arm.v"), ("arm.b",), ("up",), ("syn.w", "syn.v"), ("syn.b",), ("conv",))
EXPONENTS = (-5, -4, -7, -6, -7, -7)
AIM_FROM, STEER, CALIBRATE = 0.3, 18.0, 16  # share of the schedule, pull over the whole schedule, steps
LEAST = 0.02  # of the rates of learning while latents are soft
LONG = 400  # steps from which on networks learn at the full rate: in few steps they would not come back from the first ones
ENOUGH = 500  # steps of the networks: shorter fits of large pictures come nearer to that by bands
TURN = 10  # steps between two turns of the bases in which the networks learn
REPORT_EVERY = 0.25  # seconds
RESERVE = 0.06  # share of a time budget kept for the steps of weights and for coding
# Share of the schedule after which latents are rounded and stay, and the networks settle on them: latents that went on,
# straight through the rounding, would drift across it in numbers (measured: 10 % more loss). Weights are rounded last:
# rounded before, they cross to the next level by the noise of the optimiser and their bits double.
HARD = 0.93
# Largest shift of the places where latents round, and halvings to find the one that meets a rate.
SLACK, HALVINGS = 0.75, 8
ARM = ("arm.w1", "arm.w2", "arm.w3", "arm.v", "arm.b1", "arm.b2", "arm.b3")


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to fit.

    steps: of the optimiser; lagrangian: weight of a bit per pixel against the squared error of pixels in 0..1;
    gain: what a latent of 1 means to the synthesis; lr of latents and, in long fits, of networks at their peak;
    temperature and noise of the rounding at the start and when it hardens; warm: share of the schedule in which the rates
    of learning rise; calm: slope, in bits, below which a latent moves less than the rate of learning says; weigh: how
    much the bits of the networks count;
    bits or error: what the fit is to come to, by moving the weight of the rate.
    """

    steps: int
    lagrangian: float
    gain: float
    lr: float = 0.2
    lr_net: float = 0.025
    temperature: tuple[float, float] = (0.45, 0.12)
    noise: tuple[float, float] = (0.25, 0.16)
    warm: float = 0.1
    calm: float = 0.2
    weigh: float = 1.0
    seed: int = 0
    bits: float | None = None
    error: float | None = None


def group_of(name: str) -> int:
    """Number of the group of a tensor."""
    return next(number for number, prefixes in enumerate(GROUPS) if name.startswith(prefixes))


def group_bits(count: int, total: float) -> float:
    """About what a group of levels costs whose magnitudes have this sum: Laplace distributed, one scale."""
    return count * math.log2(1 + 2 * math.e * total / count)


def bits_of(
    grids: list[Tensor], tensors: dict[str, Tensor], learn: bool = False, band: Band | None = None
) -> list[Tensor]:
    """Estimated bits of every grid, or of what a band has of it; `learn` for gradients."""
    weights, bits = [tensors[name] for name in ARM], []
    band = band or bands(*grids[0].shape[1:], most=1)[0]
    for level, (first, end) in enumerate(band.columns):
        if first < end:
            bits.append(GridBits.apply(*band.blocks(grids, level), level, learn, *weights))
    return bits


def synthesise(
    grids: list[Tensor], tensors: dict[str, Tensor], gain: float, learn: bool = False, band: Band | None = None
) -> Tensor:
    """The picture of grids, or a band of it: float [B, 3, H, W], about 0..1; `learn` for gradients of the up-sampler."""
    parts, starts = band.crops(grids) if band else (grids, WHOLE)
    scaled = [part * gain for part in parts]
    x = rise(scaled, tensors["up"], starts) if learn else Rise.apply(tensors["up"].detach(), starts, *scaled)
    found = paint(x, tensors)
    return band.painted(found) if band else found


def paint(x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """The synthesis of grids at full size: float [B, GRIDS, H, W], channels last, to [B, 3, H, W]."""
    batch, _, height, width = x.shape
    flat = x.permute(0, 2, 3, 1).reshape(-1, GRIDS)
    x = Mix.apply(flat, *(tensors[f"syn.{name}"] for name in ("w1", "w2", "v", "b1", "b2")))
    x = x.view(batch, height, width, 3).permute(0, 3, 1, 2)
    convs = sum(name.startswith("conv.w") for name in tensors)
    for number in range(convs):
        around = F.pad(x, (1, 1, 1, 1), mode="replicate")
        x = x + F.conv2d(around, tensors[f"conv.w{number}"], tensors[f"conv.b{number}"])
        if number + 1 < convs:
            x = x.relu()
    return x


def soften(y: Tensor, temperature: float) -> Tensor:
    """Soft rounding: the identity at high temperatures, rounding at low ones (Agustsson and Theis 2020)."""
    base = torch.floor(y.detach()) + 0.5
    return base + torch.tanh((y - base) / temperature) * (0.5 / math.tanh(0.5 / temperature))


class Fit:
    """One fit, advanced step by step.

    pixels: float [B, 3, H, W], 0..1; start: networks to begin from and to code the difference to; latents: first values of
    all grids [B, h, w], finest first, or None for zeros; origin: what the coded differences are relative to.

    Where steps are few, each is as many as a large picture has bands: one looks at one band and moves its latents and the
    networks. Latents are kept by band, flat.
    """

    def __init__(
        self,
        pixels: Tensor,
        layout: Layout,
        recipe: Recipe,
        start: dict[str, Tensor],
        latents: list[Tensor] | None = None,
        origin: dict[str, Tensor] | None = None,
    ) -> None:
        self.pixels, self.layout, self.recipe = pixels, layout, recipe
        self.shapes = sizes(*pixels.shape[2:])
        most = 1 if len(pixels) > 1 else max(1, min(MOST, round(ENOUGH / recipe.steps)))
        self.bands = bands(*pixels.shape[2:], most=most)
        first = latents or [torch.zeros(len(pixels), *shape) for shape in self.shapes]
        self.latents = [part.requires_grad_() for part in self.parts(first)]
        self.soft = [part.detach() for part in self.latents]
        self.slopes = [[torch.zeros_like(part) for part in self.soft] for _ in self.bands]
        self.tensors = {name: value.clone().requires_grad_() for name, value in start.items()}
        self.origin = origin or {name: torch.zeros_like(value) for name, value in start.items()}
        self.generator = torch.Generator().manual_seed(recipe.seed)
        learned = [value for name, value in self.tensors.items() if name != "up"]
        self.rate = recipe.lagrangian / pixels[:, 0].numel()
        eps = recipe.calm * self.rate
        self.movers = [torch.optim.Adam([part], betas=(0.9, 0.99), eps=eps, fused=True) for part in self.latents]
        self.steps = recipe.steps * len(self.bands)  # of the networks
        self.teacher, self.lr_net = Soap(learned, every=TURN), recipe.lr_net * min(1.0, self.steps / LONG)
        self.exponents, self.rounded, self.shift, self.interrupted = list(EXPONENTS), None, 0.0, False
        self.refined: dict[str, Tensor] = {}
        self.bias = {"bits": 1.0, "error": 1.0}
        self.done, self.seen, self.net_bits = 0, [(0.0, 0.0)], 0.0

    def parts(self, grids: list[Tensor]) -> list[Tensor]:
        """Grids float [B, h, w] as latents by band, flat."""
        found = []
        for band in self.bands:
            own = [grid[..., first:end].reshape(-1) for grid, (first, end) in zip(grids, band.columns, strict=True)]
            found.append(torch.cat(own))
        return found

    def grids(self, parts: list[Tensor]) -> list[Tensor]:
        """The inverse of `parts`."""
        found: list[list[Tensor]] = [[] for _ in self.shapes]
        for part, band in zip(parts, self.bands, strict=True):
            shapes = [
                (len(self.pixels), height, end - first)
                for (first, end), (height, _) in zip(band.columns, self.shapes, strict=True)
            ]
            for own, piece, shape in zip(found, part.split([math.prod(s) for s in shapes]), shapes, strict=True):
                own.append(piece.view(shape))
        return [torch.cat(own, 2) if len(own) > 1 else own[0] for own in found]

    def hard(self) -> list[Tensor]:
        """Rounded latents; a positive shift takes more of them towards zero."""
        values = [part.detach() for part in self.latents]
        return [(x.abs() + (0.5 - self.shift)).floor_().clamp_(min=0).copysign_(x) for x in values]

    def quantised(self, fraction: float, turn: int) -> Tensor:
        """Latents of a band as the networks see them at this point of the schedule, before they are rounded."""
        share, latents = fraction / HARD, self.latents[turn]
        temperature, scale = (low + (high - low) * share for low, high in (self.recipe.temperature, self.recipe.noise))
        noise = torch.randn(latents.shape, generator=self.generator) * scale
        return soften(soften(latents, temperature) + noise, temperature)

    @property
    def bits(self) -> float:
        """Estimated bits of the latents, when each band was seen last."""
        return sum(bits for bits, _ in self.seen) * len(self.bands) / len(self.seen)

    @property
    def error(self) -> float:
        """Squared error, when each band was seen last."""
        return sum(error for _, error in self.seen) * len(self.bands) / len(self.seen)

    def levels(self, name: str) -> Tensor:
        """A tensor's difference to its origin in steps, rounded."""
        if self.refined:
            return self.refined[name]
        step = 2.0 ** self.exponents[group_of(name)]
        return ((self.tensors[name].detach() - self.origin[name]) / step).round()

    def networks(self) -> dict[str, Tensor]:
        """The networks with rounded differences."""
        return {
            name: origin + self.levels(name) * 2.0 ** self.exponents[group_of(name)]
            for name, origin in self.origin.items()
        }

    def weight_bits(self) -> Tensor:
        """About what the networks cost: Laplace distributed levels, one scale for each group."""
        sums, counts = [torch.zeros(()) for _ in GROUPS], [0] * len(GROUPS)
        for name, value in self.tensors.items():
            group = group_of(name)
            sums[group] = sums[group] + (value - self.origin[name]).abs().sum() * 2.0 ** -self.exponents[group]
            counts[group] += value.numel()
        means = [total / count for total, count in zip(sums, counts, strict=True)]
        return sum(count * torch.log2(1 + 2 * math.e * mean) for count, mean in zip(counts, means, strict=True))

    def level_bits(self) -> float:
        """The same for the levels that are written."""
        bits = 0.0
        for group in range(len(GROUPS)):
            levels = torch.cat([self.levels(name).reshape(-1) for name in self.tensors if group_of(name) == group])
            bits += group_bits(len(levels), float(levels.abs().sum()))
        return bits

    def factor(self, fraction: float) -> float:
        """Of the learning rates: half a cosine, then, with everything rounded, a fifth down to nothing."""
        if fraction < HARD:
            return LEAST + (1 - LEAST) * cosine(fraction / HARD, self.recipe.warm, LEAST)
        return 0.2 * (1 - fraction) / (1 - HARD)

    def advance(self, fraction: float, both: Both = in_turn) -> None:
        """One step at `fraction` (0..1) of the schedule; `both` runs its two halves."""
        hard, turn = fraction >= HARD, self.done % len(self.bands)
        if hard and self.rounded is None:
            self.land(self.tensors)
            self.rounded = self.hard()
        for mover, lr in ((self.movers[turn], self.recipe.lr), (self.teacher, self.lr_net)):
            mover.param_groups[0]["lr"] = lr * self.factor(fraction)
            mover.zero_grad()
        if not hard:
            flat = self.quantised(fraction, turn)
            self.soft[turn] = flat.detach()
        now = self.rounded if hard else self.soft
        seen = [[part.detach().requires_grad_(not hard) for part in now] for _ in range(2)]
        band = self.bands[turn]
        found = both(lambda: self._rate(seen[0], band), lambda: self._distortion(seen[1], band))
        self.seen = [*self.seen[self.done == 0 :], found][-len(self.bands) :]
        extra = self.weight_bits()
        (self.rate * self.recipe.weigh / len(self.bands) * extra).backward()
        if not hard:
            self.slopes[turn] = [one.grad + other.grad for one, other in zip(*seen, strict=True)]
            # What the latents of a band do to others is known from when those were seen last.
            flat.backward(sum(slopes[turn] for slopes in self.slopes))
            self.movers[turn].step()
        self.teacher.step()
        self.done += 1
        self.net_bits = float(extra.detach())
        if (self.recipe.bits or self.recipe.error) and AIM_FROM < fraction < HARD:
            self.steer()

    def _rate(self, parts: list[Tensor], band: Band) -> float:
        """Bits of a band, and the gradients of what they count for latents and entropy network."""
        bits = sum(bits_of(self.grids(parts), self.tensors, True, band))
        (self.rate * bits).backward()
        return float(bits.detach())

    def _distortion(self, parts: list[Tensor], band: Band) -> float:
        """What a band has of the squared error, and its gradients for latents and synthesis."""
        found = synthesise(self.grids(parts), self.tensors, self.recipe.gain, band=band)
        error = (found - band.inside(self.pixels)).square().sum() / self.pixels.numel()
        error.backward()
        return float(error.detach())

    def steer(self) -> None:
        """Move the weight of the rate towards what is aimed at; now and then compare soft and hard rounding."""
        if self.done % (CALIBRATE * len(self.bands)) == 0:
            bits, extra, error = self.measure(self.tensors)  # as the steps of the weights are not chosen yet
            self.bias["bits"] = (bits + extra) / (self.bits + self.net_bits)
            self.bias["error"] = error / self.error
        if self.recipe.bits:
            miss = math.log(self.bias["bits"] * (self.bits + self.net_bits) / self.recipe.bits)
        else:
            miss = math.log(self.recipe.error / (self.bias["error"] * self.error))
        self.rate *= math.exp(min(0.1, STEER / self.recipe.steps) / len(self.bands) * max(-0.7, min(0.7, miss)))

    @torch.no_grad()
    def measure(self, tensors: dict[str, Tensor] | None = None) -> tuple[float, float, float]:
        """Bits of latents, bits of networks (both estimated) and squared error of what would be written now.

        tensors: networks to take instead of those with rounded differences.
        """
        grids, tensors = self.grids(self.hard()), tensors or self.networks()
        bits = float(sum(bits_of(grids, tensors)))
        pixels = synthesise(grids, tensors, self.recipe.gain).mul(255).round().clamp(0, 255) / 255
        return bits, self.level_bits(), float((pixels - self.pixels).square().mean())

    @torch.no_grad()
    def land(self, tensors: dict[str, Tensor]) -> None:
        """Where a rate or an error is aimed at, shift the places where latents round until the estimate with networks meets it."""
        if not self.recipe.bits and not self.recipe.error:
            return
        low, high = -SLACK, SLACK
        for _ in range(HALVINGS):
            self.shift = (low + high) / 2
            bits, extra, error = self.measure(tensors)
            more = error < self.recipe.error if self.recipe.error else bits + extra > self.recipe.bits
            low, high = (self.shift, high) if more else (low, self.shift)

    def result(self) -> tuple[dict[str, np.ndarray], list[int], list[np.ndarray]]:
        """What is written: levels int64 by tensor, exponents by group, grids int32 [h, w], finest first."""
        self.land(self.networks())
        levels = {name: self.levels(name).numpy().astype(np.int64) for name in self.tensors}
        grids = [grid[0].numpy().astype(np.int32) for grid in self.grids(self.hard())]
        return levels, list(self.exponents), grids


def fit(work: Fit, seconds: float | None, progress: Callable[[float, str], None]) -> Fit:
    """Carry a fit through its steps, or through a time budget; an interrupt ends it with what it has come to.

    `progress` is told the fraction done, bits per pixel and PSNR.
    """
    began = told = time.monotonic()
    pixels, fraction = work.pixels[0, 0].numel(), 0.0
    try:
        with beside() as both:
            while fraction < 1:
                work.advance(fraction, both)
                now = time.monotonic()
                fraction = work.done / work.steps
                if seconds is not None:
                    fraction = (now - began) / max(1e-3, seconds * (1 - RESERVE))
                if now - told > REPORT_EVERY or fraction >= 1:
                    told = now
                    rate = (work.bits + work.net_bits) / pixels
                    progress(min(fraction, 1.0), f"{rate:.3f} bpp, {-10 * math.log10(max(work.error, 1e-10)):.2f} dB")
    except KeyboardInterrupt:
        work.interrupted = True
        progress(fraction, "interrupted: writing what there is")
    return work
