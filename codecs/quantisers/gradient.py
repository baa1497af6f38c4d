"""A codebook learned by gradient, plain (HiFi-Codec) or factorised with cosine distance (DAC)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Step
from .euclid import kmeans, nearest
from .projections import regress, whiten


class GradientCodebook(nn.Module):
    """Codewords are parameters, drawn to their vectors by the loss "codebook" and drawing them by "commitment".

    With `code_dim` the search happens in so many dimensions between two projections, by direction alone: vectors and codewords
    are compared at unit length, and the codeword as it is is the value (Improved RVQGAN, Kumar et al. 2023). Without it this is
    VQ-VAE's codebook with gradients (van den Oord et al. 2017).
    """

    def __init__(self, size: int, dim: int, code_dim: int | None = None) -> None:
        super().__init__()
        self.size, self.dim, self.straight = size, dim, code_dim is not None
        self.codewords = nn.Parameter(torch.randn(size, code_dim or dim) * (code_dim or dim) ** -0.5)
        self.enter = nn.Linear(dim, code_dim) if code_dim else nn.Identity()
        self.leave = nn.Linear(code_dim, dim) if code_dim else nn.Identity()

    def forward(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        inner = self.enter(vectors)
        codes = self._search(inner.detach())
        words = self.codewords[codes]
        losses = {
            "commitment": (inner - words.detach()).square().mean(1),
            "codebook": (inner.detach() - words).square().mean(1),
        }
        words = inner + (words - inner).detach() if self.straight else words.detach()
        return Step(self.leave(words), codes, losses)

    def _search(self, inner: Tensor) -> Tensor:
        if not self.straight:
            return nearest(inner, self.codewords.detach())
        return (inner @ functional.normalize(self.codewords.detach(), dim=1).T).argmax(1)

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return self._search(self.enter(vectors))

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        return self.leave(self.codewords[codes])

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Start the codewords at centroids of k-means on float [n, dim], so that none is dead from the first step.

        The projections start as principal components of unit variance and as the regression back.
        """
        if not self.straight:
            self.codewords.copy_(kmeans(vectors, self.size, rounds, generator)[0])
            return
        inner = whiten(self.enter, vectors)
        directions = kmeans(functional.normalize(inner, dim=1), self.size, rounds, generator)[0]
        self.codewords.copy_(directions * inner.norm(dim=1).mean())
        regress(self.leave, self.codewords[self._search(inner)], vectors)
