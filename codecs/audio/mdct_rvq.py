"""audio/mdct-rvq: the codec around the network, from sounds to units of integers and back."""

import torch

from ..base import Codec
from .mdct_rvq_net import MdctRvqConfig, MdctRvqNet


class MdctRvq(Codec):
    """A 16 kHz codec of MDCT frames and residual vector quantisation; every channel is coded on its own."""

    id = "audio/mdct-rvq"
    kind = "audio"
    profile = 1

    def __init__(self, config: MdctRvqConfig):
        super().__init__()
        c = config
        self.config = c
        self.net = MdctRvqNet(c)
        self.register_buffer("level_rows", torch.ones(2, 2 * c.levels - 1, dtype=torch.int32))
        self.register_buffer("used_rows", torch.ones(2, 2 * c.books + 1, dtype=torch.int32))
        self.register_buffer("code_rows", torch.ones(c.books * c.classes, c.size, dtype=torch.int32))
        self.register_buffer("class_of_level", torch.zeros(c.levels, dtype=torch.int32))
        self.register_buffer("class_of_code", torch.zeros(c.size, dtype=torch.int32))
