"""Give a checkpoint of image/patch more rate points at the high end, by extrapolation; training goes on from there.

python -m triptych.tools.recipes.patch_grow runs/old runs/new
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoint import load_checkpoint, save_checkpoint
from .image_patch import default

PER_POINT = ("log_gain", "feature_gain", "side_mean", "side_log_scale", "head.bias")
WINDOW = 3  # points whose mean slope is continued


def extended(rows: Tensor, points: int) -> Tensor:
    """Rows [n, ...] continued to [points, ...] along the mean slope of the last ones."""
    slope = (rows[-1] - rows[-1 - WINDOW]) / WINDOW
    return torch.cat([rows, *((rows[-1] + slope * (i + 1))[None] for i in range(points - len(rows)))])


def grow(tensors: dict[str, Tensor], names: list[str], points: int) -> dict[str, Tensor]:
    """The tensors of a checkpoint with `points` rate points.

    names: of the parameters in the order of the optimiser, without "codec.".
    """
    grown = dict(tensors)
    for index, name in enumerate(names):
        if not name.endswith(PER_POINT):
            continue
        for key in (f"codec.{name}", f"average.{index}"):
            grown[key] = extended(tensors[key], points)
        for key in (f"optimizer.{index}.exp_avg", f"optimizer.{index}.exp_avg_sq"):
            rows = tensors[key]
            # A new row has no momentum yet, and its squared gradients will be about those of its neighbour.
            new = rows[-1:] * (key.endswith("sq"))
            grown[key] = torch.cat([rows, new.expand(points - len(rows), -1)])
    return grown


def main() -> None:
    """Read one folder, write the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    codec = default().make()
    names = [name for name, parameter in codec.named_parameters() if parameter.requires_grad]
    tensors, numbers = load_checkpoint(options.old / "checkpoint.safetensors")
    options.new.mkdir(parents=True, exist_ok=True)
    grown = grow(tensors, names, codec.config.points)
    save_checkpoint(options.new / "checkpoint.safetensors", grown, numbers)


if __name__ == "__main__":
    main()
