"""ConvNeXt blocks over frames: depthwise convolution in time, dense layers in channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Memory

KERNEL = 7


class Block(nn.Module):
    """One residual ConvNeXt block with a learned scale per channel (Liu et al. 2022), input [batch, frame, channel].

    Normalisation is per frame, so the block sees exactly KERNEL // 2 frames to either side, or, where `causal`, KERNEL - 1
    frames before its own; stretches one after the other with one memory then give what the whole gives.
    """

    def __init__(self, width: int, expansion: int, causal: bool = False):
        super().__init__()
        self.causal = causal
        around = 0 if causal else KERNEL // 2
        self.depthwise = nn.Conv2d(width, width, (1, KERNEL), padding=(0, around), groups=width)
        self.norm = nn.LayerNorm(width)
        self.rise = nn.Linear(width, expansion * width)
        self.fall = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        y = self._with_past(x, memory) if self.causal else x
        # [batch, frame, channel] is the channels-last layout of [batch, channel, 1, frame]: no copy is made.
        y = self.depthwise(y.unsqueeze(1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).squeeze(1)
        y = self.fall(functional.gelu(self.rise(self.norm(y)), approximate="tanh"))
        return x + self.scale * y

    def _with_past(self, x: Tensor, memory: Memory | None) -> Tensor:
        """The frames of x after those before them, which are zeros at the beginning."""
        before = None if memory is None else memory.get(self)
        x = functional.pad(x, (0, 0, KERNEL - 1, 0)) if before is None else torch.cat((before, x), 1)
        if memory is not None:
            memory[self] = x[:, 1 - KERNEL :]
        return x


class Trunk(nn.Module):
    """Dense layer in, blocks, dense layer out that starts at zero: a correction that begins as nothing.

    Input float [batch, frame, inputs], output float [batch, frame, outputs]; `causal` as for `Block`.
    """

    def __init__(self, inputs: int, width: int, blocks: int, expansion: int, outputs: int, causal: bool = False):
        super().__init__()
        self.causal = causal
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, expansion, causal) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @property
    def reach(self) -> int:
        """Frames before its own that an output depends on."""
        return len(self.blocks) * (KERNEL - 1 if self.causal else KERNEL // 2)

    @property
    def ahead(self) -> int:
        """Frames after its own that an output depends on."""
        return 0 if self.causal else self.reach

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x, memory)
        return self.leave(self.norm(x))
