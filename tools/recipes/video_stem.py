"""Training of video/stem on the transforms of image/patch: a temporal entropy model, and a smaller analysis that imitates.

python -m triptych.tools.train video_stem.default --data DATA --out runs/video-stem --export weights
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional as F

from ...codecs.blocks import gaussian_bits, straight_through_round
from ...codecs.freezing import fake_quantise
from ...codecs.image import refine
from ...codecs.image.patch import SIDE_BOUND, SKIP, STEPS, PatchCodec
from ...codecs.image.patch_net import GREY, LOG_MIN, LOG_STEP, PATCH, checkerboard, weight_of
from ...codecs.image.residuals import MOST, learned
from ...codecs.image.slices_net import FINE, MOST_ROW, scores
from ...codecs.video.stem import StemCodec
from ...codecs.video.stem_net import StemConfig, StemNet, near_inputs, past_inputs, side_step
from ...codecs.video.stem_rows import RowNetworks
from ...entropy import ROWS, Tables
from .. import models
from ..train import Recipe
from .image_slices import short_tables, side_bits, take_over
from .packs import members
from .patch_side import smoothed

DATA = """71 clips, 7117 frames, 284 s, H.264 crf 14, height 192 to 480, of which every 16th is kept for validation.
Sources and licences by clip: sample and test videos of public repositories (Apache-2.0, MIT, BSD, CC0, CC-BY-4.0,
CC-BY-NC-4.0), DAVIS clips (research use), clips from Pexels and Pixabay under their licences; some state none. No Vid4,
xiph or JCT-VC clip is among them."""

NARROW = ("analysis.enter.", "analysis.blocks.", "analysis.leave.")  # of fewer channels than in image/patch
TRAINED = ("forecast.", "changes.", "change_", "row_", *NARROW)  # the rest is that of image/patch
IMITATION = 0.1  # weight of the squared difference of the analyses
LIMIT = SIDE_BOUND // 3  # of coded side information, the largest step times which must be in bounds
FRAMES = 4  # of a chain: one alone and three predicted
SIDE = 12  # latents a side
STRIDES = torch.tensor([0.05, 0.75, 0.2])  # shares of chains whose frames are repeated, follow each other, skip one
VALIDATED = (1, 3, 5, 7)  # rate points
NETWORKS = ("past", "change", "near")
HELD = 16  # of so many clips one is for validation
SHOWN = 8  # frames of it


def default() -> Recipe:
    """Crops of 192x192 pixels."""
    return recipe("video_stem.default", StemConfig(), 2200, 10)


def smoke() -> Recipe:
    """A few steps for tests."""
    return recipe("video_stem.smoke", StemConfig(), 2, 1, batch=2, counted=1)


def recipe(name: str, config: StemConfig, steps: int, chains: int, batch: int = 4, counted: int = 60) -> Recipe:
    """A run with one configuration; `chains` are drawn from every clip, tables from `counted` batches of eight of them."""
    return Recipe(
        name=name,
        make=partial(fresh, config),
        task=lambda: StemTask(chains, counted),
        steps=steps,
        batch=batch,
        lr=3e-3,
        warmup=40,
        ema=0.99,
        validate_every=400,
        save_every=100,
        data=DATA,
    )


def fresh(config: StemConfig) -> StemCodec:
    """A codec of which only the temporal entropy model and the analysis can be trained."""
    codec = StemCodec(config)
    for name, parameter in codec.net.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED))
    for network in (codec.net.row_past, codec.net.row_change, codec.net.row_near):
        fake_quantise(network)
    return codec


@dataclass(frozen=True)
class Past:
    """What is known of the frames before, all [B, latents, h, w].

    Attributes:
        last, before: decoded latents of the last frame and of that before it.
        rows: of the last frame, in 1 / FINE of a row, whole numbers.
        found: scores of its symbols.
        still: 1 where it was coded alone, [B].
    """

    last: Tensor
    before: Tensor
    rows: Tensor
    found: Tensor
    still: Tensor


@dataclass(frozen=True)
class Coded:
    """What coding a frame gives: bits of latents and of side information, squared error in grey levels, each [B]."""

    bits: Tensor
    side: Tensor
    error: Tensor
    past: Past
    z: Tensor
    inputs: tuple[Tensor, ...] = ()  # of the row networks
    seen: Tensor | None = None


@torch.no_grad()
def alone(net: StemNet, y: Tensor, point: Tensor) -> Coded:
    """Code scaled latents as image/patch does; bits of z are left out."""
    with torch.autocast(y.device.type, enabled=False):
        z = net.hyper(y).round().clamp(-SIDE_BOUND, SIDE_BOUND)
        rows = net.head(z, point).round()
        first, features = net.means.start(z)
        half, sent = checkerboard(y), rows >= SKIP
        residual = (y - first).round() * half * sent
        means = first * half + net.means.update(first, features, residual) * (1 - half)
    residual = refine.cheap(y - means, rows.long(), refine.price_of(net, point)) * sent
    bits = (gaussian_bits(residual, torch.exp(LOG_MIN + LOG_STEP * rows)) * sent).sum((1, 2, 3))
    decoded = means + residual
    error = ((y - decoded) / net.gain(point)).square().sum((1, 2, 3))
    found = scores(net.score_table, rows, residual).float()
    return Coded(bits, torch.zeros_like(bits), error, Past(decoded, decoded, rows * FINE, found, torch.ones(len(y))), z)


def predicted(net: StemNet, y: Tensor, past: Past, point: Tensor, generator: Generator) -> Coded:
    """Code scaled latents given those of the frames before; differentiable where gradients are on."""
    soft, half, price = torch.is_grad_enabled(), checkerboard(y), refine.price_of(net, point)

    def rounded(means: Tensor, rows: Tensor) -> Tensor:
        left, whole = (y - means).detach(), rows.detach().round()
        # Training has nearest integers; encoders take cheaper ones.
        return (left.round() if soft else refine.cheap(left, whole.long(), price)) * (whole >= SKIP)

    inputs = past_inputs(past.rows, past.found, past.still, (point / (net.config.points - 1) * MOST_ROW).floor())
    base = (past.rows / FINE + net.row_past(inputs).float()).clamp(0, MOST_ROW)
    means, features = net.forecast.past(past.last, past.before)
    step = side_step(point * STEPS)[:, None, None, None]
    z_float = (net.change(y, means.detach().float(), base.detach()).float() / step).clamp(-LIMIT, LIMIT)
    coded = straight_through_round(z_float)
    z = coded * step
    rows = (base + F.pixel_shuffle(net.row_change(z).float(), 2)).clamp(0, MOST_ROW)
    means, features = net.forecast.change(means, features, z)
    residual = rounded(means, rows) * half
    near = near_inputs((rows.detach() * FINE).round(), scores(net.score_table, rows.detach().round(), residual) * half)
    rows = rows * half + (rows + net.row_near(near).float()).clamp(0, MOST_ROW) * (1 - half)
    means = (means * half + net.means.update(means, features, residual) * (1 - half)).float()
    whole, residual = rows.detach().round(), rounded(means, rows)
    if soft:
        bits = soft_bits(y - means, rows, generator)
        noise = torch.rand(z.shape, generator=generator) - 0.5
    else:
        bits, noise = gaussian_bits(residual, torch.exp(LOG_MIN + LOG_STEP * whole)) * (whole >= SKIP), coded - z_float
    nearest = point.round().long()
    scale = torch.exp(net.change_log_scale[nearest])[:, :, None, None]
    side = gaussian_bits(z_float + noise - net.change_mean[nearest][:, :, None, None], scale)
    left = torch.where(residual == 0, y - means, (y - means).detach() - residual)
    error = (left / net.gain(point)).square().sum((1, 2, 3))
    found = scores(net.score_table, whole, residual).float()
    after = Past((means + residual).detach(), past.last, (rows.detach() * FINE).round(), found, torch.zeros(len(y)))
    seen = None if soft else counts(whole, residual)
    return Coded(bits.sum((1, 2, 3)), side.sum((1, 2, 3)), error, after, coded, (inputs, z, near), seen)


def soft_bits(left: Tensor, rows: Tensor, generator: Generator) -> Tensor:
    """Rows are fitted to the rounded residuals; means, which rounding leaves without a gradient, feel noise instead."""
    scale = torch.exp(LOG_MIN + LOG_STEP * rows)
    bits = gaussian_bits(left.detach().round(), scale)
    noise = torch.rand(left.shape, generator=generator) - 0.5
    soft = gaussian_bits(left + noise, scale.detach())
    return bits + soft - soft.detach()


def counts(rows: Tensor, residual: Tensor) -> Tensor:
    """How often each residual was coded with each row, int64 [ROWS, 2 * MOST + 1]."""
    size = 2 * MOST + 1
    places = rows.long() * size + residual.clamp(-MOST, MOST).long() + MOST
    return torch.bincount(places.flatten(), minlength=ROWS * size).view(ROWS, size)


def clips(folder: Path) -> Iterator[np.ndarray]:
    """The films of a folder of tar shards, uint8 [T, H, W, 3]."""
    for _, content in members(folder):
        with av.open(io.BytesIO(content)) as container:
            yield np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def tensor(frames: np.ndarray) -> Tensor:
    """Frames uint8 [..., H, W, 3] as floats minus 127.5, [..., 3, H, W]."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float() - 127.5
    return pixels.movedim(-1, -3).contiguous(memory_format=torch.channels_last)


