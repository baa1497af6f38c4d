"""compressai/<model>: the picture models of CompressAI as codecs of this package.

A unit carries what the model's own `compress` returns. CompressAI derives its tables, and in the hyperprior models the
choice among them, in floating point, so only the build that encoded a file surely decodes it: the tracks say so, name
that build, and a check over every decoded integer turns a difference into a SymbolMismatch. Means and synthesis are
not checked: where the integers agree they change pixels by a rounding at most.

Bégaint et al. 2020 (arXiv 2011.03029); the models: Ballé et al. 2018 (arXiv 1802.01436), Minnen et al. 2018
(arXiv 1809.02736), Cheng et al. 2020 (arXiv 2001.01568).
"""

import platform
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...bitstream import ImageMedia, Track, Unit, Weights
from ...bitstream.errors import Malformed, SymbolMismatch
from ...entropy import Decoder, Encoder
from ..base import Codec, Options
from ..blocks import pad_to
from ..optional import optional
from ..registry import COMPRESSAI, MSSSIM
from ..signals import Picture
from .alpha import traverse_alpha
from .planes import format_of, join, split

PREFIX = "compressai/"
WIDEST = 4096
LATENT = 16  # pixels to a side of a latent, in all models
# Derived from the other tensors by `update`: never stored.
DERIVED = ("_offset", "_quantized_cdf", "_cdf_length", "scale_table")
ENCODER = ("g_a.", "h_a.")
# CompressAI's decoder does not know where a stream ends. A shortened one must find zeros there instead of what the
# memory holds: a symbol takes 2 bytes at most, or rarely an escape code of about ten.
SPARE, SPARE_PER_SYMBOL = 4096, 16


@dataclass(frozen=True)
class CompressaiConfig:
    """What builds the network again.

    Attributes:
        channels: N and M of the model, the widths of its layers and of its latents.
        level: quality level among the published weights, from 1; 0 for other weights.
    """

    channels: tuple[int, int] = (128, 192)
    level: int = 0


