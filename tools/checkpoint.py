"""Checkpoints of a training run: named tensors and a few numbers in one safetensors file."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_checkpoint(path: Path, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Write beside the old file, then put it in its place."""
    beside = path.with_suffix(".part")
    flat = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(flat, str(beside), {"numbers": json.dumps(numbers)})
    os.replace(beside, path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and numbers of a checkpoint; raises OSError when there is none."""
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads((file.metadata() or {})["numbers"])
