"""Context modules: what decoded latents and side information tell about the means of the next latents.

Every module looks at the same references and gives features at the resolution of the latents; a codec chooses some by name.
They are those of MLIC++ and MLICv2 (papers of Jiang et al.), small: latents decoded before (channel slices), a window of
attention on the anchors around a place, attention of linear cost over the whole picture between slices and within one, the
same over the side information, and channel reweighting. All are float networks: they move means, never table rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import gate, pointwise

CONTEXTS = ("channel", "local", "global", "hyper", "reweight")  # names that a configuration may list
WINDOW = 5  # places a side of the local window
HEADS = 2


@dataclass(frozen=True)
class References:
    """What a slice may look at, each [B, channels, h, w].

    Attributes:
        hyper: features of the side information.
        before: earlier slices, complete, as squashed deviations from their first means.
        anchors: the same of this slice, zero outside the anchors; None before they are decoded.
        half: 1 where the slice before this one has its anchors, [channels, h, w].
    """

    hyper: Tensor
    before: tuple[Tensor, ...]
    anchors: Tensor | None
    half: Tensor


@dataclass(frozen=True)
class Place:
    """Where a module stands.

    Attributes:
        hyper: channels of the features of the side information.
        before: channels of the earlier slices.
        own: channels of the slice.
        width: channels of each module's features.
    """

    hyper: int
    before: tuple[int, ...]
    own: int
    width: int


class ContextModule(nn.Module):
    """References to features [B, width, h, w].

    Attributes:
        name: by which a configuration asks for it.
        late: it needs the anchors of the slice.
    """

    name: ClassVar[str]
    late: ClassVar[bool]

    @staticmethod
    def fits(place: Place) -> bool:
        """Whether there is something to look at."""
        return True


def attend_everywhere(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of linear cost, softmax(Q) (softmax(K)' V): [B, C, h, w] each, heads of C / HEADS channels."""
    shape = query.shape
    query, key, value = (x.float().reshape(shape[0], HEADS, shape[1] // HEADS, -1) for x in (query, key, value))
    summary = torch.einsum("bhkn,bhvn->bhkv", key.softmax(-1), value)
    return torch.einsum("bhkn,bhkv->bhvn", query.softmax(2), summary).reshape(shape)


def _projected(inputs: int, outputs: int) -> nn.Sequential:
    """A 1x1 convolution and a depth-wise 3x3 one, as MLIC makes queries, keys and values."""
    return nn.Sequential(pointwise(inputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs))


class Slices(ContextModule):
    """Earlier slices by convolution."""

    name, late = "channel", False

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.enter = _projected(sum(place.before), 2 * place.width)
        self.leave = pointwise(2 * place.width, place.width)

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.before)

    def forward(self, references: References) -> Tensor:
        return self.leave(gate(self.enter(torch.cat(references.before, 1))))


class Anchors(ContextModule):
    """The checkerboard: anchors of the same slice by convolution."""

    name, late = "channel", True

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.enter = _projected(place.own, 2 * place.width)
        self.leave = pointwise(2 * place.width, place.width)

    def forward(self, references: References) -> Tensor:
        return self.leave(gate(self.enter(references.anchors)))


class LocalWindow(ContextModule):
    """Attention from every place to the anchors in a window around it, with rotary embedding of both coordinates.

    Projections of anchors have no bias: places without anchors, and those beyond the edge, add nothing.
    """

    name, late = "local", True

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.width = place.width
        self.query = pointwise(place.hyper + place.own, place.width)
        self.pair = nn.Conv2d(place.own, 2 * place.width, 1, bias=False)
        # Bases of the angles along y and x. MLICv2 starts both at 10,000; then they could be exchanged.
        self.log_base = nn.Parameter(torch.tensor([100.0, 10000.0]).log())
        self.leave = nn.Sequential(
            pointwise(place.width, 2 * place.width), nn.GELU(), pointwise(2 * place.width, place.width)
        )

    def forward(self, references: References) -> Tensor:
        anchors = references.anchors
        batch, _, height, width = anchors.shape
        query = self.query(torch.cat((references.hyper, anchors), 1))
        key, value = self.pair(anchors).chunk(2, 1)
        query, key = self._rotated(query), self._rotated(key)
        query = query.reshape(batch, HEADS, -1, 1, height * width)
        key, value = (
            F.unfold(x.float(), WINDOW, padding=WINDOW // 2).reshape(batch, HEADS, -1, WINDOW**2, height * width)
            for x in (key, value)
        )
        weight = ((query * key).sum(2, keepdim=True) / math.sqrt(self.width / HEADS)).softmax(3)
        found = (weight * value).sum(3).reshape(batch, self.width, height, width)
        return self.leave(found) + found

    def _rotated(self, x: Tensor) -> Tensor:
        """Pairs of channels turned by angles that grow with the place, so that products depend on differences."""
        x = x.float()
        size = self.width // HEADS
        power = torch.arange(0, size, 2, device=x.device) / size
        speed = torch.exp(-self.log_base[:, None] * power)[:, :, None, None]  # [2, size / 2, 1, 1]
        y, z = (torch.arange(n, device=x.device, dtype=torch.float32) for n in x.shape[-2:])
        angle = (y[:, None] * speed[0] + z * speed[1]).repeat(HEADS, 1, 1)
        first, second = x[:, 0::2], x[:, 1::2]
        cosine, sine = angle.cos(), angle.sin()
        return torch.stack((first * cosine - second * sine, first * sine + second * cosine), 2).flatten(1, 2)


class GlobalInter(ContextModule):
    """Where the picture looks alike in earlier slices."""

    name, late = "global", False

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.enter = _projected(sum(place.before), 3 * place.width)
        self.leave = pointwise(place.width, place.width)

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.before)

    def forward(self, references: References) -> Tensor:
        return self.leave(attend_everywhere(*self.enter(torch.cat(references.before, 1)).chunk(3, 1)))


class GlobalIntra(ContextModule):
    """Anchors of this slice, weighted by how the other places resemble theirs in the slice before."""

    name, late = "global", True

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.query = _projected(place.before[-1], place.width)
        self.key = _projected(place.before[-1], place.width)
        self.value = _projected(place.own, place.width)
        self.leave = pointwise(place.width, place.width)
        self.gated = pointwise(place.width, 2 * place.width)

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.before)

    def forward(self, references: References) -> Tensor:
        last, half = references.before[-1], references.half
        query, key = self.query(last * (1 - half)), self.key(last * half)
        found = self.leave(attend_everywhere(query, key, self.value(references.anchors)))
        part, weight = self.gated(found).chunk(2, 1)
        return found + part * torch.sigmoid(weight)