class CompressaiCodec(Codec):
    """A model of CompressAI; `named` gives the class of each, `from_compressai` wraps a network."""

    kind: ClassVar[str] = "image"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = CompressaiConfig
    model: ClassVar[str]  # its name in CompressAI
    levels: ClassVar[int]  # of the published weights

    def __init__(self, config: CompressaiConfig | None = None, net: nn.Module | None = None) -> None:
        """Build the network, or take one; raises MissingDependency, Malformed."""
        super().__init__()
        self.config = config or CompressaiConfig()
        channels = self.config.channels
        if len(channels) != 2 or not all(isinstance(width, int) and 1 <= width <= WIDEST for width in channels):
            raise Malformed(f"{self.id} has two numbers of channels, 1 to {WIDEST}")
        if not 0 <= self.config.level <= self.levels:
            raise Malformed(f"{self.id} has the levels 1 to {self.levels}, and 0 for other weights")
        if net is None:
            arguments = channels[:1] if self.model.startswith("cheng") else channels
            net = package(self.id).registry.MODELS[self.model](*arguments)
        self.net = net

    @classmethod
    def level(cls, quality: float) -> int:
        """The level of the published weights for a quality of 0 to 100."""
        return 1 + round(quality / 100 * (cls.levels - 1))

    # The protocol

    def open(self, signal: Picture, options: Options) -> tuple[Track, None]:
        """Header of a picture; there is nothing to plan: the weights decide on the quality."""
        height, width = signal.pixels.shape[:2]
        media = ImageMedia(width, height, format_of(signal), None)
        parameters = bytes([self.config.level]) + build(self.id).encode("ascii")
        return Track(self.id, self.profile, False, bytes(8), media, parameters), None

    def encode_units(
        self, signal: Picture, track: Track, plan: None, number: int, options: Options
    ) -> Iterator[Weights | Unit]:
        """One unit: the strings of the model, then the stream of the alpha plane."""
        colour, alpha = split(signal)
        pixels = torch.from_numpy(colour).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode(), watched(self.net, decoding=False) as symbols:
            found = self.net.compress(pad_to(pixels, self.net.downsampling_factor))
        streams, check = [strings[0] for strings in found["strings"]], symbols.check
        if alpha is not None:
            coder = Encoder()
            coder.check = check
            traverse_alpha(coder, alpha.shape, alpha)
            streams.append(coder.finish())
            check = coder.check
        options.progress(1.0, f"{sum(map(len, streams))} bytes")
        yield Unit(number, tuple(streams), None, last=True, key=True, check=check)

    def decode(self, track: Track, items: Iterable[Weights | Unit]) -> Picture:
        """The picture of a track; raises Malformed, Damaged or SymbolMismatch."""
        media, there = track.media, self._build(track)
        strings = 1 if self.model.startswith("bmshj2018-factorized") else 2
        wanted, units = strings + media.sample_format.alpha, list(items)
        if len(units) != 1 or not isinstance(units[0], Unit) or len(units[0].streams) != wanted:
            raise Malformed(f"a picture of {self.id} is one unit with {wanted} streams here")
        streams = units[0].streams
        colour, check = self._pixels(streams[:strings], media.height, media.width)
        coder = Decoder(streams[-1]) if media.sample_format.alpha else None
        plane = None
        if coder is not None:
            coder.check = check
            plane = traverse_alpha(coder, (media.height, media.width))
            check = coder.check
        if units[0].check is not None and units[0].check != check:
            raise SymbolMismatch(
                f"the file is intact, but this computer ({build(self.id)}) derived other symbols than the encoder did"
                f" ({there}): {self.id} decodes surely only with the build that encoded"
            )
        if coder is not None:
            coder.finish()
        return join(colour, plane, media.sample_format.planes == 1)

    @torch.inference_mode()
    def _pixels(self, streams: tuple[bytes, ...], height: int, width: int) -> tuple[np.ndarray, int]:
        """RGB uint8 [height, width, 3] and the check of the symbols."""
        factor = self.net.downsampling_factor
        shape = tuple(-(-side // factor) for side in (height, width))
        symbols = self.config.channels[1] * shape[0] * shape[1] * (factor // LATENT) ** 2
        spare = bytes(SPARE + SPARE_PER_SYMBOL * symbols)
        with watched(self.net, decoding=True) as found:
            pixels = self.net.decompress([[stream + spare] for stream in streams], shape)["x_hat"]
        pixels = (pixels[0, :, :height, :width] * 255).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(1, 2, 0).numpy(), found.check

    def memory(self, track: Track) -> int:
        """Features in float32 at half the resolution, of which four are alive at once, and symbols as Python lists."""
        factor = self.net.downsampling_factor
        height, width = (-(-side // factor) * factor for side in (track.media.height, track.media.width))
        features, latents = self.config.channels
        return height * width * (6 * features + latents + 200) + (64 << 20)

    def _build(self, track: Track) -> str:
        """The build that encoded a track; raises Malformed."""
        text = track.parameters[1:]
        if not track.parameters or not text.isascii() or not text.decode("ascii").isprintable():
            raise Malformed(f"the parameters of {self.id} are the level of the weights and the name of a build")
        return text.decode("ascii")

    # Weights

    def export_state(self) -> dict[str, Tensor]:
        """All tensors under CompressAI's names but those that `update` derives; float32."""
        state = self.net.state_dict()
        return {name: value for name, value in state.items() if name.rpartition(".")[2] not in DERIVED}

    def import_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `export_state`; derives the tables. Raises RuntimeError for tensors of another model."""
        own = self.net.state_dict()
        derived = {name: value for name, value in own.items() if name.rpartition(".")[2] in DERIVED}
        if set(state) != set(own) - set(derived):
            raise RuntimeError(f"these are {len(state)} tensors, {self.model} has {len(own) - len(derived)} others")
        self.net.load_state_dict({**state, **derived})
        self.derive()

    def derive(self) -> None:
        """Make the tables of the entropy models from the weights."""
        with torch.no_grad():
            self.net.update(force=True)

    def decoder_state(self) -> dict[str, Tensor]:
        """Everything but the two analyses."""
        return {name: value for name, value in self.export_state().items() if not name.startswith(ENCODER)}


@cache
def named(name: str) -> type[CompressaiCodec]:
    """The class of a codec by its whole name, one of `registry.COMPRESSAI`."""
    model = name.removeprefix(PREFIX).removesuffix(MSSSIM)
    levels = 6 if model.startswith("cheng") else 8
    return type("CompressaiCodec", (CompressaiCodec,), {"id": name, "model": model, "levels": levels})


def from_compressai(net: nn.Module, msssim: bool = False, level: int = 0) -> CompressaiCodec:
    """A network of CompressAI as a codec that encodes, decodes and can be saved.

    Args:
        net: one of the models that `registry.COMPRESSAI` names, on the CPU; it is used as it is, not copied.
        msssim: whether it was trained for MS-SSIM; the name of the codec says so.
        level: its quality level where it has published weights, 0 otherwise.

    Raises:
        MissingDependency: CompressAI is not installed.
        ValueError: the network is another.
    """
    classes = package("from_compressai").registry.MODELS
    for name in COMPRESSAI:
        cls = named(name)
        if type(net) is classes[cls.model] and name.endswith(MSSSIM) == msssim:
            codec = cls(CompressaiConfig((net.N, net.M), level), net)
            codec.derive()
            return codec.eval().requires_grad_(False)
    raise ValueError(f"{type(net).__name__} is not among the models: {', '.join(COMPRESSAI)}")


def package(user: str) -> ModuleType:
    """CompressAI; raises MissingDependency."""
    return optional("compressai", "compressai", user)


def build(user: str) -> str:
    """What the tables and their choice depend on, as text; raises MissingDependency."""
    threads = torch.get_num_threads()
    return (
        f"torch {torch.__version__}, compressai {package(user).__version__}, {platform.machine()} "
        f"{torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' if threads != 1 else ''}"
    )


class Watch:
    """CRC-32 of integers as <i4, in the order in which they were added."""

    def __init__(self) -> None:
        self.check = 0

    def add(self, symbols: Tensor) -> None:
        self.check = zlib.crc32(symbols.to(torch.int32).numpy(force=True).astype("<i4").tobytes(), self.check)


@contextmanager
def watched(net: nn.Module, decoding: bool) -> Iterator[Watch]:
    """Notice every integer that the entropy models of a network code, z before y, while this context is open."""
    watch = Watch()
    models = [module for module in net.modules() if hasattr(module, "quantize") and hasattr(module, "dequantize")]
    for model in models:
        if decoding:
            model.dequantize = _noticing_dequantize(model, watch)
        else:
            model.quantize = _noticing_quantize(model, watch)
    try:
        yield watch
    finally:
        for model in models:
            delattr(model, "dequantize" if decoding else "quantize")


def _noticing_quantize(model: nn.Module, watch: Watch) -> Callable[..., Tensor]:
    original = model.quantize

    def quantize(inputs: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
        outputs = original(inputs, mode, means)
        if mode == "symbols":
            watch.add(outputs)
        return outputs

    return quantize


def _noticing_dequantize(model: nn.Module, watch: Watch) -> Callable[..., Tensor]:
    original = model.dequantize

    def dequantize(inputs: Tensor, means: Tensor | None = None, dtype: torch.dtype = torch.float) -> Tensor:
        watch.add(inputs)  # before the means are added in place
        return original(inputs, means, dtype)

    return dequantize
