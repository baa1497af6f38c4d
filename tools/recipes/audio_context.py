"""Training of a context model for the codes of an audio codec that has weights; the codec itself stays as it is.

python -m triptych.tools.train audio_context.default --start WEIGHTS --data DATA --out runs/audio-context --export weights
"""

from dataclasses import replace
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from ...codecs.audio.context import CodeContext
from ...codecs.audio.context_net import ContextConfig, ContextNet
from ...codecs.audio.counting import running
from ...codecs.audio.mdct_rvq import MdctRvqCodec, Plan
from ...codecs.audio.mdct_rvq_net import MdctRvqConfig
from ...codecs.audio.symbols import PLANES, FrameContext, Symbols, aside, carried
from ...codecs.audio.waveform import WaveformCodec
from ...codecs.base import Codec
from ...entropy import RateCounter
from .. import models
from ..train import Recipe
from .audio_data import Pool, load

JUDGED = (0, 50, 100)  # qualities at which a training is judged
CHUNK = 10  # seconds of a training sound, about a unit
SPEECH = 32000  # Hz up to which a codec is mainly for speech
LEVELS = (0.01, 0.2, 0.3, 0.4, 0.5, 0.6)  # between classes of levels, of their range
SPARED = (0.1, 0.3, 0.5, 0.65, 0.8)

Places = tuple[Tensor, Tensor, Tensor]  # used int64 [n, frame], aside [planes, n, frame], codes [books, n, frame]


def default(start: Path | None = None) -> Recipe:
    """A context for the weights `start`, by default those of audio/mdct-rvq that ship."""
    codec = cache(lambda: with_context(_loaded(start), ContextConfig()))
    return Recipe(
        name="audio_context.default",
        make=codec,
        task=lambda: ContextTask(codec(), sounds=1240, frames=32, held=40),
        steps=4000,
        batch=32,
        lr=2e-3,
        warmup=50,
        weight_decay=1e-4,
        ema=0.998,
        validate_every=1000,
        save_every=500,
        seed=1,
        data="The codes of crops of speech and music; of ten one is music, eight are for a codec of more than 32 kHz.",
    )


def quick(start: Path | None = None) -> Recipe:
    """What half an hour of sound and a few minutes give."""
    recipe = default(start)
    return replace(
        recipe,
        name="audio_context.quick",
        task=lambda: ContextTask(recipe.make(), sounds=200, frames=32, held=20),
        steps=600,
        validate_every=300,
        save_every=300,
    )


def smoke(start: Path | None = None) -> Recipe:
    """A tiny context for tests."""
    codec = cache(lambda: with_context(_loaded(start), ContextConfig(features=16, width=16, entry_width=16, rank=8)))
    return Recipe(
        name="audio_context.smoke",
        make=codec,
        task=lambda: ContextTask(codec(), sounds=6, frames=16, held=2),
        steps=20,
        batch=4,
        lr=1e-2,
        warmup=2,
        validate_every=10,
        save_every=10,
    )


def _loaded(start: Path | None) -> Codec:
    return models.load("audio/mdct-rvq") if start is None else models.from_file(start)


def with_context(codec: Codec, config: ContextConfig) -> Codec:
    """The codec with a context to be trained, as its module `twin`; only that learns."""
    if not isinstance(codec, MdctRvqCodec | WaveformCodec):
        raise ValueError(f"{codec.id} has no codes that a context is for")
    codec.twin = ContextNet(codec.net.quantiser.words(), PLANES * isinstance(codec, MdctRvqCodec), config)
    return codec


@torch.inference_mode()
def observed(codec: Codec, samples: Tensor, quality: float, beam: int) -> Places:
    """What a file of this quality codes of a sound, float [1, samples] at the codec's rate."""
    if isinstance(codec, WaveformCodec):
        codes = codec.tokenize(samples)[:, : codec.books_of(quality)].transpose(0, 1)
        used, side = torch.full(codes.shape[1:], len(codes)), torch.zeros(0, *codes.shape[1:], dtype=torch.long)
        books = codec.net.quantiser.books
    else:
        books = codec.config.books
        plan = Plan(1 + quality / 100 * (books - 1), beam)
        symbols = codec.analyse(samples, plan, 0, codec.net.mdct.blocks(samples.shape[1]) + 1)
        found = (symbols.used, aside(symbols.levels, symbols.used), symbols.codes)
        used, side, codes = (torch.from_numpy(part.astype(np.int64)) for part in found)
    return used, side, torch.nn.functional.pad(codes, (0, 0, 0, 0, 0, books - len(codes)))


