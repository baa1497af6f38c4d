"""What quantisers return, how much of a codebook is in use, and quantiser dropout."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """What one codebook makes of vectors [n, dim].

    Attributes:
        words: float [n, dim]. Where the codebook is `straight` they carry the gradient of their input (and of projections);
            otherwise they are constants with respect to it.
        codes: int64 [n].
        losses: per vector, float [n], by name, such as "commitment".
    """

    words: Tensor
    codes: Tensor
    losses: dict[str, Tensor]


@dataclass(frozen=True)
class Quantised:
    """What a quantiser makes of vectors [n, dim].

    Attributes:
        vectors: float [n, dim], with a straight-through gradient.
        codes: int64 [book, n].
        losses: scalars by name, summed over codebooks, means over vectors and dimensions.
        usage: float [book], share of the entries that these vectors use.
    """

    vectors: Tensor
    codes: Tensor
    losses: dict[str, Tensor]
    usage: Tensor


def usage(codes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Share of the entries of each codebook that int64 [book, n] name: float [book]."""
    shares = [len(row.unique()) / size for row, size in zip(codes, sizes, strict=True)]
    return torch.tensor(shares, device=codes.device)


def draw_books(
    count: int, frames: int, choices: Sequence[int], generator: torch.Generator, whole: float = 0.0
) -> Tensor:
    """Quantiser dropout: codebooks per vector, int64 [count, frames], one number per example (Zeghidour et al. 2021).

    choices: numbers to draw from, evenly; whole: share of the examples that keep the largest (Kumar et al. 2023).
    """
    picks = torch.tensor(choices)[torch.randint(len(choices), (count,), generator=generator)]
    picks[torch.rand(count, generator=generator) < whole] = max(choices)
    return picks.unsqueeze(1).expand(count, frames)
