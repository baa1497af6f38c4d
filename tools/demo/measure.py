"""How far a decoded signal is from the original."""

import numpy as np
import soxr

from ...codecs.signals import Sound

REACH = 0.05  # seconds within which a delay is looked for


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all samples of two uint8 arrays of one shape."""
    error = total = 0.0
    for a, b in zip(original, decoded, strict=True):  # row by row or frame by frame, to bound memory
        difference = a.astype(np.float32) - b
        error += float(np.square(difference, dtype=np.float64).sum())
        total += difference.size
    return float("inf") if error == 0 else 10 * np.log10(255.0**2 * total / error)


def si_sdr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of two float arrays [n] (Le Roux et al. 2019, equation 3)."""
    original = original.astype(np.float64) - original.mean()
    decoded = decoded.astype(np.float64) - decoded.mean()
    target = original * (original @ decoded / max(original @ original, 1e-20))
    noise = decoded - target
    return float(10 * np.log10(max(target @ target, 1e-20) / max(noise @ noise, 1e-20)))


def aligned(original: Sound, decoded: Sound) -> tuple[np.ndarray, int]:
    """Bring the first channel of `decoded` to the rate, the place and the length of that of `original`.

    Returns:
        Samples [n] and the delay in samples that was taken away: where the cross-correlation is largest, 50 ms at most.
    """
    wanted, found = original.samples[0], decoded.samples[0]
    if decoded.rate != original.rate:
        found = soxr.resample(found, decoded.rate, original.rate)
    reach = round(REACH * original.rate)
    length = 1 << (len(wanted) + len(found)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(found, length) * np.fft.rfft(wanted, length).conj(), length)
    delays = np.arange(-reach, reach + 1)
    delay = int(delays[np.argmax(correlation[delays])])
    shifted = found[delay:] if delay >= 0 else np.concatenate((np.zeros(-delay, found.dtype), found))
    return np.pad(shifted[: len(wanted)], (0, max(0, len(wanted) - len(shifted)))), delay
