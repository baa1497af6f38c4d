"""The context modules of image/slices on the latents of a tiny convolutional codec: which of them lower the rate.

    python benchmarks/context_small.py --data DATA [--steps 3000] [--seeds 0 1] [--weight 0.013]

A quick check of the order that MLIC++ and MLICv2 publish: hyperprior, then slices and checkerboard, then local, then global
context. Convolutions of 32 channels, 40 latents at 1/16 in four slices of ten, crops of 64x64. Transforms are trained with
the context `channel` and then stay; every row of the table is an entropy model of its own, hyperprior and all, trained from
nothing on their rounded latents with the same seed, crops and number of steps. So the error is the same in all rows. Where
`context_ablation.py` looks at the latents of image/patch, these come from overlapping filters. Rates are cross-entropy on
held-out pictures, cut into crops as in the training and as a whole, of 256x256.
"""

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from triptych.codecs.blocks import gate, gaussian_bits, pointwise, straight_through_round
from triptych.codecs.image.context import Place, References, Reweight, modules
from triptych.codecs.image.slices_net import steps_of
from triptych.tools.recipes.image_patch import PatchTask

WIDTH, SLICES, SIDE, FEATURES = 32, (10, 10, 10, 10), 16, 32
CROP, BATCH, HELD = 64, 16, 256
GREY, RATE = 64, 1e-3  # grey levels that are 1 to the transforms; of learning, at its peak
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


class Transforms(nn.Module):
    """Pixels about zero to latents and back."""

    def __init__(self) -> None:
        super().__init__()
        latents = sum(SLICES)
        stages = [part for inputs in (3, WIDTH, WIDTH) for part in (down(inputs, WIDTH), nn.GELU(), Residual())]
        self.analysis = nn.Sequential(*stages, down(WIDTH, latents))
        stages = [part for inputs in (latents, WIDTH, WIDTH) for part in (up(inputs, WIDTH), nn.GELU(), Residual())]
        self.synthesis = nn.Sequential(*stages, up(WIDTH, 3))


class EntropyModel(nn.Module):
    """Bits of latents."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.analysis = nn.Sequential(down(sum(SLICES), WIDTH), nn.GELU(), down(WIDTH, SIDE))
        self.synthesis = nn.Sequential(up(SIDE, WIDTH), nn.GELU(), up(WIDTH, 2 * WIDTH))
        self.side = nn.Parameter(torch.zeros(2, SIDE, 1, 1))  # means and logarithms of scales of z
        self.slices = nn.ModuleList(Slice(names, number) for number in range(len(SLICES)))

    def forward(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Latents [B, 40, h, w], h and w multiples of 4, to the bits of each picture [B]."""

        def noisy(x: Tensor) -> Tensor:
            return x + torch.rand(x.shape, generator=generator) - 0.5 if self.training else x.round()

        z = self.analysis(y / 4) * 4
        bits = gaussian_bits(noisy(z) - self.side[0], self.side[1].exp() + 0.1).sum((1, 2, 3))
        hyper = self.synthesis(straight_through_round(z) / 4)
        whole, sent, decoded = straight_through_round(y), noisy(y), torch.zeros_like(y)
        for step in steps_of(SLICES):
            part, mask = step.channels, step.mask(*y.shape[-2:]).to(y.dtype)
            before = decoded[:, : part.start].split(SLICES[: step.number], 1) if step.number else ()
            half = 1 - mask if step.phase else mask  # slices are even, so that the one before has the same pattern
            anchors = decoded[:, part] if step.phase else None
            means, scale = self.slices[step.number](step.phase, References(hyper, before, anchors, half))
            scale = nn.functional.softplus(scale + 1) + 0.1
            bits = bits + (gaussian_bits(sent[:, part] - means, scale) * mask).sum((1, 2, 3))
            taken = decoded[:, part] + whole[:, part] * mask
            decoded = torch.cat((decoded[:, : part.start], taken, decoded[:, part.stop :]), 1)
        return bits


def crops(task: PatchTask, generator: torch.Generator) -> Tensor:
    """Random crops, about zero."""
    pixels = (task.batch(BATCH, generator).float() - 127.5) / GREY
    return pixels.contiguous(memory_format=torch.channels_last)


def learn(parameters: Iterable[Tensor], steps: int, loss: Callable[[], Tensor]) -> None:
    """Adam with a rate that rises and falls."""
    parameters = list(parameters)
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()


def transforms(task: PatchTask, steps: int, seed: int, weight: float) -> Transforms:
    """Transforms trained together with an entropy model that is thrown away."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    codec, model = Transforms().to(memory_format=torch.channels_last), EntropyModel(("channel",))

    def loss() -> Tensor:
        pixels = crops(task, generator)
        y = codec.analysis(pixels) * 4
        restored = codec.synthesis(straight_through_round(y) / 4)
        return model(y, generator).mean() / CROP**2 + weight * (restored - pixels).square().mean() * GREY**2

    learn((*codec.parameters(), *model.parameters()), steps, loss)
    return codec.eval()


def rate(task: PatchTask, codec: Transforms, names: tuple[str, ...], steps: int, seed: int) -> dict[str, float]:
    """Parameters of the contexts, and bits per pixel and PSNR on the held-out pictures after training."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = EntropyModel(names)

    def loss() -> Tensor:
        with torch.no_grad():
            y = codec.analysis(crops(task, generator)) * 4
        return model(y, generator).mean() / CROP**2

    learn(model.parameters(), steps, loss)
    model.eval()
    with torch.inference_mode():
        held = torch.stack([torch.from_numpy(p[:HELD, :HELD].copy()).permute(2, 0, 1) for p in task.held]).float()
        y = codec.analysis((held - 127.5) / GREY) * 4
        error = (codec.synthesis(y.round() / 4) * GREY + 127.5).clamp(0, 255) - held
        bpp = float(model(y, generator).mean()) / HELD**2
        cut = held.unfold(2, CROP, CROP).unfold(3, CROP, CROP).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        crop_bpp = float(model(codec.analysis((cut - 127.5) / GREY) * 4, generator).mean()) / CROP**2
    parameters = sum(p.numel() for p in model.slices.parameters())
    psnr = -10 * math.log10(float(error.square().mean()) / 255**2)
    return {"parameters": parameters, "crops": crop_bpp, "whole": bpp, "psnr": psnr}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--weight", type=float, default=0.013, help="of the squared error against bits per pixel")
    args = parser.parse_args()
    task = PatchTask(CROP)
    task.load(args.data, torch.Generator().manual_seed(0))
    print("| seed | context | parameters | PSNR | crops: bpp | against the row above, % | whole: bpp | against it, % |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for seed in args.seeds:
        codec, above = transforms(task, args.steps, seed, args.weight), None
        for names in WAYS:
            row = rate(task, codec, names, args.steps, seed)
            cells = [f"{row['parameters']:,}", f"{row['psnr']:.2f}"]
            for part in ("crops", "whole"):
                cells += [f"{row[part]:.4f}", f"{100 * (row[part] / above[part] - 1):+.1f}" if above else ""]
            print(f"| {seed} | {' + '.join(names) or 'hyperprior only'} | {' | '.join(cells)} |", flush=True)
            above = row


if __name__ == "__main__":
    main()
