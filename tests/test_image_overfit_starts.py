"""Learned starts of image/overfit: what files begin with, larger presets, networks between two rate points."""

import numpy as np
import pytest
import torch
from makers import photo, round_trip

from triptych.bitstream import TripError
from triptych.codecs.base import Options
from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig, Parameters
from triptych.codecs.image.overfit_fit import bits_of, synthesise
from triptych.codecs.image.overfit_net import PRESETS
from triptych.codecs.image.overfit_start import Sets, between, gain
from triptych.codecs.signals import Picture
from triptych.tools.models import save
from triptych.tools.recipes import image_overfit


@pytest.fixture(scope="module")
def started():
    """A codec whose learned networks are random ones."""
    torch.manual_seed(0)
    codec = OverfitCodec(OverfitConfig("mop", larger="hop"))
    codec.freeze()
    return codec.eval().requires_grad_(False)


def test_learned_networks_and_their_growth(started):
    """Files begin with the learned networks, also in a larger preset, whose additions have no effect at first."""
    picture = Picture(photo(40, 48))
    cases = {"mop": Options(effort=2), "hop": Options(effort=9)}
    assert {started.open(picture, options)[1].parameters.preset for options in cases.values()} == set(cases)
    decoded, track, items = round_trip(started, picture, Options(effort=9, seconds=0.3))
    assert started.parse(track).preset == "hop"
    again = OverfitCodec(started.config)
    again.import_state(started.export_state())
    assert (again.eval().decode(track, items).pixels == decoded.pixels).all()
    assert set(started.decoder_state()) < set(started.export_state())
    with pytest.raises(TripError, match="no learned networks"):
        OverfitCodec(OverfitConfig("lop", start=False)).decode(track, items)
    with pytest.raises(ValueError, match="no preset is called"):
        OverfitConfig("mop", larger="hip")
    small, large = (started.origin(Parameters(preset, True, 37, 0)) for preset in ("hop", "vhop"))
    pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    grids = [grid.round() for grid in started.analysis(pixels, 37.0)]
    bits = [
        float(sum(bits_of(grids, {name: torch.from_numpy(value).float() for name, value in origin.items()})))
        for origin in (small, large)
    ]
    assert bits[0] == pytest.approx(bits[1], rel=1e-4)


def test_a_larger_preset_is_learned_from_the_smaller(tmp_path):
    torch.manual_seed(0)
    small = OverfitCodec(OverfitConfig("mop"))
    small.freeze()
    save(small, tmp_path / "small.safetensors")
    recipe = image_overfit.larger(tmp_path / "small.safetensors")
    codec = recipe.make()
    recipe.task().start(codec, torch.Generator().manual_seed(0))
    learning = {name for name, p in codec.sets.named_parameters(prefix="sets") if p.requires_grad}
    assert learning == {f"sets.hop.{name.replace('.', '_')}" for name in PRESETS["hop"].shapes()} - {"sets.hop.up"}
    codec.freeze()
    for name, value in small.learned["mop"].items():
        assert (codec.learned["mop"][name] == value).all()
    picture = torch.from_numpy(photo(32, 32)).permute(2, 0, 1)[None]
    found = [task_loss(codec, picture, config) for config in ("mop", "hop")]
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    with pytest.raises(ValueError, match="--start"):
        image_overfit.larger().task().start(codec, torch.Generator())


def test_the_analysis_is_trained_for_both_presets(tmp_path):
    torch.manual_seed(0)
    known = image_overfit.both(learns=())
    known.freeze()
    save(known, tmp_path / "both.safetensors")
    recipe = image_overfit.default(tmp_path / "both.safetensors")
    codec, task, generator = recipe.make(), recipe.task(), torch.Generator().manual_seed(0)
    task.start(codec, generator)
    batch = torch.from_numpy(photo(64, 64)).permute(2, 0, 1)[None]
    task.losses(codec, batch, 0.5, generator)["loss"].backward()
    learning = {name.partition(".")[0] for name, p in codec.named_parameters() if p.grad is not None}
    assert learning == {"analysis"}
    task.finish(codec)
    for preset, own in known.learned.items():
        assert all((codec.learned[preset][name] == value).all() for name, value in own.items())


@torch.no_grad()
def task_loss(codec: OverfitCodec, picture: torch.Tensor, preset: str) -> float:
    """Bits and error of the first latents under the networks of a preset."""
    grids = [grid.round() for grid in codec.analysis(picture / 255, 40.0)]
    tensors = codec.sets[preset].at(40.0)
    made = synthesise(grids, tensors, gain(40))
    return float(sum(bits_of(grids, tensors)) + (made - picture / 255).square().sum())


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (150, 2)])
def test_tiny_and_tall_pictures_with_learned_networks(started, size):
    picture = Picture(photo(*size))
    decoded, _, _ = round_trip(started, picture, Options(effort=0))
    assert decoded.pixels.shape == picture.pixels.shape


def test_networks_between_two_points():
    sets = Sets(PRESETS["lop"])
    with torch.no_grad():
        sets["arm.w2"][2] += 1
    whole = sets.integers()["arm.w2"]
    assert (between(whole, 50) == whole[2]).all() and (between(whole, 100) == whole[4]).all()
    np.testing.assert_allclose(between(whole, 60) / 256, sets.at(60.0)["arm.w2"].detach(), atol=0.01)
