"""Weights as they are stored: large matrices as int8 with a half-precision scale per row, other floats in half precision."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

LEAST = 16384  # elements from which on a matrix is stored as int8
SMALLEST = 2.0**-17  # scale from which on half precision keeps 127 times the scale apart from 126 and 128 times
SCALE = ".scale"  # ends the name of the scales of a matrix


def large(state: Mapping[str, Tensor], tables: Iterable[str] = ()) -> dict[str, int]:
    """Which tensors to store as int8, and how many of their dimensions count rows.

    state: float tensors by name. The first dimension of a matrix or filter counts outputs; in those whose names are in
    `tables`, such as codebooks, every vector along the last dimension is a row.
    """
    chosen = [name for name, value in state.items() if value.dim() > 1 and value.numel() >= LEAST]
    return {name: state[name].dim() - 1 if name in tables else 1 for name in chosen}


def rows_of(stored: Mapping[str, Tensor]) -> dict[str, int]:
    """What `large` gave when these tensors were packed."""
    return {name[: -len(SCALE)]: scale.dim() for name, scale in _scales(stored).items()}


def pack(state: Mapping[str, Tensor], rows: Mapping[str, int]) -> dict[str, Tensor]:
    """Float tensors as they are stored; `rows` as `large` gives it.

    Packing what `unpack` gave changes nothing: the greatest of each row is 127 scales, and both are exact.
    """
    stored = {}
    for name, value in state.items():
        if name not in rows:
            stored[name] = value.half()
            continue
        flat = value.float().flatten(rows[name])
        scale = (flat.abs().amax(-1) / 127).clamp(min=SMALLEST).half()
        whole = (flat / scale.float().unsqueeze(-1)).round().clamp(-127, 127).to(torch.int8)
        stored |= {name: whole.view(value.shape), name + SCALE: scale}
    return stored


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Float32 tensors of what is stored as int8 with scales or in half precision; integers without scales are left out."""
    scales, state = _scales(stored), {}
    for name, value in stored.items():
        if name + SCALE in scales:
            scale = scales[name + SCALE].float()
            state[name] = (value.flatten(scale.dim()).float() * scale.unsqueeze(-1)).view(value.shape)
        elif name not in scales and value.is_floating_point():
            state[name] = value.float()
    return state


def _scales(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = [name for name, value in stored.items() if value.dtype == torch.int8 and name + SCALE in stored]
    return {name + SCALE: stored[name + SCALE] for name in names}


def to_bytes(numbers: Tensor) -> Tensor:
    """Integers 0 .. 2^24 - 1 of any shape as their three bytes, low byte first, in a last dimension: uint8."""
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < 1 << 24:
        raise ValueError("numbers beyond three bytes")
    return torch.stack([numbers >> shift & 255 for shift in (0, 8, 16)], -1).to(torch.uint8)


def from_bytes(stored: Tensor) -> Tensor:
    """The inverse of `to_bytes`: int32."""
    low, middle, high = stored.int().unbind(-1)
    return low | middle << 8 | high << 16
