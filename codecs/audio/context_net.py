"""The float twin of a context model of codes: trained on codes, then frozen into integers."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..freezing import Residual, fake_quantise, freeze
from .context import ASIDE, BIAS, FINE, PAST, STEP, UNIT, CodeContext, beside, whole

LARGEST = 2047  # integer codewords, features and outputs
ENTRIES, LARGEST_ENTRY = 16, 127  # vectors of entries are in units of 1 / ENTRIES and fit int8, like the biases


@dataclass(frozen=True)
class ContextConfig:
    """Sizes: features of a frame, hidden layers, numbers that entries are compared by; `pace` as in `CodeContext`."""

    pace: int = 1
    features: int = 128
    width: int = 128
    entry_width: int = 96
    rank: int = 48


class ContextNet(nn.Module):
    """See `CodeContext`, of which this is the float form.

    Args:
        words: float [books, size, dim], codewords.
        planes: of side information.
        config: sizes.
    """

    def __init__(self, words: Tensor, planes: int, config: ContextConfig) -> None:
        super().__init__()
        c, (books, size, dim) = config, words.shape
        self.pace, largest = c.pace, float(words.abs().max())
        self.exponent = math.floor(math.log2(LARGEST / largest))
        words = torch.from_numpy(whole(words.numpy(force=True), self.exponent)).float()
        self.register_buffer("words", words, persistent=False)
        self.scale = float(words[0].square().mean().sqrt())  # integers in it are of about unit size
        self.sums = nn.Sequential(nn.Linear(dim, c.features), nn.ReLU())
        self.entries = nn.Sequential(nn.Linear(dim, c.entry_width), nn.ReLU(), nn.Linear(c.entry_width, c.rank))
        inputs = (PAST + 1) * c.features + len(ASIDE) * planes + books
        self.mix = nn.Sequential(
            nn.Linear(inputs, c.width),
            nn.ReLU(),
            Residual(nn.Linear(c.width, c.width), nn.ReLU()),
            nn.Linear(c.width, c.rank),
        )
        self.bias = nn.Parameter(torch.zeros(books, size))
        nn.init.zeros_(self.mix[-1].weight)
        nn.init.zeros_(self.mix[-1].bias)
        fake_quantise(self)

    def features(self, used: Tensor, codes: Tensor) -> Tensor:
        """Features of frames with their first 0, 1, ... codebooks: [books + 1, n, frame, features]."""
        books = len(self.words)
        live = used > torch.arange(books).view(-1, 1, 1)
        words = torch.stack([table[row] for table, row in zip(self.words, codes, strict=True)]) * live.unsqueeze(-1)
        sums = functional.pad(words.cumsum(0), (0, 0, 0, 0, 0, 0, 1, 0))
        return self.sums(sums / self.scale)

    def inputs(self, used: Tensor, aside: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """What `mix` is given for all places, [places, inputs], and book, sequence and frame of these, [3, places].

        used: int64 [n, frame]; aside: int64 [planes, n, frame]; codes: int64 [books, n, frame].
        """
        books = len(self.words)
        book, row, frame = places = (used > torch.arange(books).view(-1, 1, 1)).nonzero().T
        padded = functional.pad(self.features(used, codes), (0, 0, PAST, 0))
        padded[:, :, :PAST] = self.sums(torch.zeros(1, self.words.shape[2]))
        known = [
            padded[(book + self.pace * back).clamp(max=books), row, frame + PAST - back] for back in range(PAST + 1)
        ]
        side = torch.from_numpy(beside(aside.numpy())).float().permute(1, 2, 0) / UNIT
        return torch.cat((*known, side[row, frame], functional.one_hot(book, books)), 1), places

    def nats(self, used: Tensor, aside: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Code length of each codebook in all, float [books], and how many codes that is; arguments as for `inputs`."""
        inputs, (book, row, frame) = self.inputs(used, aside, codes)
        vectors, entries = self.mix(inputs), self.entries(self.words / self.scale)
        counts = torch.bincount(book, minlength=len(self.words))
        lengths = [
            functional.cross_entropy((part @ table.T + bias).float(), true, reduction="sum")
            for part, table, bias, true in zip(
                vectors.split(counts.tolist()),
                entries,
                self.bias,
                codes[book, row, frame].split(counts.tolist()),
                strict=True,
            )
        ]
        return torch.stack(lengths), counts

    @torch.no_grad()
    def count(self, used: Tensor, codes: Tensor) -> None:
        """Start the biases at the frequencies of the codes."""
        for book, row in enumerate(codes):
            seen = torch.bincount(row[used > book], minlength=self.bias.shape[1]) + 1.0
            self.bias[book] = (seen / seen.sum()).log() + math.log(len(seen))

    @torch.no_grad()
    def frozen(self, used: Tensor, aside: Tensor, codes: Tensor) -> CodeContext:
        """The integer context; the arguments, as for `inputs`, are for calibration."""
        entries = self.words.flatten(0, 1)
        spread = self.entries(entries / self.scale).abs().amax(0).clamp(min=1e-6) * (ENTRIES / LARGEST_ENTRY)
        inputs, (book, row, frame) = self.inputs(used, aside, codes)
        drawn = self.words[book, codes[book, row, frame]]
        reach = int(self.words.abs().amax(1).sum(0).max())
        return CodeContext(
            self.exponent,
            self.pace,
            self.words.double().numpy(),
            freeze(scaled(self.sums, 1 / self.scale), drawn, low=0, high=LARGEST, resolution=UNIT, input_bound=reach),
            freeze(
                scaled(self.entries, 1 / self.scale, 1 / spread),
                entries,
                low=-LARGEST_ENTRY,
                high=LARGEST_ENTRY,
                resolution=ENTRIES,
            ),
            freeze(
                scaled(self.mix, 1 / UNIT, spread),
                (inputs * UNIT).round().clamp(-LARGEST, LARGEST),
                low=-LARGEST,
                high=LARGEST,
                resolution=(1 << STEP + FINE) // ENTRIES,
                input_bound=LARGEST,
            ),
            (self.bias * (1 << BIAS)).round().clamp(-LARGEST_ENTRY, LARGEST_ENTRY).to(torch.int8).numpy(),
        )


def scaled(layers: nn.Sequential, inputs: float, outputs: Tensor | None = None) -> nn.Sequential:
    """The same layers for inputs that are 1 / `inputs` times as large, the outputs multiplied by `outputs`, float [outputs]."""
    parts = list(layers)
    first, last = linear(parts[0].weight * inputs, parts[0].bias), parts[-1]
    if outputs is None:
        return nn.Sequential(first, *parts[1:])
    return nn.Sequential(first, *parts[1:-1], linear(last.weight * outputs.unsqueeze(1), last.bias * outputs))


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer of these tensors."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer
