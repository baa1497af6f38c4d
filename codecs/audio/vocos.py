"""Decoders at the frame rate that end in an inverse Fourier transform (Vocos, Siuzdak 2023; WavTokenizer's attention)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .convnext import Block
from .layers import Chain, Conv

LOUDEST = math.log(100.0)  # largest logarithm of a magnitude
GROUPS = 32  # of the group normalisation of the position network


class Backbone(nn.Module):
    """ConvNeXt blocks over the time of [batch, inputs, frame] to [batch, frame, width]; normalised at both ends."""

    def __init__(self, inputs: int, width: int, blocks: int, expansion: int, attention: bool) -> None:
        super().__init__()
        self.enter = Conv(inputs, width, 7)
        self.position = position(width) if attention else nn.Identity()
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(Block(width, expansion) for _ in range(blocks)))
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.position(self.enter(x)).transpose(1, 2)
        return self.last(self.blocks(self.norm(x)))


class FourierHead(nn.Module):
    """Features [batch, frame, width] to samples [batch, 1, frame * hop] by magnitudes and phases of windows of `size` samples."""

    def __init__(self, width: int, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.leave = nn.Linear(width, size + 2)
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        logs, phase = self.leave(x).float().chunk(2, 2)
        return self.synthesise(torch.polar(logs.clamp(max=LOUDEST).exp(), phase)).unsqueeze(1)

    def synthesise(self, spectrum: Tensor) -> Tensor:
        """Inverse of `analyse`: complex [batch, frame, bin] to float [batch, frame * hop], windows added where they overlap."""
        pieces = torch.fft.irfft(spectrum, self.size) * self.window
        weight = self.window.square().expand_as(pieces[:1])
        return self._add(pieces) / self._add(weight)

    def _add(self, pieces: Tensor) -> Tensor:
        frames = pieces.shape[1]
        length = (frames - 1) * self.hop + self.size
        total = functional.fold(pieces.transpose(1, 2), (1, length), (1, self.size), stride=(1, self.hop))
        edge = (self.size - self.hop) // 2
        return total[:, 0, 0, edge : edge + frames * self.hop]

    def analyse(self, x: Tensor) -> Tensor:
        """Float [batch, frame * hop] to complex [batch, frame, bin], each frame in the middle of its window."""
        edge = (self.size - self.hop) // 2
        pieces = functional.pad(x, (edge, self.size - self.hop - edge)).unfold(1, self.size, self.hop)
        return torch.fft.rfft(pieces * self.window, self.size)


class Smooth(nn.Module):
    """Two convolutions with group normalisation, added to their input [batch, channel, frame]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        parts = [(nn.GroupNorm(math.gcd(GROUPS, width), width), nn.SiLU(), Conv(width, width, 3)) for _ in range(2)]
        self.chain = Chain(*parts[0], *parts[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.chain(x)


class Attention(nn.Module):
    """One head of attention over all frames of [batch, channel, frame], added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(GROUPS, width), width)
        self.enter = Conv(width, 3 * width, 1)
        self.leave = Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.enter(self.norm(x)).transpose(1, 2).chunk(3, 2)
        found = functional.scaled_dot_product_attention(query, key, value)
        return x + self.leave(found.transpose(1, 2))


def position(width: int) -> nn.Sequential:
    """WavTokenizer's network before the blocks: what a frame is among all frames of the stretch (Ji et al. 2024)."""
    norm = nn.GroupNorm(math.gcd(GROUPS, width), width)
    return nn.Sequential(Smooth(width), Smooth(width), Attention(width), Smooth(width), Smooth(width), norm)


def fourier_decoder(
    inputs: int, width: int, blocks: int, expansion: int, size: int, hop: int, attention: bool = False
) -> nn.Sequential:
    """Latents [batch, inputs, frame] to samples [batch, 1, frame * hop]."""
    return nn.Sequential(Backbone(inputs, width, blocks, expansion, attention), FourierHead(width, size, hop))
