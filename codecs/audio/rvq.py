"""The residual quantiser of audio/mdct-rvq: running-mean codebooks of one size in one tensor, searched with a beam."""

import torch
from torch import Tensor

from ..quantisers import Residual, RunningMeans


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
