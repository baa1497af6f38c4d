"""Training of image/slices on the transforms of image/patch, which stay as they are: only the entropy model is learned.

python -m triptych.tools.train image_slices.default --data DATA --out runs/image-slices --export weights
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from ...codecs.blocks import gaussian_bits
from ...codecs.freezing import fake_quantise
from ...codecs.image.patch import SIDE_BOUND, SKIP, STEPS, PatchCodec
from ...codecs.image.patch_net import LOG_MIN, LOG_STEP, PATCH, PatchConfig, weight_of
from ...codecs.image.residuals import MOST, learned
from ...codecs.image.slices import SlicesCodec
from ...codecs.image.slices_net import FINE, RowInputs, SlicesConfig, SlicesNet
from ...codecs.signals import Picture
from ...entropy import ROWS, RateCounter, Tables
from .. import models
from ..train import Recipe
from .image_patch import DATA, PatchTask
from .patch_side import fit_near

TRAINED = ("contexts.", "row_networks.")  # parts of the net; what image/patch has learned is fixed
VALIDATED = (0, 2, 4, 6)  # rate points
BANK = 12  # latents a side of the crops kept
SIDE_BATCHES = 48  # of 16 crops for the tables of z


def default() -> Recipe:
    """All context modules."""
    return recipe("image_slices.default", SlicesConfig(), 500)


def light() -> Recipe:
    """Without attention: slices and the checkerboard alone."""
    return recipe("image_slices.light", SlicesConfig(modules=("channel",)), 500)


def smoke() -> Recipe:
    """A few steps for tests."""
    return recipe("image_slices.smoke", SlicesConfig(), 4, batch=2, bank=8)


def recipe(name: str, config: SlicesConfig, steps: int, batch: int = 8, bank: int = 2400) -> Recipe:
    """A run with one configuration."""
    return Recipe(
        name=name,
        make=partial(fresh, config),
        task=lambda: SlicesTask(bank),
        steps=steps,
        batch=batch,
        lr=8e-3,
        warmup=30,
        ema=0.99,
        validate_every=2000,
        data=DATA,
    )


def fresh(config: SlicesConfig) -> SlicesCodec:
    """A codec of which only the entropy model can be trained, its row networks with fake quantisation."""
    codec = SlicesCodec(config)
    for name, parameter in codec.net.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED))
    fake_quantise(codec.net.row_networks)
    return codec


class Coded:
    """What a pass of the entropy model over latents gives.

    Attributes:
        bits: of the residuals, per picture [B].
        seen: how often each residual was coded with each row, [ROWS, 2 * MOST + 1], counted where there are no gradients;
            the ends count all beyond them.
        decoded: latents as a decoder gets them, those not sent at their means.
        error: squared error of the latents in grey levels, per picture [B], with a gradient to the means of zeros.
        inputs: of the row networks, one for each step.
    """

    def __init__(self, net: SlicesNet, y: Tensor, z: Tensor, point: Tensor, generator: Generator) -> None:
        self.generator = generator
        with torch.autocast(y.device.type, enabled=False):
            base = net.head(z, point)
        fine = (base.detach() * FINE).round().int()
        walk, state = net.walk(z), RowInputs(net.config, net.score_table, fine)
        zero = torch.zeros(len(y))
        self.bits, self.error, self.inputs = zero, zero, []
        self.seen = torch.zeros(ROWS, 2 * MOST + 1, dtype=torch.int64)
        gain = net.gain(point)
        for place, step in enumerate(net.steps):
            self.inputs.append(state.inputs(step))
            rows = net.trained_rows(place, base[:, step.channels], self.inputs[-1])
            means, whole = walk.means(step), rows.detach().round()
            residual = (y[:, step.channels] - means.detach()).round() * (whole >= SKIP)
            state.take(step, whole, residual)
            walk.take(step, means.detach(), residual)
            mask, scale = step.mask(*y.shape[-2:]), gain[:, step.channels].expand_as(means)
            self._count(*(x[:, mask] for x in (y[:, step.channels], means, rows, scale)))
        self.decoded = walk.latents

    def _count(self, y: Tensor, means: Tensor, rows: Tensor, gain: Tensor) -> None:
        """Add bits and error of the latents of one step, all [B, n]."""
        whole, residual = rows.detach().round(), (y - means.detach()).round()
        sent = whole >= SKIP
        if torch.is_grad_enabled():
            bits = self._soft_bits(y, means, residual, rows)
        else:  # rows as the integers will be
            bits = gaussian_bits(residual, torch.exp(LOG_MIN + LOG_STEP * whole)) * sent
            places = whole.long() * self.seen.shape[1] + residual.clamp(-MOST, MOST).long() + MOST
            self.seen += torch.bincount(places.flatten(), minlength=self.seen.numel()).view_as(self.seen)
        left = torch.where(residual * sent == 0, y - means, y - means.detach() - residual)
        self.bits = self.bits + bits.sum(1)
        self.error = self.error + (left / gain).square().sum(1)

    def _soft_bits(self, y: Tensor, means: Tensor, residual: Tensor, rows: Tensor) -> Tensor:
        """Rows are fitted to the rounded residuals; means, which rounding leaves without a gradient, feel noise instead."""
        scale = torch.exp(LOG_MIN + LOG_STEP * rows)
        bits = gaussian_bits(residual, scale)
        noise = torch.rand(residual.shape, generator=self.generator) - 0.5
        soft = gaussian_bits(y - means + noise, scale.detach())
        return bits + soft - soft.detach()


class SlicesTask(PatchTask):
    """Latents of crops in memory, at rates drawn evenly; bits per pixel plus lambda times the squared error of latents."""

    def __init__(self, bank: int) -> None:
        super().__init__(crop=BANK * PATCH)
        self.size = bank

    def load(self, data: Path, generator: Generator) -> None:
        """Training pictures, and image/patch as it ships, whose transform analyses them."""
        super().load(data, generator)
        self.patch: PatchCodec = models.load("image/patch")
        self.bank = torch.zeros(self.size, self.patch.config.latents, BANK, BANK, dtype=torch.half)
        self.filled = 0

    def start(self, codec: SlicesCodec, generator: Generator) -> None:
        """Everything that both codecs have in common is taken from image/patch."""
        take_over(codec, self.patch)

    def batch(self, size: int, generator: Generator) -> Tensor:
        """Latents of random crops in grey levels, [size, latents, 12, 12]: new ones until the bank is full, then from it."""
        if self.filled + size > len(self.bank):
            return self.bank[torch.randint(self.filled, (size,), generator=generator)].float()
        pixels = super().batch(size, generator).float() - 127.5
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            latents = self.patch.net.analysis(pixels.contiguous(memory_format=torch.channels_last)).half()
        self.bank[self.filled : self.filled + size] = latents
        self.filled += size
        return latents.float()

    def losses(self, codec: SlicesCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Every crop at a rate of its own, spread over the whole range."""
        net, top = codec.net, STEPS * (codec.config.points - 1)
        strata = (torch.arange(len(batch)) + torch.rand(len(batch), generator=generator)) / len(batch)
        point = (strata * (top + 1)).floor().clamp(max=top) / STEPS
        with torch.no_grad():
            y = batch * net.gain(point)
            z = net.hyper(y).float().clamp(-SIDE_BOUND, SIDE_BOUND).round()
        coded = Coded(net, y, z, point, generator)
        area = y.shape[2] * y.shape[3] * PATCH**2
        bpp, error = coded.bits / area, coded.error / (3 * area)
        weight = weight_of(codec.config, point)
        loss = ((bpp + weight * error) * (0.1 / weight.sqrt()).clamp(max=3.0)).mean()
        return {"loss": loss, "bpp": bpp.mean(), "mse": error.mean()}

    def code(self, codec: SlicesCodec, pixels: Tensor, point: Tensor) -> tuple[Tensor, Tensor, float]:
        """Bits of residuals and z, and decoded pixels, of pixels [1, 3, H, W] minus 127.5."""
        y = codec.net.latents(pixels.contiguous(memory_format=torch.channels_last), point)
        z = codec.net.hyper(y).round().clamp(-SIDE_BOUND, SIDE_BOUND)
        coded = Coded(codec.net, y, z, point, Generator())
        bits = coded.bits + side_bits(self.patch.side_tables, z, round(float(point)))
        return bits, (codec.net.pixels(coded.decoded, point) + 127.5).round().clamp(0, 255) - 127.5, coded

    def validate(self, codec: SlicesCodec) -> dict[str, float]:
        """Bits per pixel (cross-entropy, whole rows) and PSNR at some rate points, and the mean logarithm of the loss."""

        def coded(pixels: Tensor, number: int) -> tuple[float, Tensor]:
            bits, restored, _ = self.code(codec, pixels, torch.tensor([float(number)]))
            return float(bits), restored

        return self.figures(coded, codec.config)

    def figures(self, code: Callable[[Tensor, int], tuple[float, Tensor]], config: PatchConfig) -> dict[str, float]:
        """What `validate` reports, for anything that gives bits and decoded pixels of pixels at a rate point."""
        figures: dict[str, float] = {}
        losses = []
        for number in VALIDATED:
            rates, errors = [], []
            for picture in self.held:
                pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() - 127.5
                bits, restored = code(pixels, number)
                rates.append(bits / picture.shape[0] / picture.shape[1])
                errors.append(float((restored - pixels).square().mean()))
            bpp, mse = float(np.mean(rates)), float(np.mean(errors))
            losses.append(math.log2(bpp + float(weight_of(config, torch.tensor(float(number)))) * mse))
            figures[f"bpp{number}"] = bpp
            figures[f"psnr{number}"] = float(np.mean([10 * math.log10(255**2 / e) for e in errors]))
        return {"log_loss": float(np.mean(losses))} | figures

    def patch_figures(self) -> dict[str, float]:
        """The same of image/patch with its own entropy model."""

        def coded(pixels: Tensor, number: int) -> tuple[float, Tensor]:
            size, counter = pixels.shape[-2:], RateCounter()
            picture = Picture((pixels[0] + 127.5).byte().permute(1, 2, 0).numpy())
            symbols = self.patch.analyse(picture, STEPS * number)
            self.patch.traverse(counter, size, STEPS * number, False, symbols)
            shown = self.patch.synthesise(symbols, size, STEPS * number)
            return counter.bits, shown.permute(2, 0, 1)[None].float() - 127.5

        return self.figures(coded, self.patch.config)

    def sample(self, codec: SlicesCodec, folder: Path, step: int) -> None:
        """The first validation picture at a low, a middle and a high rate beside the original."""
        pixels = torch.from_numpy(self.held[0]).permute(2, 0, 1)[None].float() - 127.5
        points = (torch.tensor([share * (codec.config.points - 1)]) for share in (0.15, 0.5, 0.85))
        strip = torch.cat([pixels, *(self.code(codec, pixels, point)[1] for point in points)], 3)
        strip = (strip[0].permute(1, 2, 0) + 127.5).round().clamp(0, 255).byte().numpy()
        Image.fromarray(strip).save(folder / "sample.png")

    def finish(self, codec: SlicesCodec) -> None:
        """Freeze, calibrated on crops at all rates; residuals and what neighbours tell about z are counted there."""
        if not torch.equal(codec.net.analysis.transform.weight, self.patch.net.analysis.transform.weight):
            raise ValueError("image/patch has other weights now than when this run began")
        generator = Generator().manual_seed(7)
        inputs, seen = [], 0
        for number in (*range(codec.config.points), *range(codec.config.points)):
            point = torch.full((16,), float(number))
            y = self.batch(16, generator) * codec.net.gain(point)
            z = codec.net.hyper(y).round().clamp(-SIDE_BOUND, SIDE_BOUND)
            coded = Coded(codec.net, y, z, point, generator)
            inputs.append(coded.inputs)
            seen = seen + coded.seen
        calibration = [torch.cat(parts).float() for parts in zip(*inputs, strict=True)]
        crops = torch.cat([self.batch(16, generator) for _ in range(SIDE_BATCHES)])
        near = fit_near([_sides(codec.net, crops, number) for number in range(codec.config.points)])
        codec.freeze_rows(short_tables(self.patch.side_tables), near, learned(seen.numpy()), calibration)


