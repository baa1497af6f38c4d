"""video/hnerv: a small convolutional decoder fitted to the clip; the file carries its weights and an embedding per frame.

HNeRV (Chen et al. 2023) fitted with Muon and free embeddings, weights with learned power-of-two steps and a rate term
(Boosting-NeRV, Zhang et al. 2024). Large clips on a small time budget are rendered at 1/2 or 1/4 of their size and enlarged.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...bitstream import SampleFormat, Track, Unit, VideoMedia, Weights
from ...bitstream.errors import Malformed, OverLimit
from ...entropy import Decoder, Encoder
from ...entropy.weights import decode_levels, dequantise, encode_levels
from ..base import Codec, Options, verify
from ..signals import Clip
from .fit import Fitted, fit, layout_of
from .layout import Parameters, parse
from .nerv import render
from .plan import Plan, plan_for, threads
from .scale import enlarge, reduce, reduced
from .symbols import traverse

PER_UNIT = 16  # frames
MOST_HELD = 2 << 30  # bytes of reduced frames that an encoder holds
MOST_EXPONENT = 40


@dataclass(frozen=True)
class HnervConfig:
    """embedding: "free" (a table that is fitted along) or "encoder" (HNeRV's ConvNeXt while fitting); channels of it."""

    embedding: str = "free"
    channels: int = 16

    def __post_init__(self) -> None:
        if self.embedding not in ("free", "encoder") or not 1 <= self.channels <= 256:
            raise ValueError("embeddings are 'free' or from the 'encoder' and have 1 to 256 channels")


@dataclass(frozen=True)
class Network:
    """A decoded network, ready to render: tensors in canonical order and the step of its embeddings."""

    levels: list[np.ndarray]
    tensors: list[Tensor]
    exponent: int


class HnervCodec(Codec):
    """The codec of the module; it has no weights of its own."""

    id: ClassVar[str] = "video/hnerv"
    kind: ClassVar[str] = "video"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = HnervConfig
    aims: ClassVar[tuple[str, ...]] = ("bytes",)

    def __init__(self, config: HnervConfig | None = None) -> None:
        super().__init__()
        self.config = config or HnervConfig()

    def open(self, signal: Clip, options: Options) -> tuple[Track, Plan]:
        """Header of a clip and the shape of its network; raises OverLimit when the clip is too long to be held."""
        began = time.monotonic()
        count, height, width, _ = signal.frames.shape
        encoder = self.config.embedding == "encoder"
        plan = plan_for((count, height, width), self.config.channels, encoder, options, began)
        held = count * height * width * 3 // plan.parameters.scale**2
        if held > MOST_HELD:
            raise OverLimit(
                f"the clip would take {held / 2**30:.1f} GiB while it is fitted; encode it in shorter pieces"
            )
        rate = signal.rate.numerator, signal.rate.denominator
        media = VideoMedia(width, height, SampleFormat(), None, rate, PER_UNIT, count)
        return Track(self.id, self.profile, True, bytes(8), media, plan.parameters.pack()), plan

    def encode_units(
        self, signal: Clip, track: Track, plan: Plan, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """Fit the network; then one W and a unit for every 16 frames."""
        with threads(plan.threads):
            frames = np.ascontiguousarray(reduce(signal.frames, plan.parameters.scale))
            recipe = plan.recipe(time.monotonic())
            fitted = fit(frames, plan.parameters.layout, recipe, options.progress, coded_size)
        yield pack_weights(fitted, number)
        for first in range(0, len(frames), PER_UNIT):
            yield pack_unit(fitted.embeddings[first : first + PER_UNIT], number, first + PER_UNIT >= len(frames))

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Clip:
        """The clip of a track; raises Malformed, Damaged, OverLimit or SymbolMismatch."""
        media, frames = video_media(track), list(self.frames(track, items))
        if len(frames) != media.total or not frames:
            raise Malformed(f"a clip of {media.total} frames has units for {len(frames)}")
        return Clip(np.stack(frames), Fraction(*media.rate))

    def frames(self, track: Track, items: Iterable[Weights | Unit]) -> Iterator[np.ndarray]:
        """Frames uint8 [H, W, 3] one after the other, rendered as they are asked for; raises as `decode`."""
        media = video_media(track)
        parameters, network = parse(track.parameters, media), None
        for item in items:
            if isinstance(item, Weights):
                network = unpack_weights(item, parameters, network)
            elif network is None:
                raise Malformed("a unit comes before the weights of its network")
            else:
                yield from self._unit(item, media, parameters, network)

    def _unit(self, unit: Unit, media: VideoMedia, parameters: Parameters, network: Network) -> Iterator[np.ndarray]:
        height, width = (reduced(side, parameters.scale) for side in (media.height, media.width))
        for levels in unpack_unit(unit, parameters, media.frames_per_unit):
            embedding = torch.from_numpy(dequantise(levels, network.exponent))[None]
            with torch.inference_mode():
                small = render(parameters.layout, network.tensors, embedding)[:, :, :height, :width]
                frame = enlarge(small, parameters.scale)[0, :, : media.height, : media.width]
                pixels = frame.nan_to_num().clamp(0, 1).mul(255).round().byte()
            yield pixels.permute(1, 2, 0).contiguous().numpy()

    def memory(self, track: Track) -> int:
        """Frames of the clip twice, the network as levels and floats, and the largest stage while it is rendered."""
        media = video_media(track)
        parameters = parse(track.parameters, media)
        clip = 2 * 3 * media.width * media.height * (media.total or 0)
        picture = 3 * 4 * 4 * media.width * media.height
        return clip + picture + 12 * parameters.layout.size() + parameters.layout.activations() + (64 << 20)

    def decoder_state(self) -> dict[str, Tensor]:
        """Nothing: the file carries the network."""
        return {}


def video_media(track: Track) -> VideoMedia:
    """The media fields of a track; raises Malformed where they are not 8-bit RGB video."""
    if not isinstance(track.media, VideoMedia) or track.media.sample_format != SampleFormat():
        raise Malformed("a video/hnerv track is video with three planes of 8 bits")
    return track.media


def pack_weights(fitted: Fitted, track: int) -> Weights:
    """The W chunk: the decoder's tensors, and a last group without values that holds the embeddings' exponent."""
    none = np.zeros(0, dtype=np.int32)
    groups, body, check = encode_levels([*fitted.levels, none], fitted.exponents)
    return Weights(track, False, groups, body, check)


def coded_size(fitted: Fitted) -> int:
    """Bytes of a fitted network with its embeddings, without what the container adds."""
    starts = range(0, len(fitted.embeddings), PER_UNIT)
    units = (pack_unit(fitted.embeddings[first : first + PER_UNIT], 0, False) for first in starts)
    return len(pack_weights(fitted, 0).body) + sum(len(unit.streams[0]) for unit in units)


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
    return Network(levels, tensors, exponents[-1])


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
    layout, coder = parameters.layout, Decoder(unit.streams[0])
    levels = traverse(coder, (count, layout.channels, *layout.grid))
    verify(unit.check, coder.check)
    coder.finish()
    return levels
