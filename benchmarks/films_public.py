"""Films: HNeRV's public code beside video/hnerv, in turns: time to equal PSNR, bytes, frames decoded per second.

git clone REPOSITORY hnerv     # the code of the paper's authors (model_all.py, train_nerv_all.py, ...)
python benchmarks/films_public.py bunny-32/bunny.mkv hnerv --epochs 75 300 --passes 6 12 25 50 100

The public code runs as it is in processes of its own: its decoder, encoder, data loader, loss, optimiser, schedule,
quantiser. Put in its place at run time are modules that it imports for other ends (its logs, tables, masks, Huffman codes,
MS-SSIM, which needs more than 160 rows), torchvision's reading and cropping of pictures (by Pillow, pictures stay in memory)
and timm's truncated normal (torch's). Every schedule is a process; those of both sides take turns of a second, one thread
each, and measure their processor time. Its size argument is chosen so that decoder and embeddings have as many values as
its own rule can have without having more than ours. PSNR is the mean over frames.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import av
import numpy as np
import torch
from films import huffman, layout_of, played, values_of
from PIL import Image

from triptych.codecs.base import Options
from triptych.codecs.signals import Clip
from triptych.codecs.video.codec import coded_size
from triptych.codecs.video.fit import Fit, Recipe
from triptych.codecs.video.nerv import Layout
from triptych.tools import media, pipeline

ABSENT = (
    "decord",
    "dahuffman",
    "imageio",
    "matplotlib",
    "matplotlib.path",
    "pandas",
    "pytorch_msssim",
    "pytorchvideo",
    "pytorchvideo.data",
    "pytorchvideo.data.encoded_video",
    "timm",
    "timm.models",
    "timm.models.layers",
    "torch.utils.tensorboard",
    "torchvision",
    "torchvision.io",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "torchvision.utils",
)
STRIDES, KERNELS = (5, 4, 4), (1, 3, 5)  # of the public code, for 160 x 320 pixels
TURN = 1.0  # seconds
ROUNDS = 5  # of decoding


def quality_of(found: np.ndarray, frames: np.ndarray) -> float:
    """Mean PSNR over frames, uint8 [T, H, W, 3]."""
    errors = ((found.astype(np.float64) - frames) ** 2).mean((1, 2, 3)) / 255**2
    return float(-10 * np.log10(errors).mean())


# The public code, in a process of its own.


@cache
def read_image(path: str) -> torch.Tensor:
    """A picture as uint8 [3, H, W], as torchvision's function of this name."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def center_crop(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The middle of a picture, as torchvision's function of this name."""
    top, left = ((whole - part) // 2 for whole, part in zip(picture.shape[-2:], size, strict=True))
    return picture[..., top : top + size[0], left : left + size[1]]


def public(checkout: Path) -> Any:
    """The public code's training module, with stand-ins for what this comparison does not need."""
    present = {name: MagicMock(name=name) for name in ABSENT}
    present["timm.models.layers"].trunc_normal_ = torch.nn.init.trunc_normal_
    present["torchvision.io"].read_image = read_image
    present["torchvision.transforms.functional"].center_crop = center_crop
    sys.path.insert(0, str(checkout))
    with patch.dict(sys.modules, present):
        import train_nerv_all as found
    found.msssim_fn_batch = lambda outputs, target: torch.zeros(len(outputs), len(target))
    found.Dump2CSV = lambda *given: None
    return found


