"""The lapped transform of the audio codecs: MDCT frames of a signal and back."""

import math

import torch
from torch import Tensor, nn


class Mdct(nn.Module):
    """Orthonormal MDCT with a sine window of two hops (Princen, Johnson, Bradley 1987).

    Frame j covers the blocks j - 1 and j of `hop` samples; a signal of b blocks has b + 1 frames, and block b is
    the overlap of the frames b and b + 1. Both directions are one matrix product, so any slice of frames can be
    transformed on its own.
    """

    def __init__(self, hop: int):
        super().__init__()
        self.hop = hop
        n = torch.arange(2 * hop, dtype=torch.float64)
        k = torch.arange(hop, dtype=torch.float64)
        window = torch.sin(math.pi * (n + 0.5) / (2 * hop)) * math.sqrt(2 / hop)
        angle = math.pi / hop * (n[:, None] + 0.5 + hop / 2) * (k + 0.5)
        self.register_buffer("cosine", (window[:, None] * angle.cos()).float(), persistent=False)
        self.register_buffer("sine", (window[:, None] * angle.sin()).float(), persistent=False)

    def blocks(self, samples: int) -> int:
        """Number of whole blocks that hold `samples` samples."""
        return -(-samples // self.hop)

    def frames(self, x: Tensor) -> Tensor:
        """Cut a signal into overlapping stretches.

        x: float [..., samples]. Returns float [..., blocks + 1, 2 * hop], zeros outside the signal.
        """
        tail = self.blocks(x.shape[-1]) * self.hop - x.shape[-1]
        return nn.functional.pad(x, (self.hop, self.hop + tail)).unfold(-1, 2 * self.hop, self.hop)

    def some_frames(self, x: Tensor, first: int, end: int) -> Tensor:
        """The stretches first .. end - 1 of what `frames` gives: float [..., end - first, 2 * hop]."""
        low, high = (first - 1) * self.hop, end * self.hop
        inside = x[..., max(0, low) : high]
        padding = (max(0, -low), high - low - max(0, -low) - inside.shape[-1])
        return nn.functional.pad(inside, padding).unfold(-1, 2 * self.hop, self.hop)

    def analyse(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine (MDCT) and sine (MDST) coefficients of stretches: float [..., frames, 2 * hop] to [..., hop] twice."""
        return frames @ self.cosine, frames @ self.sine

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """Samples of the blocks between consecutive frames: float [..., frames, hop] to [..., (frames - 1) * hop]."""
        stretches = coefficients @ self.cosine.T
        blocks = stretches[..., :-1, self.hop :] + stretches[..., 1:, : self.hop]
        return blocks.flatten(-2)
