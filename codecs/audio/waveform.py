"""What codecs from samples to codes and back share: encoder, quantiser and decoder over frames, units, tables, tokens.

A system is a subclass that says how the three parts are built from its configuration.
"""

import math
import struct
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...bitstream import AudioMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed, OverLimit
from ...entropy import Decoder, Encoder, Tables
from ..base import Codec, Options, verify
from ..compact import large, pack, rows_of, unpack
from ..quantisers import Grouped, Quantised, Residual
from ..signals import Sound
from ..tape import gathered
from .codes import Codes, traverse
from .context import CodeContext, context_state, context_tensors
from .layout import HIGHEST_RATE, LOWEST_RATE, Layout
from .live import WaveformLive
from .streaming import StreamDecoder, StreamEncoder
from .stretches import Window, resampled, stretches

PARAMETERS = struct.Struct("<BBH")  # codebooks, how codes are coded, frames a unit
TABLES, CONTEXT = 0, 1  # ways of coding: static tables, probabilities from the context of a code
TRAINING_ONLY = (".counts", ".sums")  # ends of the names of what only a training needs
SILENT = 1e-3  # root mean square of a frame
RESOLUTION = 256  # of counts, of which every code has one more than was seen


@dataclass(frozen=True)
class WaveformConfig:
    """What every system has.

    Attributes:
        rate: samples per second.
        ratios: strides of the decoder; their product, the hop, is samples per frame.
        dim: channels of a latent.
        books, size: codebooks and the entries of each.
        least: codebooks below which nothing sensible comes out.
        causal: no sample depends on later ones, so that the codec streams.
        per_unit: frames of a unit.
        context: frames to either side that encoder and decoder are shown beside those of a unit; unused where causal.
    """

    rate: int = 24000
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    dim: int = 128
    books: int = 8
    size: int = 1024
    least: int = 1
    causal: bool = False
    per_unit: int = 225
    context: int = 75

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return math.prod(self.ratios)


@dataclass(frozen=True)
class Parts:
    """The networks of a codec: [batch, 1, n] to [batch, dim, frames], a quantiser of vectors [n, dim], and back."""

    encoder: nn.Module
    quantiser: Residual | Grouped
    decoder: nn.Module


