"""audio/hifi-codec: HiFi-GAN's generator, its mirror as encoder, group-residual quantisation (HiFi-Codec, Yang et al. 2023)."""

from dataclasses import dataclass
from typing import ClassVar

from ..quantisers import GradientCodebook, Grouped, Residual
from .hifi import hifi_encoder, hifi_generator
from .waveform import Parts, WaveformCodec, WaveformConfig


@dataclass(frozen=True)
class HifiCodecConfig(WaveformConfig):
    """HiFi-Codec at 24 kHz and 75 frames a second unless told otherwise: two groups of two codebooks, always all four.

    Attributes:
        groups: of channels; each has books / groups codebooks.
        filters: width at the sampling rate.
        kernels, dilations: of the residual blocks.
    """

    dim: int = 512
    books: int = 4
    least: int = 4
    groups: int = 2
    filters: int = 32
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)


PUBLISHED = HifiCodecConfig()
SMALL = HifiCodecConfig(rate=16000, dim=64, filters=8, kernels=(3, 7), dilations=(1, 3), context=40)


class HifiCodec(WaveformCodec):
    """The codec of the module; its codebooks are learned by gradient."""

    id: ClassVar[str] = "audio/hifi-codec"
    Config: ClassVar[type] = HifiCodecConfig
    recipe: ClassVar[str] = "audio_systems.hifi_codec"

    @staticmethod
    def parts(config: HifiCodecConfig) -> Parts:
        c = config
        shape = (c.dim, c.filters, c.ratios, c.kernels, c.dilations)
        groups = [
            Residual([GradientCodebook(c.size, c.dim // c.groups) for _ in range(c.books // c.groups)])
            for _ in range(c.groups)
        ]
        return Parts(hifi_encoder(*shape), Grouped(groups), hifi_generator(*shape))
