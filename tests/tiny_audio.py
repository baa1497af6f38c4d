"""Tiny waveform codecs with codebooks and tables from made sounds, and contexts of codes that nobody trained."""

from dataclasses import replace

import numpy as np
import torch
from makers import speech

from triptych.bitstream import Damaged, Malformed, SymbolMismatch
from triptych.codecs.audio import hifi_codec, language_codec, seanet_rvq, wavtokenizer
from triptych.codecs.audio.context_net import ContextConfig, ContextNet
from triptych.codecs.audio.mdct_rvq import MdctRvqCodec
from triptych.codecs.audio.streaming import Packet
from triptych.codecs.audio.waveform import WaveformCodec
from triptych.codecs.base import Codec
from triptych.tools.recipes.audio_context import frame_context, observed, with_context

SIZES = {"rate": 8000, "ratios": (4, 4, 2, 2), "dim": 12, "size": 32, "filters": 2, "per_unit": 40, "context": 12}
SYSTEMS: dict[str, tuple[type[WaveformCodec], object]] = {
    "audio-seanet-rvq": (seanet_rvq.SeanetRvqCodec, replace(seanet_rvq.SMALL, books=4, **SIZES)),
    "audio-hifi-codec": (hifi_codec.HifiCodec, replace(hifi_codec.SMALL, **SIZES)),
    "audio-language-codec": (
        language_codec.LanguageCodec,
        replace(language_codec.SMALL, books=5, width=16, blocks=1, **SIZES),
    ),
    "audio-wavtokenizer": (wavtokenizer.WavTokenizer, replace(wavtokenizer.SMALL, width=48, blocks=1, **SIZES)),
}


def tiny_system(name: str, seed: int = 0, **changes) -> WaveformCodec:
    """A codec by the name of its golden folder; `changes` are fields of its configuration."""
    cls, config = SYSTEMS[name]
    torch.manual_seed(seed)
    codec, generator = cls(replace(config, **changes)).eval().requires_grad_(False), torch.Generator().manual_seed(seed)
    samples = torch.from_numpy(np.concatenate([speech(8192, rate=8000, seed=number) for number in range(4)]))
    last = codec.net.encoder[-1]
    size = codec.net.latents(samples).std()
    last.weight.div_(size)
    last.bias.div_(size)
    codec.net.quantiser.fit(codec.net.latents(samples).flatten(0, 1), 4, 256, generator)
    codec.finish([samples])
    return codec


def broken(packet: Packet) -> list[tuple[Packet, object]]:
    """Packets made wrong from one of three frames, with the errors that they may meet."""
    data, check, any_of = packet.data, packet.check, (Damaged, SymbolMismatch, Malformed)
    return [
        (Packet(data, 0, check), Malformed),
        (Packet(data, 3, check ^ 1), SymbolMismatch),
        (Packet(data[:-2], 3, check), any_of),
        (Packet(data + b"\0\0\0\1", 3, check), any_of),
    ]


TINY_CONTEXT = ContextConfig(features=16, width=12, entry_width=10, rank=6)


def shaken(net: ContextNet) -> ContextNet:
    """A context whose last layer is not zero."""
    torch.nn.init.normal_(net.mix[-1].parametrizations.weight.original, std=0.3)
    torch.nn.init.normal_(net.bias, std=0.5)
    return net.eval().requires_grad_(False)


def with_tiny_context(codec: Codec, seed: int = 0) -> Codec:
    """The codec with a context."""
    torch.manual_seed(seed)
    codec = with_context(codec, TINY_CONTEXT)
    places = observed(codec, torch.from_numpy(speech(16000, seed=3)), 60, 1)
    codec.context = shaken(codec.twin).frozen(*places)
    del codec.twin
    if isinstance(codec, MdctRvqCodec):
        codec.context = frame_context(codec.context, *(part.numpy() // 4 for part in places[1]), codec.config)
    return codec
