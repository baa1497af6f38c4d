"""Bits of a grid of image/overfit and their gradients, computed together, chunk by chunk in the cache; synthesis likewise.

The library's automatic gradient would write every activation of every pixel to memory and read it back; here a chunk is
taken forward and backward at once, which is several times faster on a CPU.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .overfit_net import REACH, TAPS

CHUNK = 1 << 14  # places at a time
LOWEST, OCTAVES = -4.5, 12  # log2 of the smallest Laplace scale; range of the scales
LEAST = 2.0**-60  # probability below which the estimate does not go
LOG2 = math.log(2)


def contexts(padded: Tensor, taps: int, out: Tensor) -> None:
    """Copy the causal neighbours of blocks [n, rows + 3, columns + 6] into `out` [taps, n, rows, columns]."""
    rows, columns = out.shape[-2:]
    for number, (down, across) in enumerate(TAPS[:taps]):
        part = padded[:, REACH + down : REACH + down + rows, REACH + across : REACH + across + columns]
        out[number].copy_(part)


def _pieces(n: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Blocks and rows of about CHUNK places: several small blocks, or some rows of a large one."""
    several, high = max(1, CHUNK // (rows * columns)), max(1, CHUNK // columns)
    for number in range(0, n, several):
        for row in range(0, rows, high):
            yield slice(number, min(n, number + several)), slice(row, min(rows, row + high))


def laplace_bits(value: Tensor, mean: Tensor, octave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bits of rounded values under Laplace distributions, their slopes along the value and along log2 of the scale."""
    inverse = torch.exp2(-octave)
    offset = value - mean
    distance = offset.abs()
    near = (distance - 0.5) * inverse
    outer = torch.exp(-(distance + 0.5) * inverse)
    inner = torch.exp(-near.abs())
    inside = near < 0
    # Half the mass between both ends: a difference outside the centre, what both tails leave inside.
    mass = torch.where(inside, 2 - outer - inner, inner - outer).clamp_(min=2 * LEAST)
    slope = (outer - inner) * inverse
    spread = (distance + 0.5) * inverse * outer
    spread -= near * inner
    bits = 1 - torch.log2(mass)
    slope = -slope / mass / LOG2 * offset.sign()
    return bits, slope, spread / mass


def layers(flat: Tensor, level: int, first: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Both hidden layers, outputs [2, n] and log2 of the scale within its limits, of what the entropy network sees, [inputs, n].

    first: w1 and v below each other; weights: the "arm" tensors.
    """
    _, w2, w3, _, b1, b2, b3 = weights
    both = first @ flat
    h1 = both[:-2].add_(b1[level][:, None]).relu_()
    h2 = (w2 @ h1).add_(b2[:, None]).relu_()
    out = torch.addmm(both[-2:], w3, h2).add_(b3[level][:, None])
    return h1, h2, out, out[1].clamp(LOWEST, LOWEST + OCTAVES)


def _slopes(
    g: Tensor, inside: tuple[Tensor, ...], weights: tuple[Tensor, ...], slopes: list[Tensor], level: int
) -> Tensor:
    """Add the gradients of the weights to `slopes`, given that of the outputs [2, n]; gives that of the inputs."""
    (flat, h1, h2), (first, w2, w3) = inside, weights
    g2 = torch.ops.aten.threshold_backward(w3.t() @ g, h2, 0)
    g1 = torch.ops.aten.threshold_backward(w2.t() @ g2, h1, 0)
    gathered = torch.cat((g1, g))
    joint = gathered @ flat.t()
    for slot, value in zip(slopes, (joint[:-2], g2 @ h1.t(), g @ h2.t(), joint[-2:]), strict=False):
        slot += value
    slopes[4][level] += g1.sum(1)
    slopes[5] += g2.sum(1)
    slopes[6][level] += g.sum(1)
    return first.t() @ gathered


def _scatter(gx: Tensor, slope: Tensor, target: Tensor) -> None:
    """Add gradients of the neighbours [taps, n, rows, columns] and of the places themselves to padded blocks."""
    rows, columns = slope.shape[-2:]
    target[:, REACH:, REACH:-REACH] += slope
    for part, (down, across) in zip(gx, TAPS, strict=False):
        place = target[:, REACH + down : REACH + down + rows, REACH + across : REACH + across + columns]
        place += part


class GridBits(torch.autograd.Function):
    """Bits of the blocks of one grid under the entropy network, with gradients for grid, features and network."""

    @staticmethod
    def forward(
        ctx: object, blocks: Tensor, seen: Tensor, valid: Tensor | None, level: int, learn: bool, *weights: Tensor
    ) -> Tensor:
        """Args: float [n, rows, columns], [FEATURES, n, rows, columns], bool [n, rows, columns], and the "arm" tensors."""
        w1, w2, w3, v = weights[:4]
        taps, (n, rows, columns) = w1.shape[1] - len(seen), blocks.shape
        padded = blocks.new_zeros(n, rows + REACH, columns + 2 * REACH)
        padded[:, REACH:, REACH:-REACH] = blocks
        slopes = [torch.zeros_like(w) for w in weights] if learn else []
        back, back_seen = (torch.zeros_like(padded), torch.empty_like(seen)) if learn else (None, None)
        total, first = 0.0, torch.cat((w1, v))
        for part, strip in _pieces(n, rows, columns):
            around = slice(strip.start, strip.stop + REACH)
            now = blocks[part, strip]
            x = blocks.new_empty(len(w1[0]), *now.shape)
            contexts(padded[part, around], taps, x[:taps])
            x[taps:].copy_(seen[:, part, strip])
            flat = x.view(len(x), -1)
            h1, h2, out, octave = layers(flat, level, first, weights)
            bits, slope, spread = laplace_bits(now.reshape(-1), out[0], octave)
            if valid is not None:
                keep = valid[part, strip].reshape(-1)
                bits, slope, spread = bits * keep, slope * keep, spread * keep
            total += float(bits.sum())
            if not learn:
                continue
            # A scale at its limit moves only back inside.
            spread.mul_(~(((out[1] > octave) & (spread < 0)) | ((out[1] < octave) & (spread > 0))))
            gx = _slopes(torch.stack((-slope, spread)), (flat, h1, h2), (first, w2, w3), slopes, level).view_as(x)
            back_seen[:, part, strip] = gx[taps:]
            _scatter(gx[:taps], slope.view(now.shape), back[part, around])
        if learn:
            ctx.save_for_backward(back[:, REACH:, REACH:-REACH], back_seen, *slopes)
        return blocks.new_tensor(total)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple:
        back, seen, *slopes = (slope * gradient for slope in ctx.saved_tensors)
        return back, seen, None, None, None, *slopes


class Mix(torch.autograd.Function):
    """The part of the synthesis that sees single pixels: w2 relu(w1 x + b1) + v x + b2, float [n, GRIDS] to [n, 3]."""

    @staticmethod
    def forward(ctx: object, x: Tensor, w1: Tensor, w2: Tensor, v: Tensor, b1: Tensor, b2: Tensor) -> Tensor:
        ctx.save_for_backward(x, w1, w2, v, b1)
        out, width = x.new_empty(len(x), len(v)), len(w1)
        first, bias = torch.cat((w1, v)), torch.cat((b1, b2))[:, None]
        for at in range(0, len(x), CHUNK):  # channels first: products with so few of them are much faster
            both = torch.addmm(bias, first, x[at : at + CHUNK].t().contiguous())
            out[at : at + CHUNK] = torch.addmm(both[width:], w2, both[:width].relu_()).t()
        return out

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple:
        x, w1, w2, v, b1 = ctx.saved_tensors
        both, width = torch.cat((w1, v)), len(w1)
        joint, slope2, sums = torch.zeros_like(both), torch.zeros_like(w2), x.new_zeros(len(both))
        back, across, down = torch.empty_like(x), w2.t().contiguous(), both.t().contiguous()
        for at in range(0, len(x), CHUNK):
            part, g = (whole[at : at + CHUNK].t().contiguous() for whole in (x, gradient))
            hidden = torch.addmm(b1[:, None], w1, part).relu_()
            slope2 += g @ hidden.t()
            gathered = torch.cat((torch.ops.aten.threshold_backward(across @ g, hidden, 0), g))
            sums += gathered.sum(1)
            joint += gathered @ part.t()
            back[at : at + CHUNK] = (down @ gathered).t()
        return back, joint[:width], slope2, joint[width:], sums[:width], sums[width:]
