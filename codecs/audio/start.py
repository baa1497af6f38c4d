"""The start of audio/mdct-rvq from linear algebra: weights, principal components and k-means, no training steps."""

import torch
from torch import Tensor

from .mdct_rvq_net import MdctRvqNet, raised

AUDIBLE = 12  # frames below this level (about -67 dB) teach nothing


@torch.no_grad()
def start(net: MdctRvqNet, samples: Tensor, rounds: int, per_step: int, generator: torch.Generator) -> None:
    """Make an untrained network a working codec.

    samples: float [batch, samples], training signals; rounds: of k-means; per_step: frames in a training step.
    """
    cosine = net.mdct.analyse(net.mdct.frames(samples))[0].flatten(0, 1)
    cosine = raised(cosine, net.config.power)
    weight = cosine.abs().mean(0).clamp(min=1e-7).rsqrt()
    if net.config.bands:
        weight *= ear(net.config.hop, net.config.rate)
    # The scale keeps levels near the decibels of the signal: weighted and plain size agree on the whole.
    weight *= (cosine.square().mean() / (cosine * weight).square().mean()).sqrt()
    net.weight.copy_(weight)
    levels, shapes, sines = net.spectrum(net.mdct.frames(samples))
    heard = levels >= AUDIBLE
    shapes, sines = shapes[heard], sines[heard]
    values, vectors = torch.linalg.eigh((shapes.T @ shapes / len(shapes)).double())
    components = vectors[:, -net.signed :].flip(1).float()
    # One common scale leaves Euclidean distance what it is in the spectrum; the first latents get unit power.
    scale = float(values[-net.signed :].mean().rsqrt())
    net.project.copy_(components * scale)
    net.expand.copy_(components.T / scale)
    if not net.config.bands:
        net.quantiser.fit(net.features(shapes, sines), rounds, per_step, generator)
        return
    net.centre.copy_(net.features(shapes, sines)[:, net.signed :].mean(0) / net.config.envelope)
    widths = (net.config.bands, net.config.dim)
    net.quantiser.fit_parts(net.features(shapes, sines), rounds, per_step, widths, generator)


def ear(hop: int, rate: int) -> Tensor:
    """How much a bin counts: the less the more bins a critical band has (Glasberg, Moore 1990), float [hop]."""
    return (1 + 4.37e-3 * (torch.arange(hop) + 0.5) * rate / (2 * hop)).rsqrt()