class WaveformNet(nn.Module):
    """The float networks of a codec."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.encoder, self.quantiser, self.decoder = parts.encoder, parts.quantiser, parts.decoder

    def latents(self, x: Tensor, *memory: object) -> Tensor:
        """Float [batch, frames * hop] to [batch, frame, dim]."""
        return self.encoder(x.unsqueeze(1), *memory).transpose(1, 2)

    def samples(self, latents: Tensor, *memory: object) -> Tensor:
        """Float [batch, frame, dim] to [batch, frames * hop]."""
        return self.decoder(latents.transpose(1, 2), *memory).squeeze(1)

    def forward(
        self, x: Tensor, used: Tensor | None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Quantised | None]:
        """Code and decode float [batch, frames * hop] with gradients; used: int64 [batch, frame], codebooks.

        Returns the output, shaped like x, and what the quantiser made of the latents, batch by batch. Without `used` nothing is
        quantised. Silent frames teach the codebooks nothing: there are many, and they are alike.
        """
        latents = self.latents(x).float()
        if used is None:
            return self.samples(latents).float(), None
        loud = heard(x, used.shape[1]).flatten()
        with torch.autocast(x.device.type, enabled=False):  # the search for codewords needs float32
            found = self.quantiser(latents.flatten(0, 1), used.flatten(), generator, loud)
        return self.samples(found.vectors.view_as(latents)).float(), found


def heard(x: Tensor, frames: int) -> Tensor:
    """Which frames are not silent: float [batch, samples] to bool [batch, frames]."""
    return x.unflatten(1, (frames, -1)).square().mean(2).sqrt() > SILENT


class WaveformCodec(WaveformLive, Codec):
    """A codec of one model rate; every channel is coded on its own."""

    kind: ClassVar[str] = "audio"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = WaveformConfig
    config: WaveformConfig
    recipe: ClassVar[str] = ""  # that trains it

    def __init__(self, config: WaveformConfig | None = None) -> None:
        super().__init__()
        self.config = config or self.Config()
        self.net = WaveformNet(self.parts(self.config))
        sizes = self.net.quantiser.sizes
        self.tables = Tables.from_counts(np.ones((len(sizes), sizes[0]), np.int64))
        self.context: CodeContext | None = None
        self.rows: dict[str, int] = {}  # matrices that are stored as int8

    @staticmethod
    @abstractmethod
    def parts(config: WaveformConfig) -> Parts:
        """The networks of a configuration."""

    # Samples to codes and back

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.net.parameters()).device

    def books_of(self, quality: float) -> int:
        """Codebooks for a quality of 0 to 100."""
        least, most = self.config.least, self.net.quantiser.books
        return least + round(quality / 100 * (most - least))

    @torch.inference_mode()
    def quantise(self, latents: Tensor, books: int) -> Codes:
        """Float [channel, frame, dim] to int32 [book, channel, frame]."""
        codes = self.net.quantiser.encode(latents.flatten(0, 1).float(), books)
        return codes.unflatten(1, latents.shape[:2]).numpy(force=True).astype(np.int32)

    @torch.inference_mode()
    def vectors(self, codes: Codes) -> Tensor:
        """The inverse of `quantise`, but for what quantising loses."""
        rows = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        used = torch.full((rows[0].numel(),), len(rows), device=self.device)
        return self.net.quantiser.decode(rows.flatten(1), used).unflatten(0, codes.shape[1:])

    @torch.inference_mode()
    def analyse(self, samples: Tensor, first: int, end: int, books: int) -> Codes:
        """Codes of the frames first .. end - 1 of float [channel, frames * hop], seen with their context."""
        hop, frames = self.config.hop, samples.shape[1] // self.config.hop
        before, after = max(0, first - self.config.context), min(frames, end + self.config.context)
        if first == end:
            return np.zeros((books, len(samples), 0), np.int32)
        latents = self.net.latents(samples[:, before * hop : after * hop])
        return self.quantise(latents[:, first - before : end - before], books)

    @torch.inference_mode()
    def synthesise(self, codes: Codes, start: int, first: int, end: int) -> Tensor:
        """Samples float [channel, (end - first) * hop] of the frames first .. end - 1 from codes whose first is `start`."""
        hop = self.config.hop
        return self.net.samples(self.vectors(codes))[:, (first - start) * hop : (end - start) * hop]

    def tokenize(self, x: Tensor) -> Tensor:
        """Float [batch, samples] at the codec's rate to int64 [batch, codebook, frame]; the last frame is filled with zeros."""
        x = nn.functional.pad(x, (0, -x.shape[1] % self.config.hop)).to(self.device)
        with torch.inference_mode():
            codes = self.quantise(self.net.latents(x), self.net.quantiser.books)
        return torch.from_numpy(codes.transpose(1, 0, 2).astype(np.int64))

    def detokenize(self, tokens: Tensor) -> Tensor:
        """Int64 [batch, codebook, frame], of the first codebooks, to float [batch, frame * hop]."""
        codes = tokens.numpy(force=True).transpose(1, 0, 2).astype(np.int32)
        return self.synthesise(codes, 0, 0, codes.shape[2])

    # The protocol

    def open(self, signal: Sound, options: Options) -> tuple[Track, int]:
        """Header of a sound, and its number of codebooks; raises OverLimit for sample rates that are out of bounds."""
        if not LOWEST_RATE <= signal.rate <= HIGHEST_RATE:
            raise OverLimit(f"the sample rate {signal.rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        channels, total = signal.samples.shape
        books, c = self.books_of(options.quality), self.config
        outputs = -(-c.per_unit * c.hop * signal.rate // c.rate)
        preroll = (
            1 if c.causal else max(1, -(-2 * c.context // c.per_unit))
        )  # units that hold the context before a unit
        media = AudioMedia(signal.rate, channels, outputs, skip=0, preroll=preroll, total=total)
        coding = CONTEXT if self.context is not None and options.effort > 0 else TABLES
        return Track(self.id, self.profile, True, bytes(8), media, PARAMETERS.pack(books, coding, c.per_unit)), books

    def encode_units(
        self, signal: Sound, track: Track, plan: int, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """Units of some seconds with one stream each."""
        (layout, _), context = self._layout(track), self._context(track)
        length = layout.blocks * self.config.hop
        parts = resampled(stretches(signal.samples), signal.rate, self.config.rate, length)
        for unit, codes in enumerate(self._units(parts, track.media.channels, layout, plan)):
            coder = Encoder()
            traverse(coder, self.tables, codes.shape[1:], self.net.quantiser.books, codes, context)
            last = unit == layout.units - 1
            yield Unit(number, (coder.finish(),), layout.outputs(unit), last, check=coder.check)
            options.progress(
                (unit + 1) / layout.units, f"{layout.made(unit) * self.config.hop / self.config.rate:.0f} s"
            )

    def _units(self, parts: Iterator[np.ndarray], channels: int, layout: Layout, books: int) -> Iterator[Codes]:
        """The codes of each unit of stretches float32 [channels, n] at the codec's rate, whole frames together."""
        hop, context = self.config.hop, self.config.context
        if self.config.causal:
            stream = StreamEncoder(self, channels, 0, layout.per_unit)
            stream.books = books
            for part in parts:
                yield from stream.blocks(torch.from_numpy(part))
            yield from stream.rest()
            return
        window = Window(parts)
        for unit in range(layout.units):
            first, end = layout.coded(unit - 1), layout.coded(unit)
            begin = max(0, first - context)
            samples = window.between(begin * hop, (end + context) * hop)
            samples = torch.from_numpy(np.ascontiguousarray(samples)).to(self.device)
            yield self.analyse(samples, first - begin, end - begin, books)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Sound:
        """The sound of a track; raises Malformed, Damaged, OverLimit or SymbolMismatch."""
        layout, _ = self._layout(track)
        shape = track.media.channels, layout.total
        return Sound(gathered(self.pieces(track, items), shape, np.float32, 1), layout.own_rate)

    def pieces(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """The samples unit by unit; raises as `decode`."""
        (layout, books), rate = self._layout(track), self.config.rate
        sounds = self._sounds(self._read(track, items, layout, books), layout, track.media.channels)
        own = resampled((part.numpy(force=True).astype(np.float32) for part in sounds), rate, rate, layout.samples)
        for part in resampled(own, rate, layout.own_rate, layout.total):
            yield np.clip(part, -1, 1)

    def _read(self, track: Track, items: Iterable[Weights | Unit], layout: Layout, books: int) -> Iterator[Codes]:
        """The codes of each unit, checked."""
        unit = -1
        for unit, item in enumerate(items):
            layout.expect(unit, item)
            coder = Decoder(item.streams[0])
            shape = (track.media.channels, layout.coded(unit) - layout.coded(unit - 1))
            codes = traverse(coder, self.tables, shape, self.net.quantiser.books, context=self._context(track))
            verify(item.check, coder.check)
            coder.finish()
            if len(codes) > books:
                raise Malformed(f"unit {unit} has {len(codes)} codebooks, more than the {books} of the file")
            yield codes
        if unit != layout.units - 1:
            raise Malformed(f"a sound of this length is {layout.units} units, not {unit + 1}")

    def _sounds(self, units: Iterable[Codes], layout: Layout, channels: int) -> Iterator[Tensor]:
        """Samples of each unit, blended over one frame where two stretches with different contexts meet."""
        if self.config.causal:
            stream = StreamDecoder(self, channels)
            yield from map(stream.sound, units)
            return
        hop, context = self.config.hop, self.config.context
        window, start, tail = None, 0, None
        rise = torch.linspace(0, 1, hop, device=self.device)
        for unit, codes in enumerate(units):
            window = codes if window is None else joined(window, codes)
            first, end = layout.made(unit - 1), layout.made(unit)
            more = min(end + 1, layout.blocks)
            made = self.synthesise(window, start, first, more)
            if tail is not None and tail.shape[1]:
                made = torch.cat((tail + (made[:, :hop] - tail) * rise, made[:, hop:]), 1)
            tail = made[:, (end - first) * hop :]
            yield made[:, : (end - first) * hop]
            keep = max(0, end - context)
            window, start = window[:, :, keep - start :], keep

    def memory(self, track: Track) -> int:
        """Samples at both rates and the widest activations of one unit with its context."""
        layout, books = self._layout(track)
        frames = min(layout.frames, layout.per_unit + 2 * layout.reach + 2)
        widest = 8 * sum(p.numel() for p in self.net.decoder.parameters()) ** 0.5 + 64 * self.config.hop
        samples = min(layout.samples, frames * self.config.hop) + min(layout.total, layout.outputs_per_unit)
        size = 12 * samples + int(4 * frames * (widest + 2 * books))
        return track.media.channels * size + (64 << 20)

    def _layout(self, track: Track) -> tuple[Layout, int]:
        """Layout and codebooks from a header; raises Malformed, OverLimit."""
        if len(track.parameters) != PARAMETERS.size or not isinstance(track.media, AudioMedia):
            raise Malformed(f"{self.id} has {PARAMETERS.size} bytes of parameters and is for sound")
        books, coding, per_unit = PARAMETERS.unpack(track.parameters)
        if coding != TABLES and (coding != CONTEXT or self.context is None):
            raise Malformed(f"{self.id} codes with static tables, or by context where weights can, not in way {coding}")
        if not 1 <= books <= self.net.quantiser.books or not per_unit:
            raise Malformed(f"{self.id} has up to {self.net.quantiser.books} codebooks and at least one frame a unit")
        c = self.config
        return Layout.of(track.media, c.rate, c.hop, per_unit, 0 if c.causal else c.context, tail=0), books

    def _context(self, track: Track) -> CodeContext | None:
        """The context that the codes of a track have, from a header that is in order."""
        return self.context if PARAMETERS.unpack(track.parameters)[1] == CONTEXT else None

    # Weights

    def finish(self, sounds: Sequence[Tensor]) -> None:
        """Round the weights as they are stored, then count the codes of training sounds, float [batch, samples] each."""
        kept = self._kept()
        self.rows = large(kept, [name for name in kept if name.endswith(("codewords", "codebooks"))])
        self.load_state_dict(unpack(pack(kept, self.rows)), strict=False)
        sizes = self.net.quantiser.sizes
        counts = np.zeros((len(sizes), sizes[0]), np.int64)
        for sound in sounds:
            for book, codes in enumerate(self.tokenize(sound).transpose(0, 1).flatten(1).numpy()):
                counts[book] += np.bincount(codes, minlength=sizes[0])
        self.tables = Tables.from_counts(RESOLUTION * counts + RESOLUTION)

    def _kept(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.state_dict().items() if not name.endswith(TRAINING_ONLY)}

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored, see codecs/compact.py; integer tables under `tables.`."""
        tables = {f"tables.{name}": torch.from_numpy(value.copy()) for name, value in self.tables.state().items()}
        return pack(self._kept(), self.rows) | tables | context_tensors(self.context)

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`; raises KeyError, RuntimeError, ValueError for tensors of another model."""
        weights = unpack({name: value for name, value in state.items() if name.startswith("net.")})
        self.load_state_dict(self.state_dict() | {name: weights[name] for name in self._kept()})
        self.rows = rows_of(state)
        self.tables = Tables.from_state(
            {name[7:]: v.numpy() for name, v in state.items() if name.startswith("tables.")}
        )
        found, words = context_state(state), self.net.quantiser.words().numpy(force=True)
        self.context = CodeContext.from_state(found, words, 0) if found else None

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the encoder."""
        return {name: value for name, value in self.export_state().items() if not name.startswith("net.encoder.")}


def joined(before: Codes, after: Codes) -> Codes:
    """Codes of two stretches, of which one may have fewer codebooks: those are then missing in the other, too."""
    books = min(len(before), len(after))
    return np.concatenate((before[:books], after[:books]), axis=2)
