"""Streams: samples in as they come, packets out, and back, with all that causal networks remember kept in between."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...bitstream.errors import Malformed
from ...entropy import Coder, Decoder, Encoder
from ..base import verify
from .layers import Memory
from .resample import clean

WORD = 4  # bytes, of which coded streams are made

Symbols = Any  # the integers of some frames, as the codec has them


class Streaming(Protocol):
    """What a codec does that streams; the memories of the two directions begin empty and are its own.

    Attributes:
        delay: samples by which what comes out lags behind the codes.
    """

    id: str
    config: Any
    delay: int

    @property
    def device(self) -> torch.device:
        """Where the networks are."""

    def books_of(self, quality: float) -> int:
        """Codebooks for a quality of 0 to 100."""

    def listen(self, block: Tensor, books: int, memory: Memory) -> Symbols:
        """The integers of the next frames, from float [channel, frames * hop]."""

    def write(self, coder: Coder, symbols: Symbols) -> int:
        """Code integers as a packet; returns the number of frames."""

    def read(self, coder: Coder, channels: int, frames: int) -> Symbols:
        """The integers of a packet; raises Malformed."""

    def speak(self, symbols: Symbols, memory: Memory) -> Tensor:
        """Float [channel, frames * hop] of the next frames."""

    def conceal(self, channels: int, frames: int, memory: Memory) -> Tensor:
        """Float [channel, frames * hop] in the place of frames that are lost: what was before, fading."""


@dataclass(frozen=True)
class Packet:
    """A stretch of a stream.

    Attributes:
        data: the coded stream of its codes, without the zero bytes at its end: in a small packet they would weigh.
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

    def __init__(self, codec: Streaming, channels: int = 1, quality: float = 50.0, frames: int = 3) -> None:
        _causal(codec)
        if frames < 1:
            raise ValueError("a packet has at least one frame")
        self.codec, self.frames, self.books = codec, frames, codec.books_of(quality)
        self.memory = Memory()
        self.waiting = torch.zeros(channels, 0)

    @property
    def latency(self) -> float:
        """Seconds from a sample's arrival until it can be heard, without the time to compute and to send."""
        return (self.frames * self.codec.config.hop + self.codec.delay) / self.codec.config.rate

    def push(self, samples: np.ndarray) -> list[Packet]:
        """The packets that float32 [channels, n] at the codec's rate complete."""
        return [self.packet(codes) for codes in self.blocks(torch.from_numpy(clean(samples)))]

    def finish(self) -> list[Packet]:
        """What is left, filled with zeros up to a frame, and the frames that the delay of the codec asks for."""
        if self.codec.delay:
            self.waiting = torch.nn.functional.pad(self.waiting, (0, self.codec.delay))
            return [self.packet(codes) for codes in (*self.blocks(self.waiting[:, :0]), *self.rest())]
        return [self.packet(codes) for codes in self.rest()]

    def packet(self, symbols: Symbols) -> Packet:
        """A packet of integers."""
        coder = Encoder()
        frames = self.codec.write(coder, symbols)
        return Packet(coder.finish().rstrip(b"\0"), frames, coder.check)

    def blocks(self, samples: Tensor) -> Iterator[Symbols]:
        """The integers of the packets that float [channels, n] complete."""
        self.waiting = torch.cat((self.waiting, samples.cpu()), 1)
        size = self.frames * self.codec.config.hop
        while self.waiting.shape[1] >= size:
            block, self.waiting = self.waiting[:, :size], self.waiting[:, size:]
            yield self._code(block)

    def rest(self) -> Iterator[Symbols]:
        """The integers of what waits."""
        left = self.waiting.shape[1]
        if left:
            block = torch.nn.functional.pad(self.waiting, (0, -left % self.codec.config.hop))
            self.waiting = self.waiting[:, :0]
            yield self._code(block)

    @torch.inference_mode()
    def _code(self, block: Tensor) -> Symbols:
        return self.codec.listen(block.to(self.codec.device), self.books, self.memory)


class StreamDecoder:
    """Packets to samples; a lost packet costs its own time, which fades."""

    def __init__(self, codec: Streaming, channels: int = 1) -> None:
        _causal(codec)
        self.codec, self.channels, self.memory = codec, channels, Memory()
        self.early = codec.delay  # samples that come out before the beginning of the sound

    def push(self, packet: Packet) -> np.ndarray:
        """Samples of the next packet; raises Malformed, Damaged or SymbolMismatch.

        Float32 [channels, frames * hop], at the beginning of a stream without the samples of the codec's delay.
        """
        if packet.frames < 1:
            raise Malformed("a packet has at least one frame")
        coder = Decoder(packet.data + bytes(-len(packet.data) % WORD))
        symbols = self.codec.read(coder, self.channels, packet.frames)
        verify(packet.check, coder.check)
        coder.finish()
        return self.sound(symbols).numpy(force=True).astype(np.float32)

    @torch.inference_mode()
    def lose(self, frames: int) -> np.ndarray:
        """Float32 [channels, frames * hop] for a packet that did not arrive: the sound before it, fading."""
        return self._begun(self.codec.conceal(self.channels, frames, self.memory)).numpy(force=True).astype(np.float32)

    @torch.inference_mode()
    def sound(self, symbols: Symbols) -> Tensor:
        """Float [channels, frames * hop] of the next integers."""
        return self._begun(self.codec.speak(symbols, self.memory))

    def _begun(self, samples: Tensor) -> Tensor:
        """Samples without those before the beginning."""
        early, self.early = self.early, max(0, self.early - samples.shape[1])
        return samples[:, early:]


def _causal(codec: Streaming) -> None:
    if not codec.config.causal:
        raise ValueError(f"{codec.id} streams where its configuration is causal, and this one is not")
