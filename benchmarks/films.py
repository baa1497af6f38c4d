"""Films: short cuts to try codecs on, bits of weights against 8 bit and Huffman, groups, speed of a step, of decoding.

python benchmarks/films.py cut ../shared/data/eval/bunny/bunny_1280x720.mp4 bunny-32/bunny.mkv --rows 40:680 --smaller 4
python benchmarks/films.py weights bunny-32/bunny.mkv
python benchmarks/films.py groups bunny-32/bunny.mkv
python benchmarks/films.py steps bunny-32/bunny.mkv
python benchmarks/films.py decode bunny-32/bunny.mkv

`weights` fits video/hnerv without rounding and codes it as its authors do: 8 bits between the least and the largest value of each
tensor, 6 for embeddings, one Huffman code for all (its table is not counted); then fits with learned steps and a rate term.
films_public.py compares with the public code.
"""

import argparse
import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from triptych.bitstream import Reader, Weights
from triptych.codecs.base import Options
from triptych.codecs.registry import CODECS, codec_class
from triptych.codecs.signals import Clip
from triptych.codecs.video import film, plan
from triptych.codecs.video.codec import NervCodec, coded_size
from triptych.codecs.video.fit import Fit, Recipe
from triptych.codecs.video.layout import Parameters
from triptych.codecs.video.systems import HnervCodec
from triptych.tools import media, pipeline