def theirs(task: dict[str, Any]) -> dict[str, float]:
    """One schedule of the public code; its last evaluation is of the float network and of the one with 8 and 6 bits."""
    code = public(Path(task["checkout"]))
    evaluate, began, aside, found = code.evaluate, 0.0, 0.0, {}

    def watched(
        model: torch.nn.Module, loader: object, rank: object, given: argparse.Namespace, *rest: object
    ) -> object:
        nonlocal aside
        start = time.process_time()
        results, size = evaluate(model, loader, rank, given, False, False)
        found.update(seconds=start - began - aside, psnr=float(results[0]), rounded=float(results[4]))
        found.update(values=sum(p.numel() for part in (model.decoder, model.head_layer) for p in part.parameters()))
        coded(Path(given.outf) / "quant_vid.pth", found)
        aside += time.process_time() - start
        return results, size

    code.evaluate = watched
    height, width = task["size"]
    options = f"""--outf fit --data_path {task["frames"]} --vid film --conv_type convnext pshuffel --act gelu --norm none
        --crop_list {height}_{width} --resize_list -1 --loss L2 --enc_strds 5 4 4 --enc_dim 64_16 --dec_strds 5 4 4
        --ks 0_1_5 --reduce 1.2 --modelsize {task["millions"]:.8f} -e {task["epochs"]} --eval_freq {task["epochs"] + 1}
        --lower_width 12 -b {task["batch"]} --lr {task["lr"]} -j 0"""
    sys.argv = ["train_nerv_all.py", *options.split()]
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        code.main()
    return found


def coded(path: Path, found: dict[str, float]) -> None:
    """Bytes of a quantised network as the public code counts them: one Huffman code, 16 bits for every scale and least value."""
    stored = torch.load(path, weights_only=True)
    tensors = [stored["embed"], *stored["model"].values()]
    symbols = np.concatenate([tensor["quant"].flatten().numpy() for tensor in tensors])
    side = sum(16 * (tensor["min"].numel() + tensor["scale"].numel()) for tensor in tensors)
    found.update(bytes=(huffman(symbols) + side) / 8, path=str(path.parent.resolve()))
    found["values"] += stored["embed"]["quant"].numel()


def shown(task: dict[str, Any]) -> None:
    """Decode as the public code's loader of films whenever a line comes in; tells processor seconds, all and the network's."""
    sys.path.insert(0, task["checkout"])
    with patch.dict(sys.modules, {name: MagicMock(name=name) for name in ABSENT}):
        from efficient_nvloader import dequant_tensor

    folder = Path(task["path"])
    network = None
    for _ in sys.stdin:
        began = time.process_time()
        stored = torch.load(folder / "quant_vid.pth", map_location="cpu", weights_only=True)
        embeddings = dequant_tensor(stored["embed"])
        network = network or torch.jit.load(folder / "img_decoder.pth", map_location="cpu")
        network.load_state_dict({key: dequant_tensor(value) for key, value in stored["model"].items()})
        middle = time.process_time()
        with torch.inference_mode():
            for first in range(0, len(embeddings), 2):
                frames = network(embeddings[first : first + 2])
                (frames.permute(0, 2, 3, 1) * 255).round().byte().contiguous()
        end = time.process_time()
        print(json.dumps([end - began, end - middle]), flush=True)


# Ours, in a process of its own.


def ours(task: dict[str, Any]) -> dict[str, float]:
    """One schedule of video/hnerv, float (`rate` 0) or with rounding and a rate term."""
    frames = media.read(Path(task["film"])).frames
    parameters = layout_of(frames, task["quality"])
    recipe = Recipe(task["passes"] * len(frames), fast=task["fast"])
    recipe = replace(recipe, rate=task["rate"]) if task["rate"] else replace(recipe, quantise=2.0, settle=2.0)
    began = time.process_time()
    work = Fit(frames, parameters, recipe, coded_size)
    while work.done < recipe.steps:
        work.advance(work.done / recipe.steps)
    size = coded_size(work.result()) if task["rate"] else 0
    spent = time.process_time() - began
    return {"seconds": spent, "psnr": float_quality(work), "bytes": size, "values": values_of(frames, parameters)}


@torch.no_grad()
def float_quality(work: Fit) -> float:
    """Mean PSNR over frames of a fit's network, in float32, before pixels are rounded."""
    found = []
    for row in range(len(work.frames)):
        rows = torch.tensor([row])
        target = work.target(rows)
        frame = work.network(work.load(rows, target), work.times[rows])[:, :, : target.shape[2], : target.shape[3]]
        found.append(-10 * float(torch.log10((frame - target).square().mean())))
    return float(np.mean(found))


# The comparison.


