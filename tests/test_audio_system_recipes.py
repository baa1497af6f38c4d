"""Adversarial training in the common loop: what is resumed is what was interrupted, judges judge, losses are balanced."""

from pathlib import Path

import pytest
import soundfile
import torch
from makers import round_trip, speech

from triptych.codecs.audio.layers import Conv
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.tools.recipes import audio_systems
from triptych.tools.recipes.balancer import Balancer
from triptych.tools.recipes.discriminators import Discriminators, convincing, discriminating, matching
from triptych.tools.train import Run, find_recipe

SYSTEMS = ("seanet_rvq", "hifi_codec", "language_codec", "wavtokenizer")


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    (folder / "train" / "speech").mkdir(parents=True)
    for number in range(6):
        soundfile.write(folder / "train" / "speech" / f"{number}.flac", speech(40000, seed=number)[0], 16000)
    return folder


def begun(name: str, media: Path, out: Path) -> Run:
    torch.set_num_threads(1)
    run = Run(find_recipe(f"audio_systems.{name}_smoke"), media, out, "cpu")
    run.bf16 = False
    return run


def test_resumed_equals_uninterrupted_with_its_adversary(media, tmp_path):
    whole = begun("seanet_rvq", media, tmp_path / "whole")
    whole.start()
    for _ in range(8):
        losses = whole.advance()
        if whole.step == 1:
            assert "used" not in losses and "adversarial" not in losses  # nothing is quantised or judged yet
    assert {"adversarial", "feature", "commitment", "used"} <= losses.keys()
    first = begun("seanet_rvq", media, tmp_path / "parts")
    first.start()
    for _ in range(7):
        first.advance()
    first.save()
    second = begun("seanet_rvq", media, tmp_path / "parts")
    second.resume()
    assert second.step == 7 and second.adversary.quantising == 1
    second.advance()
    ours, theirs = whole.state(), second.state()
    assert ours.keys() == theirs.keys() and any(name.startswith("rival.") for name in ours)
    assert any(name.startswith("adversary.judges") for name in ours) and "adversary.balancer.norms" in ours
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_trains_and_then_codes(name, media, tmp_path):
    run = begun(name, media, tmp_path)
    run.start()
    before = [parameter.clone() for parameter in run.adversary.parameters()]
    for _ in range(8):
        losses = run.advance()
        assert all(value == value for value in losses.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, run.adversary.parameters(), strict=True))
    codec = run.codec.eval()
    figures = run.task.validate(codec)
    assert 0 < figures["least_use"] <= figures["use"] <= 1 and figures["frames"] > 100
    with torch.no_grad():
        run.task.finish(codec)
    assert codec.net.encoder[-1].weight in set(codec.parameters())
    assert not any(hasattr(module, "parametrizations") for module in codec.modules())
    sound = Sound(speech(6000), 16000)
    decoded, _, _ = round_trip(codec.requires_grad_(False), sound, Options(quality=100))
    assert decoded.samples.shape == sound.samples.shape


def test_recipes_name_the_codecs_that_name_them():
    for name in SYSTEMS:
        for suffix in ("", "_small", "_smoke"):
            recipe = find_recipe(f"audio_systems.{name}{suffix}")
            assert recipe.name == f"audio_systems.{name}{suffix}"
        codec = recipe.make()
        assert codec.recipe == f"audio_systems.{name}"
        normed = [module for module in codec.net.modules() if isinstance(module, Conv)]
        assert normed and all(hasattr(module, "parametrizations") for module in normed)


def test_training_lowers_the_distance(media, tmp_path):
    run = begun("language_codec", media, tmp_path)
    run.start()
    mel = [run.advance()["mel"] for _ in range(20)]
    assert sum(mel[-5:]) < 0.9 * sum(mel[:5])


def test_the_balancer_shares_the_gradient_out_by_weight():
    balancer = Balancer({"a": 1.0, "b": 3.0}, decay=0.9)
    x = torch.randn(4, 100, generator=torch.Generator().manual_seed(0), requires_grad=True)
    pull = torch.randn(4, 100, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        both = balancer({"a": 1e6 * x.sum(), "b": 1e-6 * (x * pull).sum()}, x) * 4
        a = balancer({"a": 1e6 * x.sum()}, x) * 4
    assert a.norm(dim=1).mean() == pytest.approx(1.0, rel=1e-4)
    b = both - 0.25 * a
    assert b.norm(dim=1).mean() == pytest.approx(0.75, rel=1e-4)
    assert torch.nn.functional.cosine_similarity(b.flatten(), pull.flatten(), dim=0) > 0.999


def test_judges_learn_to_tell_noise_from_tones():
    torch.manual_seed(0)
    judges = Discriminators((2, 3), (128,), 4)
    tones, noise = torch.from_numpy(speech(4000, 4)), 0.05 * torch.randn(4, 4000)
    optimizer = torch.optim.Adam(judges.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = discriminating(judges(tones), judges(noise))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]
    with torch.no_grad():
        real, made = judges(tones), judges(noise)
        assert convincing(made) > convincing(real)
        assert matching(real, real) == 0 and matching(real, made) > 0.1


def test_adversary_is_saved_with_the_whole_state():
    task = audio_systems.seanet_rvq_smoke().task()
    names = dict(task.adversary.named_buffers())
    assert {"quantising", "balancer.norms", "balancer.mass"} <= names.keys()
