"""Codecs of the NeRV family: a small decoder fitted to the film; the file carries its weights and an embedding per frame.

Fitted with Muon and free embeddings, weights with learned power-of-two steps and a rate term (Boosting-NeRV, Zhang et al.
2024). Large films on a small time budget are rendered at 1/2 or 1/4 of their size and enlarged.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import SampleFormat, Track, Unit, VideoMedia, Weights
from ...bitstream.errors import Malformed
from ...entropy import Decoder as SymbolDecoder
from ...entropy import Encoder
from ...entropy.weights import decode_levels, dequantise, encode_levels
from ..base import Codec, Options, verify
from ..signals import Clip
from .film import fit_film, kept_parameters
from .fit import Fitted, layout_of
from .layout import Parameters, parse
from .losses import LOSSES
from .nerv import Decoder, System, decoder
from .plan import Plan, Wish, plan_for, threads
from .scale import enlarge, reduced
from .symbols import traverse
from .whole import counted, whole_film

PER_UNIT = 16  # frames
MOST_EXPONENT = 40


@dataclass(frozen=True)
class NervConfig:
    """How to fit; a file says by itself how it is decoded.

    embedding: "free" (a table that is fitted along) or "encoder" (HNeRV's ConvNeXt while fitting); channels of it;
    loss: a name in `LOSSES`.
    """

    embedding: str = "free"
    channels: int = 16
    loss: str = "squared"

    def __post_init__(self) -> None:
        if self.embedding not in ("free", "encoder") or not 1 <= self.channels <= 256:
            raise ValueError("embeddings are 'free' or from the 'encoder' and have 1 to 256 channels")
        if self.loss not in LOSSES:
            raise ValueError(f"no loss is called {self.loss}; there are {', '.join(LOSSES)}")


@dataclass(frozen=True)
class Network:
    """A decoded network, ready to render, its levels and the exponent of its embeddings' step."""

    levels: list[np.ndarray]
    decoder: Decoder
    exponent: int


class NervCodec(Codec):
    """What the codecs of the family share; they have no weights of their own."""

    kind: ClassVar[str] = "video"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = NervConfig
    aims: ClassVar[tuple[str, ...]] = ("bytes", "psnr")
    spreads: ClassVar[bool] = True
    system: ClassVar[System]

    def __init__(self, config: NervConfig | None = None) -> None:
        super().__init__()
        self.config = config or self.Config()

    def open(self, signal: Clip, options: Options) -> tuple[Track, Plan]:
        """Header of a film and the shape of its networks."""
        began = time.monotonic()
        count, height, width, _ = signal.frames.shape
        rate = signal.rate.numerator, signal.rate.denominator
        media = VideoMedia(width, height, SampleFormat(), None, rate, PER_UNIT, count)
        wish = Wish(self.system, self.config.channels, self.config.embedding == "encoder", self.config.loss)
        packed = kept_parameters(options)
        kept = None if packed is None else parse(packed, media, self.system)
        plan = plan_for((count, height, width), wish, options, began, kept)
        return Track(self.id, self.profile, True, bytes(8), media, plan.parameters.pack()), plan

    def encode_units(
        self, signal: Clip, track: Track, plan: Plan, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """For every group of frames: fit a network; its W, then a unit for every 16 frames."""
        recipe = plan.recipe(time.monotonic())
        with threads(plan.threads):
            for part in fit_film(signal.frames, plan.parameters, recipe, options, plan.group, coded_size):
                yield pack_weights(part.fitted, number, part.before)
                codes = part.fitted.embeddings
                for first in range(0, len(codes), PER_UNIT):
                    last = part.group.end == len(signal.frames) and first + PER_UNIT >= len(codes)
                    yield pack_unit(codes[first : first + PER_UNIT], number, last)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Clip:
        """The clip of a track; raises Malformed, Damaged, OverLimit or SymbolMismatch."""
        return whole_film(video_media(track), self.pieces(track, items))

    def pieces(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """All frames, uint8 [1, H, W, 3] each; raises as `decode`."""
        yield from counted(self.frames(track, items), video_media(track).total)

    def frames(self, track: Track, items: Iterable[Weights | Unit], first: int = 0) -> Iterator[np.ndarray]:
        """Frames uint8 [H, W, 3] one after the other, rendered as they are asked for; raises as `decode`.

        first: number of the first frame of the first unit in `items`.
        """
        media = video_media(track)
        parameters, network = parse(track.parameters, media, self.system), None
        for item in items:
            if isinstance(item, Weights):
                network = unpack_weights(item, parameters, network)
            elif network is None:
                raise Malformed("a unit comes before the weights of its network")
            else:
                levels = unpack_unit(item, parameters, media.frames_per_unit)
                yield from _rendered(levels, parameters.times(first, len(levels)), media, parameters, network)
                first += len(levels)

    def memory(self, track: Track) -> int:
        """A frame, the network as levels and floats, and the largest stage while it is rendered."""
        media = video_media(track)
        parameters = parse(track.parameters, media, self.system)
        picture = 3 * 4 * 4 * media.width * media.height
        return picture + 12 * parameters.layout.size() + parameters.layout.activations() + (64 << 20)

    def decoder_state(self) -> dict[str, Tensor]:
        """Nothing: the file carries the network."""
        return {}


def _rendered(
    levels: np.ndarray, times: Tensor, media: VideoMedia, parameters: Parameters, network: Network
) -> Iterator[np.ndarray]:
    """Frames of one unit, each on its own: none depends on which others were asked for."""
    height, width = (reduced(side, parameters.scale) for side in (media.height, media.width))
    for codes, time_ in zip(levels, times, strict=True):
        embedding = torch.from_numpy(dequantise(codes, network.exponent))[None]
        with torch.inference_mode():
            small = network.decoder(embedding, time_[None])[:, :, :height, :width]
            frame = enlarge(small, parameters.scale)[0, :, : media.height, : media.width]
            pixels = frame.nan_to_num().clamp(0, 1).mul(255).round().byte()
        yield pixels.permute(1, 2, 0).contiguous().numpy()


def video_media(track: Track) -> VideoMedia:
    """The media fields of a track; raises Malformed where they are not 8-bit RGB video."""
    if not isinstance(track.media, VideoMedia) or track.media.sample_format != SampleFormat():
        raise Malformed("the track must be video with three planes of 8 bits")
    return track.media


def pack_weights(fitted: Fitted, track: int, before: Fitted | None = None) -> Weights:
    """The W chunk: the decoder's tensors, and a last group without values that holds the embeddings' exponent.

    As a difference to the network `before` where that has the same steps and costs fewer bytes.
    """
    none = np.zeros(0, dtype=np.int32)
    levels = [*fitted.levels, none]
    groups, body, check = encode_levels(levels, fitted.exponents)
    if before is not None and before.exponents[:-1] == fitted.exponents[:-1]:
        found = encode_levels(levels, fitted.exponents, [*before.levels, none])
        if len(found[1]) < len(body):
            return Weights(track, True, *found)
    return Weights(track, False, groups, body, check)


def coded_size(fitted: Fitted, before: Fitted | None = None) -> int:
    """Bytes of a fitted network with its embeddings, without what the container adds."""
    starts = range(0, len(fitted.embeddings), PER_UNIT)
    units = (pack_unit(fitted.embeddings[first : first + PER_UNIT], 0, False) for first in starts)
    return len(pack_weights(fitted, 0, before).body) + sum(len(unit.streams[0]) for unit in units)


def unpack_weights(item: Weights, parameters: Parameters, previous: Network | None) -> Network:
    """The network of a W chunk; raises Malformed, Damaged or SymbolMismatch."""
    before = previous.levels if item.difference and previous is not None else None
    if item.difference and before is None:
        raise Malformed("the first weights of a track are a difference, but to nothing")
    shapes = [*parameters.layout.shapes(), (0,)]
    levels = decode_levels(item.groups, item.body, item.check, shapes, before)
    exponents = [group.exponent for group in item.groups]
    if max(map(abs, exponents)) > MOST_EXPONENT:
        raise Malformed(f"a weight has a step outside 2^-{MOST_EXPONENT} to 2^{MOST_EXPONENT}")
    arrays = [dequantise(*pair) for pair in zip(levels[:-1], exponents[:-1], strict=True)]
    tensors = [torch.from_numpy(array).contiguous(memory_format=layout_of(array.ndim)) for array in arrays]
    return Network(levels, decoder(parameters.layout, tensors), exponents[-1])


def pack_unit(levels: np.ndarray, track: int, last: bool) -> Unit:
    """The D chunk of some frames: embeddings int32 [frames, channels, gh, gw]."""
    coder = Encoder()
    frames, channels, height, width = levels.shape
    traverse(coder, (frames, channels, height, width), levels)
    return Unit(track, (coder.finish(),), len(levels), last, check=coder.check)


def unpack_unit(unit: Unit, parameters: Parameters, most: int) -> np.ndarray:
    """Embeddings int32 [frames, channels, gh, gw] of a D chunk; raises Malformed, Damaged or SymbolMismatch."""
    count = unit.outputs or 0
    if len(unit.streams) != 1 or not 0 < count <= most:
        raise Malformed(f"a unit of this track is one stream and 1 to {most} frames")
    layout, coder = parameters.layout, SymbolDecoder(unit.streams[0])
    levels = traverse(coder, (count, layout.channels, *layout.grid))
    verify(unit.check, coder.check)
    coder.finish()
    return levels
