"""Decoder and encoder networks of the NeRV family: convolution, pixel shuffle and activation, stage after stage."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Layout:
    """Shape of an HNeRV decoder; everything that fixes the order and the shapes of its tensors.

    grid: height and width of a frame's embedding; channels: embedding channels; stem: channels after the 1x1 stem;
    strides, kernels (odd), widths: one entry per stage (widths = channels after the pixel shuffle);
    head: kernel of the last convolution (odd); shuffle: factor by which the head enlarges.
    """

    grid: tuple[int, int]
    channels: int
    stem: int
    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    widths: tuple[int, ...]
    head: int = 3
    shuffle: int = 1

    @property
    def enlargement(self) -> int:
        """Pixels per embedding position along one axis."""
        product = self.shuffle
        for stride in self.strides:
            product *= stride
        return product

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the decoder's tensors in canonical order: stem, stages, head; each weight before its bias."""
        shapes: list[tuple[int, ...]] = [(self.stem, self.channels, 1, 1), (self.stem,)]
        before = self.stem
        for stride, kernel, width in zip(self.strides, self.kernels, self.widths, strict=True):
            shapes += [(width * stride * stride, before, kernel, kernel), (width * stride * stride,)]
            before = width
        out = 3 * self.shuffle**2
        return [*shapes, (out, before, self.head, self.head), (out,)]

    def size(self) -> int:
        """Number of values in all tensors."""
        return sum(torch.Size(shape).numel() for shape in self.shapes())

    def activations(self) -> int:
        """Bytes that one convolution takes at most for one frame: unfolded input, output and what follows, float32."""
        pixels, largest = self.grid[0] * self.grid[1], 0
        for weight, stride in zip(self.shapes()[::2], (1, *self.strides, self.shuffle), strict=True):
            taps = weight[1] * weight[2] * weight[3]  # what a convolution by matrix product may unfold
            largest = max(largest, 4 * pixels * (2 * weight[0] + taps))
            pixels *= stride * stride
        return largest

    def work(self) -> float:
        """Multiply-accumulates for one frame."""
        pixels, total = self.grid[0] * self.grid[1], 0.0
        for weight, stride in zip(self.shapes()[::2], (1, *self.strides, self.shuffle), strict=True):
            total += pixels * torch.Size(weight).numel()
            pixels *= stride * stride
        return total


def render(layout: Layout, tensors: list[Tensor], embeddings: Tensor) -> Tensor:
    """Frames from embeddings: stem 1x1, then conv, pixel shuffle and GELU per stage, then the head.

    embeddings: float [B, channels, gh, gw]; result: float [B, 3, gh * enlargement, gw * enlargement], 0..1.
    Paper: HNeRV (Chen et al. 2023).
    """
    x = F.gelu(F.conv2d(embeddings, tensors[0], tensors[1]))
    for i, stride in enumerate(layout.strides):
        weight, bias = tensors[2 + 2 * i], tensors[3 + 2 * i]
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        x = F.gelu(F.pixel_shuffle(x, stride) if stride > 1 else x)
    x = F.conv2d(x, tensors[-2], tensors[-1], padding=layout.head // 2)
    x = F.pixel_shuffle(x, layout.shuffle) if layout.shuffle > 1 else x
    return 0.5 * torch.tanh(x) + 0.5


def initial(layout: Layout, generator: torch.Generator) -> list[Tensor]:
    """Fresh tensors in canonical order: small weights, zero biases."""
    tensors = []
    for shape in layout.shapes():
        if len(shape) == 1:
            tensors.append(torch.zeros(shape))
            continue
        fan = shape[1] * shape[2] * shape[3]
        tensors.append(torch.randn(shape, generator=generator) * (3.0 * fan) ** -0.5)
    return tensors


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
