"""Side information in three steps: every place once, neighbours known, the same values back, fewer bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.bitstream import Malformed
from triptych.codecs.image.residuals import MOST, completed, learned
from triptych.codecs.image.side import Near, neighbours, places, traverse_side
from triptych.entropy import ROWS, Decoder, Encoder, RateCounter, Tables, gaussian
from triptych.tools.recipes.patch_side import fit_near

CHANNELS, POINTS = 3, 2


def _smooth(rng, count, height, width):
    """Values that are like their neighbours, and channels that are like each other: int32 [count, 3, height, width]."""
    field = rng.normal(0, 12, (count, 1, height + 6, width + 6))
    for axis in (2, 3):
        field = np.lib.stride_tricks.sliding_window_view(field, 7, axis).mean(-1)
    return np.rint(field * 3 * np.array([1.0, -0.5, 0.2])[:, None, None] + rng.normal(0, 0.4, field.shape)).astype(
        np.int32
    )


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    seen = [_smooth(rng, 150, 8, 8) for _ in range(POINTS)]
    counts = np.stack(
        [np.bincount((z[:, c] + 127).clip(0, 254).reshape(-1), minlength=255) for z in seen for c in range(3)]
    )
    return Tables.from_counts(counts + 1, first=-127), fit_near(seen)


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_place_belongs_to_one_step_and_its_neighbours_to_earlier_ones(height, width):
    steps = places(height, width)
    assert (np.sum(steps, axis=0) == 1).all()
    order = np.argmax(steps, axis=0)[None]
    for step in (0, 1):
        around = neighbours(order, step, steps[step + 1])
        if min(height, width) > 1:
            assert around.size == 0 or around.max() <= step


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, POINTS - 1), st.integers(0, 2**32 - 1))
def test_round_trip(models, height, width, near, point, seed):
    tables, known = models
    rng = np.random.default_rng(seed)
    z = (
        rng.integers(-127, 128, (CHANNELS, height, width)).astype(np.int32)
        if seed % 2
        else _smooth(rng, 1, height, width)[0]
    )
    encoder = Encoder()
    traverse_side(encoder, z.shape, tables, known if near else None, point, z)
    decoder = Decoder(encoder.finish())
    found = traverse_side(decoder, z.shape, tables, known if near else None, point, None)
    decoder.finish()
    assert (found == z).all() and decoder.check == encoder.check


def test_neighbours_save_bits(models):
    tables, near = models
    z, bits = _smooth(np.random.default_rng(9), 1, 40, 40)[0], []
    for known in (None, near):
        counter = RateCounter()
        traverse_side(counter, z.shape, tables, known, 0, z)
        bits.append(counter.bits)
    assert bits[1] < 0.75 * bits[0]


def test_later_values_do_not_change_earlier_tables(models):
    _, near = models
    z = _smooth(np.random.default_rng(3), 1, 10, 10)[0]
    steps = places(10, 10)
    for step in (0, 1):
        changed = np.where(np.logical_or.reduce(steps[step + 1 :]), z + 5, z)
        known, other = (np.where(np.logical_or.reduce(steps[: step + 1]), a, 0) for a in (z, changed))
        for a, b in zip(
            *(near.expect(neighbours(k, step, steps[step + 1]), step, 1) for k in (known, other)), strict=True
        ):
            assert (a == b).all()


def test_values_out_of_range_are_malformed(models):
    tables, near = models
    z = np.zeros((CHANNELS, 2, 2), np.int32)
    z[1, 1, 1] = 200
    encoder = Encoder()
    with pytest.raises(Malformed):
        traverse_side(encoder, z.shape, tables, near, 0, z)
    encoder = Encoder()
    where = places(2, 2)
    encoder.code(z[:, where[0]], tables.at(np.arange(3)[:, None], (3, 1)))
    whole, rows = near.expect(neighbours(np.where(where[0], z, 0), 0, where[1]), 0, 0)
    encoder.code(z[:, where[1]] - whole, near.tables.at(rows))
    with pytest.raises(Malformed, match="range"):
        traverse_side(Decoder(encoder.finish()), z.shape, tables, near, 0, None)


def test_it_is_stored_as_arrays(models):
    _, near = models
    again = Near.from_state(near.state())
    around = np.random.default_rng(0).integers(-127, 128, (4 * CHANNELS, 50))
    for step in (0, 1):
        for a, b in zip(near.expect(around, step, 1), again.expect(around, step, 1), strict=True):
            assert (a == b).all()
    assert (again.tables.frequencies == near.tables.frequencies).all()


def test_tables_of_residuals_follow_what_was_seen():
    seen = np.zeros((ROWS, 2 * MOST + 1), np.int64)
    seen[10, MOST - 1 : MOST + 2] = 10_000, 80_000, 30_000
    tables, family = completed(learned(seen)), gaussian()
    assert len(tables) == ROWS and (tables.firsts == family.firsts).all() and (tables.sizes == family.sizes).all()
    assert (tables.row(11) == family.row(11)).all() or np.abs(tables.row(11) - family.row(11)).max() < 40
    middle = -int(tables.firsts[10])
    shares = tables.row(10)[middle - 1 : middle + 2] / 2**24
    assert np.allclose(shares, (20 / 121, 80 / 121, 20 / 121), atol=0.02) and shares[0] == shares[2]
    assert (completed(None).frequencies == family.frequencies).all()
