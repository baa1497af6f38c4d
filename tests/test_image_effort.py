"""Effort and targets of image/patch: other integers for the same decoder, and files of a wanted size or quality."""

from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
import torch
from makers import photo, round_trip, speech, tiny_patch

import triptych
from triptych.codecs.base import Options
from triptych.codecs.image import refine
from triptych.codecs.image.patch_net import weight_of
from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import cli, media, pipeline, targets
from triptych.tools.errors import UsageError
from triptych.tools.metrics import pictures
from triptych.tools.targets import Found, Target


@pytest.fixture(scope="module")
def codec():
    return tiny_patch()


def cost(codec, picture, quality, effort):
    """Bits a pixel plus lambda times the squared error: what the codec is trained to lower."""
    decoded, _, items = round_trip(codec, picture, Options(quality=quality, effort=effort))
    area = picture.pixels[..., 0].size
    error = np.mean(np.square(picture.pixels.astype(float) - decoded.pixels))
    weight = weight_of(codec.config, torch.tensor(quality / 100 * (codec.config.points - 1)))
    return 8 * len(items[0].streams[0]) / area + float(weight) * error


@pytest.mark.parametrize("quality", (50, 90))
def test_effort_lowers_what_a_picture_costs(codec, quality, monkeypatch):
    monkeypatch.setattr(refine, "STEPS", {4: 15, 7: 80})
    picture = Picture(photo(64, 96))
    plain, cheap, some, more = (cost(codec, picture, quality, effort) for effort in (0, 1, 4, 7))
    assert cheap < plain * 1.005
    assert more < some < plain * 1.03 and more < plain * 0.99


def test_equal_seeds_give_equal_files_and_other_seeds_others(codec, monkeypatch):
    monkeypatch.setattr(refine, "STEPS", {4: 5})
    picture = Picture(photo(64, 64))
    streams = [
        round_trip(codec, picture, Options(quality=60, effort=4, seed=seed))[2][0].streams[0] for seed in (0, 0, 1)
    ]
    assert streams[0] == streams[1] != streams[2]


def test_grey_alpha_and_tiles_with_effort(codec, monkeypatch):
    monkeypatch.setattr(refine, "STEPS", {4: 5})
    for planes in (1, 2, 4):
        picture = Picture(photo(40, 56, planes))
        decoded = round_trip(codec, picture, Options(quality=90, effort=4))[0]
        assert decoded.pixels.shape == picture.pixels.shape
        if planes != 1:
            np.testing.assert_array_equal(decoded.pixels[..., -1], picture.pixels[..., -1])
    picture = Picture(photo(200, 264))
    whole = round_trip(codec, picture, Options(quality=70, effort=4))[0]
    tiles = round_trip(codec, picture, Options(quality=70, effort=4, tile=128))[0]
    # Each tile is annealed by itself, so the context at its edges is not quite what it was taken for.
    assert pictures.psnr(tiles.pixels, picture.pixels) > pictures.psnr(whole.pixels, picture.pixels) - 0.5


def test_the_choice_between_neighbours_follows_the_place():
    generator = torch.Generator().manual_seed(0)
    for place in (0.1, 0.5, 0.8):
        chosen = refine._chosen(torch.full((20000,), 3 + place), 0.1, generator)
        assert ((chosen >= 3) & (chosen <= 4)).all()
        assert float((chosen - 3).mean()) == pytest.approx({0.1: 0, 0.5: 0.5, 0.8: 1}[place], abs=0.02)


# Targets


@pytest.fixture(scope="module")
def picture():
    return Picture(photo(192, 208))


def psnr(picture, data):
    return pictures.psnr(picture.pixels, pipeline.decode(data).pixels)


@pytest.mark.parametrize("bpp", (0.5, 0.9))
def test_a_rate_is_met_from_below(picture, bpp):
    found = targets.reach(picture, Target("bpp", bpp), None, Options(effort=0))
    assert 0.96 * bpp <= found.reached <= bpp
    assert found.reached == len(found.data) * 8 / (192 * 208)
    size = len(found.data) + 10
    assert len(targets.reach(picture, Target("bytes", size), None, Options(effort=0)).data) <= size


def test_psnr_and_ms_ssim_are_met(picture):
    found = targets.reach(picture, Target("psnr", 34), None, Options(effort=0))
    assert psnr(picture, found.data) == pytest.approx(found.reached) == pytest.approx(34, abs=0.1)
    found = targets.reach(picture, Target("ms-ssim", 0.97), None, Options(effort=0))
    assert found.reached == pytest.approx(0.97, abs=0.003)


def test_a_sound_of_a_rate():
    sound = Sound(speech(32000), 16000)
    found = targets.reach(sound, Target("kbps", 5), None, Options(effort=0))
    assert 4.5 <= found.reached <= 5 and len(found.data) == pytest.approx(found.reached * 2000 / 8)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (Target("bytes", 20), "20 bytes cannot be reached: the smallest file comes to"),
        (Target("psnr", 70), "70 dB PSNR cannot be reached: the best quality comes to"),
        (Target("kbps", 5), "does not fit a picture"),
    ],
)
def test_targets_out_of_reach(picture, target, sentence):
    with pytest.raises(UsageError, match=sentence):
        targets.reach(picture, target, None, Options(effort=0))


def test_targets_that_say_nothing():
    with pytest.raises(UsageError, match="films are not encoded"):
        targets.reach(Clip(photo(16, 16)[None], Fraction(25)), Target("ms-ssim", 0.9), None, Options())
    with pytest.raises(UsageError, match="at least 161 pixels"):
        targets.reach(Picture(photo(64, 300)), Target("ms-ssim", 0.9), None, Options())
    with pytest.raises(UsageError, match="does not fit a sound"):
        targets.reach(Sound(speech(1600), 16000), Target("psnr", 30), None, Options())


def test_the_search_takes_few_steps():
    asked = []

    def attempt(quality):
        asked.append(quality)
        return Found(b"", quality, quality**2)

    tried = targets.search(attempt, Target("bpp", 2000), 0, 100, 8, lambda done, text: None)
    assert len(asked) == 10 and min(abs(found.reached - 2000) for found in tried) < 40
    assert len(targets.search(attempt, Target("bpp", 20000), 0, 100, 8, lambda done, text: None)) == 2


def test_the_command_and_the_interface(tmp_path, picture, capsys):
    media.write(tmp_path / "a.png", picture)
    assert cli.main(["encode", str(tmp_path / "a.png"), "--effort", "0", "--target-bpp", "0.8"]) == 0
    data = (tmp_path / "a.trip").read_bytes()
    assert 0.76 <= len(data) * 8 / (192 * 208) <= 0.8
    assert data == triptych.encode(picture, effort=0, target=("bpp", 0.8))
    assert "quality" in capsys.readouterr().err
    out = tmp_path / "b.trip"
    assert cli.main(["encode", str(tmp_path / "a.png"), str(out), "--target-bytes", "9"]) == 2
    assert not out.exists() and "cannot be reached" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["encode", str(tmp_path / "a.png"), str(out), "--target-bpp", "1", "--target-psnr", "30"])
    with pytest.raises(ValueError, match="no target"):
        triptych.encode(picture, target=("nonsense", 3))


def test_files_of_every_effort_are_valid(tmp_path):
    out = BytesIO()
    pipeline.encode(Picture(photo(33, 47)), out, "image/patch", Options(quality=50, effort=4))
    assert pipeline.decode(out.getvalue()).pixels.shape == (33, 47, 3)
