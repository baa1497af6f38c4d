"""The network of audio/mdct-rvq with an envelope among its latents: noise has a known strength and no sound of its own."""

import torch
from torch import Tensor
from torch.nn import functional

from .layers import Memory
from .mdct_rvq_net import NOISE_FRAMES, MdctRvqConfig, MdctRvqNet

FLOOR = 1e-4  # power, relative to the frame's, below which a band is as good as empty
SOFT = -0.25  # logarithm of the noise's share of what the codes do not tell at which a training starts


class BandedNet(MdctRvqNet):
    """The last latents are logarithms of band amplitudes, the others turn their sign when the signal does.

    Both networks are made odd in what carries a sign and even in the rest, by running them on either sign: what is noise, of
    either sign alike, comes back as noise, never as a pattern that repeats in every frame. What the envelope promises
    and the shape does not hold is filled with noise, by construction.
    """

    def __init__(self, config: MdctRvqConfig):
        super().__init__(config)
        torch.nn.init.constant_(self.decoder.leave.bias[config.hop :], SOFT)
        self.register_buffer("centre", torch.zeros(config.bands))
        hats = band_hats(config.bands, config.hop, config.rate)
        self.register_buffer("spread", hats, persistent=False)
        self.register_buffer("average", (hats / hats.sum(1, keepdim=True)).T.contiguous(), persistent=False)

    def features(self, cosine: Tensor, sine: Tensor) -> Tensor:
        """Latents before any correction."""
        power = (cosine.square() + sine.square()) / 2 @ self.average
        envelope = ((power + FLOOR).log() / 2 - self.centre) * self.config.envelope
        return torch.cat((super().features(cosine, sine), envelope), -1)

    def latents(self, levels: Tensor, cosine: Tensor, sine: Tensor, memory: Memory | None = None) -> Tensor:
        features = self.features(cosine, sine)
        even = torch.cat((features[..., -self.config.bands :], self.loudness(levels)), -1)
        odd = torch.cat((cosine, sine), -1)
        return features + torch.cat(self._mirrored(self.encoder, odd, even, self.signed, memory), -1)

    def shape(
        self, latents: Tensor, levels: Tensor, used: Tensor, first: int = 0, memory: Memory | None = None
    ) -> tuple[Tensor, Tensor]:
        signed, envelope = latents.split((self.signed, self.config.bands), -1)
        books = functional.one_hot(used, self.config.books + 1).to(latents.dtype)
        even = torch.cat((envelope, self.loudness(levels), books), -1)
        correction, share = self._mirrored(self.decoder, signed, even, self.config.hop, memory)
        shape = signed @ self.expand + correction
        wanted = (2 * (envelope / self.config.envelope + self.centre).clamp(max=3) @ self.spread).exp()
        told = shape.square() @ self.average @ self.spread
        rows = torch.arange(first, first + levels.shape[1], device=levels.device) % NOISE_FRAMES
        fill = (wanted - told).clamp(min=FLOOR).sqrt() * share.clamp(max=2).exp()
        return shape, fill * self.noise[rows]

    def _mirrored(
        self, trunk: torch.nn.Module, signed: Tensor, even: Tensor, odd: int, memory: Memory | None
    ) -> tuple[Tensor, Tensor]:
        """The first `odd` outputs of a trunk made odd in `signed`, the others made even in it."""
        both = torch.cat((torch.cat((signed, even), -1), torch.cat((-signed, even), -1)))
        with torch.autocast(signed.device.type, torch.bfloat16, enabled=self.half and self.training):
            found = trunk(both, memory)
        plus, minus = found.float().chunk(2)
        return ((plus - minus) / 2)[..., :odd], ((plus + minus) / 2)[..., odd:]


def band_hats(bands: int, hop: int, rate: int) -> Tensor:
    """Triangles evenly spaced in critical bands (Glasberg, Moore 1990), of sum 1 in every bin: float [bands, hop]."""
    place = (1 + 4.37e-3 * (torch.arange(hop, dtype=torch.float64) + 0.5) * rate / (2 * hop)).log()
    place = (place - place[0]) * ((bands - 1) / (place[-1] - place[0]))
    return (1 - (place - torch.arange(bands, dtype=torch.float64)[:, None]).abs()).clamp(min=0).float()
