"""Starts of the projections around a quantiser from linear algebra."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def whiten(layer: nn.Linear, vectors: Tensor) -> Tensor:
    """Let a projection give the principal components of float [n, dim] with unit variance; returns them for these vectors."""
    mean = vectors.mean(0)
    values, axes = torch.linalg.eigh(torch.cov(vectors.T).double())
    count = len(layer.weight)
    weight = (axes[:, -count:] / values[-count:].clamp(min=1e-9).sqrt()).T.float()
    layer.weight.copy_(weight)
    layer.bias.copy_(-weight @ mean)
    return layer(vectors)


@torch.no_grad()
def regress(layer: nn.Linear, words: Tensor, vectors: Tensor) -> None:
    """Let a linear layer give float [n, dim] from words [n, k] as well as one can, by least squares."""
    ones = torch.ones(len(words), 1, device=words.device)
    found = torch.linalg.lstsq(torch.cat((words, ones), 1), vectors).solution
    layer.weight.copy_(found[:-1].T)
    layer.bias.copy_(found[-1])
