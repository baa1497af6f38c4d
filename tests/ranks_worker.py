"""Trains a small quantiser, alone or under torchrun: `ranks_worker.py FOLDER ...` writes losses and the state of each rank.

What follows the folder are arguments of the command of the training loop, which is called then.
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import nn

from triptych.codecs import ranks
from triptych.codecs.quantisers import EmaCodebook, GradientCodebook, Residual
from triptych.tools import train
from triptych.tools.train import Recipe, Run

STEPS = 25


class Small(nn.Module):
    """A linear encoder and decoder around codebooks of both kinds, and a parameter that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(6, 4), nn.Linear(4, 6)
        self.quantiser = Residual([EmaCodebook(8, 4, 0.9), GradientCodebook(8, 4)])
        self.idle = nn.Parameter(torch.ones(3))


class Vectors:
    """Batches of clusters; nothing in the losses is random but restarts, and no codeword dies."""

    def load(self, data, generator):
        self.centres = torch.randn(12, 6, generator=generator)

    def start(self, codec, generator):
        codec.quantiser.fit(codec.enter(self.batch(400, generator)).detach(), 5, 32, generator)

    def batch(self, size, generator):
        picks = torch.randint(12, (size,), generator=generator)
        return self.centres[picks] + 0.1 * torch.randn(size, 6, generator=generator)

    def losses(self, codec, batch, progress, generator):
        found = codec.quantiser(codec.enter(batch), torch.full((len(batch),), 2), generator)
        error = (codec.leave(found.vectors) - batch).square().mean()
        return {"loss": error + sum(found.losses.values()), "error": error}


def helpers_agree() -> None:
    """What the ranks share, with unequal shares."""
    own, generator = torch.full((5 * ranks.rank(), 2), float(ranks.rank())), torch.Generator().manual_seed(ranks.rank())
    assert ranks.draw(own, 3, generator).tolist() == [[1.0, 1.0]] * 3  # rank 0 has none
    tensors = [torch.tensor(ranks.rank() == 0), torch.full((2, 3, 4, 4), ranks.rank()).to(torch.int16)]
    tensors[1] = tensors[1].contiguous(memory_format=torch.channels_last)
    ranks.broadcast(tensors)
    assert bool(tensors[0]) and not tensors[1].any() and ranks.agreed(ranks.rank() == 0, torch.device("cpu"))
    assert ranks.mean({"a": float(ranks.rank())} | ({"b": 7.0} if ranks.rank() else {})) == {"a": 0.5, "b": 7.0}
    ranks.compare({"same": torch.ones(2)})
    try:
        ranks.compare({"same": torch.ones(2), "other": torch.full((2,), float(ranks.rank()))})
    except RuntimeError as error:
        assert "other" in str(error)
        return
    raise AssertionError("drift was not noticed")


def main(folder: Path) -> None:
    """Train and write what came of it."""
    recipe = Recipe("small", Small, Vectors, STEPS, batch=32, lr=1e-2, warmup=2)
    run = Run(recipe, folder, folder, "cpu")
    run.bf16 = False
    run.start()
    losses = []
    for _ in range(STEPS):
        losses.append(ranks.mean(run.advance())["error"])
    state = {name: value.numpy() for name, value in run.state().items()}
    np.savez(folder / f"{ranks.count()}-{ranks.rank()}.npz", losses=losses, **state)
    if ranks.count() > 1:
        helpers_agree()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with ranks.joined(torch.device("cpu")) if "WORLD_SIZE" in os.environ else nullcontext():
        main(Path(sys.argv[1]))
        if sys.argv[2:]:  # within: a second group of the same processes would meet what the first one left in the store
            train.main(sys.argv[2:])
