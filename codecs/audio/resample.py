"""Change of sample rate with exact lengths."""

import numpy as np
import soxr


def clean(samples: np.ndarray) -> np.ndarray:
    """A copy of samples [channels, n] as float32 within full scale; what is not a number becomes silence."""
    cleaned = np.array(samples, dtype=np.float32)
    np.nan_to_num(cleaned, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(cleaned, -1, 1, out=cleaned)


def resample(samples: np.ndarray, rate: int, new_rate: int, length: int) -> np.ndarray:
    """Samples float32 [channels, n] at `rate` Hz as float32 [channels, length] at `new_rate` Hz."""
    made = np.zeros((len(samples), length), dtype=np.float32)
    for channel, target in zip(samples, made, strict=True):  # one at a time: an hour of sound fills gigabytes
        if rate != new_rate and len(channel):
            channel = soxr.resample(np.ascontiguousarray(channel), rate, new_rate)
        count = min(length, len(channel))
        target[:count] = channel[:count]
    return made


def cleaned(samples: np.ndarray, rate: int, new_rate: int, length: int) -> np.ndarray:
    """`resample` of what `clean` makes of samples [channels, n], without a copy of all of them."""
    return np.concatenate([resample(clean(channel[None]), rate, new_rate, length) for channel in samples])