def cut(arguments: argparse.Namespace) -> None:
    """The first frames of a film, some of its rows, at a fraction of its size (means of squares), as FFV1 in RGB."""
    first, end = (int(part) for part in arguments.rows.split(":")) if arguments.rows else (0, None)
    n, frames = arguments.smaller, []
    with av.open(str(arguments.film)) as container:
        rate = container.streams.video[0].average_rate
        for frame in container.decode(video=0):
            pixels = frame.to_ndarray(format="rgb24")[first:end].astype(np.float32)
            height, width = (side // n for side in pixels.shape[:2])
            squares = pixels[: height * n, : width * n].reshape(height, n, width, n, 3)
            frames.append(np.rint(squares.mean((1, 3))).astype(np.uint8))
            if len(frames) == arguments.frames:
                break
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(arguments.out), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def layout_of(frames: np.ndarray, quality: float) -> Parameters:
    """The decoder of video/hnerv for a film at a quality."""
    wish = plan.Wish(HnervCodec.system)
    return plan.plan_for(frames.shape[:3], wish, Options(quality=quality, effort=6), 0.0).parameters


def values_of(frames: np.ndarray, parameters: Parameters) -> int:
    """Values of a decoder and of the embeddings."""
    layout = parameters.layout
    return layout.size() + len(frames) * layout.channels * layout.grid[0] * layout.grid[1]


def fitted(frames: np.ndarray, parameters: Parameters, recipe: Recipe, times: list[tuple[float, float]]) -> Fit:
    """Fit to the end; notes processor seconds and squared error of the network in use every few passes."""
    work, spent = Fit(frames, parameters, recipe, coded_size), 0.0
    while work.done < recipe.steps:
        began = time.process_time()
        work.advance(work.done / recipe.steps)
        spent += time.process_time() - began
        if work.done % (4 * len(frames)) == 0 or work.done == recipe.steps:
            times.append((spent, error_of(work, frames)))
    work.result()
    return work


@torch.no_grad()
def error_of(work: Fit, frames: np.ndarray) -> float:
    """Mean squared error over all frames, of the rounded network once rounding has begun; in float32."""
    errors = []
    for row in range(len(frames)):
        rows = torch.tensor([row])
        target = work.target(rows)
        found = work.network(work.load(rows, target), work.times[rows])[:, :, : target.shape[2], : target.shape[3]]
        errors.append(float((found - target).square().mean()))
    return float(np.mean(errors))


def decibels(error: float) -> float:
    """PSNR of a mean squared error of values 0..1."""
    return -10 * float(np.log10(error))


def min_max(tensor: Tensor, bits: int) -> tuple[Tensor, Tensor, int]:
    """HNeRV's quantiser: the tensor rounded, its levels, bits of side information.

    One scale, or one for each entry of an axis where that makes fewer than 2 % of the values and a smaller error.
    """
    best, axes = None, [None, *(n for n, size in enumerate(tensor.shape) if size < 0.02 * tensor.numel())]
    for axis in axes:
        kept = tensor.flatten() if axis is None else tensor.movedim(axis, 0).flatten(1)
        low, high = kept.min(-1, keepdim=True).values, kept.max(-1, keepdim=True).values
        step = ((high - low) / (2**bits - 1)).half().float().clamp_min(1e-7)
        low = low.half().float()
        levels = ((kept - low) / step).round().clamp(0, 2**bits - 1)
        found = levels * step + low
        moved = found.reshape(tensor.shape if axis is None else tensor.movedim(axis, 0).shape)
        back = moved if axis is None else moved.movedim(0, axis)
        error = float((back - tensor).abs().mean())
        if best is None or error < best[0]:
            best = error, back, levels, 32 * low.numel()
    return best[1:]


def huffman(levels: np.ndarray) -> int:
    """Bits of all values with the best prefix code for their counts; its table is not counted."""
    heap = [(count, n) for n, count in enumerate(Counter(levels.tolist()).values())]
    heapq.heapify(heap)
    total = heap[0][0] if len(heap) == 1 else 0
    while len(heap) > 1:
        (a, n), (b, _) = heapq.heappop(heap), heapq.heappop(heap)
        total += a + b
        heapq.heappush(heap, (a + b, n))
    return total


def published(work: Fit, frames: np.ndarray) -> tuple[float, float]:
    """Bytes and PSNR of a fit without rounding, coded as HNeRV's authors do."""
    pieces, side = [], 0
    for tensor, bits in (*((tensor, 8) for tensor in work.weights.tensors), (work.table, 6)):
        rounded, levels, more = min_max(tensor, bits)
        tensor.copy_(rounded)
        pieces.append(levels.flatten().numpy())
        side += more
    return (huffman(np.concatenate(pieces)) + side) / 8, decibels(error_of(work, frames))


def weights(arguments: argparse.Namespace) -> None:
    """Bytes of network and embeddings at equal PSNR, the published way and ours, from fits of equal length."""
    frames = media.read(arguments.film).frames
    parameters = layout_of(frames, arguments.quality)
    values = values_of(frames, parameters)
    base = Recipe(arguments.passes * len(frames), fast=arguments.fast)
    plain = fitted(frames, parameters, replace(base, quantise=2.0, settle=2.0), [])
    before = decibels(error_of(plain, frames))
    size, wanted = published(plain, frames)
    print(f"{values} values, {arguments.passes} passes; not rounded {before:.2f} dB")
    print(
        f"8 bit, 6 bit for embeddings, Huffman: {size:.0f} bytes, {8 * size / values:.2f} bits a value, {wanted:.2f} dB"
    )
    curve = []
    for rate in arguments.rates:
        work = fitted(frames, parameters, replace(base, rate=rate), [])
        size_now = coded_size(work.result())
        curve.append((decibels(error_of(work, frames)), size_now))
        print(
            f"rate {rate:g}: {size_now} bytes, {8 * size_now / values:.2f} bits a value, {curve[-1][0]:.2f} dB",
            flush=True,
        )
    qualities, sizes = zip(*sorted(curve), strict=True)
    if qualities[0] <= wanted <= qualities[-1]:
        equal = float(np.exp(np.interp(wanted, qualities, np.log(sizes))))
        print(f"at {wanted:.2f} dB: {equal:.0f} bytes, {1 - equal / size:.1%} fewer")


def groups(arguments: argparse.Namespace) -> None:
    """Bytes, PSNR and processor seconds of groups of 8 frames, with fresh networks and with ones that go on from each other."""
    clip = media.read(arguments.film)
    for name, chain in (("fresh networks", 1), ("going on from the one before", 8)):
        film.CHAIN, out, began = chain, BytesIO(), time.process_time()
        pipeline.encode(clip, out, "video/hnerv", Options(quality=arguments.quality, effort=3, group=8))
        spent = time.process_time() - began
        networks = [len(item.body) for item in Reader(out.getvalue()) if isinstance(item, Weights)]
        found = pipeline.decode(out.getvalue()).frames
        errors = [
            np.mean(((found[n : n + 8].astype(float) - clip.frames[n : n + 8]) / 255) ** 2)
            for n in range(0, len(found), 8)
        ]
        qualities = ", ".join(f"{decibels(error):.2f}" for error in errors)
        print(
            f"{name}: {len(out.getvalue())} bytes, {spent:.1f} s; networks {networks} bytes, {qualities} dB", flush=True
        )


def steps(arguments: argparse.Namespace) -> None:
    """Processor milliseconds of a step of each system, with convolutions in float32 and in bfloat16, channels last or not."""
    frames = media.read(arguments.film).frames
    print("| codec | values | MMAC a frame | float32 | bfloat16 | float32, channels first |\n|---|--:|--:|--:|--:|--:|")
    for name in (name for name in CODECS if name.startswith("video/") and issubclass(codec_class(name), NervCodec)):
        codec = codec_class(name)()
        wish = plan.Wish(codec.system, loss=codec.config.loss)
        found = plan.plan_for(frames.shape[:3], wish, Options(quality=arguments.quality, effort=6), 0.0)
        layout, cells = found.parameters.layout, []
        for fast, last in ((False, True), (True, True), (False, False)):
            work = Fit(frames, found.parameters, replace(found.base, fast=fast))
            if not last:
                for parameter in work.network.parameters():
                    parameter.data = parameter.data.contiguous()
            times = []
            for _ in range(12):
                began = time.process_time()
                work.advance(0.5)
                times.append(time.process_time() - began)
            cells.append(f"{1000 * float(np.median(times[2:])):.1f} ms")
        values = layout.size() + work.table.numel()
        print(f"| {name} | {values} | {layout.work() / 1e6:.0f} | {' | '.join(cells)} |", flush=True)


def decode(arguments: argparse.Namespace) -> None:
    """Frames per second of decoding: our files, and H.264, HEVC and AV1 by FFmpeg, one thread, in one run."""
    clip = media.read(arguments.film)
    clip = Clip(clip.frames, Fraction(clip.rate))
    for name in ("video/hnerv", "video/nerv", "video/boosting-hnerv"):
        out = BytesIO()
        pipeline.encode(clip, out, name, Options(quality=arguments.quality, effort=0))
        report(name, len(clip.frames), partial(pipeline.decode, out.getvalue()))
    for name, options in (("libx264", {}), ("libx265", {"x265-params": "log-level=none"}), ("libsvtav1", {})):
        coded = BytesIO()
        with av.open(coded, "w", format="matroska") as container:
            stream = container.add_stream(name, rate=clip.rate, options={"crf": "32", **options})
            stream.height, stream.width = clip.frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for pixels in clip.frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
        report(f"FFmpeg, {name}", len(clip.frames), partial(played, coded.getvalue()))


def played(data: bytes) -> None:
    """Decode a film with FFmpeg on one thread, to RGB."""
    with av.open(BytesIO(data)) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")


def report(name: str, frames: int, work: Callable[[], object]) -> None:
    """Frames per second of processor time, the best of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    print(f"{name}: {frames / min(times):.1f} frames per second", flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("cut", "weights", "groups", "steps", "decode"))
    parser.add_argument("film", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("cut.mkv"))
    parser.add_argument("--rows", help="FIRST:END of a cut")
    parser.add_argument("--smaller", type=int, default=1)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--quality", type=float, default=50.0)
    parser.add_argument("--passes", type=int, default=40)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.06, 0.12, 0.24])
    parser.add_argument("--fast", action="store_true", help="convolutions in bfloat16")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    commands = {"cut": cut, "weights": weights, "groups": groups, "steps": steps, "decode": decode}
    commands[arguments.what](arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
