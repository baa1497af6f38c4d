"""image/overfit: latent grids and networks fitted to one picture, all of which the file carries.

After Cool-Chic (Ladune et al. 2023, 2024) and C3 (Kim et al. 2024): seven integer grids, an up-sampler, a synthesis and an
autoregressive entropy network in integers, coded in wavefronts. The fit starts from learned networks and an analysis.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...bitstream import ImageMedia, SampleFormat, Track, Unit, Weights, varint
from ...bitstream.errors import Malformed
from ...entropy import Decoder, Encoder
from ..base import LEAST_TILE, Codec, Options, silent, verify
from ..signals import Picture
from .overfit_fit import HARD, Fit, Recipe, fit, synthesise
from .overfit_levels import refine
from .overfit_net import BLOCK, CUBIC, PRESETS, fresh, widened
from .overfit_start import Analysis, Sets, between, gain, lagrangian, unit
from .overfit_symbols import Symbols, combined, pack, traverse, unpack
from .planes import format_of, join, split

STEPS = (40, 100, 200, 500, 800, 1200, 1800, 2700, 4000, 7000, 10000)  # by effort
# Soft rounding of long fits ends nearer to hard rounding: else latents come to live between the integers, and rounding them
# costs more than the steps gained. Shorter fits would freeze too early.
ENDURING, HARDER = 2000, {"temperature": (0.35, 0.08), "noise": (0.22, 0.15)}
COLD = 0.02  # rate of learning of networks that begin at random
WHOLE = 1 << 22  # pixels of the largest picture that is fitted in one piece
TILE = 1024  # pixels a side of the tiles of larger ones
FIRST_BLOCK = 64  # places a side of a block of a grid in files of the first profile and in tall tiles
TALL = 2  # times its width: height up to which a tile is not tall
WORK = 400  # bytes for each pixel of a tile while it is decoded
LARGE_FROM = 4  # efforts with the larger preset: in short fits the smaller one comes to as much in the same time
PLACES = ("learned", "larger")  # of the networks of the presets in weights
NAMES = tuple(PRESETS)
FILE_BYTES, UNIT_BYTES = 50, 45  # about what the container takes of a file, and of a tile with its groups of weights
PROBE, PROBED, PROBE_STEPS = 160, (5, 35, 65, 95), 25  # pixels a side, qualities and steps of a look at the rates
STARTED = 0x80  # set in the first parameter where the networks are a difference to learned ones


@dataclass(frozen=True)
class OverfitConfig:
    """preset: decoder cost, one of PRESETS; start: whether fits begin from learned networks; larger: the preset of high efforts."""

    preset: str = "mop"
    start: bool = True
    larger: str | None = None

    def __post_init__(self) -> None:
        for preset in self.presets:
            if preset not in PRESETS:
                raise ValueError(f"no preset is called {preset}; there are {', '.join(PRESETS)}")

    @property
    def presets(self) -> tuple[str, ...]:
        """Presets of new files, for low and for high efforts; each has networks of its own where there are learned ones."""
        return (self.preset, self.larger) if self.larger else (self.preset,)


@dataclass(frozen=True)
class Plan:
    """What an encoder decided: parameters of the track, weight of the rate, bits per pixel or squared error to come to."""

    parameters: "Parameters"
    lagrangian: float
    rate: float | None = None
    error: float | None = None

    def recipe(self, options: Options, pixels: int) -> Recipe:
        """How to fit so many pixels."""
        bits = None if self.rate is None else max(8.0, self.rate * pixels - 8 * UNIT_BYTES)
        steps, step = STEPS[options.effort], gain(self.parameters.quality)
        rounding = HARDER if steps >= ENDURING else {}
        return Recipe(steps, self.lagrangian, step, seed=options.seed, bits=bits, error=self.error, **rounding)


@dataclass(frozen=True)
class Parameters:
    """What the header of a track says: preset, whether there are learned networks, quality, side of the tiles or 0, of blocks."""

    preset: str
    start: bool
    quality: int
    tile: int
    block: int = BLOCK

    def blocks(self, height: int, width: int) -> int:
        """Largest side of the blocks of a tile. Wavefronts through a tall one would take many times its own memory."""
        return self.block if height <= TALL * width else FIRST_BLOCK

    def pack(self) -> bytes:
        """The parameters of a track."""
        first = NAMES.index(self.preset) | (STARTED if self.start else 0)
        return bytes([first, self.quality]) + (varint.encode(self.tile) if self.tile else b"")


class OverfitCodec(Codec):
    """The codec of the module."""

    id: ClassVar[str] = "image/overfit"
    kind: ClassVar[str] = "image"
    profile: ClassVar[int] = 1
    later: ClassVar[tuple[int, ...]] = (2,)
    Config: ClassVar[type] = OverfitConfig
    aims: ClassVar[tuple[str, ...]] = ("bytes", "bpp", "psnr")
    spreads: ClassVar[bool] = True

    def __init__(self, config: OverfitConfig | None = None) -> None:
        super().__init__()
        self.config = config or OverfitConfig()
        self.learned: dict[str, dict[str, np.ndarray]] = {}
        self.begins = self.config.start  # whether there is an analysis for the first latents
        if self.config.start:
            self.analysis = Analysis()
            self.sets = nn.ModuleDict({preset: Sets(PRESETS[preset]) for preset in self.config.presets})

    # Where a fit begins

    def freeze(self) -> None:
        """Round the learned networks to the integers that ship, the analysis to half precision."""
        self.learned = {preset: sets.integers() for preset, sets in self.sets.items()}
        with torch.no_grad():
            for parameter in self.analysis.parameters():
                parameter.copy_(parameter.half().float())

    def origin(self, parameters: Parameters) -> dict[str, np.ndarray]:
        """What the coded networks are a difference to, float64 and exact; raises Malformed where it is not at hand."""
        layout = PRESETS[parameters.preset]
        if not parameters.start:
            zero = {name: np.zeros(shape) for name, shape in layout.shapes().items()}
            return zero | {"up": np.tile(CUBIC, (len(zero["up"]), 1))}
        own = self.nearest(parameters.preset)
        if own not in self.learned or not PRESETS[own].fits(layout):
            raise Malformed(
                f"there are no learned networks of the preset {parameters.preset} that the picture begins with"
            )
        sets = {name: between(value, parameters.quality) for name, value in self.learned[own].items()}
        return {name: np.ldexp(value, unit(name)) for name, value in PRESETS[own].grown(sets, layout).items()}

    def nearest(self, preset: str) -> str:
        """The preset with learned networks from which one begins: its own, or the largest, which may grow to it."""
        return preset if preset in self.config.presets else self.config.presets[-1]

    def begin(self, pixels: Tensor, parameters: Parameters, recipe: Recipe) -> Fit:
        """A fit of pixels float [1, 3, H, W] at its start."""
        layout = PRESETS[parameters.preset]
        origin = {name: torch.from_numpy(value).float() for name, value in self.origin(parameters).items()}
        random = fresh(layout, torch.Generator().manual_seed(recipe.seed))
        if not parameters.start:
            recipe = replace(recipe, lr_net=COLD)
            return Fit(pixels, layout, recipe, random, None, origin)
        start, latents = widened(origin, random, PRESETS[self.nearest(parameters.preset)]), None
        if self.begins:
            with torch.no_grad():
                latents = self.analysis(pixels, float(parameters.quality))
        return Fit(pixels, layout, recipe, start, latents, origin)

    # The protocol

    def open(self, signal: Picture, options: Options) -> tuple[Track, Plan]:
        """Header of a picture and what the fit aims at."""
        height, width = signal.pixels.shape[:2]
        tile = options.tile or (TILE if height * width > WHOLE else 0)
        tile = tile if tile < max(height, width) else 0
        preset = self.config.presets[-1 if options.effort >= LARGE_FROM else 0]
        quality, rate, error = options.quality, None, None
        if options.aim is not None:
            measure, value = options.aim
            if measure == "psnr":
                error = 10 ** (-value / 10)
            else:
                rate = value if measure == "bpp" else 8 * value / (height * width)
                rate = max(1e-4, rate - 8 * FILE_BYTES / (height * width))
            quality = self.quality_for(signal, preset, rate, error, options.seed)
        parameters = Parameters(preset, self.config.start, round(quality), tile)
        media = ImageMedia(width, height, format_of(signal), None)
        plan = Plan(parameters, lagrangian(quality), rate, error)
        return Track(self.id, self.later[-1], True, bytes(8), media, parameters.pack()), plan

    def quality_for(self, signal: Picture, preset: str, rate: float | None, error: float | None, seed: int) -> float:
        """About the quality that comes to so many bits per pixel or this squared error, by short fits of the centre."""
        colour, _ = split(signal)
        top, left = (max(0, (length - PROBE) // 2) for length in colour.shape[:2])
        pixels = torch.from_numpy(colour[top : top + PROBE, left : left + PROBE]).permute(2, 0, 1)[None].float() / 255
        found = []
        for quality in PROBED:
            parameters = Parameters(preset, self.config.start, quality, 0)
            work = self.begin(pixels, parameters, Recipe(PROBE_STEPS, lagrangian(quality), gain(quality), seed=seed))
            for step in range(PROBE_STEPS):
                work.advance(HARD * step / PROBE_STEPS)
            bits, _, reached = work.measure()
            found.append(math.log(bits / pixels[0, 0].numel() + 1e-6) if error is None else -math.log(reached + 1e-12))
        wanted = math.log(rate) if error is None else -math.log(error)
        return float(np.interp(wanted, np.maximum.accumulate(found), PROBED))

    def parse(self, track: Track) -> Parameters:
        """The parameters of a track; raises Malformed."""
        data, media, tile = track.parameters, track.media, 0
        if not isinstance(media, ImageMedia) or len(data) < 2 or data[1] > 100 or data[0] & ~STARTED >= len(NAMES):
            raise Malformed(f"the parameters of {self.id} are a preset and a quality up to 100")
        if len(data) > 2:
            tile, end = varint.decode(data, 2)
            if end != len(data) or not LEAST_TILE <= tile < max(media.height, media.width):
                raise Malformed(
                    f"the tiles of a picture have sides of {LEAST_TILE} pixels up to less than the picture's"
                )
        block = FIRST_BLOCK if track.profile == self.profile else BLOCK
        return Parameters(NAMES[data[0] & ~STARTED], bool(data[0] & STARTED), data[1], tile, block)

    def encode_units(
        self, signal: Picture, track: Track, plan: Plan, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """For every tile its networks and its latents."""
        places = tiles(track.media.height, track.media.width, plan.parameters.tile)
        count, apart = len(places), options
        if options.seconds is not None:
            apart = replace(apart, seconds=options.seconds / count)
        jobs = [
            Job(self, Picture(signal.pixels[place]), plan, number, apart, (i, count)) for i, place in enumerate(places)
        ]
        if options.workers is None or count == 1:
            for job in jobs:
                items, interrupted = fit_tile(replace(job, options=apart))
                if interrupted:  # the other tiles as they begin
                    apart = replace(apart, seconds=0.0)
                yield from items
            return
        alone = replace(apart, progress=silent, workers=None)
        for index, (items, _) in enumerate(options.workers(fit_tile, [replace(job, options=alone) for job in jobs])):
            options.progress((index + 1) / count, f"{index + 1} of {count} tiles")
            yield from items

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Picture:
        """The picture of a track; raises Malformed, Damaged or SymbolMismatch."""
        parameters, form = self.parse(track), track.media.sample_format
        pixels = np.zeros((track.media.height, track.media.width, form.planes + form.alpha), np.uint8)
        items = iter(items)
        for place in tiles(track.media.height, track.media.width, parameters.tile):
            networks, latents = next(items, None), next(items, None)
            if not isinstance(networks, Weights) or not isinstance(latents, Unit) or len(latents.streams) != 1:
                raise Malformed(f"a picture of {self.id} is networks and a unit with one stream for every tile")
            pixels[place] = self._decode(networks, latents, parameters, form, pixels[place].shape[:2])
        if next(items, None) is not None:
            raise Malformed("there are more tiles than the picture has")
        return Picture(pixels)

    def _decode(
        self, networks: Weights, latents: Unit, parameters: Parameters, form: SampleFormat, size: tuple[int, int]
    ) -> np.ndarray:
        """The pixels of one tile, uint8 [height, width, planes]."""
        layout = PRESETS[parameters.preset]
        integers, floats = combined(*unpack(networks, layout), self.origin(parameters), layout)
        coder = Decoder(latents.streams[0])
        symbols = traverse(coder, size, layout, integers, form.alpha, block=parameters.blocks(*size))
        verify(latents.check, coder.check)
        coder.finish()
        tensors = {name: torch.from_numpy(value) for name, value in floats.items()}
        with torch.inference_mode():
            grids = [torch.from_numpy(grid.astype(np.float32))[None] for grid in symbols.grids]
            colour = synthesise(grids, tensors, gain(parameters.quality))
            colour = colour.nan_to_num().mul(255).round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()
        return join(colour, symbols.alpha, form.planes == 1).pixels

    def memory(self, track: Track) -> int:
        """Bytes for the pixels and one tile at work."""
        parameters, media = self.parse(track), track.media
        height, width = (min(side, parameters.tile or side) for side in (media.height, media.width))
        return 4 * media.height * media.width + WORK * height * width + (64 << 20)

    # Weights

    def export_state(self) -> dict[str, Tensor]:
        """The analysis in half precision and the learned networks as integers."""
        if not self.config.start:
            return {}
        analysis = self.analysis.state_dict(prefix="analysis.") if self.begins else {}
        state = {name: value.half() for name, value in analysis.items()}
        for preset, place in zip(self.config.presets, PLACES, strict=False):
            learned = self.learned.get(preset, {})
            state |= {f"{place}.{name}": torch.from_numpy(value) for name, value in learned.items()}
        return state

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`. An analysis of another shape is left out: decoders do without, fits begin at zero."""
        if self.config.start:
            own = self.analysis.state_dict(prefix="analysis.")
            self.begins = all(name in state and state[name].shape == value.shape for name, value in own.items())
            if self.begins:
                self.analysis.load_state_dict({name.removeprefix("analysis."): state[name].float() for name in own})
            self.learned = {
                preset: {name: state[f"{place}.{name}"].numpy() for name in PRESETS[preset].shapes()}
                for preset, place in zip(self.config.presets, PLACES, strict=False)
            }

    def decoder_state(self) -> dict[str, Tensor]:
        """The learned networks; nothing where the file carries its networks whole."""
        return {name: value for name, value in self.export_state().items() if name.startswith(PLACES)}


