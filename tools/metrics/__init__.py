"""Metrics by name: what each is called, in which unit, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How to speak of a metric.

    Attributes:
        name: its column in tables.
        label, unit: for people.
        higher: whether more is better.
        kinds: the kinds of media it judges.
        top: its value for an exact copy.
        extra: the extra of this package that it needs, or nothing.
    """

    name: str
    label: str
    unit: str
    higher: bool
    kinds: tuple[str, ...]
    top: float
    extra: str = ""


SEEN, HEARD = ("image", "video"), ("audio",)

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr_rgb", "PSNR RGB", "dB", True, SEEN, 100.0),
        Metric("psnr_y", "PSNR Y", "dB", True, SEEN, 100.0),
        Metric("psnr_yuv", "PSNR YUV 6:1:1", "dB", True, SEEN, 100.0),
        Metric("ssim", "SSIM", "", True, SEEN, 1.0),
        Metric("ms_ssim", "MS-SSIM", "", True, SEEN, 1.0),
        Metric("ms_ssim_db", "MS-SSIM", "dB", True, SEEN, 100.0),
        Metric("lpips", "LPIPS (AlexNet)", "", False, SEEN, 0.0, "metrics"),
        Metric("vmaf", "VMAF", "", True, SEEN, 100.0, "vmaf"),
        Metric("si_sdr", "SI-SDR", "dB", True, HEARD, 100.0),
        Metric("mel_distance", "Mel distance", "", False, HEARD, 0.0),
        Metric("stft_distance", "Multi-resolution STFT distance", "", False, HEARD, 0.0),
        Metric("pesq_wb", "PESQ wide band", "MOS", True, HEARD, 4.644, "pesq"),
        Metric("pesq_nb", "PESQ narrow band", "MOS", True, HEARD, 4.549, "pesq"),
        Metric("stoi", "STOI", "", True, HEARD, 1.0, "metrics"),
        Metric("visqol_speech", "ViSQOL speech", "MOS", True, HEARD, 4.635, "visqol"),
        Metric("visqol_audio", "ViSQOL audio", "MOS", True, HEARD, 4.732, "visqol"),
    )
}
