"""One training loop for every codec: `python -m triptych.tools.train image_patch.default --data DIR --out runs/patch`.

The recipe names the codec, the task (data, losses, validation) and the schedule. A run keeps in its folder the whole state
as `checkpoint.safetensors`, a log with one JSON object a line, and sample pictures or spectrograms; `--resume` goes on from
there, `--minutes` bounds the time of this call, `--export DIR` freezes the averaged weights and writes them with their card.

Several processes share the batches: `python -m torch.distributed.run --nproc-per-node 2 -m triptych.tools.train ...`
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from ..codecs import ranks
from ..codecs.base import Codec
from .checkpoint import load_checkpoint, save_checkpoint


class Task(Protocol):
    """What a recipe trains on and for.

    A task may have an `adversary`: a module that is trained against the codec by an optimiser of its own, on the loss "adversary"
    where `losses` gives one. Its tensors, buffers included, are part of every checkpoint.
    """

    def load(self, data: Path, generator: Generator) -> None:
        """Read training and validation media into memory."""

    def start(self, codec: Codec, generator: Generator) -> None:
        """Set the starting weights of a fresh run from linear algebra."""

    def batch(self, size: int, generator: Generator) -> Tensor:
        """Draw a batch, examples first."""

    def losses(self, codec: Codec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Scalars; "loss" is minimised, the others are logged. `progress` runs from 0 to 1 over the whole schedule.

        Where several processes train, each gets its share of the batch and random numbers of its own.
        """

    def validate(self, codec: Codec) -> dict[str, float]:
        """Figures of the averaged weights on held-out media."""

    def sample(self, codec: Codec, folder: Path, step: int) -> None:
        """Write pictures or spectrograms that show the state of the training."""

    def finish(self, codec: Codec) -> None:
        """Freeze the codec: integer heads, tables from counts."""


@dataclass(frozen=True)
class Recipe:
    """A complete training run.

    Attributes:
        make, task: what is trained, and on what.
        steps, batch: length of the schedule and examples a step.
        lr, warmup: peak learning rate of AdamW and steps to reach it; a cosine to 2 % of it follows. The adversary of a task
            learns at the same rate.
        weight_decay, clip: of the optimiser; gradients are clipped to this norm.
        ema: decay of the averaged weights per step.
        validate_every, save_every: steps.
        seed: of every random choice.
        data, hardware: for the card of the weights: training media with their licences, and what it was trained on.
    """

    name: str
    make: Callable[[], Codec]
    task: Callable[[], Task]
    steps: int
    batch: int
    lr: float
    warmup: int = 100
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    validate_every: int = 1000
    save_every: int = 500
    seed: int = 1
    data: str = ""
    hardware: str = "one CPU thread"

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        phase = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * phase)))


