"""audio/language-codec: SEANet encoder, residual quantiser whose first three codebooks share the channels out among themselves,
ConvNeXt decoder with an inverse Fourier transform (Language-Codec, Ji et al. 2024).

The published network also normalises by a rate index that is the same for every batch; it is left out.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..quantisers import EmaCodebook, Residual, bands
from .seanet import seanet_encoder
from .vocos import fourier_decoder
from .waveform import Parts, WaveformCodec, WaveformConfig


@dataclass(frozen=True)
class LanguageCodecConfig(WaveformConfig):
    """Language-Codec at 24 kHz unless told otherwise.

    Attributes:
        masked: codebooks that see a band of the channels each.
        filters, lstm: of the encoder, see `SeanetRvqConfig`.
        width, blocks, expansion: of the decoder.
        window: samples of the Fourier transform in multiples of the hop.
        decay: of the codebooks' running means.
    """

    least: int = 3
    masked: int = 3
    filters: int = 32
    lstm: int = 2
    width: int = 384
    blocks: int = 12
    expansion: int = 3
    window: int = 4
    decay: float = 0.99


PUBLISHED = LanguageCodecConfig()
SMALL = LanguageCodecConfig(rate=16000, dim=48, filters=8, lstm=0, width=128, blocks=4, context=40, decay=0.98)


class LanguageCodec(WaveformCodec):
    """The codec of the module."""

    id: ClassVar[str] = "audio/language-codec"
    Config: ClassVar[type] = LanguageCodecConfig
    recipe: ClassVar[str] = "audio_systems.language_codec"

    @staticmethod
    def parts(config: LanguageCodecConfig) -> Parts:
        c = config
        encoder = seanet_encoder(c.dim, c.filters, c.ratios, 1, 2, c.lstm, causal=False, learned=c.lstm > 0)
        layers = [EmaCodebook(c.size, c.dim, c.decay) for _ in range(c.books)]
        decoder = fourier_decoder(c.dim, c.width, c.blocks, c.expansion, c.window * c.hop, c.hop)
        return Parts(encoder, Residual(layers, bands(c.dim, c.masked)), decoder)
