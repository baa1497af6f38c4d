"""What the benchmarks share: files through the command's own path, figures, tables."""

import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import triptych


@dataclass(frozen=True)
class Trip:
    """One file on disk and back: bytes, seconds both ways, and the decoded signal."""

    size: int
    encode: float
    decode: float
    signal: object


def trip(path: Path, out: Path, codec: str, quality: float) -> Trip:
    """Encode a media file to a .trip file on disk and decode that file."""
    begin = time.perf_counter()
    out.write_bytes(triptych.encode(path, codec=codec, quality=quality))
    middle = time.perf_counter()
    signal = triptych.decode(out)
    return Trip(out.stat().st_size, middle - begin, time.perf_counter() - middle, signal)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 arrays in dB."""
    error = np.mean(np.square(a.astype(np.float64) - b))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio of two sounds [channels, n] in dB, channels taken together."""
    reference, estimate = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    target = reference * (reference @ estimate) / (reference @ reference + 1e-12)
    return 10 * np.log10((target @ target + 1e-12) / (np.square(estimate - target).sum() + 1e-12))


def machine() -> str:
    """Processor and number of its cores in use."""
    import torch

    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
