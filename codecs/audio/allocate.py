"""How many codebooks each frame gets: more where they lower an audible error most."""

import torch
from torch import Tensor
from torch.nn import functional

LOUDNESS = 0.4  # exponent with which a frame's gain weights its error
SPAN = 5  # frames over which errors and gains are averaged, so that numbers of codebooks change slowly
STEP = 2  # numbers of codebooks go in such steps from this mean on
FINE_BELOW = 3
ROUNDS = 4


def allocate(errors: Tensor, decibels: Tensor, heard: Tensor, mean: float) -> Tensor:
    """Share `mean` codebooks per heard frame out over the frames.

    errors: float [channel, frame, books + 1], squared error of the shape after so many codebooks; decibels: float
    [channel, frame], gains; heard: bool [channel, frame]. Returns int64 [channel, frame], 0 where nothing is heard and at
    least 1 elsewhere. The numbers minimise the weighted error for their sum, but for steps and that least one.
    """
    if not heard.any():
        return heard.long()
    step = STEP if mean >= FINE_BELOW else 1
    weight = torch.pow(10.0, decibels * (LOUDNESS / 20)) * heard
    weighted = smooth((errors * weight.unsqueeze(-1))[..., ::step])
    gains = best_slopes(weighted) * heard.unsqueeze(-1)
    ordered = gains.flatten().sort(descending=True).values
    budget = wanted = mean * int(heard.sum())
    for _ in range(ROUNDS):
        last = max(0, min(round(wanted / step), len(ordered)) - 1)
        used = ((gains >= ordered[last]).sum(-1) * step).clamp(min=1) * heard
        wanted -= int(used.sum()) - budget  # what the one codebook that every frame gets has cost the others
    return used


def best_slopes(errors: Tensor) -> Tensor:
    """Error saved per step by the lower convex hull: float [..., n + 1] to float [..., n], falling along the last axis."""
    steps = errors.shape[-1] - 1
    slopes = [
        ((errors[..., k : k + 1] - errors[..., k + 1 :]) / torch.arange(1, steps - k + 1, device=errors.device)).amax(
            -1
        )
        for k in range(steps)
    ]
    return torch.stack(slopes, -1).cummin(-1).values


def smooth(values: Tensor) -> Tensor:
    """Mean over SPAN frames, edges repeated: float [channel, frame, n] to the same shape."""
    side = SPAN // 2
    padded = functional.pad(values.transpose(1, 2), (side, side), mode="replicate")
    return functional.avg_pool1d(padded, SPAN, 1).transpose(1, 2)
