"""Training of the waveform codecs: mel, spectral, adversarial and feature losses through a balancer.

python -m triptych.tools.train audio_systems.seanet_rvq_small --data DATA --out runs/seanet --export FOLDER

Every system has three recipes: its name (the published layout, for a GPU), `_small` (for a CPU), `_smoke` (seconds, for tests).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from ...codecs import ranks
from ...codecs.audio import hifi_codec as hifi
from ...codecs.audio import language_codec as language
from ...codecs.audio import seanet_rvq as seanet
from ...codecs.audio import wavtokenizer as wav
from ...codecs.audio.layers import Conv, UpConv
from ...codecs.audio.waveform import WaveformCodec, WaveformConfig, heard
from ...codecs.quantisers import draw_books, usage
from ..train import Recipe
from .audio_losses import SCALES
from .audio_mdct import default
from .balancer import Balancer
from .discriminators import Discriminators, convincing, discriminating, matching
from .sound_task import SoundTask, device_of

WEIGHTS = {"time": 0.1, "mel": 1.0, "loudness": 1.0, "stft": 1.0, "adversarial": 3.0, "feature": 3.0}
NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # of codebooks that examples may draw
OF_QUANTISER = {"commitment": 0.25, "codebook": 1.0, "entropy": 0.1}


@dataclass(frozen=True)
class Judging:
    """Who judges a training.

    Attributes:
        periods, windows: of the judges.
        width: of their first layers.
        since: share of the schedule from which they take part.
        often: share of the steps in which they learn.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    windows: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    width: int = 32
    since: float = 0.0
    often: float = 2 / 3


class Adversary(nn.Module):
    """What a run keeps beside the codec: judges, the balancer's running norms, and whether it quantises yet."""

    def __init__(self, judging: Judging | None) -> None:
        super().__init__()
        self.balancer = Balancer(WEIGHTS)
        self.register_buffer("quantising", torch.zeros(()))  # whether the codebooks have begun
        self.judges = Discriminators(judging.periods, judging.windows, judging.width) if judging else None


