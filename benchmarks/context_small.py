"""The context modules of image/slices in a tiny codec that is trained whole, from nothing: which of them lower the rate.

    python benchmarks/context_small.py --data DATA [--steps 3000] [--seeds 0 1] [--weight 0.013]

Convolutions of 32 channels, 40 latents at 1/16 in four slices of ten, crops of 64x64, as a quick check of the order that MLIC++
and MLICv2 publish: hyperprior, then slices and checkerboard, then local, then global context. Where `context_ablation.py`
keeps the transforms of image/patch, here they grow together with the context. Rates are cross-entropy on held-out pictures;
"bits at equal error" is the difference of the loss bpp + weight * MSE, as a share of the rate of the row above.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.codecs.blocks import gate, gaussian_bits, pointwise, straight_through_round
from triptych.codecs.image.context import Place, References, Reweight, modules
from triptych.codecs.image.slices_net import steps_of
from triptych.tools.recipes.image_patch import PatchTask

WIDTH, SLICES, SIDE, FEATURES = 32, (10, 10, 10, 10), 16, 32
CROP, BATCH, HELD = 64, 16, 256
WAYS = ((), ("channel",), ("channel", "local"), ("channel", "local", "global"))
WAYS += ((*WAYS[-1], "hyper"), (*WAYS[-1], "hyper", "reweight"))


class Residual(nn.Sequential):
    """Two convolutions added to their input."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.GELU(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Half the size."""
    return nn.Conv2d(inputs, outputs, 3, 2, 1)


def up(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the size."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))


class Slice(nn.Module):
    """Means and logarithms of scales of one slice."""

    def __init__(self, names: tuple[str, ...], number: int) -> None:
        super().__init__()
        before, own = SLICES[:number], SLICES[number]
        place = Place(2 * WIDTH, before, own, FEATURES)
        self.early, self.late = modules(names, place, late=False), modules(names, place, late=True)
        counts = (len(self.early), len(self.early) + len(self.late))
        weigh = "reweight" in names
        self.reweight = nn.ModuleList(Reweight(n * FEATURES) if weigh and n else nn.Identity() for n in counts)
        self.join = nn.ModuleList(
            nn.Sequential(pointwise(2 * WIDTH + n * FEATURES, 96), nn.GELU(), pointwise(96, 64)) for n in counts
        )
        self.leave = nn.ModuleList(pointwise(64, 2 * own) for _ in counts)

    def forward(self, phase: int, references: References) -> tuple[Tensor, Tensor]:
        found = [m(references) for m in (*self.early, *(self.late if phase else ()))]
        features = self.reweight[phase](torch.cat([references.hyper[:, :0], *found], 1))
        features = self.join[phase](torch.cat((references.hyper, features), 1))
        return self.leave[phase](gate(features)).chunk(2, 1)


class SmallCodec(nn.Module):
    """Pixels to bits and restored pixels."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        latents = sum(SLICES)
        stages = [part for inputs in (3, WIDTH, WIDTH) for part in (down(inputs, WIDTH), nn.GELU(), Residual())]
        self.analysis = nn.Sequential(*stages, down(WIDTH, latents))
        stages = [part for inputs in (latents, WIDTH, WIDTH) for part in (up(inputs, WIDTH), nn.GELU(), Residual())]
        self.synthesis = nn.Sequential(*stages, up(WIDTH, 3))
        self.hyper_analysis = nn.Sequential(down(latents, WIDTH), nn.GELU(), down(WIDTH, SIDE))
        self.hyper_synthesis = nn.Sequential(up(SIDE, WIDTH), nn.GELU(), up(WIDTH, 2 * WIDTH))
        self.side = nn.Parameter(torch.zeros(2, SIDE, 1, 1))  # means and logarithms of scales of z
        self.slices = nn.ModuleList(Slice(names, number) for number in range(len(SLICES)))

    def forward(self, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, H, W] about zero, sides multiples of 64, to bits [B] and restored pixels."""

        def noisy(x: Tensor) -> Tensor:
            return x + torch.rand(x.shape, generator=generator) - 0.5 if self.training else x.round()

        y = self.analysis(pixels) * 4
        z = self.hyper_analysis(y / 4) * 4
        bits = gaussian_bits(noisy(z) - self.side[0], self.side[1].exp() + 0.1).sum((1, 2, 3))
        hyper = self.hyper_synthesis(straight_through_round(z) / 4)
        decoded = torch.zeros_like(y)
        for step in steps_of(SLICES):
            part, mask = step.channels, step.mask(*y.shape[-2:]).to(y.dtype)
            before = decoded[:, : part.start].split(SLICES[: step.number], 1) if step.number else ()
            last = 1 - mask if step.phase else mask  # anchors of the slice before: even channels a slice, one pattern
            anchors = decoded[:, part] if step.phase else None
            means, scale = self.slices[step.number](step.phase, References(hyper, before, anchors, last))
            left = y[:, part] - means
            bits = bits + (gaussian_bits(noisy(left), F.softplus(scale + 1) + 0.1) * mask).sum((1, 2, 3))
            taken = (means + straight_through_round(left)) * mask
            decoded = torch.cat((decoded[:, : part.start], decoded[:, part] + taken, decoded[:, part.stop :]), 1)
        return bits, self.synthesis(decoded / 4)


def trained(task: PatchTask, names: tuple[str, ...], steps: int, seed: int, weight: float) -> dict[str, float]:
    """Rate and error on the held-out pictures after training."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    codec = SmallCodec(names).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(codec.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.05)
    for _ in range(steps):
        pixels = (task.batch(BATCH, generator).float() - 127.5).contiguous(memory_format=torch.channels_last) / 64
        bits, restored = codec(pixels, generator)
        loss = bits.mean() / CROP**2 + weight * (restored - pixels).square().mean() * 64**2
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    codec.eval()
    with torch.inference_mode():
        held = torch.stack([torch.from_numpy(p[:HELD, :HELD].copy()).permute(2, 0, 1) for p in task.held])
        bits, restored = codec((held.float() - 127.5) / 64, generator)
        error = (restored * 64 + 127.5).clamp(0, 255) - held
    bpp, mse = float(bits.mean()) / HELD**2, float(error.square().mean())
    parameters = sum(p.numel() for p in codec.slices.parameters())
    return {"parameters": parameters, "bpp": bpp, "psnr": 10 * math.log10(255**2 / mse), "loss": bpp + weight * mse}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--weight", type=float, default=0.013, help="of the squared error against bits per pixel")
    args = parser.parse_args()
    task = PatchTask(CROP)
    task.load(args.data, torch.Generator().manual_seed(0))
    print("| seed | context | parameters | bpp | PSNR | loss | bits at equal error against the row above, % |")
    print("|--:|---|--:|--:|--:|--:|--:|")
    for seed in args.seeds:
        above = None
        for names in WAYS:
            row = trained(task, names, args.steps, seed, args.weight)
            saved = f"{100 * (row['loss'] - above['loss']) / above['bpp']:+.1f}" if above else ""
            cells = (f"{row['parameters']:,}", *(f"{row[name]:.4f}" for name in ("bpp", "psnr", "loss")), saved)
            print(f"| {seed} | {' + '.join(names) or 'hyperprior only'} | {' | '.join(cells)} |", flush=True)
            above = row


if __name__ == "__main__":
    main()
