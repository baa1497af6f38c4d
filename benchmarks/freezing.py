"""What integers cost: the rate of image/patch with its float row head and with the frozen one, on the same residuals.

    python benchmarks/freezing.py RUN PICTURE...

RUN is the folder of a training, whose checkpoint still has the float head; its averaged weights are frozen here. The float head
gives fractional rows and continuous Gaussians; frozen, rows are whole numbers of 64 and tables are integers.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from triptych.codecs.blocks import gaussian_bits, interpolate_rows
from triptych.codecs.image.patch import SKIP, STEPS, PatchCodec
from triptych.codecs.image.patch_net import LOG_MIN, LOG_STEP, PatchNet
from triptych.codecs.signals import Picture
from triptych.entropy import ROWS, RateCounter, gaussian
from triptych.tools.checkpoint import load_checkpoint
from triptych.tools.recipes.image_patch import default


def averaged(folder: Path) -> PatchCodec:
    """The codec of a run with its averaged weights."""
    codec = default().make()
    tensors, _ = load_checkpoint(folder / "checkpoint.safetensors")
    with torch.no_grad():
        for index, parameter in enumerate(p for p in codec.parameters() if p.requires_grad):
            parameter.copy_(tensors[f"average.{index}"])
    return codec.eval().requires_grad_(False)


def float_rows(net: PatchNet, side: np.ndarray, point: float) -> torch.Tensor:
    """Fractional rows [latents, h, w] by the head's weights as they are, without any rounding."""
    bias = interpolate_rows(net.head.bias, torch.tensor([point]))[:, :, None, None]
    rows = F.conv2d(torch.from_numpy(side).float()[None], net.head.weight[:, :, None, None]) + bias
    return F.pixel_shuffle(rows, 2).clamp(0, ROWS - 1)[0]


def main() -> None:
    """Count and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec = averaged(options.run)
    codec.freeze(np.ones((codec.config.points * codec.config.side, 255), np.int64))
    print("| rate point | float head, bpp | integer head, bpp | loss |\n|--:|--:|--:|--:|")
    for point in range(codec.config.points):
        bits, pixels = np.zeros(2), 0
        for path in options.pictures:
            picture = Picture(np.asarray(Image.open(path).convert("RGB")))
            symbols = codec.analyse(picture, point * STEPS, effort=0)
            rows, counter = codec.rows(symbols.side, point * STEPS), RateCounter()
            counter.code(symbols.residual, gaussian().at(rows, skip=SKIP))
            scale = torch.exp(LOG_MIN + LOG_STEP * float_rows(codec.net, symbols.side, float(point)))
            each = gaussian_bits(torch.from_numpy(symbols.residual).float(), scale)
            bits += float(each[torch.from_numpy(rows >= SKIP)].sum()), counter.bits
            pixels += picture.pixels[..., 0].size
        print(
            f"| {point} | {bits[0] / pixels:.4f} | {bits[1] / pixels:.4f} | {100 * (bits[1] / bits[0] - 1):.2f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
