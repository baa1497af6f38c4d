"""Training of image/slices: begins at image/patch, exports what decodes elsewhere, tables cost what they should."""

import io
import tarfile

import numpy as np
import pytest
import torch
from makers import photo
from PIL import Image

from triptych import weights
from triptych.codecs.base import Options
from triptych.codecs.image.patch_net import checkerboard
from triptych.codecs.image.residuals import MOST, learned
from triptych.codecs.image.side import BOUND as SIDE_BOUND
from triptych.codecs.image.slices_net import SlicesConfig
from triptych.codecs.signals import Picture
from triptych.entropy import ROWS, Tables, gaussian
from triptych.tools.models import from_file, load
from triptych.tools.recipes.image_slices import fresh, short_tables, take_over
from triptych.tools.train import main

needs_patch = pytest.mark.skipif(weights.find("image/patch") is None, reason="weights of image/patch are missing")


@needs_patch
def test_begins_with_the_means_and_rows_of_image_patch():
    patch = load("image/patch")
    codec = fresh(SlicesConfig())
    take_over(codec, patch)
    torch.manual_seed(0)
    z = torch.randint(-9, 10, (1, patch.config.side, 3, 4)).float()
    with torch.no_grad():
        rows = codec.net.head(z, torch.tensor([3.5])).clamp(0, 63).round()[0].numpy()
        assert np.mean(rows == patch.rows(z[0].numpy().astype(int), 56)) > 0.99
        first, features = patch.net.means.start(z)
        residual = torch.randn_like(first).mul(2).round() * checkerboard(first)
        walk, step = codec.net.walk(z), codec.net.steps[-1]
        for earlier in codec.net.steps:
            if earlier.phase == 0:
                walk.take(earlier, first[:, earlier.channels], residual[:, earlier.channels])
        means = walk.means(step)
    expected = patch.net.means.update(first, features, residual)[:, step.channels]
    assert torch.allclose(means, expected, atol=1e-3)
    assert not any(p.requires_grad for p in codec.net.analysis.parameters())


@needs_patch
def test_a_run_exports_a_codec(tmp_path):
    (tmp_path / "train" / "images").mkdir(parents=True)
    with tarfile.open(tmp_path / "train" / "images" / "images-00.tar", "w") as tar:
        for number in range(2):
            file = io.BytesIO()
            Image.fromarray(photo(192, 224, seed=number)).save(file, "png")
            member = tarfile.TarInfo(f"{number}.png")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)
    fixed = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--precision", "float32", "--device", "cpu"]
    assert main(["image_slices.smoke", *fixed, "--export", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.safetensors")
    assert path.stat().st_size < 5e6
    picture = Picture(photo(50, 70))
    track, plan = from_file(path).open(picture, Options(quality=80))
    units = [*from_file(path).encode_units(picture, track, plan, 0, Options())]
    decoded = load("image/slices", path).decode(track, units)
    assert np.abs(decoded.pixels.astype(int) - picture.pixels).mean() < 12


@needs_patch
def test_short_tables_cost_next_to_nothing():
    short = load("image/patch").side_tables
    assert short_tables(short) is short
    shares = short.shares(-SIDE_BOUND, 2 * SIDE_BOUND + 1)
    whole = Tables.from_counts(np.rint(shares * 2**30).astype(np.int64), first=-SIDE_BOUND)
    short = short_tables(whole)
    assert len(short) == len(whole) and len(short.frequencies) < len(whole.frequencies) / 3
    for number in range(0, len(whole), 37):
        row, mine = whole.row(number) / 2**24, short.row(number) / 2**24
        offset = short.firsts[number] - whole.firsts[number]
        inside = row[offset : offset + len(mine) - 1]
        cost = -(inside * np.log2(mine[:-1])).sum() - (1 - inside.sum()) * np.log2(mine[-1])
        assert cost + 8 * (1 - inside.sum()) < -(row * np.log2(row)).sum() * 1.01 + 0.01


def test_tables_of_residuals_follow_what_was_seen():
    seen = np.zeros((ROWS, 2 * MOST + 1), np.int64)
    seen[20, MOST - 1 : MOST + 2] = 10**6, 10**6, 3 * 10**6
    tables = learned(seen)
    assert 40 < len(tables) < 50
    assert np.abs(tables.row(5) - gaussian().row(5)).max() <= 2**24 // 1000
    row = tables.row(20) / 2**24
    centre = -tables.firsts[20]
    assert row[centre + 1] == pytest.approx(0.4, abs=0.001) == row[centre - 1]
