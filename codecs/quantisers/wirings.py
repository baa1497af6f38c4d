"""Several codebooks as one quantiser: residual, masked by channels, and in groups."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Quantised, usage


class Residual(nn.Module):
    """Codebooks that each quantise what the ones before left over (SoundStream, Zeghidour et al. 2021).

    The first codebooks may be masked: the k-th of them sees and codes a band of the channels alone, which makes them parallel
    (Language-Codec, Ji et al. 2024). Encoding, decoding and training share the same masks.

    Args:
        layers: codebooks, in order.
        masks: float [masked codebooks, dim] of zeros and ones, or None.
    """

    def __init__(self, layers: Sequence[nn.Module], masks: Tensor | None = None) -> None:
        super().__init__()
        self.stack = nn.ModuleList(layers)
        self.register_buffer("masks", masks, persistent=False)

    @property
    def layers(self) -> Sequence:
        """The codebooks."""
        return self.stack

    @property
    def books(self) -> int:
        """Number of codebooks."""
        return len(self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each codebook."""
        return tuple(layer.size for layer in self.layers)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.layers[0].dim

    def _seen(self, vectors: Tensor, book: int) -> Tensor:
        return vectors if self.masks is None or book >= len(self.masks) else vectors * self.masks[book]

    def forward(
        self, vectors: Tensor, used: Tensor, generator: torch.Generator | None = None, heard: Tensor | None = None
    ) -> Quantised:
        """Quantise with gradients.

        vectors: float [n, dim]; used: int64 [n], codebooks in use per vector; generator: for restarts; heard: bool [n],
        vectors that teach (by default those that use a codebook). Losses count the codebooks in use; all vectors that teach
        move all codebooks in training mode.
        """
        total, codes, losses = torch.zeros_like(vectors), [], {}
        taught, residual, layers = used > 0 if heard is None else heard, vectors, self.layers
        for book, layer in enumerate(layers):
            active = used > book
            step = layer(self._seen(residual, book), taught, generator)
            words = self._seen(step.words, book)
            codes.append(step.codes)
            for name, loss in step.losses.items():
                losses[name] = losses.get(name, 0) + (loss * active).mean()
            total = total + words * active.unsqueeze(1)
            # Without the detachment the straight-through terms of the stages would cancel each other.
            residual = residual - words.detach()
        if not all(layer.straight for layer in layers):
            total = vectors + (total - vectors).detach()
        rows = torch.stack(codes)
        return Quantised(total, rows, losses, usage(rows[:, taught], self.sizes))

    def encode(self, vectors: Tensor, books: int) -> Tensor:
        """Codes of the first `books` stages: float [n, dim] to int64 [books, n]."""
        codes = []
        for book, layer in enumerate(self.layers[:books]):
            codes.append(layer.encode(self._seen(vectors, book)))
            vectors = vectors - self._seen(layer.decode(codes[-1]), book)
        return torch.stack(codes) if codes else vectors.new_zeros((0, len(vectors)), dtype=torch.long)

    def decode(self, codes: Tensor, used: Tensor) -> Tensor:
        """Sum of the codewords in use: int64 [books, n] and int64 [n] (books used per vector) to float [n, dim]."""
        total = torch.zeros(codes.shape[1], self.dim, device=codes.device)
        for book, (layer, row) in enumerate(zip(self.layers, codes, strict=False)):
            total = total + self._seen(layer.decode(row), book) * (used > book).unsqueeze(1)
        return total

    def words(self) -> Tensor:
        """What each entry adds to a vector, float [books, size, dim]; the codebooks are of one size."""
        entries = torch.arange(self.layers[0].size)
        return torch.stack([self._seen(layer.decode(entries), book) for book, layer in enumerate(self.layers)])

    @torch.no_grad()
    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Start every codebook that can be fitted on the residuals of float [n, dim]; see `RunningMeans.fit`."""
        residual = vectors.clone()
        for book, layer in enumerate(self.layers):
            if hasattr(layer, "fit"):
                layer.fit(self._seen(residual, book), rounds, per_step, generator)
            residual -= self._seen(layer.decode(layer.encode(self._seen(residual, book))), book)


class Grouped(nn.Module):
    """Channels in equal groups with a quantiser each (group-residual quantisation, HiFi-Codec, Yang et al. 2023).

    Codebooks are numbered layer by layer, groups inside: the first ones of all groups come first.
    """

    def __init__(self, groups: Sequence[Residual]) -> None:
        super().__init__()
        self.groups = nn.ModuleList(groups)

    @property
    def books(self) -> int:
        """Number of codebooks."""
        return sum(group.books for group in self.groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each codebook."""
        return tuple(size for layer in zip(*(group.sizes for group in self.groups), strict=True) for size in layer)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return sum(group.dim for group in self.groups)

    def _used(self, used: Tensor | int, group: int) -> Tensor | int:
        """How many of the first `used` codebooks belong to a group."""
        return (used + len(self.groups) - 1 - group) // len(self.groups)

    def forward(
        self, vectors: Tensor, used: Tensor, generator: torch.Generator | None = None, heard: Tensor | None = None
    ) -> Quantised:
        """As `Residual.forward`; losses are means over the groups."""
        parts = [
            group(part, self._used(used, number), generator, heard)
            for number, (group, part) in enumerate(zip(self.groups, self._split(vectors), strict=True))
        ]
        names = {name for part in parts for name in part.losses}
        losses = {name: sum(part.losses[name] for part in parts) / len(parts) for name in sorted(names)}
        codes = torch.stack([part.codes for part in parts], 1).flatten(0, 1)
        return Quantised(torch.cat([part.vectors for part in parts], 1), codes, losses, usage(codes, self.sizes))

    def _split(self, vectors: Tensor) -> tuple[Tensor, ...]:
        return vectors.split([group.dim for group in self.groups], 1)

    def encode(self, vectors: Tensor, books: int) -> Tensor:
        """Codes of the first `books` codebooks: float [n, dim] to int64 [books, n]."""
        parts = enumerate(zip(self.groups, self._split(vectors), strict=True))
        rows = [group.encode(part, self._used(books, number)) for number, (group, part) in parts]
        count = len(rows)
        found = [rows[book % count][book // count] for book in range(books)]
        return torch.stack(found) if found else vectors.new_zeros((0, len(vectors)), dtype=torch.long)

    def decode(self, codes: Tensor, used: Tensor) -> Tensor:
        """Int64 [books, n] and int64 [n] (books used per vector) to float [n, dim]."""
        count = len(self.groups)
        parts = [
            group.decode(codes[number::count], self._used(used, number)) for number, group in enumerate(self.groups)
        ]
        return torch.cat(parts, 1)

    def words(self) -> Tensor:
        """As `Residual.words`."""
        parts, places = [group.words() for group in self.groups], [group.dim for group in self.groups]
        found = [
            functional.pad(part[layer], (sum(places[:number]), sum(places[number + 1 :])))
            for layer in range(len(parts[0]))
            for number, part in enumerate(parts)
        ]
        return torch.stack(found)

    def fit(self, vectors: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
        """Start every group, see `Residual.fit`."""
        for group, part in zip(self.groups, self._split(vectors), strict=True):
            group.fit(part, rounds, per_step, generator)


def bands(dim: int, count: int) -> Tensor:
    """Masks that part the channels into `count` bands as Language-Codec does (42, 43 and 43 of 128): float [count, dim]."""
    places = torch.arange(dim)
    edges = [dim * number // count for number in range(count + 1)]
    return torch.stack([((places >= low) & (places < high)).float() for low, high in pairwise(edges)])
