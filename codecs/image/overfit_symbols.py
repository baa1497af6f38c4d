"""The integers of image/overfit: the entropy network in exact arithmetic, the order of the latents, weights as levels."""

from dataclasses import dataclass

import numpy as np
import torch

from ...bitstream import Weights
from ...bitstream.errors import Malformed
from ...entropy import Coder, Network, uniform
from ...entropy.network import Affine
from ...entropy.shifted import FRACTIONS, SCALES, code_shifted
from ...entropy.wavefront import contexts, visit
from ...entropy.weights import decode_levels, encode_levels
from .alpha import traverse_alpha
from .overfit_fit import GROUPS
from .overfit_net import BLOCK, GRIDS, SLOPE, TAPS, Layout, cut, features, sizes, to_blocks
from .overfit_rate import LOWEST, OCTAVES

BOUND = 127  # largest magnitude of a latent as the context of others
UNIT = 8  # weights, biases and activations of the entropy network are multiples of 2^-8
MOST = (1 << 16) - 1  # largest activation in these units
MEANS = 1 << 11  # largest magnitude of a mean


class Arm:
    """The entropy network of one grid, frozen from the weights that the file carries.

    weights: the "arm" tensors, integers in units of 2^-8. Raises Malformed where a sum could not be exact.
    """

    def __init__(self, weights: dict[str, np.ndarray], level: int) -> None:
        w1, w2, w3, v = (weights[f"arm.{name}"] for name in ("w1", "w2", "w3", "v"))
        b1, b2, b3 = weights["arm.b1"][level], weights["arm.b2"], weights["arm.b3"][level]
        ones, half = np.ones(len(w1), np.int64), 1 << (UNIT - 1)
        scale = np.array([FRACTIONS, SCALES // OCTAVES])
        shift = 2 * UNIT
        offset = np.array([0, round(-LOWEST * SCALES / OCTAVES)]) << shift
        bias = (b3 * scale << UNIT) + offset + (1 << (shift - 1))
        try:
            # The first layer adds whole multiples of 2^-8 only: nothing is rounded.
            first = Affine(w1, ones << UNIT, b1 << UNIT, 0, MOST, UNIT)
            second = Affine(w2, ones, (b2 << UNIT) + half, 0, MOST, UNIT)
            self.hidden = Network((first, second), BOUND)
            last = Affine(np.concatenate((w3, v), 1), scale, bias, -MEANS * FRACTIONS, MEANS * FRACTIONS, shift)
            self.head = Network((last,), max(MOST, BOUND << UNIT))
        except OverflowError as error:
            raise Malformed(f"the entropy network of the picture cannot be computed exactly: {error}") from error

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means in units of 1/16 and rows of scales, int64 [n], from contexts [inputs, n]."""
        x = np.clip(x, -BOUND, BOUND)
        out = self.head(np.concatenate((self.hidden(x), x * (1 << UNIT)))).astype(np.int64)
        return out[0], np.clip(out[1], 0, SCALES - 1)


@dataclass(frozen=True)
class Symbols:
    """Latent grids int32 [h, w], finest first, and alpha uint8 [height, width] or None."""

    grids: list[np.ndarray]
    alpha: np.ndarray | None


def traverse(
    coder: Coder,
    size: tuple[int, int],
    layout: Layout,
    weights: dict[str, np.ndarray],
    alpha: bool,
    symbols: Symbols | None = None,
    block: int = BLOCK,
) -> Symbols:
    """The order of the symbols of a picture of `size` (height, width): which grids are empty, the grids, alpha.

    weights: the "arm" tensors as integers in units of 2^-8; block: largest side of the blocks.
    """
    shapes, known = sizes(*size), symbols and symbols.grids
    filled = coder.code(known and np.array([int(grid.any()) for grid in known]), uniform(2).at(0, (GRIDS,)))
    grids = [np.zeros(shape, dtype=np.int32) for shape in shapes]
    for level in range(GRIDS - 1, -1, -1):
        if filled[level]:
            seen = features([torch.from_numpy(grid.astype(np.float32))[None] for grid in grids], level)
            arm = Arm(weights, level)
            grids[level] = _grid(coder, arm, layout.taps, seen, known and known[level], block)
    plane = traverse_alpha(coder, size, symbols and symbols.alpha) if alpha else None
    return Symbols(grids, plane)


def _grid(coder: Coder, arm: Arm, taps: int, seen: torch.Tensor, grid: np.ndarray | None, block: int) -> np.ndarray:
    """Code one grid. Where it is known, the entropy network sees all contexts at once; the order is the same."""
    height, width = seen.shape[2:]
    valid = to_blocks(torch.ones(1, height, width), block=block)[0].numpy() > 0
    extra = to_blocks(seen, block=block)[:, 0].numpy()
    if grid is None:

        def step(context: np.ndarray, _: None) -> np.ndarray:
            return code_shifted(coder, *arm(context))

        return _whole(visit(valid.shape, TAPS[:taps], SLOPE, step, extra, valid), height, width, block)
    blocks = to_blocks(torch.from_numpy(grid)[None], block=block)[0].numpy()
    around = np.concatenate((contexts(blocks, TAPS[:taps]), extra)).reshape(taps + len(extra), -1)
    outputs = np.stack(arm(around)).reshape(2, *valid.shape)

    def write(output: np.ndarray, now: np.ndarray) -> np.ndarray:
        mean, scale = output.astype(np.int64)
        return code_shifted(coder, mean, scale, now.astype(np.int32))

    return _whole(visit(valid.shape, (), SLOPE, write, outputs, valid, blocks), height, width, block)


def _whole(blocks: np.ndarray, height: int, width: int, block: int) -> np.ndarray:
    """The inverse of `to_blocks`: [h, w] of [blocks, rows, columns]."""
    down, across = cut(height, block)[0], cut(width, block)[0]
    whole = blocks.reshape(down, across, *blocks.shape[1:]).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(whole.reshape(down * blocks.shape[1], -1)[:height, :width])


def parts(layout: Layout) -> list[list[str]]:
    """Names of the tensors in each group of weights."""
    names = layout.shapes()
    return [[name for name in names if name.startswith(group)] for group in GROUPS]


def pack(levels: dict[str, np.ndarray], exponents: list[int], layout: Layout, track: int) -> Weights:
    """The W chunk of levels; exponents: one for each group."""
    joined = [np.concatenate([levels[name].reshape(-1) for name in names]) for names in parts(layout)]
    groups, body, check = encode_levels(joined, exponents)
    return Weights(track, False, groups, body, check)


def unpack(item: Weights, layout: Layout) -> tuple[dict[str, np.ndarray], list[int]]:
    """The inverse of `pack`; raises Malformed, Damaged or SymbolMismatch."""
    shapes, groups = layout.shapes(), parts(layout)
    counts = [sum(int(np.prod(shapes[name])) for name in names) for names in groups]
    if item.difference:
        raise Malformed("weights of a picture are never a difference to others of the file")
    joined = decode_levels(item.groups, item.body, item.check, [(count,) for count in counts])
    exponents, levels = [group.exponent for group in item.groups], {}
    if not all(-20 <= exponent <= 4 for exponent in exponents) or min(exponents[:2]) < -UNIT:
        raise Malformed("weights of a picture have an impossible step")
    for names, values in zip(groups, joined, strict=True):
        ends = np.cumsum([int(np.prod(shapes[name])) for name in names])[:-1]
        levels |= {name: part.reshape(shapes[name]) for name, part in zip(names, np.split(values, ends), strict=True)}
    return levels, exponents


def combined(
    levels: dict[str, np.ndarray], exponents: list[int], origin: dict[str, np.ndarray], layout: Layout
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The networks: "arm" tensors as integers in units of 2^-8, all tensors as float32.

    origin: what the levels are differences to, float64; the "arm" tensors are multiples of 2^-8.
    """
    integers, floats = {}, {}
    for names, exponent in zip(parts(layout), exponents, strict=True):
        for name in names:
            value = origin[name] + np.ldexp(levels[name].astype(np.float64), exponent)
            floats[name] = value.astype(np.float32)
            if name.startswith("arm"):
                integers[name] = np.rint(value * (1 << UNIT)).astype(np.int64)
    return integers, floats
