"""What helps a picture codec train, each change alone and for the same processor time.

    python benchmarks/training_tricks.py DATA [--seconds 120] [--only muon,soap] [--out FILE.csv]

DATA holds `train/images` as for training. Every run trains the same network (a narrower image/patch, crops of 128 x 128)
from the same seed for the same seconds of one thread, and is judged by the mean binary logarithm of bits per pixel
plus lambda times the squared error over all rate points, on held-out pictures: -0.01 is about 0.7 % of that cost.
"""

import argparse
import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from triptych.codecs.image.patch import PatchCodec
from triptych.codecs.image.patch_net import PatchConfig
from triptych.codecs.optim import Muon
from triptych.codecs.soap import Soap
from triptych.tools.recipes.image_patch import PatchTask

CONFIG = PatchConfig(latents=192, side=48, width=128, context=96, render=24, lambdas=(0.0003, 0.08), points=8)
WARMUP, FLOOR = 0.03, 0.02  # shares of the run and of the peak
EMA = 0.995


@dataclass(frozen=True)
class Trick:
    """One change to the training.

    Attributes:
        optimisers: from the codec to optimisers and their peak learning rates.
        schedule: from the fraction done to a factor of the learning rates.
        prepare: changes to the codec after it was started from linear algebra.
        linear: start from linear algebra; otherwise from random numbers.
        average: judge averaged weights.
        bf16: matrix products in bfloat16.
    """

    optimisers: Callable[[PatchCodec], list[tuple[torch.optim.Optimizer, float]]]
    schedule: Callable[[float], float]
    prepare: Callable[[PatchCodec], None] = lambda codec: None
    linear: bool = True
    average: bool = True
    bf16: bool = True


def cosine(done: float) -> float:
    """Linear warm-up, then half a cosine."""
    return done / WARMUP if done < WARMUP else FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def level(done: float) -> float:
    """Linear warm-up, then constant."""
    return min(done / WARMUP, 1.0)


def cooled(done: float) -> float:
    """Linear warm-up, constant, and linear to nothing over the last third."""
    return min(done / WARMUP, 1.0, max((1 - done) * 3, FLOOR))


def adam(lr: float) -> Callable[[PatchCodec], list[tuple[torch.optim.Optimizer, float]]]:
    """AdamW on everything."""
    return lambda codec: [(torch.optim.AdamW(_trained(codec), lr=lr, weight_decay=1e-4, foreach=True), lr)]


def soap(lr: float, every: int = 20) -> Callable[[PatchCodec], list[tuple[torch.optim.Optimizer, float]]]:
    """SOAP on everything."""
    return lambda codec: [(Soap(_trained(codec), lr=lr, weight_decay=1e-4, every=every), lr)]


def muon(lr: float, rest: float) -> Callable[[PatchCodec], list[tuple[torch.optim.Optimizer, float]]]:
    """Muon on the 1x1 layers inside the networks, AdamW on the rest."""

    def make(codec: PatchCodec) -> list[tuple[torch.optim.Optimizer, float]]:
        matrices = [m.weight for m in codec.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
        chosen = {id(weight) for weight in matrices}
        others = [p for p in _trained(codec) if id(p) not in chosen]
        return [(Muon(matrices, lr=lr), lr), (torch.optim.AdamW(others, lr=rest, weight_decay=1e-4), rest)]

    return make


def _trained(codec: PatchCodec) -> list[Tensor]:
    return [p for p in codec.parameters() if p.requires_grad]


def random_last_layers(codec: PatchCodec) -> None:
    """Give every layer that starts at zero small random weights instead, as most published code does."""
    for module in codec.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))


TRICKS = {
    "baseline: AdamW 1e-3, cosine, linear algebra, averaged, bfloat16": Trick(adam(1e-3), cosine),
    "AdamW 2e-3": Trick(adam(2e-3), cosine),
    "AdamW 4e-3": Trick(adam(4e-3), cosine),
    "AdamW 5e-4": Trick(adam(5e-4), cosine),
    "Muon 0.01 for 1x1 layers, AdamW 1e-3 for the rest": Trick(muon(0.01, 1e-3), cosine),
    "Muon 0.003 for 1x1 layers, AdamW 1e-3 for the rest": Trick(muon(0.003, 1e-3), cosine),
    "SOAP 1e-3": Trick(soap(1e-3), cosine),
    "SOAP 2e-3": Trick(soap(2e-3), cosine),
    "SOAP 1e-3, basis turned every 50 steps": Trick(soap(1e-3, 50), cosine),
    "constant learning rate": Trick(adam(1e-3), level),
    "constant, linear to zero over the last third": Trick(adam(1e-3), cooled),
    "AdamW 2e-3, falling over the last third": Trick(adam(2e-3), cooled),
    "last weights, not averaged ones": Trick(adam(1e-3), cosine, average=False),
    "random last layers in place of zero": Trick(adam(1e-3), cosine, prepare=random_last_layers),
    "random start in place of linear algebra": Trick(adam(1e-3), cosine, prepare=random_last_layers, linear=False),
    "float32": Trick(adam(1e-3), cosine, bf16=False),
}


def train(trick: Trick, data: Path, seconds: float) -> tuple[int, dict[str, float]]:
    """Train for processor seconds; returns the steps and the figures of validation."""
    torch.manual_seed(1)
    generator, task, codec = Generator().manual_seed(1), PatchTask(crop=128, start_crops=800), PatchCodec(CONFIG)
    task.load(data, generator)
    task.held = task.held[:4]
    if trick.linear:
        task.start(codec, generator)
    trick.prepare(codec)
    optimisers, parameters = trick.optimisers(codec), _trained(codec)
    average, step = [p.detach().clone() for p in parameters], 0
    begin = time.process_time()
    while (done := (time.process_time() - begin) / seconds) < 1:
        for optimiser, peak in optimisers:
            optimiser.param_groups[0]["lr"] = peak * trick.schedule(done)
            optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=trick.bf16):
            losses = task.losses(codec, task.batch(8, generator), done, generator)
        losses["loss"].backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(parameters, 1.0)):
            for optimiser, _ in optimisers:
                optimiser.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - min(EMA, step / (10 + step)))
    if trick.average:
        with torch.no_grad():
            torch._foreach_copy_(parameters, average)
    with torch.no_grad():
        return step, task.validate(codec.eval())


def main() -> None:
    """Train with every trick and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--only", default="", help="parts of names, with commas between them")
    parser.add_argument("--out", type=Path, help="CSV with the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted, rows = options.only.split(","), []
    for name, trick in TRICKS.items():
        if not any(part.lower() in name.lower() for part in wanted):
            continue
        steps, figures = train(trick, options.data, options.seconds)
        rows.append(
            {"trick": name, "seconds": options.seconds, "steps": steps} | {k: round(v, 4) for k, v in figures.items()}
        )
        print(f"{name:68s} {steps:6d} steps  {figures['log_loss']:8.4f}", flush=True)
        if options.out:
            with open(options.out, "w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
