"""EnCodec, DAC and Mimi of the package transformers behind one interface: samples to codes and back.

Défossez et al. 2022 (arXiv 2210.13438), Kumar et al. 2023 (arXiv 2306.06546), Défossez et al. 2024 (arXiv 2410.00037).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...bitstream.errors import Malformed
from ..optional import optional

SEANET = (
    *("sampling_rate", "audio_channels", "hidden_size", "num_filters", "num_residual_layers", "upsampling_ratios"),
    *("kernel_size", "last_kernel_size", "residual_kernel_size", "dilation_growth_rate", "use_causal_conv", "pad_mode"),
    *("compress", "trim_right_ratio", "codebook_size", "codebook_dim", "use_conv_shortcut"),
)
ENCODEC = (*SEANET, "target_bandwidths", "normalize", "chunk_length_s", "overlap", "norm_type", "num_lstm_layers")
DAC = (
    *("sampling_rate", "encoder_hidden_size", "downsampling_ratios", "decoder_hidden_size", "n_codebooks"),
    *("codebook_size", "codebook_dim"),
)
MIMI = (
    *(*SEANET, "frame_rate", "num_quantizers", "vector_quantization_hidden_dimension", "num_semantic_quantizers"),
    *("upsample_groups", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "hidden_act", "max_position_embeddings", "norm_eps", "sliding_window", "attention_bias"),
    *("layer_scale_initial_scale", "rope_parameters"),
)


@dataclass(frozen=True)
class Chunks:
    """Where the chunks of a sound begin and end, in samples at the model's rate.

    Attributes:
        samples: of the sound, padded so that the model makes whole frames of it.
        count: chunks.
        frames: of every chunk but the last.
        last: frames of the last one.
    """

    samples: int
    count: int
    frames: int
    last: int

    @property
    def total(self) -> int:
        """Frames of all chunks."""
        return (self.count - 1) * self.frames + self.last


class Tokenizer(nn.Module):
    """A neural audio codec: samples in, codes out, and the inverse.

    Attributes:
        net: the model of transformers.
        rate: samples per second.
        channels: of its input, 1 or 2.
        hop: samples per frame.
        size: entries of a codebook.
        books: what each step of quality uses, in codebooks.
    """

    kind: str
    fields: tuple[str, ...]
    scaled = False  # whether a gain goes with every chunk
    most: int  # codebooks

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.config = net.config
        self.rate: int = net.config.sampling_rate
        self.channels: int = getattr(net.config, "audio_channels", 1)
        self.size: int = net.config.codebook_size

    def chunks(self, samples: int) -> Chunks:
        """The chunks of a sound of so many samples at the model's rate: one, unless the model says otherwise."""
        frames = max(1, -(-samples // self.hop))
        return Chunks(frames * self.hop, 1, frames, frames)

    def encode(self, samples: Tensor, step: int) -> tuple[Tensor, Tensor | None]:
        """Codes int64 [batch, books, frames] and gains float32 [batch, chunks] or None.

        Args:
            samples: float [batch, channels, n] at the model's rate.
            step: index into `books`.
        """
        chunks = self.chunks(samples.shape[2])
        codes, gains = self._encode(F.pad(samples, (0, chunks.samples - samples.shape[2])), chunks, step)
        if codes.shape[1:] != (self.books[step], chunks.total):
            raise ValueError(f"the model made {list(codes.shape)} codes of {chunks.samples} samples")
        return codes, gains

    def decode(self, codes: Tensor, gains: Tensor | None, samples: int) -> Tensor:
        """Float [batch, channels, samples] of what `encode` gave; `samples` is the length before encoding."""
        found = self._decode(codes, gains, self.chunks(samples))
        found = found.reshape(len(codes), self.channels, -1)[..., :samples]
        return F.pad(found, (0, samples - found.shape[2]))

    def _encode(self, samples: Tensor, chunks: Chunks, step: int) -> tuple[Tensor, Tensor | None]:
        raise TypeError("Tokenizer is the common part")

    def _decode(self, codes: Tensor, gains: Tensor | None, chunks: Chunks) -> Tensor:
        raise TypeError("Tokenizer is the common part")

    def width(self) -> int:
        """Features per sample where the decoder is widest, counted at the model's rate."""
        return 4 * self.config.num_filters


class Encodec(Tokenizer):
    """EnCodec; the 48 kHz model works in chunks with a gain each."""

    kind, fields = "encodec", ENCODEC

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        config = self.config
        self.hop = math.prod(config.upsampling_ratios)
        self.scaled = bool(config.normalize)
        self.books = tuple(net.quantizer.get_num_quantizers_for_bandwidth(b) for b in config.target_bandwidths)
        self.most = len(net.quantizer.layers)
        self.length, self.stride = config.chunk_length, config.chunk_stride
        if self.length is not None and (self.stride is None or not self.length <= 2 * self.stride <= 2 * self.length):
            raise Malformed("chunks of EnCodec overlap by half of their length at most")

    def chunks(self, samples: int) -> Chunks:
        if self.length is None:
            return super().chunks(samples)
        count = 1 + max(0, -(-(samples - self.length) // self.stride))
        last = -(-(samples - (count - 1) * self.stride) // self.hop) * self.hop
        if last > self.stride:  # the model begins another chunk there and wants all before it to be whole
            last = self.length
        return Chunks((count - 1) * self.stride + last, count, -(-self.length // self.hop), -(-last // self.hop))

    def _encode(self, samples: Tensor, chunks: Chunks, step: int) -> tuple[Tensor, Tensor | None]:
        found = self.net.encode(samples, bandwidth=self.config.target_bandwidths[step])
        codes = list(found.audio_codes[: chunks.count])
        codes[-1] = codes[-1][..., : chunks.last]
        gains = torch.cat(found.audio_scales[: chunks.count], 1) if self.scaled else None
        return torch.cat(codes, 2), gains

    def _decode(self, codes: Tensor, gains: Tensor | None, chunks: Chunks) -> Tensor:
        missing = chunks.count * chunks.frames - codes.shape[2] if chunks.count > 1 else 0
        parts = F.pad(codes, (0, missing)).unflatten(2, (chunks.count, -1)).permute(2, 0, 1, 3)
        scales = [None] * chunks.count if gains is None else list(gains.T[:, :, None])
        return self.net.decode(parts, scales, last_frame_pad_length=missing).audio_values


class Dac(Tokenizer):
    """DAC."""

    kind, fields = "dac", DAC

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        self.hop = math.prod(self.config.downsampling_ratios)
        self.most = self.config.n_codebooks
        self.books = tuple(range(1, self.most + 1))

    def _encode(self, samples: Tensor, chunks: Chunks, step: int) -> tuple[Tensor, None]:
        return self.net.encode(samples, n_quantizers=self.books[step]).audio_codes, None

    def _decode(self, codes: Tensor, gains: None, chunks: Chunks) -> Tensor:
        return self.net.decode(audio_codes=codes).audio_values

    def width(self) -> int:
        return 5 * self.config.decoder_hidden_size // 2 ** len(self.config.downsampling_ratios)


class Mimi(Tokenizer):
    """Mimi."""

    kind, fields = "mimi", MIMI

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        config = self.config
        hop = math.prod(config.upsampling_ratios)
        self.hop = hop * round(config.sampling_rate / hop / config.frame_rate)
        self.most = config.num_quantizers
        self.books = tuple(range(config.num_semantic_quantizers, self.most + 1))

    def _encode(self, samples: Tensor, chunks: Chunks, step: int) -> tuple[Tensor, None]:
        return self.net.encode(samples, num_quantizers=self.books[step]).audio_codes, None

    def _decode(self, codes: Tensor, gains: None, chunks: Chunks) -> Tensor:
        return self.net.decode(codes).audio_values


TOKENIZERS: Mapping[str, type[Tokenizer]] = {cls.kind: cls for cls in (Encodec, Dac, Mimi)}
CLASSES = {"encodec": "Encodec", "dac": "Dac", "mimi": "Mimi"}


# Mimi's halves have become models of their own; published weights keep the names from before.
NESTED = {
    **{f"encoder.{part}.": f"{part}." for part in ("encoder_transformer", "downsample")},
    **{f"decoder.{part}.": f"{part}." for part in ("decoder_transformer", "upsample")},
    "encoder.encoder_seanet.": "encoder.",
    "decoder.decoder_seanet.": "decoder.",
}


def published(name: str) -> str:
    """The name of a tensor in published weights, which stays the same over the versions of transformers."""
    prefix = next((prefix for prefix in NESTED if name.startswith(prefix)), "")
    return NESTED.get(prefix, "") + name[len(prefix) :]


def model_class(kind: str, user: str) -> type:
    """The class of transformers for "encodec", "dac" or "mimi"; raises MissingDependency."""
    module = optional(f"transformers.models.{kind}.modeling_{kind}", "transformers", user)
    return getattr(module, f"{CLASSES[kind]}Model")


def config_class(kind: str, user: str) -> type:
    """The class of its configuration; raises MissingDependency."""
    module = optional(f"transformers.models.{kind}.configuration_{kind}", "transformers", user)
    return getattr(module, f"{CLASSES[kind]}Config")


def settings_of(config: Any) -> dict[str, Any]:
    """What of a configuration of transformers the networks depend on, as plain data.

    Raises ValueError for the configuration of another model.
    """
    if config.model_type not in TOKENIZERS:
        raise ValueError(f"{config.model_type} is none of the models {', '.join(TOKENIZERS)}")
    return {field: plain(getattr(config, field)) for field in TOKENIZERS[config.model_type].fields}


def plain(value: Any) -> Any:
    """Lists for tuples and mappings as dictionaries, so that JSON gives the same back."""
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return {key: plain(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value
