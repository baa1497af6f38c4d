"""From a trained float network to the integer network that takes its place: fake quantisation, calibration, freezing."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from ..entropy import network
from .blocks import straight_through_round

LEVELS = 127  # of a weight on each side
HEADROOM = 1.25  # beyond the largest activation that calibration saw


class CausalConv1d(nn.Conv1d):
    """A convolution over time that sees the present and the past, of [N, C, T]; zeros stand before the beginning."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


class BookEmbedding(nn.Module):
    """Codes int64 [N, books, *space] to vectors [N, books * dim, *space], one table for every book."""

    def __init__(self, books: int, size: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(books, size, dim) / dim**0.5)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.cat([table[codes[:, i].long()].movedim(-1, 1) for i, table in enumerate(self.weight)], 1)


class Residual(nn.Sequential):
    """Adds what its modules make of the input to it."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _RoundRows(nn.Module):
    """Weights rounded to 255 levels per output, straight through."""

    def forward(self, weight: Tensor) -> Tensor:
        largest = weight.detach().flatten(1).abs().amax(1).clamp(min=1e-9)
        scale = (largest / LEVELS).view(-1, *[1] * (weight.dim() - 1))
        return straight_through_round(weight / scale) * scale


def fake_quantise(module: nn.Module) -> nn.Module:
    """Let every layer with weights compute with weights rounded as freezing will round them; for training.

    The same module is returned; a second call changes nothing.
    """
    for part in list(module.modules()):
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d) and not parametrize.is_parametrized(part, "weight"):
            parametrize.register_parametrization(part, "weight", _RoundRows())
    return module


@torch.no_grad()
def freeze(
    module: nn.Sequential,
    calibration: Tensor,
    *,
    low: int,
    high: int,
    resolution: int = 1,
    bits: int = 12,
    input_bound: int | None = None,
) -> network.Network:
    """The integer network next to a trained float one.

    Args:
        module: `nn.Linear`, `nn.Conv2d` (1x1, or depth-wise with zeros around), `CausalConv1d`, `BookEmbedding` (first),
            `Residual` and element-wise activations, ending in a layer with weights.
        calibration: inputs as the network will see them, whole numbers, [N, C, *space].
        low, high: range of the outputs.
        resolution: the integer outputs are the float ones times this.
        bits: precision of inner activations, besides the sign.
        input_bound: largest magnitude of an input; by default that of the calibration.

    Raises:
        OverflowError: when sums could leave the exact range.
        TypeError: for a module that has no integer form.
    """
    bound = int(calibration.abs().max()) if input_bound is None else input_bound
    walk = _Walk(bits, bound)
    layers, _, _ = walk.sequence(module, calibration, 1.0, (1 / resolution, low, high))
    return network.Network(layers, bound)


Goal = tuple[float, int, int]  # step of an output, and its range


class _Walk:
    """Goes through a float network with calibration data and makes an integer layer of every layer."""

    def __init__(self, bits: int, bound: int) -> None:
        self.most, self.bound = (1 << bits) - 1, bound

    def sequence(self, modules: nn.Sequential, x: Tensor, step: float, goal: Goal | None) -> tuple[list, Tensor, float]:
        """Integer layers, the float output, and the step of its integers.

        goal: what the last layer must give; None leaves that to calibration.
        """
        layers, parts, place = [], list(modules), 0
        while place < len(parts):
            part, after = parts[place], parts[place + 1] if place + 1 < len(parts) else None
            active = after is not None and _is_activation(after)
            last = place + (2 if active else 1) >= len(parts)
            if isinstance(part, Residual):
                x, step = self._residual(part, x, step, layers)
            elif isinstance(part, BookEmbedding):
                x, step = self._embedding(part, x, layers)
            else:
                x, step = self._layer(part, after if active else None, x, step, goal if last else None, layers)
            place += 2 if active else 1
        return layers, x, step

    def _goal(self, y: Tensor) -> Goal:
        return max(float(y.abs().max()), 1e-6) * HEADROOM / self.most, -self.most, self.most

    def _layer(
        self, part: nn.Module, after: nn.Module | None, x: Tensor, step: float, goal: Goal | None, layers: list
    ) -> tuple[Tensor, float]:
        y = part(x)
        if after is None:
            into = goal or self._goal(y)
            layers.append(_integer(part, step, into))
            return y, into[0]
        if isinstance(after, nn.ReLU):  # the clip does it
            into = goal or self._goal(y.clamp(min=0))
            layers.append(_integer(part, step, (into[0], max(into[1], 0), into[2])))
            return after(y), into[0]
        before = self._goal(y)
        layers.append(_integer(part, step, before))
        values = torch.arange(before[1], before[2] + 1).double() * before[0]
        y, image = after(y), after(values)
        into = goal or self._goal(image)
        table = np.clip(np.rint(image.numpy(force=True) / into[0]), into[1], into[2])
        layers.append(network.Lookup(table.astype(np.int32), before[1]))
        return y, into[0]

    def _residual(self, part: Residual, x: Tensor, step: float, layers: list) -> tuple[Tensor, float]:
        y = nn.Sequential.forward(part, x)
        inside = math.ceil(float(y.abs().max()) * HEADROOM / step) + 1
        outside = math.ceil(float((x + y).abs().max()) * HEADROOM / step) + 1
        body, _, _ = self.sequence(part, x, step, (step, -inside, inside))
        layers.append(network.Residual(tuple(body), -outside, outside))
        return x + y, step

    def _embedding(self, part: BookEmbedding, x: Tensor, layers: list) -> tuple[Tensor, float]:
        step = max(float(part.weight.abs().max()), 1e-6) / self.most
        layers.append(network.Embedding(np.rint(part.weight.numpy(force=True) / step).astype(np.int16)))
        return part(x), step


def _is_activation(module: nn.Module) -> bool:
    """Whether a module works on each number alone: it has no weights and is not a sequence."""
    known = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Sequential | BookEmbedding
    return not isinstance(module, known) and not list(module.parameters())


def _integer(part: nn.Module, step: float, goal: Goal) -> network.Layer:
    """The integer layer that gives multiples of the goal's step from multiples of `step`."""
    unit, low, high = goal
    kind, extra = _kind(part)
    weight = part.weight.double().numpy(force=True) * (step / unit)
    weight = weight.reshape(len(weight), -1) if kind is network.Affine else weight
    weight = weight[:, 0] if kind is network.DepthWise else weight
    shape = (-1, *[1] * (weight.ndim - 1))
    scale = np.abs(weight).reshape(len(weight), -1).max(axis=1) / LEVELS
    # The scale is rounded to the multiplier first, so that the rounded weights belong to the scale in use.
    multiplier = np.maximum(np.rint(scale * 2.0**network.SHIFT), 1).astype(np.int64)
    rounded = np.clip(np.rint(weight / (multiplier.reshape(shape) * 2.0**-network.SHIFT)), -LEVELS, LEVELS)
    bias = np.zeros(len(weight)) if part.bias is None else part.bias.double().numpy(force=True) / unit
    offset = np.rint(bias * 2.0**network.SHIFT).astype(np.int64) + (1 << (network.SHIFT - 1))
    return kind(rounded.astype(np.int8), multiplier, offset, low, high, **extra)


def _kind(part: nn.Module) -> tuple[type[network.Layer], dict[str, int]]:
    if isinstance(part, CausalConv1d):
        return network.Causal, {"dilation": part.dilation[0]}
    if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv1d | nn.Conv2d) and _is_pointwise(part)):
        return network.Affine, {}
    if isinstance(part, nn.Conv2d) and _is_depthwise(part):
        return network.DepthWise, {}
    raise TypeError(f"{part} has no integer form")


def _is_pointwise(part: nn.Conv1d | nn.Conv2d) -> bool:
    return set(part.kernel_size) == {1} and part.groups == 1


def _is_depthwise(part: nn.Conv2d) -> bool:
    side = part.kernel_size[0]
    same = part.kernel_size == (side, side) and side % 2 == 1 and part.padding == (side // 2, side // 2)
    return same and part.groups == part.in_channels == part.out_channels and part.padding_mode == "zeros"
