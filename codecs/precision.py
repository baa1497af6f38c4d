"""Arithmetic of float layers by what the processor does fast; no symbol depends on it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_FULL = ContextVar("full precision", default=False)


@contextmanager
def full_precision(wanted: bool = True) -> Iterator[None]:
    """Context in which `fast_layers` keeps to float32, so that machines differ by rounding alone."""
    token = _FULL.set(wanted)
    try:
        yield
    finally:
        _FULL.reset(token)


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware; elsewhere they are slower than float32."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def fast_layers() -> AbstractContextManager:
    """Context in which matrix products of networks run in bfloat16 where that is faster."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16() and not _FULL.get())


def in_full(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer in float32 outside training, whatever context it runs in: for sums whose size leaves rounding no room."""
    if torch.is_grad_enabled():
        return layer(x)
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())
