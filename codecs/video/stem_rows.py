"""Table rows of a predicted frame, from integers alone: the frame before, side information, the frame's own first half."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...entropy.network import Network
from ..freezing import freeze
from ..image.patch_net import checkerboard
from ..image.side import BOUND
from ..image.slices_net import FINE, MOST_ROW, SCORE_BOUND, scores
from .stem_net import StemConfig, StemNet, near_inputs, past_inputs, whole

MOST_CORRECTION = FINE * MOST_ROW


@dataclass(frozen=True)
class Memory:
    """What is remembered of a frame for the rows of the next, integers [1, latents, h, w].

    Attributes:
        fine: its rows, in 1 / FINE of a row.
        found: scores of its symbols.
        alone: whether it was coded without the frames before.
    """

    fine: Tensor
    found: Tensor
    alone: bool


class RowNetworks:
    """The integer networks, by name: `past`, `change` and `near`; `table` gives the scores."""

    def __init__(self, networks: Mapping[str, Network], table: Tensor) -> None:
        self.networks, self.table = dict(networks), table

    @classmethod
    def freeze(cls, net: StemNet, inputs: Mapping[str, Tensor]) -> "RowNetworks":
        """From the trained float twins, calibrated on inputs as they come up."""
        made = {}
        for name, x in inputs.items():
            bound = BOUND if name == "change" else SCORE_BOUND
            twin = getattr(net, f"row_{name}")
            made[name] = freeze(twin, x, low=-MOST_CORRECTION, high=MOST_CORRECTION, resolution=FINE, input_bound=bound)
        return cls(made, net.score_table)

    def corrected(self, name: str, fine: Tensor, inputs: Tensor) -> Tensor:
        """Fine rows with what a network adds to them."""
        return (fine + torch.from_numpy(self.networks[name](inputs[0].numpy()))[None]).clamp(0, MOST_CORRECTION)

    def remember(self, fine: Tensor, residual: np.ndarray, alone: bool) -> Memory:
        """What the next frame is to know, given all symbols [latents, h, w]."""
        symbols = torch.from_numpy(residual.astype(np.int64))[None]
        return Memory(fine, scores(self.table, whole(fine), symbols), alone)


class Rows:
    """The rows of a predicted frame as more and more of it is known; `fine` [1, latents, h, w] in 1 / FINE of a row."""

    def __init__(self, networks: RowNetworks, config: StemConfig, memory: Memory, rate: int) -> None:
        """Rows as the frame before lets expect them; `rate`: 0 .. 63."""
        self.networks, self.config = networks, config
        inputs = past_inputs(memory.fine, memory.found, torch.tensor([int(memory.alone)]), torch.tensor([rate]))
        self.fine = networks.corrected("past", memory.fine, inputs)
        self.half = checkerboard(self.fine) > 0  # bool [latents, h, w]

    @property
    def whole(self) -> np.ndarray:
        """Whole rows, uint8 [latents, h, w]."""
        return whole(self.fine)[0].numpy().astype(np.uint8)

    def inform(self, z: np.ndarray) -> None:
        """Take the side information, int32 [change, h/2, w/2] up to 127, into account."""
        spread = self.networks.networks["change"](z)
        correction = torch.nn.functional.pixel_shuffle(torch.from_numpy(spread), 2)
        self.fine = (self.fine + correction).clamp(0, MOST_CORRECTION)

    def look_around(self, residual: np.ndarray) -> None:
        """Take the symbols of the first half, int [latents, h, w] with zeros elsewhere, into account for the second."""
        found = self.networks.remember(self.fine, residual, False).found * self.half
        near = self.networks.corrected("near", self.fine, near_inputs(self.fine, found))
        self.fine = torch.where(self.half, self.fine, near)
