"""image/circuit: exact conditionals, exact pictures, a rate that is the model's, a walk whose cost does not grow with the patch."""

import io
import tarfile
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import photo, round_trip, tiny_circuit
from PIL import Image

from triptych import weights
from triptych.bitstream import Malformed, TripError, Unit
from triptych.codecs.base import Options
from triptych.codecs.image import circuit, circuit_exact
from triptych.codecs.image.circuit_exact import ExactCircuit, fit, frequencies, matrix
from triptych.codecs.image.circuit_net import CircuitConfig, CircuitNet, em_step
from triptych.codecs.image.reversible import from_planes, residuals, restore, to_planes
from triptych.codecs.signals import Picture
from triptych.entropy import TOTAL, Decoder, Encoder, RateCounter, dense
from triptych.entropy.contexts import check_causal
from triptych.tools.models import from_file
from triptych.tools.train import main


@pytest.fixture(scope="module")
def codec():
    return tiny_circuit()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(0, 99))
def test_every_picture_comes_back(codec, height, width, planes, seed):
    picture = Picture(np.random.default_rng(seed).integers(0, 256, (height, width, planes), dtype=np.uint8))
    if seed % 2:
        picture = Picture(photo(height, width, planes, seed))
    found, track, items = round_trip(codec, picture, Options())
    assert (found.pixels == picture.pixels).all() and found.pixels.dtype == np.uint8
    assert len(items) == 1 and track.exact


def test_long_pictures_are_strips(codec, monkeypatch):
    monkeypatch.setattr(circuit, "PATCHES", 80)
    picture = Picture(photo(70, 30, 3))
    found, track, items = round_trip(codec, picture, Options())
    assert (found.pixels == picture.pixels).all() and len(items) == len(codec.strips(track.media)) == 2
    for wrong in ([*items[::-1]], items[:1], [items[0], items[0]]):
        with pytest.raises(Malformed):
            codec.decode(track, wrong)


def test_damage_is_noticed(codec):
    picture = Picture(photo(20, 20, 3))
    _, track, (item,) = round_trip(codec, picture, Options())
    data = bytearray(item.streams[0])
    data[len(data) // 2] ^= 1
    with pytest.raises(TripError):
        codec.decode(track, [Unit(0, (bytes(data),), None, True, True, item.check)])


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_prediction_is_reversible(height, width, planes, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, planes), dtype=np.uint8)
    assert (from_planes(to_planes(pixels)) == pixels).all()
    assert (restore(residuals(to_planes(pixels))) == to_planes(pixels)).all()


def test_tall_pictures_take_little_memory():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4000, 2), dtype=np.uint8)
    tracemalloc.start()
    assert (restore(residuals(pixels)) == pixels).all()
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def patches_of(count, side, seed=0, planes=3):
    rng = np.random.default_rng(seed)
    return (128 + rng.laplace(0, 4, (count, planes, side, side))).round().clip(0, 255).astype(np.int32)


def bits_of(circuit, patches):
    counter = RateCounter()
    present = np.ones((len(patches), *patches.shape[2:]), bool)
    circuit.traverse(counter, present, patches.shape[1], patches)
    return counter.bits


@pytest.mark.parametrize("side", [1, 2, 4])
def test_conditionals_multiply_to_the_joint(codec, side):
    """The product of what the walk codes with is the probability of the float circuit, whatever the size of the patch."""
    patches = patches_of(20, side)
    net = codec.net
    logs = [net.logs()[0], net.logs()[1][: 2 * (side.bit_length() - 1)], net.logs()[2]]
    wanted = -float(net.log_prob(torch.from_numpy(patches).long(), logs).sum()) / np.log(2)
    assert bits_of(codec.circuit, patches) == pytest.approx(wanted, rel=0.01)


def test_float_circuit_is_a_distribution():
    """Probabilities of all values of one pixel, the rest fixed, add up to the marginal; all marginalised is 1."""
    net = tiny_circuit(side=2).net
    patch = torch.full((1, 3, 2, 2), 130)
    every = patch.repeat(256, 1, 1, 1)
    every[:, 1, 0, 1] = torch.arange(256)
    patch[:, 1, 0, 1] = -1
    assert torch.logsumexp(net.log_prob(every), 0).item() == pytest.approx(net.log_prob(patch).item(), abs=1e-4)
    assert net.log_prob(torch.full((1, 3, 2, 2), -1)).item() == pytest.approx(0, abs=1e-4)


def test_expectation_maximisation_never_falls():
    net = CircuitNet(CircuitConfig(5, 4)).requires_grad_(False)
    net.spread(torch.Generator().manual_seed(3))
    patches = torch.from_numpy(patches_of(60, 4)).long()
    steps = [em_step(net, patches, 1.0, pseudo=1e-6) for _ in range(8)]
    assert all(later >= earlier - 1e-3 for earlier, later in pairwise(steps))
    assert steps[-1] > steps[0] + 10


