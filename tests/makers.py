"""Small codecs and media that the tests make themselves."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from io import BytesIO

import numpy as np
import pytest
import torch

from triptych.bitstream import Reader, SymbolMismatch, TripError, Writer
from triptych.codecs.audio.counting import freeze
from triptych.codecs.audio.mdct_rvq import MdctRvqCodec
from triptych.codecs.audio.mdct_rvq_net import MdctRvqConfig
from triptych.codecs.audio.start import start
from triptych.codecs.base import Codec, Options
from triptych.codecs.image.circuit import CircuitCodec
from triptych.codecs.image.circuit_net import CircuitConfig, em_step
from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig
from triptych.codecs.image.patch import SIDE_BOUND, PatchCodec
from triptych.codecs.image.patch_net import PatchConfig
from triptych.codecs.image.slices import SlicesCodec
from triptych.codecs.image.slices_net import SlicesConfig
from triptych.codecs.signals import Picture
from triptych.codecs.video.stem import StemCodec
from triptych.codecs.video.stem_net import StemConfig
from triptych.codecs.video.stem_rows import RowNetworks
from triptych.entropy import Tables, gaussian
from triptych.tools.recipes.patch_side import fit_near, seen_residuals, seen_side
from triptych.tools.recipes.patch_start import start_net

# Sizes of both codecs of 16x16 patches.
TINY = {
    "latents": 48,
    "side": 12,
    "signed": 3,
    "width": 16,
    "context": 16,
    "encoder_blocks": 1,
    "decoder_blocks": 1,
    "render": 8,
    "lambdas": (0.0003, 0.08),
    "points": 8,
}
TINY_PATCH = PatchConfig(**TINY)
TINY_SLICES = SlicesConfig(**TINY, slices=(8, 16, 24), features=8, hidden=16, row_hidden=8)
TINY_STEM = StemConfig(**TINY, encoder_width=16, change=6, change_hidden=16, row_hidden=8)
TINY_MDCT_RVQ = MdctRvqConfig(
    dim=24,
    books=4,
    size=64,
    encoder_width=16,
    encoder_blocks=1,
    decoder_width=16,
    decoder_blocks=2,
    classes=3,
    contexts=2,
)
TINY_BANDED = replace(TINY_MDCT_RVQ, rate=8000, hop=160, bands=5)


def photo(height: int, width: int, planes: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth picture with a few edges and a little noise, uint8 [height, width, planes]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40.0
    base = [np.sin(x * a + y * b + c) * 60 + 127 for a, b, c in rng.uniform(0.2, 2, (planes, 3))]
    pixels = np.stack(base, -1) + 40 * ((x + y) % 2 > 1)[..., None] + rng.normal(0, 3, (height, width, planes))
    return pixels.clip(0, 255).astype(np.uint8)


def started(codec: PatchCodec, seed: int, spread: Callable[[str], float]) -> torch.Tensor:
    """Start a codec of patches from made pictures, which are returned, and disturb parameters that are zero."""
    crops = torch.from_numpy(np.stack([photo(64, 64, seed=i) for i in range(48)])).permute(0, 3, 1, 2)
    start_net(codec.net, crops, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for name, parameter in codec.net.named_parameters():
            if not parameter.any() and name != "head.bias":
                parameter.normal_(0, spread(name))
    return crops


def refuses_garbage(codec: Codec, picture: Picture, flips: int) -> None:
    """A wrong check and flipped bits of a picture of one unit end in the errors of this package."""
    _, track, (unit,) = round_trip(codec, picture, Options())
    with pytest.raises(SymbolMismatch, match="other symbols"):
        codec.decode(track, [replace(unit, check=unit.check ^ 1)])
    rng = np.random.default_rng(0)
    for _ in range(flips):
        data = bytearray(unit.streams[0])
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(TripError):
            codec.decode(track, [replace(unit, streams=(bytes(data),))])


def tiny_patch(seed: int = 0, near: bool = False) -> PatchCodec:
    """A tiny image/patch codec, started from made pictures and frozen; its zero layers are disturbed so that all parts act.

    near: with tables that use the neighbours of side information, and learned ones of residuals.
    """
    torch.manual_seed(seed)
    codec = PatchCodec(TINY_PATCH)
    crops = started(codec, seed, lambda name: 0.002)
    with torch.no_grad():
        values = torch.arange(-SIDE_BOUND, SIDE_BOUND + 1)
        counts = (1e6 * torch.exp(-values.abs() / 4)).long() + 1
    side_counts = counts.expand(TINY_PATCH.points * TINY_PATCH.side, -1).numpy()
    codec.freeze(side_counts)
    if near:
        around = fit_near(seen_side(codec.net, list(crops.split(8))))
        codec.freeze(side_counts, around, seen_residuals(codec, crops, torch.Generator().manual_seed(seed)))
    return codec.eval().requires_grad_(False)


def tiny_slices(config: SlicesConfig = TINY_SLICES, seed: int = 0) -> SlicesCodec:
    """A tiny image/slices codec, started from made pictures and frozen; its zero layers are disturbed so that all parts act."""
    torch.manual_seed(seed)
    codec = SlicesCodec(config)
    started(
        codec, seed, lambda name: 0.05 if name.startswith("row") else 0.01 if name.startswith("contexts") else 0.002
    )
    values = np.arange(-SIDE_BOUND, SIDE_BOUND + 1)
    counts = np.broadcast_to((1e6 * np.exp(-np.abs(values) / 4)).astype(int) + 1, (config.points * config.side, 255))
    inputs = [torch.randint(-7, 64, (4, part[0].in_channels, 8, 8)).float() for part in codec.net.row_networks]
    codec.freeze_rows(Tables.from_counts(counts, -SIDE_BOUND, escape=True), None, gaussian(), inputs)
    return codec.eval().requires_grad_(False)


def tiny_stem(seed: int = 0) -> StemCodec:
    """A tiny video/stem codec, started from made pictures and frozen; its zero layers are disturbed so that all parts act."""
    torch.manual_seed(seed)
    codec, config = StemCodec(TINY_STEM), TINY_STEM
    started(codec, seed, lambda name: 0.05 if name.startswith("row") else 0.002)
    counts = (1e6 * np.exp(-np.abs(np.arange(-SIDE_BOUND, SIDE_BOUND + 1)) / 4)).astype(int) + 1
    codec.freeze(np.broadcast_to(counts, (config.points * config.side, len(counts))))
    inputs = {
        name: torch.randint(-9, 64, (4, getattr(codec.net, f"row_{name}")[0].in_channels, 8, 8)).float()
        for name in ("past", "change", "near")
    }
    networks = RowNetworks.freeze(codec.net, inputs)
    tables = Tables.trimmed(np.broadcast_to(counts, (config.points * config.change, len(counts))), -SIDE_BOUND)
    codec.freeze_changes(codec, codec.side_tables, tables, gaussian(), networks)
    return codec.eval().requires_grad_(False)


def tiny_overfit(seed: int = 0) -> OverfitCodec:
    """An image/overfit codec of the smallest preset whose learned networks are random ones."""
    torch.manual_seed(seed)
    codec = OverfitCodec(OverfitConfig("lop"))
    codec.freeze()
    return codec.eval().requires_grad_(False)


def tiny_circuit(states: int = 6, side: int = 4, seed: int = 0) -> CircuitCodec:
    """A circuit trained for a moment on made residuals, and frozen."""
    generator = torch.Generator().manual_seed(seed)
    codec = CircuitCodec(CircuitConfig(states, side)).requires_grad_(False)
    codec.net.spread(generator)
    for _ in range(3):
        noise = torch.randn(32, 3, side, side, generator=generator) * torch.rand(32, 1, 1, 1, generator=generator) * 12
        em_step(codec.net, (128 + noise).round().clamp(0, 255).long(), 0.5)
    codec.freeze()
    return codec.eval()


def optional(name: str):
    """A module of an optional package; the test is skipped where it is missing or cannot be imported beside this torch."""
    try:
        return import_module(name)
    except Exception as error:
        pytest.skip(f"{name} cannot be imported: {error}")


def round_trip(codec, signal, options):
    """Encode and decode in memory; returns the decoded signal, the track and its items."""
    track, plan = codec.open(signal, options)
    items = list(codec.encode_units(signal, track, plan, 0, options))
    return codec.decode(track, items), track, items


def encoded(codec, signal, quality: float = 50) -> bytes:
    """A file as the pipeline writes it."""
    out, options = BytesIO(), Options(quality=quality)
    track, plan = codec.open(signal, options)
    writer = Writer(out, [replace(track, digest=codec.identity[:8])])
    for item in codec.encode_units(signal, track, plan, 0, options):
        writer.item(item)
    writer.finish()
    return out.getvalue()


def opened(data: bytes) -> tuple:
    """Track and only unit of a file."""
    reader = Reader(data)
    return reader.tracks[0], next(iter(reader))


def speech(samples: int, channels: int = 1, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """Harmonics of a gliding pitch in syllables over a little noise, float32 [channels, samples]."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    voices = []
    for channel in range(channels):
        phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t + channel)) / rate
        tone = sum(np.sin(k * phase + channel) / k for k in range(1, 20))
        voices.append(0.15 * tone * np.abs(np.sin(2 * np.pi * 2.1 * t)) + rng.normal(0, 0.003, samples))
    return np.stack(voices).clip(-1, 1).astype(np.float32)


def tiny_mdct_rvq(seed: int = 0, config: MdctRvqConfig = TINY_MDCT_RVQ) -> MdctRvqCodec:
    """A tiny audio/mdct-rvq codec, codebooks and tables from made sounds, its zero layers disturbed so that all parts act."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    codec = MdctRvqCodec(config)
    voices = [speech(2 * config.rate, rate=config.rate, seed=number) for number in range(6)]
    samples = torch.from_numpy(np.concatenate(voices))
    start(codec.net, samples, rounds=4, per_step=256, generator=generator)
    for layer in (codec.net.encoder.leave, codec.net.decoder.leave):
        torch.nn.init.normal_(layer.weight, std=0.02, generator=generator)
    codec.eval().requires_grad_(False)
    freeze(codec, [samples], generator)
    return codec
