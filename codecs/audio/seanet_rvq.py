"""audio/seanet-rvq: SEANet on both sides of a residual quantiser.

SoundStream (Zeghidour et al. 2021) and EnCodec (Defossez et al. 2022); the configuration decides which, and whether it streams.
"""

from dataclasses import dataclass
from typing import ClassVar

from .rvq import ResidualQuantiser
from .seanet import seanet_decoder, seanet_encoder
from .waveform import Parts, WaveformCodec, WaveformConfig


@dataclass(frozen=True)
class SeanetRvqConfig(WaveformConfig):
    """EnCodec at 24 kHz unless told otherwise.

    Attributes:
        filters: width at the sampling rate.
        units, dilation: residual units of a stage; their dilations are powers of `dilation`.
        lstm: layers of the recurrence at the frame rate.
        learned: 1x1 convolutions as shortcuts.
        decay: of the codebooks' running means.
    """

    books: int = 32
    causal: bool = True
    per_unit: int = 75
    filters: int = 32
    units: int = 1
    dilation: int = 2
    lstm: int = 2
    learned: bool = True
    decay: float = 0.99


ENCODEC = SeanetRvqConfig()
SOUNDSTREAM = SeanetRvqConfig(books=24, units=3, dilation=3, lstm=0, learned=False)
SMALL = SeanetRvqConfig(rate=16000, dim=64, books=8, filters=8, lstm=0, learned=False, decay=0.98)


class SeanetRvqCodec(WaveformCodec):
    """The codec of the module."""

    id: ClassVar[str] = "audio/seanet-rvq"
    Config: ClassVar[type] = SeanetRvqConfig
    recipe: ClassVar[str] = "audio_systems.seanet_rvq"

    @staticmethod
    def parts(config: SeanetRvqConfig) -> Parts:
        c = config
        shape = (c.dim, c.filters, c.ratios, c.units, c.dilation, c.lstm, c.causal, c.learned)
        return Parts(seanet_encoder(*shape), ResidualQuantiser(c.books, c.size, c.dim, c.decay), seanet_decoder(*shape))
