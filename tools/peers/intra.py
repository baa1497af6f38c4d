"""Pictures as films of one frame: HEVC by x265 and AV1 by SVT-AV1."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...codecs.signals import Picture
from .coded import X265_ALONE, Coded
from .colour import Samples

SRGB = {"color_primaries": "bt709", "color_trc": "iec61966-2-1"}


@dataclass(frozen=True, kw_only=True)
class Intra(Coded):
    """A picture alone in a raw stream."""

    kind: str = "image"

    def _encode(self, signal: Picture, quality: float, path: Path) -> None:
        self.write(path, signal.pixels[None], Fraction(25), quality)

    def decode(self, path: Path) -> Picture:
        """Read the picture; one with a side below 16 pixels is larger than it was, and AV1 gives grey back in colour."""
        pictures, _ = self.read(path)
        return Picture(pictures[0])


def _x265(quality: float, preset: str) -> dict[str, str]:
    """A fixed quantiser for the only frame."""
    return SRGB | {
        "preset": preset,
        "tune": "psnr",
        "x265-params": f"{X265_ALONE}:keyint=1:qp={round(quality)}:ipratio=1",
    }


def _svtav1(quality: float, preset: str) -> dict[str, str]:
    """The first frame of a film to come: `keyint=1` and `avif=1` choose other tools, for one to three per cent more bits."""
    return SRGB | {"preset": preset, "crf": str(round(quality)), "svtav1-params": "lp=1:tune=1"}


INTRA = (
    Intra(
        name="x265-intra",
        label="HEVC intra 4:4:4 (x265)",
        suffix=".hevc",
        qualities=(46, 42, 38, 34, 30, 26, 22, 16),
        bounds=(0, 51),
        quality_name="qp",
        presets=("veryslow", "medium", "ultrafast"),
        encoder="libx265",
        container="hevc",
        samples=Samples("yuv444p"),
        grey=Samples("gray"),
        options=_x265,
        words="tune psnr, fixed quantiser, raw HEVC",
    ),
    Intra(
        name="svtav1-intra",
        label="AV1 intra 4:2:0 (SVT-AV1)",
        suffix=".obu",
        qualities=(56, 50, 44, 37, 30, 23, 16, 7),
        bounds=(1, 63),
        quality_name="crf",
        presets=("4", "8", "0"),
        encoder="libsvtav1",
        container="obu",
        samples=Samples("yuv420p10le", halved=True, depth=10),
        options=_svtav1,
        words="tune psnr, constant rate factor, raw AV1",
    ),
)
