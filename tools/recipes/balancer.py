"""Weights of losses that say how much of the gradient each is, whatever the scale of the loss (EnCodec, Defossez et al. 2022)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...codecs import ranks


class Balancer(nn.Module):
    """Rescales the gradients of several losses with respect to one output; running norms are buffers of a checkpoint.

    Args:
        weights: share of each loss in the gradient, up to a common factor; losses need not all be there at every step.
        decay: of the running mean of each gradient's norm.
    """

    def __init__(self, weights: Mapping[str, float], decay: float = 0.99) -> None:
        super().__init__()
        self.weights, self.decay = dict(weights), decay
        self.register_buffer("norms", torch.zeros(len(weights)))
        self.register_buffer("mass", torch.zeros(len(weights)))  # of the running means so far: below 1 at the beginning

    def forward(self, losses: Mapping[str, Tensor], output: Tensor) -> Tensor:
        """The balanced gradient with respect to `output` (batch first), as a mean over the batch."""
        total, share = torch.zeros_like(output), sum(self.weights[name] for name in losses)
        for name, loss in losses.items():
            (gradient,) = torch.autograd.grad(loss, output, retain_graph=True)
            place = list(self.weights).index(name)
            norm = gradient.flatten(1).norm(dim=1).mean()
            ranks.add(norm)
            norm = norm / ranks.count()
            self.norms[place].lerp_(norm, 1 - self.decay)
            self.mass[place].lerp_(torch.ones_like(norm), 1 - self.decay)
            mean = self.norms[place] / self.mass[place]
            total += gradient * (self.weights[name] / share / mean.clamp(min=1e-12))
        return total / len(output)
