"""Processes that train one codec together (torchrun): what they share, where there is more than one.

Each process has a rank. Alone, a process has rank 0 and every function here leaves things as they are.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(hours=12)  # for a rank that validates while the others wait


def count() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if count() > 1 else 0


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Be one of the processes that torchrun started, until the end; one that is already stays so."""
    if count() > 1:
        yield
        return
    nccl = device.type == "cuda"
    if nccl:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if nccl else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def add(*tensors: Tensor) -> None:
    """Make tensors their sums over all ranks, in place."""
    if count() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Make tensors those of rank 0, in place."""
    if count() > 1:
        for tensor in tensors:
            data = _bytes(tensor)
            dist.broadcast(data, 0)
            tensor.copy_(data.view(tensor.dtype).view(tensor.shape))


def _bytes(tensor: Tensor) -> Tensor:
    """The content of a tensor of any type; backends know few of them."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def draw(vectors: Tensor, number: int, generator: torch.Generator | None) -> Tensor:
    """Random ones of the vectors of all ranks, the same everywhere: float [n, dim] to float [number, dim].

    Ranks that have vectors give them in turn; at least one rank has some.
    """
    sizes = torch.zeros(count(), device=vectors.device)
    sizes[rank()] = len(vectors)
    add(sizes)
    givers = sizes.nonzero().squeeze(1)
    mine = (givers[torch.arange(number, device=vectors.device) % len(givers)] == rank()).nonzero().squeeze(1)
    drawn = vectors.new_zeros(number, vectors.shape[1])
    if len(mine):
        drawn[mine] = vectors[torch.randint(len(vectors), (len(mine),), generator=generator).to(vectors.device)]
    add(drawn)
    return drawn


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Make gradients their means over all ranks; parameters to which no rank has one are left without."""
    if count() == 1:
        return
    there = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device)
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([there, *(part.flatten() for part in parts)])
    add(flat)
    there, *means = (flat / count()).split([len(parts), *(part.numel() for part in parts)])
    for parameter, known, mean in zip(parameters, there.tolist(), means, strict=True):
        parameter.grad = mean.view_as(parameter).clone() if known else None


def mean(figures: dict[str, float]) -> dict[str, float]:
    """Means over the ranks of figures, each over those that have it; every rank calls this."""
    if count() == 1:
        return figures
    gathered: list[dict[str, float]] = [{}] * count()
    dist.all_gather_object(gathered, figures)
    found = {name: [row[name] for row in gathered if name in row] for row in gathered for name in row}
    return {name: sum(values) / len(values) for name, values in found.items()}


def agreed(wish: bool, device: torch.device) -> bool:
    """What rank 0 wishes."""
    if count() == 1:
        return wish
    choice = torch.tensor(float(wish), device=device)
    broadcast([choice])
    return bool(choice)


def compare(tensors: dict[str, Tensor]) -> None:
    """Raise RuntimeError where tensors are not the same on all ranks."""
    if count() == 1:
        return
    checks = {name: zlib.crc32(_bytes(value).cpu().numpy()) for name, value in tensors.items()}
    gathered: list[dict[str, int]] = [{}] * count()
    dist.all_gather_object(gathered, checks)
    apart = [name for name in checks if any(row.get(name) != checks[name] for row in gathered)]
    if apart:
        raise RuntimeError(f"the processes have drifted apart: {', '.join(apart[:3])} and others are not the same")
