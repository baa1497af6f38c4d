"""Pictures through Pillow: JPEG, WebP, JPEG 2000, AVIF, and JPEG XL through its plug-in."""

import importlib.metadata
import importlib.util
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import AvifImagePlugin, Image, features

from ...codecs.signals import Picture
from .base import Peer

PLUGIN = "pillow-jxl-plugin"


@dataclass(frozen=True, kw_only=True)
class Still(Peer):
    """A format of Pillow.

    Attributes:
        format, feature: Pillow's names of the format and of its part.
        library: what stands behind it.
        halved: whether chroma has half the size both ways (4:2:0).
    """

    format: str
    feature: str
    library: str
    halved: bool = False
    kind: str = "image"

    @property
    def colour(self) -> str:
        """How pixels are stored, in words."""
        return f"Y'CbCr {'4:2:0' if self.halved else '4:4:4'} 8 bit, BT.601 full range"

    def missing(self) -> str:
        """Whether this Pillow was built without the format."""
        return "" if features.check(self.feature) else f"{self.name} needs a Pillow that was built with {self.library}"

    def version(self) -> str:
        """Of the library and of Pillow."""
        return f"{self.library} {features.version(self.feature)} (Pillow {PIL.__version__})"

    @abstractmethod
    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """Arguments of Pillow's encoder for a picture with 1 or 3 planes."""

    def _encode(self, signal: Picture, quality: float, path: Path) -> None:
        pixels = signal.pixels
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        image.save(path, self.format, **self.options(quality, pixels.shape[2]))

    def decode(self, path: Path) -> Picture:
        """Read a picture, grey or RGB. Colour profiles are not followed: what was encoded had none."""
        with Image.open(path, formats=(self.format,)) as image:
            pixels = np.array(image.convert("L" if image.mode == "L" else "RGB"))
        return Picture(pixels[..., None] if pixels.ndim == 2 else pixels)


class Jpeg(Still):
    """JPEG with optimised Huffman tables, progressive."""

    def settings(self) -> str:
        """Colour and options."""
        return f"{self.colour}, optimised tables, progressive"

    def version(self) -> str:
        """Of libjpeg-turbo where it is known, and of Pillow."""
        return f"libjpeg-turbo {features.version('libjpeg_turbo') or '?'} (Pillow {PIL.__version__})"

    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """Quality of libjpeg."""
        subsampling = "4:2:0" if self.halved else "4:4:4"
        return {"quality": round(quality), "optimize": True, "progressive": True, "subsampling": subsampling}


class WebP(Still):
    """Lossy WebP with the slowest search; grey is coded as colour."""

    def settings(self) -> str:
        """Colour and options."""
        return "Y'CbCr 4:2:0 8 bit, BT.601 limited range, method 6"

    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """Quality of libwebp."""
        return {"quality": quality, "method": 6}


class Jpeg2000(Still):
    """JPEG 2000 at a ratio of raw to coded bytes."""

    def settings(self) -> str:
        """Transform and container."""
        return "irreversible colour transform at full resolution, 9/7 wavelet, one layer, one tile, JP2"

    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """One layer; without the comment that names the library, which would be counted."""
        rate = {"quality_mode": "rates", "quality_layers": [quality]}
        return rate | {"irreversible": True, "mct": int(planes == 3), "comment": " "}


class Avif(Still):
    """AVIF by libaom, tuned for PSNR; a preset is the speed."""

    def settings(self) -> str:
        """Colour and options."""
        return f"{self.colour}, libaom speed {self.chosen}, tune psnr, one tile, 1 thread"

    def version(self) -> str:
        """Of libaom, libavif and Pillow."""
        return f"libaom {AvifImagePlugin.get_codec_version('aom')}, {super().version()}"

    def missing(self) -> str:
        """Whether this Pillow was built without libavif, or that without libaom."""
        return super().missing() or (
            "" if AvifImagePlugin.get_codec_version("aom") else f"{self.name} needs a Pillow that was built with libaom"
        )

    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """Quality of libavif; several tiles would cost bits."""
        return {
            "quality": round(quality),
            "subsampling": "4:0:0" if planes == 1 else "4:2:0" if self.halved else "4:4:4",
            "speed": int(self.chosen),
            "codec": "aom",
            "max_threads": 1,
            "autotiling": False,
            "advanced": {"tune": "psnr"},
        }

    def decode(self, path: Path) -> Picture:
        """Read a picture with one thread, which Pillow takes from its module."""
        before = AvifImagePlugin.DEFAULT_MAX_THREADS
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        try:
            return super().decode(path)
        finally:
            AvifImagePlugin.DEFAULT_MAX_THREADS = before


