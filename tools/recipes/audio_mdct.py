"""Training of audio/mdct-rvq: a start from linear algebra, then all rates at once without a discriminator.

python -m triptych.tools.train audio_mdct.default --data DATA --out runs/audio-mdct-rvq --export weights
"""

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ...codecs.audio.counting import freeze
from ...codecs.audio.mdct_rvq import MdctRvqCodec
from ...codecs.audio.mdct_rvq_net import NOISE_FRAMES, MdctRvqConfig, MdctRvqNet
from ...codecs.audio.start import start
from ..train import Recipe
from .audio_losses import SCALES
from .sound_task import SoundTask

RATES = (2, 4, 8, 16)  # numbers of codebooks at which a training is judged

SPEECH = """LibriSpeech, one utterance of each of 241 speakers (CC-BY-4.0); Kerstin voice, German (CC0);
Picovoice speech-to-intent requests (Apache-2.0); Asterisk prompts in English, Spanish, French, Italian and Russian
(CC-BY-SA-3.0); Fish Fillets NG dialogue in Czech and Dutch (GPL-2+); Watson demo recordings in ten languages (Apache-2.0);
audio-cmn, Mandarin words (CC-BY-SA)."""
MUSIC = """excerpts from Debian's packages of 0 A.D., Wesnoth, SuperTuxKart, Unknown Horizons, HyperRogue, Singularity,
FreedroidRPG, M.A.R.S. and Sonic Pi (GPL-2+, CC-BY, CC-BY-SA-3.0/4.0, CC0, by track)."""


def data(speech: str, music: str, mix: str) -> str:
    """What a recipe learns from, for the card: how much of either, and how it is mixed."""
    return f"{speech} of speech and {music} of music, {mix}, coded once with Opus.\nSpeech: {SPEECH}\nMusic: {MUSIC}"


SPEAKING = {"dim": 144, "books": 24, "size": 1024, "encoder_width": 192, "encoder_blocks": 3, "decoder_width": 256}
SPEAKING |= {"decoder_blocks": 4, "classes": 1, "contexts": 1, "bands": 20, "envelope": 1.5}
BANDED = {"dim": 160, "books": 20, "size": 256, "encoder_width": 128, "encoder_blocks": 2, "decoder_width": 192}
BANDED |= {"decoder_blocks": 3, "classes": 32, "contexts": 4, "bands": 32}


def default() -> Recipe:
    """Speech at 16 kHz, up to 12 kbit/s, sized for an hour on one CPU thread."""
    config = MdctRvqConfig(rate=16000, hop=320, **SPEAKING)
    return Recipe(
        name="audio_mdct.default",
        make=lambda: MdctRvqCodec(config),
        task=lambda: MdctRvqTask(config, frames=64, start_crops=400, rounds=5),
        steps=5000,
        batch=16,
        lr=1.5e-3,
        warmup=100,
        ema=0.998,
        validate_every=500,
        save_every=250,
        seed=1,
        data=data("2.9 hours", "34 minutes", "mixed 9 to 1, 12 speech clips kept for validation"),
    )


def music() -> Recipe:
    """Stereo music and any other sound at 48 kHz, up to 24 kbit/s."""
    config = MdctRvqConfig(rate=48000, hop=640, **BANDED)
    return replace(
        default(),
        name="audio_mdct.music",
        make=lambda: MdctRvqCodec(config),
        task=lambda: MdctRvqTask(config, frames=64, start_crops=200, rounds=5, counted=40, music=0.8),
        steps=1500,
        batch=8,
        lr=1.5e-3,
        data=data("1.4 hours (the first shard)", "34 minutes", "mixed 1 to 4, 12 clips of music kept for validation"),
    )


def wide() -> Recipe:
    """Speech and other sound at 24 kHz, up to 12 kbit/s a channel."""
    config = MdctRvqConfig(rate=24000, hop=320, **BANDED | {"dim": 152, "bands": 24, "envelope": 2.5})
    return replace(
        music(),
        name="audio_mdct.wide",
        make=lambda: MdctRvqCodec(config),
        task=lambda: MdctRvqTask(config, frames=64, start_crops=200, rounds=5, counted=40, music=0.3),
        steps=6000,
        data=data("2.9 hours", "34 minutes", "mixed 7 to 3, 12 speech clips kept for validation"),
    )


def live() -> Recipe:
    """Speech at 16 kHz that streams with a latency of 40 ms, up to 8 kbit/s."""
    config = MdctRvqConfig(rate=16000, hop=320, **BANDED | {"dim": 132, "bands": 20, "envelope": 1.5}, causal=True)
    return replace(
        default(),
        name="audio_mdct.live",
        make=lambda: MdctRvqCodec(config),
        task=lambda: MdctRvqTask(config, frames=64, start_crops=300, rounds=5, counted=40, music=0.1),
        steps=6500,
    )


