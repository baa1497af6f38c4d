"""audio/mdct-rvq: the codec around the network, from sounds to units of integers and back.

MDCT frames as gain and shape, shape as a sum of codewords, integer tables, two channels crossed or not, a ConvNeXt on either
side; after MDCTCodec (Jiang et al. 2024) and SoundStream (Zeghidour et al. 2021). Each variant has its own sample rate.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import AudioMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed, OverLimit
from ...entropy import Coder, Decoder, Encoder
from ..base import Codec, Options, verify
from ..compact import from_bytes, large, pack, rows_of, to_bytes, unpack
from ..signals import Sound
from ..tape import gathered
from .allocate import allocate
from .context import context_state, context_tensors
from .layout import HIGHEST_RATE, LOWEST_RATE, Layout
from .live import MdctLive
from .mdct_rvq_bands import BandedNet
from .mdct_rvq_net import MdctRvqConfig, MdctRvqNet
from .stereo import alike, crossing, uncrossing
from .stretches import Window, resampled, stretches
from .symbols import CodeTables, FrameContext, Symbols, traverse

PER_UNIT = 500  # blocks a unit, 7 to 10 s
WIDEST = 6  # effort at which the beam of the code search stops growing: 64 candidates
LIVE = "live"  # name of the variant that streams
RATES = (16000, 24000, 48000)  # Hz, of the variants that ship
PARAMETERS = struct.Struct("<BBH")  # codebooks, modes, blocks a unit
SPARING, CROSSED, CONTEXT = 1, 2, 4  # modes: numbers of codebooks vary; two channels are sum and difference; contexts
FREQUENCIES = "tables.codes.frequencies"
TRAINING_ONLY = ("net.quantiser.counts", "net.quantiser.sums")


@dataclass(frozen=True)
class Plan:
    """What the encoder decided: codebooks per frame on the average, and candidates of the code search."""

    books: float
    beam: int


class MdctRvqCodec(MdctLive, Codec):
    """The codec of the module; every channel is coded on its own, two perhaps as sum and difference.

    It codes once `tables` are there: see `freeze`.
    """

    id: ClassVar[str] = "audio/mdct-rvq"
    kind: ClassVar[str] = "audio"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = MdctRvqConfig

    def __init__(self, config: MdctRvqConfig | None = None) -> None:
        super().__init__()
        self.config = config or MdctRvqConfig()
        self.net = (BandedNet if self.config.bands else MdctRvqNet)(self.config)
        self.tables: CodeTables | None = None
        self.context: FrameContext | None = None
        self.variant = LIVE if self.config.causal else named(self.config.rate)
        self.rows: dict[str, int] = {}  # matrices that are stored as int8

    # Samples to symbols and back

    @torch.inference_mode()
    def analyse(self, samples: Tensor, plan: Plan, first: int, end: int) -> Symbols:
        """Symbols of the frames first .. end - 1 of float [channel, samples] at the codec's rate."""
        net, last = self.net, self.net.mdct.blocks(samples.shape[1]) + 1
        before, after = max(0, first - net.encoder.reach), min(last, end + net.encoder.ahead)
        levels, cosine, sine = net.spectrum(net.mdct.some_frames(samples, before, after))
        latents = net.latents(levels, cosine, sine)[:, first - before : end - before]
        levels = levels[:, first - before : end - before]
        return self.quantise(latents, levels, *self._used(latents, levels, plan.books), plan.beam)

    def quantise(self, latents: Tensor, levels: Tensor, used: Tensor, books: int, beam: int) -> Symbols:
        """Symbols of latents float [channel, frame, dim]; levels and used are int64 [channel, frame], used up to `books`."""
        codes = torch.zeros(books, *levels.shape, dtype=torch.long, device=levels.device)
        for number in used.unique().tolist():
            frames = used == number
            if number:
                codes[:number, frames] = self.net.quantiser.encode(latents[frames], number, beam)
        return Symbols(*(part.numpy(force=True).astype(np.int32) for part in (levels, used, codes)))

    def _used(self, latents: Tensor, levels: Tensor, mean: float) -> tuple[Tensor, int]:
        """Codebooks per frame, int64 like `levels`, and the most that a frame may have."""
        heard = levels > 0
        if not self._sparing(mean):
            return round(mean) * heard, round(mean)
        errors = self.net.quantiser.errors(latents.flatten(0, 1)).unflatten(0, levels.shape)
        return allocate(errors, levels * self.config.step, heard, mean), self.config.books

    def _sparing(self, mean: float) -> bool:
        """Whether a mean number of codebooks is spread unevenly over the frames."""
        return 1 < mean < self.config.books

    @torch.inference_mode()
    def synthesise(self, symbols: Symbols, start: int, first: int, end: int) -> Tensor:
        """Samples float [channel, (end - first) * hop] of the blocks first .. end - 1 of a sound.

        start: number of the first frame of `symbols` in the sound.
        """
        coefficients = self.net.coefficients(*self.vectors(symbols), start)
        return self.net.mdct.synthesise(coefficients[:, first - start : end + 1 - start])

    @torch.inference_mode()
    def vectors(self, symbols: Symbols) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of codewords float [channel, frame, dim], levels and used int64 [channel, frame]."""
        levels, used, codes = (torch.from_numpy(part).to(self.device).long() for part in symbols.parts)
        latents = self.net.quantiser.decode(codes.flatten(1), used.flatten())
        return latents.unflatten(0, levels.shape), levels, used

    def tokenize(self, x: Tensor) -> Tensor:
        """Float [batch, samples] at the codec's rate to int64 [batch, 1 + books, frame]: levels, then all codebooks."""
        symbols = self.analyse(x, Plan(self.config.books, 1), 0, self.net.mdct.blocks(x.shape[1]) + 1)
        rows = np.concatenate((symbols.levels[None], symbols.codes)).transpose(1, 0, 2)
        return torch.from_numpy(rows.astype(np.int64))

    def detokenize(self, tokens: Tensor) -> Tensor:
        """Int64 [batch, 1 + n, frame], 1 <= n <= books, to float [batch, (frame - 1) * hop]."""
        rows = tokens.numpy(force=True).astype(np.int32).transpose(1, 0, 2)
        symbols = Symbols(rows[0], (len(rows) - 1) * (rows[0] > 0).astype(np.int32), rows[1:])
        return self.synthesise(symbols, 0, 0, rows.shape[2] - 1)

    # The protocol

    @classmethod
    def variant_for(cls, signal: Sound) -> str:
        """The variant of the least sample rate that keeps all of a sound."""
        return named(min((rate for rate in RATES if rate >= signal.rate), default=RATES[-1]))

    def open(self, signal: Sound, options: Options) -> tuple[Track, Plan]:
        """Header of a sound; raises OverLimit for sample rates that are out of bounds."""
        if not LOWEST_RATE <= signal.rate <= HIGHEST_RATE:
            raise OverLimit(f"the sample rate {signal.rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        channels, total = signal.samples.shape
        plan = Plan(1 + options.quality / 100 * (self.config.books - 1), 1 << min(options.effort, WIDEST))
        sparing, context = self._sparing(plan.books), self.context is not None and options.effort > 0
        outputs = -(-PER_UNIT * self.config.hop * signal.rate // self.config.rate)
        media = AudioMedia(signal.rate, channels, outputs, skip=0, preroll=1, total=total)
        modes = SPARING * sparing | CONTEXT * context | CROSSED * (channels == 2 and alike(stretches(signal.samples)))
        parameters = PARAMETERS.pack(self.config.books if sparing else round(plan.books), modes, PER_UNIT)
        return Track(self.id, self.profile, True, bytes(8), media, parameters), plan

    def encode_units(
        self, signal: Sound, track: Track, plan: Plan, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """Units of 500 blocks with one stream each."""
        layout, books, modes = self._layout(track)
        window = Window(resampled(stretches(signal.samples), signal.rate, self.config.rate, layout.samples))
        hop, encoder = self.config.hop, self.net.encoder
        for unit in range(layout.units):
            first, end = layout.coded(unit - 1), layout.coded(unit)
            begin = max(0, first - encoder.reach - 1)
            samples = window.between(begin * hop, (end + encoder.ahead) * hop)
            samples = torch.from_numpy(crossing(samples) if modes & CROSSED else samples).to(self.device)
            symbols = self.analyse(samples, plan, first - begin, end - begin)
            coder = Encoder()
            self._traverse(coder, symbols.levels.shape, books, modes, symbols)
            last = unit == layout.units - 1
            yield Unit(number, (coder.finish(),), layout.outputs(unit), last, check=coder.check)
            options.progress((unit + 1) / layout.units, f"{layout.made(unit) * hop / self.config.rate:.0f} s")

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Sound:
        """The sound of a track; raises Malformed, Damaged, OverLimit or SymbolMismatch."""
        layout, _, _ = self._layout(track)
        shape = track.media.channels, layout.total
        return Sound(gathered(self.pieces(track, items), shape, np.float32, 1), layout.own_rate)

    def pieces(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """The samples unit by unit; raises as `decode`."""
        layout, _, _ = self._layout(track)
        for part in resampled(self._sounds(track, items), self.config.rate, layout.own_rate, layout.total):
            yield np.clip(part, -1, 1)

    def _sounds(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """Samples float32 [channel, n] at the codec's rate, unit by unit."""
        layout, books, modes = self._layout(track)
        reach, channels, unit = self.net.decoder.reach, track.media.channels, -1
        window, start = _nothing(channels, books), 0  # frames at hand and the number of the first of them
        for unit, item in enumerate(items):
            layout.expect(unit, item)
            coder = Decoder(item.streams[0])
            shape = (channels, layout.coded(unit) - layout.coded(unit - 1))
            window = window.then(self._traverse(coder, shape, books, modes))
            verify(item.check, coder.check)
            coder.finish()
            samples = self.synthesise(window, start, layout.made(unit - 1), layout.made(unit)).numpy(force=True)
            samples = samples[:, : layout.samples - layout.made(unit - 1) * self.config.hop]
            yield uncrossing(samples) if modes & CROSSED else samples
            keep = max(0, layout.made(unit) - reach)
            window, start = window.frames(keep - start, None), keep
        if unit != layout.units - 1:
            raise Malformed(f"a sound of this length is {layout.units} units, not {unit + 1}")

    def memory(self, track: Track) -> int:
        """Symbols, activations and samples at both rates of one unit."""
        layout, books, _ = self._layout(track)
        c = self.config
        frame = 4 * (6 * c.hop + (3 + 2 * c.expansion) * c.decoder_width + 4 * c.dim + 4 * books)
        frames = (1 + (c.bands > 0)) * min(layout.frames, layout.per_unit + 3 * self.net.decoder.reach + 2)
        unit = 16 * (min(layout.samples, layout.per_unit * c.hop) + min(layout.total, layout.outputs_per_unit))
        return track.media.channels * (unit + frames * frame) + (64 << 20)

    def _traverse(
        self, coder: Coder, shape: tuple[int, int], books: int, modes: int, symbols: Symbols | None = None
    ) -> Symbols:
        """Code a unit; see `traverse`."""
        context = self.context if modes & CONTEXT else None
        return traverse(coder, self.tables, shape, books, bool(modes & SPARING), symbols, context)

    def _layout(self, track: Track) -> tuple[Layout, int, int]:
        """Layout, codebooks and modes from a header; raises Malformed, OverLimit."""
        if len(track.parameters) != PARAMETERS.size or not isinstance(track.media, AudioMedia):
            raise Malformed(f"{self.id} has {PARAMETERS.size} bytes of parameters and is for sound")
        books, modes, per_unit = PARAMETERS.unpack(track.parameters)
        if not 1 <= books <= self.config.books or not per_unit:
            raise Malformed(f"{self.id} has up to {self.config.books} codebooks and at least one block a unit")
        unread = ~(SPARING | CONTEXT | CROSSED * (track.media.channels == 2))
        if modes & unread or (modes & CONTEXT and self.context is None):
            raise Malformed(f"the weights at hand of {self.id} do not read files of mode {modes}")
        layout = Layout.of(track.media, self.config.rate, self.config.hop, per_unit, self.net.decoder.ahead)
        return layout, books, modes

    # Weights

    def compact(self) -> None:
        """Round all weights to what a file will hold, where large matrices are int8: the rounded ones are the model."""
        kept = {name: value for name, value in self.state_dict().items() if name not in TRAINING_ONLY}
        self.rows = large(kept, ("net.quantiser.codebooks",))
        self.load_state_dict(unpack(pack(kept, self.rows)), strict=False)

    def export_state(self) -> dict[str, Tensor]:
        """All tensors as they are stored, see codecs/compact.py; integer tables under `tables.`."""
        kept = {name: value for name, value in self.state_dict().items() if name not in TRAINING_ONLY}
        state = pack(kept, self.rows)
        for name, value in self.tables.state().items():
            state[f"tables.{name}"] = torch.from_numpy(np.ascontiguousarray(value))
        if self.rows:
            state[FREQUENCIES] = to_bytes(state[FREQUENCIES])
        return state | context_tensors(self.context)

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`; raises KeyError, RuntimeError, ValueError for tensors of another model.

        Weights from before large matrices became int8 are taken as well.
        """
        weights = unpack({name: value for name, value in state.items() if name.startswith("net.")})
        own = self.state_dict()
        self.load_state_dict({name: own[name] if name in TRAINING_ONLY else weights[name] for name in own})
        self.rows = rows_of(state)
        tables = {name: value for name, value in state.items() if name.startswith("tables.")}
        if self.rows:
            tables[FREQUENCIES] = from_bytes(tables[FREQUENCIES])
        self.tables = CodeTables.from_state({name[7:]: value.numpy() for name, value in tables.items()})
        found, words = context_state(state), self.net.quantiser.words().numpy(force=True)
        self.context = FrameContext.from_state(found, words) if found else None

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the analysis."""
        analysis = ("net.encoder.", "net.project")
        return {name: value for name, value in self.export_state().items() if not name.startswith(analysis)}


def named(rate: int) -> str:
    """The name of the variant for a sample rate in Hz."""
    return f"{rate / 1000:g}k"


def _nothing(channels: int, books: int) -> Symbols:
    empty = np.zeros((books, channels, 0), dtype=np.int32)
    return Symbols(empty[0], empty[0], empty)
