"""Streams: any pushes give the packets of the file and its samples; nothing depends on what comes later."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import round_trip, speech
from tiny_audio import broken, tiny_system

from triptych.codecs.audio.layers import Chain, Conv, Memory, Recurrence, Shortcut, UpConv
from triptych.codecs.audio.streaming import StreamDecoder, StreamEncoder
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound

HOP = 64


@cache
def codec(frames: int, lstm: int = 1):
    return tiny_system("audio-seanet-rvq", per_unit=frames, lstm=lstm)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2500), st.lists(st.integers(0, 2500), max_size=8), st.sampled_from([1, 3, 7]), st.integers(1, 2))
def test_any_pushes_give_the_file(total, cuts, frames, channels):
    sound = Sound(speech(total, channels, 8000), 8000)
    encoder = StreamEncoder(codec(frames), channels, 60, frames)
    edges = [0, *sorted(min(cut, total) for cut in cuts), total]
    packets = [packet for a, b in pairwise(edges) for packet in encoder.push(sound.samples[:, a:b])] + encoder.finish()
    decoded, _, items = round_trip(codec(frames), sound, Options(quality=60))
    assert [packet.data for packet in packets] == [item.streams[0].rstrip(b"\0") for item in items]
    assert [packet.check for packet in packets] == [item.check for item in items]
    decoder = StreamDecoder(codec(frames), channels)
    made = np.concatenate([decoder.push(packet) for packet in packets], 1)
    assert np.array_equal(np.clip(made[:, :total], -1, 1), decoded.samples)


def test_a_stream_gives_what_the_network_gives():
    net, x = codec(3).net, torch.from_numpy(speech(HOP * 21, 2, 8000))
    memory, again = Memory(), Memory()
    latents = torch.cat([net.latents(part, memory) for part in x.split([HOP, 5 * HOP, 15 * HOP], 1)], 1)
    torch.testing.assert_close(latents, net.latents(x), atol=1e-5, rtol=1e-4)
    samples = torch.cat([net.samples(part, again) for part in latents.split([7, 1, 13], 1)], 1)
    torch.testing.assert_close(samples, net.samples(latents), atol=1e-5, rtol=1e-4)


def test_nothing_depends_on_the_future():
    net, x = codec(3).net, torch.from_numpy(speech(HOP * 20, 1, 8000))
    other = x.clone()
    other[:, HOP * 10 :] += 0.5
    a, b = net.latents(x), net.latents(other)
    assert torch.equal(a[:, :10], b[:, :10]) and not torch.equal(a[:, 10:], b[:, 10:])
    changed = a.clone()
    changed[:, 10:] += 1
    a, b = net.samples(a), net.samples(changed)
    assert torch.equal(a[:, : 10 * HOP], b[:, : 10 * HOP]) and not torch.equal(a[:, 10 * HOP :], b[:, 10 * HOP :])


@pytest.mark.parametrize(
    "layer, step",
    [
        (lambda: Conv(2, 2, 7, causal=True), 1),
        (lambda: Conv(2, 2, 3, dilation=9, causal=True), 1),
        (lambda: Conv(2, 2, 10, 5, causal=True), 5),
        (lambda: UpConv(2, 2, 10, 5, causal=True), 1),
        (lambda: Recurrence(2, 2), 1),
        (lambda: Shortcut(Chain(torch.nn.ELU(), Conv(2, 2, 3, causal=True)), 2, learned=True), 1),
    ],
)
def test_layers_remember(layer, step):
    torch.manual_seed(0)
    layer, x, memory = layer(), torch.randn(2, 2, 12 * step), Memory()
    parts = [layer(part, memory) for part in x.split([step, 2 * step, 9 * step], 2)]
    torch.testing.assert_close(torch.cat(parts, 2), layer(x))


def test_latency_is_one_packet():
    encoder = StreamEncoder(codec(3), frames=3)
    assert encoder.latency == 3 * HOP / 8000
    assert not encoder.push(speech(3 * HOP - 1, 1, 8000)) and len(encoder.push(np.zeros((1, 1), np.float32))) == 1


def test_codebooks_may_change_from_packet_to_packet():
    encoder, decoder = StreamEncoder(codec(3), quality=0), StreamDecoder(codec(3))
    few = encoder.push(speech(3 * HOP, 1, 8000))
    encoder.books = 4
    many = encoder.push(speech(3 * HOP, 1, 8000))
    assert len(few[0].data) < len(many[0].data)
    assert [decoder.push(packet).shape for packet in few + many] == [(1, 3 * HOP)] * 2


def test_a_lost_packet_costs_its_time_and_fades():
    sound = speech(HOP * 60, 1, 8000)
    packets = StreamEncoder(codec(3)).push(sound)
    whole, broken = StreamDecoder(codec(3)), StreamDecoder(codec(3))
    a = np.concatenate([whole.push(packet) for packet in packets], 1)
    parts = [broken.lose(3) if number == 5 else broken.push(packet) for number, packet in enumerate(packets)]
    b = np.concatenate(parts, 1)
    assert a.shape == b.shape and np.array_equal(a[:, : 15 * HOP], b[:, : 15 * HOP])
    assert np.abs(a - b)[:, 15 * HOP : 18 * HOP].max() > 0
    tail = np.abs(a - b)[:, -20 * HOP :].max()
    assert tail < 0.05 * np.abs(a).max()
    assert torch.linalg.vector_norm(broken.memory["last"]) > 0
    broken.lose(40)
    assert float(broken.memory["last"].abs().max()) < 1e-4


def test_what_cannot_stream_says_so():
    other = tiny_system("audio-language-codec")
    for make in (StreamEncoder, StreamDecoder):
        with pytest.raises(ValueError, match="audio/language-codec streams where its configuration is causal"):
            make(other)
    with pytest.raises(ValueError, match="at least one frame"):
        StreamEncoder(codec(3), frames=0)


def test_broken_packets_are_refused():
    (packet,) = StreamEncoder(codec(3)).push(speech(3 * HOP, 1, 8000))
    for wrong, error in broken(packet):
        with pytest.raises(error):
            StreamDecoder(codec(3)).push(wrong)


def test_what_the_documentation_shows_runs():
    text = (Path(__file__).parents[1] / "docs" / "audio.md").read_text()
    tokens, streaming = re.findall(r"```py(?:thon)?\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(tokens, "audio.md", "exec"), names)
    assert names["tokens"].shape == (1, 25, 51) and names["samples"].shape == (1, 16000)
    exec(compile(streaming, "audio.md", "exec"), names)
    assert names["sound"].shape == (1, 320) and names["encoder"].latency == 0.04
