"""Streams of audio/mdct-rvq: bytes, quality, time of a packet and lost packets.

    OMP_NUM_THREADS=1 python benchmarks/streaming.py speech/*.flac [--weights live] [--seconds 8]

Each clip, mixed to one channel at the codec's rate, goes through a StreamEncoder in pushes of 10 ms and packet by packet through
a StreamDecoder. Rates count the bytes of the packets alone; whatever carries them adds its own. Times are processor time of one
thread for a packet, both directions; a sample is heard after the stated latency and the time of its packet.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from triptych.codecs.audio.mdct_rvq import LIVE
from triptych.codecs.audio.resample import resample
from triptych.codecs.audio.streaming import StreamDecoder, StreamEncoder
from triptych.codecs.base import Codec
from triptych.tools import machine, media, models
from triptych.tools.metrics import external

FRAMES = (1, 2, 3, 5)
QUALITIES = (0, 25, 50, 75, 100)
LOSSES = (0.01, 0.03, 0.1)
METRICS = ("pesq_wb", "visqol_speech")


def clips(paths: list[Path], rate: int, seconds: float) -> list[np.ndarray]:
    """Float32 [1, n] each, at most so many seconds."""
    found = []
    for path in paths:
        sound = media.read(path)
        samples = sound.samples.mean(0, keepdims=True)[:, : round(seconds * sound.rate)]
        found.append(resample(samples, sound.rate, rate, samples.shape[1] * rate // sound.rate))
    return found


def stream(codec: Codec, samples: np.ndarray, frames: int, quality: float, loss: float, seed: int) -> tuple:
    """Through packets of which a share is lost: what comes out, bytes and seconds of every packet."""
    encoder, decoder, random = (
        StreamEncoder(codec, 1, quality, frames),
        StreamDecoder(codec),
        np.random.default_rng(seed),
    )
    out, sizes, times, push = [], [], [], codec.config.rate // 100
    parts = [samples[:, first : first + push] for first in range(0, samples.shape[1], push)]
    for part in [*parts, None]:
        begin = time.process_time()
        for packet in encoder.finish() if part is None else encoder.push(part):
            lost = random.random() < loss
            out.append(decoder.lose(packet.frames) if lost else decoder.push(packet))
            sizes.append(len(packet.data))
            times.append(time.process_time() - begin)
            begin = time.process_time()
    return np.clip(np.concatenate(out, 1)[:, : samples.shape[1]], -1, 1), sizes, times


def row(codec: Codec, sounds: list[np.ndarray], frames: int, quality: float, loss: float = 0.0) -> str:
    """A line of the table: means over the clips, of times the median and the 99th percentile."""
    heard, sizes, times, rate = [], [], [], codec.config.rate
    for seed, samples in enumerate(sounds):
        out, more, took = stream(codec, samples, frames, quality, loss, seed)
        found = external.heard(METRICS, samples, out, rate)
        heard.append([found.get(name, np.nan) for name in METRICS])
        sizes.append(sum(more) * 8e-3 * rate / samples.shape[1])
        times += took
    encoder = StreamEncoder(codec, 1, quality, frames)
    cells = [f"{frames}", f"{1000 * encoder.latency:.0f}", f"{quality:g}", f"{100 * loss:g}", f"{np.mean(sizes):.2f}"]
    cells += [f"{value:.2f}" for value in np.nanmean(heard, 0)]
    return " | ".join([*cells, f"{1000 * np.median(times):.1f}", f"{1000 * np.quantile(times, 0.99):.1f}"])


def main() -> None:
    """Print a row for packets of every length and quality, then for losses."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sounds", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, default=Path(LIVE))
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    codec = models.load("audio/mdct-rvq", arguments.weights)
    sounds = clips(arguments.sounds, codec.config.rate, arguments.seconds)
    print(f"{machine.name()}, {len(sounds)} clips\n")
    print(
        "| frames a packet | latency ms | quality | lost % | kbit/s | PESQ-WB | ViSQOL speech | ms a packet | 99 % below |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for quality in QUALITIES:
        for frames in FRAMES:
            print(f"| {row(codec, sounds, frames, quality)} |", flush=True)
    for loss in LOSSES:
        print(f"| {row(codec, sounds, 1, QUALITIES[-1], loss)} |", flush=True)


if __name__ == "__main__":
    main()
