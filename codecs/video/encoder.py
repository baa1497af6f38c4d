"""HNeRV's encoder, from frames to embeddings: it helps while fitting and is thrown away."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .nerv import Layout


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of [B, C, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every position on its own."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ConvNextBlock(nn.Module):
    """Depthwise 7x7, normalisation, two pointwise layers and a scaled residual. Paper: ConvNeXt (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = ChannelNorm(width)
        self.up, self.down = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same shape."""
        return x + self.scale * self.down(F.gelu(self.up(self.norm(self.spread(x)))))


class Encoder(nn.Module):
    """Frames to embeddings, one ConvNeXt stage per stride; used while fitting and then thrown away.

    Takes float [B, 3, gh * enlargement, gw * enlargement]; gives [B, channels, gh, gw]. Paper: HNeRV (Chen et al. 2023).
    """

    def __init__(self, layout: Layout, width: int = 64) -> None:
        super().__init__()
        strides = [stride for stride in (*layout.strides, layout.shuffle) if stride > 1] or [1]
        widths = [3] + [width] * (len(strides) - 1) + [layout.channels]
        parts: list[nn.Module] = []
        for i, stride in enumerate(strides):
            convolution = nn.Conv2d(widths[i], widths[i + 1], stride, stride)
            norm = ChannelNorm(widths[i + 1] if i == 0 else widths[i])
            parts += [convolution, norm] if i == 0 else [norm, convolution]
            parts.append(ConvNextBlock(widths[i + 1]))
        self.parts = nn.Sequential(*parts)

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings of a batch of frames."""
        return self.parts(frames)
