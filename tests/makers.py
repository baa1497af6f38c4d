"""Small codecs and media that the tests make themselves."""

import numpy as np
import torch

from triptych.codecs.image.patch import SIDE_BOUND, PatchCodec
from triptych.codecs.image.patch_net import PatchConfig
from triptych.tools.recipes.patch_start import start_net

TINY_PATCH = PatchConfig(
    latents=48, side=12, signed=3, width=16, context=16, encoder_blocks=1, decoder_blocks=1, render=8
)


def photo(height: int, width: int, planes: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth picture with a few edges and a little noise, uint8 [height, width, planes]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40.0
    base = [np.sin(x * a + y * b + c) * 60 + 127 for a, b, c in rng.uniform(0.2, 2, (planes, 3))]
    pixels = np.stack(base, -1) + 40 * ((x + y) % 2 > 1)[..., None] + rng.normal(0, 3, (height, width, planes))
    return pixels.clip(0, 255).astype(np.uint8)


def tiny_patch(seed: int = 0) -> PatchCodec:
    """A tiny image/patch codec, started from made pictures and frozen; its zero layers are disturbed so that all parts act."""
    torch.manual_seed(seed)
    codec = PatchCodec(TINY_PATCH)
    crops = torch.from_numpy(np.stack([photo(64, 64, seed=i) for i in range(48)])).permute(0, 3, 1, 2)
    start_net(codec.net, crops, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for name, parameter in codec.net.named_parameters():
            if not parameter.any() and name != "head.bias":
                parameter.normal_(0, 0.002)
        values = torch.arange(-SIDE_BOUND, SIDE_BOUND + 1)
        counts = (1e6 * torch.exp(-values.abs() / 4)).long() + 1
    codec.freeze(counts.expand(TINY_PATCH.points * TINY_PATCH.side, -1).numpy())
    return codec.eval().requires_grad_(False)


def round_trip(codec, signal, options):
    """Encode and decode in memory; returns the decoded signal, the track and its items."""
    track, plan = codec.open(signal, options)
    items = list(codec.encode_units(signal, track, plan, 0, options))
    return codec.decode(track, items), track, items
