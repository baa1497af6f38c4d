"""The training loop: a run resumed is the run uninterrupted, and what it exports decodes elsewhere."""

import io
import json
import tarfile

import numpy as np
import pytest
from makers import photo
from PIL import Image

from triptych import weights
from triptych.codecs.base import Options
from triptych.codecs.signals import Picture
from triptych.tools.models import from_file, load
from triptych.tools.train import find_recipe, main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "train" / "images").mkdir(parents=True)
    with tarfile.open(folder / "train" / "images" / "images-00.tar", "w") as tar:
        for number in range(6):
            file = io.BytesIO()
            Image.fromarray(photo(96, 128, seed=number)).save(file, "png")
            member = tarfile.TarInfo(f"{number}.png")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)
    return folder


def train(data, out, *more):
    fixed = ["--data", str(data), "--out", str(out), "--precision", "float32", "--device", "cpu"]
    assert main(["image_patch.smoke", *fixed, *more]) == 0


def rows(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_resumed_equals_uninterrupted_and_export_decodes(data, tmp_path):
    train(data, tmp_path / "whole", "--export", str(tmp_path))
    # The schedule is cut in two calls: the first one ends by its time limit after the step it is in.
    train(data, tmp_path / "parts", "--minutes", "0.0001")
    first = rows(tmp_path / "parts")[-1]["step"]
    assert 0 < first < 20
    train(data, tmp_path / "parts", "--resume")
    whole, parts = rows(tmp_path / "whole")[-1], rows(tmp_path / "parts")[-1]
    assert whole["step"] == parts["step"] == 20 and whole["event"] == "validation"
    assert parts["log_loss"] == pytest.approx(whole["log_loss"], abs=1e-3)
    assert (tmp_path / "whole" / "sample.png").stat().st_size > 1000

    (path,) = tmp_path.glob("*.safetensors")
    codec = from_file(path)
    entry = next(row for row in (tmp_path / "registry.toml").read_text().splitlines() if row.startswith("digest"))
    assert codec.identity.hex() in entry and any(codec.identity)
    assert "smoke" in path.with_suffix(".md").read_text()
    picture = Picture(photo(50, 70))
    track, plan = codec.open(picture, Options(quality=80))
    decoded = load("image/patch", path).decode(track, codec.encode_units(picture, track, plan, 0, Options()))
    assert np.abs(decoded.pixels.astype(int) - picture.pixels).mean() < 12


def test_training_lowers_the_loss(data, tmp_path):
    train(data, tmp_path, "--steps", "40")
    validations = [row["log_loss"] for row in rows(tmp_path) if row.get("event") == "validation"]
    assert validations[-1] < validations[0]


def test_digest_is_content():
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.int8)}
    digest = weights.digest("x/y", 1, {"n": 3}, tensors)
    assert digest == weights.digest("x/y", 1, {"n": 3}, dict(reversed(tensors.items())))
    changed = [("x/z", 1, {"n": 3}), ("x/y", 2, {"n": 3}), ("x/y", 1, {"n": 4})]
    others = {weights.digest(*start, tensors) for start in changed}
    others.add(weights.digest("x/y", 1, {"n": 3}, tensors | {"a": tensors["a"].reshape(3, 2)}))
    others.add(weights.digest("x/y", 1, {"n": 3}, tensors | {"b": tensors["b"].astype(np.uint8)}))
    assert len(others | {digest}) == 6


def test_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="no recipe"):
        find_recipe("image_patch.none")
