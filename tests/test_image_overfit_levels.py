"""image/overfit: how its networks are rounded, and the second derivatives that say what rounding does."""

import itertools

import numpy as np
import pytest
import torch
from makers import photo

from triptych.codecs.image import overfit_curvature, overfit_levels
from triptych.codecs.image.overfit_fit import ARM, EXPONENTS, Fit, Recipe, paint
from triptych.codecs.image.overfit_net import GRIDS, PRESETS, fresh
from triptych.codecs.image.overfit_start import gain


def brief_fit(steps=60):
    pixels, layout = torch.from_numpy(photo(64, 64)).permute(2, 0, 1)[None].float() / 255, PRESETS["lop"]
    work = Fit(pixels, layout, Recipe(steps, 1e-3, gain(50)), fresh(layout, torch.Generator().manual_seed(0)))
    for step in range(steps):
        work.advance(step / steps)
    return work


def cost_of(work):
    bits, extra, error = work.measure()
    return error + work.rate * (bits + extra)


def test_refined_levels_cost_less():
    work = brief_fit()
    nearest = []
    for finer in range(-3, 4):
        work.exponents = [exponent + finer for exponent in EXPONENTS]
        nearest.append(cost_of(work))
    work.exponents = list(EXPONENTS)
    overfit_levels.refine(work)
    assert cost_of(work) < min(nearest)
    levels, _, _ = work.result()
    assert work.refined and all(np.array_equal(levels[name], work.refined[name].numpy()) for name in levels)


def test_refining_keeps_what_is_not_better(monkeypatch):
    work = brief_fit(9)
    before = list(work.exponents)
    monkeypatch.setattr(overfit_levels, "_choose", lambda work, names, _: {n: 1e3 + 0 * work.origin[n] for n in names})
    overfit_levels.refine(work)
    assert not work.refined and work.exponents == before


def test_slopes_of_all_places_are_the_gradient_of_the_bits():
    work, found = brief_fit(9), []
    tensors, grids = {name: value.detach() for name, value in work.tensors.items()}, work.grids(work.hard())
    for level in range(GRIDS):
        x, y, share = overfit_curvature.seen_at(grids, level, work.layout.taps, torch.Generator().manual_seed(0))
        assert share == 1
        found.append(overfit_curvature._bit_slopes(tensors, level, x, y).double().sum(1))
    for value in work.tensors.values():
        value.grad = None
    work._rate(work.parts(grids), work.bands[0])
    wanted = torch.cat([work.tensors[name].grad.flatten() for name in ARM]).double() / work.rate
    assert torch.allclose(sum(found), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("preset", ["lop", "mop"])
def test_a_window_is_painted_as_the_picture_is(preset):
    layout, generator = PRESETS[preset], torch.Generator().manual_seed(0)
    tensors = fresh(layout, generator)
    tensors |= {name: torch.randn(s, generator=generator) for name, s in layout.shapes().items() if "conv" in name}
    x = torch.randn(1, GRIDS, 12, 11, generator=generator)
    whole, side = paint(x, tensors), 2 * layout.convs + 1
    part = overfit_curvature._pixel(tensors, x[0, :, 3 : 3 + side, 2 : 2 + side])
    assert torch.allclose(part, whole[0, :, 3 + layout.convs, 2 + layout.convs], atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_levels_chosen_together_come_near_the_best(seed):
    numbers = np.random.default_rng(seed)
    factor, wanted = numbers.normal(size=(3, 3)), numbers.normal(size=3) * 3
    curvature, groups = factor @ factor.T + 0.3 * np.eye(3), np.array([0, 0, 2])
    cost, levels = overfit_levels.descend(curvature, wanted, groups)

    def total(x):
        spread = [2 * np.log2(1 + np.e * np.abs(x[:2]).sum()), np.log2(1 + 2 * np.e * abs(x[2]))]
        return (x - wanted) @ curvature @ (x - wanted) / 2 + sum(spread)

    assert np.array_equal(levels, levels.round()) and cost == pytest.approx(total(levels))
    best = min(total(np.array(x, float)) for x in itertools.product(range(-9, 10), repeat=3))
    assert cost <= total(wanted.round()) + 1e-9 and cost <= best + 2