@dataclass(frozen=True)
class Job:
    """A tile to be fitted, here or in another process: its pixels, the track's number, its own number and how many there are."""

    codec: OverfitCodec
    picture: Picture
    plan: Plan
    number: int
    options: Options
    tile: tuple[int, int]


def fit_tile(job: Job) -> tuple[list[Weights | Unit], bool]:
    """Networks and latents of one tile, and whether the fit was interrupted."""
    colour, alpha = split(job.picture)
    pixels = torch.from_numpy(colour).permute(2, 0, 1)[None].float() / 255
    (index, count), parameters = job.tile, job.plan.parameters

    def progress(fraction: float, text: str) -> None:
        job.options.progress((index + fraction) / count, text)

    work = job.codec.begin(pixels, parameters, job.plan.recipe(job.options, pixels[0, 0].numel()))
    fit(work, job.options.seconds, progress)
    refine(work)
    levels, exponents, grids = work.result()
    layout = PRESETS[parameters.preset]
    weights, _ = combined(levels, exponents, job.codec.origin(parameters), layout)
    coder = Encoder()
    size = colour.shape[:2]
    traverse(coder, size, layout, weights, alpha is not None, Symbols(grids, alpha), parameters.blocks(*size))
    unit = Unit(job.number, (coder.finish(),), None, last=index == count - 1, key=True, check=coder.check)
    return [pack(levels, exponents, layout, job.number), unit], work.interrupted


def tiles(height: int, width: int, side: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the tiles of a picture in raster order; one where `side` is 0."""
    if not side:
        return [(slice(0, height), slice(0, width))]
    edges = []
    for length in (height, width):
        count = -(-length // side)
        edges.append([slice(length * i // count, length * (i + 1) // count) for i in range(count)])
    return [(rows, columns) for rows in edges[0] for columns in edges[1]]
