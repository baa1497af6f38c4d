"""Codebooks of nearest vectors: k-means, running means with restarts of dead entries, frozen centroids."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import ranks
from .base import Step

RESTART_BELOW = 0.1  # an entry dies when it is used less than this share of the mean entry


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Index of the nearest codeword: float [n, dim], float [size, dim] to int64 [n]."""
    return (vectors @ codebook.T - 0.5 * codebook.square().sum(1)).argmax(1)


def kmeans(vectors: Tensor, size: int, rounds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm with empty cells moved to random vectors.

    vectors: float [n, dim]. Returns the centroids float [size, dim] and how many vectors each stands for, float [size].
    """
    picks = torch.randint(len(vectors), (size,), generator=generator)
    centroids = vectors[picks].clone()
    for _ in range(rounds):
        counts, sums = totals(vectors, nearest(vectors, centroids), size)
        centroids = sums / counts.clamp(min=1).unsqueeze(1)
        empty = counts == 0
        picks = torch.randint(len(vectors), (int(empty.sum()),), generator=generator)
        centroids[empty] = vectors[picks]
    counts, sums = totals(vectors, nearest(vectors, centroids), size)
    used = counts > 0
    centroids[used] = sums[used] / counts[used].unsqueeze(1)
    return centroids, counts


def totals(vectors: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Vectors per code, float [size], and their sums, float [size, dim]."""
    counts = torch.bincount(codes, minlength=size).to(vectors.dtype)
    return counts, vectors.new_zeros(size, vectors.shape[1]).index_add_(0, codes, vectors)


@dataclass(frozen=True)
class RunningMeans:
    """A codebook that follows the data by running means, on tensors that belong to someone else.

    A codeword is always sums / counts; every way of changing one (k-means, running mean, restart) writes both, so a
    later update starts from what was written.

    Attributes:
        codewords, counts, sums: float [size, dim], [size], [size, dim], changed in place.
        decay: of the running means.
        training: whether calls teach the codebook.
    """

    codewords: Tensor
    counts: Tensor
    sums: Tensor
    decay: float
    training: bool
    straight = False

    @property
    def size(self) -> int:
        """Entries."""
        return len(self.codewords)

    @property
    def dim(self) -> int:
        """Dimensions."""
        return self.codewords.shape[1]

    def __call__(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        """Quantise float [n, dim]; in training the vectors of which `taught` (bool [n]) is true move the codebook."""
        codes = self.encode(vectors.detach())
        words = self.decode(codes)
        if self.training:
            self.follow(vectors.detach()[taught], codes[taught], generator)
        # The codeword is a constant here: every stage's residual keeps its gradient towards the input.
        return Step(words, codes, {"commitment": (vectors - words).square().mean(1)})

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return nearest(vectors, self.codewords)

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        return self.codewords[codes]

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Set the codebook by k-means on float [n, dim].

        per_step: vectors per training step, so that the running counts begin at the level at which they will stay.
        """
        centroids, counts = kmeans(vectors, self.size, rounds, generator)
        self.set(centroids, (counts * (per_step / len(vectors))).clamp(min=1e-2))

    def set(self, codewords: Tensor, counts: Tensor) -> None:
        """Replace everything: float [size, dim] and running counts, float [size]."""
        self.codewords.copy_(codewords)
        self.counts.copy_(counts)
        self.sums.copy_(codewords * counts.unsqueeze(1))

    @torch.no_grad()
    def follow(self, vectors: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> None:
        """One step of the running means: float [n, dim] and their codes int64 [n], those of all ranks together.

        Dimensions in which all codewords are zero stay so: the codebook is for the others.
        """
        vectors = vectors * self.codewords.any(0)
        counts, sums = totals(vectors, codes, self.size)
        ranks.add(counts, sums)
        if not counts.any():
            return
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        dead = self.counts < RESTART_BELOW * self.counts.mean()
        if dead.any():
            self.restart(dead, vectors, generator)
        self.codewords.copy_(self.sums / self.counts.unsqueeze(1))

    def restart(self, dead: Tensor, vectors: Tensor, generator: torch.Generator | None) -> None:
        """Let dead entries, bool [size], share the work of the most used ones; `vectors` float [n, dim] of the batch.

        A random vector of the batch makes a poor codeword in many dimensions: hardly another is nearer to it than to
        what is there. Half of a busy cell is used at once, and the sum of the counts stays what it was.
        """
        gone = dead.nonzero().squeeze(1)[: len(dead) // 2]
        busy = self.counts.topk(len(gone)).indices
        self.counts[busy] /= 2
        self.sums[busy] /= 2
        words = self.sums[busy] / self.counts[busy].unsqueeze(1)
        words = words + 0.1 * (ranks.draw(vectors, len(gone), generator) - words)
        self.counts[gone] = self.counts[busy]
        self.sums[gone] = words * self.counts[busy].unsqueeze(1)


class EmaCodebook(nn.Module):
    """One codebook of running means (van den Oord et al. 2017, SoundStream, EnCodec), with restarts that last."""

    straight = False

    def __init__(self, size: int, dim: int, decay: float = 0.99) -> None:
        super().__init__()
        self.size, self.dim, self.decay = size, dim, decay
        self.register_buffer("codewords", torch.randn(size, dim))
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", self.codewords.clone())

    @property
    def means(self) -> RunningMeans:
        """The codebook as running means."""
        return RunningMeans(self.codewords, self.counts, self.sums, self.decay, self.training)

    def forward(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        return self.means(vectors, taught, generator)

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return self.means.encode(vectors)

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        return self.codewords[codes]

    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Set the codebook by k-means, see `RunningMeans.fit`."""
        self.means.fit(vectors, rounds, per_step, generator)


class FrozenCodebook(nn.Module):
    """Centroids of k-means that no training moves; the encoder is drawn towards them by the commitment alone."""

    straight = False

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.size, self.dim = size, dim
        self.register_buffer("codewords", torch.randn(size, dim))

    def forward(self, vectors: Tensor, taught: Tensor, generator: torch.Generator | None = None) -> Step:
        codes = self.encode(vectors.detach())
        words = self.decode(codes)
        return Step(words, codes, {"commitment": (vectors - words).square().mean(1)})

    def encode(self, vectors: Tensor) -> Tensor:
        """Float [n, dim] to int64 [n]."""
        return nearest(vectors, self.codewords)

    def decode(self, codes: Tensor) -> Tensor:
        """Int64 [n] to float [n, dim]."""
        return self.codewords[codes]

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Set the centroids by k-means on float [n, dim]."""
        self.codewords.copy_(kmeans(vectors, self.size, rounds, generator)[0])
