"""Reversible steps of lossless picture coding: colour differences and prediction from neighbours, all modulo 256."""

import numpy as np

from ...entropy.wavefront import visit

TAPS = ((0, -1), (-1, 0), (-1, -1))  # left, above, and between


def to_planes(pixels: np.ndarray) -> np.ndarray:
    """Grey or RGB uint8 [H, W, 1 or 3] to uint8 [planes, H, W]: green, then red and blue less green plus 128."""
    if pixels.shape[2] == 1:
        return np.ascontiguousarray(pixels[None, :, :, 0])
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return np.stack((green, red - green + np.uint8(128), blue - green + np.uint8(128)))


def from_planes(planes: np.ndarray) -> np.ndarray:
    """The inverse of `to_planes`."""
    if len(planes) == 1:
        return np.ascontiguousarray(planes[0, :, :, None])
    green, red, blue = planes
    return np.stack((red + green + np.uint8(128), green, blue + green + np.uint8(128)), axis=2)


def _median(left: np.ndarray, above: np.ndarray, between: np.ndarray) -> np.ndarray:
    """The middle one of left, above and left + above - between, which is what JPEG-LS expects of a pixel."""
    return np.clip(left + above - between, np.minimum(left, above), np.maximum(left, above))


def residuals(planes: np.ndarray) -> np.ndarray:
    """Differences from the prediction plus 128, uint8 [planes, H, W] like the planes; neighbours outside are 0."""
    wide = np.pad(planes.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    expected = _median(wide[:, 1:, :-1], wide[:, :-1, 1:], wide[:, :-1, :-1])
    return (planes.astype(np.int16) - expected + 128).astype(np.uint8)


def restore(differences: np.ndarray) -> np.ndarray:
    """The inverse of `residuals`, one diagonal of the picture after the other."""
    if differences.shape[1] > differences.shape[2]:  # a walk keeps (rows + columns) rows; the prediction is symmetric
        return np.ascontiguousarray(restore(differences.transpose(0, 2, 1)).transpose(0, 2, 1))

    def step(contexts: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        return (_median(*contexts[:3]) + contexts[3] + 128) % 256

    extra = differences.astype(np.float64)[None]
    return visit(differences.shape, TAPS, 1, step, extra).astype(np.uint8)
