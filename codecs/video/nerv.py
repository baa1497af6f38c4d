"""The configurable decoder of the NeRV family: a stem, up-sampling stages that may be conditioned on time, and a head."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn

from .parts import (
    ACTIVATIONS,
    HEADS,
    Affine,
    EmbeddingStem,
    GridStem,
    IndexStem,
    SeparableUpBlock,
    Temporal,
    TimeCode,
    UpBlock,
    convolution,
    enlarged,
)


@dataclass(frozen=True)
class System:
    """What tells the published decoders of the family from each other; sizes stand in the Layout.

    stem: "embedding" (one of the frame's own), "index" (its number) or "grid" (positions and its number);
    hidden: layers of an "index" stem have one of `hidden` times the stem's channels between them, 0 none;
    block: "plain", "factorised" (the first stage only, the rest plain) or "separable";
    condition: "" for none, "norm" (normalise, then scale and shift by time, before a block), "temporal" (after it);
    activation: of blocks and of the time code; kernels: of the stages, the last one repeats; head: kernel of the head;
    growth: factor of the channels in the first stage, then they shrink by `decay` down to `floor`;
    cells: positions of the stem's grid aimed at; steep: all strides but the first are 2; code: channels of the time code
    at most.
    """

    stem: str = "embedding"
    hidden: int = 0
    block: str = "plain"
    condition: str = ""
    activation: str = "gelu"
    kernels: tuple[int, ...] = (1, 3, 3)
    head: int = 3
    growth: float = 1 / 1.2
    decay: float = 1.2
    floor: int = 12
    cells: int = 40
    steep: bool = False
    code: int = 32

    @property
    def timed(self) -> bool:
        """Whether frames depend on their number."""
        return self.stem != "embedding" or bool(self.condition)


@dataclass(frozen=True)
class Layout:
    """Shape of a decoder; everything that fixes the order and the shapes of its tensors.

    grid: height and width of what the stem gives; channels of the embedding (0: none); stem: channels after the stem;
    strides, kernels (odd), widths: one entry per stage (widths = channels after the pixel shuffle);
    head: kernel of the last convolution (odd); shuffle: factor by which the head enlarges.
    """

    grid: tuple[int, int]
    channels: int
    stem: int
    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    widths: tuple[int, ...]
    head: int = 3
    shuffle: int = 1
    system: System = System()

    @property
    def enlargement(self) -> int:
        """Pixels per position of the grid along one axis."""
        return self.shuffle * math.prod(self.strides)

    @cached_property
    def _plan(self) -> "tuple[list[tuple[int, ...]], int, float]":
        return _planned(self)

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the decoder's tensors in canonical order."""
        return list(self._plan[0])

    def size(self) -> int:
        """Number of values in all tensors."""
        return sum(torch.Size(shape).numel() for shape in self._plan[0])

    def activations(self) -> int:
        """Bytes that one layer takes at most for one frame: unfolded input, output and what follows, float32."""
        return self._plan[1]

    def work(self) -> float:
        """Multiply-accumulates of convolutions and linear layers for one frame."""
        return self._plan[2]


class Stage(nn.Module):
    """One up-sampling block with what conditions it."""

    def __init__(self, layout: Layout, number: int, code: int) -> None:
        super().__init__()
        system, first = layout.system, number == 0
        inputs, outputs = (layout.stem, *layout.widths)[number : number + 2]
        kernel, stride = layout.kernels[number], layout.strides[number]
        self.norm = Affine(inputs, code, True) if system.condition == "norm" else None
        if system.block == "separable":
            self.up = SeparableUpBlock(inputs, outputs, kernel, stride, system.activation)
        else:
            factorised = system.block == "factorised" and first
            self.up = UpBlock(inputs, outputs, kernel, stride, system.activation, factorised)
        self.temporal = Temporal(outputs, code) if system.condition == "temporal" else None

    def forward(self, x: Tensor, code: Tensor | None) -> Tensor:
        """[B, inputs, h, w] and the time code -> [B, outputs, h * stride, w * stride]."""
        x = self.up(x if self.norm is None else self.norm(x, code))
        return x if self.temporal is None else self.temporal(x, code)


class Decoder(nn.Module):
    """The network of a layout; its parameters in order are the tensors of a file."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        system, self.layout = layout.system, layout
        if system.stem == "embedding":
            self.stem: nn.Module = EmbeddingStem(layout.channels, layout.stem)
        elif system.stem == "index":
            self.stem = IndexStem(layout.grid, layout.stem, system.hidden * layout.stem, system.activation)
        else:
            self.stem = GridStem(layout.grid, layout.stem)
        code = max(4, min(system.code, layout.stem // 2))
        self.stages = nn.ModuleList(Stage(layout, number, code) for number in range(len(layout.strides)))
        self.head = convolution((layout.stem, *layout.widths)[-1], 3 * layout.shuffle**2, layout.head)
        self.code = TimeCode(code, system.activation) if system.condition else None
        self.activation = ACTIVATIONS[system.activation]

    def forward(self, embeddings: Tensor, times: Tensor) -> Tensor:
        """Frames float [B, 3, gh * enlargement, gw * enlargement], 0..1.

        embeddings: float [B, channels, gh, gw], or with no channels where frames follow from times (float [B], 0..1) alone.
        """
        x = self.activation(self.stem(embeddings, times))
        code = None if self.code is None else self.code(times)
        for stage in self.stages:
            x = stage(x, code)
        return 0.5 * torch.tanh(enlarged(self.head(x), self.layout.shuffle)) + 0.5

    def main(self) -> set[int]:
        """Places in `parameters()` of the matrices that carry the picture: not those of the head and of conditioning."""
        aside = (Affine, TimeCode)
        names = {
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, aside)
            for name, _ in module.named_parameters()
        }
        named = enumerate(self.named_parameters())
        return {n for n, (name, p) in named if p.dim() > 1 and name not in names and not name.startswith("head.")}


def decoder(layout: Layout, tensors: list[Tensor]) -> Decoder:
    """A decoder that uses the given tensors, in the order of `Layout.shapes`."""
    with torch.device("meta"):
        made = Decoder(layout)
    names = [name for name, _ in made.named_parameters()]
    made.load_state_dict(dict(zip(names, tensors, strict=True)), assign=True)
    return made


def initial(layout: Layout, generator: torch.Generator) -> list[Tensor]:
    """Fresh tensors in canonical order: small weights, zero biases, scales of normalisation one, conditioning without effect."""
    with torch.device("meta"):
        made = Decoder(layout)
    gains = {f"{path}.weight" for path, module in made.named_modules() if isinstance(module, nn.LayerNorm)}
    still = {
        f"{path}.{name}.weight"
        for path, module in made.named_modules()
        if isinstance(module, Affine)
        for name in ("scale", "shift")
    }
    tensors = []
    for name, parameter in made.named_parameters():
        shape = parameter.shape
        if name in gains or name in still or len(shape) == 1:
            tensors.append(torch.full(shape, float(name in gains)))
            continue
        tensors.append(torch.randn(shape, generator=generator) * (3.0 * shape[1:].numel()) ** -0.5)
    return tensors


@lru_cache(maxsize=256)
def _planned(layout: Layout) -> tuple[list[tuple[int, ...]], int, float]:
    """Shapes, bytes of the largest layer and multiply-accumulates of a decoder, without making it."""
    with torch.device("meta"):
        made = Decoder(layout)
    cells = layout.grid[0] * layout.grid[1]
    largest, work = 4 * HEADS * cells**2 if layout.system.stem == "grid" else 0, 0
    for path, module in made.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            places = cells * _share(layout, path.split("."), isinstance(module, nn.Linear))
            outputs, taps = module.weight.shape[0], module.weight[0].numel()
            largest = max(largest, 4 * places * (2 * outputs + taps))
            work += places * outputs * taps
    return [tuple(p.shape) for p in made.parameters()], largest, float(work)


def _share(layout: Layout, path: list[str], linear: bool) -> float:
    """At how many places for each cell of the stem's grid a layer computes."""
    if linear:
        everywhere = layout.system.stem == "grid" and path[0] == "stem" and not path[1].startswith("time")
        return 1 if everywhere else 1 / (layout.grid[0] * layout.grid[1])
    if path[0] == "stem":
        return 1
    if path[0] == "head":
        return math.prod(layout.strides) ** 2
    number = int(path[1])
    late = path[2] == "temporal" or path[3] in ("widen", "after")
    return math.prod(layout.strides[: number + late]) ** 2
