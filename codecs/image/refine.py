"""Better latents for the same decoder: rate-distortion optimised rounding, and stochastic Gumbel annealing.

What a decoder makes of a latent and what its symbol costs are both known to the encoder, so it may choose other integers
than the nearest ones. Rounding that favours cheaper symbols costs next to nothing. Annealing moves the latents by gradient
steps on rate and squared error, with rounding replaced by a random choice between the two neighbouring integers that
hardens as the temperature falls (Yang, Bamler and Mandt 2020, "Improving Inference for Neural Image Compression").
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from ...entropy import ROWS, sigma
from ..blocks import gaussian_bits
from .patch_net import PatchNet, checkerboard, weight_of

STEPS = {4: 30, 5: 60, 6: 100, 7: 180, 8: 300, 9: 600, 10: 1200}  # of annealing by effort
ROUNDING = 1  # effort from which rounding favours cheaper symbols; annealing takes its place
CAUTION = 6.0  # of that rounding: its errors all point the same way, which costs more than errors at random
RATE, LONG, FADE = 0.02, 100, 0.6  # learning rate, and beyond how many steps it is lower by which power
HOT, COLD = 0.5, 0.1  # temperatures at the beginning and at the end
SCALES = torch.tensor([sigma(row) for row in range(ROWS)], dtype=torch.float32)


Choice = Callable[[Tensor], Tensor]  # integers, or nearly so, for residuals


@dataclass(frozen=True)
class Start:
    """What does not change while latents are refined.

    Attributes:
        point: fractional rate point [1].
        rows: table row of every latent, [1, latents, h, w].
        sent: 1 where a latent is sent.
        first: means from the side information.
        features: context features for the means of the second half.
    """

    point: Tensor
    rows: Tensor
    sent: Tensor
    first: Tensor
    features: Tensor


def symbols(net: PatchNet, y: Tensor, start: Start, effort: int) -> Tensor:
    """Integer residuals of latents y [1, latents, h, w], the first half and then the second."""
    half = checkerboard(y)
    rounded = _cheap if ROUNDING <= effort < min(STEPS) else _nearest
    residual = rounded(net, y - start.first, start) * half * start.sent
    means = net.means.update(start.first, start.features, residual)
    return residual + rounded(net, y - means, start) * (1 - half) * start.sent


def _nearest(net: PatchNet, residual: Tensor, start: Start) -> Tensor:
    return residual.round()


def _cheap(net: PatchNet, residual: Tensor, start: Start) -> Tensor:
    return cheap(residual, start.rows, price_of(net, start.point))


def price_of(net: PatchNet, point: Tensor) -> Tensor:
    """Bits that a squared error of one symbol step is worth when rounding, [B, latents, 1, 1], at rate points [B]."""
    # A latent is a coordinate of the pixels in an orthonormal basis; the squared error counts as a mean over R, G and B.
    return CAUTION * weight_of(net.config, point)[:, None, None, None] / 3 / net.gain(point).square()


def cheap(residual: Tensor, rows: Tensor, price: Tensor) -> Tensor:
    """Round, but to the integer nearer to zero where that saves more bits than its error is worth."""
    nearest = residual.round()
    lower = nearest - nearest.sign()
    scale = SCALES[rows]
    saved = gaussian_bits(nearest, scale) - gaussian_bits(lower, scale)
    error = (residual - lower).square() - (residual - nearest).square()
    return torch.where(saved > error * price, lower, nearest)


def anneal_patch(net: PatchNet, pixels: Tensor, y: Tensor, start: Start, effort: int, generator: Generator) -> Tensor:
    """Latents of image/patch that cost less for what they show; arguments as for `anneal`."""
    half, scale = checkerboard(y), SCALES[start.rows]

    def code(y: Tensor, choose: Choice) -> tuple[Tensor, Tensor]:
        residual = choose(y - start.first) * half * start.sent
        means = net.means.update(start.first, start.features, residual).float()
        residual = residual + choose(y - means) * (1 - half) * start.sent
        shown = net.pixels(residual + start.first * half + means * (1 - half), start.point)
        return (gaussian_bits(residual.float(), scale) * start.sent).sum(), shown

    return anneal(pixels, y, weight_of(net.config, start.point), effort, generator, code)


def anneal(
    pixels: Tensor,
    y: Tensor,
    weight: Tensor,
    effort: int,
    generator: Generator,
    code: Callable[[Tensor, Choice], tuple[Tensor, Tensor]],
) -> Tensor:
    """Latents that cost less for what they show.

    Args:
        pixels: [1, 3, 16 h, 16 w], minus 127.5.
        y: latents to begin with, [1, latents, h, w].
        weight: of the squared error against bits per pixel.
        effort: 4 to 10.
        generator: of the random choices.
        code: gives bits and decoded pixels of latents; the function it is handed takes the place of rounding.
    """
    steps, y = STEPS[effort], y.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([y], lr=RATE, betas=(0.9, 0.99))
    with torch.enable_grad():
        for step in range(steps):
            done = step / steps
            heat = HOT * (COLD / HOT) ** done
            long = min(1.0, LONG / steps) ** FADE
            optimiser.param_groups[0]["lr"] = RATE * long * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
            with torch.autocast("cpu", torch.bfloat16, enabled=pixels.device.type == "cpu"):
                bits, shown = code(y, partial(_chosen, heat=heat, generator=generator))
            loss = bits / pixels[0, 0].numel() + weight * (shown.float() - pixels).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return y.detach()


def _chosen(residual: Tensor, heat: float, generator: Generator) -> Tensor:
    """A value between the two neighbouring integers, nearly one of them when it is cold: Gumbel softmax over both."""
    low = residual.floor()
    place = (residual - low).clamp(1e-3, 1 - 1e-3)
    odds = (torch.atanh(place) - torch.atanh(1 - place)) / heat
    noise = torch.rand(residual.shape, generator=generator).clamp(1e-6, 1 - 1e-6).logit()  # a difference of two Gumbels
    return low + torch.sigmoid((odds + noise) / heat)
