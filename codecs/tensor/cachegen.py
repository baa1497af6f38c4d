"""tensor/cachegen: the keys and values that a transformer keeps for its context, as a file.

After CacheGen (Liu et al., SIGCOMM 2024): neighbouring tokens are alike in one layer and channel, so tokens are coded as
differences to the decoded anchor of their group; early layers are quantised more finely than later ones; every layer and channel
has a table of its own. Where the paper scales each token by its largest value and stores counts, a layer has one step here (that
of its tokens on average) and a channel the number of a parametric table. All sums are whole numbers, so every machine
decodes the same values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from ...bitstream import Reader, TensorMedia, Track, Unit, UnknownCodec, Writer, varint
from ...bitstream.errors import Malformed, OverLimit
from ...entropy import Coder, Decoder, Encoder, Tables, gaussian, laplace, uniform
from ..base import verify

ID, PROFILE = "tensor/cachegen", 1
REFERENCES = ("none", "anchor", "previous")
AUTO = "auto"
# Bins of keys in three stretches of layers, of values in two; levels 1 to 3 are those of CacheGen.
BINS = (
    ((16, 16, 12), (16, 12)),
    ((32, 16, 16), (32, 16)),
    ((32, 32, 32), (32, 32)),
    ((64, 64, 64), (64, 64)),
    ((128, 128, 128), (128, 128)),
)
LEVELS = len(BINS)
MEMORY = 8 << 30  # bytes that decoding may take unless told otherwise
WORK = 80  # bytes for each number of a chunk at work
LARGEST = 512  # magnitudes that the choice of tables tells apart
ELEMENTS = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


@dataclass(frozen=True)
class Settings:
    """How a cache is coded.

    Attributes:
        level: 1 (smallest) to 5.
        reference: what a token is a difference to: "none", the "anchor" of its group as in the paper, the "previous" token, or
            "auto" for the one of the three that gives the smallest file.
        group: tokens of a group, 1 to 255; the first is the anchor.
        chunk: tokens of a unit, which decodes without the others; a multiple of `group`.
    """

    level: int = 2
    reference: str = AUTO
    group: int = 10
    chunk: int = 1500

    def __post_init__(self) -> None:
        if not 1 <= self.level <= LEVELS or self.reference not in (*REFERENCES, AUTO):
            raise ValueError(f"levels are 1 to {LEVELS} and references {', '.join((*REFERENCES, AUTO))}")
        if not 1 <= self.group <= 255 or self.chunk < self.group or self.chunk % self.group:
            raise ValueError("groups have 1 to 255 tokens, and a chunk is a multiple of a group")


def bins(level: int, layers: int) -> np.ndarray:
    """Bins of the keys and the values of every layer, int [2, layers]: thirds for keys, a quarter and the rest for values."""
    keys, values = (np.array(found) for found in BINS[level - 1])
    layer = np.arange(layers)
    return np.stack((keys[layer * 3 // layers], values[np.minimum(layer * 4 // layers, 1)]))


def compress(keys: Tensor, values: Tensor, settings: Settings | None = None) -> bytes:
    """A .trip file of a cache.

    Args:
        keys, values: [layers, tokens, heads, size] each, of one type: float32, float16 or bfloat16.
        settings: see there.

    Raises:
        ValueError: for other shapes or types, or values that are not finite.
    """
    settings = settings or Settings()
    if settings.reference == AUTO:
        return min((compress(keys, values, replace(settings, reference=name)) for name in REFERENCES), key=len)
    if keys.shape != values.shape or keys.dim() != 4 or not keys.numel():
        raise ValueError("keys and values are [layers, tokens, heads, size] of one shape")
    if keys.dtype != values.dtype or keys.dtype not in ELEMENTS:
        raise ValueError("keys and values are of one type: float32, float16 or bfloat16")
    numbers = torch.stack((keys, values)).float().flatten(3).numpy(force=True)
    if not np.isfinite(numbers).all():
        raise ValueError("a cache holds a number that is not finite")
    half = _half_steps(numbers, settings.level)
    head = bytes((settings.level, REFERENCES.index(settings.reference), settings.group)) + varint.encode(settings.chunk)
    media = TensorMedia((2, *keys.shape), ELEMENTS[keys.dtype])
    out = BytesIO()
    writer = Writer(out, [Track(ID, PROFILE, True, bytes(8), media, head + half.astype("<f4").tobytes())])
    tokens = keys.shape[1]
    for first in range(0, tokens, settings.chunk):
        part = numbers[:, :, first : first + settings.chunk]
        coder = Encoder()
        traverse(coder, part.shape, settings, analyse(part / half[:, :, None, None], settings))
        writer.unit(Unit(0, (coder.finish(),), None, first + settings.chunk >= tokens, True, coder.check))
    writer.finish()
    return out.getvalue()


def decompress(data: bytes, memory: int = MEMORY) -> tuple[Tensor, Tensor]:
    """Keys and values of a file, in the type that they had.

    Raises:
        OverLimit: decoding would take more than `memory` bytes.
        TripError: the file is not what `compress` wrote.
    """
    reader = Reader(data)
    track = reader.tracks[0]
    if track.codec != ID or track.profile != PROFILE or len(reader.tracks) > 1:
        raise UnknownCodec(f"the file is no cache of {ID}, profile {PROFILE}")
    settings, half = _parameters(track)
    _, layers, tokens, heads, size = track.media.shape
    need = 2 * layers * heads * size * (12 * tokens + WORK * min(settings.chunk, tokens))
    if need > memory:
        raise OverLimit(f"decoding would take {need} bytes of memory; the limit is {memory}")
    firsts, items, parts = [*range(0, tokens, settings.chunk)], [*reader], []
    if len(items) != len(firsts):
        raise Malformed(f"a cache of {len(firsts)} chunks has {len(items)} units")
    for first, item in zip(firsts, items, strict=True):
        if not isinstance(item, Unit) or len(item.streams) != 1:
            raise Malformed(f"a cache of {ID} is units with one stream")
        shape = (2, layers, min(settings.chunk, tokens - first), heads * size)
        coder = Decoder(item.streams[0])
        symbols = traverse(coder, shape, settings)
        verify(item.check, coder.check)
        coder.finish()
        parts.append(synthesise(symbols, settings).astype(np.float32) * half[:, :, None, None])
    dtype = {name: dtype for dtype, name in ELEMENTS.items()}[track.media.element]
    found = torch.from_numpy(np.concatenate(parts, axis=2)).to(dtype)
    keys, values = found.reshape(track.media.shape)
    return keys, values


def _half_steps(numbers: np.ndarray, level: int) -> np.ndarray:
    """Half of the quantiser's step, float32 [2, layers]: bins over the largest magnitude of a token, on average."""
    peak = np.abs(numbers).max(axis=3).mean(axis=2)
    steps = peak / (bins(level, numbers.shape[1]) // 2 - 1)
    return np.maximum(steps / 2, 1e-30).astype(np.float32)


def _parameters(track: Track) -> tuple[Settings, np.ndarray]:
    media, head = track.media, track.parameters
    if not isinstance(media, TensorMedia) or len(media.shape) != 5 or media.shape[0] != 2 or len(head) < 4:
        raise Malformed(f"{ID} codes tensors of five axes, keys and values the first")
    chunk, end = varint.decode(head, 3)
    try:
        settings = Settings(head[0], REFERENCES[head[1]], head[2], chunk)
    except (ValueError, IndexError) as error:
        raise Malformed(f"the parameters of {ID} are impossible: {error}") from error
    if len(head) - end != 8 * media.shape[1]:
        raise Malformed(f"{ID} has a step for the keys and the values of every layer")
    half = np.frombuffer(head, "<f4", offset=end).reshape(2, -1)
    if not (np.isfinite(half).all() and (half > 0).all()):
        raise Malformed(f"a step of {ID} is no positive number")
    return settings, half


@dataclass(frozen=True)
class Symbols:
    """What a chunk is coded as; integers, values in half steps.

    Attributes:
        offset: of every channel, [2, layers, channels].
        anchors: of every group less the offset, [2, layers, groups, channels]; no groups without reference.
        steps: the other tokens (all, without reference) as whole steps from theirs, [2, layers, tokens, channels].
    """

    offset: np.ndarray
    anchors: np.ndarray
    steps: np.ndarray


def _anchored(tokens: int, settings: Settings) -> np.ndarray:
    """Which tokens are anchors, bool [tokens]."""
    return (np.arange(tokens) % settings.group == 0) & (settings.reference != "none")


def analyse(numbers: np.ndarray, settings: Settings) -> Symbols:
    """Quantise a chunk [2, layers, tokens, channels], in half steps."""
    anchored = _anchored(numbers.shape[2], settings)
    offset = np.rint(numbers.mean(axis=2)).astype(np.int64)
    base = np.broadcast_to(offset[:, :, None], numbers.shape).copy()
    base[:, :, anchored] = np.rint(numbers[:, :, anchored])
    anchors = base[:, :, anchored] - offset[:, :, None]
    if settings.reference != "none":
        base = base[:, :, np.arange(numbers.shape[2]) // settings.group * settings.group]
    steps = np.rint((numbers - base) / 2).astype(np.int64)
    if settings.reference == "previous":
        for tokens in _places(numbers.shape[2], settings.group):
            known = base[:, :, tokens - 1]
            steps[:, :, tokens] = np.rint((numbers[:, :, tokens] - known) / 2)
            base[:, :, tokens] = known + 2 * steps[:, :, tokens]
    return Symbols(offset, anchors, steps[:, :, ~anchored])


def _places(tokens: int, group: int) -> Iterator[np.ndarray]:
    """The second tokens of all groups, then the third ones, and so on."""
    for place in range(1, min(group, tokens)):
        yield np.arange(place, tokens, group)


def synthesise(symbols: Symbols, settings: Settings) -> np.ndarray:
    """The inverse of `analyse` up to rounding: integers [2, layers, tokens, channels], in half steps."""
    tokens = symbols.anchors.shape[2] + symbols.steps.shape[2]
    anchored = _anchored(tokens, settings)
    steps = np.zeros((*symbols.offset.shape[:2], tokens, symbols.offset.shape[2]), np.int64)
    steps[:, :, ~anchored] = 2 * symbols.steps.astype(np.int64)
    offset = symbols.offset[:, :, None].astype(np.int64)
    if settings.reference == "none":
        return offset + steps
    if settings.reference == "previous":
        for place in _places(tokens, settings.group):
            steps[:, :, place] += steps[:, :, place - 1]
    return steps + (offset + symbols.anchors)[:, :, np.arange(tokens) // settings.group]


def traverse(coder: Coder, shape: tuple[int, ...], settings: Settings, symbols: Symbols | None = None) -> Symbols:
    """The order of the symbols of a chunk.

    Args:
        coder: counts, writes or reads.
        shape: 2, layers, tokens, channels.
        settings: of the file.
        symbols: None when decoding.
    """
    sides, layers, tokens, channels = shape
    anchors = int(_anchored(tokens, settings).sum())
    offset = coder.code(symbols and symbols.offset, _tables().at(OFFSETS, (sides, layers, channels)))
    found = []
    for given, count in ((symbols and symbols.anchors, anchors), (symbols and symbols.steps, tokens - anchors)):
        if not count:
            found.append(np.zeros((sides, layers, 0, channels), np.int32))
            continue
        rows = None if given is None else _cheapest(given)
        rows = coder.code(rows, uniform(len(_tables())).at(0, (sides, layers, channels)))
        model = _tables().at(rows[:, :, None], (sides, layers, count, channels))
        found.append(coder.code(given, model))
    return Symbols(offset, *found)


OFFSETS = 64 + 40  # the row of offsets: Laplace, wide


@cache
def _tables() -> Tables:
    """The Gaussian family, then the Laplace family."""
    families = (gaussian(), laplace())
    rows = [family.row(row) for family in families for row in range(len(family))]
    return Tables(rows, np.concatenate([family.firsts for family in families]).tolist(), escape=True)


@cache
def _costs() -> np.ndarray:
    """Bits of every magnitude below 512 with every row, escapes counted roughly; float32 [512, rows]."""
    tables = _tables()
    costs = np.full((LARGEST, len(tables)), 40.0, np.float32)
    for row in range(len(tables)):
        half = tables.row(row)[-tables.firsts[row] : -1][:LARGEST]
        costs[: len(half), row] = 24 - np.log2(half)
    return costs


def _cheapest(symbols: np.ndarray) -> np.ndarray:
    """The row that codes each layer and channel in the fewest bits, [2, layers, channels] of [2, layers, n, channels]."""
    sides, layers, count, channels = symbols.shape
    lines = np.moveaxis(np.abs(symbols).clip(max=LARGEST - 1), 2, 3).reshape(-1, count)
    places = lines + np.arange(len(lines))[:, None] * LARGEST
    counts = np.bincount(places.reshape(-1), minlength=len(lines) * LARGEST).reshape(-1, LARGEST)
    rows = (counts.astype(np.float32) @ _costs()).argmin(axis=1)
    return rows.astype(np.int32).reshape(sides, layers, channels)
