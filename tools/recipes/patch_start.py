"""The start of image/patch from linear algebra: an adaptive transform codec before the first training step."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ...codecs.image.patch_net import LOG_MIN, LOG_STEP, PATCH, PatchNet, checkerboard, weight_of

SIDE_STEP = 1.5  # quantiser step of the log-energy components
RIDGE = 1.0
LOG_GAUSS = 0.635  # minus the mean of log |N(0, 1)|


def components(vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and leading principal components of vectors [n, d]: [d], [count, d] orthonormal."""
    mean = vectors.mean(0)
    centred = (vectors - mean).double()
    _, axes = torch.linalg.eigh(centred.T @ centred / len(vectors))
    return mean, axes.flip(1)[:, :count].T.float()


def ridge(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Linear map [out, in] and offset [out] that predict outputs [n, out] from inputs [n, in]."""
    inputs, outputs = inputs.double(), outputs.double()
    mean_in, mean_out = inputs.mean(0), outputs.mean(0)
    x, y = inputs - mean_in, outputs - mean_out
    gram = x.T @ x + RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(gram, x.T @ y).T
    return weight.float(), (mean_out - weight @ mean_in).float()


def _rows(x: Tensor) -> Tensor:
    """[B, C, h, w] to vectors [B h w, C]."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


@torch.no_grad()
def start_net(net: PatchNet, crops: Tensor, generator: Generator) -> None:
    """Set the linear parts of a fresh network from training crops, uint8 [n, 3, H, W]; networks stay at zero effect."""
    config = net.config
    pixels = crops.float() - 127.5
    patches = F.pixel_unshuffle(pixels, PATCH)
    _, basis = components(_rows(patches), config.latents)
    net.analysis.transform.weight.copy_(basis[:, :, None, None])
    net.synthesis.transform.weight.copy_(basis.T[:, :, None, None])
    # The step that is optimal at high rate for bits + lambda * error: sqrt(6 / (lambda ln 2)) grey levels.
    points = torch.arange(config.points, dtype=torch.float32)
    gain = torch.sqrt(weight_of(config, points) * math.log(2) / 6)
    net.log_gain.copy_(gain.log()[:, None].expand_as(net.log_gain))
    y = torch.cat([net.analysis.transform(part) for part in patches.split(64)])
    point = torch.rand(len(y), generator=generator) * (config.points - 1)
    y = y * net.gain(point)
    _start_side(net, y)
    z = torch.cat([net.hyper(part) for part in y.split(64)]).round().clamp(-127, 127)
    nearest = point.round().long()
    for number in range(config.points):
        chosen = z[nearest == number]
        net.side_mean[number] = chosen.mean((0, 2, 3))
        net.side_log_scale[number] = chosen.std((0, 2, 3)).clamp(min=0.2).log()
    _start_rows(net, y, z, generator)


def _start_side(net: PatchNet, y: Tensor) -> None:
    """Log-energies pooled over 2x2 positions, their principal components in steps of SIDE_STEP."""
    energy = _rows(F.avg_pool2d(torch.log1p(y.abs()), 2))
    mean, axes = components(energy, net.config.side - net.config.signed)
    net.hyper.project.weight.copy_((axes / SIDE_STEP)[:, :, None, None])
    net.hyper.project.bias.copy_(-(axes @ mean) / SIDE_STEP)


def _start_rows(net: PatchNet, y: Tensor, z: Tensor, generator: Generator) -> None:
    """Means from z, means of the second half from its decoded neighbours, then scales of what is left: three ridges."""
    wide = _rows(F.interpolate(z, scale_factor=2, mode="nearest"))
    weight, offset = ridge(wide, _rows(y))
    weight[:, net.config.signed :] = 0.0  # energies tell nothing about signs: keep the map sparse and the noise out
    net.means.linear.weight.copy_(weight[:, :, None, None])
    net.means.linear.bias.copy_(offset)
    first = torch.cat([net.means.start(part)[0] for part in z.split(64)])
    half = checkerboard(y)
    residual = (y - first).round() * half
    low = net.config.neighbours
    near = F.unfold(residual[:, :low], 3, padding=1).transpose(1, 2).reshape(-1, 9 * low)
    wanted = _rows((y - first)[:, :low])
    second = _rows((1 - half).expand_as(y)[:, :low])
    for channel in range(low):
        chosen = second[:, channel] > 0
        kernel, _ = ridge(near[chosen], wanted[chosen, channel : channel + 1])
        net.means.near.weight[channel] = kernel.reshape(low, 3, 3)
    means = torch.cat(
        [
            net.means.update(f, torch.zeros(len(f), net.config.context, *f.shape[2:]), r)
            for f, r in zip(first.split(64), residual.split(64), strict=True)
        ]
    )
    left = _rows(y - (first * half + means * (1 - half)))
    noise = torch.rand(left.shape, generator=generator) - 0.5
    weight, offset = ridge(wide, (left + noise).abs().clamp(min=1e-4).log() + LOG_GAUSS)
    net.head.weight.copy_((weight / LOG_STEP).repeat_interleave(4, 0))
    net.head.bias.copy_(((offset - LOG_MIN) / LOG_STEP).repeat_interleave(4)[None].expand_as(net.head.bias))
