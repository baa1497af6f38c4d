"""The generator of HiFi-GAN (Kong et al. 2020) and the encoder that HiFi-Codec mirrors from it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import Chain, Conv, Shortcut, UpConv

SLOPE = 0.1  # of the leaky ReLUs
GROUP = 16  # channels that the encoder normalises together


def residual_block(width: int, kernel: int, dilations: Sequence[int]) -> Chain:
    """For each dilation a dilated and a plain convolution, added to their input."""
    parts = []
    for dilation in dilations:
        first, second = Conv(width, width, kernel, dilation=dilation), Conv(width, width, kernel)
        parts.append(Shortcut(Chain(nn.LeakyReLU(SLOPE), first, nn.LeakyReLU(SLOPE), second), width))
    return Chain(*parts)


class Fields(nn.Module):
    """Residual blocks of several kernels side by side, averaged; with `norm` the running sum is normalised after each."""

    def __init__(self, width: int, kernels: Sequence[int], dilations: Sequence[int], norm: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(residual_block(width, kernel, dilations) for kernel in kernels)
        self.norms = nn.ModuleList(nn.GroupNorm(max(1, width // GROUP), width) for _ in kernels if norm)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor | float = 0.0
        for number, block in enumerate(self.blocks):
            total = total + block(x)
            total = self.norms[number](total) if self.norms else total
        return total / len(self.blocks)


def kernel_of(ratio: int) -> int:
    """Kernel of a layer of this stride: 4, 8, 11 and 16 for 2, 4, 5 and 8, as published."""
    return 2 * ratio if ratio % 2 == 0 else 2 * ratio + 1


def hifi_encoder(
    dim: int, filters: int, ratios: Sequence[int], kernels: Sequence[int], dilations: Sequence[int]
) -> Chain:
    """Samples [batch, 1, n] to latents [batch, dim, n / hop], the hop being the product of `ratios`."""
    parts: list[nn.Module] = [Conv(1, filters, 7)]
    width = filters
    for ratio in reversed(ratios):
        parts += [nn.LeakyReLU(SLOPE), Conv(width, 2 * width, kernel_of(ratio), ratio)]
        width *= 2
        parts.append(Fields(width, kernels[::-1], dilations, norm=True))
    return Chain(*parts, nn.LeakyReLU(SLOPE), Conv(width, dim, 3))


class Tanh(nn.Module):
    """Hyperbolic tangent in single precision, whatever the precision of the layers before."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x.float())


def hifi_generator(
    dim: int, filters: int, ratios: Sequence[int], kernels: Sequence[int], dilations: Sequence[int]
) -> Chain:
    """Latents [batch, dim, frames] to samples [batch, 1, frames * hop]."""
    width = filters * 2 ** len(ratios)
    parts: list[nn.Module] = [Conv(dim, width, 7)]
    for ratio in ratios:
        parts += [nn.LeakyReLU(SLOPE), UpConv(width, width // 2, kernel_of(ratio), ratio)]
        width //= 2
        parts.append(Fields(width, kernels, dilations, norm=False))
    return Chain(*parts, nn.LeakyReLU(SLOPE), Conv(width, 1, 7), Tanh())
