"""What the past is worth to video/stem: against the same codec with every frame alone, and against image/patch.

    python benchmarks/stem.py FILM... [--qualities 15 35 55 75] [--frames 32] [--reduce 1] [--weights FILE]

For each film: bits per pixel and PSNR (mean over frames) of groups of frames, of frames alone by the same codec (equal
transforms), and of frames alone by image/patch as it ships; BD-rates between them. Then, at the middle quality: the bits of
predicted frames against those of the same frames alone, of frames whose past is another film's frame, and of a
frame that is repeated; and what a decoder that computes in float32 throughout shows of a file from one that does not. Frames per
second are by processor time, on one thread.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from triptych.codecs.base import Codec, Options
from triptych.codecs.precision import full_precision
from triptych.codecs.signals import Clip, Picture
from triptych.codecs.video import stem
from triptych.entropy import RateCounter
from triptych.tools import media, models
from triptych.tools.metrics.bjontegaard import bd_rate


@dataclass(frozen=True)
class Point:
    """Bits per pixel, PSNR in dB, and seconds of encoding and decoding."""

    bpp: float
    psnr: float
    encode: float
    decode: float


def psnr(shown: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """PSNR of each frame [T]."""
    error = np.square(shown.astype(np.float32) - frames).mean((1, 2, 3))
    return 10 * np.log10(255**2 / error)


def film(codec: Codec, clip: Clip, quality: float, group: int) -> Point:
    """A film in groups of frames."""
    options, size = Options(quality), 0
    with mock.patch.object(stem, "GROUP", group):
        track, plan = codec.open(clip, options)
        begin = time.process_time()
        units = list(codec.encode_units(clip, track, plan, 0, options))
        middle = time.process_time()
    shown = codec.decode(track, units).frames
    end = time.process_time()
    size = sum(len(unit.streams[0]) for unit in units)
    pixels = clip.frames[..., 0].size
    return Point(8 * size / pixels, float(psnr(shown, clip.frames).mean()), middle - begin, end - middle)


def pictures(codec: Codec, clip: Clip, quality: float) -> Point:
    """Every frame as a picture."""
    options, size, shown, begin = Options(quality), 0, [], time.process_time()
    for frame in clip.frames:
        picture = Picture(frame)
        track, plan = codec.open(picture, options)
        units = list(codec.encode_units(picture, track, plan, 0, options))
        size += sum(len(unit.streams[0]) for unit in units)
        shown.append(codec.decode(track, units).pixels)
    pixels = clip.frames[..., 0].size
    return Point(8 * size / pixels, float(psnr(np.stack(shown), clip.frames).mean()), time.process_time() - begin, 0.0)


def costs(codec: Codec, frames: np.ndarray, index: int) -> np.ndarray:
    """Bits of each frame of one group."""
    found, sums = codec.analyse_group(frames, index, Options()), [0.0]
    for length in range(1, len(found) + 1):
        counter = RateCounter()
        codec.traverse_group(counter, frames.shape[1:3], index, length, found[:length])
        sums.append(counter.bits)
    return np.diff(sums)


def read(path: Path, count: int, reduce: int) -> Clip:
    """The first frames of a film, sides divided by `reduce` by averaging."""
    clip = media.read(path)
    frames = clip.frames[:count]
    if reduce > 1:
        height, width = (side // reduce * reduce for side in frames.shape[1:3])
        blocks = frames[:, :height, :width].reshape(len(frames), height // reduce, reduce, width // reduce, reduce, 3)
        frames = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    return Clip(np.ascontiguousarray(frames), Fraction(clip.rate))


def compare(name: str, clip: Clip, codec: Codec, patch: Codec, qualities: Sequence[float]) -> None:
    """Curves of one film."""
    ways: dict[str, Callable[[float], Point]] = {
        "groups": lambda q: film(codec, clip, q, stem.GROUP),
        "alone": lambda q: film(codec, clip, q, 1),
        "image/patch": lambda q: pictures(patch, clip, q),
    }
    curves = {way: [point(q) for q in qualities] for way, point in ways.items()}
    print(f"\n{name}: {len(clip.frames)} frames of {clip.frames.shape[2]}x{clip.frames.shape[1]}")
    print("quality " + "".join(f"{way:>24s}" for way in curves))
    for number, quality in enumerate(qualities):
        cells = (f"{points[number].bpp:12.4f} {points[number].psnr:8.2f} dB" for points in curves.values())
        print(f"{quality:7g} " + "".join(cells))
    groups = curves["groups"]
    for way in ("alone", "image/patch"):
        rate, quality = ([getattr(p, part) for p in curves[way]] for part in ("bpp", "psnr"))
        delta = bd_rate(rate, quality, [p.bpp for p in groups], [p.psnr for p in groups])
        print(f"groups against {way}: BD-rate {delta.value:+.1f} %")
    speed = (len(clip.frames) * len(groups) / sum(getattr(p, part) for p in groups) for part in ("encode", "decode"))
    print("frames per second: encode {:.1f}, decode {:.1f}".format(*speed))


def look(clip: Clip, other: np.ndarray, codec: Codec, quality: float) -> None:
    """What the past is worth, frame by frame, at one quality."""
    options = Options(quality)
    track, index = codec.open(clip, options)
    frames = clip.frames[:8]
    together = costs(codec, frames, index)
    alone = np.array([costs(codec, frame[None], index)[0] for frame in frames])
    print(f"predicted frames take {together[1:].sum() / alone[1:].sum():.3f} of their bits alone", end="; ")
    height, width = frames.shape[1:3]
    past = np.pad(other, ((0, height), (0, width), (0, 0)), mode="wrap")[:height, :width]
    strange = costs(codec, np.stack([past, frames[1]]), index)[1]
    print(f"after a frame of another film {strange / alone[1]:.3f}", end="; ")
    still = costs(codec, np.repeat(frames[:1], 4, 0), index)
    print("a frame repeated thrice " + " ".join(f"{x / still[0]:.3f}" for x in still[1:]))
    units = list(codec.encode_units(clip, track, index, 0, options))
    shown = {}
    for full in (False, True):
        with full_precision(full):
            shown[full] = codec.decode(track, units).frames
    change = psnr(shown[True], clip.frames) - psnr(shown[False], clip.frames)
    most = np.abs(shown[True].astype(int) - shown[False]).max()
    print(f"decoded in float32: PSNR changes by {change.min():+.4f} to {change.max():+.4f} dB, pixels by up to {most}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--qualities", nargs="+", type=float, default=[15.0, 35.0, 55.0, 75.0])
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--reduce", type=int, default=1)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec, patch = models.load("video/stem", options.weights), models.load("image/patch")
    clips = {path.stem: read(path, options.frames, options.reduce) for path in options.films}
    others = [*clips.values()][1:] + [*clips.values()][:1]
    for (name, clip), other in zip(clips.items(), others, strict=True):
        compare(name, clip, codec, patch, options.qualities)
        look(clip, other.frames[0], codec, options.qualities[len(options.qualities) // 2])


if __name__ == "__main__":
    main()