def test_size_is_the_rate_and_missing_pixels_cost_nothing(codec):
    patches, encoder = patches_of(200, 4), Encoder()
    present = np.random.default_rng(0).random((200, 4, 4)) < 0.7
    codec.circuit.traverse(encoder, present, 3, patches)
    counter = RateCounter()
    codec.circuit.traverse(counter, present, 3, patches)
    data = encoder.finish()
    assert abs(8 * len(data) - counter.bits) < 40 + 0.001 * counter.bits
    assert counter.bits < 0.8 * bits_of(codec.circuit, patches)
    decoder = Decoder(data)
    found = codec.circuit.traverse(decoder, present, 3)
    decoder.finish()
    assert (found == patches * present[:, None]).all()


class Recorder(RateCounter):
    """Also keeps the frequencies, in the order of coding."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def _each(self, classes, model):
        self.seen.append(model.frequencies)
        return super()._each(classes, model)


def test_frequencies_depend_on_earlier_values_alone(codec):
    side = 4
    order = [(y, x) for y in (0, 2) for x in (0, 2)]
    places = [(plane, y + v, x + u) for y, x in order for v in (0, 1) for u in (0, 1) for plane in range(3)]
    steps = np.zeros((len(places), 2, 3, side, side), bool)
    for step, place in zip(steps, places, strict=True):
        step[(slice(None), *place)] = True

    def rows(patches):
        recorder = Recorder()
        codec.circuit.traverse(recorder, np.ones((2, side, side), bool), 3, patches)
        result = np.zeros((2, 3, side, side), np.int64)
        for place, found in zip(places, recorder.seen, strict=True):
            result[(slice(None), *place)] = found @ np.arange(1, 257)
        return result

    assert check_causal(rows, steps, patches_of(2, side), seed=1, low=100, high=156) > 0.5


def test_whole_numbers_are_proved(monkeypatch):
    rng = np.random.default_rng(0)
    shares = matrix(rng.integers(0, 256, (7, 256), dtype=np.uint8))
    assert (shares.sum(axis=1) == 1 << circuit_exact.MATRIX).all() and shares.min() >= 1
    message = fit(rng.integers(1, 1 << 40, (50, 9)).astype(np.float64))
    assert ((message.max(axis=1) < 1 << 24) & (message.max(axis=1) >= 1 << 23)).all() and (message % 1 == 0).all()
    for scale in (1, 1 << 20, 1 << 43):
        found = frequencies(rng.integers(1, 255, (50, 256)).astype(np.float64) * scale)
        assert (found.sum(axis=1) == TOTAL).all() and found.min() >= 1
    with pytest.raises(OverflowError):
        monkeypatch.setattr(circuit_exact, "MATRIX", 28)
        ExactCircuit(np.zeros(4, np.uint8), np.zeros((2, 2, 4, 4), np.uint8), np.zeros((3, 4, 256), np.uint8))


def test_products_stay_exact_at_the_bounds():
    """The largest sums that 256 states can make, in float64 and in Python's integers."""
    down = np.full((1, 256), float((1 << 24) - 1))
    edge = np.full((256, 1), float(1 << 20))
    assert int((down @ edge)[0, 0]) == 256 * ((1 << 24) - 1) * (1 << 20) < 1 << 53


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_encoders_keep_three_classes_and_write_the_same(count, symbols, seed):
    import second_reader

    rng = np.random.default_rng(seed)
    found = frequencies(rng.integers(1, 1000, (symbols, count)).astype(np.float64) ** 3)
    classes, encoder = rng.integers(0, count, symbols).astype(np.int32), Encoder()
    classes[0], classes[-1] = 0, count - 1
    encoder.code(classes, dense(found))
    assert second_reader.ans_decode(encoder.finish(), found.tolist()) == classes.tolist()


def test_a_run_exports_a_codec(tmp_path):
    (tmp_path / "train" / "images").mkdir(parents=True)
    with tarfile.open(tmp_path / "train" / "images" / "images-00.tar", "w") as tar:
        for number in range(2):
            file = io.BytesIO()
            Image.fromarray(photo(40, 52, seed=number)).save(file, "png")
            member = tarfile.TarInfo(f"{number}.png")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)
    fixed = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--precision", "float32", "--device", "cpu"]
    assert main(["image_circuit.smoke", *fixed, "--export", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.safetensors")
    codec, picture = from_file(path), Picture(photo(21, 34, 4))
    assert (round_trip(codec, picture, Options())[0].pixels == picture.pixels).all()


@pytest.mark.skipif(weights.find("image/circuit") is None, reason="weights of image/circuit are missing")
def test_shipped_weights_are_smaller_than_png():
    from triptych.tools import models

    grey = photo(64, 96, 1).astype(float)  # planes that resemble each other, as those of photographs do
    picture = Picture((grey * (0.9, 1.0, 0.8) + (20, 5, 30)).clip(0, 255).astype(np.uint8))
    codec, png = models.load("image/circuit"), io.BytesIO()
    found, _, items = round_trip(codec, picture, Options())
    Image.fromarray(picture.pixels).save(png, "png", optimize=True)
    assert (found.pixels == picture.pixels).all()
    assert sum(len(item.streams[0]) for item in items) < 0.9 * len(png.getvalue())
