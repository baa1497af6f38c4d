"""Films: what sets systems of the NeRV family apart, parts exchanged one at a time, at equal values and equal steps.

python benchmarks/films_systems.py bunny-32/bunny.mkv --qualities 40 65 --passes 25

Every row is a fit with rounding: values, channels, bytes of network and embeddings, PSNR over all frames, milliseconds of a
step of processor time.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from films import decibels, error_of, values_of

from triptych.codecs.base import Options
from triptych.codecs.video import plan
from triptych.codecs.video.codec import coded_size
from triptych.codecs.video.fit import Fit
from triptych.codecs.video.systems import GRID, INDEX, System
from triptych.tools import media

EVEN = replace(GRID, steep=False)
VARIANTS: dict[str, tuple[System, dict[str, float]]] = {
    "video/nerv": (INDEX, {}),
    "the same, strides of 2 after the first": (replace(INDEX, steep=True, cells=40), {}),
    "video/e-nerv": (GRID, {}),
    "the same, strides as even as in the others": (EVEN, {}),
    "the same, not normalised": (replace(GRID, condition=""), {}),
    "the same, no bottleneck": (replace(GRID, block="plain"), {}),
    "the same, first stage not widened": (replace(GRID, growth=1.0), {}),
    "the same, half the learning rate": (GRID, {"lr": 0.015, "lr_rest": 0.005}),
    "video/hnerv": (System(), {}),
}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--qualities", type=float, nargs="+", default=[40.0, 65.0])
    parser.add_argument("--passes", type=int, default=25)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the rows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = media.read(arguments.film).frames
    print("| | values | strides | stem and stages | bytes | PSNR (dB) | ms a step |\n|---|--:|---|---|--:|--:|--:|")
    for quality in arguments.qualities:
        for number, (name, (system, rates)) in enumerate(VARIANTS.items()):
            if arguments.only is not None and number not in arguments.only:
                continue
            wish, options = plan.Wish(system), Options(quality=quality, effort=4)
            found = plan.plan_for(frames.shape[:3], wish, options, 0.0)
            recipe = replace(found.base, steps=arguments.passes * len(frames), **rates)
            work, began = Fit(frames, found.parameters, recipe, coded_size), time.process_time()
            while work.done < recipe.steps:
                work.advance(work.done / recipe.steps)
            spent, layout = time.process_time() - began, found.parameters.layout
            size = coded_size(work.result())
            channels = " ".join(str(width) for width in (layout.stem, *layout.widths))
            strides = " ".join(str(stride) for stride in layout.strides)
            print(
                f"| {name} | {values_of(frames, found.parameters)} | {strides} | {channels} | {size} | "
                f"{decibels(error_of(work, frames)):.2f} | {1000 * spent / recipe.steps:.1f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