class JpegXl(Still):
    """JPEG XL by libjxl; a preset is the effort."""

    def missing(self) -> str:
        """Whether the plug-in is not installed."""
        if importlib.util.find_spec("pillow_jxl"):
            return ""
        return f"{self.name} needs the package {PLUGIN}: pip install 'triptych[anchors]'"

    def settings(self) -> str:
        """Colour and options."""
        return f"XYB 4:4:4, variable DCT, effort {self.chosen}, 1 thread"

    def version(self) -> str:
        """Of the plug-in, which brings libjxl along."""
        return f"libjxl in {PLUGIN} {importlib.metadata.version(PLUGIN)} (Pillow {PIL.__version__})"

    def options(self, quality: float, planes: int) -> dict[str, Any]:
        """Quality of libjxl; no threads beside the caller's."""
        import pillow_jxl  # noqa: F401, registers the format

        return {"quality": quality, "effort": int(self.chosen), "num_threads": 0}

    def decode(self, path: Path) -> Picture:
        """Read a picture with one thread, which the plug-in takes from its module."""
        from pillow_jxl import JpegXLImagePlugin

        before = JpegXLImagePlugin.DECODE_THREADS
        JpegXLImagePlugin.DECODE_THREADS = 0
        try:
            return super().decode(path)
        finally:
            JpegXLImagePlugin.DECODE_THREADS = before


def _jpeg(name: str, label: str, halved: bool) -> Jpeg:
    return Jpeg(
        name=name,
        label=label,
        suffix=".jpg",
        format="JPEG",
        feature="jpg",
        library="libjpeg",
        halved=halved,
        qualities=(5, 10, 20, 35, 50, 70, 85, 93),
        bounds=(1, 100),
    )


def _avif(name: str, label: str, halved: bool) -> Avif:
    return Avif(
        name=name,
        label=label,
        suffix=".avif",
        format="AVIF",
        feature="avif",
        library="libavif",
        halved=halved,
        qualities=(5, 15, 27, 40, 54, 67, 79, 89),
        bounds=(0, 99),
        presets=("4", "6", "0"),
    )


STILLS = (
    _jpeg("jpeg", "JPEG 4:2:0", True),
    _jpeg("jpeg-444", "JPEG 4:4:4", False),
    WebP(
        name="webp",
        label="WebP",
        suffix=".webp",
        format="WEBP",
        feature="webp",
        library="libwebp",
        halved=True,
        qualities=(0, 5, 15, 35, 60, 75, 85, 94),
        bounds=(0, 100),
    ),
    Jpeg2000(
        name="jpeg2000",
        label="JPEG 2000",
        suffix=".jp2",
        format="JPEG2000",
        feature="jpg_2000",
        library="OpenJPEG",
        qualities=(480, 240, 120, 64, 40, 24, 16, 10),
        bounds=(2, 10000),
        quality_name="compression ratio",
    ),
    _avif("avif", "AVIF 4:4:4", False),
    _avif("avif-420", "AVIF 4:2:0", True),
    JpegXl(
        name="jpegxl",
        label="JPEG XL",
        suffix=".jxl",
        format="JXL",
        feature="jxl",
        library="libjxl",
        qualities=(0, 10, 25, 40, 57, 72, 85, 93),
        bounds=(0, 99),
        presets=("7", "9", "3"),
    ),
)
