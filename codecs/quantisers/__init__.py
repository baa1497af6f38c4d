"""Vector quantisers: single codebooks with one protocol, and wirings that make several of them one quantiser.

A codebook (`EmaCodebook`, `GradientCodebook`, `FrozenCodebook`, `Fsq`, `Signs`) has `size`, `dim`, `straight`,
`forward(vectors, taught, generator) -> Step`, `encode(vectors) -> codes` and `decode(codes) -> words`. A wiring (`Residual`,
`Grouped`) has `books`, `sizes`, `dim`, `forward(vectors, used, generator) -> Quantised`, `encode(vectors, books)`,
`decode(codes, used)` and `fit`. `used` says how many codebooks each vector has: constant over a file, drawn for quantiser
dropout, or chosen frame by frame.
"""

from .base import Quantised, Step, draw_books, usage
from .euclid import EmaCodebook, FrozenCodebook, RunningMeans, kmeans, nearest, totals
from .gradient import GradientCodebook
from .scalar import Fsq, Signs
from .wirings import Grouped, Residual, bands

__all__ = [
    "EmaCodebook",
    "FrozenCodebook",
    "Fsq",
    "GradientCodebook",
    "Grouped",
    "Quantised",
    "Residual",
    "RunningMeans",
    "Signs",
    "Step",
    "bands",
    "draw_books",
    "kmeans",
    "nearest",
    "totals",
    "usage",
]
