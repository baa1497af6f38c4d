"""benchmarks/films_public.py: stand-ins for the public code, its size rule, schedules in turns."""

import importlib
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.codecs.signals import Clip
from triptych.tools import media

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def films_public() -> ModuleType:
    """The benchmark as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("films_public")
    for name in ("films_public", "films"):
        sys.modules.pop(name, None)


def test_the_public_code_finds_its_imports(films_public: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "train_nerv_all.py").write_text(
        "import pandas as pd\n"
        "from timm.models.layers import trunc_normal_\n"
        "from torchvision.io import read_image\n"
        "from torchvision.transforms.functional import center_crop\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
    )
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    before = sys.modules.get("pandas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        code = films_public.public(tmp_path)
    assert sys.modules.get("pandas") is before
    found = code.center_crop(code.read_image(str(tmp_path / "0.png")), (2, 4))
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), pixels[2:4, 2:6])
    assert code.trunc_normal_(torch.zeros(9), std=0.02).abs().max() > 0
    assert code.msssim_fn_batch([1], torch.zeros(2, 3, 4, 4)).shape == (1, 2)


def test_the_size_rule_of_the_public_code_leads_to_the_widest_stem(films_public: ModuleType) -> None:
    frames = np.zeros((32, 160, 320, 3), np.uint8)
    for values in (90_000, 106_000, 214_000):
        layout = films_public.reference(160, 320, 32, values)
        left = films_public.plan_theirs(frames, values) * 1e6 - 16 * 2 * 4 * 32
        slope = sum(1.2 ** -(2 * n + 1) * s**2 * k**2 for n, (s, k) in enumerate(((5, 1), (4, 3), (4, 5))))
        assert int(np.roots([slope, 144, -left]).max()) == layout.stem
        wider = layout.size() + 16 * 2 * 4 * 32
        assert 0.9 * values < wider <= values
    with pytest.raises(SystemExit):
        films_public.reference(160, 320, 32, 50_000)


def test_schedules_take_turns_and_report(films_public: ModuleType, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    film = tmp_path / "film.mkv"
    media.write(film, Clip(frames, Fraction(25)))
    task = {"what": "ours", "film": str(film), "quality": 10.0, "fast": False}
    tasks = [task | {"passes": 1, "rate": 0}, task | {"passes": 30, "rate": 0.06}]
    short, long = films_public.in_turns(tasks, tmp_path, 0.3)
    assert short["bytes"] == 0 < long["bytes"] and short["values"] == long["values"]
    assert short["psnr"] < long["psnr"] and 0 < short["seconds"] < long["seconds"]
    (tmp_path / "again").mkdir()
    with pytest.raises(SystemExit):
        films_public.in_turns([task | {"passes": 1, "rate": 0, "film": "absent"}], tmp_path / "again")
