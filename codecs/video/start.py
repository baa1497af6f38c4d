"""First embeddings from the frames themselves: principal components of what lies below each position of the grid."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .nerv import Layout

CELL = 4  # pixels along one axis to which the part of a frame below a grid position is averaged


def embeddings(frames: Tensor, layout: Layout, scale: float) -> Tensor:
    """Whitened principal components of the averaged cells: a linear, content-adaptive start that needs no training.

    frames: uint8 [T, H, W, 3]; result: float [T, channels, gh, gw] with standard deviation `scale` where the frames have
    that many components, else 0.
    """
    values = _cells(frames, layout)
    values = values - values.mean(0)
    power, directions = torch.linalg.eigh(values.T @ values / len(values))
    kept = min(layout.channels, len(power))
    power, directions = power.flip(0)[:kept], directions.flip(1)[:, :kept]
    sound = power > 1e-7
    parts = values @ (directions * (scale * sound / power.clamp_min(1e-7).sqrt()))
    parts = F.pad(parts, (0, layout.channels - kept))
    return parts.unflatten(0, (len(frames), *layout.grid)).movedim(-1, 1).contiguous()


def follow(before: Tensor, table: Tensor, frames: Tensor, layout: Layout, damping: float = 1e-3) -> Tensor:
    """Embeddings of further frames for the same network, by linear regression of those known on the averaged cells.

    before: uint8 [T, H, W, 3], the frames of table, float [T, channels, gh, gw]; frames: uint8 [N, H, W, 3]; result: float
    [N, channels, gh, gw].
    """
    known, new = _cells(before, layout), _cells(frames, layout)
    mean, codes = known.mean(0), table.movedim(1, -1).flatten(0, 2)
    centred = known - mean
    gram = centred.T @ centred
    gram += damping * gram.diagonal().mean().clamp_min(1e-6) * torch.eye(len(gram))
    map_ = torch.linalg.solve(gram, centred.T @ (codes - codes.mean(0)))
    parts = (new - mean) @ map_ + codes.mean(0)
    return parts.unflatten(0, (len(frames), *layout.grid)).movedim(-1, 1).contiguous()


def _cells(frames: Tensor, layout: Layout) -> Tensor:
    """Averaged pixels below every position of the grid: float [T * gh * gw, values]."""
    fine = min(CELL, layout.enlargement)
    size = layout.grid[0] * fine, layout.grid[1] * fine
    small = torch.cat([_averaged(frame, layout, size) for frame in frames])
    return F.pixel_unshuffle(small, fine).movedim(1, -1).flatten(0, 2)


def _averaged(frame: Tensor, layout: Layout, size: tuple[int, int]) -> Tensor:
    """One frame, edges repeated to the rendered size, averaged to `size`: float [1, 3, h, w]."""
    pixels = frame.permute(2, 0, 1).float()[None] / 255
    height, width = (side * layout.enlargement for side in layout.grid)
    pixels = F.pad(pixels, (0, width - pixels.shape[3], 0, height - pixels.shape[2]), mode="replicate")
    return F.adaptive_avg_pool2d(pixels, size)
