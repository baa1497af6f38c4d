"""Quantisers without a learned codebook: finite scalar quantisation and signs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Step
from .projections import regress, whiten

TOGETHER = 10  # bits whose joint distribution is looked at


class Fsq(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2023): a few bounded dimensions, each rounded to so many levels.

    The code is the number whose digits are the rounded dimensions. No codebook, no losses.
    """

    straight = True

    def __init__(self, dim: int, levels: Sequence[int] = (8, 5, 5, 5)) -> None:
        super().__init__()
        self.dim, self.size = dim, math.prod(levels)
        self.enter = nn.Linear(dim, len(levels))
        self.leave = nn.Linear(len(levels), dim)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        digits = torch.tensor([math.prod(levels[:place]) for place in range(len(levels))])
        self.register_buffer("digits", digits, persistent=False)

    def _whole(self, vectors: Tensor) -> Tensor:
        """Numbers -levels // 2 .. (levels - 1) // 2 as floats [n, dimensions] with the gradient of their bounded inputs."""
        half = (self.levels - 1) * (1 - 1e-3) / 2
        even = (self.levels % 2 == 0) * 0.5  # levels of an even number lie between the integers
        inner = (self.enter(vectors) + torch.atanh(even / half)).tanh() * half - even
        return inner + (inner.round() - inner).detach()

    def _words(self, whole: Tensor) -> Tensor:
        return self.leave(whole / (self.levels // 2))

    def forward(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        whole = self._whole(vectors)
        return Step(self._words(whole), self._codes(whole), {})

    def _codes(self, whole: Tensor) -> Tensor:
        return ((whole.detach().round().long() + self.levels // 2) * self.digits).sum(1)

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return self._codes(self._whole(vectors))

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Start from principal components and least squares on float [n, dim]; the other arguments are for codebooks."""
        whiten(self.enter, vectors)
        regress(self.leave, self._whole(vectors) / (self.levels // 2), vectors)

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        return self._words((codes.unsqueeze(1) // self.digits % self.levels - self.levels // 2).float())


class Signs(nn.Module):
    """Every dimension of a projection becomes its sign: LFQ (Yu et al. 2023), or BSQ (Zhao et al. 2024) on the unit sphere.

    The loss "entropy" wants each vector to be sure of its bits and all vectors together to use all codes evenly.
    """

    straight = True
    SHARPNESS = 4.0  # of the soft signs of which the entropy is taken

    def __init__(self, dim: int, bits: int = 10, spherical: bool = True) -> None:
        super().__init__()
        self.dim, self.size, self.spherical = dim, 1 << bits, spherical
        self.length = bits**-0.5 if spherical else 1.0  # of a dimension of a codeword
        self.enter = nn.Linear(dim, bits)
        self.leave = nn.Linear(bits, dim)
        self.register_buffer("places", 1 << torch.arange(bits), persistent=False)

    def _inner(self, vectors: Tensor) -> Tensor:
        inner = self.enter(vectors)
        return functional.normalize(inner, dim=1) if self.spherical else inner

    def forward(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        inner = self._inner(vectors)
        bits = (inner > 0).detach()
        signs = (bits * 2.0 - 1.0) * self.length
        soft = torch.sigmoid(inner * (self.SHARPNESS / self.length))
        losses = {"commitment": (inner - signs).square().mean(1), "entropy": sure_and_even(soft)}
        return Step(self.leave(inner + (signs - inner).detach()), (bits * self.places).sum(1), losses)

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return ((self._inner(vectors) > 0) * self.places).sum(1)

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """As `Fsq.fit`."""
        whiten(self.enter, vectors)
        regress(self.leave, ((self._inner(vectors) > 0) * 2.0 - 1.0) * self.length, vectors)

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        bits = (codes.unsqueeze(1) & self.places) > 0
        return self.leave((bits * 2.0 - 1.0) * self.length)


def sure_and_even(soft: Tensor) -> Tensor:
    """Entropy in bits per bit of each vector's code, less that of the mean distribution of all codes: float [n].

    soft: float [n, bits], probabilities of ones. More than TOGETHER bits are taken in groups, as if these were independent.
    """
    p = soft.clamp(1e-6, 1 - 1e-6)
    own = -(p * p.log2() + (1 - p) * (1 - p).log2()).sum(1)
    shared = 0
    for part in p.split(TOGETHER, 1):
        joint = torch.ones(len(p), 1, device=p.device)
        for bit in part.T:
            joint = torch.stack((joint * (1 - bit).unsqueeze(1), joint * bit.unsqueeze(1)), 2).flatten(1)
        mean = joint.mean(0).clamp(min=1e-12)
        shared = shared - (mean * mean.log2()).sum()
    return (own - shared) / p.shape[1]
