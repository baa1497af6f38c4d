"""Training and validation audio in memory: tar shards of compressed clips become 16-bit samples at one rate."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

SUFFIXES = (".opus", ".ogg", ".flac", ".wav")


def read_clip(data: bytes, rate: int) -> np.ndarray:
    """Decode one compressed clip and resample it to `rate` Hz: int16 [channels, samples]."""
    samples, own = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    if own != rate:
        samples = soxr.resample(samples, own, rate)
    return np.clip(np.rint(samples.T * 32767), -32768, 32767).astype(np.int16)


def clips(folder: Path, rate: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and samples, int16 [channels, samples], of all clips in a folder's tar shards and loose files, by name."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tar":
            with tarfile.open(path) as shard:
                for member in shard:
                    if member.isfile() and member.name.endswith(SUFFIXES):
                        yield member.name, read_clip(shard.extractfile(member).read(), rate)
        elif path.suffix in SUFFIXES:
            yield path.name, read_clip(path.read_bytes(), rate)


class Pool:
    """Clips end to end in one int16 array; crops are drawn evenly over time."""

    def __init__(self, parts: list[np.ndarray]):
        self.samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def crops(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """Random stretches, float [count, length] in [-1, 1], that may cross from one clip into the next."""
        starts = torch.randint(len(self.samples) - length + 1, (count,), generator=generator)
        rows = np.stack([self.samples[start : start + length] for start in starts.tolist()])
        return torch.from_numpy(rows.astype(np.float32) / 32768)


def middle_and_side(clip: np.ndarray) -> np.ndarray:
    """Half sum and half difference of int16 [2, samples]; other numbers of channels as they are."""
    if len(clip) != 2:
        return clip
    left, right = clip.astype(np.int32)
    return np.stack([left + right >> 1, left - right >> 1]).astype(np.int16)


def load(folder: Path, rate: int, held: int, paired: bool = False) -> tuple[Pool, list[Tensor]]:
    """Read a folder of clips; every n-th clip of at least two seconds is held out, `held` in all.

    paired: two channels become their half sum and half difference.
    Returns the pool of training samples (all channels) and the held-out clips, float [samples], at most 8 s each.
    """
    everything = [(name, middle_and_side(clip) if paired else clip) for name, clip in clips(folder, rate)]
    long = [i for i, (_, clip) in enumerate(everything) if clip.shape[1] >= 2 * rate]
    kept_out = set(long[:: max(1, len(long) // held)][:held]) if held else set()
    training = [channel for i, (_, clip) in enumerate(everything) if i not in kept_out for channel in clip]
    held_out = [everything[i][1][0, : 8 * rate] for i in sorted(kept_out)]
    validation = [torch.from_numpy(clip.astype(np.float32) / 32768) for clip in held_out]
    return Pool(training), validation
