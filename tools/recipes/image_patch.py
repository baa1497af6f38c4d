"""Training of image/patch: a start from linear algebra, then rate and distortion jointly over all rates.

python -m triptych.tools.train image_patch.default --data DATA --out runs/image-patch --export weights
"""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from ...codecs.blocks import gaussian_bits, straight_through_round
from ...codecs.image.patch import SIDE_BOUND, STEPS, PatchCodec
from ...codecs.image.patch_net import LOG_MIN, LOG_STEP, PatchConfig, PatchNet, checkerboard, weight_of
from ..train import Recipe
from .packs import pictures
from .patch_side import counted, fit_near, seen_residuals, seen_side
from .patch_start import start_net

DATA = """456 photographs, 264 megapixels, of which every 60th is kept for validation; reduced from larger originals, WebP
quality 95. Sources and licences: CID22 (CC-BY-SA-4.0), CLIC 2025 validation (Unsplash licence), and the wallpapers of
elementary, Budgie, Deepin, KDE Plasma, Ubuntu MATE, Pop!_OS, MATE, Lomiri and UKUI (CC0, CC-BY-4.0, CC-BY-SA-3.0/4.0,
Unsplash, Pexels or GPL-2+, by picture). Kodak is not among them."""


def default() -> Recipe:
    """The small model, 256x256 crops."""
    return Recipe(
        name="image_patch.default",
        make=lambda: PatchCodec(PatchConfig()),
        task=lambda: PatchTask(crop=256),
        steps=10000,
        batch=8,
        lr=1e-3,
        warmup=200,
        validate_every=1500,
        data=DATA,
    )


def smoke() -> Recipe:
    """A tiny model for tests: seconds, not quality."""
    config = PatchConfig(latents=48, side=12, signed=3, width=16, context=16, encoder_blocks=1, decoder_blocks=1)
    return Recipe(
        name="image_patch.smoke",
        make=lambda: PatchCodec(config),
        task=lambda: PatchTask(crop=64, start_crops=64, count_crops=16),
        steps=20,
        batch=2,
        lr=1e-3,
        warmup=5,
        validate_every=10,
        save_every=10,
    )


