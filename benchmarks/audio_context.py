"""Bits and speed of three ways to code the codes of audio codecs: static tables, context, byte pairs of the first codebook.

    OMP_NUM_THREADS=1 python benchmarks/audio_context.py [--weights FILE ...] [--data ../shared/data]

The codes are those of files of the default effort, one channel, of clips in eval; every way codes the same ones. Bits
are those of whole streams, gains and numbers of codebooks included. Tables, contexts and byte pairs know training sounds alone.
Speed is that of coding integers, without networks for sound: seconds of sound per second of processor time.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch

from triptych import weights
from triptych.bitstream import Track
from triptych.codecs.audio.codes import traverse
from triptych.codecs.audio.mdct_rvq import CONTEXT
from triptych.codecs.audio.symbols import aside
from triptych.codecs.audio.waveform import WaveformCodec
from triptych.codecs.base import Codec, Options
from triptych.codecs.signals import Sound
from triptych.entropy import Coder, Decoder, Encoder, RateCounter, Tables
from triptych.entropy.pairs import Merges, learn
from triptych.tools import machine, models
from triptych.tools.recipes.audio_context import observed, static_bits
from triptych.tools.recipes.audio_data import load

QUALITIES = (0, 20, 40, 60, 80, 100)
MERGES = (0, 64, 512, 4096)
CROP = 10  # seconds of a training sound
COUNT = 16  # bits of the number of symbols of a unit, which byte pairs need

Code = Callable[[Coder, bool, Any], Any]  # coder, whether with context, symbols or None to those


@dataclass
class Sums:
    """Added up over clips: seconds of sound; of tables and context: bits, processor time there and back; bits of byte pairs."""

    seconds: float
    bits: np.ndarray
    there: np.ndarray
    back: np.ndarray
    pairs: np.ndarray


def coding(codec: Codec, track: Track, unit: int) -> Code:
    """How the symbols of a unit are coded."""
    layout, books = codec._layout(track)[:2]
    shape, most = (track.media.channels, layout.coded(unit) - layout.coded(unit - 1)), codec.config.books
    if isinstance(codec, WaveformCodec):
        return lambda coder, context, given: traverse(
            coder, codec.tables, shape, most, given, codec.context if context else None
        )
    modes = track.parameters[1] & ~CONTEXT
    return lambda coder, context, given: codec._traverse(coder, shape, books, modes | CONTEXT * context, given)


def timed(code: Code, context: bool, symbols: Any) -> tuple[float, float, float]:
    """Bits of a stream, and seconds to code and to decode it; the decoder has to find the same symbols."""
    begin = time.process_time()
    encoder = Encoder()
    code(encoder, context, symbols)
    data = encoder.finish()
    middle = time.process_time()
    decoder = Decoder(data)
    code(decoder, context, None)
    end = time.process_time()
    decoder.finish()
    if decoder.check != encoder.check:
        raise RuntimeError("a stream did not come back")
    counter = RateCounter()
    code(counter, context, symbols)
    return counter.bits, middle - begin, end - middle


def first_codes(codec: Codec, symbols: Any) -> tuple[np.ndarray, float]:
    """Codes of the first codebook in frames that are not silent, and their bits by static tables."""
    if isinstance(codec, WaveformCodec):
        used, side, codes = np.full(symbols.shape[1:], 1), np.zeros((0, *symbols.shape[1:])), symbols[:1]
    else:
        used, side, codes = symbols.used, aside(symbols.levels, symbols.used), symbols.codes[:1]
    parts = (torch.from_numpy(part.astype(np.int64)) for part in (used, side, codes))
    return codes[0][used > 0], static_bits(codec, *parts)


def add(sums: Sums, codec: Codec, sound: Sound, quality: float, pairs: list[tuple[Merges, Tables]]) -> None:
    """Code one clip in all ways."""
    options = Options(quality=quality)
    track, plan = codec.open(sound, options)
    for unit, item in enumerate(codec.encode_units(sound, track, plan, 0, options)):
        code = coding(codec, track, unit)
        symbols = code(Decoder(item.streams[0]), codec.context is not None, None)
        found = [timed(code, context, symbols) for context in (False, codec.context is not None)]
        bits, there, back = np.array(found).T
        sums.bits, sums.there, sums.back = sums.bits + bits, sums.there + there, sums.back + back
        tokens, own = first_codes(codec, symbols)
        sums.pairs += bits[0] - own + np.array([pair_bits(tokens, *pair) for pair in pairs])
    sums.seconds += sound.samples.shape[1] / sound.rate


def pair_bits(tokens: np.ndarray, merges: Merges, tables: Tables) -> float:
    """Bits of tokens as symbols of byte pairs."""
    counter, symbols = RateCounter(), merges.encode(tokens)
    counter.code(symbols.astype(np.int32), tables.at(np.zeros(len(symbols), dtype=np.uint8)))
    return counter.bits + COUNT


def byte_pairs(codec: Codec, data: Path, sounds: int) -> list[tuple[Merges, Tables]]:
    """Merges of several numbers with counted tables, from first codes of training speech at the lowest quality."""
    rate, generator = codec.config.rate, torch.Generator().manual_seed(0)
    speech, _ = load(data / "train" / "speech", rate, 40)
    size, found = codec.net.quantiser.sizes[0] if isinstance(codec, WaveformCodec) else codec.config.size, []
    drawn = [observed(codec, speech.crops(1, CROP * rate, generator), 0, 1) for _ in range(sounds)]
    sequences = [codes[0][used > 0].numpy() for used, _, codes in drawn]
    whole = learn(sequences, size, max(MERGES), least=8)
    for number in MERGES:
        merges = Merges(size, whole.pairs[:number])
        counts = np.bincount(np.concatenate([merges.encode(part) for part in sequences]), minlength=len(merges))
        found.append((merges, Tables.from_counts(256 * counts + 64)))
    return found


def clips(folder: Path, rate: int) -> list[Sound]:
    """The first channels of the clips in a folder at a rate."""
    found = []
    for path in sorted(folder.iterdir()):
        samples, own = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(Sound(np.ascontiguousarray(soxr.resample(samples[:, 0], own, rate)[None]), rate))
    return found


def rows(codec: Codec, data: Path, media: str, sounds: int, count: int | None) -> Iterator[str]:
    """Lines of the table of a codec."""
    pairs = byte_pairs(codec, data, sounds)
    for quality in QUALITIES:
        sums = Sums(0.0, *np.zeros((3, 2)), np.zeros(len(pairs)))
        for sound in clips(data / "eval" / media, codec.config.rate)[:count]:
            add(sums, codec, sound, quality, pairs)
        rates, speed = sums.bits / sums.seconds / 1000, sums.seconds / np.array((sums.there, sums.back))
        saved = 100 * (1 - sums.bits[1] / sums.bits[0])
        less = " | ".join(f"{100 * (1 - bits / sums.bits[0]):.1f}" for bits in sums.pairs)
        yield (
            f"| {quality} | {rates[0]:.3f} | {rates[1]:.3f} | {saved:.1f} | {less} | {speed[0, 0]:.0f} | {speed[1, 0]:.0f} "
            f"| {speed[0, 1]:.1f} | {speed[1, 1]:.1f} |"
        )


def main() -> None:
    """Print a table for each codec."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, nargs="*", help="default: all of audio codecs in the registry")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument(
        "--sounds", type=int, default=1000, help="of training, 10 s each, for byte pairs; default: 1000"
    )
    parser.add_argument("--media", default="speech", help="folder below eval; default: speech")
    parser.add_argument("--clips", type=int, help="the first ones only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shipped = [entry.path for entry in weights.entries() if entry.codec.startswith("audio/")]
    print(f"{machine.name()}, one thread, {options.sounds} training sounds for byte pairs")
    for path in options.weights or shipped:
        print(f"\n{path.stem}\n\n| quality | static kbit/s | context kbit/s | context saves % |", end="")
        print("".join(f" {number} pairs save % |" for number in MERGES), end="")
        print(" static encode x | static decode x | context encode x | context decode x |")
        print("|--:" * (8 + len(MERGES)) + "|")
        for row in rows(models.from_file(path), options.data, options.media, options.sounds, options.clips):
            print(row, flush=True)


if __name__ == "__main__":
    main()
