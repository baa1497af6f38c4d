"""Parts of decoders of the NeRV family: what turns a frame's number into features, stems, up-sampling blocks, conditioning."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BASE, LEVELS = 1.25, 40  # frequencies of the positional code of the NeRV papers: BASE**i * pi, sine and cosine
WAVES = 2 * LEVELS
HEADS = 8
CELLS_MOST = 4096  # positions among which attention is computed

ACTIVATIONS = {"gelu": F.gelu, "silu": F.silu, "sin": torch.sin}


def waves(positions: Tensor) -> Tensor:
    """Positional code of numbers in 0..1: float [n] -> float32 [n, WAVES]."""
    powers = BASE ** torch.arange(LEVELS, dtype=torch.float64, device="cpu") * math.pi
    angles = positions.double()[:, None] * powers.to(positions.device)
    return torch.cat([angles.sin(), angles.cos()], 1).float()


@lru_cache(maxsize=8)
def places(grid: tuple[int, int]) -> Tensor:
    """Positional codes of the rows and columns of a grid: float32 [gh * gw, 2 * WAVES]."""
    rows, columns = (waves((torch.arange(side, device="cpu") + 0.5) / side) for side in grid)
    shape = (*grid, WAVES)
    return torch.cat([rows[:, None].expand(shape), columns[None].expand(shape)], 2).flatten(0, 1)


def convolution(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


def enlarged(x: Tensor, stride: int) -> Tensor:
    """Pixel shuffle."""
    return F.pixel_shuffle(x, stride) if stride > 1 else x


class EmbeddingStem(nn.Conv2d):
    """HNeRV (Chen et al. 2023): a 1x1 convolution of the frame's own embedding [B, channels, gh, gw]."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 1)

    def forward(self, embeddings: Tensor, times: Tensor) -> Tensor:
        """[B, channels, gh, gw] -> [B, width, gh, gw]."""
        return super().forward(embeddings)


class IndexStem(nn.Module):
    """NeRV (Chen et al. 2021): the positional code of the frame's number, spread over the grid by linear layers."""

    def __init__(self, grid: tuple[int, int], width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.grid, self.activation = grid, ACTIVATIONS[activation]
        self.first = nn.Linear(WAVES, hidden) if hidden else None
        self.last = nn.Linear(hidden or WAVES, width * grid[0] * grid[1])

    def forward(self, embeddings: Tensor, times: Tensor) -> Tensor:
        """times [B], 0..1 -> [B, width, gh, gw]."""
        x = waves(times)
        x = x if self.first is None else self.activation(self.first(x))
        return self.last(x).unflatten(1, (-1, *self.grid))


class Attention(nn.Module):
    """A transformer block over the positions of a grid: attention of `heads` heads of size width // 4, then two layers."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * max(1, width // 4)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, 3 * inner, bias=False), nn.Linear(inner, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, positions, width] -> the same shape."""
        q, k, v = self.into(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GridStem(nn.Module):
    """E-NeRV (Li et al. 2022): positions and time in two branches that are multiplied, with attention among positions."""

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.grid = grid
        self.place = nn.Linear(2 * WAVES, width)
        self.before = Attention(width, 1, max(1, width // 2))
        self.time1, self.time2 = nn.Linear(WAVES, 2 * width), nn.Linear(2 * width, width)
        self.after = Attention(width, HEADS, width)
        self.out = nn.Linear(width, width)

    def forward(self, embeddings: Tensor, times: Tensor) -> Tensor:
        """times [B], 0..1 -> [B, width, gh, gw]."""
        x = self.before(self.place(places(self.grid).to(times.device))[None])
        time = self.time2(F.gelu(self.time1(waves(times))))
        x = self.out(self.after(x * time[:, None]))
        return x.transpose(1, 2).unflatten(2, self.grid)


class UpBlock(nn.Module):
    """NeRV's block: convolution, pixel shuffle, activation. `factorised`: through a quarter of the channels, as E-NeRV."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, activation: str, factorised: bool) -> None:
        super().__init__()
        self.stride, self.activation = stride, ACTIVATIONS[activation]
        inner = max(1, outputs // 4) if factorised else outputs
        self.up = convolution(inputs, inner * stride**2, kernel)
        self.widen = convolution(inner, outputs, kernel) if factorised else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h * stride, w * stride]."""
        x = enlarged(self.up(x), self.stride)
        return self.activation(x if self.widen is None else self.widen(x))


class Separable(nn.Module):
    """NeRV++'s residual block of separable convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = convolution(width, width, 3, groups=width)
        self.mix, self.out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, h, w] -> the same shape."""
        return x + self.out(F.gelu(self.mix(self.spread(x))))


class SeparableUpBlock(nn.Module):
    """NeRV++ (Ghorbel et al. 2024): NeRV's block between two separable ones, beside a bilinear enlargement."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, activation: str) -> None:
        super().__init__()
        self.stride = stride
        self.enter = nn.Conv2d(inputs, outputs, 1)
        self.before = Separable(outputs)
        self.up = UpBlock(outputs, outputs, kernel, stride, activation, False)
        self.after = Separable(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h * stride, w * stride]."""
        skip = self.enter(x)
        x = self.after(self.up(self.before(skip)))
        return x + F.interpolate(skip, scale_factor=self.stride, mode="bilinear") if self.stride > 1 else x + skip


class TimeCode(nn.Module):
    """What conditions stages on time: the positional code of the frame's number through two layers."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WAVES, 2 * width), nn.Linear(2 * width, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, times: Tensor) -> Tensor:
        """times [B], 0..1 -> [B, width]."""
        return self.activation(self.last(self.activation(self.first(waves(times)))))


def normalised(x: Tensor) -> Tensor:
    """Every channel of every frame with mean 0 and variance 1 over its positions.

    Spelled out: with channels last, torch's instance_norm (2.13, CPU) learned nothing where this does.
    """
    x = x - x.mean((2, 3), keepdim=True)
    return x * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + 1e-5)


class Affine(nn.Module):
    """Scale and shift of channels by a function of the time code, nothing at first; `norm`: after normalising each, as E-NeRV."""

    def __init__(self, width: int, code: int, norm: bool) -> None:
        super().__init__()
        self.inner, self.norm = nn.Linear(code, 2 * code), norm
        self.scale, self.shift = nn.Linear(code, width), nn.Linear(code, width)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B, width, h, w] and [B, code] -> [B, width, h, w]."""
        low, high = F.relu(self.inner(code)).chunk(2, 1)
        x = normalised(x) if self.norm else x
        return x * (1 + self.scale(low))[:, :, None, None] + self.shift(high)[:, :, None, None]


class Temporal(nn.Module):
    """Boosting-NeRV's temporal-aware affine transform (Zhang et al. 2024): two of these and two convolutions, added."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.affine1, self.conv1 = Affine(width, code, False), convolution(width, width, 3)
        self.affine2, self.conv2 = Affine(width, code, False), convolution(width, width, 3)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B, width, h, w] and [B, code] -> [B, width, h, w]."""
        inner = F.gelu(self.conv1(self.affine1(x, code)))
        return x + self.conv2(self.affine2(inner, code))
