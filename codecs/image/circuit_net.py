"""The float twin of the circuit of image/circuit: a balanced tree of latents over the pixels of a square patch.

Sum nodes mix, product nodes join two halves, leaves are categorical. A patch of 2^k x 2^k pixels is halved 2k times, rows first;
every part has a latent of `states` values that tells the latents of its halves, and a pixel's latent tells its planes. So
any marginal is one pass from the leaves to the root (Liu, Mandt, Van den Broeck, arXiv 2111.11632, with the structure fixed and
balanced and the parameters shared by all parts of one size).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

VALUES = 256


@dataclass(frozen=True)
class CircuitConfig:
    """Sizes of the circuit codec.

    Attributes:
        states: values of every latent, 2 to 256.
        side: pixels a side of a patch, a power of two, 2 to 64.
        predict: code differences from a prediction by the pixels above and to the left, else the values themselves.
    """

    states: int = 64
    side: int = 16
    predict: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.states <= 256 or not 2 <= self.side <= 64 or self.side & (self.side - 1):
            raise ValueError("a circuit has 2 to 256 states and patches of 2 to 64 pixels a side, a power of two")

    @property
    def levels(self) -> int:
        """Halvings from the patch to a pixel."""
        return 2 * (self.side.bit_length() - 1)


class CircuitNet(nn.Module):
    """Logits of the circuit.

    Attributes:
        root: [states], of the latent of the patch.
        edges: [levels, 2, states, states], from the latent of a part of 2^(level + 1) pixels (rows) to those of its first and
            second half.
        leaves: [3, states, 256], from the latent of a pixel to the values of its planes.
    """

    def __init__(self, config: CircuitConfig) -> None:
        super().__init__()
        states = config.states
        self.root = nn.Parameter(torch.zeros(states))
        self.edges = nn.Parameter(torch.zeros(config.levels, 2, states, states))
        self.leaves = nn.Parameter(torch.zeros(3, states, VALUES))

    def spread(self, generator: torch.Generator, residuals: bool = True) -> None:
        """Starting values: latents stand for scales around 128 (else for random values), neighbours resemble each other."""
        states = len(self.root)
        order = torch.arange(states)
        near = -(order[:, None] - order).abs() * 8.0 / states
        self.edges.copy_(near + 0.2 * torch.randn(self.edges.shape, generator=generator))
        noise = torch.randn(self.leaves.shape, generator=generator)
        self.leaves.copy_(noise)
        if residuals:
            scale = torch.logspace(math.log10(0.3), math.log10(40), states)[:, None]
            magnitude = (torch.arange(VALUES) - 128).abs()
            self.leaves.copy_(torch.log(torch.exp(-magnitude / scale) + 1e-4) + 0.1 * noise)

    def logs(self) -> list[Tensor]:
        """Log-probabilities in the shapes of the logits: root, edges, leaves."""
        return [torch.log_softmax(x, -1) for x in (self.root, self.edges, self.leaves)]

    def log_prob(self, patches: Tensor, logs: list[Tensor] | None = None) -> Tensor:
        """Natural logarithm of the probability of patches int64 [N, planes, side, side], values 0..255; [N].

        Values of -1 are marginalised.
        """
        root, edges, leaves = logs or self.logs()
        pixels = sum(
            torch.where((x >= 0)[..., None], leaves[plane].T[x.clamp(min=0)], 0.0)
            for plane, x in enumerate(patches.unbind(1))
        )
        total, message = _scaled(pixels)
        for level, matrices in enumerate(edges.exp()):
            first, second = _halves(message, level)
            logs_first, logs_second = _halves(total, level)
            joined = (first @ matrices[0].T) * (second @ matrices[1].T)
            largest = joined.amax(-1, keepdim=True).clamp(min=1e-30)
            message = joined / largest
            total = logs_first + logs_second + largest[..., 0].log()
        return (message[:, 0, 0] @ root.exp()).log() + total[:, 0, 0]


def _scaled(pixels: Tensor) -> tuple[Tensor, Tensor]:
    largest = pixels.amax(-1, keepdim=True)
    return largest[..., 0], torch.exp(pixels - largest)


def _halves(x: Tensor, level: int) -> tuple[Tensor, Tensor]:
    """The halves of all parts of a level: left and right on even levels, upper and lower on odd ones; of [N, h, w, ...]."""
    return (x[:, 0::2], x[:, 1::2]) if level % 2 else (x[:, :, 0::2], x[:, :, 1::2])


def em_step(net: CircuitNet, patches: Tensor, rate: float, pseudo: float = 0.1) -> float:
    """One step of expectation maximisation on a batch; returns the mean log-probability of a patch before it.

    The expected count of a parameter is the derivative of the log-likelihood by its logarithm. New probabilities are a mean,
    weighted by `rate`, of the old ones and of counts plus `pseudo` in all.
    """
    with torch.enable_grad():
        logs = [x.detach().requires_grad_() for x in net.logs()]
        likelihood = net.log_prob(patches, logs).sum()
        counts = torch.autograd.grad(likelihood, logs)
    with torch.no_grad():
        for parameter, old, count in zip((net.root, net.edges, net.leaves), logs, counts, strict=True):
            count = count.clamp(min=0) + pseudo / count.shape[-1]
            new = (1 - rate) * old.exp() + rate * count / count.sum(-1, keepdim=True)
            parameter.copy_(new.clamp(min=1e-9).log())
    return float(likelihood.detach()) / len(patches)
