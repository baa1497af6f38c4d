"""Distances between signals for training audio codecs: mel bands as logarithms and as loudness, compressed spectra."""

import math

import torch
from torch import Tensor, nn

SCALES = {64: 16, 128: 32, 256: 48, 512: 64, 1024: 96, 2048: 160}  # window: mel bands
FLOOR = 3e-4  # amplitude added before the logarithm: bands 70 dB below full scale hardly count
LOUDNESS = 0.23  # exponent of Zwicker's loudness over power, as in PESQ
QUIET = 1e-4  # power of a band, relative to the mean power of the signal, below which it is not heard


def mel_filters(window: int, bands: int, rate: int) -> Tensor:
    """Triangles evenly spaced on the mel scale, each at least one bin wide: float [window // 2 + 1, bands]."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1) * window / rate
    bins = torch.arange(window // 2 + 1, dtype=torch.float64)[:, None]
    middle = edges[1:-1]
    rise = (bins - middle) / (middle - edges[:-2]).clamp(min=1)
    fall = (middle - bins) / (edges[2:] - middle).clamp(min=1)
    filters = (1 + torch.minimum(rise, fall)).clamp(min=0)
    return (filters / filters.sum(0)).float()


class Spectra(nn.Module):
    """Short-time spectra of one window length, in units of a sine's amplitude."""

    def __init__(self, window: int, rate: int):
        super().__init__()
        self.window = window
        self.register_buffer("taper", torch.hann_window(window) * (4 / window))
        self.register_buffer("filters", mel_filters(window, SCALES[window], rate))

    def forward(self, x: Tensor) -> Tensor:
        """Complex [batch, bins, frames] of float [batch, samples], hop a quarter of the window."""
        return torch.stft(x, self.window, self.window // 4, window=self.taper, pad_mode="constant", return_complex=True)

    def bands(self, x: Tensor) -> Tensor:
        """Mean power in mel bands, float [batch, frames, bands]."""
        spectrum = self(x)
        return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2) @ self.filters


class AudioDistance(nn.Module):
    """Distances between batches of signals, float [batch, samples] each, as scalars."""

    def __init__(self, rate: int):
        super().__init__()
        self.scales = nn.ModuleDict({str(window): Spectra(window, rate) for window in SCALES})

    def mel(self, output: Tensor, target: Tensor, windows: list[int]) -> tuple[Tensor, Tensor]:
        """Distances of mel spectra, averaged over the windows.

        Returns the mean absolute difference of log amplitudes (nepers), and that of loudness (relative to the mean power
        of each target, so that soft examples count like loud ones).
        """
        power = target.square().mean(1).clamp(min=1e-6)[:, None, None]
        logs, loudness = output.new_zeros(()), output.new_zeros(())
        for window in windows:
            scale = self.scales[str(window)]
            found = scale.bands(output)
            with torch.no_grad():
                wanted = scale.bands(target)
            logs = logs + (log_amplitude(found) - log_amplitude(wanted)).abs().mean()
            loudness = loudness + (loud(found / power) - loud(wanted / power)).abs().mean()
        return logs / len(windows), loudness / len(windows)

    def compressed(self, output: Tensor, target: Tensor, window: int = 512, power: float = 0.3) -> Tensor:
        """Squared difference of spectra with magnitudes raised to a power, phases kept, and (more) of these magnitudes."""
        scale = self.scales[str(window)]
        found, size = self._compress(scale(output), power)
        with torch.no_grad():
            wanted, wanted_size = self._compress(scale(target), power)
        return 0.5 * (found - wanted).square().mean() + 2 * (size - wanted_size).square().mean()

    @staticmethod
    def _compress(spectrum: Tensor, power: float) -> tuple[Tensor, Tensor]:
        parts = torch.view_as_real(spectrum)
        energy = parts.square().sum(-1) + 1e-9
        return parts * energy.pow((power - 1) / 2).unsqueeze(-1), energy.pow(power / 2)


def log_amplitude(power: Tensor) -> Tensor:
    """Natural logarithm of the amplitude of bands of a given power."""
    return ((power + 1e-12).sqrt() + FLOOR).log()


def loud(power: Tensor) -> Tensor:
    """Loudness of bands of a given power, relative to a band at the threshold of hearing."""
    return (power / QUIET + 1).pow(LOUDNESS)


def si_sdr(output: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal to distortion ratio in dB, float [batch], of float [batch, samples] (Le Roux 2019)."""
    output, target = output - output.mean(-1, keepdim=True), target - target.mean(-1, keepdim=True)
    scale = (output * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True).clamp(min=1e-12)
    wanted = scale * target
    noise = (output - wanted).square().sum(-1).clamp(min=1e-12)
    return 10 * torch.log10(wanted.square().sum(-1).clamp(min=1e-12) / noise)
