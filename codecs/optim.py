"""Optimisers and schedules for fitting small networks quickly: Muon for matrices, Adam for rows that are visited in turn."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

# Odd quintic whose iteration drives singular values of (0, 1] towards 1; accuracy at the top end is traded for speed at the bottom.
QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix with singular values near one, by Newton-Schulz iterations.

    matrix: float [rows, columns]. The result has the same shape and singular values of about 0.7 to 1.2
    (zero stays zero). Paper: Muon (Jordan et al. 2024).
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-12)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised: every direction of a weight matrix moves at the same speed.

    Takes tensors of two or more dimensions; dimensions after the first are flattened. The step has a root mean square of
    about lr / sqrt(columns). With `fast`, matrices large enough to gain from it are orthogonalised in bfloat16.
    Paper: Muon (Jordan et al. 2024).
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, fast: bool = False) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "fast": fast})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                nesterov = parameter.grad.lerp(momentum, group["momentum"])
                matrix = nesterov.flatten(1)
                halved = group["fast"] and min(matrix.shape) > 96
                direction = orthogonalise(matrix.bfloat16() if halved else matrix).float()
                scale = max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
                parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * scale)


class RowAdam:
    """Adam on a table of which each step visits a few rows; rows that are not visited do not move and keep their state.

    table: float [rows, ...], a leaf tensor; the gradient is given for the visited rows alone.
    """

    def __init__(self, table: Tensor, betas: tuple[float, float] = (0.8, 0.95), eps: float = 1e-12) -> None:
        self.table, self.betas, self.eps = table, betas, eps
        self.mean, self.square = torch.zeros_like(table), torch.zeros_like(table)
        self.visits = torch.zeros(len(table))

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor, lr: float) -> None:
        """Move `rows` (int64 [n], distinct) along `gradient` (float [n, ...]) at the rate `lr`."""
        b1, b2 = self.betas
        self.visits[rows] += 1
        mean = self.mean[rows].lerp_(gradient, 1 - b1)
        square = self.square[rows].lerp_(gradient.square(), 1 - b2)
        self.mean[rows], self.square[rows] = mean, square
        shape = [-1] + [1] * (gradient.dim() - 1)
        n = self.visits[rows].view(shape)
        step = mean / (1 - b1**n) / ((square / (1 - b2**n)).sqrt() + self.eps)
        self.table[rows] -= lr * step


def cosine(fraction: float, warmup: float = 0.1, start: float = 0.1) -> float:
    """Learning-rate factor at `fraction` (0..1) of a run: linear from `start` to 1 over `warmup`, then half a cosine to 0."""
    if fraction < warmup:
        return start + (1 - start) * fraction / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (fraction - warmup) / (1 - warmup))))
