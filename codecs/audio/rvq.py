"""The residual quantiser of audio/mdct-rvq: running-mean codebooks of one size in one tensor, searched with a beam."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..quantisers import Residual, RunningMeans, kmeans, nearest


class ResidualQuantiser(Residual):
    """Residual quantisation whose codebooks follow the data by running means (SoundStream, Zeghidour et al. 2021)."""

    def __init__(self, books: int, size: int, dim: int, decay: float):
        super().__init__(())
        self.decay = decay
        self.register_buffer("codebooks", torch.zeros(books, size, dim))
        self.register_buffer("counts", torch.ones(books, size))
        self.register_buffer("sums", torch.zeros(books, size, dim))

    @property
    def layers(self) -> list[RunningMeans]:
        """The codebooks, as views of the buffers."""
        stack = zip(self.codebooks, self.counts, self.sums, strict=True)
        return [RunningMeans(*book, self.decay, self.training) for book in stack]

    @torch.no_grad()
    def fit_parts(
        self, vectors: Tensor, rounds: int, per_step: int, widths: Sequence[int], generator: torch.Generator
    ) -> None:
        """Start every codebook with the stretch of dimensions in which it lowers the error most, zeros elsewhere.

        A few bits spread over many dimensions quantise each of them poorly. vectors: float [n, dim], of which the last
        eighth judges; widths: of the stretches that are tried, each where most error is left; else as `fit`.
        """
        judged = len(vectors) // 8
        residual = vectors.clone()
        for layer in self.layers:
            tries = []
            for low, high in stretches(residual.square().mean(0), widths):
                words, counts = kmeans(residual[:-judged, low:high].contiguous(), layer.size, rounds, generator)
                words = functional.pad(words, (low, self.dim - high))
                left = residual[-judged:] - words[nearest(residual[-judged:], words)]
                tries.append((float(left.square().sum()), words, counts))
            _, words, counts = min(tries, key=lambda found: found[0])
            layer.set(words, (counts * (per_step / len(residual[:-judged]))).clamp(min=1e-2))
            residual -= words[nearest(residual, words)]

    def encode(self, vectors: Tensor, books: int, beam: int = 1) -> Tensor:
        """Codes of the first `books` stages: float [n, dim] to int64 [books, n].

        beam: how many candidates per vector stay in the race from stage to stage; with 1 every stage takes the nearest.
        """
        if beam == 1 or len(vectors) == 0:
            return super().encode(vectors, books)
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

    def errors(self, vectors: Tensor) -> Tensor:
        """Squared error after 0, 1, ... all stages of nearest codewords: float [n, dim] to float [n, books + 1]."""
        left = [vectors.square().sum(1)]
        for layer in self.layers:
            vectors = vectors - layer.decode(layer.encode(vectors))
            left.append(vectors.square().sum(1))
        return torch.stack(left, 1)


def stretches(power: Tensor, widths: Sequence[int]) -> list[tuple[int, int]]:
    """For each width the stretch, in steps of half of it, that holds most of float [dim], and the last of each width."""
    found = set()
    for width in widths:
        sums = power.unfold(0, width, max(1, width // 2)).sum(1)
        low = int(sums.argmax()) * max(1, width // 2)
        found |= {(low, low + width), (len(power) - width, len(power))}
    return sorted(found)
