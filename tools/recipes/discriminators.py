"""What judges sounds in an adversarial training: multi-period and multi-scale spectral networks, and their losses."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1  # of the leaky ReLUs
Judgement = tuple[Tensor, list[Tensor]]  # scores, and what the layers before found


class Judge(nn.Module):
    """Convolutions over a plane, the last of which gives scores."""

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def plane(self, x: Tensor) -> Tensor:
        """Float [batch, samples] as [batch, channel, height, width]."""
        raise TypeError("Judge is the common part")

    def forward(self, x: Tensor) -> Judgement:
        found, x = [], self.plane(x)
        for layer in self.layers[:-1]:
            x = functional.leaky_relu(layer(x), SLOPE)
            found.append(x)
        return self.layers[-1](x), found


class PeriodJudge(Judge):
    """Samples of equal phase of a period side by side (HiFi-GAN, Kong et al. 2020)."""

    def __init__(self, period: int, width: int) -> None:
        widths = [1, width, 4 * width, 16 * width, 32 * width]
        layers = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in pairwise(widths)]
        layers += [
            nn.Conv2d(widths[-1], widths[-1], (5, 1), padding=(2, 0)),
            nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)),
        ]
        super().__init__(layers)
        self.period = period

    def plane(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, -x.shape[1] % self.period))
        return x.view(len(x), 1, -1, self.period)


class SpectrumJudge(Judge):
    """Real and imaginary parts of a short-time spectrum, dilated in time (EnCodec, Defossez et al. 2022)."""

    def __init__(self, window: int, width: int) -> None:
        layers = [nn.Conv2d(2, width, (3, 9), padding=(1, 4))]
        layers += [nn.Conv2d(width, width, (3, 9), (1, 2), (d, 4), (d, 1)) for d in (1, 2, 4)]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1)]
        super().__init__(layers)
        self.window = window
        self.register_buffer("taper", torch.hann_window(window) / (window * 0.375) ** 0.5, persistent=False)

    def plane(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            hop = self.window // 4
            spectrum = torch.stft(
                x.float(), self.window, hop, window=self.taper, pad_mode="constant", return_complex=True
            )
            return torch.view_as_real(spectrum).permute(0, 3, 2, 1)  # time down, frequency across


class Discriminators(nn.Module):
    """All judges: float [batch, samples] to their judgements."""

    def __init__(self, periods: Sequence[int], windows: Sequence[int], width: int) -> None:
        super().__init__()
        self.judges = nn.ModuleList(
            [PeriodJudge(period, width) for period in periods] + [SpectrumJudge(window, width) for window in windows]
        )

    def forward(self, x: Tensor) -> list[Judgement]:
        return [judge(x) for judge in self.judges]


def discriminating(real: list[Judgement], made: list[Judgement]) -> Tensor:
    """Hinge loss of the judges: scores above 1 for real sounds, below -1 for made ones."""
    losses = [
        functional.relu(1 - a.float()).mean() + functional.relu(1 + b.float()).mean()
        for (a, _), (b, _) in zip(real, made, strict=True)
    ]
    return sum(losses) / len(losses)


def convincing(made: list[Judgement]) -> Tensor:
    """Hinge loss of the codec."""
    return sum(functional.relu(1 - scores.float()).mean() for scores, _ in made) / len(made)


def matching(real: list[Judgement], made: list[Judgement]) -> Tensor:
    """Mean absolute differences of what the layers found, relative to the size of what they find in real sounds."""
    losses = [
        (a.detach() - b).abs().float().mean() / a.detach().abs().float().mean().clamp(min=1e-6)
        for (_, wanted), (_, found) in zip(real, made, strict=True)
        for a, b in zip(wanted, found, strict=True)
    ]
    return sum(losses) / len(losses)
