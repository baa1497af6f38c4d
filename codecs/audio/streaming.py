"""Streams: samples in as they come, packets out, and back, with all that causal networks remember kept in between."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...bitstream.errors import Malformed
from ...entropy import Decoder, Encoder
from ..base import verify
from .codes import Codes, traverse
from .layers import Memory
from .resample import clean

if TYPE_CHECKING:
    from .waveform import WaveformCodec

FADE = 0.7  # per frame, of latents that stand in for a lost packet


@dataclass(frozen=True)
class Packet:
    """A stretch of a stream.

    Attributes:
        data: the coded stream of its codes, as in a unit of a file.
        frames: how many there are in it, for each channel.
        check: CRC-32 of its symbols.
    """

    data: bytes
    frames: int
    check: int


class StreamEncoder:
    """Samples to packets. What a packet holds depends on the samples alone, not on how they were pushed.

    Args:
        codec: one whose configuration is causal.
        channels: of the samples.
        quality: 0 to 100, the number of codebooks; `books` may be changed between packets.
        frames: of a packet; fewer are a shorter latency and more bytes.
    """

    def __init__(self, codec: "WaveformCodec", channels: int = 1, quality: float = 50.0, frames: int = 3) -> None:
        _causal(codec)
        if frames < 1:
            raise ValueError("a packet has at least one frame")
        self.codec, self.frames, self.books = codec, frames, codec.books_of(quality)
        self.memory = Memory()
        self.waiting = torch.zeros(channels, 0)

    @property
    def latency(self) -> float:
        """Seconds from a sample's arrival until it can be heard, without the time to compute and to send."""
        return self.frames * self.codec.config.hop / self.codec.config.rate

    def push(self, samples: np.ndarray) -> list[Packet]:
        """The packets that float32 [channels, n] at the codec's rate complete."""
        return [self.packet(codes) for codes in self.blocks(torch.from_numpy(clean(samples)))]

    def finish(self) -> list[Packet]:
        """The last packet, if samples are left; its last frame is filled with zeros."""
        return [self.packet(codes) for codes in self.rest()]

    def packet(self, codes: Codes) -> Packet:
        """A packet of codes."""
        coder = Encoder()
        traverse(coder, self.codec.tables, codes.shape[1:], self.codec.net.quantiser.books, codes)
        return Packet(coder.finish(), codes.shape[2], coder.check)

    def blocks(self, samples: Tensor) -> Iterator[Codes]:
        """The codes of the packets that float [channels, n] complete."""
        self.waiting = torch.cat((self.waiting, samples.cpu()), 1)
        size = self.frames * self.codec.config.hop
        while self.waiting.shape[1] >= size:
            block, self.waiting = self.waiting[:, :size], self.waiting[:, size:]
            yield self._code(block)

    def rest(self) -> Iterator[Codes]:
        """The codes of what waits."""
        left = self.waiting.shape[1]
        if left:
            block = torch.nn.functional.pad(self.waiting, (0, -left % self.codec.config.hop))
            self.waiting = self.waiting[:, :0]
            yield self._code(block)

    @torch.inference_mode()
    def _code(self, block: Tensor) -> Codes:
        return self.codec.quantise(self.codec.net.latents(block.to(self.codec.device), self.memory), self.books)


class StreamDecoder:
    """Packets to samples; a lost packet costs its own time, which fades."""

    def __init__(self, codec: "WaveformCodec", channels: int = 1) -> None:
        _causal(codec)
        self.codec, self.channels, self.memory = codec, channels, Memory()
        self.last = torch.zeros(channels, 1, codec.config.dim, device=codec.device)

    def push(self, packet: Packet) -> np.ndarray:
        """Float32 [channels, frames * hop] of the next packet; raises Malformed, Damaged or SymbolMismatch."""
        if packet.frames < 1:
            raise Malformed("a packet has at least one frame")
        coder = Decoder(packet.data)
        codes = traverse(coder, self.codec.tables, (self.channels, packet.frames), self.codec.net.quantiser.books)
        verify(packet.check, coder.check)
        coder.finish()
        return self.sound(codes).numpy(force=True).astype(np.float32)

    def lose(self, frames: int) -> np.ndarray:
        """Float32 [channels, frames * hop] for a packet that did not arrive: the sound before it, fading."""
        fade = FADE ** torch.arange(1, frames + 1, device=self.last.device).view(1, -1, 1)
        return self._decode(self.last * fade).numpy(force=True).astype(np.float32)

    def sound(self, codes: Codes) -> Tensor:
        """Float [channels, frames * hop] of the next codes."""
        return self._decode(self.codec.vectors(codes))

    @torch.inference_mode()
    def _decode(self, latents: Tensor) -> Tensor:
        self.last = latents[:, -1:]
        return self.codec.net.samples(latents, self.memory)


def _causal(codec: "WaveformCodec") -> None:
    if not codec.config.causal:
        raise ValueError(f"{codec.id} streams where its configuration is causal, and this one is not")
