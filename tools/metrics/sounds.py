"""Metrics of sounds that need nothing beyond the core, and how a decoded sound is laid over its original.

A decoded sound is brought to the sample rate of the original (soxr, high quality), the delay of at most 50 ms with the
largest cross-correlation is taken away, and it is cut or filled with silence to the length of the original.
"""

from functools import lru_cache

import numpy as np
import soxr
import torch
from torch import Tensor

from ...codecs.signals import Sound
from ..errors import UsageError

REACH = 0.05  # seconds within which a delay is looked for
TOP = 100.0  # dB of an exact copy
WINDOWS = {2048: 150, 512: 80}  # samples: mel bands
FLOOR = 1e-5  # power below which differences do not count


def aligned(original: Sound, decoded: Sound) -> tuple[np.ndarray, int]:
    """Bring `decoded` to the rate, the place, the length and the channels of `original`.

    Returns:
        Samples float32 [channels, n] and the delay in samples that was taken away. A decoded mono sound stands for every
        channel. Raises UsageError where the channels do not correspond.
    """
    wanted, found = original.samples, decoded.samples
    if len(found) not in (1, len(wanted)):
        raise UsageError(f"the decoded sound has {len(found)} channels and the original {len(wanted)}")
    found = at_rate(found, decoded.rate, original.rate)
    delay = _delay(wanted.mean(axis=0), found.mean(axis=0), round(REACH * original.rate))
    found = found[:, delay:] if delay >= 0 else np.pad(found, ((0, 0), (-delay, 0)))
    found = found[:, : wanted.shape[1]]
    found = np.pad(found, ((0, 0), (0, wanted.shape[1] - found.shape[1])))
    return np.broadcast_to(found, wanted.shape).astype(np.float32), delay


def at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples [channels, n] at another sample rate."""
    if rate == wanted:
        return samples
    return np.ascontiguousarray(soxr.resample(samples.T, rate, wanted).T, dtype=np.float32)


def _delay(wanted: np.ndarray, found: np.ndarray, reach: int) -> int:
    """By how many samples `found` comes late."""
    reach = min(reach, len(wanted), len(found))
    length = 1 << (len(wanted) + len(found)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(found, length) * np.fft.rfft(wanted, length).conj(), length)
    delays = np.arange(-reach, reach + 1)
    return int(delays[np.argmax(correlation[delays])])


def si_sdr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, mean over channels (Le Roux et al. 2019, equation 3).

    Float arrays [channels, n] of one shape; at most 100 dB, a silent original counts as an exact copy when it is one.
    """
    values = []
    for a, b in zip(original.astype(np.float64), decoded.astype(np.float64), strict=True):
        a, b = a - a.mean(), b - b.mean()
        target = a * (a @ b / max(a @ a, 1e-20))
        noise = b - target
        ratio = max(target @ target, 1e-20) / max(noise @ noise, 1e-20)
        values.append(TOP if np.array_equal(a, b) else min(TOP, 10 * np.log10(ratio)))
    return float(np.mean(values))


def spectral(original: np.ndarray, decoded: np.ndarray, rate: int) -> dict[str, float]:
    """Mel distance and multi-resolution STFT distance of float [channels, n], as Kumar et al. 2023 evaluate (DAC).

    Both add, over windows of 2048 and 512 samples with a hop of a quarter, the mean absolute difference of magnitudes and
    that of log10 of powers floored at 1e-5; the mel distance after 150 and 80 mel bands of unit area.
    """
    a, b = (torch.from_numpy(np.ascontiguousarray(samples)).float() for samples in (original, decoded))
    short = max(WINDOWS) // 2 + 1 - a.shape[1]  # reflection needs half a window
    a, b = (torch.nn.functional.pad(samples, (0, max(0, short))) for samples in (a, b))
    mel = stft = 0.0
    for window, bands in WINDOWS.items():
        x, y = _magnitudes(a, window), _magnitudes(b, window)
        filters = torch.from_numpy(mel_filters(window, bands, rate))
        stft += _distance(x, y)
        mel += _distance(filters @ x, filters @ y)
    return {"mel_distance": mel, "stft_distance": stft}


def _magnitudes(samples: Tensor, window: int) -> Tensor:
    """Magnitudes of the short-time spectrum with a Hann window, [channels, bins, frames]."""
    taper = torch.hann_window(window)
    return torch.stft(samples, window, window // 4, window=taper, return_complex=True).abs()


def _distance(x: Tensor, y: Tensor) -> float:
    """Mean absolute differences of magnitudes, and of the logarithms of their powers."""
    logs = (x.square().clamp(FLOOR).log10() - y.square().clamp(FLOOR).log10()).abs().mean()
    return float(logs + (x - y).abs().mean())


@lru_cache(maxsize=8)
def mel_filters(window: int, bands: int, rate: int) -> np.ndarray:
    """Triangles of unit area on Slaney's mel scale (linear below 1 kHz, logarithmic above): float32 [bands, bins]."""
    edges = _hertz(np.linspace(0, _mel(np.array(rate / 2)), bands + 2))
    bins = np.linspace(0, rate / 2, window // 2 + 1)
    slopes = (bins - edges[:, None]) / np.diff(edges, append=2 * edges[-1])[:, None]
    rise, fall = slopes[:-2], 1 - slopes[1:-1]
    area = 2 / (edges[2:] - edges[:-2])
    return (np.minimum(rise, fall).clip(0) * area[:, None]).astype(np.float32)


BREAK, STEP, RATIO = 1000.0, 200 / 3, np.log(6.4) / 27  # Hz, Hz per mel below, log Hz per mel above


def _mel(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < BREAK, hertz / STEP, BREAK / STEP + np.log(np.maximum(hertz, 1e-9) / BREAK) / RATIO)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < BREAK / STEP, mel * STEP, BREAK * np.exp(RATIO * (mel - BREAK / STEP)))