def smoke() -> Recipe:
    """A tiny model for tests: seconds, not quality."""
    config = MdctRvqConfig(
        dim=24,
        books=4,
        size=64,
        encoder_width=16,
        encoder_blocks=1,
        decoder_width=16,
        decoder_blocks=1,
        classes=2,
        contexts=2,
    )
    return Recipe(
        name="audio_mdct.smoke",
        make=lambda: MdctRvqCodec(config),
        task=lambda: MdctRvqTask(config, frames=16, start_crops=40, rounds=3, held=2, counted=1),
        steps=20,
        batch=4,
        lr=1e-3,
        warmup=5,
        validate_every=10,
        save_every=10,
        seed=1,
    )


class MdctRvqTask(SoundTask):
    """Every example at a rate of its own."""

    def __init__(
        self,
        config: MdctRvqConfig,
        frames: int,
        start_crops: int,
        rounds: int,
        held: int = 12,
        counted: int = 60,
        music: float = 0.1,
    ):
        super().__init__(config.rate, frames * config.hop, held, RATES, music)
        self.window = 512 << max(0, round(math.log2(config.rate / 16000)))  # 32 to 43 ms
        self.frames, self.start_crops, self.rounds, self.counted = frames, start_crops, rounds, counted

    def start(self, codec: MdctRvqCodec, generator: Generator) -> None:
        """Weights, projection and codebooks from crops of two seconds."""
        hop, rate = codec.config.hop, codec.config.rate
        samples = self.crops(self.start_crops, 2 * rate // hop * hop, generator)
        # A training step teaches the codebooks about `frames` frames of each example, of which there are some 16.
        start(codec.net, samples, self.rounds, 16 * self.frames, generator)

    def losses(self, codec: MdctRvqCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Mel bands at three of the scales, compressed complex spectra, weighted MDCT and commitment."""
        net, device = codec.net, codec.net.weight.device
        # The loop's choice of precision goes to the networks alone: spectra and code search need float32.
        net.half = torch.is_autocast_enabled(device.type)
        net.quantiser.decay = 1 - (1 - net.config.decay) * (1 - 0.9 * progress)
        with torch.autocast(device.type, enabled=False):
            target = batch.to(device)
            first = int(torch.randint(NOISE_FRAMES, (1,), generator=generator))
            result = net(target, books_in_use(net, target, generator), generator, first)
            picks = torch.randperm(len(SCALES), generator=generator)[:3].tolist()
            distance = self.distance.to(device)
            mel, loudness = distance.mel(result["output"], target, [list(SCALES)[i] for i in picks])
            compressed = distance.compressed(result["output"], target, self.window)
            heard = (result["levels"] > 0).unsqueeze(-1)
            shape = ((result["shape"] - result["target"]).abs() * heard).mean()
            commitment = result["commitment"]
            loss = 2 * mel + 8 * loudness + 50 * compressed + 0.3 * shape + 0.1 * commitment
        parts = {"mel": mel, "loudness": loudness, "compressed": compressed, "shape": shape, "commitment": commitment}
        return {"loss": loss} | parts

    def reconstruct(self, codec: MdctRvqCodec, samples: Tensor, books: int) -> Tensor:
        """Code float [batch, samples] with a number of codebooks and decode."""
        frames = codec.net.mdct.blocks(samples.shape[-1]) + 1
        return codec.net(samples, torch.full((len(samples), frames), books, device=samples.device))["output"]

    def finish(self, codec: MdctRvqCodec) -> None:
        """Half precision, and tables counted on training samples."""
        generator = Generator().manual_seed(0)
        length = 10 * codec.config.rate
        device = codec.net.weight.device
        freeze(codec, [self.crops(10, length, generator).to(device) for _ in range(self.counted)], generator)


def books_in_use(net: MdctRvqNet, samples: Tensor, generator: Generator) -> Tensor:
    """Draw codebooks per frame, int64 [batch, frame]: even over the examples; in half of them loud frames get more.

    Those follow what `allocate` does, by the level alone: more codebooks by a random share for every step of gain.
    """
    count, books = len(samples), net.config.books
    strata = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    mean = (1 + strata * books).floor().clamp(max=books)[torch.randperm(count, generator=generator)].unsqueeze(1)
    levels = net.spectrum(net.mdct.frames(samples))[0].cpu().float()
    uneven = torch.rand(count, 1, generator=generator) < 0.5
    slope = 0.08 * mean * torch.rand(count, 1, generator=generator) * uneven
    smooth = functional.avg_pool1d(levels, 5, 1, padding=2, count_include_pad=False)
    used = mean + slope * (smooth - smooth.mean(1, keepdim=True))
    return used.round().clamp(1, books).long().to(samples.device)
