"""What each context module of image/slices is worth: the same training with one more reference at a time.

    python benchmarks/context_ablation.py --data DATA [--steps 120] [--out runs/context-ablation]

The transforms, z and the first means are those of image/patch and stay as they are, so all rows of the table see the same
latents; every run has the same seed, the same batches and the same number of steps. Bits are cross-entropy with whole rows
on the validation pictures of the recipe; "image/patch" is that codec's own entropy model, its two steps, counted alike. More
steps than last time go on from there. The last row is the model of the recipe `image_slices.default`.
"""

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

import torch

from triptych.codecs.image.context import CONTEXTS
from triptych.codecs.image.slices_net import SlicesConfig
from triptych.tools.metrics.bjontegaard import bd_rate
from triptych.tools.recipes.image_slices import VALIDATED, SlicesTask, recipe
from triptych.tools.train import Run

BANK, FILL = 2000, 8  # crops, and as many at a time


def trained(data: Path, out: Path, task: SlicesTask, modules: tuple[str, ...], steps: int) -> dict[str, float]:
    """Figures after training with these modules; what the folder already holds is not repeated."""
    setting = replace(recipe("context_ablation", SlicesConfig(modules=modules), steps), task=lambda: task)
    run = Run(setting, data, out / "-".join(modules or ("none",)), "cpu")
    if (run.out / "checkpoint.safetensors").exists():
        run.resume()
    else:
        run.start()
    run.choose_precision("bfloat16")
    begin = time.process_time()
    while run.step < steps:
        run.advance()
    run.seconds += time.process_time() - begin
    run.save()
    with run.averaged(), torch.no_grad():
        run.codec.eval()
        parameters = sum(p.numel() for p in run.parameters)
        return task.validate(run.codec) | {"parameters": parameters, "cpu_minutes": run.seconds / 60}


class Loaded(SlicesTask):
    """A task whose crops are analysed once for all runs, so that all see the same batches."""

    def load(self, data: Path, generator: torch.Generator) -> None:
        """Fill the bank at the first call only, with a seed of its own."""
        if not hasattr(self, "bank"):
            generator = torch.Generator().manual_seed(1)
            super().load(data, generator)
            while self.filled + FILL <= len(self.bank):
                self.batch(FILL, generator)


def saving(figures: dict[str, float], reference: dict[str, float]) -> float:
    """BD-rate in % against a reference."""
    points = [([f[f"bpp{n}"] for n in VALIDATED], [f[f"psnr{n}"] for n in VALIDATED]) for f in (reference, figures)]
    return bd_rate(*points[0], *points[1]).value


def main() -> None:
    """Train what is missing, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ media")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("runs/context-ablation"))
    parser.add_argument("--table", type=Path, default=Path("results/context-ablation.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = Loaded(BANK)
    task.load(options.data, torch.Generator())
    found = {}
    for count in (len(CONTEXTS), *range(1, len(CONTEXTS)), 0):  # the largest first: it is the one that ships
        found[count] = trained(options.data, options.out, task, CONTEXTS[:count], options.steps)
        print(count, found[count], flush=True)
    rows = {"image/patch": task.patch_figures()}
    for count in range(len(CONTEXTS) + 1):
        name = f"+ {CONTEXTS[count - 1]}" if count else "hyperprior only"
        before = rows[[*rows][-1]]
        rows[name] = found[count]
        gain, step = saving(rows[name], rows["image/patch"]), saving(rows[name], before)
        print(f"{name:16} BD-rate {gain:+.2f} % against image/patch, {step:+.2f} % against the row before", flush=True)
    with open(options.table, "w", newline="") as file:
        fields = ["context", "steps", *rows["hyperprior only"]]
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        for name, figures in rows.items():
            writer.writerow({"context": name, "steps": options.steps} | {k: f"{v:.6g}" for k, v in figures.items()})


if __name__ == "__main__":
    main()