def _sides(net: SlicesNet, crops: Tensor, number: int) -> np.ndarray:
    """z of the latents of crops at a rate point, int32 [n, side, h, w]."""
    gain = net.gain(torch.tensor([float(number)]))
    z = torch.cat([net.hyper(part * gain).round() for part in crops.split(16)])
    return z.clamp(-SIDE_BOUND, SIDE_BOUND).int().numpy()


def take_over(codec: PatchCodec, patch: PatchCodec) -> None:
    """Give a codec what image/patch has learned: transforms, gains, analysis of z, first means and rows from z.

    Layers of other sizes than there are left as they are.
    """
    own, given = codec.net.state_dict(), patch.net.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    codec.net.load_state_dict(own | fitting)
    head, unit = patch.head, 2.0**-patch.head.shift
    with torch.no_grad():
        codec.net.head.weight.copy_(torch.from_numpy(head.weight * (head.multiplier[:, None] * unit)))
        codec.net.head.bias.copy_(torch.from_numpy(head.bias * unit))


def side_bits(tables: Tables, z: Tensor, number: int) -> Tensor:
    """Bits of whole z [B, side, h, w] at a rate point by static tables, [B]."""
    side = z.shape[1]
    shares = tables.shares(-SIDE_BOUND, 2 * SIDE_BOUND + 1)[number * side : (number + 1) * side]
    cost = torch.from_numpy(-np.log2(shares.clip(2.0**-40))).float()
    places = (z + SIDE_BOUND).long().transpose(0, 1)
    return torch.gather(cost, 1, places.flatten(1)).view(places.shape).sum((0, 2, 3))


def short_tables(tables: Tables) -> Tables:
    """The same tables, all of which begin and end alike, their rare ends left to an escape."""
    return tables if tables.escape else Tables.trimmed(tables.shares(-SIDE_BOUND, 2 * SIDE_BOUND + 1), -SIDE_BOUND)
