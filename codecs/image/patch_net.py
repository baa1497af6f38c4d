"""Networks of the patch codec: principal components of 16x16 patches, and what training adds to them.

Every part is a linear map found in closed form plus a network whose last layer starts at zero, so that the untrained
codec already is an adaptive transform codec.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...entropy import ROWS, sigma
from ..blocks import DepthConvBlock, gate, interpolate_rows, pointwise, straight_through_round

PATCH = 16
GREY = 64.0  # networks see and give grey levels in units of this
# How far parts see on each side: the first two in positions of z, the others in latents. Each depth-wise block sees one.
HYPER, MEANS_OF_Z, MEANS_OF_RESIDUALS, RENDERER = 1, 1, 1, 1
LOG_MIN, LOG_STEP = math.log(sigma(0)), math.log(sigma(1) / sigma(0))


@dataclass(frozen=True)
class PatchConfig:
    """Sizes of the patch codec.

    Attributes:
        latents: components per 16x16 patch.
        side: components of the side information z per 32x32 patch.
        signed: how many of these carry signed means of the first latents; the rest carry log-energies.
        width: channels of the networks at 1/16 resolution.
        context: channels of the networks that predict means.
        encoder_blocks, decoder_blocks: depth at 1/16 resolution.
        render: channels of the renderer at 1/4 resolution.
        neighbours: leading latents whose second half is predicted linearly from decoded neighbours.
        lambdas: weight of the squared error (grey levels squared) against bits per pixel at the lowest and highest rate.
        points: rate points with gains of their own; between them gains are interpolated.
    """

    latents: int = 320
    side: int = 64
    signed: int = 6
    width: int = 192
    context: int = 128
    encoder_blocks: int = 3
    decoder_blocks: int = 3
    render: int = 32
    neighbours: int = 16
    lambdas: tuple[float, float] = (0.0003, 0.3947)
    points: int = 10


def weight_of(config: PatchConfig, point: Tensor) -> Tensor:
    """The weight lambda of the squared error at fractional rate points 0 .. points - 1."""
    low, high = (math.log(value) for value in config.lambdas)
    return torch.exp(low + (high - low) * point / (config.points - 1))


class Analysis(nn.Module):
    """Patches to latents in grey levels: y = P x + f(x)."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        inputs = 3 * PATCH * PATCH
        self.transform = nn.Conv2d(inputs, config.latents, 1, bias=False)
        self.enter = pointwise(inputs, config.width)
        self.blocks = nn.Sequential(
            *(DepthConvBlock(config.width, 4.0, norm=True) for _ in range(config.encoder_blocks))
        )
        self.leave = pointwise(config.width, config.latents, zero=True)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] minus 127.5, H and W multiples of 16, to [B, latents, H/16, W/16]."""
        patches = F.pixel_unshuffle(pixels, PATCH)
        return self.transform(patches) + self.leave(self.blocks(self.enter(patches / GREY))) * GREY


class HyperAnalysis(nn.Module):
    """Latents to side information: pooled log-energies and pooled signed means, projected, plus a network."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.signed = config.signed
        self.project = nn.Conv2d(config.latents, config.side - config.signed, 1)
        self.enter = pointwise(2 * config.latents, config.context)
        self.block = DepthConvBlock(config.context, 2.0, norm=True)
        self.leave = pointwise(config.context, config.side, zero=True)

    def forward(self, y: Tensor) -> Tensor:
        """Scaled latents [B, latents, h, w], h and w even, to unrounded z [B, side, h/2, w/2]."""
        energy, mean = F.avg_pool2d(torch.log1p(y.abs()), 2), F.avg_pool2d(y, 2)
        linear = torch.cat((mean[:, : self.signed] / 2, self.project(energy)), 1)
        soft = torch.asinh(mean)  # tames the range of the low components for the network
        return linear + self.leave(self.block(self.enter(torch.cat((energy, soft), 1))))