def in_turns(tasks: list[dict[str, Any]], folder: Path, turn: float = TURN) -> list[dict[str, float]]:
    """What the tasks report, each run in a process of its own that goes on while all others stand still."""
    processes, paths = [], []
    for number, task in enumerate(tasks):
        inside = folder / str(number)
        inside.mkdir()
        paths.append(inside / "report.json")
        call = [sys.executable, __file__, "--task", json.dumps({**task, "report": str(paths[-1])})]
        process = subprocess.Popen(call, cwd=inside)
        os.kill(process.pid, signal.SIGSTOP)
        processes.append(process)
    while alive := [process for process in processes if process.poll() is None]:
        for process in alive:
            os.kill(process.pid, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(turn)
                continue
            os.kill(process.pid, signal.SIGSTOP)
    if any(process.returncode for process in processes):
        raise SystemExit("a schedule failed")
    return [json.loads(path.read_text()) for path in paths]


def reference(height: int, width: int, frames: int, values: int) -> Layout:
    """The public code's decoder with the widest stem that stays below a number of values, counted exactly, embeddings included."""
    grid = -(-height // prod(STRIDES)), -(-width // prod(STRIDES))
    fitting = []
    for stem in range(4, 400):
        widths = [stem]
        for _ in STRIDES:
            widths.append(max(round(widths[-1] / 1.2), 12))
        layout = Layout(grid, 16, stem, STRIDES, KERNELS, tuple(widths[1:]))
        if layout.size() + 16 * grid[0] * grid[1] * frames <= values:
            fitting.append(layout)
    if not fitting:
        raise SystemExit(f"the public code has no decoder of {values} values: ask for a higher quality")
    return fitting[-1]


def plan_theirs(frames: np.ndarray, values: int) -> float:
    """The size argument (millions of values) that leads the public code to the largest decoder of at most `values` values."""
    count, height, width, _ = frames.shape
    layout = reference(height, width, count, values)
    slope = sum(1.2 ** -(2 * n + 1) * (s * k) ** 2 for n, (s, k) in enumerate(zip(STRIDES, KERNELS, strict=True)))
    stem = layout.stem + 0.5
    return (slope * stem**2 + 16 * 9 * stem + 16 * layout.grid[0] * layout.grid[1] * count) / 1e6


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Schedules of both sides, then decoding."""
    film, checkout = arguments.film.resolve(), arguments.checkout.resolve()
    frames = media.read(film).frames
    pictures = folder / "frames"
    pictures.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(pictures / f"{number:04d}.png")
    millions = plan_theirs(frames, values_of(frames, layout_of(frames, arguments.quality)))
    given = {"checkout": str(checkout), "frames": str(pictures), "size": frames.shape[1:3], "millions": millions}
    given |= {"lr": arguments.lr, "batch": arguments.batch}
    own = {"film": str(film), "quality": arguments.quality, "fast": arguments.fast}
    tasks = [{"what": "theirs", "epochs": epochs, **given} for epochs in arguments.epochs]
    tasks += [
        {"what": "ours", "passes": n, "rate": rate, **own} for n in arguments.passes for rate in (0, arguments.rate)
    ]
    found = in_turns(tasks, folder)
    print(
        "| | steps | values | processor s | PSNR (dB) | bytes coded | PSNR coded (dB) |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for task, row in zip(tasks, found, strict=True):
        print(line(task, row, len(frames)), flush=True)
    faster(tasks, found)
    decode(frames, given | {"what": "shown", "path": found[len(arguments.epochs) - 1]["path"]}, arguments)


def line(task: dict[str, Any], row: dict[str, float], count: int) -> str:
    """A row of the table."""
    start = f"{row['values']} | {row['seconds']:.1f}"
    if task["what"] == "theirs":
        steps = task["epochs"] * (count // task["batch"])
        end = f"{row['psnr']:.2f} | {row['bytes']:.0f} | {row['rounded']:.2f} |"
        return f"| public code, {task['epochs']} epochs, rate {task['lr']:g} | {steps} | {start} | {end}"
    steps, end = (
        task["passes"] * count,
        f" | {row['bytes']} | {row['psnr']:.2f} |" if task["rate"] else f"{row['psnr']:.2f} | | |",
    )
    return f"| video/hnerv, {task['passes']} passes | {steps} | {start} | {end}"


def faster(tasks: list[dict[str, Any]], found: list[dict[str, float]]) -> None:
    """For every schedule of theirs, the shortest of ours that comes to its PSNR, float and as files."""
    for task, row in zip(tasks, found, strict=True):
        if task["what"] == "ours":
            continue
        for name, wanted, rated in (("float", row["psnr"], False), ("coded", row["rounded"], True)):
            able = [
                other["seconds"]
                for given, other in zip(tasks, found, strict=True)
                if given["what"] == "ours" and bool(given["rate"]) == rated and other["psnr"] >= wanted
            ]
            ratio = f"{row['seconds'] / min(able):.1f} times as fast" if able else "not reached"
            print(f"{name}, {wanted:.2f} dB of {task['epochs']} epochs: {ratio}", flush=True)


def decode(frames: np.ndarray, task: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Frames per second of processor time, best of rounds in which all take their turn: files in memory to RGB."""
    clip, out = Clip(frames, media.read(arguments.film).rate), io.BytesIO()
    pipeline.encode(clip, out, "video/hnerv", Options(quality=arguments.quality, effort=arguments.effort))
    wanted = quality_of(pipeline.decode(out.getvalue()).frames, frames)
    files = {crf: h264(clip, crf) for crf in range(18, 52)}
    crf = min(files, key=lambda crf: abs(quality_of(played_frames(files[crf]), frames) - wanted))
    child = subprocess.Popen(
        [sys.executable, __file__, "--task", json.dumps(task)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    best = np.full(4, np.inf)
    for _ in range(ROUNDS):
        child.stdin.write("again\n")
        child.stdin.flush()
        all_of_it, network = json.loads(child.stdout.readline())
        own = spent(partial(pipeline.decode, out.getvalue()))
        best = np.minimum(best, [own, all_of_it, network, spent(partial(played, files[crf]))])
    child.stdin.close()
    child.wait()
    rates = len(frames) / best
    print(f"video/hnerv, {len(out.getvalue())} bytes, {wanted:.2f} dB: {rates[0]:.0f} frames per second")
    print(f"public code: {rates[1]:.0f} frames per second, {rates[2]:.0f} without reading the network")
    real = quality_of(played_frames(files[crf]), frames)
    print(f"FFmpeg, x264 medium at {crf}, {len(files[crf])} bytes, {real:.2f} dB: {rates[3]:.0f} frames per second")


def spent(work: Callable[[], object]) -> float:
    """Processor seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def h264(clip: Clip, crf: int) -> bytes:
    """A film by x264, medium."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=clip.rate, options={"crf": str(crf), "threads": "1"})
        stream.height, stream.width = clip.frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for pixels in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def played_frames(data: bytes) -> np.ndarray:
    """The frames of a film, uint8 [T, H, W, 3]."""
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def perform(task: dict[str, Any]) -> None:
    """A task in a process of its own."""
    if task["what"] == "shown":
        shown(task)
        return
    found = {"theirs": theirs, "ours": ours}[task["what"]](task)
    Path(task["report"]).write_text(json.dumps(found))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("checkout", type=Path, nargs="?", help="folder of the public code")
    parser.add_argument("--quality", type=float, default=65.0, help="sets the number of values")
    parser.add_argument("--epochs", type=int, nargs="+", default=[75, 300])
    parser.add_argument("--passes", type=int, nargs="+", default=[6, 12, 25, 50, 100])
    parser.add_argument("--rate", type=float, default=0.06, help="weight of the rate in our coded networks")
    parser.add_argument("--lr", type=float, default=1e-3, help="of the public code")
    parser.add_argument("--batch", type=int, default=2, help="of the public code")
    parser.add_argument("--effort", type=int, default=3, help="of our file that is decoded")
    parser.add_argument("--fast", action="store_true", help="our convolutions in bfloat16")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.task:
        perform(json.loads(arguments.task))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
