"""The float network of audio/mdct-rvq: samples to levels and latents, codes back to samples."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .convnext import Trunk
from .layers import Memory
from .rvq import ResidualQuantiser
from .transform import Mdct


@dataclass(frozen=True)
class MdctRvqConfig:
    """Sizes of the codec; rate in Hz, hop in samples, step and lowest (level 1) in decibels.

    classes: rows of tables for each of the first `contexts` codebooks; the others have one.
    power: coefficients are raised to it before anything else, so that coding noise follows the spectrum.
    bands: of the `dim` latents, how many tell an envelope; with some, the network is that of mdct_rvq_bands.py.
    envelope: how much an error of one neper in a band counts beside one of a latent of unit power.
    causal: no frame depends on later ones, so that the codec streams.
    """

    rate: int = 16000
    hop: int = 320
    dim: int = 128
    books: int = 16
    size: int = 1024
    encoder_width: int = 256
    encoder_blocks: int = 4
    decoder_width: int = 320
    decoder_blocks: int = 6
    expansion: int = 3
    levels: int = 72
    step: float = 1.5
    lowest: float = -84.0
    power: float = 0.7
    decay: float = 0.99
    classes: int = 64
    contexts: int = 6
    bands: int = 0
    envelope: float = 4.0
    causal: bool = False


NOISE_FRAMES = 256  # after which the noise repeats
QUIET = -3.0  # logarithm of the noise's share of the shape at which a training starts


def noise(frames: int, hop: int) -> Tensor:
    """The same numbers on every machine, even between -sqrt(3) and sqrt(3): float [frames, hop].

    A counter through the mixing steps of SplitMix64 (Steele, Lea, Flood 2014), of which the upper 24 bits are taken.
    """
    state = np.arange(1, frames * hop + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    even = ((state ^ (state >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return torch.from_numpy((even * 3**0.5).astype(np.float32)).view(frames, hop)


def raised(x: Tensor, power: float) -> Tensor:
    """Magnitudes to a power, signs kept; the gradient is finite at zero for powers of at least 1."""
    return x.sign() * x.abs().pow(power)


class MdctRvqNet(nn.Module):
    """Weighted MDCT frames as gain and shape, shape as a sum of codewords, and a network that repairs the sum.

    Transform, projection and codebooks alone are a complete codec (see `start`); both networks start as corrections
    that are zero, but for a little noise. The structure follows MDCTCodec (Jiang et al. 2024) with SoundStream's quantiser dropout.
    """

    def __init__(self, config: MdctRvqConfig):
        super().__init__()
        c = config
        self.config = c
        self.half = False  # bfloat16 inside the networks: for training only
        self.mdct = Mdct(c.hop)
        self.register_buffer("weight", torch.ones(c.hop))
        self.signed = c.dim - c.bands
        self.project = nn.Parameter(torch.eye(c.hop, self.signed))
        self.expand = nn.Parameter(torch.eye(self.signed, c.hop))
        entries, width, blocks = 2 * c.hop + 1 + c.bands, c.encoder_width, c.encoder_blocks
        self.encoder = Trunk(entries, width, blocks, c.expansion, c.dim, c.causal)
        self.quantiser = ResidualQuantiser(c.books, c.size, c.dim, c.decay)
        entries, width, blocks = c.dim + 2 + c.books, c.decoder_width, c.decoder_blocks
        self.decoder = Trunk(entries, width, blocks, c.expansion, 2 * c.hop, c.causal)
        nn.init.constant_(self.decoder.leave.bias[c.hop :], QUIET)
        self.register_buffer("noise", noise(NOISE_FRAMES, c.hop), persistent=False)

    def gain(self, levels: Tensor) -> Tensor:
        """Gain of raised coefficients for int64 levels; 0 for level 0, which is silence."""
        decibels = self.config.lowest + (levels - 1) * self.config.step
        return torch.pow(10.0, decibels.float() * (self.config.power / 20)) * (levels > 0)

    def spectrum(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split stretches of the signal into gain and shape.

        frames: float [batch, frame, 2 * hop]. Returns levels int64 [batch, frame] in 0 .. levels - 1 and the raised
        and weighted MDCT and MDST divided by the level's gain, float [batch, frame, hop] each.
        """
        cosine, sine = self.mdct.analyse(frames)
        cosine, sine = (raised(part, self.config.power) * self.weight for part in (cosine, sine))
        # Back from the domain of raised magnitudes: levels are about the decibels of the signal.
        size = cosine.square().mean(-1).clamp(min=1e-20).pow(1 / self.config.power)
        levels = (10 * size.log10() - self.config.lowest) / self.config.step
        levels = (levels.round().long() + 1).clamp(0, self.config.levels - 1)
        inverse = torch.where(levels > 0, 1 / self.gain(levels.clamp(min=1)), 0.0).unsqueeze(-1)
        return levels, cosine * inverse, sine * inverse

    def loudness(self, levels: Tensor) -> Tensor:
        """Levels as a network input of about unit range, float [batch, frame, 1]."""
        return (levels.float() * (4 / self.config.levels) - 2).unsqueeze(-1)

    def features(self, cosine: Tensor, sine: Tensor) -> Tensor:
        """Latents before any correction, float [batch, frame, dim], from shapes of `spectrum`."""
        return cosine @ self.project

    def latents(self, levels: Tensor, cosine: Tensor, sine: Tensor, memory: Memory | None = None) -> Tensor:
        """What is quantised, float [batch, frame, dim], from the three results of `spectrum`.

        memory: of the frames before, where the network is causal and frames come one after the other.
        """
        with torch.autocast(cosine.device.type, torch.bfloat16, enabled=self.half and self.training):
            correction = self.encoder(torch.cat((cosine, sine, self.loudness(levels)), -1), memory)
        return self.features(cosine, sine) + correction.float()

    def coefficients(
        self, latents: Tensor, levels: Tensor, used: Tensor, first: int = 0, memory: Memory | None = None
    ) -> Tensor:
        """MDCT coefficients, float [batch, frame, hop].

        latents: float [batch, frame, dim], sums of codewords; levels, used: int64 [batch, frame], used codebooks; first:
        number of the first frame in the sound; memory: as for `latents`.
        """
        shape, hiss = self.shape(latents, levels, used, first, memory)
        return self.unshape(shape + hiss, levels)

    def unshape(self, shape: Tensor, levels: Tensor) -> Tensor:
        """MDCT coefficients of shapes float [batch, frame, hop] at levels int64 [batch, frame]."""
        return raised(shape * self.gain(levels).unsqueeze(-1) / self.weight, 1 / self.config.power)

    def shape(
        self, latents: Tensor, levels: Tensor, used: Tensor, first: int = 0, memory: Memory | None = None
    ) -> tuple[Tensor, Tensor]:
        """Raised and weighted coefficients at unit gain; arguments as for `coefficients`.

        Returns what follows from the codes and the noise that stands for what the codes do not tell, float
        [batch, frame, hop] each: signs are not guessed, so without noise such places would be holes.
        """
        books = functional.one_hot(used, self.config.books + 1).to(latents.dtype)
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.half and self.training):
            correction = self.decoder(torch.cat((latents, self.loudness(levels), books), -1), memory)
        correction, share = correction.float().chunk(2, -1)
        rows = torch.arange(first, first + levels.shape[1], device=levels.device) % NOISE_FRAMES
        return latents @ self.expand + correction, share.clamp(max=2).exp() * self.noise[rows]

    def forward(
        self, x: Tensor, used: Tensor, generator: torch.Generator | None = None, first: int = 0
    ) -> dict[str, Tensor]:
        """Code and decode samples with gradients.

        x: float [batch, samples]; used: int64 [batch, frame], codebooks per frame (silent frames use none); first: as
        for `coefficients`.
        Returns `output` float [batch, samples], `shape` and `target` (coded and true shapes), `levels`,
        `used`, `codes` int64 [books, batch * frame] and the scalar `commitment`.
        """
        levels, cosine, sine = self.spectrum(self.mdct.frames(x))
        used = used * (levels > 0)
        latents = self.latents(levels, cosine, sine)
        quantised = self.quantiser(latents.flatten(0, 1), used.flatten(), generator)
        shape, hiss = self.shape(quantised.vectors.view_as(latents), levels, used, first)
        output = self.mdct.synthesise(self.unshape(shape + hiss, levels))[..., : x.shape[-1]]
        return {
            "output": output,
            "shape": shape,
            "target": cosine,
            "levels": levels,
            "used": used,
            "codes": quantised.codes,
            "commitment": quantised.losses["commitment"],
        }
