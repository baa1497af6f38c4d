"""Networks of the slices codec: latents in slices of channels, each in two halves, each predicted from what came before.

Means come from context modules in float. Table rows come from integers: a row for every latent from z, as in image/patch, and
for every slice and half a small network that corrects it. What that network sees of decoded symbols are scores, how much
a wider or narrower table would have been the better one for a symbol: the derivative of its bits by its row.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...entropy import ROWS, sigma
from ..blocks import gate, pointwise
from .context import Place, References, Reweight, modules
from .patch_net import PatchConfig, PatchNet, checkerboard

FINE = 4  # corrections of rows are made in this part of a row
MOST_ROW = ROWS - 1
MAGNITUDES = 256  # of symbols that scores tell apart; larger ones count as the largest
SCORE, SCORE_BOUND = 40.0, 63


@dataclass(frozen=True)
class SlicesConfig(PatchConfig):
    """Sizes of the slices codec; those of the transforms, side information and rates as in image/patch.

    Attributes:
        slices: channels of each slice; latents are ordered by energy, so that the first ones are the most important.
        modules: names of the context modules, see `context.CONTEXTS`.
        features: channels that each of these gives.
        hidden: channels of the networks that make means of them.
        row_hidden: channels of the networks that correct rows.
    """

    slices: tuple[int, ...] = (16, 16, 32, 64, 192)
    modules: tuple[str, ...] = ("channel", "local", "global", "hyper", "reweight")
    features: int = 32
    hidden: int = 96
    row_hidden: int = 64

    def __post_init__(self) -> None:
        if sum(self.slices) != self.latents:
            raise ValueError(f"slices of {sum(self.slices)} channels do not make {self.latents} latents")


class Step(NamedTuple):
    """One of the steps in which latents are coded: slice, channels of it, and 0 for its anchors or 1 for the others."""

    number: int
    channels: slice
    phase: int

    def mask(self, height: int, width: int, device: torch.device | None = None) -> Tensor:
        """Where latents are coded in this step, bool [own, height, width]: a checkerboard shifted from channel to channel."""
        half = checkerboard(torch.empty(self.channels.stop, height, width, device=device)) > 0
        return half[self.channels] != bool(self.phase)


@cache
def steps_of(slices: tuple[int, ...]) -> tuple[Step, ...]:
    """The order of coding."""
    ends = list(accumulate(slices))
    parts = [slice(end - size, end) for size, end in zip(slices, ends, strict=True)]
    return tuple(Step(number, part, phase) for number, part in enumerate(parts) for phase in (0, 1))


def score_table() -> Tensor:
    """Scores of magnitudes at rows: int8 [ROWS, MAGNITUDES], positive where the next row would have been cheaper."""
    rows = torch.arange(-1, ROWS + 1)
    scale = torch.tensor([sigma(int(row)) for row in rows], dtype=torch.float64)[:, None]
    magnitude = torch.arange(1, MAGNITUDES, dtype=torch.float64)
    near, far = (torch.special.log_ndtr((side - magnitude) / scale) for side in (0.5, -0.5))  # logarithms: no underflow
    zero = torch.erf(0.5**1.5 / scale).log()
    bits = -torch.cat((zero, near + torch.log1p(-torch.exp(far - near))), 1) / math.log(2)
    score = (bits[:-2] - bits[2:]) / 2 * SCORE
    return score.round().clamp(-SCORE_BOUND, SCORE_BOUND).to(torch.int8)


def scores(table: Tensor, rows: Tensor, residual: Tensor) -> Tensor:
    """Scores of residuals coded with table rows, integers of any type and one shape."""
    return table[rows.long(), residual.long().abs().clamp(max=MAGNITUDES - 1)]


class SliceMeans(nn.Module):
    """The means of one slice: those from z, plus what the context modules found."""

    def __init__(self, config: SlicesConfig, number: int) -> None:
        super().__init__()
        before, own = config.slices[:number], config.slices[number]
        place = Place(config.context, before, own, config.features)
        self.early = modules(config.modules, place, late=False)
        self.late = modules(config.modules, place, late=True)
        counts = [len(self.early), len(self.early) + len(self.late)]
        reweight = "reweight" in config.modules
        self.reweight = nn.ModuleList(
            Reweight(count * config.features) if reweight and count else nn.Identity() for count in counts
        )
        self.join = nn.ModuleList(
            pointwise(config.context + count * config.features, config.hidden) for count in counts
        )
        self.leave = nn.ModuleList(pointwise(config.hidden, own, zero=True) for _ in counts)

    def forward(self, phase: int, references: References, found: Tensor | None) -> tuple[Tensor, Tensor]:
        """What to add to the means of the slice, [B, own, h, w].

        Args:
            phase: 0 for anchors, 1 for the others.
            references: see there.
            found: for phase 1 the features that phase 0 gave.

        Returns:
            The addition, and the features of the modules that need no anchors.
        """
        if found is None:
            found = torch.cat([m(references) for m in self.early], 1) if len(self.early) else references.hyper[:, :0]
        features = torch.cat([found, *(m(references) for m in self.late)], 1) if phase else found
        features = torch.cat((references.hyper, self.reweight[phase](features)), 1)
        return self.leave[phase](gate(self.join[phase](features))).float(), found


class Walk:
    """The state of the float side while latents are coded: means for the next step from all residuals so far."""

    def __init__(self, net: "SlicesNet", z: Tensor) -> None:
        self.net = net
        with torch.autocast(z.device.type, enabled=False):  # first means may be large
            self.first, self.hyper = net.means.start(z)
        self.half = checkerboard(self.first)
        self.deviation = torch.zeros_like(self.first)
        self.squashed = self.deviation.clone()
        self.found: Tensor | None = None

    def means(self, step: Step) -> Tensor:
        """Means of all latents of the slice of a step, [B, own, h, w]; those of the other phase are meaningless."""
        begin, slices = step.channels.start, self.net.config.slices[: step.number]
        before = tuple(self.squashed[:, :begin].split(slices, 1)) if slices else ()
        anchors, last = None, self.half[begin - (slices[-1] if slices else 0) : begin]
        base = self.first
        if step.phase:
            anchors = self.squashed[:, step.channels]
            if "channel" in self.net.config.modules:  # the second step of image/patch, from the anchors so far
                base = self.net.means.update(self.first, self.hyper, self.deviation * self.half).float()
        references = References(self.hyper, before, anchors, last)
        addition, self.found = self.net.contexts[step.number](
            step.phase, references, self.found if step.phase else None
        )
        return base[:, step.channels] + addition

    def take(self, step: Step, means: Tensor, residual: Tensor) -> None:
        """Note the latents of a step by their means and residuals; those of the other phase are ignored."""
        half = self.half[step.channels]
        mask = 1 - half if step.phase else half
        decoded = (means + residual - self.first[:, step.channels]) * mask
        if torch.is_grad_enabled():  # what was handed out must not change
            self.deviation, self.squashed = self.deviation.clone(), self.squashed.clone()
        self.deviation[:, step.channels] += decoded
        self.squashed[:, step.channels] += torch.asinh(decoded)

    @property
    def latents(self) -> Tensor:
        """All latents taken, [B, latents, h, w]."""
        return self.first + self.deviation


class RowInputs:
    """What the networks for rows see: scores of all symbols so far and the rows from z, as integers."""

    def __init__(self, config: SlicesConfig, table: Tensor, base: Tensor) -> None:
        self.config, self.table = config, table
        self.base = base  # rows from z, integers in 1 / FINE of a row, [B, latents, h, w]
        self.scores = torch.zeros_like(base)

    def inputs(self, step: Step) -> Tensor:
        """Integers up to 63 [B, channels, h, w] for the network of a step."""
        own = (self.base[:, step.channels] + FINE // 2).div(FINE, rounding_mode="floor")
        if "channel" not in self.config.modules:
            return own
        end = step.channels.stop if step.phase else step.channels.start
        return torch.cat((self.scores[:, :end], own), 1)

    def take(self, step: Step, rows: Tensor, residual: Tensor) -> None:
        """Note residuals and the rows that they were coded with, [B, own, h, w]; those of the other phase are ignored."""
        mask = step.mask(*rows.shape[-2:], device=rows.device)
        self.scores[:, step.channels] += scores(self.table, rows, residual) * mask


def row_network(config: SlicesConfig, step: Step) -> nn.Sequential:
    """The float twin of the integer network that corrects the rows of a step."""
    own = step.channels.stop - step.channels.start
    inputs = own
    if "channel" in config.modules:
        inputs += step.channels.stop if step.phase else step.channels.start
    side = 5 if "local" in config.modules else 3
    near = nn.Conv2d(inputs, inputs, side, padding=side // 2, groups=inputs)
    with torch.no_grad():
        near.weight.mul_(0.1)
        near.weight[:, :, side // 2, side // 2] += 1 / 32
        near.bias.zero_()
    return nn.Sequential(
        near, pointwise(inputs, config.row_hidden), nn.ReLU(), pointwise(config.row_hidden, own, zero=True)
    )


class SlicesNet(PatchNet):
    """All float networks of the slices codec, and the float twins of its integer ones."""

    config: SlicesConfig

    def __init__(self, config: SlicesConfig) -> None:
        super().__init__(config)
        self.contexts = nn.ModuleList(SliceMeans(config, number) for number in range(len(config.slices)))
        self.row_networks = nn.ModuleList(row_network(config, step) for step in self.steps)
        self.register_buffer("score_table", score_table(), persistent=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The order of coding."""
        return steps_of(self.config.slices)

    def walk(self, z: Tensor) -> Walk:
        """Begin with integer z [B, side, h/2, w/2]."""
        return Walk(self, z)

    def decoded(self, z: Tensor, residual: Tensor) -> Tensor:
        """Latents of z and residuals [B, latents, h, w]."""
        walk = self.walk(z)
        for step in self.steps:
            walk.take(step, walk.means(step), residual[:, step.channels])
        return walk.latents

    def trained_rows(self, place: int, base: Tensor, inputs: Tensor) -> Tensor:
        """Fractional rows of a step by the float twins: rows from z, fractional, and the correction."""
        correction = self.row_networks[place](inputs.to(base.dtype))
        return (base + correction.float()).clamp(0, MOST_ROW)
