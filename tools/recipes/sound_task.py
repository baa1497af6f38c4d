"""What trainings of codecs for sound share: media in memory, random crops, figures and spectrograms of held-out clips."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from .audio_data import Pool, load
from .audio_losses import SCALES, AudioDistance, si_sdr


class SoundTask:
    """Speech with some music in memory and random crops.

    Args:
        rate: samples per second.
        length: samples of an example.
        held: clips kept for validation.
        judged: numbers of codebooks at which a training is judged.
        music: share of the examples that is music; where it is more than half, clips of music are kept for validation and
            its two channels become their half sum and half difference.
    """

    def __init__(self, rate: int, length: int, held: int, judged: tuple[int, ...], music: float = 0.1) -> None:
        self.rate, self.length, self.held, self.judged, self.share = rate, length, held, judged, music
        self.distance = AudioDistance(rate)

    def load(self, data: Path, generator: Generator) -> None:
        """Training sets `train/speech` and, where there is one, `train/music`; clips held out by position."""
        musical = self.share > 0.5
        self.speech, self.clips = load(data / "train" / "speech", self.rate, 0 if musical else self.held)
        self.music, folder = Pool([]), data / "train" / "music"
        if folder.is_dir():
            self.music, clips = load(folder, self.rate, self.held if musical else 0, paired=musical)
            self.clips = self.clips + clips

    def batch(self, size: int, generator: Generator) -> Tensor:
        """Crops at random loudness, float [size, length]."""
        samples = self.crops(size, self.length, generator)
        decibels = torch.rand(size, 1, generator=generator) * 18 - 15
        return samples * 10 ** (decibels / 20)

    def crops(self, count: int, length: int, generator: Generator) -> Tensor:
        """Random crops as they are, float [count, length]."""
        music = round(count * self.share) if len(self.music.samples) > length else 0
        parts = [self.speech.crops(count - music, length, generator)]
        return torch.cat(parts + ([self.music.crops(music, length, generator)] if music else []))

    @abstractmethod
    def reconstruct(self, codec: Any, samples: Tensor, books: int) -> Tensor:
        """Code float [batch, samples] with a number of codebooks and decode."""

    @torch.no_grad()
    def validate(self, codec: Any) -> dict[str, float]:
        """Mean mel distance (nepers) and SI-SDR (dB) of the held-out clips at several numbers of codebooks."""
        figures: dict[str, float] = {}
        for books in [n for n in self.judged if n <= codec.config.books]:
            mel, ratio = [], []
            for clip in self.clips:
                target = clip.to(device_of(codec)).unsqueeze(0)
                output = self.reconstruct(codec, target, books)
                mel.append(float(self.distance.to(target.device).mel(output, target, list(SCALES))[0]))
                ratio.append(float(si_sdr(output, target)))
            figures |= {f"mel_{books}": sum(mel) / len(mel), f"si_sdr_{books}": sum(ratio) / len(ratio)}
        return figures

    @torch.no_grad()
    def sample(self, codec: Any, folder: Path, step: int) -> None:
        """Spectrograms of one held-out clip: the original, then few and all codebooks, one below the other."""
        target = self.clips[0].to(device_of(codec)).unsqueeze(0)
        few, all_books = min(4, codec.config.books), codec.config.books
        signals = [target] + [self.reconstruct(codec, target, n) for n in (few, all_books)]
        spectra = self.distance.to(target.device).scales["512"]
        pictures = [20 / np.log(10) * spectra(x)[0].abs().clamp(min=1e-6).log().cpu().numpy()[::-1] for x in signals]
        levels = np.clip((np.concatenate(pictures) + 100) * (255 / 100), 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"step-{step:06d}.png")


def device_of(codec: torch.nn.Module) -> torch.device:
    """Where the networks of a codec are."""
    return next(codec.parameters()).device