class Run:
    """A training run: codec, averaged weights, optimiser, random state and log, all of which a checkpoint holds.

    Every rank draws the same batches and takes its share; gradients are averaged, so that all of this is the same
    everywhere, and rank 0 alone validates and writes.
    """

    def __init__(self, recipe: Recipe, data: Path, out: Path, device: str) -> None:
        self.recipe, self.out, self.device = recipe, out, torch.device(device)
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.generator = Generator().manual_seed(recipe.seed)
        self.task = recipe.task()
        self.task.load(data, self.generator)
        self.codec = recipe.make().to(self.device)
        self.parameters = [p for p in self.codec.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True
        )
        self.adversary: torch.nn.Module | None = getattr(self.task, "adversary", None)
        self.rivals: list[Tensor] = []
        if self.adversary is not None:
            self.rivals = list(self.adversary.to(self.device).parameters())
            self.rival = torch.optim.AdamW(self.rivals, lr=recipe.lr, betas=(0.5, 0.9), weight_decay=0.0, foreach=True)
        self.step, self.seconds = 0, 0.0
        self.average: list[Tensor] = []

    def start(self) -> None:
        """Begin afresh."""
        self.task.start(self.codec, self.generator)
        ranks.broadcast(
            [*self.codec.state_dict().values(), *(self.adversary.state_dict().values() if self.adversary else ())]
        )
        self.average = [p.detach().clone() for p in self.parameters]

    def state(self) -> dict[str, Tensor]:
        """Everything that the run needs to go on, as named tensors."""
        tensors = {f"codec.{name}": value for name, value in self.codec.state_dict().items()}
        tensors |= {f"average.{i}": value for i, value in enumerate(self.average)}
        tensors |= _optimizer_state("optimizer", self.optimizer, self.parameters)
        if self.adversary is not None:
            tensors |= {f"adversary.{name}": value for name, value in self.adversary.state_dict().items()}
            tensors |= _optimizer_state("rival", self.rival, self.rivals)
        return tensors | {"generator": self.generator.get_state()}

    def save(self) -> None:
        """Write the checkpoint beside the old one and put it in its place."""
        numbers, state = {"step": self.step, "seconds": self.seconds, "recipe": self.recipe.name}, self.state()
        ranks.compare(state)
        if ranks.rank() == 0:
            save_checkpoint(self.out / "checkpoint.safetensors", state, numbers)

    def resume(self) -> None:
        """Go on from the checkpoint of the run's folder; raises OSError when there is none."""
        tensors, numbers = load_checkpoint(self.out / "checkpoint.safetensors")
        self.step, self.seconds = int(numbers["step"]), float(numbers["seconds"])
        self.codec.load_state_dict({n[6:]: v for n, v in tensors.items() if n.startswith("codec.")})
        self.average = [tensors[f"average.{i}"].to(self.device) for i in range(len(self.parameters))]
        places = {"optimizer": (self.optimizer, self.parameters)}
        if self.adversary is not None:
            self.adversary.load_state_dict({n[10:]: v for n, v in tensors.items() if n.startswith("adversary.")})
            places["rival"] = (self.rival, self.rivals)
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in places:
                index, key = rest.split(".")
                optimizer, parameters = places[kind]
                optimizer.state[parameters[int(index)]][key] = value.to(self.device)
        self.generator.set_state(tensors["generator"])

    def precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def choose_precision(self, wanted: str) -> None:
        """Use float32 or bfloat16, or for "auto" the faster of one pass each: machines differ."""
        if wanted != "auto":
            self.bf16 = wanted == "bfloat16"
            return
        batch, times = self._share(Generator().manual_seed(0)), []
        for self.bf16 in (False, True):
            for _ in range(2):
                begin = time.perf_counter()
                self._gradient(batch, Generator().manual_seed(0))
            times.append(time.perf_counter() - begin)
        self.bf16 = ranks.agreed(times[1] < times[0], self.device)
        self.log({"event": "precision", "float32": round(times[0], 3), "bfloat16": round(times[1], 3)})

    def _share(self, generator: Generator) -> Tensor:
        """This rank's examples of the next batch."""
        return self.task.batch(self.recipe.batch, generator)[ranks.rank() :: ranks.count()]

    def _random(self) -> Generator:
        """What the losses draw from."""
        if ranks.count() == 1:
            return self.generator
        place = self.step * ranks.count() + ranks.rank()
        return Generator().manual_seed((self.recipe.seed << 40) + place)

    def _gradient(self, batch: Tensor, generator: Generator) -> dict[str, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            losses = self.task.losses(self.codec, batch, self.step / self.recipe.steps, generator)
        losses["loss"].backward()
        ranks.average_gradients(self.parameters)
        if "adversary" in losses:
            self.rival.zero_grad(set_to_none=True)
            losses["adversary"].backward()
            ranks.average_gradients(self.rivals)
        return losses

    def advance(self) -> dict[str, float]:
        """One step of the optimiser and of the averaged weights; returns the losses."""
        rate = self.recipe.rate(self.step)
        for group in self.optimizer.param_groups + (self.rival.param_groups if self.rivals else []):
            group["lr"] = rate
        losses = self._gradient(self._share(self.generator), self._random())
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        if torch.isfinite(norm):  # a rare overflow must not poison weights and averages
            self.optimizer.step()
            if "adversary" in losses:
                self.rival.step()
        # Early on the average follows closely, so that the start does not linger in it.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()} | {"norm": float(norm), "lr": rate}

    def averaged(self) -> "Averaged":
        """Context in which the codec holds the averaged weights."""
        return Averaged(self.parameters, self.average)

    def log(self, row: dict[str, Any]) -> None:
        """Append a line to the log and show it, on rank 0."""
        if ranks.rank():
            return
        line = json.dumps({"step": self.step, "seconds": round(self.seconds, 1)} | row)
        print(line, flush=True)
        with open(self.out / "log.jsonl", "a") as file:
            file.write(line + "\n")

    def validate(self) -> None:
        """Log figures of the averaged weights and write samples, on rank 0."""
        if ranks.rank():
            return
        with self.averaged(), torch.no_grad():
            self.codec.eval()
            self.log({"event": "validation"} | {k: round(v, 4) for k, v in self.task.validate(self.codec).items()})
            self.task.sample(self.codec, self.out, self.step)
            self.codec.train()

    def train(self, minutes: float, precision: str = "auto") -> None:
        """Train until the schedule or the time is over, with validation and checkpoints on the way."""
        self.choose_precision(precision)
        begin, before = time.monotonic(), self.seconds
        sums: dict[str, float] = {}
        while self.step < self.recipe.steps and ranks.agreed(time.monotonic() - begin < minutes * 60, self.device):
            for name, value in self.advance().items():
                sums[name] = sums.get(name, 0.0) + value
            self.seconds = before + time.monotonic() - begin
            if self.step % 50 == 0:
                self.log({name: round(value / 50, 6) for name, value in ranks.mean(sums).items()})
                sums = {}
            if self.step % self.recipe.validate_every == 0:
                self.validate()
            if self.step % self.recipe.save_every == 0:
                self.save()
        self.save()
        self.validate()


def _optimizer_state(prefix: str, optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> dict[str, Tensor]:
    """What an optimiser keeps, as named tensors."""
    return {
        f"{prefix}.{index}.{key}": value
        for index, parameter in enumerate(parameters)
        for key, value in optimizer.state.get(parameter, {}).items()
    }


class Averaged:
    """Swap the averaged weights into the parameters for a while."""

    def __init__(self, parameters: list[Tensor], average: list[Tensor]) -> None:
        self.parameters, self.average = parameters, average

    def _swap(self) -> None:
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.average, strict=True):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()


def find_recipe(name: str, start: Path | None = None) -> Recipe:
    """The recipe `module.function` below tools/recipes, for a weights file where it begins with one; raises ValueError."""
    module, _, function = name.partition(".")
    try:
        found = getattr(import_module(f".recipes.{module}", __package__), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"there is no recipe {name}: {error}") from error
    if start is None:
        return found()
    if "start" not in signature(found).parameters:
        raise ValueError(f"{name} does not begin with weights")
    return found(start)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the training loop."""
    parser = argparse.ArgumentParser(prog="python -m triptych.tools.train", description=__doc__.split("\n")[0])
    parser.add_argument("recipe", help="module.function below tools/recipes, such as image_patch.default")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and eval/ media")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this time")
    parser.add_argument("--steps", type=int, help="length of the schedule, instead of the recipe's")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--export", type=Path, help="freeze the averaged weights and write them into this folder")
    parser.add_argument("--start", type=Path, help="weights file, for recipes that add to a codec that has weights")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = find_recipe(options.recipe, options.start)
    recipe = replace(recipe, steps=options.steps or recipe.steps)
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # as torchrun tells
    if recipe.batch % processes:
        parser.error(f"batches of {recipe.batch} cannot be shared evenly by {processes} processes")
    if processes == 1:
        _carry_out(options, recipe)
        return 0
    if options.device == "cuda":
        options.device = f"cuda:{os.environ['LOCAL_RANK']}"
    with ranks.joined(torch.device(options.device)):
        _carry_out(options, recipe)
    return 0


def _carry_out(options: argparse.Namespace, recipe: Recipe) -> None:
    """Train and export as the command line says."""
    run = Run(recipe, options.data, options.out, options.device)
    if options.resume:
        run.resume()
    else:
        run.start()
    if options.minutes > 0:
        run.train(options.minutes, options.precision)
    if options.export and ranks.rank() == 0:
        from .models import export

        with run.averaged(), torch.no_grad():
            run.codec.eval()
            run.task.finish(run.codec)
            export(run.codec.cpu(), options.export, run.recipe, run.step, run.seconds)


if __name__ == "__main__":
    raise SystemExit(main())
