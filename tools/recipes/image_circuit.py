"""Training of image/circuit: expectation maximisation on patches of residuals, then gradients through the common loop."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from ...codecs.image.circuit import CircuitCodec
from ...codecs.image.circuit_net import CircuitConfig, em_step
from ...codecs.image.reversible import residuals, to_planes
from ..train import Recipe
from .image_patch import DATA
from .packs import decoded

PICTURES = 150
HELD = f""" Of these the first {PICTURES}, every 30th kept for validation; half of the patches come from pictures at half
size. Before the steps of the common loop, 200 steps of expectation maximisation of the same batch size."""


def default() -> Recipe:
    """Patches of 16x16 pixels, 64 states."""
    return Recipe(
        name="image_circuit.default",
        make=lambda: CircuitCodec(CircuitConfig()),
        task=lambda: CircuitTask(PICTURES, side=16, rounds=200, batch=256),
        steps=600,
        batch=256,
        lr=0.03,
        warmup=20,
        ema=0.98,
        validate_every=200,
        save_every=100,
        data=DATA + HELD,
        hardware="part of one CPU thread",
    )


def smoke() -> Recipe:
    """A few steps, for tests."""
    return Recipe(
        name="image_circuit.smoke",
        make=lambda: CircuitCodec(CircuitConfig(states=4, side=4)),
        task=lambda: CircuitTask(6, side=4, rounds=4, batch=16),
        steps=4,
        batch=16,
        lr=0.03,
        warmup=1,
        validate_every=4,
        save_every=4,
    )


class CircuitTask:
    """Planes of pictures in memory, patches of residuals anywhere in them."""

    def __init__(self, most: int, side: int, rounds: int, batch: int) -> None:
        self.most, self.side, self.rounds, self.size = most, side, rounds, batch

    def load(self, data: Path, generator: Generator) -> None:
        """The first pictures of `train/images` as residuals, whole and at half size; every 30th for validation."""
        self.planes, self.held = [], []
        for number, pixels in enumerate(islice(decoded(data / "train" / "images"), self.most)):
            height, width = (side // 2 * 2 for side in pixels.shape[:2])
            small = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3)).round()
            found = [residuals(to_planes(part)) for part in (pixels, small.astype(np.uint8))]
            (self.planes if number % 30 else self.held).append(found)

    def start(self, codec: CircuitCodec, generator: Generator) -> None:
        """Expectation maximisation with falling rates."""
        codec.net.requires_grad_(False)
        codec.net.spread(generator)
        for step in range(self.rounds):
            batch = self.batch(self.size, generator)
            found = em_step(codec.net, batch, rate=1 / (1 + step) ** 0.5)
            if step % 20 == 0:
                print(f"expectation maximisation {step}: {_bits(found, batch):.4f} bits per sample", flush=True)
        codec.net.requires_grad_(True)

    def batch(self, size: int, generator: Generator, held: bool = False) -> Tensor:
        """Patches at random places, int64 [size, 3, side, side]."""
        patches, source = [], self.held if held else self.planes
        for u in torch.rand(size, 4, generator=generator).tolist():
            planes = source[int(u[0] * len(source))][u[1] < 0.5]
            top, left = (int(v * (n - self.side + 1)) for v, n in zip(u[2:], planes.shape[1:], strict=True))
            patches.append(planes[:, top : top + self.side, left : left + self.side])
        return torch.from_numpy(np.stack(patches)).long()

    def losses(self, codec: CircuitCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Bits per sample."""
        with torch.autocast(batch.device.type, enabled=False):
            return {"loss": -codec.net.log_prob(batch).mean() / batch[0].numel() / np.log(2)}

    def validate(self, codec: CircuitCodec) -> dict[str, float]:
        """Bits per sample of held-out patches."""
        batch = self.batch(512, Generator().manual_seed(5), held=True)
        return {"bits": _bits(float(codec.net.log_prob(batch).mean()), batch)}

    def sample(self, codec: CircuitCodec, folder: Path, step: int) -> None:
        """Nothing: lossless coding has nothing to show."""

    def finish(self, codec: CircuitCodec) -> None:
        """Round the probabilities."""
        codec.freeze()


def _bits(log_prob: float, batch: Tensor) -> float:
    return -log_prob / batch[0].numel() / float(np.log(2))
