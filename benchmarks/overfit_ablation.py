"""What parts of the fit of image/overfit bring: each is taken away, or put in its place what was there before.

python benchmarks/overfit_ablation.py ../shared/data/eval/kodak --pictures kodim05 kodim17 --quality 20 --steps 200

Cost is squared error + lambda x bits per pixel of the real file, in thousandths.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from overfit import crop, measured

from triptych.codecs.image import overfit, overfit_fit
from triptych.codecs.image.overfit import OverfitCodec, OverfitConfig
from triptych.codecs.image.overfit_start import lagrangian
from triptych.tools import models

HARDER = {"ENDURING": 0, "HARDER": {"temperature": (0.3, 0.15), "noise": (0.2, 0.16)}}
SLOWER = 0.2  # of the rate of learning of SOAP; not searched for in this comparison


class PlainAdam(torch.optim.Adam):
    """Adam in place of SOAP, at a lower rate of learning."""

    def __init__(self, params: list[torch.Tensor], every: int) -> None:
        super().__init__(params)

    def step(self, closure: None = None) -> None:
        """One step."""
        self.param_groups[0]["lr"] *= SLOWER
        super().step(closure)


def variants(learned: OverfitCodec) -> dict[str, tuple[OverfitCodec, list]]:
    """Codecs and what is changed in their modules."""
    cold = OverfitCodec(OverfitConfig(learned.config.preset, start=False))
    return {
        "as it is": (learned, []),
        "without bands": (learned, [patch.object(overfit_fit, "MOST", 1)]),
        "Adam for the networks": (learned, [patch.object(overfit_fit, "Soap", PlainAdam)]),
        "rounding that begins harder": (learned, [patch.object(overfit, n, v) for n, v in HARDER.items()]),
        "levels of networks rounded to the nearest": (learned, [patch.object(overfit, "refine", lambda work: None)]),
        "the larger preset": (learned, [patch.object(overfit, "LARGE_FROM", 0)]),
        "no learned start": (cold, []),
    }


def main() -> int:
    """Command line: one row a variant."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--pictures", nargs="+", default=["kodim05", "kodim17"])
    parser.add_argument("--side", type=int, default=0, help="of the crop; 0 for whole pictures")
    parser.add_argument("--quality", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| variant | bpp | PSNR | networks | cost | CPU s |\n|---|---|---|---|---|---|")
    for name, (codec, patches) in variants(models.load("image/overfit", arguments.weights)).items():
        with ExitStack() as stack:
            for one in patches:
                stack.enter_context(one)
            pictures = [crop(arguments.data / f"{picture}.png", arguments.side) for picture in arguments.pictures]
            rows = [measured(codec, picture, arguments.quality, arguments.steps) for picture in pictures]
        bpp, error, share, seconds = np.mean(rows, axis=0)
        psnr = np.mean([-10 * np.log10(row[1]) for row in rows])
        cost = 1e3 * (error + lagrangian(arguments.quality) * bpp)
        print(f"| {name} | {bpp:.4f} | {psnr:.2f} | {share:.1%} | {cost:.4f} | {seconds:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