def quantised(net: PatchNet, y: Tensor, point: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Quantise scaled latents as the codec does, differentiably.

    Returns:
        Quantised latents, bits of the latents and bits of z, the bits summed per picture [B].
    """
    z_float = net.hyper(y).clamp(-SIDE_BOUND, SIDE_BOUND).float()
    z = straight_through_round(z_float)
    rows = net.head(z, point).float()
    first, features = net.means.start(z)
    half = checkerboard(y)
    residual = straight_through_round(y - first) * half
    means = first * half + net.means.update(first, features, residual) * (1 - half)
    scale = torch.exp(LOG_MIN + LOG_STEP * rows)
    rounded = (y - means).detach().float().round()
    bits = gaussian_bits(rounded, scale)
    if torch.is_grad_enabled():
        # Scales are fitted to the rounded residuals that will be coded; latents and means, which rounding leaves without
        # a gradient, feel the rate through uniform noise instead.
        noise = (torch.rand(y.shape, generator=generator) - 0.5).to(y.device)
        soft = gaussian_bits((y - means).float() + noise, scale.detach())
        bits = bits + soft - soft.detach()
    quantised_y = means + straight_through_round(y - means)
    noise = (torch.rand(z.shape, generator=generator) - 0.5).to(z.device) if torch.is_grad_enabled() else z - z_float
    nearest = point.round().long()
    scale = torch.exp(net.side_log_scale[nearest])[:, :, None, None]
    side_bits = gaussian_bits(z_float + noise - net.side_mean[nearest][:, :, None, None], scale)
    return quantised_y, bits.sum((1, 2, 3)), side_bits.sum((1, 2, 3))


def _middle(picture: np.ndarray, most: int) -> np.ndarray:
    """The centre of a picture, its sides multiples of 32 and at most `most`."""
    height, width = (min(most, side // 32 * 32) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


class PatchTask:
    """Pictures in memory, random crops, bits per pixel plus lambda times the squared error."""

    def __init__(self, crop: int, start_crops: int = 600, count_crops: int = 400) -> None:
        self.crop, self.start_crops, self.count_crops = crop, start_crops, count_crops

    def load(self, data: Path, generator: Generator) -> None:
        """Training pictures from `train/images`; every 60th is kept for validation, its centre only."""
        found = [p for p in pictures(data / "train" / "images") if min(p.shape[:2]) >= self.crop]
        self.pictures = [p for i, p in enumerate(found) if i % 60]
        self.held = [_middle(p, 512) for p in found[::60]]

    def batch(self, size: int, generator: Generator) -> Tensor:
        """Random crops, mirrored at random: uint8 [size, 3, crop, crop]."""
        crops = []
        for _ in range(size):
            u = torch.rand(4, generator=generator).tolist()
            picture = self.pictures[int(u[0] * len(self.pictures))]
            top, left = (int(v * (n - self.crop + 1)) for v, n in zip(u[1:3], picture.shape, strict=False))
            crop = picture[top : top + self.crop, left : left + self.crop]
            crops.append(crop[:, ::-1] if u[3] < 0.5 else crop)
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)

    def start(self, codec: PatchCodec, generator: Generator) -> None:
        """Principal components, side information and scales in closed form."""
        start_net(codec.net, self.batch(self.start_crops, generator), generator)

    def losses(self, codec: PatchCodec, batch: Tensor, progress: float, generator: Generator) -> dict[str, Tensor]:
        """Every picture of the batch at a rate of its own, drawn evenly from the whole range."""
        net = codec.net
        device = net.log_gain.device
        pixels = (batch.to(device).float() - 127.5).contiguous(memory_format=torch.channels_last)
        top = STEPS * (codec.config.points - 1)
        # Stratified, so that every step sees low and high rates.
        strata = (torch.arange(len(batch)) + torch.rand(len(batch), generator=generator)) / len(batch)
        point = ((strata * (top + 1)).floor().clamp(max=top) / STEPS).to(device)
        y = net.latents(pixels, point)
        quantised_y, bits, side_bits = quantised(net, y, point, generator)
        restored = net.pixels(quantised_y, point)
        count = pixels.shape[2] * pixels.shape[3]
        error = (restored.float() - pixels).square().mean((1, 2, 3))
        weight = weight_of(codec.config, point)
        # Divided by the square root of lambda so that low rates, whose loss is small, count as much as high ones.
        balance = 0.1 / weight.sqrt()
        loss = (((bits + side_bits) / count + weight * error) * balance.clamp(max=3.0)).mean()
        return {
            "loss": loss,
            "bpp": ((bits + side_bits) / count).mean(),
            "side": (side_bits / count).mean(),
            "mse": error.mean(),
        }

    def validate(self, codec: PatchCodec) -> dict[str, float]:
        """Bits per pixel (cross-entropy) and PSNR at three rates, and the loss over all rate points."""
        figures: dict[str, float] = {}
        losses = []
        for index in range(0, STEPS * (codec.config.points - 1) + 1, STEPS):
            point = torch.tensor([index / STEPS])
            rates, errors = [], []
            for picture in self.held:
                pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() - 127.5
                y = codec.net.latents(pixels.contiguous(memory_format=torch.channels_last), point)
                quantised_y, bits, side_bits = quantised(codec.net, y, point, Generator().manual_seed(0))
                restored = (codec.net.pixels(quantised_y, point) + 127.5).round().clamp(0, 255) - 127.5
                rates.append(float(bits + side_bits) / picture.shape[0] / picture.shape[1])
                errors.append(float((restored - pixels).square().mean()))
            bpp, mse = float(np.mean(rates)), float(np.mean(errors))
            losses.append(math.log2(bpp + float(weight_of(codec.config, point)) * mse))
            figures[f"bpp{index // STEPS}"] = bpp
            figures[f"psnr{index // STEPS}"] = float(np.mean([10 * math.log10(255**2 / e) for e in errors]))
        return {"log_loss": float(np.mean(losses))} | figures

    def sample(self, codec: PatchCodec, folder: Path, step: int) -> None:
        """The first validation picture at a low, a middle and a high rate beside the original."""
        pixels = torch.from_numpy(self.held[0]).permute(2, 0, 1)[None].float() - 127.5
        columns = [pixels]
        for share in (0.15, 0.5, 0.85):
            point = torch.tensor([share * (codec.config.points - 1)])
            y = codec.net.latents(pixels, point)
            columns.append(codec.net.pixels(quantised(codec.net, y, point, Generator().manual_seed(0))[0], point))
        strip = (torch.cat(columns, 3)[0].permute(1, 2, 0) + 127.5).round().clamp(0, 255).byte().numpy()
        Image.fromarray(strip).save(folder / "sample.png")

    def finish(self, codec: PatchCodec) -> None:
        """Freeze with what training crops show of z at every rate point."""
        generator = Generator().manual_seed(7)
        seen = seen_side(codec.net, [self.batch(8, generator) for _ in range(0, self.count_crops, 8)])
        counts, near = counted(codec.net, seen), fit_near(seen)
        # Residuals as the frozen codec makes them decide their own tables: it is frozen twice.
        codec.freeze(counts, near)
        crops = torch.cat([self.batch(8, generator) for _ in range(0, self.count_crops, 8)])
        codec.freeze(counts, near, seen_residuals(codec, crops, generator))
