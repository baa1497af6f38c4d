"""Pictures through Pillow: read upright as grey or RGB with alpha kept, and written by extension."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..bitstream import Limits
from ..codecs.signals import Picture
from . import files
from .errors import MediaError

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")
SETTINGS = {
    ".png": ("PNG", {"compress_level": 6}),
    ".webp": ("WEBP", {"lossless": True, "exact": True, "quality": 80}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".bmp": ("BMP", {}),
}
SETTINGS |= {".jpeg": SETTINGS[".jpg"], ".tiff": SETTINGS[".tif"]}
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
FRAME_FORMATS = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
STRIP = (
    1 << 20
)  # pixels that are converted at a time, so that a large picture stands in memory twice and not four times


def read(data: bytes | BinaryIO, name: str, note: Callable[[str], None]) -> Picture:
    """Decode a picture file; `name` stands in messages. Orientation is applied, other colour spaces become sRGB."""
    try:
        with warnings.catch_warnings(), large_pictures():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data) if isinstance(data, bytes) else data)
            _refuse_frames(image, name)
            note_depth = _deep(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            image = _to_srgb(image, image.info.get("icc_profile"), name, note)
            pixels = _pixels(image, name)
    except UnidentifiedImageError as error:
        raise MediaError(f"{name}: is not a picture in a known format") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{name}: has more pixels than can be read") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        raise MediaError(f"{name}: is damaged ({_short(error)})") from error
    if note_depth:
        note(f"{name}: 16-bit samples were scaled to 8 bits")
    return Picture(pixels)


def write(path: Path, suffix: str, picture: Picture, name: str) -> None:
    """Write a picture to `path` in the format of `suffix`; `name` stands in messages."""
    pixels = picture.pixels
    channels = pixels.shape[2]
    if channels in (2, 4) and suffix in WITHOUT_ALPHA:
        raise MediaError(f"{name}: {suffix} has no transparency and the picture needs it: choose .png, .webp or .tif")
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    kind, settings = SETTINGS[suffix]
    try:
        with files.handle(path, "wb") as stream:
            image.save(stream, kind, **settings)
    except (ValueError, OverflowError, Image.DecompressionBombError) as error:
        raise MediaError(f"{name}: a picture of {image.width} x {image.height} does not fit into {suffix}") from error


def _refuse_frames(image: Image.Image, name: str) -> None:
    """Animations belong to the video codec; the second picture of a phone's JPEG (MPO) does not count."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in FRAME_FORMATS:
        raise MediaError(f"{name}: holds {frames} frames: convert it to a video such as .mp4 for the video codec")


def _deep(image: Image.Image) -> bool:
    """Whether the file stores 16 bits per sample (Pillow reduces RGB to 8 while loading)."""
    return image.mode in SIXTEEN_BITS or any("16" in str(tile[-1]) for tile in getattr(image, "tile", ()))


def _to_srgb(image: Image.Image, profile: bytes | None, name: str, note: Callable[[str], None]) -> Image.Image:
    """Follow an embedded colour profile other than sRGB; a picture without one is taken as sRGB."""
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        description = ImageCms.getProfileDescription(source).strip()
        if "srgb" in description.lower():
            return image
        mode = "RGB" if image.mode == "CMYK" else image.mode
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        note(f"{name}: the embedded colour profile cannot be used and was ignored")
        return image
    note(f"{name}: colours were converted from {description or 'the embedded profile'} to sRGB")
    return converted


@contextmanager
def large_pictures() -> Iterator[None]:
    """Let Pillow read as many pixels as a file of ours may have; it refuses twice its own bound."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, Limits().pixels // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _pixels(image: Image.Image, name: str) -> np.ndarray:
    """The pixels of an image, uint8 [height, width, 1 to 4], filled in strip by strip."""
    rows, pixels = max(STRIP // image.width, 1), None
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = np.asarray(_to_eight_bits(image.crop((0, top, image.width, bottom)), name))
        strip = strip[..., None] if strip.ndim == 2 else strip
        if pixels is None:
            pixels = np.empty((image.height, *strip.shape[1:]), np.uint8)
        pixels[top:bottom] = strip
    return pixels


def _to_eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Bring any mode of Pillow to L, LA, RGB or RGBA."""
    if image.mode in SIXTEEN_BITS:
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise MediaError(f"{name}: holds 32-bit pixels, which have no agreed range; save it with 8 or 16 bits")
        return Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8), "L")
    if image.mode == "F":
        raise MediaError(f"{name}: holds floating-point pixels, which have no agreed range; save it with 8 or 16 bits")
    if image.mode in ("1", "L", "LA"):
        return image.convert("LA" if image.has_transparency_data else "L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _short(error: Exception) -> str:
    """The first sentence of a library's message."""
    return str(error).split("\n")[0].rstrip(".") or type(error).__name__
