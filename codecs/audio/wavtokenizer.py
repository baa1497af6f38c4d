"""audio/wavtokenizer: SEANet encoder, one large codebook, attention and ConvNeXt decoder with an inverse Fourier transform.

One code a frame, 40 or 75 a second (WavTokenizer, Ji et al. 2024). What a frame becomes depends on all frames of its unit and
the unit's context, because attention and normalisation look at them all; so both are fixed by the configuration.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..quantisers import EmaCodebook, Residual
from .seanet import seanet_encoder
from .vocos import fourier_decoder
from .waveform import Parts, WaveformCodec, WaveformConfig


@dataclass(frozen=True)
class WavTokenizerConfig(WaveformConfig):
    """WavTokenizer with 75 codes a second unless told otherwise; the other fields are those of `LanguageCodecConfig`."""

    dim: int = 512
    books: int = 1
    size: int = 4096
    filters: int = 32
    lstm: int = 2
    width: int = 768
    blocks: int = 12
    expansion: int = 3
    window: int = 4
    attention: bool = True
    decay: float = 0.99


PUBLISHED = WavTokenizerConfig()
PUBLISHED_40 = WavTokenizerConfig(ratios=(6, 5, 5, 4), per_unit=120, context=40)
SMALL = WavTokenizerConfig(rate=16000, dim=64, filters=8, lstm=0, width=128, blocks=4, context=40, decay=0.98)


class WavTokenizer(WaveformCodec):
    """The codec of the module."""

    id: ClassVar[str] = "audio/wavtokenizer"
    Config: ClassVar[type] = WavTokenizerConfig
    recipe: ClassVar[str] = "audio_systems.wavtokenizer"

    @staticmethod
    def parts(config: WavTokenizerConfig) -> Parts:
        c = config
        encoder = seanet_encoder(c.dim, c.filters, c.ratios, 1, 2, c.lstm, causal=False, learned=c.lstm > 0)
        quantiser = Residual([EmaCodebook(c.size, c.dim, c.decay)])
        decoder = fourier_decoder(c.dim, c.width, c.blocks, c.expansion, c.window * c.hop, c.hop, c.attention)
        return Parts(encoder, quantiser, decoder)
