"""Metrics of pictures and films that need nothing beyond the core: PSNR in RGB and YUV, SSIM and MS-SSIM.

PSNR, SSIM and MS-SSIM of a film are means over its frames. YUV is that of BT.601 in full range, as JPEG has it, computed
in floats from RGB; chroma of films is averaged over blocks of 2x2 first (4:2:0). Equal pictures have 100 dB. Pictures
with alpha are laid over mid grey.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

TOP = 100.0  # dB for no error at all, and the most that any comparison gets
KR, KB = 0.299, 0.114  # BT.601
WEIGHTS = (6 / 8, 1 / 8, 1 / 8)  # of Y, U and V in the weighted PSNR
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, table in section 3.2
SMALLEST = (WINDOW - 1) * 2 ** (len(SCALES) - 1) + 1  # pixels that a side needs for MS-SSIM


STRUCTURE = ("ssim", "ms_ssim", "ms_ssim_db")


def measure(
    original: np.ndarray, decoded: np.ndarray, subsampled: bool = False, structure: bool = True
) -> dict[str, float]:
    """PSNR (RGB, Y, weighted YUV), SSIM and MS-SSIM of two pictures or frames.

    Args:
        original, decoded: uint8 [height, width, planes], 1 to 4 planes, of one shape.
        subsampled: compare chroma at half the resolution, as films are coded.
        structure: whether SSIM and MS-SSIM, which take most of the time, are wanted.

    Returns:
        Values by column name; SSIM is missing below 11 pixels, MS-SSIM below 161.
    """
    a, b = colour(original), colour(decoded)
    found = {"psnr_rgb": psnr(a, b)}
    planes = [psnr(x, y) for x, y in zip(yuv(a, subsampled), yuv(b, subsampled), strict=True)]
    found["psnr_y"] = planes[0]
    found["psnr_yuv"] = sum(weight * value for weight, value in zip(WEIGHTS, planes, strict=True))
    return found | (ssim(a, b) if structure else {})


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of one shape, peak 255, at most 100."""
    error, total = 0.0, 0
    for a, b in zip(original, decoded, strict=True):  # row by row, or frame by frame, to bound memory
        error += float(np.square(a.astype(np.float32) - b, dtype=np.float64).sum())
        total += a.size
    return decibels(error / total / 255**2)


def decibels(error: float) -> float:
    """A relative power as dB below full scale, at most 100."""
    return min(TOP, -10 * float(np.log10(max(error, 1e-30))))


def colour(pixels: np.ndarray) -> np.ndarray:
    """Grey or RGB planes of a picture, uint8 [height, width, 1 or 3]; alpha laid over mid grey."""
    if pixels.shape[2] in (1, 3):
        return pixels
    alpha = pixels[..., -1:].astype(np.float32) / 255
    return np.rint(pixels[..., :-1] * alpha + 128 * (1 - alpha)).astype(np.uint8)


def yuv(pixels: np.ndarray, subsampled: bool = False) -> list[np.ndarray]:
    """Y, and U and V of colour pictures centred on 128, float32, of uint8 [height, width, 1 or 3]."""
    if pixels.shape[2] == 1:
        flat = np.full((1, 1), 128, np.float32)
        return [pixels[..., 0].astype(np.float32), flat, flat]
    red, green, blue = (pixels[..., plane].astype(np.float32) for plane in range(3))
    luma = KR * red + (1 - KR - KB) * green + KB * blue
    chroma = [(blue - luma) / (2 - 2 * KB) + 128, (red - luma) / (2 - 2 * KR) + 128]
    return [luma, *(halved(plane) if subsampled else plane for plane in chroma)]


def halved(plane: np.ndarray) -> np.ndarray:
    """Means over blocks of 2x2, the last row and column repeated where a side is odd."""
    even = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))


def ssim(original: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
    """SSIM, MS-SSIM and its dB of uint8 [height, width, planes], means over planes.

    A Gaussian window of 11 pixels, only where it fits into the picture; from one scale to the next means over 2x2
    (Wang et al. 2004; Wang, Simoncelli and Bovik 2003).
    """
    side = min(original.shape[:2])
    if side < WINDOW:
        return {}
    a, b = (torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() for pixels in (original, decoded))
    with torch.inference_mode():
        whole, structure = _scale(a, b)
        found = {"ssim": float(whole.mean())}
        if side < SMALLEST:
            return found
        product = torch.ones_like(whole)
        for weight in SCALES[:-1]:
            product *= structure.relu() ** weight
            a, b = (functional.avg_pool2d(plane, 2, padding=[size % 2 for size in plane.shape[1:]]) for plane in (a, b))
            whole, structure = _scale(a, b)
        several = float((product * whole.relu() ** SCALES[-1]).mean())
    return found | {"ms_ssim": several, "ms_ssim_db": decibels(1 - several)}


def _scale(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast-structure part at one scale, each [planes], of float [planes, height, width]."""
    position = torch.arange(WINDOW) - WINDOW // 2
    taps = torch.exp(-(position**2) / (2 * SIGMA**2))
    taps /= taps.sum()
    maps = torch.stack((a, b, a * a, b * b, a * b)).flatten(0, 1)[None]  # [1, 5 * planes, height, width]
    count = maps.shape[1]
    down, across = (taps.view(1, 1, *shape).expand(count, -1, -1, -1) for shape in ((-1, 1), (1, -1)))
    maps = functional.conv2d(functional.conv2d(maps, down, groups=count), across, groups=count)
    mean_a, mean_b, aa, bb, ab = maps[0].unflatten(0, (5, -1))
    structure = (2 * (ab - mean_a * mean_b) + C2) / (aa - mean_a**2 + bb - mean_b**2 + C2)
    whole = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1) * structure
    return whole.mean((1, 2)), structure.mean((1, 2))