class ContextTask:
    """Codes of training sounds at all qualities.

    Args:
        codec: whose codes; with its `twin`.
        sounds: how many of CHUNK seconds.
        frames: of an example.
        held: clips kept for validation.
    """

    def __init__(self, codec: Codec, sounds: int, frames: int, held: int) -> None:
        self.codec, self.sounds, self.frames, self.held = codec, sounds, frames, held
        self.music = 0.8 if codec.config.rate > SPEECH else 0.1  # share of the sounds

    def load(self, data: Path, generator: Generator) -> None:
        """The codes of `train/speech` and, where there is one, `train/music`; clips held out by position."""
        rate = self.codec.config.rate
        speech, clips = load(data / "train" / "speech", rate, self.held)
        folder = data / "train" / "music"
        music = load(folder, rate, 0)[0] if folder.is_dir() else Pool([])
        self.judged = {q: [observed(self.codec, clip[None], q, 8) for clip in clips] for q in JUDGED}
        found = []
        for number in range(self.sounds):
            own = int((number + 1) * self.music) > int(number * self.music) and len(music.samples) > CHUNK * rate
            samples = (music if own else speech).crops(1, min(CHUNK * rate, len(speech.samples)), generator)
            level, even, end, search = torch.rand(4, generator=generator).tolist()
            # All qualities, low ones more often, and both ends: there files have no numbers of codebooks.
            quality = 100 * even**1.3 if end < 0.85 else 100 * (end < 0.925)
            samples = samples * 10 ** ((12 * level - 9) / 20)
            found.append(observed(self.codec, samples, quality, 8 if search < 0.8 else 1))
        self.used, self.aside, self.codes = (torch.cat(part, -2) for part in zip(*found, strict=True))

    def start(self, codec: Codec, generator: Generator) -> None:
        """Biases from counts."""
        codec.twin.count(self.used, self.codes)

    def batch(self, size: int, generator: Generator) -> Places:
        """Stretches of frames."""
        rows = torch.randint(len(self.used), (size, 1), generator=generator)
        first = torch.randint(max(1, self.used.shape[1] - self.frames + 1), (size, 1), generator=generator)
        places = (first + torch.arange(self.frames)).clamp(max=self.used.shape[1] - 1)
        return self.used[rows, places], self.aside[:, rows, places], self.codes[:, rows, places]

    def losses(self, codec: Codec, batch: Places, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Bits of a code."""
        nats, counts = codec.twin.nats(*batch)
        return {"loss": nats.sum() / (counts.sum().clamp(min=1) * log(2))}

    def validate(self, codec: Codec) -> dict[str, float]:
        """Bits of a code of the held-out clips, and what that saves against the tables, percent of the bits of codes."""
        figures: dict[str, float] = {}
        for quality, clips in self.judged.items():
            parts = [codec.twin.nats(*clip) for clip in clips]
            count = max(1, sum(int(counts.sum()) for _, counts in parts))
            bits = sum(float(nats.sum()) for nats, _ in parts) / log(2)
            static = sum(static_bits(codec, *clip) for clip in clips)
            figures |= {f"bits_{quality}": bits / count, f"saved_{quality}": 100 * (1 - bits / max(static, 1))}
        return figures

    def sample(self, codec: Codec, folder: Path, step: int) -> None:
        """Nothing can be seen of a context."""

    def finish(self, codec: Codec) -> None:
        """Freeze the context and take the float one away."""
        drawn = slice(None, None, max(1, len(self.used) // 64))
        codec.context = codec.twin.frozen(self.used[drawn], self.aside[:, drawn], self.codes[:, drawn])
        del codec.twin
        if isinstance(codec, MdctRvqCodec):
            levels, used = (part.numpy() // 4 for part in self.aside)
            codec.context = frame_context(codec.context, levels, used, codec.config)
            codec.tables = codec.tables.merged()  # from now on for effort 0 alone, not worth a megabyte


def frame_context(codes: CodeContext, levels: np.ndarray, used: np.ndarray, config: MdctRvqConfig) -> FrameContext:
    """The context of audio/mdct-rvq, with tables of levels and spared codebooks from int [n, frame] of training sounds."""
    spared = config.books - carried(Symbols(levels, used, used[None]))
    uneven = [row[None] for row, own in zip(spared, used, strict=True) if len(np.unique(own[own > 0])) > 1]
    parts = running([levels], config.levels, LEVELS), running(uneven or [spared], config.books + 1, SPARED)
    return FrameContext(codes, *parts)


def static_bits(codec: Any, used: Tensor, side: Tensor, codes: Tensor) -> float:
    """Bits of the codes alone by static tables; arguments as `observed` gives them."""
    counter, tables = RateCounter(), codec.tables
    for book, row in enumerate(codes.numpy().astype(np.int32)):
        live = used.numpy() > book
        if isinstance(codec, WaveformCodec):
            rows = np.full(int(live.sum()), book)
        else:
            rows = tables.rows(book, side[0].numpy()[live] // 4, codes[0].numpy()[live])
        counter.code(row[live], (tables if isinstance(codec, WaveformCodec) else tables.codes).at(rows))
    return counter.bits
