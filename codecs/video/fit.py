"""Fitting a decoder to a group of frames: Muon and free embeddings, then learned quantiser steps and a rate term."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...entropy.weights import dequantise
from ..optim import Muon, RowAdam, cosine
from . import start
from .aim import Aim
from .encoder import Encoder
from .layout import Parameters
from .levels import Quantised
from .losses import LOSSES
from .nerv import decoder, initial

LEAST_PACE, MUCH = 0.05, 2.0  # of a group that goes on from another; error per change that lets it learn at full pace
HURRY = 0.1  # of the time so far, for what is left of the schedule after an interrupt


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to fit.

    seconds: wall-clock budget; without one, `steps` are done, and equal seeds and thread counts give equal results.
    rate: weight of the bits per value against the logarithm of the squared error; 0.1 leads to about 4.4 bits.
    quantise, settle: shares of the schedule at which rounding begins and steps stop at powers of two.
    spread: standard deviation of the first embeddings. lr of Muon, of Adam for biases and head, per visit of an embedding.
    fast: convolutions in bfloat16; encoder: ConvNeXt instead of free embeddings until rounding begins.
    bits: what the coded network should come to; error: the mean squared error to come to; None leaves both to `rate`.
    loss: what is minimised, a name in `LOSSES`. warm: factor of the learning rates of a group that goes on from another, at most.
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
    error: float | None = None
    loss: str = "squared"
    warm: float = 0.6


@dataclass(frozen=True)
class Fitted:
    """A quantised network: value = level * 2**exponent.

    levels: int32 arrays in the canonical order of `Layout.shapes`; embeddings int32 [T, channels, gh, gw];
    exponents: one for each of them; steps: how many were done; error: mean squared error at the end, pixels 0..1.
    """

    levels: list[np.ndarray]
    embeddings: np.ndarray
    exponents: list[int]
    steps: int
    error: float


@dataclass(frozen=True)
class Before:
    """The group that another one goes on from: its frames, uint8 [T, H, W, 3], and its network."""

    frames: np.ndarray
    fitted: Fitted


class Fit:
    """One fit, advanced step by step.

    frames: uint8 [T, H, W, 3] at the network's resolution, H and W at most what `parameters` renders; the first has number
    `first`. before: a group to go on from: the steps of its weights stay and differences to them are what costs bits.
    size: bytes that a fitted network is coded with; without it the recipe's `bits` are not aimed at.
    """

    def __init__(
        self,
        frames: np.ndarray,
        parameters: Parameters,
        recipe: Recipe,
        size: Callable[[Fitted], int] | None = None,
        first: int = 0,
        before: Before | None = None,
    ) -> None:
        self.layout, self.recipe, self.warm = parameters.layout, recipe, before is not None
        self.rate, self.loss = recipe.rate, LOSSES[recipe.loss]
        self.aim = Aim(recipe.bits if size else None, recipe.error, size)
        self.frames, self.times = torch.from_numpy(frames), parameters.times(first, len(frames))
        self.generator = torch.Generator().manual_seed(recipe.seed + first)
        tensors = initial(self.layout, self.generator) if before is None else known(before.fitted)
        self.table = self._embeddings(before)
        total = self.layout.size() + self.table.numel()
        self.weights = Quantised(tensors, total, centres=[t.clone() for t in tensors] if self.warm else None)
        self.codes = Quantised([self.table] if self.table.numel() else [], total, per_channel=True)
        self.network = decoder(self.layout, [t.clone(memory_format=layout_of(t.dim())) for t in tensors])
        self.leaves = list(self.network.parameters())
        self.rows = RowAdam(self.table)
        self.movers = self._movers(self.network.main())
        steps = [self.weights.exponents, self.codes.exponents]
        self.stepper = torch.optim.Adam(steps, lr=recipe.lr_step, betas=(0.9, 0.99))
        self.encoder = self._encoder() if recipe.encoder and self.table.numel() and not self.warm else None
        self.quantised = self.settled = self.warm
        if before is not None:
            exponents = torch.tensor(before.fitted.exponents, dtype=torch.float32)
            self.weights.exponents.copy_(exponents[:-1])
            self.codes.exponents.copy_(exponents[-1:][: len(self.codes.tensors)])
        self.error, self.smooth, self.done, self.fraction = 0.0, 0.0, 0, 0.0
        self.queue = torch.empty(0, dtype=torch.int64)
        self.pace = 1.0 if before is None else self._pace(before)

    def _pace(self, before: Before) -> float:
        """Factor of the learning rates: little where the frames differ less from those before than the network errs."""
        last = torch.from_numpy(before.frames[-1]).float()
        change = sum(float((frame - last).square().mean()) for frame in self.frames) / len(self.frames) / 255**2
        return self.recipe.warm * max(LEAST_PACE, min(1.0, MUCH * change / max(before.fitted.error, 1e-9)))

    def _embeddings(self, before: Before | None) -> Tensor:
        layout, spread = self.layout, self.recipe.spread
        if not layout.channels:
            return torch.zeros(len(self.frames), 0, *layout.grid)
        if before is not None:
            table = torch.from_numpy(dequantise(before.fitted.embeddings, before.fitted.exponents[-1]))
            return start.follow(torch.from_numpy(before.frames), table, self.frames, layout)
        table = start.embeddings(self.frames, layout, spread)
        return table + 0.02 * torch.randn(table.shape, generator=self.generator)

    def _movers(self, main: set[int]) -> list[tuple[torch.optim.Optimizer, float]]:
        recipe, tensors = self.recipe, self.weights.tensors
        matrices = [tensor for index, tensor in enumerate(tensors) if index in main]
        rest = [tensor for index, tensor in enumerate(tensors) if index not in main]
        return [
            (Muon(matrices, fast=recipe.fast), recipe.lr),
            (torch.optim.Adam(rest, betas=(0.9, 0.99)), recipe.lr_rest),
        ]

    def _encoder(self) -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            encoder = Encoder(self.layout)
        self.movers.append((torch.optim.Adam(encoder.parameters()), self.recipe.lr_encoder))
        return encoder

    def drop_encoder(self) -> None:
        """Go on with the embeddings in the table."""
        self.encoder = None
        self.movers.pop()

    def advance(self, fraction: float) -> None:
        """One step at `fraction` (0..1) of the schedule."""
        self.turn(fraction)
        rows = self.next_rows()
        target = self.target(rows)
        codes = self.load(rows, target)
        self.fraction = min(fraction, 1.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.fast):
            frames = self.network(codes, self.times[rows])
        frames = frames[:, :, : target.shape[2], : target.shape[3]].float()
        loss, weight = self.loss(frames, target), max(0.02, 1 / (self.done + 1))
        self.error += (float((frames.detach() - target).square().mean()) - self.error) * weight
        self.smooth += (float(loss.detach()) - self.smooth) * weight
        # Divided by its running mean, the loss has the gradient of its logarithm: the rate's weight needs no scale.
        (loss / max(self.smooth, 1e-7)).backward()
        self.update(rows, codes, cosine(self.fraction))
        self.done += 1
        self.rate *= self.aim.factor(self, self.fraction)

    @torch.no_grad()
    def turn(self, fraction: float) -> None:
        """Enter the next phase when its time has come: rounding, then steps that stay at powers of two."""
        if not self.quantised and fraction >= self.recipe.quantise:
            if self.encoder is not None:
                for row in range(len(self.table)):
                    self.table[row] = self.encoder(self.padded(self.target(torch.tensor([row]))))[0]
                self.drop_encoder()
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
        rounded = self.quantised and self.codes.tensors
        return (self.codes.rounded(0, rows) if rounded else self.table[rows]).requires_grad_()

    @torch.no_grad()
    def update(self, rows: Tensor, codes: Tensor, factor: float) -> None:
        """Move weights, embeddings and quantiser steps."""
        rate = self.rate
        for index, (leaf, tensor) in enumerate(zip(self.leaves, self.weights.tensors, strict=True)):
            tensor.grad = self.weights.pull(index, leaf.grad, rate) if self.quantised else leaf.grad
        factor *= self.pace
        for optimiser, lr in self.movers:
            optimiser.param_groups[0]["lr"] = lr * factor
            optimiser.step()
        if self.encoder is None and self.codes.tensors:
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
        exponents = [*self.weights.exponents.tolist(), *(self.codes.exponents.tolist() or [0])]
        levels = [self.weights.levels(index).numpy() for index in range(len(self.leaves))]
        embeddings = (self.codes.levels(0) if self.codes.tensors else self.table.int()).numpy()
        if not final:
            self.weights.exponents.copy_(kept[0])
            self.codes.exponents.copy_(kept[1])
        return Fitted(levels, embeddings, [int(e) for e in exponents], self.done, self.error)


class Clock:
    """How much of a schedule is done, by steps or by time; in a hurry only its end is left, on a tenth of the time so far.

    start: the fraction that was done before, in another run.
    """

    def __init__(self, recipe: Recipe, start: float = 0.0) -> None:
        self.recipe, self.began, self.start = recipe, time.monotonic(), start
        self.hurried, self.seconds = False, None if recipe.seconds is None else recipe.seconds * (1 - start)

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


def known(fitted: Fitted) -> list[Tensor]:
    """The tensors of a fitted network, in canonical order."""
    pairs = zip(fitted.levels, fitted.exponents[:-1], strict=True)
    return [torch.from_numpy(dequantise(levels, exponent)) for levels, exponent in pairs]


def layout_of(dimensions: int) -> torch.memory_format:
    """Channels last for convolution weights: up to twice as fast as the default on the processors tried."""
    return torch.channels_last if dimensions == 4 else torch.contiguous_format
