"""ConvNeXt blocks over frames: depthwise convolution in time, dense layers in channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 7


class Block(nn.Module):
    """One residual ConvNeXt block with a learned scale per channel (Liu et al. 2022), input [batch, frame, channel].

    Normalisation is per frame, so the block sees exactly KERNEL // 2 frames to either side.
    """

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, (1, KERNEL), padding=(0, KERNEL // 2), groups=width)
        self.norm = nn.LayerNorm(width)
        self.rise = nn.Linear(width, expansion * width)
        self.fall = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        # [batch, frame, channel] is the channels-last layout of [batch, channel, 1, frame]: no copy is made.
        y = self.depthwise(x.unsqueeze(1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).squeeze(1)
        y = self.fall(functional.gelu(self.rise(self.norm(y)), approximate="tanh"))
        return x + self.scale * y


class Trunk(nn.Module):
    """Dense layer in, blocks, dense layer out that starts at zero: a correction that begins as nothing.

    Input float [batch, frame, inputs], output float [batch, frame, outputs].
    """

    def __init__(self, inputs: int, width: int, blocks: int, expansion: int, outputs: int):
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, expansion) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @property
    def reach(self) -> int:
        """Frames to either side that an output depends on."""
        return len(self.blocks) * (KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(self.norm(x))
