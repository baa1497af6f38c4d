"""Speed of the codecs for sound on one thread: times real time of encoding and of decoding, all in one run.

    OMP_NUM_THREADS=1 python benchmarks/audio.py [--seconds 10] [--rounds 3]

Networks of this package without weights, and EnCodec's and DAC's through the package transformers, have random ones: their
speed does not depend on them. Opus is FFmpeg's. Everything is measured from the samples at the codec's own rate to the bytes of
a file and back; processor time, median over rounds, because the machine may do other work.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from triptych.bitstream import MissingDependency
from triptych.codecs.audio import hifi_codec, language_codec, seanet_rvq, wavtokenizer
from triptych.codecs.audio.streaming import StreamDecoder, StreamEncoder
from triptych.codecs.base import Codec, Options
from triptych.codecs.signals import Sound
from triptych.tools import machine, models
from triptych.tools.peers import peer

Trip = tuple[Callable[[Sound], object], Callable[[object], object], int]
SYSTEMS = {
    "audio/seanet-rvq, EnCodec": (seanet_rvq.SeanetRvqCodec, seanet_rvq.ENCODEC),
    "audio/seanet-rvq, SoundStream": (seanet_rvq.SeanetRvqCodec, seanet_rvq.SOUNDSTREAM),
    "audio/seanet-rvq, small": (seanet_rvq.SeanetRvqCodec, seanet_rvq.SMALL),
    "audio/hifi-codec": (hifi_codec.HifiCodec, hifi_codec.PUBLISHED),
    "audio/hifi-codec, small": (hifi_codec.HifiCodec, hifi_codec.SMALL),
    "audio/language-codec": (language_codec.LanguageCodec, language_codec.PUBLISHED),
    "audio/language-codec, small": (language_codec.LanguageCodec, language_codec.SMALL),
    "audio/wavtokenizer": (wavtokenizer.WavTokenizer, wavtokenizer.PUBLISHED),
    "audio/wavtokenizer, small": (wavtokenizer.WavTokenizer, wavtokenizer.SMALL),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds of sound per second of processor time."""

    name: str
    rate: int
    parameters: float
    encode: float
    decode: float

    def __str__(self) -> str:
        size = f"{self.parameters / 1e6:.1f}" if self.parameters else "-"
        return f"| {self.name} | {self.rate} | {size} | {self.encode:.1f} | {self.decode:.1f} |"


def voice(rate: int, seconds: float) -> Sound:
    """Gliding harmonics, louder and softer, over a little noise."""
    rng, t = np.random.default_rng(0), np.arange(round(rate * seconds)) / rate
    phase = np.cumsum(130 + 30 * np.sin(5 * t)) * 2 * np.pi / rate
    tone = sum(np.sin(number * phase) / number for number in range(1, 16)) * np.abs(np.sin(9 * t))
    return Sound((0.15 * tone + rng.normal(0, 0.003, t.size)).astype(np.float32)[None], rate)


def files(codec: Codec, quality: float) -> Trip:
    """A codec through the items of a file."""
    options = Options(quality=quality, effort=0)

    def encode(sound: Sound) -> object:
        track, plan = codec.open(sound, options)
        return track, list(codec.encode_units(sound, track, plan, 0, options))

    return encode, lambda found: codec.decode(*found), sum(p.numel() for p in codec.parameters())


def stream(codec: Codec, quality: float) -> Trip:
    """A codec through packets of three frames."""

    def encode(sound: Sound) -> object:
        encoder = StreamEncoder(codec, quality=quality)
        return encoder.push(sound.samples) + encoder.finish()

    def decode(packets: object) -> object:
        decoder = StreamDecoder(codec)
        return [decoder.push(packet) for packet in packets]

    return encode, decode, sum(p.numel() for p in codec.parameters())


def opus(quality: float) -> Trip:
    """Opus through a file on disk."""
    coder, path = peer("opus"), Path(tempfile.mkdtemp()) / "a.opus"
    return lambda sound: coder.encode(sound, quality, path), lambda _: coder.decode(path), 0


def foreign(kind: str) -> Trip:
    """EnCodec's or DAC's architecture at 24 kHz with random weights, all codebooks of 6 kbit/s."""
    from triptych.codecs.audio.transformers import from_transformers
    from triptych.codecs.audio.transformers_nets import config_class, model_class

    settings = {"sampling_rate": 24000, "downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 8} if kind == "dac" else {}
    net = model_class(kind, "this benchmark")(config_class(kind, "this benchmark")(**settings)).eval()
    codec = from_transformers(net, f"hf/random/{kind}")
    return files(codec, 50 if kind == "encodec" else 100)


def measure(name: str, trip: Trip, rate: int, seconds: float, rounds: int) -> Row:
    """Times real time of both ways."""
    encode, decode, parameters = trip
    sound, times = voice(rate, seconds), []
    for _ in range(rounds):
        begin = time.process_time()
        found = encode(sound)
        middle = time.process_time()
        decode(found)
        times.append((middle - begin, time.process_time() - middle))
    there, back = (statistics.median(part) for part in zip(*times, strict=True))
    return Row(name, rate, parameters, seconds / there, seconds / back)


def rows(seconds: float, rounds: int) -> list[Row]:
    """All measurements."""
    found = []
    for quality in (0, 50, 100):
        trip = files(models.load("audio/mdct-rvq"), quality)
        found.append(measure(f"audio/mdct-rvq, quality {quality}", trip, 16000, seconds, rounds))
    live = stream(models.load("audio/mdct-rvq", Path("live")), 50)
    found.append(measure("audio/mdct-rvq live, quality 50, packets of 3 frames", live, 16000, seconds, rounds))
    for name, (cls, config) in SYSTEMS.items():
        torch.manual_seed(0)
        codec = cls(config).eval()
        quality = 100 * 8 / config.books if config.books > 8 else 100  # 8 codebooks: 6 kbit/s at 75 frames
        found.append(measure(name, files(codec, quality), config.rate, seconds, rounds))
        if config.causal:
            found.append(measure(f"{name}, packets of 3 frames", stream(codec, quality), config.rate, seconds, rounds))
    for kind in ("encodec", "dac"):
        try:
            found.append(measure(f"transformers, {kind}", foreign(kind), 24000, seconds, rounds))
        except MissingDependency as error:
            print(f"{kind} is left out: {error.message}")
    found.append(measure("Opus 6 kbit/s", opus(6), 24000, seconds, rounds))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of the sound; default: 10")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    options = parser.parse_args()
    torch.set_num_threads(1)
    out = io.StringIO()
    print(f"{machine.name()}, one thread, {options.seconds:g} s of sound, median of {options.rounds}\n", file=out)
    print("| codec | Hz | million parameters | encode x real time | decode x real time |", file=out)
    print("|---|--:|--:|--:|--:|", file=out)
    with torch.inference_mode():
        print("\n".join(map(str, rows(options.seconds, options.rounds))), file=out)
    print(out.getvalue())


if __name__ == "__main__":
    main()
