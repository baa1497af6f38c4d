"""Fitting an HNeRV decoder to one clip: Muon and free embeddings, then learned quantiser steps and a rate term."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..optim import Muon, RowAdam, cosine
from . import start
from .aim import Aim
from .levels import Quantised
from .nerv import Encoder, Layout, initial, render

REPORT_EVERY = 0.25  # seconds
HURRY = 0.1  # of the time so far, for what is left of the schedule after an interrupt


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to fit.

    seconds: wall-clock budget; without one, `steps` are done, and equal seeds and thread counts give equal results.
    rate: weight of the bits per value against the logarithm of the squared error; 0.1 leads to about 4.4 bits.
    quantise, settle: shares of the schedule at which rounding begins and steps stop at powers of two.
    spread: standard deviation of the first embeddings. lr of Muon, of Adam for biases and head, per visit of an embedding.
    fast: convolutions in bfloat16; encoder: ConvNeXt instead of free embeddings until rounding begins.
    bits: what the coded network should come to; None leaves it to `rate`.
    """

    steps: int
    seconds: float | None = None
    batch: int = 1
    lr: float = 0.03
    lr_rest: float = 0.01
    lr_embedding: float = 0.03
    lr_encoder: float = 0.003
    lr_step: float = 0.02
    spread: float = 1.0
    rate: float = 0.12
    quantise: float = 0.7
    settle: float = 0.88
    seed: int = 0
    fast: bool = False
    encoder: bool = False
    bits: float | None = None


@dataclass(frozen=True)
class Fitted:
    """A quantised network: value = level * 2**exponent.

    levels: int32 arrays in the canonical order of `Layout.shapes`, then embeddings int32 [T, channels, gh, gw];
    exponents: one for each of them; steps: how many were done; error: mean squared error at the end, pixels 0..1.
    """

    levels: list[np.ndarray]
    embeddings: np.ndarray
    exponents: list[int]
    steps: int
    error: float


class Fit:
    """One fit, advanced step by step.

    frames: uint8 [T, H, W, 3] at the network's resolution, H and W at most what `layout` renders.
    size: bytes that a fitted network is coded with; without it the recipe's `bits` are not aimed at.
    """

    def __init__(
        self, frames: np.ndarray, layout: Layout, recipe: Recipe, size: Callable[[Fitted], int] | None = None
    ) -> None:
        self.layout, self.recipe = layout, recipe
        self.rate = recipe.rate
        self.aim = Aim(None if size is None else recipe.bits, size)
        self.frames = torch.from_numpy(frames)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        tensors = initial(layout, self.generator)
        self.table = start.embeddings(self.frames, layout, recipe.spread)
        self.table += 0.02 * torch.randn(self.table.shape, generator=self.generator)
        total = layout.size() + self.table.numel()
        self.weights = Quantised(tensors, total)
        self.codes = Quantised([self.table], total, per_channel=True)
        self.leaves = [t.clone(memory_format=layout_of(t.dim())).requires_grad_() for t in tensors]
        self.rows = RowAdam(self.table)
        matrices = [t for t in tensors[:-2] if t.dim() > 1]
        rest = [*(t for t in tensors[:-2] if t.dim() == 1), *tensors[-2:]]
        steps = [self.weights.exponents, self.codes.exponents]
        self.movers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(matrices, fast=recipe.fast), recipe.lr),
            (torch.optim.Adam(rest, betas=(0.9, 0.99)), recipe.lr_rest),
        ]
        self.stepper = torch.optim.Adam(steps, lr=recipe.lr_step, betas=(0.9, 0.99))
        self.encoder = self._encoder() if recipe.encoder else None
        self.quantised = self.settled = False
        self.error, self.done = 0.0, 0
        self.queue = torch.empty(0, dtype=torch.int64)

    def _encoder(self) -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            encoder = Encoder(self.layout)
        self.movers.append((torch.optim.Adam(encoder.parameters()), self.recipe.lr_encoder))
        return encoder

    def advance(self, fraction: float) -> None:
        """One step at `fraction` (0..1) of the schedule."""
        self.turn(fraction)
        rows = self.next_rows()
        target = self.target(rows)
        codes = self.load(rows, target)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.fast):
            frames = render(self.layout, self.leaves, codes)
        error = (frames[:, :, : target.shape[2], : target.shape[3]].float() - target).square().mean()
        value = float(error.detach())
        self.error += (value - self.error) * max(0.02, 1 / (self.done + 1))
        # Divided by its running mean, the error's gradient is that of its logarithm: the rate's weight needs no scale.
        (error / max(self.error, 1e-7)).backward()
        self.update(rows, codes, cosine(min(1.0, fraction)))
        self.done += 1

    @torch.no_grad()
    def turn(self, fraction: float) -> None:
        """Enter the next phase when its time has come: rounding, then steps that stay at powers of two."""
        if not self.quantised and fraction >= self.recipe.quantise:
            if self.encoder is not None:
                for row in range(len(self.table)):
                    self.table[row] = self.encoder(self.padded(self.target(torch.tensor([row]))))[0]
                self.encoder = None
                self.movers.pop()
            self.weights.start()
            self.codes.start()
            self.quantised = True
        if not self.settled and fraction >= self.recipe.settle:
            self.aim.settle(self)
            self.settled = True

    def next_rows(self) -> Tensor:
        """Numbers of the next frames; every frame once per pass, in a fresh order."""
        if len(self.queue) == 0:
            self.queue = torch.randperm(len(self.frames), generator=self.generator)
        rows, self.queue = self.queue[: self.recipe.batch], self.queue[self.recipe.batch :]
        return rows

    def target(self, rows: Tensor) -> Tensor:
        """Frames `rows` as float [B, 3, H, W], 0..1."""
        return self.frames[rows].permute(0, 3, 1, 2).float().div_(255)

    def padded(self, frames: Tensor) -> Tensor:
        """Frames with edges repeated up to the size that the decoder renders."""
        height, width = (size * self.layout.enlargement for size in self.layout.grid)
        return F.pad(frames, (0, width - frames.shape[3], 0, height - frames.shape[2]), mode="replicate")

    def load(self, rows: Tensor, target: Tensor) -> Tensor:
        """Copy the weights, rounded when the time has come, into the leaves; gives the embeddings of `rows`."""
        with torch.no_grad():
            for index, (leaf, tensor) in enumerate(zip(self.leaves, self.weights.tensors, strict=True)):
                leaf.copy_(self.weights.rounded(index) if self.quantised else tensor)
                leaf.grad = None
        if self.encoder is not None:
            self.movers[-1][0].zero_grad()
            return self.encoder(self.padded(target))
        return (self.codes.rounded(0, rows) if self.quantised else self.table[rows]).requires_grad_()

    @torch.no_grad()
    def update(self, rows: Tensor, codes: Tensor, factor: float) -> None:
        """Move weights, embeddings and quantiser steps."""
        rate = self.rate
        for index, (leaf, tensor) in enumerate(zip(self.leaves, self.weights.tensors, strict=True)):
            tensor.grad = self.weights.pull(index, leaf.grad, rate) if self.quantised else leaf.grad
        for optimiser, lr in self.movers:
            optimiser.param_groups[0]["lr"] = lr * factor
            optimiser.step()
        if self.encoder is None:
            slope = self.codes.pull(0, codes.grad, rate, rows) if self.quantised else codes.grad
            self.rows.step(rows, slope, self.recipe.lr_embedding * factor)
        if self.quantised and not self.settled:
            self.stepper.step()

    def bits(self) -> float:
        """Estimated bits of weights and embeddings; before rounding begins, as if it began now."""
        if not self.quantised:
            return (self.layout.size() + self.table.numel()) * 5.05  # power of a step 2**-3 of the root mean square
        return self.weights.bits() + self.codes.bits()

    def result(self, final: bool = True) -> Fitted:
        """The network as integers; where this is not `final`, the fit goes on as if nothing had happened."""
        kept = [part.exponents.clone() for part in (self.weights, self.codes)]
        if final:
            self.turn(1.0)
        for part in (self.weights, self.codes):
            part.exponents.round_()
        exponents = [*self.weights.exponents.tolist(), *self.codes.exponents.tolist()]
        levels = [self.weights.levels(index).numpy() for index in range(len(self.leaves))]
        embeddings = self.codes.levels(0).numpy()
        if not final:
            self.weights.exponents.copy_(kept[0])
            self.codes.exponents.copy_(kept[1])
        return Fitted(levels, embeddings, [int(e) for e in exponents], self.done, self.error)


