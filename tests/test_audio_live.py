"""audio/mdct-rvq in a causal configuration: streams of packets, and files of it."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import TINY_BANDED, round_trip, speech, tiny_mdct_rvq
from tiny_audio import broken

from triptych.codecs.audio import mdct_rvq
from triptych.codecs.audio.live import BEAM
from triptych.codecs.audio.mdct_rvq import MdctRvqCodec
from triptych.codecs.audio.streaming import StreamDecoder, StreamEncoder
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound

HOP, RATE = TINY_BANDED.hop, TINY_BANDED.rate
CONFIGS = {"banded": TINY_BANDED, "plain": replace(TINY_BANDED, bands=0)}


@cache
def codec(kind: str = "banded") -> MdctRvqCodec:
    return tiny_mdct_rvq(config=replace(CONFIGS[kind], causal=True))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3500), st.lists(st.integers(0, 3500), max_size=8), st.integers(1, 4), st.integers(1, 2))
def test_any_pushes_give_the_same_packets(total, cuts, frames, channels):
    samples = speech(total, channels, RATE)
    once, often = StreamEncoder(codec(), channels, 60, frames), StreamEncoder(codec(), channels, 60, frames)
    packets = once.push(samples) + once.finish()
    edges = [0, *sorted(min(cut, total) for cut in cuts), total]
    assert [packet for a, b in pairwise(edges) for packet in often.push(samples[:, a:b])] + often.finish() == packets
    decoder = StreamDecoder(codec(), channels)
    made = np.concatenate([decoder.push(packet) for packet in packets], 1)
    assert total <= made.shape[1] < total + HOP + frames * HOP and not packets[0].frames > frames


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("frames", [1, 3, 7])
def test_a_stream_is_what_the_whole_is(kind, frames):
    sound = speech(21 * HOP, 2, RATE)
    encoder, decoder = StreamEncoder(codec(kind), 2, 60, frames), StreamDecoder(codec(kind), 2)
    blocks = [*encoder.blocks(torch.from_numpy(np.pad(sound, ((0, 0), (0, HOP))))), *encoder.rest()]
    made = torch.cat([decoder.sound(symbols) for symbols in blocks], 1)
    whole = codec(kind).quantise(*latents(kind, sound), codec(kind).books_of(60), BEAM)
    joined = blocks[0]
    for more in blocks[1:]:
        joined = joined.then(more)
    for a, b in zip(joined.parts, whole.parts, strict=True):
        assert np.array_equal(a, b)
    expected = codec(kind).synthesise(whole, 0, 0, 21)
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=0)


def latents(kind: str, sound: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents, levels and numbers of codebooks of all frames at once."""
    net = codec(kind).net
    levels, cosine, sine = net.spectrum(net.mdct.frames(torch.from_numpy(sound)))
    return net.latents(levels, cosine, sine), levels, codec(kind).books_of(60) * (levels > 0)


def test_nothing_depends_on_the_future():
    sound = speech(20 * HOP, 1, RATE)
    other = sound.copy()
    other[:, 10 * HOP :] *= -0.5
    packets = [StreamEncoder(codec(), frames=1).push(samples) for samples in (sound, other)]
    assert packets[0][:10] == packets[1][:10] and packets[0][10:] != packets[1][10:]


def test_latency_is_a_packet_and_a_block():
    encoder = StreamEncoder(codec(), frames=1)
    assert encoder.latency == 2 * HOP / RATE
    decoder, sound = StreamDecoder(codec()), speech(6 * HOP, 1, RATE)
    heard = [decoder.push(packet).shape[1] for packet in encoder.push(sound)]
    assert heard == [0] + 5 * [HOP]
    assert sum(decoder.push(packet).shape[1] for packet in encoder.finish()) == HOP


def test_files_of_a_causal_configuration(monkeypatch):
    sound = Sound(speech(41 * HOP + 7, 2, RATE), RATE)
    whole, _, _ = round_trip(codec(), sound, Options(quality=100))
    for per_unit in (1, 5, 13):
        monkeypatch.setattr(mdct_rvq, "PER_UNIT", per_unit)
        parts, _, items = round_trip(codec(), sound, Options(quality=100))
        assert len(items) == -(-42 // per_unit) and parts.samples.shape == sound.samples.shape
        np.testing.assert_allclose(parts.samples, whole.samples, atol=2e-5)


def test_codebooks_may_change_from_packet_to_packet():
    encoder, decoder = StreamEncoder(codec(), quality=0), StreamDecoder(codec())
    few = encoder.push(speech(3 * HOP, 1, RATE))
    encoder.books = 4
    many = encoder.push(speech(3 * HOP, 1, RATE))
    assert len(few[0].data) < len(many[0].data)
    assert [decoder.push(packet).shape for packet in few + many] == [(1, 2 * HOP), (1, 3 * HOP)]


def test_a_lost_packet_costs_its_time_and_fades():
    sound = speech(60 * HOP, 1, RATE)
    packets = StreamEncoder(codec(), quality=100).push(sound)
    whole, broken = StreamDecoder(codec()), StreamDecoder(codec())
    a = np.concatenate([whole.push(packet) for packet in packets], 1)
    parts = [broken.lose(3) if number == 5 else broken.push(packet) for number, packet in enumerate(packets)]
    b = np.concatenate(parts, 1)
    assert a.shape == b.shape and np.array_equal(a[:, : 14 * HOP], b[:, : 14 * HOP])
    assert np.abs(a - b)[:, 14 * HOP : 18 * HOP].max() > 0
    forgotten = (18 + codec().net.decoder.reach) * HOP
    assert np.array_equal(a[:, forgotten:], b[:, forgotten:])
    assert int(broken.memory["last"][1][0]) > 0
    assert not broken.lose(80)[:, -HOP:].any()


def test_a_stream_may_begin_with_a_loss():
    decoder = StreamDecoder(codec())
    assert not decoder.lose(3).any()


def test_what_sees_both_sides_does_not_stream():
    for make in (StreamEncoder, StreamDecoder):
        with pytest.raises(ValueError, match="audio/mdct-rvq streams where its configuration is causal"):
            make(tiny_mdct_rvq(config=TINY_BANDED))


def test_broken_packets_are_refused():
    (packet,) = StreamEncoder(codec()).push(speech(3 * HOP, 1, RATE))
    for wrong, error in broken(packet):
        with pytest.raises(error):
            StreamDecoder(codec()).push(wrong)
