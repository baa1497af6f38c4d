"""How much a hum the codec makes of hiss: `python benchmarks/hum.py [WEIGHTS ...]`.

White and pink noise go through audio/mdct-rvq with the weights of each variant, or with given files. A pattern that the decoder
repeats in every frame shows as lines in the long-term spectrum: the table has the highest one, in decibels above what is around it,
before and after, and the share of the power that repeats from frame to frame (nothing repeats in noise).
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from triptych import weights
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.tools import machine, models, pipeline

SECONDS, AROUND = 30, 101  # length of the noise, and bins of 2 Hz that a line is compared with


def hiss(kind: str, rate: int) -> np.ndarray:
    """Noise at -26 dB, white or falling by 3 dB an octave: float32 [1, n]."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=SECONDS * rate))
    if kind == "pink":
        spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20 * SECONDS))
    samples = np.fft.irfft(spectrum)
    return (0.05 * samples / samples.std()).astype(np.float32)[None]


def line(samples: np.ndarray, rate: int) -> float:
    """The highest line of the spectrum above the median around it, in dB, below 0.45 of the sample rate."""
    stretches = np.lib.stride_tricks.sliding_window_view(samples[0], rate // 2)[:: rate // 4] * np.hanning(rate // 2)
    level = 10 * np.log10(np.square(np.abs(np.fft.rfft(stretches))).mean(0) + 1e-20)
    around = np.median(np.lib.stride_tricks.sliding_window_view(level, AROUND), axis=1)
    above = level[AROUND // 2 : -(AROUND // 2)] - around
    return float(above[: round(0.9 * len(above))].max())


def repeated(samples: np.ndarray, net: torch.nn.Module) -> float:
    """Per cent of the power that is the same in all frames, less what chance makes of it."""
    frames = net.mdct.analyse(net.mdct.frames(torch.from_numpy(samples)))[0][0]
    same = len(frames) * frames.mean(0).square().sum() - frames.square().mean(0).sum()
    return 100 * float(same / len(frames) / frames.square().mean(0).sum())


def main() -> None:
    """Print a row for each weights file, noise and quality."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", nargs="*", type=Path)
    entries = [entry.path for entry in weights.entries() if entry.codec == "audio/mdct-rvq" and entry.default]
    arguments = parser.parse_args()
    print(f"{machine.name()}\n")
    print("| weights | noise | quality | kbit/s | line before, dB | line after, dB | repeated power, % |")
    print("|---|---|--:|--:|--:|--:|--:|", flush=True)
    for path in arguments.weights or entries:
        codec = models.load("audio/mdct-rvq", path)
        rate = codec.config.rate
        for kind in ("white", "pink"):
            before = hiss(kind, rate)
            for quality in (10, 50, 100):
                out = BytesIO()
                pipeline.encode(Sound(before, rate), out, "audio/mdct-rvq", Options(quality, 0), path)
                after = pipeline.decode(out.getvalue(), weights=path).samples
                cells = [f"{len(out.getvalue()) * 8e-3 / SECONDS:.1f}", f"{line(before, rate):.1f}"]
                cells += [f"{line(after, rate):.1f}", f"{repeated(after, codec.net):.2f}"]
                print(f"| {path.stem} | {kind} | {quality} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
