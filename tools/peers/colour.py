"""RGB to Y'CbCr of ITU-R BT.601 and back in floats, rounded once: full or limited range, 4:4:4 or 4:2:0, 8 or 10 bits."""

from dataclasses import dataclass

import numpy as np

from ..metrics.pictures import KB, KR

GREEN = 1 - KR - KB  # weight in luma, beside KR and KB
CB, CR = 2 * (1 - KB), 2 * (1 - KR)  # B - Y and R - Y of full chroma
MATRIX, FULL, LIMITED = 6, 2, 1  # as FFmpeg numbers them; the matrix also in ITU-T H.273


@dataclass(frozen=True)
class Samples:
    """How the samples of a Y'CbCr picture are written.

    Attributes:
        format: FFmpeg's name of the pixel format, without the suffix for the order of bytes.
        halved: whether chroma has half the size both ways (4:2:0), its samples in the middle of four of luma.
        depth: bits of a sample.
        full: whether luma uses all values; otherwise 16 to 235, chroma 16 to 240, in units of 8 bits.
    """

    format: str
    halved: bool = False
    depth: int = 8
    full: bool = True

    @property
    def dtype(self) -> np.dtype:
        """Of the planes."""
        return np.dtype("u1" if self.depth == 8 else "<u2")

    @property
    def words(self) -> str:
        """The colour in words, for tables."""
        kind = "4:0:0" if self.format.startswith("gray") else "4:2:0" if self.halved else "4:4:4"
        return f"Y'CbCr {kind} {self.depth} bit, BT.601 {'full' if self.full else 'limited'} range"

    def scales(self) -> tuple[float, float, float]:
        """Black of luma, steps from black to white, steps of chroma from end to end."""
        unit = 1 << (self.depth - 8)
        return (0, 256 * unit - 1, 256 * unit - 1) if self.full else (16 * unit, 219 * unit, 224 * unit)


def from_rgb(pixels: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planes Y, Cb, Cr [H, W], integers of `samples.dtype`, of uint8 pixels [H, W, 3].

    With `samples.halved` both sides must be even; a chroma sample is the mean of four.
    """
    red, green, blue = (pixels[..., number].astype(np.float32) / 255 for number in range(3))
    luma = KR * red + GREEN * green + KB * blue
    chroma = (blue - luma) / CB, (red - luma) / CR
    if samples.halved:
        chroma = tuple(_half(plane) for plane in chroma)
    black, steps, reach = samples.scales()
    middle = 1 << (samples.depth - 1)
    rounded = luma * steps + black, *(plane * reach + middle for plane in chroma)
    return tuple(_rounded(plane, samples) for plane in rounded)


def to_rgb(planes: tuple[np.ndarray, ...], samples: Samples) -> np.ndarray:
    """Pixels uint8 [H, W, 3] of planes Y, Cb, Cr; of luma alone [H, W, 1].

    With `samples.halved` chroma is interpolated linearly between its places.
    """
    black, steps, reach = samples.scales()
    luma = (planes[0].astype(np.float32) - black) / steps
    if len(planes) == 1:
        return _bytes(luma[..., None])
    middle = 1 << (samples.depth - 1)
    cb, cr = ((plane.astype(np.float32) - middle) / reach for plane in planes[1:])
    if samples.halved:
        height, width = luma.shape
        cb, cr = (_double(plane)[:height, :width] for plane in (cb, cr))
    red, blue = luma + CR * cr, luma + CB * cb
    green = (luma - KR * red - KB * blue) / GREEN
    return _bytes(np.stack((red, green, blue), axis=-1))


def padded(pixels: np.ndarray, multiple: int = 2, least: int = 0) -> np.ndarray:
    """Pixels [H, W, C] with the last row and column repeated until both sides are multiples, and `least` at least."""
    more = [max(least, -(-side // multiple) * multiple) - side for side in pixels.shape[:2]]
    return np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), "edge") if any(more) else pixels


def _half(plane: np.ndarray) -> np.ndarray:
    """Means of two by two."""
    pairs = plane[0::2] + plane[1::2]
    return (pairs[:, 0::2] + pairs[:, 1::2]) / 4


def _double(plane: np.ndarray) -> np.ndarray:
    """Twice the size both ways: three quarters of the nearest sample and one of the next, edges repeated."""
    for axis in (0, 1):
        plane = np.moveaxis(plane, axis, 0)
        wide = np.concatenate((plane[:1], plane, plane[-1:]))
        both = np.stack((0.75 * plane + 0.25 * wide[:-2], 0.75 * plane + 0.25 * wide[2:]), axis=1)
        plane = np.moveaxis(both.reshape(-1, *plane.shape[1:]), 0, axis)
    return plane


def _rounded(plane: np.ndarray, samples: Samples) -> np.ndarray:
    """The nearest integers within the depth."""
    return np.clip(np.rint(plane), 0, (1 << samples.depth) - 1).astype(samples.dtype)


def _bytes(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as bytes."""
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
