"""Convolutions over time that pad by one rule and, where causal, remember what came before between two blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Memory(dict):
    """What causal layers keep from one block of a stream to the next: layer to tensors. Empty before the beginning."""


class Conv(nn.Conv1d):
    """Conv1d of [batch, channel, time] that gives time / stride outputs: zeros of kernel - stride in all are put around.

    All zeros stand before the beginning where `causal`; then blocks of a multiple of the stride, one after the other with one
    memory, give what the whole gives.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, causal: bool = False
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, dilation=dilation)
        _begin(self, inputs * kernel)
        self.span = (kernel - 1) * dilation + 1 - stride
        self.right = 0 if causal else self.span // 2

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        if memory is None:
            return super().forward(functional.pad(x, (self.span - self.right, self.right)))
        before = memory.get(self)
        x = functional.pad(x, (self.span, 0)) if before is None else torch.cat((before, x), 2)
        memory[self] = x[:, :, x.shape[2] - self.span :]
        return super().forward(x)


class UpConv(nn.ConvTranspose1d):
    """Transposed Conv1d of [batch, channel, time] that gives time * stride outputs; `causal` as for `Conv`.

    The kernel is at most twice the stride where blocks are to follow each other.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, causal: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, stride)
        _begin(self, inputs * kernel // stride)
        self.step = stride
        self.left = 0 if causal else (kernel - stride + 1) // 2

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        length = x.shape[2] * self.step
        if memory is None:
            return super().forward(x)[:, :, self.left : self.left + length]
        before = memory.get(self)
        memory[self] = x[:, :, -1:]
        x = functional.pad(x, (1, 0)) if before is None else torch.cat((before, x), 2)
        return super().forward(x)[:, :, self.step : self.step + length]


def _begin(layer: Conv | UpConv, fan: int) -> None:
    """Starting weights that keep the power, and no offsets: sounds are soft, and constants would drown them."""
    nn.init.normal_(layer.weight, std=fan**-0.5)
    nn.init.zeros_(layer.bias)


class Recurrence(nn.Module):
    """LSTM layers over the time of [batch, channel, time], added to their input."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        found, state = self.lstm(x.transpose(1, 2), None if memory is None else memory.get(self))
        if memory is not None:
            memory[self] = state
        return x + found.transpose(1, 2)


class Chain(nn.Sequential):
    """Modules one after the other; those that keep something between blocks are handed the memory."""

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        for module in self:
            x = module(x, memory) if isinstance(module, KEEPERS) else module(x)
        return x


class Shortcut(nn.Module):
    """A chain whose result is added to its input, or to a 1x1 convolution of it where `learned`."""

    def __init__(self, chain: Chain, width: int, learned: bool = False) -> None:
        super().__init__()
        self.chain = chain
        self.beside = Conv(width, width, 1) if learned else nn.Identity()

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        return self.beside(x) + self.chain(x, memory)


KEEPERS = (Conv, UpConv, Recurrence, Chain, Shortcut)
