"""What the papers of the family minimise: squared error, L1 with SSIM (NeRV), and L1, MS-SSIM and spectrum (Boosting-NeRV)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli and Bovik 2003


def squared(frames: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; all losses take float [B, 3, H, W], 0..1."""
    return (frames - target).square().mean()


def fused(frames: Tensor, target: Tensor) -> Tensor:
    """0.7 L1 + 0.3 (1 - SSIM): NeRV's loss."""
    return 0.7 * (frames - target).abs().mean() + 0.3 * (1 - structure(frames, target)[0])


def boosting(frames: Tensor, target: Tensor) -> Tensor:
    """60 (0.7 L1 + 0.3 (1 - MS-SSIM)) + L1 of the real and imaginary parts of the spectra: Boosting-NeRV's loss."""
    spectra = torch.view_as_real(torch.fft.rfft2(frames - target, norm="ortho"))
    # The paper's spectrum has no normalisation; at 720 x 1280 its values are 960 times the orthonormal ones.
    return (
        60 * (0.7 * (frames - target).abs().mean() + 0.3 * (1 - multiscale(frames, target)))
        + 960 * spectra.abs().mean()
    )


def structure(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast part, means over all positions; windows shrink to frames smaller than them."""
    size = min(WINDOW, a.shape[2], a.shape[3])
    line = torch.exp(-((torch.arange(size, device=a.device) - (size - 1) / 2) ** 2) / (2 * SIGMA**2))
    line = line / line.sum()
    planes = torch.cat([a, b, a * a, b * b, a * b], 1)
    kernel = line.expand(planes.shape[1], 1, 1, size)
    planes = F.conv2d(planes, kernel, groups=planes.shape[1])
    planes = F.conv2d(planes, kernel.transpose(2, 3), groups=planes.shape[1])
    mean_a, mean_b, aa, bb, ab = planes.chunk(5, 1)
    contrast = (2 * (ab - mean_a * mean_b) + C2) / (aa - mean_a.square() + bb - mean_b.square() + C2)
    light = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return (light * contrast).mean(), contrast.mean()


def multiscale(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM over as many of the five scales as fit."""
    values, count = [], 1
    while count < len(SCALES) and min(a.shape[2:]) >> count >= WINDOW:
        count += 1
    for scale in range(count):
        whole, contrast = structure(a, b)
        values.append((whole if scale == count - 1 else contrast).clamp_min(1e-4))
        if scale < count - 1:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    weights = torch.tensor(SCALES[:count], device=a.device)
    return (torch.stack(values).log() * (weights / weights.sum())).sum().exp()


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"squared": squared, "fused": fused, "boosting": boosting}
