"""audio/mdct-rvq: the codec around the network, from sounds to units of integers and back."""

from typing import ClassVar

from ...entropy import Tables
from ..base import Codec
from .mdct_rvq_net import MdctRvqConfig, MdctRvqNet


class MdctRvqCodec(Codec):
    """A 16 kHz codec of MDCT frames and residual vector quantisation; every channel is coded on its own."""

    id: ClassVar[str] = "audio/mdct-rvq"
    kind: ClassVar[str] = "audio"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = MdctRvqConfig

    def __init__(self, config: MdctRvqConfig | None = None) -> None:
        super().__init__()
        self.config = config or MdctRvqConfig()
        self.net = MdctRvqNet(self.config)
        self.tables: dict[str, Tables] = {}
