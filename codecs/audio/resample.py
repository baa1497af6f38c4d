"""Change of sample rate with exact lengths."""

import numpy as np
import soxr


def clean(samples: np.ndarray) -> np.ndarray:
    """Samples float32 [channels, n] within full scale; what is not a number becomes silence."""
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1).astype(np.float32)


def resample(samples: np.ndarray, rate: int, new_rate: int, length: int) -> np.ndarray:
    """Samples float32 [channels, n] at `rate` Hz as float32 [channels, length] at `new_rate` Hz."""
    if rate != new_rate and samples.shape[1]:
        samples = np.stack([soxr.resample(channel, rate, new_rate) for channel in np.ascontiguousarray(samples)])
    missing = max(0, length - samples.shape[1])
    return np.ascontiguousarray(np.pad(samples[:, :length], ((0, 0), (0, missing))), dtype=np.float32)
