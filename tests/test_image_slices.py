"""image/slices: causal context, exact symbols whatever floats do, any size and format, tiles, refinement."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import TINY_SLICES, photo, refuses_garbage, round_trip, tiny_slices

from triptych.codecs.base import Options
from triptych.codecs.image import refine
from triptych.codecs.image.context import CONTEXTS, MODULES, References
from triptych.codecs.image.patch import SKIP, STEPS
from triptych.codecs.image.patch_net import weight_of
from triptych.codecs.image.slices import SlicesCodec
from triptych.codecs.image.slices_net import FINE, RowInputs, score_table, scores
from triptych.codecs.signals import Crop, Picture
from triptych.entropy import Decoder, Encoder, RateCounter


@pytest.fixture(scope="module")
def codec():
    return tiny_slices()


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4), st.integers(0, 100))
def test_any_size_and_format(codec, height, width, planes, quality):
    picture = Picture(photo(height, width, planes, seed=height))
    decoded, track, _ = round_trip(codec, picture, Options(quality=quality))
    assert decoded.pixels.shape == picture.pixels.shape and decoded.pixels.dtype == np.uint8
    if planes in (2, 4):
        assert (decoded.pixels[..., -1] == picture.pixels[..., -1]).all()
    assert codec.memory(track) > 0


@pytest.mark.parametrize("count", range(len(CONTEXTS) + 1))
def test_every_choice_of_modules_codes(count):
    codec = tiny_slices(dataclasses.replace(TINY_SLICES, modules=CONTEXTS[:count]))
    picture = Picture(photo(80, 50))
    _, index = codec.open(picture, Options(quality=80))
    symbols = codec.analyse(picture, index)
    decoded, _, (unit,) = round_trip(codec, picture, Options(quality=80, effort=0))
    again = codec.traverse(Decoder(unit.streams[0]), (80, 50), index, False)
    assert (again.side == symbols.side).all() and (again.residual == symbols.residual).all()
    assert np.abs(decoded.pixels - picture.pixels.astype(float)).mean() < 16
    asked = set(CONTEXTS[:count])
    used = {module.name for part in codec.net.contexts for module in (*part.early, *part.late)}
    assert used == asked - {"reweight"}


def state_after(codec, residual, side, index, place):
    """Means and rows of every step up to `place` when residuals are these."""
    net = codec.net
    walk = net.walk(torch.from_numpy(side).float()[None])
    base = torch.from_numpy(codec.rows(side, index).astype(np.int32))[None]
    state = RowInputs(codec.config, codec.score_table, base)
    found = []
    for number, step in enumerate(net.steps[: place + 1]):
        rows, means = codec._rows_of(number, state), walk.means(step)
        found.append((rows.copy(), means.clone()))
        part = torch.from_numpy(residual[step.channels].copy())[None]
        state.take(step, torch.from_numpy(rows)[None], part)
        walk.take(step, means, part.float())
    return found


@pytest.mark.parametrize("changed", [1, 3, 5])
def test_steps_depend_on_earlier_steps_only(codec, changed):
    """A symbol of the second half of a slice leaves alone all that comes before it and its own half, and moves the rest."""
    picture = Picture(photo(96, 96))
    _, index = codec.open(picture, Options(quality=90))
    symbols = codec.analyse(picture, index)
    steps = codec.net.steps
    residual = symbols.residual.copy()
    mask = steps[changed].mask(*residual.shape[1:]).numpy()
    residual[steps[changed].channels][tuple(np.argwhere(mask)[len(np.argwhere(mask)) // 2])] += 40
    before, after = (state_after(codec, r, symbols.side, index, len(steps) - 1) for r in (symbols.residual, residual))
    for place, (one, other) in enumerate(zip(before, after, strict=True)):
        mask = steps[place].mask(*residual.shape[1:]).numpy()
        same_rows = (one[0][mask] == other[0][mask]).all()
        same_means = torch.equal(one[1][0][mask], other[1][0][mask])
        assert (same_rows and same_means) if place <= changed else not same_means
    if changed < 5:
        assert any((one[0] != other[0]).any() for one, other in zip(before, after, strict=True))


def test_drift_of_the_means_moves_no_symbol(codec):
    """Noise on every mean changes pixels slightly and symbols never."""
    picture = Picture(photo(96, 96))
    track, index = codec.open(picture, Options(quality=70))
    items = list(codec.encode_units(picture, track, index, 0, Options()))
    clean = codec.decode(track, items).pixels
    start, forwards = codec.net.means.start, [part.forward for part in codec.net.contexts]
    codec.net.means.start = lambda z: tuple(x + 1e-3 * torch.randn_like(x) for x in start(z))
    for part, forward in zip(codec.net.contexts, forwards, strict=True):
        part.forward = lambda *a, f=forward: tuple(x + 1e-3 * torch.randn_like(x) for x in f(*a))
    try:
        noisy = codec.decode(track, items).pixels
        symbols = codec.traverse(Decoder(items[0].streams[0]), (96, 96), index, False)
    finally:
        del codec.net.means.start
        for part in codec.net.contexts:
            del part.forward
    again = codec.traverse(Decoder(items[0].streams[0]), (96, 96), index, False)
    assert (symbols.residual == again.residual).all()
    assert 0 < np.abs(noisy.astype(int) - clean).max() <= 4


def test_threads_and_float_kernels_move_no_symbol(codec):
    picture = Picture(photo(150, 170))
    symbols = codec.analyse(picture, 80, effort=1)
    encoder = Encoder()
    codec.traverse(encoder, (150, 170), 80, False, symbols)
    data, threads = encoder.finish(), torch.get_num_threads()
    try:
        for count, onednn in ((1, True), (2, True), (2, False)):
            torch.set_num_threads(count)
            torch.backends.mkldnn.enabled = onednn
            found = codec.traverse(Decoder(data), (150, 170), 80, False)
            assert (found.side == symbols.side).all() and (found.residual == symbols.residual).all()
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = True


def test_counted_rate_is_the_size_and_skipped_symbols_are_zero(codec):
    picture = Picture(photo(160, 160))
    track, index = codec.open(picture, Options(quality=60, effort=0))
    symbols = codec.analyse(picture, index)
    counter = RateCounter()
    codec.traverse(counter, (160, 160), index, False, symbols)
    (unit,) = codec.encode_units(picture, track, index, 0, Options(quality=60, effort=0))
    assert abs(len(unit.streams[0]) * 8 - counter.bits) <= counter.bits * 0.001 + 64
    found = state_after(codec, symbols.residual, symbols.side, index, len(codec.net.steps) - 1)
    skipped = 0
    for step, (rows, _) in zip(codec.net.steps, found, strict=True):
        low = (rows < SKIP) & step.mask(*rows.shape[1:]).numpy()
        assert (symbols.residual[step.channels][low] == 0).all()
        skipped += low.sum()
    assert skipped


def test_float_twins_and_integer_networks_agree(codec):
    picture = Picture(photo(160, 160))
    symbols = codec.analyse(picture, 60)
    base = codec.rows(symbols.side, 60)
    state = RowInputs(codec.config, codec.score_table, torch.from_numpy(base.astype(np.int32))[None])
    for place, step in enumerate(codec.net.steps):
        inputs, rows = state.inputs(step), codec._rows_of(place, state)
        twin = codec.net.trained_rows(place, state.base[:, step.channels] / FINE, inputs)[0].numpy()
        assert np.abs(twin - rows).max() < 1.5 and np.mean(np.rint(twin) == rows) > 0.75
        state.take(step, torch.from_numpy(rows)[None], torch.from_numpy(symbols.residual[step.channels].copy())[None])


def test_every_residual_has_a_score():
    table, extremes = score_table(), torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32)
    found = scores(table, torch.zeros(2, dtype=torch.uint8), extremes)
    assert found[0] == found[1] == table[0, -1]


def test_scores_say_which_way_a_row_was_wrong():
    table = score_table()
    assert (table[:, 0] <= 0).all() and (table[10, 3:] > 0).all() and (table[40, :4] < 0).all()
    assert table[2, 255] == 63 and table.abs().max() <= 63


def test_attention_looks_where_it_may():
    """The window: places more than two away and places without anchors add nothing."""
    net = tiny_slices().net
    module = next(m for m in net.contexts[1].late if m.name == "local")
    references = References(torch.randn(1, 16, 12, 12), (torch.randn(1, 8, 12, 12),), torch.zeros(1, 16, 12, 12), None)
    empty = module(references)
    references.anchors[0, :, 6, 6] = 1.0
    moved = (module(references) - empty).abs().amax(1)[0] > 0
    assert moved[4:9, 4:9].all() and moved.sum() == 25


@pytest.mark.parametrize("module", MODULES)
def test_modules_give_features_for_any_size(module):
    codec = tiny_slices()
    for height, width in ((2, 2), (4, 10)):
        wide = torch.zeros(2, 16, height, width)
        references = References(wide, (wide[:, :8],), wide, wide[:, :8])
        for part in codec.net.contexts[:2]:
            for found in (m for m in (*part.early, *part.late) if type(m) is module):
                size = found.value[0].in_channels if hasattr(found, "value") else None
                own = wide[:, :8] if part is codec.net.contexts[0] or size == 8 else wide
                result = found(dataclasses.replace(references, anchors=own))
                assert result.shape == (2, 8, height, width) and torch.isfinite(result).all()


def test_tiles_decode_alone(codec):
    picture = Picture(photo(100, 150))
    options = Options(quality=70, tile=64)
    whole, track, items = round_trip(codec, picture, options)
    assert len(items) == 6
    crop = Crop(70, 10, 40, 30)
    numbers, _ = codec.region(track, crop)
    part = codec.decode(track, [items[n] for n in numbers], crop)
    assert len(numbers) == 1 and (part.pixels == whole.pixels[10:40, 70:110]).all()


def test_wrong_check_and_garbage(codec):
    picture = Picture(photo(40, 40))
    refuses_garbage(codec, picture, 20)


def test_state_restores_the_same_codec(codec):
    again = SlicesCodec(codec.config)
    again.import_state(codec.export_state())
    picture = Picture(photo(64, 64))
    assert round_trip(again.eval(), picture, Options())[2] == round_trip(codec, picture, Options())[2]
    assert {k: v.tolist() for k, v in again.export_state().items()} == {
        k: v.tolist() for k, v in codec.export_state().items()
    }
    assert set(codec.decoder_state()) < set(codec.export_state())


def test_slices_must_make_all_latents():
    with pytest.raises(ValueError, match="do not make 48 latents"):
        dataclasses.replace(TINY_SLICES, slices=(8, 8))


def test_rate_index_of_the_ends(codec):
    picture = Picture(photo(64, 64))
    sizes = [len(round_trip(codec, picture, Options(quality=q))[2][0].streams[0]) for q in (0, 50, 100)]
    assert sizes == sorted(sizes)
    assert codec.open(picture, Options(quality=100))[1] == STEPS * (TINY_SLICES.points - 1)


def cost(codec, picture, options):
    """Bits a pixel plus lambda times the squared error, and whether the file decodes to the symbols of the encoder."""
    decoded, _, (unit,) = round_trip(codec, picture, options)
    _, index = codec.open(picture, options)
    size = picture.pixels.shape[:2]
    symbols = codec.traverse(Decoder(unit.streams[0]), size, index, False)
    given = codec.analyse(picture, index, options.effort, options.seed)
    assert (symbols.residual == given.residual).all() and (symbols.side == given.side).all()
    error = np.mean(np.square(picture.pixels.astype(float) - decoded.pixels))
    weight = weight_of(codec.config, torch.tensor(index / STEPS))
    return 8 * len(unit.streams[0]) / (size[0] * size[1]) + float(weight) * error


@pytest.mark.parametrize("seed", range(3))
def test_annealing_lowers_what_every_picture_costs(codec, seed, monkeypatch):
    monkeypatch.setattr(refine, "STEPS", {4: 60})
    picture = Picture(photo(64, 96, seed=seed))
    plain, cheap, annealed = (cost(codec, picture, Options(quality=80, effort=effort)) for effort in (0, 1, 4))
    assert cheap < plain * 1.01 and annealed < plain
