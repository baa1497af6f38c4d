"""Building blocks that several codecs share."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pointwise(inputs: int, outputs: int, zero: bool = False) -> nn.Conv2d:
    """A 1x1 convolution; with `zero` its output starts at zero, so that what it is added to is unchanged at first."""
    layer = nn.Conv2d(inputs, outputs, 1)
    if zero:
        nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def gate(x: Tensor) -> Tensor:
    """x * clamp(0.3 x + 0.5, 0, 1): the cheap activation of PULSE's receiver (arXiv 2609.18602)."""
    if torch.is_grad_enabled():
        return x * torch.clamp(0.3 * x + 0.5, 0.0, 1.0)
    return (0.3 * x).add_(0.5).clamp_(0.0, 1.0).mul_(x)


class ChannelNorm(nn.Module):
    """Root-mean-square normalisation over the channels of [B, C, H, W] with a learned gain per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * self.weight[:, None, None]


class DepthConvBlock(nn.Module):
    """Depth-wise 3x3 mixing of space, then a feed-forward mixing of channels, each added to its input.

    The block of EVC, DCVC and PULSE, without channel attention so that what it gives depends on near pixels only.

    Args:
        channels: width of input and output [B, channels, H, W].
        ratio: width of the feed-forward layer in multiples of `channels`.
        norm: normalise the input of both halves (encoders); receivers go without.
    """

    def __init__(self, channels: int, ratio: float = 2.0, norm: bool = False) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.norm1 = ChannelNorm(channels) if norm else nn.Identity()
        self.norm2 = ChannelNorm(channels) if norm else nn.Identity()
        self.mix_in = pointwise(channels, channels)
        self.depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.mix_out = pointwise(channels, channels, zero=True)
        self.expand = pointwise(channels, hidden)
        self.reduce = pointwise(hidden, channels, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix_out(gate(self.depth(self.mix_in(self.norm1(x)))))
        return x + self.reduce(gate(self.expand(self.norm2(x))))


def interpolate_rows(table: Tensor, position: Tensor) -> Tensor:
    """Rows of a table [n, C] at fractional positions [B] in 0 .. n - 1, linear between neighbours: [B, C]."""
    low = position.floor().clamp(max=len(table) - 2).long()
    fraction = (position - low).unsqueeze(1)
    return table[low] * (1 - fraction) + table[low + 1] * fraction


def straight_through_round(x: Tensor) -> Tensor:
    """Round half to even with the gradient of the identity."""
    return x + (x.round() - x).detach()


def gaussian_bits(x: Tensor, scale: Tensor) -> Tensor:
    """Bits of values under a zero-mean Gaussian integrated over unit intervals; all [...], scale > 0.

    For training: the tables that code for real are the discrete Gaussians of the entropy layer.
    """
    magnitude = x.abs()
    upper = torch.special.erfc((magnitude - 0.5) / (scale * math.sqrt(2)))
    lower = torch.special.erfc((magnitude + 0.5) / (scale * math.sqrt(2)))
    # Beyond the clamp, where the difference underflows, an escape code of about this length takes over.
    return -torch.log2(((upper - lower) / 2).clamp(min=2.0**-26))


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of [B, C, H, W] until both sides divide by `multiple`."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
