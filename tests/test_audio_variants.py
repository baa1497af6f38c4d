"""audio/mdct-rvq for several sample rates: the network with an envelope, two channels as one, the choice of weights."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from golden_make import stereo
from makers import TINY_BANDED, round_trip, speech, tiny_mdct_rvq

import triptych
from triptych import weights
from triptych.bitstream import Reader
from triptych.bitstream.errors import Malformed
from triptych.codecs.audio.mdct_rvq import CROSSED, PARAMETERS, MdctRvqCodec, Plan
from triptych.codecs.audio.mdct_rvq_bands import band_hats
from triptych.codecs.audio.rvq import ResidualQuantiser, stretches
from triptych.codecs.audio.stereo import alike, crossing, uncrossing
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.tools import pipeline


@pytest.fixture(scope="module")
def codec() -> MdctRvqCodec:
    return tiny_mdct_rvq(config=TINY_BANDED)


def noise(seconds: float, rate: int = 8000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (1, round(seconds * rate))).astype(np.float32)


def test_the_other_sign_gives_the_other_shape_and_the_same_noise(codec):
    net, samples = codec.net, torch.from_numpy(speech(4000, rate=8000, seed=9))
    levels, cosine, sine = net.spectrum(net.mdct.frames(samples))
    there, back = net.latents(levels, cosine, sine), net.latents(levels, -cosine, -sine)
    sign = torch.cat((-torch.ones(net.signed), torch.ones(TINY_BANDED.bands)))
    torch.testing.assert_close(back, there * sign, atol=1e-5, rtol=1e-5)
    used = torch.full_like(levels, 3)
    shape, hiss = net.shape(there, levels, used)
    other, same = net.shape(there * sign, levels, used)
    torch.testing.assert_close(other, -shape, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(same, hiss, atol=1e-5, rtol=1e-5)
    assert shape.abs().max() > 0.1 < hiss.abs().max()


def test_noise_fills_what_the_envelope_promises():
    net = tiny_mdct_rvq(config=TINY_BANDED).net
    torch.nn.init.zeros_(net.decoder.leave.weight)
    torch.nn.init.zeros_(net.decoder.leave.bias)
    wanted = torch.tensor([0.5, -0.5, 0.25, 1.0, -1.0])
    latents = torch.cat((torch.zeros(net.signed), (wanted - net.centre) * TINY_BANDED.envelope)).expand(1, 200, -1)
    shape, hiss = net.shape(latents, torch.full((1, 200), 40), torch.full((1, 200), 3))
    assert not shape.any()
    power = hiss[0].square().mean(0)
    places = band_hats(TINY_BANDED.bands, TINY_BANDED.hop, TINY_BANDED.rate).argmax(1)
    torch.testing.assert_close(power[places].log() / 2, wanted, atol=0.15, rtol=0)


def test_codebooks_keep_to_their_dimensions():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(6000, 48, generator=generator) * torch.linspace(3, 0.1, 48)
    quantiser = ResidualQuantiser(12, 32, 48, decay=0.9)
    quantiser.fit_parts(vectors, 3, 256, [8, 48], generator)
    inside, errors = quantiser.codebooks.any(1), quantiser.errors(vectors).mean(0)
    assert inside.sum() < inside.numel() and (errors.diff() < 0).all()
    quantiser.train()
    for _ in range(20):
        quantiser(vectors[torch.randint(6000, (256,), generator=generator)], torch.full((256,), 12), generator)
    assert torch.equal(quantiser.codebooks.any(1), inside)


def test_stretches_hold_most_power():
    power = torch.tensor([1.0, 1, 5, 5, 1, 1, 0, 9])
    assert stretches(power, [2, 8]) == [(0, 8), (2, 4), (6, 8)]


def test_two_channels_are_crossed_where_that_pays(codec):
    near, apart = stereo(8000), Sound(np.concatenate((noise(1), noise(1, seed=1) * 0.1)), 8000)
    assert alike([near.samples[:, :99], near.samples[:, 99:]]) and not alike([apart.samples])
    np.testing.assert_allclose(uncrossing(crossing(near.samples)), near.samples, atol=1e-6)
    found = {}
    for name, sound in {"near": near, "apart": apart}.items():
        decoded, track, _ = round_trip(codec, sound, Options(quality=100))
        found[name] = PARAMETERS.unpack(track.parameters)[1] & CROSSED
        assert decoded.samples.shape == sound.samples.shape
        loud = np.square(decoded.samples).mean(1) / np.square(sound.samples).mean(1)
        assert (loud > 0.25).all() and (loud < 4).all()
    assert found == {"near": CROSSED, "apart": 0}


def test_one_channel_cannot_be_crossed(codec):
    sound = Sound(noise(0.5), 8000)
    _, track, items = round_trip(codec, sound, Options())
    books, modes, per_unit = PARAMETERS.unpack(track.parameters)
    with pytest.raises(Malformed, match="mode"):
        codec.decode(replace(track, parameters=PARAMETERS.pack(books, modes | CROSSED, per_unit)), items)


@pytest.mark.parametrize(
    ("rate", "variant"), [(8000, "16k"), (16000, "16k"), (22050, "24k"), (24000, "24k"), (44100, "48k"), (96000, "48k")]
)
def test_the_sample_rate_chooses_the_variant(rate, variant):
    assert MdctRvqCodec.variant_for(Sound(noise(0.1), rate)) == variant


@pytest.mark.parametrize("entry", [e for e in weights.entries() if e.codec == "audio/mdct-rvq" and e.default])
def test_variants_are_used_and_can_be_asked_for(entry):
    codec = triptych.load("audio/mdct-rvq", entry.variant)
    files = [triptych.encode(noise(0.1), rate=8000, weights=entry.variant)]
    assert codec.config.causal == (entry.variant == "live")
    if not codec.config.causal:
        assert codec.config.rate == round(float(entry.variant[:-1]) * 1000)
        by_rate = BytesIO()
        pipeline.encode(Sound(noise(0.1), codec.config.rate), by_rate)
        files.append(by_rate.getvalue())
    for data in files:
        assert Reader(data).tracks[0].digest.hex() == entry.digest[:16]
        assert triptych.decode(data).samples.shape == (1, 800)


@pytest.mark.parametrize("variant", sorted({e.variant for e in weights.entries()} & {"24k", "48k"}))
def test_hiss_does_not_become_a_pattern(variant):
    codec = triptych.load("audio/mdct-rvq", variant)
    samples = torch.from_numpy(noise(4, codec.config.rate))
    blocks = codec.net.mdct.blocks(samples.shape[1])
    output = codec.synthesise(codec.analyse(samples, Plan(8, 1), 0, blocks + 1), 0, 0, blocks)
    frames = codec.net.mdct.analyse(codec.net.mdct.frames(output))[0][0]
    # In noise the mean of n frames has 1/n of their power; a pattern that is there in every frame has all of it.
    assert frames.mean(0).square().sum() < 0.05 * frames.square().mean(0).sum()
    assert 0.25 < output.square().mean() / samples.square().mean() < 4


def test_without_a_signal_the_first_variant_is_loaded():
    assert triptych.load("audio/mdct-rvq").config.rate == 16000


def test_a_registry_keeps_a_default_of_each_variant(tmp_path):
    path = tmp_path / "registry.toml"
    for digest, variant in (("a", "48k"), ("b", "16k"), ("c", "48k")):
        entry = weights.Entry("audio/mdct-rvq", 1, digest, digest * 64, 1, "none", "none", True, variant)
        weights.register(path, entry)
    rows = weights.parse(path.read_text())
    assert [(row.digest[0], row.default, row.variant) for row in rows] == [
        ("a", False, "48k"),
        ("b", True, "16k"),
        ("c", True, "48k"),
    ]
