"""Films without sound: H.264 by x264, HEVC by x265, AV1 by SVT-AV1, VP9 by libvpx."""

from dataclasses import dataclass
from pathlib import Path

from ...codecs.signals import Clip
from .coded import X265_ALONE, Coded
from .colour import Samples

HALVED = Samples("yuv420p", halved=True, full=False)
WHOLE = Samples("yuv444p", full=False)
NO_TEXT = "filter_units=remove_types=6"  # x264's message about itself, some 700 bytes
TUNED = "-psnr"  # end of a preset: tuned for PSNR
PRESETS = ("medium", "veryslow", f"medium{TUNED}", f"veryslow{TUNED}")


@dataclass(frozen=True, kw_only=True)
class Film(Coded):
    """The pictures of a film."""

    kind: str = "video"
    quality_name: str = "crf"

    def _encode(self, signal: Clip, quality: float, path: Path) -> None:
        self.write(path, signal.frames, signal.rate, quality)

    def decode(self, path: Path) -> Clip:
        """Read all frames; larger than they were where sides were odd and the format wants even ones, or below 16."""
        return Clip(*self.read(path))


def _preset(preset: str) -> dict[str, str]:
    """Preset and tuning of x264 and x265."""
    tune = {"tune": "psnr"} if preset.endswith(TUNED) else {}
    return {"preset": preset.removesuffix(TUNED)} | tune


def _x264(quality: float, preset: str) -> dict[str, str]:
    return _preset(preset) | {"crf": f"{quality:g}"}


def _x265(quality: float, preset: str) -> dict[str, str]:
    return _preset(preset) | {"crf": f"{quality:g}", "x265-params": X265_ALONE}


def _svtav1(quality: float, preset: str) -> dict[str, str]:
    return {"preset": preset, "crf": str(round(quality)), "svtav1-params": "lp=1:tune=1"}


def _vp9(quality: float, preset: str) -> dict[str, str]:
    fixed = {"deadline": "good", "row-mt": "0", "tile-columns": "0", "auto-alt-ref": "1", "lag-in-frames": "25"}
    return fixed | {"cpu-used": preset, "crf": str(round(quality))}


def _h264(name: str, label: str, samples: Samples) -> Film:
    return Film(
        name=name,
        label=label,
        suffix=".mkv",
        qualities=(48, 42, 36, 30, 24, 18),
        bounds=(0, 51),
        presets=PRESETS,
        encoder="libx264",
        container="matroska",
        samples=samples,
        options=_x264,
        words="constant rate factor, without SEI messages, Matroska",
        multiple=2 if samples.halved else 1,
        unwanted=NO_TEXT,
    )


FILMS = (
    _h264("x264", "H.264 (x264)", HALVED),
    _h264("x264-444", "H.264 4:4:4 (x264)", WHOLE),
    Film(
        name="x265",
        label="HEVC (x265)",
        suffix=".mkv",
        qualities=(48, 42, 36, 30, 24, 18),
        bounds=(0, 51),
        presets=PRESETS,
        encoder="libx265",
        container="matroska",
        samples=HALVED,
        options=_x265,
        words="constant rate factor, without SEI messages, Matroska",
        multiple=2,
    ),
    Film(
        name="svtav1",
        label="AV1 (SVT-AV1)",
        suffix=".mkv",
        qualities=(63, 54, 45, 36, 27, 16),
        bounds=(1, 63),
        presets=("6", "4", "8"),
        encoder="libsvtav1",
        container="matroska",
        samples=HALVED,
        options=_svtav1,
        words="constant rate factor, tune psnr, Matroska",
    ),
    Film(
        name="vp9",
        label="VP9 (libvpx)",
        suffix=".webm",
        qualities=(63, 54, 45, 36, 26, 16),
        bounds=(0, 63),
        presets=("1", "0", "4"),
        encoder="libvpx-vp9",
        container="webm",
        samples=HALVED,
        options=_vp9,
        words="constant quality in one pass, deadline good, alternate references, WebM",
        speed="cpu-used",
    ),
)