class StemTask:
    """Latents of chains of crops in memory, at rates drawn evenly; bits per pixel plus lambda times the squared error."""

    def __init__(self, chains: int, counted: int) -> None:
        self.chains, self.counted = chains, counted

    def load(self, data: Path, generator: Generator) -> None:
        """Chains of crops from `train/video`, analysed by image/patch as it ships."""
        self.patch: PatchCodec = models.load("image/patch")
        self.held, latents, first = [], [], []
        for number, frames in enumerate(clips(data / "train" / "video")):
            if number % HELD == 0:
                top, left = ((side - 256) // 2 if side > 256 else 0 for side in frames.shape[1:3])
                self.held.append(frames[:SHOWN, top : top + 256, left : left + 256][:, : frames.shape[1] // 32 * 32])
                continue
            for _ in range(self.chains):
                chain = tensor(self._chain(frames, generator))
                with torch.no_grad():
                    latents.append(self.patch.net.analysis(chain).half())
                first.append((chain[0] + 127.5).byte())
        self.bank, self.pixels = torch.stack(latents), torch.stack(first)

    def _chain(self, frames: np.ndarray, generator: Generator) -> np.ndarray:
        """A crop of some frames, mirrored at random."""
        u = torch.rand(4, generator=generator).tolist()
        stride = min(int(torch.multinomial(STRIDES, 1, generator=generator)), (len(frames) - 1) // (FRAMES - 1))
        size = SIDE * PATCH
        times = int(u[0] * (len(frames) - stride * (FRAMES - 1))) + stride * np.arange(FRAMES)
        top, left = (int(v * (side - size + 1)) for v, side in zip(u[1:3], frames.shape[1:3], strict=True))
        crop = frames[times, top : top + size, left : left + size]
        return crop[:, :, ::-1] if u[3] < 0.5 else crop

    def start(self, codec: StemCodec, generator: Generator) -> None:
        """Everything that both codecs have in common is taken from image/patch, but for the analysis."""
        take_over(codec, self.patch)

    def batch(self, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Latents in grey levels [size, FRAMES, latents, 12, 12], and pixels [size, 3, 192, 192] of the first frames."""
        chosen = torch.randint(len(self.bank), (size,), generator=generator)
        return self.bank[chosen].float(), self.pixels[chosen].float() - 127.5

    def losses(
        self, codec: StemCodec, batch: tuple[Tensor, Tensor], progress: float, generator: Generator
    ) -> dict[str, Tensor]:
        """Every chain at a rate of its own, spread over the whole range."""
        latents, pixels = batch
        net, point = codec.net, rates(len(latents), codec.config.points, generator)
        gain, weight = net.gain(point), weight_of(codec.config, point)
        area = latents[0, 0, 0].numel() * PATCH**2
        balance = (0.1 / weight.sqrt()).clamp(max=3.0)
        still = alone(net, latents[:, 0] * gain, point)
        past, found = still.past, []
        for frame in range(1, FRAMES):
            coded = predicted(net, latents[:, frame] * gain, past, point, generator)
            past = coded.past
            found.append(coded)
        bits, side, error = (sum(getattr(x, name) for x in found) / len(found) for name in ("bits", "side", "error"))
        bpp, mse = (bits + side) / area, error / (3 * area)
        wanted = latents[:, 0]
        imitation = ((net.analysis(pixels.contiguous(memory_format=torch.channels_last)) - wanted) / GREY).square()
        imitation = imitation.sum(1).mean()
        return {
            "loss": ((bpp + weight * mse) * balance).mean() + IMITATION * imitation,
            "bpp": bpp.mean(),
            "side": (side / area).mean(),
            "mse": mse.mean(),
            "alone": (still.bits / area).mean(),
            "alone_mse": (still.error / (3 * area)).mean(),
            "imitation": imitation,
        }

    def validate(self, codec: StemCodec) -> dict[str, float]:
        """Bits per pixel and squared error (of latents) of frames coded alone and of predicted ones."""
        net, figures, analysis = codec.net, {}, []
        for number in VALIDATED:
            point, rows = torch.tensor([float(number)]), []
            for frames in self.held:
                x = tensor(frames)
                wanted = self.patch.net.analysis(x)
                analysis.append(float((net.analysis(x) - wanted).square().mean() / wanted.square().mean()))
                y, past = wanted * net.gain(point), None
                for frame in y.split(1):
                    still = alone(net, frame, point)
                    coded = still if past is None else predicted(net, frame, past, point, Generator())
                    first, past = past is None, coded.past
                    area, sides = x[0, 0].numel(), (side_bits(self.patch.side_tables, still.z, number), coded.side)
                    pairs = zip((still, coded), sides, strict=True)
                    row = [float(v) / area for c, side in pairs for v in (c.bits + side, side, c.error / 3)]
                    rows += [] if first else [row]
            names = ("alone", "alone_side", "alone_mse", "bpp", "side", "mse")
            figures |= {f"{name}{number}": value for name, value in zip(names, np.mean(rows, 0), strict=True)}
        return figures | {"analysis": float(np.mean(analysis))}

    def sample(self, codec: StemCodec, folder: Path, step: int) -> None:
        """The first frame of a clip as the new analysis has it, beside the original."""
        x, point = tensor(self.held[0][:1]), torch.tensor([5.0])
        y = alone(codec.net, codec.net.latents(x, point), point).past.last
        strip = torch.cat([x, codec.net.pixels(y, point)], 3)[0].permute(1, 2, 0) + 127.5
        Image.fromarray(strip.round().clamp(0, 255).byte().numpy()).save(folder / "sample.png")

    def finish(self, codec: StemCodec) -> None:
        """Freeze, with what chains at all rates show of inputs of the row networks, of z and of residuals."""
        net, generator = codec.net, Generator().manual_seed(7)
        points, inputs, seen = codec.config.points, [], torch.zeros(ROWS, 2 * MOST + 1, dtype=torch.int64)
        side = [[torch.zeros(0, codec.config.change, SIDE // 2, SIDE // 2)] for _ in range(points)]
        for _ in range(self.counted):
            latents, _ = self.batch(8, generator)
            point = rates(len(latents), points, generator)
            gain = net.gain(point)
            past = alone(net, latents[:, 0] * gain, point).past
            for frame in range(1, FRAMES):
                coded = predicted(net, latents[:, frame] * gain, past, point, generator)
                past, seen = coded.past, seen + coded.seen
                inputs.append([x[:1] for x in coded.inputs])
                for nearest, z in zip(point.round().long().tolist(), coded.z, strict=True):
                    side[nearest].append(z[None])
        calibration = {name: torch.cat(x) for name, x in zip(NETWORKS, zip(*inputs, strict=True), strict=True)}
        counted = [torch.cat(z).numpy().astype(np.int32) for z in side]
        codec.freeze_changes(
            self.patch,
            short_tables(self.patch.side_tables),
            short_tables(Tables.from_counts(smoothed(counted, net.change_mean, net.change_log_scale), -SIDE_BOUND)),
            learned(seen.numpy()),
            RowNetworks.freeze(net, calibration),
        )


def rates(count: int, points: int, generator: Generator) -> Tensor:
    """Rate points spread over the whole range."""
    top = STEPS * (points - 1)
    strata = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (strata * (top + 1)).floor().clamp(max=top) / STEPS