class HyperGlobal(ContextModule):
    """For the first slice, which has none before it: attention over the features of the side information."""

    name, late = "hyper", False

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.enter = _projected(place.hyper, 3 * place.width)
        self.leave = pointwise(place.width, 2 * place.width)

    @staticmethod
    def fits(place: Place) -> bool:
        return not place.before

    def forward(self, references: References) -> Tensor:
        part, weight = self.leave(attend_everywhere(*self.enter(references.hyper).chunk(3, 1))).chunk(2, 1)
        return part * torch.sigmoid(weight)


class Reweight(nn.Module):
    """Channel attention over the features of all modules, [B, channels, h, w]: how much each should take of the others.

    Queries and keys are normalised over the picture, where MLICv2 divides by the root of its area: what is trained on crops
    then holds for pictures of any size.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.heat = nn.Parameter(torch.full((1,), 8.0))
        self.leave = pointwise(channels, channels, zero=True)

    def forward(self, features: Tensor) -> Tensor:
        query, key = (F.normalize(x.float().flatten(2), dim=-1) for x in (self.query(features), features))
        weight = (query @ key.transpose(1, 2) * self.heat).softmax(-1)
        return features + self.leave((weight @ features.float().flatten(2)).view(features.shape))


MODULES: tuple[type[ContextModule], ...] = (Slices, Anchors, LocalWindow, GlobalInter, GlobalIntra, HyperGlobal)


def modules(names: Sequence[str], place: Place, late: bool) -> nn.ModuleList:
    """The modules of these names that have something to look at; with `late` those that need anchors, else the others."""
    return nn.ModuleList(m(place) for m in MODULES if m.name in names and m.late == late and m.fits(place))
