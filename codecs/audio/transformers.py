"""hf/<owner>/<model>: EnCodec, DAC and Mimi as they are published for the package transformers.

Their codes are integers, coded with uniform tables, so every machine decodes the same codes; only the synthesis is in
floating point. Sound is resampled to the rate of the model. A model with fewer channels than the sound is used several
times.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...bitstream import AudioMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed, OverLimit
from ...entropy import Coder, Decoder, Encoder, uniform
from ..base import Codec, Options, verify
from ..signals import Sound
from .layout import HIGHEST_RATE, LOWEST_RATE
from .resample import clean, cleaned, resample
from .transformers_nets import TOKENIZERS, config_class, model_class, published, settings_of

PARAMETERS = struct.Struct("<HIHIH")  # codebooks, entries of a codebook, times the model is used, frames, gains
# What only the encoder uses, in any of the models.
ENCODER = ("encoder.", "encoder_transformer.", "downsample.")
TRAINING = (".in_proj.", ".input_proj.", ".embed_avg", ".cluster_size", ".inited", ".initialized")


@dataclass(frozen=True)
class TransformersConfig:
    """What builds the network again.

    Attributes:
        kind: "encodec", "dac" or "mimi".
        settings: the fields of transformers' configuration on which the networks depend.
    """

    kind: str = "encodec"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """Numbers of what is coded: times the model is used, codebooks, their entries, frames, gains."""

    uses: int
    books: int
    size: int
    frames: int
    gains: int


class TransformersCodec(Codec):
    """A model of transformers; `named` gives the class of a name, `from_transformers` wraps a network."""

    kind: ClassVar[str] = "audio"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = TransformersConfig

    def __init__(self, config: TransformersConfig | None = None, net: nn.Module | None = None) -> None:
        """Build the network, or take one; raises MissingDependency, Malformed."""
        super().__init__()
        self.config = config or TransformersConfig()
        kind, settings = self.config.kind, self.config.settings
        if kind not in TOKENIZERS:
            raise Malformed(f"{self.id} is one of the models {', '.join(TOKENIZERS)}, not {kind}")
        if set(settings) - set(TOKENIZERS[kind].fields):
            raise Malformed(f"the configuration of {self.id} has unknown fields")
        self.model = TOKENIZERS[kind](net or model_class(kind, self.id)(config_class(kind, self.id)(**settings)))

    # The protocol

    def open(self, signal: Sound, options: Options) -> tuple[Track, int]:
        """Header of a sound; the plan is the step of quality. Raises OverLimit for sample rates out of bounds."""
        if not LOWEST_RATE <= signal.rate <= HIGHEST_RATE:
            raise OverLimit(f"the sample rate {signal.rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        channels, total = signal.samples.shape
        media = AudioMedia(signal.rate, channels, total, skip=0, preroll=0, total=total)
        step = round(options.quality / 100 * (len(self.model.books) - 1))
        shape = self._shape(media, self.model.books[step])
        parameters = PARAMETERS.pack(shape.books, shape.size, shape.uses, shape.frames, shape.gains)
        return Track(self.id, self.profile, True, bytes(8), media, parameters), step

    @torch.inference_mode()
    def encode_units(
        self, signal: Sound, track: Track, plan: int, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """One unit with one stream: the networks look at the whole sound."""
        media, rate = track.media, self.model.rate
        samples = cleaned(signal.samples, signal.rate, rate, self._samples(media))
        options.progress(0.1, f"resampled to {rate} Hz")
        shape = self._shape(media, self.model.books[plan])
        missing = shape.uses * self.model.channels - len(samples)
        samples = np.pad(samples, ((0, missing), (0, 0)), mode="edge")
        batch = torch.from_numpy(samples).unflatten(0, (shape.uses, self.model.channels))
        codes, gains = self.model.encode(batch, plan)
        options.progress(0.9, "transformed")
        coder = Encoder()
        traverse(coder, shape, codes.numpy().astype(np.int32), None if gains is None else gains.numpy())
        yield Unit(number, (coder.finish(),), media.total, last=True, check=coder.check)

    @torch.inference_mode()
    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Sound:
        """The sound of a track; raises Malformed, Damaged, OverLimit or SymbolMismatch."""
        media, shape = track.media, self._of(track)
        units = list(items)
        if len(units) != 1 or not isinstance(units[0], Unit) or len(units[0].streams) != 1:
            raise Malformed(f"a sound of {self.id} is one unit with one stream")
        coder = Decoder(units[0].streams[0])
        codes, gains = traverse(coder, shape)
        verify(units[0].check, coder.check)
        coder.finish()
        scales = None if gains is None else torch.from_numpy(gains)
        samples = self.model.decode(torch.from_numpy(codes.astype(np.int64)), scales, self._samples(media))
        samples = _merge(samples.flatten(0, 1), media.channels, self.model.channels).numpy()
        return Sound(
            clean(resample(clean(samples), self.model.rate, media.sample_rate, media.total)), media.sample_rate
        )

    def memory(self, track: Track) -> int:
        """Samples, features of a chunk where they are widest, and attention over all frames; half of it was seen."""
        shape, media = self._of(track), track.media
        samples = shape.uses * self.model.channels * (self._samples(media) + media.total)
        chunks = self.model.chunks(self._samples(media))
        features = 8 * self.model.width() * shape.uses * self.model.hop * max(chunks.frames, chunks.last)
        return 16 * samples + features + 32 * shape.frames**2 + (64 << 20)

    def _samples(self, media: AudioMedia) -> int:
        """Samples per channel at the model's rate."""
        return -(-media.total * self.model.rate // media.sample_rate)

    def _shape(self, media: AudioMedia, books: int) -> Shape:
        chunks = self.model.chunks(self._samples(media))
        uses = -(-media.channels // self.model.channels)
        return Shape(uses, books, self.model.size, chunks.total, chunks.count if self.model.scaled else 0)

    def _of(self, track: Track) -> Shape:
        """What a header says is coded; raises Malformed, OverLimit."""
        media = track.media
        if len(track.parameters) != PARAMETERS.size or not isinstance(media, AudioMedia):
            raise Malformed(f"{self.id} has {PARAMETERS.size} bytes of parameters and is for sound")
        if not media.total or media.skip or media.samples_per_unit != media.total:
            raise Malformed(f"{self.id} has the whole sound in one unit and states its length")
        if not LOWEST_RATE <= media.sample_rate <= HIGHEST_RATE:
            raise OverLimit(f"the sample rate {media.sample_rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        books, size, uses, frames, gains = PARAMETERS.unpack(track.parameters)
        found = Shape(uses, books, size, frames, gains)
        if not 1 <= books <= self.model.most or found != self._shape(media, books):
            raise Malformed(f"the parameters of {self.id} do not fit the model or the length of the sound")
        return found

    # Weights

    def export_state(self) -> dict[str, Tensor]:
        """All tensors under the names that published weights have; float32."""
        return {published(name): value for name, value in self.model.net.state_dict().items()}

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`; raises RuntimeError for tensors of another model."""
        names = {published(name): name for name in self.model.net.state_dict()}
        self.model.net.load_state_dict({names.get(name, name): value for name, value in state.items()})

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the encoder and what serves training or the search for codes."""
        state = self.export_state().items()
        return {
            name: value
            for name, value in state
            if not name.startswith(ENCODER) and not any(part in name for part in TRAINING)
        }


def traverse(
    coder: Coder, shape: Shape, codes: np.ndarray | None = None, gains: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The order of the symbols of a sound.

    Args:
        coder: counts, writes or reads.
        shape: what is coded.
        codes: int32 [uses, books, frames]; None when decoding.
        gains: float32 [uses, chunks], one for each chunk of a model that normalises; None when decoding or without.

    Returns:
        Codes and gains, exactly.
    """
    if shape.gains:
        parts = None if gains is None else np.ascontiguousarray(gains, dtype="<f4").view(np.uint8)
        parts = coder.code(parts, uniform(256).at(0, (shape.uses, 4 * shape.gains)))
        gains = parts.astype(np.uint8).view("<f4").astype(np.float32)
    return coder.code(codes, uniform(shape.size).at(0, (shape.uses, shape.books, shape.frames))), gains


def _merge(samples: Tensor, channels: int, width: int) -> Tensor:
    """Channels [channels, n] of [uses * width, n]: what repeats the last channel is averaged with it."""
    last = (
        samples[channels - 1 :].mean(0, keepdim=True) if len(samples) > channels else samples[channels - 1 : channels]
    )
    return torch.cat((samples[: channels - 1], last))


@cache
def named(name: str) -> type[TransformersCodec]:
    """The class of a codec by its whole name, hf/<owner>/<model>."""
    return type("TransformersCodec", (TransformersCodec,), {"id": name})


def from_transformers(net: nn.Module, name: str) -> TransformersCodec:
    """A model of transformers as a codec that encodes, decodes and can be saved.

    Args:
        net: an EncodecModel, DacModel or MimiModel on the CPU; it is used as it is, not copied, in float32.
        name: the name of the codec, hf/<owner>/<model> in small letters.

    Raises:
        UnknownCodec: the name has another form.
        ValueError: the model is another.
    """
    from ..registry import codec_class

    config = TransformersConfig(net.config.model_type, settings_of(net.config))
    return codec_class(name)(config, net.float()).eval().requires_grad_(False)
