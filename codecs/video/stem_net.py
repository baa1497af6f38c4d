"""Networks of the temporal entropy model: what decoded latents of earlier frames tell about those of a frame.

Means come from a float network. Table rows come from integers alone, as in image/slices: those of the frame before, how
well they fitted the symbols coded with them (scores), a little side information, and the first half of the frame itself.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import DepthConvBlock, gate, pointwise
from ..image.patch_net import LOG_MIN, LOG_STEP, Analysis, HyperAnalysis, PatchConfig, PatchNet
from ..image.slices_net import FINE, MOST_ROW, SCORE_BOUND, score_table

SCALE = 32.0  # rows and scores are about this large
KEPT = 1.0  # logit of the share of a latent that the next frame is expected to keep, before training
TYPICAL, SLOPE = 0.53, 0.42  # mean of log(1 + |x|) of a unit Gaussian, and how it grows with the logarithm of its scale
FINENESS = 4.0  # of side information about that mean
COARSE = 40, 88  # rate indices up to which its step is 3 and below which it is 2: where less is sent, it tells less


@dataclass(frozen=True)
class StemConfig(PatchConfig):
    """Sizes of the film codec; those of decoder, side information and rates of single frames as in image/patch.

    Attributes:
        encoder_width, encoder_blocks: of the analysis, which imitates that of image/patch.
        change: components of the side information of a predicted frame per 32x32 patch.
        change_hidden: channels of the network that finds it.
        row_hidden: channels of the networks for table rows.
    """

    encoder_blocks: int = 1
    encoder_width: int = 96
    change: int = 24
    change_hidden: int = 64
    row_hidden: int = 64


class Forecast(nn.Module):
    """Means of latents from the two frames before, then from side information as well."""

    def __init__(self, config: StemConfig) -> None:
        super().__init__()
        self.low, width = config.neighbours, config.context
        self.enter = pointwise(2 * config.latents, width)
        self.block = DepthConvBlock(width, 2.0)
        self.keep = pointwise(width, config.latents, zero=True)
        nn.init.constant_(self.keep.bias, KEPT)
        self.add = pointwise(width, config.latents, zero=True)
        self.near = nn.Conv2d(self.low, self.low, 3, padding=1, bias=False)
        nn.init.zeros_(self.near.weight)
        self.spread = pointwise(config.change, 4 * width)
        self.first = pointwise(width, config.latents, zero=True)

    def past(self, last: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Means [B, latents, h, w] and features [B, context, h, w] from the latents of the last frame and that before it."""
        features = self.block(self.enter(torch.cat((torch.asinh(last), torch.asinh(last - before)), 1)))
        active = gate(features)
        near = F.pad(self.near(last[:, : self.low]), (0, 0, 0, 0, 0, last.shape[1] - self.low))
        return last * torch.sigmoid(self.keep(active)) + self.add(active) + near, features

    def change(self, means: Tensor, features: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The same when the side information z [B, change, h/2, w/2] is known."""
        features = features + F.pixel_shuffle(self.spread(torch.asinh(z)), 2)
        return means + self.first(gate(features)), features


def row_network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """The float twin of an integer network that corrects rows: scaling, channels, space, channels."""
    scaling = nn.Conv2d(inputs, inputs, 1, groups=inputs)
    nn.init.constant_(scaling.weight, 1 / SCALE)
    nn.init.zeros_(scaling.bias)
    space = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
    with torch.no_grad():
        space.weight[:, :, 1, 1] += 1.0
    leave = pointwise(hidden, outputs, zero=True)
    return nn.Sequential(scaling, pointwise(inputs, hidden), nn.ReLU(), space, nn.ReLU(), leave)


class StemNet(PatchNet):
    """All float networks of the film codec, and the float twins of its integer ones."""

    config: StemConfig

    def __init__(self, config: StemConfig) -> None:
        super().__init__(config)
        self.analysis = Analysis(replace(config, width=config.encoder_width))
        self.forecast = Forecast(config)
        self.changes = HyperAnalysis(replace(config, side=config.change, signed=0, context=config.change_hidden))
        self.change_mean = nn.Parameter(torch.zeros(config.points, config.change))
        self.change_log_scale = nn.Parameter(torch.zeros(config.points, config.change))
        self.row_past = row_network(2 * config.latents + 2, config.row_hidden, config.latents)
        self.row_change = nn.Sequential(nn.Conv2d(config.change, 4 * config.latents, 1))
        self.row_near = row_network(2 * config.latents, config.row_hidden, config.latents)
        self.register_buffer("score_table", score_table(), persistent=False)
        self._start_changes()

    @torch.no_grad()
    def _start_changes(self) -> None:
        """Side information begins as how much larger than expected the errors are in bands of latents."""
        config, project, head = self.config, self.changes.project, self.row_change[0]
        ends = torch.linspace(0, config.latents**0.5, config.change + 1).square().round().long()
        band = torch.bucketize(torch.arange(config.latents), ends[1:-1], right=True)
        members = F.one_hot(band, config.change).float()
        project.weight.copy_((members / members.sum(0).clamp(min=1)).T[:, :, None, None] * FINENESS)
        project.bias.fill_(-TYPICAL * FINENESS)
        step = 1 / (FINENESS * SLOPE * LOG_STEP)
        head.weight.copy_(members.repeat_interleave(4, 0)[:, :, None, None] * step)
        head.bias.zero_()

    def change(self, y: Tensor, means: Tensor, rows: Tensor) -> Tensor:
        """Unrounded side information of latents, relative to the means and rows that the past lets expect."""
        return self.changes((y - means) * torch.exp(-LOG_MIN - LOG_STEP * rows))


def past_inputs(rows: Tensor, found: Tensor, still: Tensor, rate: Tensor) -> Tensor:
    """What the network for rows from the past sees, whole numbers up to 63, [B, 2 * latents + 2, h, w].

    Args:
        rows: of the last frame, in 1 / FINE of a row.
        found: scores of its symbols.
        still: [B], 1 where that frame was coded alone.
        rate: [B], where in the range of rates, 0 .. 63.
    """
    constant = torch.stack((still * SCORE_BOUND, rate), 1)[:, :, None, None]
    return torch.cat((whole(rows), found, constant.expand(-1, -1, *rows.shape[-2:]).to(rows.dtype)), 1)


def near_inputs(rows: Tensor, found: Tensor) -> Tensor:
    """What the network for rows of the second half sees: rows so far, and scores of the first half, zero elsewhere."""
    return torch.cat((whole(rows), found), 1)


def side_step(index: Any) -> Any:
    """Step of the side information of predicted frames at rate indices, numbers or tensors: 3, 2 or 1."""
    return 1 + (index <= COARSE[0]) + (index < COARSE[1])


def whole(rows: Tensor) -> Tensor:
    """Rows in 1 / FINE to whole ones."""
    return (rows + FINE // 2).div(FINE, rounding_mode="floor").clamp(0, MOST_ROW)