class Means(nn.Module):
    """Two steps of means: from z for all latents, then for the second half from the decoded first half as well."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.low = config.neighbours
        self.linear = nn.Conv2d(config.side, config.latents, 1)
        self.enter = pointwise(config.side, config.context)
        self.block = DepthConvBlock(config.context, 2.0)
        self.spread = pointwise(config.context, 4 * config.context)
        self.first = pointwise(config.context, config.latents, zero=True)
        self.near = nn.Conv2d(config.neighbours, config.neighbours, 3, padding=1, bias=False)
        nn.init.zeros_(self.near.weight)
        self.join = pointwise(config.latents + config.context, config.context)
        self.refine = DepthConvBlock(config.context, 2.0)
        self.second = pointwise(config.context, config.latents, zero=True)

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Integer z [B, side, h/2, w/2] to the first means [B, latents, h, w] and context features [B, context, h, w]."""
        features = F.pixel_shuffle(self.spread(self.block(self.enter(torch.asinh(z)))), 2)
        base = F.interpolate(self.linear(z), scale_factor=2, mode="nearest")
        return base + self.first(gate(features)), features

    def update(self, first: Tensor, features: Tensor, residual: Tensor) -> Tensor:
        """Means given the decoded residuals of the first half (zero elsewhere), [B, latents, h, w] like all of them."""
        near = F.pad(self.near(residual[:, : self.low]), (0, 0, 0, 0, 0, first.shape[1] - self.low))
        context = self.join(torch.cat((torch.asinh(residual), features), 1))
        return first + near + self.second(gate(self.refine(context)))


class RowHead(nn.Module):
    """The float twin of the integer linear head: table row of every latent from z, one linear map.

    Its weights are rounded to 255 levels per output in the forward pass, as freezing will round them.
    """

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4 * config.latents, config.side))
        self.bias = nn.Parameter(torch.zeros(config.points, 4 * config.latents))

    def forward(self, z: Tensor, point: Tensor) -> Tensor:
        """Integer z [B, side, h/2, w/2] to fractional rows 0 .. 63, [B, latents, h, w]."""
        bias = interpolate_rows(self.bias, point)[:, :, None, None]
        scale = self.weight.detach().abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        weight = straight_through_round(self.weight / scale) * scale
        rows = F.conv2d(z, weight[:, :, None, None]) + bias
        return F.pixel_shuffle(rows, 2).clamp(0, ROWS - 1)


