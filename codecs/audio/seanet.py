"""SEANet: the encoder and decoder of SoundStream and EnCodec."""

from collections.abc import Sequence

from torch import nn

from .layers import Chain, Conv, Recurrence, Shortcut, UpConv


def residual_unit(width: int, dilation: int, causal: bool, learned: bool) -> Shortcut:
    """ELU, dilated convolution of half the width, ELU, 1x1 convolution, added to the input."""
    inner = Conv(width, width // 2, 3, dilation=dilation, causal=causal)
    return Shortcut(Chain(nn.ELU(), inner, nn.ELU(), Conv(width // 2, width, 1)), width, learned)


def seanet_encoder(
    dim: int, filters: int, ratios: Sequence[int], units: int, dilation: int, lstm: int, causal: bool, learned: bool
) -> Chain:
    """Samples [batch, 1, n] to latents [batch, dim, n / hop], the hop being the product of `ratios`.

    filters: width at the sampling rate, doubled by every stage; ratios: of the decoder, so the last comes first here;
    units: residual units of a stage, whose dilations are powers of `dilation`; lstm: layers, 0 for none; learned: 1x1
    convolutions as shortcuts.
    """
    parts: list[nn.Module] = [Conv(1, filters, 7, causal=causal)]
    width = filters
    for ratio in reversed(ratios):
        parts += [residual_unit(width, dilation**unit, causal, learned) for unit in range(units)]
        parts += [nn.ELU(), Conv(width, 2 * width, 2 * ratio, ratio, causal=causal)]
        width *= 2
    parts += [Recurrence(width, lstm)] if lstm else []
    return Chain(*parts, nn.ELU(), Conv(width, dim, 7, causal=causal))


def seanet_decoder(
    dim: int, filters: int, ratios: Sequence[int], units: int, dilation: int, lstm: int, causal: bool, learned: bool
) -> Chain:
    """Latents [batch, dim, frames] to samples [batch, 1, frames * hop]: the mirror of `seanet_encoder`."""
    width = filters * 2 ** len(ratios)
    parts: list[nn.Module] = [Conv(dim, width, 7, causal=causal)]
    parts += [Recurrence(width, lstm)] if lstm else []
    for ratio in ratios:
        parts += [nn.ELU(), UpConv(width, width // 2, 2 * ratio, ratio, causal=causal)]
        width //= 2
        parts += [residual_unit(width, dilation**unit, causal, learned) for unit in range(units)]
    return Chain(*parts, nn.ELU(), Conv(width, 1, 7, causal=causal))