class SystemTask(SoundTask):
    """One task for all waveform codecs.

    Args:
        config: of the codec.
        frames: of an example.
        choices: numbers of codebooks of which each example draws one.
        judging: None trains without adversaries.
        plain: share of the schedule in which nothing is quantised: codebooks cannot follow a network that has just begun.
        start_crops, rounds: crops of two seconds on which k-means starts the codebooks, and its rounds.
        held, counted: clips kept for validation; batches of ten crops of 10 s on which the tables are counted.
    """

    def __init__(
        self,
        config: WaveformConfig,
        frames: int,
        choices: Sequence[int],
        judging: Judging | None,
        plain: float = 0.1,
        start_crops: int = 150,
        rounds: int = 10,
        held: int = 12,
        counted: int = 20,
    ) -> None:
        judged = sorted({choices[0], choices[len(choices) // 2], choices[-1]})
        super().__init__(config.rate, frames * config.hop, held, tuple(judged))
        self.config, self.choices, self.judging = config, tuple(choices), judging
        self.plain, self.start_crops, self.rounds, self.counted = plain, start_crops, rounds, counted
        self.adversary = Adversary(judging)

    @torch.no_grad()
    def start(self, codec: WaveformCodec, generator: Generator) -> None:
        """Latents around zero of unit power, sounds of about the right loudness; codebooks start where quantising begins."""
        latents = self._latents(codec, generator)
        mean, size, last = latents.mean(0), latents.var(0).mean().sqrt(), codec.net.encoder[-1]
        last.weight = last.weight / size
        last.bias.copy_((last.bias - mean) / size)
        target = self.batch(16, generator).to(device_of(codec))
        ratio = target.square().mean().sqrt() / codec.net(target, None)[0].square().mean().sqrt()
        last = [module for module in codec.net.decoder.modules() if isinstance(module, Conv | nn.Linear)][-1]
        if isinstance(last, Conv):
            last.weight = last.weight * ratio
        else:  # logarithms of magnitudes, then phases
            last.bias[: len(last.bias) // 2] += ratio.log()

    @torch.no_grad()
    def begin(self, codec: WaveformCodec, generator: Generator) -> None:
        """Codebooks by k-means on the latents that the encoder makes by now."""
        latents = self._latents(codec, generator)
        codec.net.quantiser.fit(latents, self.rounds, 16 * self.length // self.config.hop, generator)
        ranks.broadcast(codec.net.quantiser.state_dict().values())
        self.adversary.quantising.fill_(1)

    def _latents(self, codec: WaveformCodec, generator: Generator) -> Tensor:
        """Latents of frames that are heard, float [n, dim]."""
        hop = self.config.hop
        crops = self.crops(self.start_crops, 2 * self.rate // hop * hop, generator).to(device_of(codec))
        latents = torch.cat([codec.net.latents(part) for part in crops.split(10)]).float()
        return latents[heard(crops, latents.shape[1])]

    def losses(self, codec: WaveformCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Balanced distances of the output, and what the quantiser asks for; "loss" itself is no figure of quality."""
        target = batch.to(device_of(codec))
        if progress >= self.plain and not self.adversary.quantising:
            self.begin(codec, generator)
        used = None
        if self.adversary.quantising:
            used = draw_books(len(target), target.shape[1] // self.config.hop, self.choices, generator).to(
                target.device
            )
        output, found = codec.net(target, used, generator)
        leaf = output.detach().requires_grad_()
        with torch.autocast(target.device.type, enabled=False):
            parts = self._distances(leaf, target, generator)
        extra = {}
        if self.judging and progress >= self.judging.since:
            real, made = self.adversary.judges(target), self.adversary.judges(leaf)
            parts |= {"adversarial": convincing(made), "feature": matching(real, made)}
            draw = torch.rand((), generator=generator).to(target.device)
            ranks.broadcast([draw])
            if float(draw) < self.judging.often:
                extra["adversary"] = discriminating(real, made)
        gradient = self.adversary.balancer(parts, leaf)
        losses = found.losses if found else {}
        loss = (output * gradient).sum() + sum(OF_QUANTISER[name] * value for name, value in losses.items())
        figures = {name: value.detach() for name, value in (parts | losses).items()}
        return {"loss": loss} | figures | ({"used": found.usage.mean()} if found else {}) | extra

    def _distances(self, output: Tensor, target: Tensor, generator: Generator) -> dict[str, Tensor]:
        distance = self.distance.to(target.device)
        picks = torch.randperm(len(SCALES), generator=generator)[:3].tolist()
        mel, loudness = distance.mel(output, target, [list(SCALES)[i] for i in picks])
        stft = sum(distance.compressed(output, target, window) for window in (2048, 512, 128)) / 3
        return {"time": (output - target).abs().mean(), "mel": mel, "loudness": loudness, "stft": stft}

    def reconstruct(self, codec: WaveformCodec, samples: Tensor, books: int) -> Tensor:
        """Code float [batch, samples] with a number of codebooks and decode."""
        return codec.detokenize(codec.tokenize(samples)[:, :books])[:, : samples.shape[1]]

    @torch.no_grad()
    def validate(self, codec: WaveformCodec) -> dict[str, float]:
        """As `SoundTask.validate`, and the share of codebook entries that the held-out clips use."""
        codes = torch.cat([codec.tokenize(clip.unsqueeze(0))[0] for clip in self.clips], 1)
        shares = usage(codes, codec.net.quantiser.sizes)
        use = {"use": float(shares.mean()), "least_use": float(shares.min()), "frames": float(codes.shape[1])}
        return super().validate(codec) | use

    def finish(self, codec: WaveformCodec) -> None:
        """Plain weights as they are stored, and tables counted on training samples."""
        with torch.enable_grad():  # without, the plain weights would be no parameters
            for module in codec.modules():
                if parametrize.is_parametrized(module, "weight"):
                    parametrize.remove_parametrizations(module, "weight")
        generator, length = Generator().manual_seed(0), 10 * self.rate
        codec.finish([self.crops(10, length, generator) for _ in range(self.counted)])


def normed(codec: WaveformCodec) -> WaveformCodec:
    """Weight normalisation of all convolutions of encoder and decoder; `SystemTask.finish` takes it away again."""
    for module in list(codec.net.modules()):
        if isinstance(module, Conv | UpConv):
            weight_norm(module)
    return codec


@dataclass(frozen=True)
class System:
    """A codec with its configurations; `sizes` are further fields that make the small one tiny."""

    name: str
    cls: type[WaveformCodec]
    published: WaveformConfig
    small: WaveformConfig
    sizes: dict[str, int] = field(default_factory=dict)

    def recipes(self) -> tuple[Callable[[], Recipe], Callable[[], Recipe], Callable[[], Recipe]]:
        """The published layout, the small one, and one for tests."""
        return self.full, self.modest, self.smoke

    def full(self) -> Recipe:
        """For a GPU."""
        frames = self.published.rate // self.published.hop
        recipe = self._recipe("", self.published, frames, Judging())
        schedule = {"batch": 32, "lr": 3e-4, "warmup": 1000, "validate_every": 5000, "save_every": 1000}
        return replace(recipe, steps=400_000, data=default().data, hardware="one GPU", **schedule)

    def modest(self) -> Recipe:
        """For one CPU thread."""
        recipe = self._recipe("_small", self.small, 50, Judging((2, 3, 5), (1024, 512, 256), 4, since=0.8))
        return replace(
            recipe, steps=3000, batch=8, lr=1e-3, warmup=100, ema=0.99, validate_every=100, data=default().data
        )

    def smoke(self) -> Recipe:
        """A tiny model for tests: seconds, not quality."""
        books = min(self.small.books, max(2, self.small.least))
        tiny = {"books": books, "dim": 12, "size": 32, "filters": 2, "context": 8, "per_unit": 16}
        extent = {"start_crops": 20, "rounds": 3, "held": 2, "counted": 1}
        config = replace(self.small, **tiny | self.sizes)
        recipe = self._recipe("_smoke", config, 16, Judging((2, 3), (256,), 2, since=0.3), **extent)
        return replace(recipe, steps=20, batch=4, lr=2e-3, warmup=5, validate_every=10, save_every=10)

    def _recipe(self, suffix: str, config: WaveformConfig, frames: int, judging: Judging, **extent: int) -> Recipe:
        choices = [n for n in NUMBERS if config.least <= n <= config.books]
        return Recipe(
            name=f"audio_systems.{self.name}{suffix}",
            make=lambda: normed(self.cls(config)),
            task=lambda: SystemTask(config, frames, choices, judging, **extent),
            steps=1,
            batch=1,
            lr=0.0,
            clip=10.0,
        )


NARROW = {"width": 16, "blocks": 1}
SEANET = System("seanet_rvq", seanet.SeanetRvqCodec, seanet.ENCODEC, seanet.SMALL)
HIFI = System("hifi_codec", hifi.HifiCodec, hifi.PUBLISHED, hifi.SMALL)
LANGUAGE = System("language_codec", language.LanguageCodec, language.PUBLISHED, language.SMALL, NARROW)
WAVTOKENIZER = System("wavtokenizer", wav.WavTokenizer, wav.PUBLISHED, wav.SMALL, NARROW)

seanet_rvq, seanet_rvq_small, seanet_rvq_smoke = SEANET.recipes()
hifi_codec, hifi_codec_small, hifi_codec_smoke = HIFI.recipes()
language_codec, language_codec_small, language_codec_smoke = LANGUAGE.recipes()
wavtokenizer, wavtokenizer_small, wavtokenizer_smoke = WAVTOKENIZER.recipes()
