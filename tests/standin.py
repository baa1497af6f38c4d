"""Where torchvision is built for CUDA and torch is not, an empty torchvision lets those packages import that name it."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

FILES = {
    "__init__.py": "from . import transforms\n",
    "io.py": "",
    "transforms/__init__.py": (
        "from enum import Enum\n"
        "names = 'NEAREST NEAREST_EXACT BILINEAR BICUBIC BOX HAMMING LANCZOS'.split()\n"
        "InterpolationMode = Enum('InterpolationMode', names)\n"
    ),
    "transforms/functional.py": "pil_to_tensor = None\n",
}


def needed() -> bool:
    """Whether the installed torchvision wants CUDA's torch and this is not it."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or torch.version.cuda is not None:
        return False
    library = Path(spec.origin).with_name("_C.so")
    return library.is_file() and b"libtorch_cuda.so" in library.read_bytes()


@contextmanager
def importable(folder: Path) -> Iterator[dict[str, str]]:
    """While open, torchvision imports here; in other processes too with the environment that this yields."""
    if not needed():
        yield dict(os.environ)
        return
    for name, text in FILES.items():
        path = folder / "torchvision" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sys.path.insert(0, str(folder))
    try:
        yield {**os.environ, "PYTHONPATH": str(folder)}
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]


def command(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command `triptych` in a process of its own."""
    line = [sys.executable, "-m", "triptych.tools.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment)