def fit(
    frames: np.ndarray,
    layout: Layout,
    recipe: Recipe,
    progress: Callable[[float, str], None],
    size: Callable[[Fitted], int],
) -> Fitted:
    """Fit a decoder to frames (uint8 [T, H, W, 3]).

    An interrupt goes on to the end of the schedule, where weights are rounded, and hurries through it; a second one stops.
    progress: told the fraction done, the PSNR and the size; size: bytes that a fitted network is coded with, asked for
    now and then where the recipe aims at a size.
    """
    work, clock = Fit(frames, layout, recipe, size), Clock(recipe)
    told, fraction = clock.began, 0.0
    while fraction < 1:
        try:
            work.advance(fraction)
            fraction = clock.fraction(work.done)
            work.rate *= work.aim.factor(work, min(fraction, 1.0))
            if time.monotonic() - told > REPORT_EVERY or fraction >= 1:
                told = time.monotonic()
                psnr = -10 * math.log10(max(work.error, 1e-10))
                progress(min(fraction, 1.0), f"{psnr:.2f} dB, about {work.bits() / 8000:.0f} kB")
        except KeyboardInterrupt:
            if clock.hurried:
                break
            fraction = clock.hurry(fraction)
            progress(fraction, "interrupted: rounding what there is; again to stop at once")
    return work.result()


class Clock:
    """How much of a schedule is done, by steps or by time; in a hurry only its end is left, on a tenth of the time so far."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.began = recipe, time.monotonic()
        self.hurried, self.start, self.seconds = False, 0.0, recipe.seconds

    def fraction(self, done: int) -> float:
        """The fraction done, after so many steps."""
        if self.seconds is None:
            return done / self.recipe.steps
        return self.start + (1 - self.start) * (time.monotonic() - self.began) / max(self.seconds, 1e-3)

    def hurry(self, fraction: float) -> float:
        """Go on with the rounding at once; the new fraction."""
        now = time.monotonic()
        self.seconds, self.began = HURRY * (now - self.began), now
        self.hurried, self.start = True, max(fraction, self.recipe.quantise)
        return self.start


def layout_of(dimensions: int) -> torch.memory_format:
    """Channels last for convolution weights: up to twice as fast as the default on the processors tried."""
    return torch.channels_last if dimensions == 4 else torch.contiguous_format
