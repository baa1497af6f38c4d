"""Residual vector quantisation with codebooks that follow the data by running means."""

import torch
from torch import Tensor, nn

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


class ResidualQuantiser(nn.Module):
    """Codebooks that each quantise what the ones before left over (SoundStream, Zeghidour et al. 2021).

    A codeword is always sums / counts; every way of changing one (k-means, running mean, restart) writes both, so a
    later update starts from what was written.
    """

    def __init__(self, books: int, size: int, dim: int, decay: float):
        super().__init__()
        self.decay = decay
        self.register_buffer("codebooks", torch.zeros(books, size, dim))
        self.register_buffer("counts", torch.ones(books, size))
        self.register_buffer("sums", torch.zeros(books, size, dim))

    @property
    def books(self) -> int:
        """Number of codebooks."""
        return self.codebooks.shape[0]

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Set every codebook by k-means on the residuals of float [n, dim].

        per_step: vectors per training step, so that the running counts begin at the level at which they will stay.
        """
        residual = vectors.clone()
        for book in range(self.books):
            centroids, counts = kmeans(residual, self.codebooks.shape[1], rounds, generator)
            self.set_book(book, centroids, (counts * (per_step / len(vectors))).clamp(min=1e-2))
            residual -= centroids[nearest(residual, centroids)]

    def set_book(self, book: int, codewords: Tensor, counts: Tensor) -> None:
        """Replace one codebook: float [size, dim] and running counts, float [size]."""
        self.codebooks[book] = codewords
        self.counts[book] = counts
        self.sums[book] = codewords * counts.unsqueeze(1)

    def encode(self, vectors: Tensor, books: int, beam: int = 1) -> Tensor:
        """Codes of the first `books` stages: float [n, dim] to int64 [books, n].

        beam: how many candidates per vector stay in the race from stage to stage; with 1 every stage takes the nearest.
        """
        if beam == 1 or len(vectors) == 0:
            return self._greedy(vectors, books)
        count, dim = vectors.shape
        residuals = vectors.unsqueeze(1)
        errors = residuals.new_zeros(count, 1)  # up to a constant per vector
        codes = torch.zeros(0, count, 1, dtype=torch.long, device=vectors.device)
        for codebook in self.codebooks[:books]:
            distances = codebook.square().sum(1) - 2 * residuals.flatten(0, 1) @ codebook.T
            so_far = (errors.unsqueeze(2) + distances.view(count, -1, len(codebook))).flatten(1)
            errors, best = so_far.topk(min(beam, so_far.shape[1]), dim=1, largest=False)
            parents, chosen = best // len(codebook), best % len(codebook)
            kept = residuals.gather(1, parents.unsqueeze(2).expand(-1, -1, dim))
            residuals = kept - codebook[chosen]
            codes = torch.cat((codes.gather(2, parents.expand(len(codes), -1, -1)), chosen.unsqueeze(0)))
        return codes[:, :, 0]

    def _greedy(self, vectors: Tensor, books: int) -> Tensor:
        codes = []
        for codebook in self.codebooks[:books]:
            codes.append(nearest(vectors, codebook))
            vectors = vectors - codebook[codes[-1]]
        return torch.stack(codes)

    def errors(self, vectors: Tensor) -> Tensor:
        """Squared error after 0, 1, ... all stages of nearest codewords: float [n, dim] to float [n, books + 1]."""
        left = [vectors.square().sum(1)]
        for codebook in self.codebooks:
            vectors = vectors - codebook[nearest(vectors, codebook)]
            left.append(vectors.square().sum(1))
        return torch.stack(left, 1)

    def decode(self, codes: Tensor, used: Tensor) -> Tensor:
        """Sum of the codewords in use: int64 [books, n] and int64 [n] (books used per vector) to float [n, dim]."""
        total = self.codebooks.new_zeros(codes.shape[1], self.codebooks.shape[2])
        for book, row in enumerate(codes):
            total = total + self.codebooks[book][row] * (used > book).unsqueeze(1)
        return total

    def forward(
        self, vectors: Tensor, used: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise with gradients.

        vectors: float [n, dim]; used: int64 [n], codebooks in use per vector (0: the vector is silent and teaches
        nothing). Returns the quantised vectors (straight-through), the codes int64 [books, n] and the commitment: the
        squared distance of each stage's residual from its codeword, summed over the stages in use, as a mean over
        vectors and dimensions. In training mode the codebooks follow the data; generator: for restarts.
        """
        total, commitment, codes = torch.zeros_like(vectors), vectors.new_zeros(()), []
        heard = used > 0
        residual = vectors
        for book in range(self.books):
            active = (used > book).unsqueeze(1)
            codes.append(nearest(residual.detach(), self.codebooks[book]))
            words = self.codebooks[book][codes[-1]]
            commitment = commitment + ((residual - words).square() * active).mean()
            if self.training:
                self.follow(book, residual.detach()[heard], codes[-1][heard], generator)
            # The codeword is a constant here: every stage's residual keeps its gradient towards `vectors`.
            total = total + words * active
            residual = residual - words
        return vectors + (total - vectors).detach(), torch.stack(codes), commitment

    @torch.no_grad()
    def follow(self, book: int, vectors: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> None:
        """One step of the running means of a codebook: float [n, dim] and their codes int64 [n]."""
        if len(vectors) == 0:
            return
        counts, sums = totals(vectors, codes, self.codebooks.shape[1])
        self.counts[book].lerp_(counts, 1 - self.decay)
        self.sums[book].lerp_(sums, 1 - self.decay)
        mean = self.counts[book].mean()
        dead = self.counts[book] < RESTART_BELOW * mean
        if dead.any():
            self.restart(book, dead, vectors, generator)
        self.codebooks[book] = self.sums[book] / self.counts[book].unsqueeze(1)

    def restart(self, book: int, dead: Tensor, vectors: Tensor, generator: torch.Generator | None) -> None:
        """Let dead entries, bool [size], share the work of the most used ones; `vectors` float [n, dim] of the batch.

        A random vector of the batch makes a poor codeword in many dimensions: hardly another is nearer to it than to
        what is there. Half of a busy cell is used at once, and the sum of the counts stays what it was.
        """
        gone = dead.nonzero().squeeze(1)[: len(dead) // 2]
        busy = self.counts[book].topk(len(gone)).indices
        self.counts[book][busy] /= 2
        self.sums[book][busy] /= 2
        words = self.sums[book][busy] / self.counts[book][busy].unsqueeze(1)
        picks = torch.randint(len(vectors), (len(gone),), generator=generator)
        words = words + 0.1 * (vectors[picks.to(vectors.device)] - words)
        self.counts[book][gone] = self.counts[book][busy]
        self.sums[book][gone] = words * self.counts[book][busy].unsqueeze(1)