class Renderer(nn.Module):
    """Detail at 1/4 resolution, modulated by features at 1/16 (PULSE, arXiv 2609.18602)."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.base = pointwise(config.latents, 16 * config.render)
        self.modulate = pointwise(config.width, 16 * (config.render // 2))
        self.split = pointwise(config.render // 2, 3 * config.render)
        self.expand = pointwise(config.render, config.render * 3 // 2)
        self.reduce = pointwise(config.render * 3 // 2, config.render)
        self.smooth = nn.Conv2d(config.render, config.render, 3, padding=1, groups=config.render)
        self.leave = pointwise(config.render, 48, zero=True)

    def forward(self, y: Tensor, features: Tensor) -> Tensor:
        """Latents [B, latents, h, w] and features [B, width, h, w] to [B, 3, 16 h, 16 w]."""
        x = F.pixel_shuffle(self.base(y), 4)
        shift, scale, weight = self.split(gate(F.pixel_shuffle(self.modulate(features), 4))).chunk(3, 1)
        detail = self.reduce(gate(self.expand(x * (scale + 0.5).clamp(0, 1) + shift)))
        x = x + (weight + 0.5).clamp(0, 1) * detail
        return F.pixel_shuffle(self.leave(x + gate(self.smooth(x))), 4)


Margin = tuple[int, int, int, int]  # positions above, below, left and right that are there as context only
NO_MARGIN: Margin = (0, 0, 0, 0)


def trim(margin: Margin, keep: int, *tensors: Tensor) -> tuple[Margin, *tuple[Tensor, ...]]:
    """Cut tensors [..., h, w] with a margin so that `keep` positions of it stay on each side, or as many as there are."""
    above, below, left, right = (max(size - keep, 0) for size in margin)
    height, width = tensors[0].shape[-2:]
    cut = (x[..., above : height - below, left : width - right] for x in tensors)
    return (*(min(size, keep) for size in margin),), *cut


def synthesis_reach(config: PatchConfig) -> int:
    """Latents on each side that `Synthesis` needs around the patches wanted."""
    return config.decoder_blocks + RENDERER


def decoder_halo(config: PatchConfig) -> int:
    """Positions of z (32 pixels) on each side that decoded pixels depend on, for the residuals as well."""
    return MEANS_OF_Z + -(-(synthesis_reach(config) + MEANS_OF_RESIDUALS) // 2)


def encoder_halo(config: PatchConfig) -> int:
    """Positions of z (32 pixels) on each side that the symbols of the encoder depend on."""
    # The first half of the residuals around decides the second half; both need means, means need z, z needs latents.
    side = -(-MEANS_OF_RESIDUALS // 2) + MEANS_OF_Z + HYPER
    return side - (-config.encoder_blocks // 2)


class Synthesis(nn.Module):
    """Latents in grey levels to pixels: P' y + h(y)."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.transform = nn.Conv2d(config.latents, 3 * PATCH * PATCH, 1, bias=False)
        self.enter = pointwise(config.latents, config.width)
        self.blocks = nn.Sequential(*(DepthConvBlock(config.width, 2.0) for _ in range(config.decoder_blocks)))
        self.render = Renderer(config)

    def forward(self, y: Tensor, scale: Tensor, margin: Margin = NO_MARGIN) -> Tensor:
        """[B, latents, h, w] and a gain of the features per rate point [B, width] to pixels [B, 3, 16 h, 16 w].

        The margin (of latents) is left out of the pixels.
        """
        small = y / GREY
        features = self.blocks(self.enter(small) * scale[:, :, None, None])
        margin, y, small, features = trim(margin, RENDERER, y, small, features)
        pixels = F.pixel_shuffle(self.transform(y), PATCH) + self.render(small, features) * GREY
        return trim((*(PATCH * size for size in margin),), 0, pixels)[1]


class PatchNet(nn.Module):
    """All float networks of the patch codec; `point` is the fractional rate point [B] throughout."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.config = config
        self.analysis = Analysis(config)
        self.hyper = HyperAnalysis(config)
        self.means = Means(config)
        self.head = RowHead(config)
        self.synthesis = Synthesis(config)
        self.log_gain = nn.Parameter(torch.zeros(config.points, config.latents))
        self.feature_gain = nn.Parameter(torch.ones(config.points, config.width))
        self.side_mean = nn.Parameter(torch.zeros(config.points, config.side))
        self.side_log_scale = nn.Parameter(torch.zeros(config.points, config.side))

    def gain(self, point: Tensor) -> Tensor:
        """Latents per grey level, [B, latents, 1, 1]."""
        return torch.exp(interpolate_rows(self.log_gain, point))[:, :, None, None]

    def latents(self, pixels: Tensor, point: Tensor) -> Tensor:
        """Scaled latents of pixels (minus 127.5), to be quantised with step 1."""
        return self.analysis(pixels) * self.gain(point)

    def pixels(self, y: Tensor, point: Tensor, margin: Margin = NO_MARGIN) -> Tensor:
        """Pixels (minus 127.5) of quantised latents, those of the margin left out."""
        return self.synthesis(y / self.gain(point), interpolate_rows(self.feature_gain, point), margin)


def checkerboard(y: Tensor) -> Tensor:
    """1 where a latent belongs to the first half: a checkerboard over space, shifted from channel to channel; of [..., C, h, w]."""
    channel, row, column = (torch.arange(n, device=y.device) for n in y.shape[-3:])
    return ((channel[:, None, None] + row[:, None] + column) % 2 == 0).to(y.dtype)
