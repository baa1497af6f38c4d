"""Tensors with learned quantiser steps: float copies for the optimiser, rounded ones for the network, a rate for both."""

import math

import torch
from torch import Tensor

HALF_LOG = 0.5 * math.log2(2 * math.pi * math.e)


class Quantised:
    """Tensors on grids of step 2**exponent; exponents are learned, then rounded and kept.

    tensors: leaf tensors that an optimiser moves; total: number of values by which rates are divided. A tensor with
    `per_channel` has one scale for each entry of its second axis (embeddings), else one scale in all. `centres`: what is
    coded is the difference to them; None for zeros.
    """

    def __init__(
        self, tensors: list[Tensor], total: int, per_channel: bool = False, centres: list[Tensor] | None = None
    ) -> None:
        self.tensors, self.total, self.per_channel, self.centres = tensors, total, per_channel, centres
        self.exponents = torch.zeros(len(tensors))
        self.slopes = self.exponents.grad = torch.zeros_like(self.exponents)

    def start(self, below: float = 3.0) -> None:
        """Set every step to 2**-below of the tensor's root mean square."""
        for index, tensor in enumerate(self.tensors):
            self.exponents[index] = torch.log2(tensor.square().mean().sqrt().clamp_min(1e-6)) - below

    def step(self, index: int) -> float:
        """Distance of neighbouring levels."""
        return 2.0 ** float(self.exponents[index])

    def levels(self, index: int) -> Tensor:
        """Integer levels of tensor `index`, int32."""
        return (self.tensors[index] / self.step(index)).round().to(torch.int32)

    def rounded(self, index: int, rows: Tensor | slice = slice(None)) -> Tensor:
        """Tensor `index`, or some of its rows, on its grid."""
        step = self.step(index)
        return (self.tensors[index][rows] / step).round_().mul_(step)

    def coded(self, index: int, rows: Tensor | slice = slice(None)) -> Tensor:
        """What is coded of tensor `index`, or of some of its rows: its values or the difference to its centre."""
        values = self.tensors[index][rows]
        return values if self.centres is None else values - self.centres[index][rows]

    def power(self, index: int) -> Tensor:
        """Mean square of the levels plus that of the rounding error: a scalar, or [channels, 1, 1]."""
        tensor = self.coded(index)
        mean = tensor.square().mean((0, 2, 3))[:, None, None] if self.per_channel else tensor.square().mean()
        return mean / self.step(index) ** 2 + 1 / 12

    def pull(self, index: int, gradient: Tensor, weight: float, rows: Tensor | slice = slice(None)) -> Tensor:
        """Gradient for the float copy, straight through the rounding, plus `weight` times that of the bits per value.

        gradient: of the loss at the rounded tensor (its `rows`, when only they were visited). Sets the exponent's gradient.
        The rate is a Gaussian's of the tensor's own scale, 0.5 log2(2 pi e power) per value; the exponent's gradient is
        that of Learned Step Size Quantization (Esser et al. 2020).
        """
        tensor, step, power = self.tensors[index], self.step(index), self.power(index)
        scaled = tensor[rows] / step
        share = weight / self.total
        slope = math.log(2) * step * float((gradient * (scaled.round() - scaled)).sum())
        slope -= share * tensor.numel() * float((1 - 1 / (12 * power)).mean())
        self.slopes[index] = slope
        visits = tensor.numel() / max(1, scaled.numel())
        coded = scaled if self.centres is None else self.coded(index, rows) / step
        return gradient + coded * (share * visits / (math.log(2) * step) / power)

    def bits(self) -> float:
        """Estimated bits of all tensors."""
        costs = (
            tensor.numel() * float((HALF_LOG + 0.5 * torch.log2(self.power(index))).mean())
            for index, tensor in enumerate(self.tensors)
        )
        return sum(costs)
