"""How the codecs for sound stream: what `streaming.py` asks of a codec, for codes alone and for MDCT frames."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...entropy import Coder
from .codes import Codes, counted, traverse
from .layers import Memory
from .symbols import Symbols
from .symbols import traverse as traverse_frames

if TYPE_CHECKING:
    from .mdct_rvq import MdctRvqCodec
    from .waveform import WaveformCodec

FADE = 0.7  # per frame, of what stands in for a lost packet
BEAM = 8  # candidates of the code search


class WaveformLive:
    """Streaming of the waveform codecs: nothing but codes, and all memory is in the layers."""

    delay: int = 0

    def listen(self: "WaveformCodec", block: Tensor, books: int, memory: Memory) -> Codes:
        """Codes of the next frames."""
        return self.quantise(self.net.latents(block, memory), books)

    def write(self: "WaveformCodec", coder: Coder, symbols: Codes) -> int:
        """Code a packet; returns the number of frames."""
        traverse(coder, self.tables, symbols.shape[1:], self.net.quantiser.books, symbols)
        return symbols.shape[2]

    def read(self: "WaveformCodec", coder: Coder, channels: int, frames: int) -> Codes:
        """Codes of a packet; raises Malformed."""
        return traverse(coder, self.tables, (channels, frames), self.net.quantiser.books)

    def speak(self: "WaveformCodec", symbols: Codes, memory: Memory) -> Tensor:
        """Samples of the next frames."""
        return self._say(self.vectors(symbols), memory)

    def conceal(self: "WaveformCodec", channels: int, frames: int, memory: Memory) -> Tensor:
        """The last latent, fading."""
        last = memory.get("last", torch.zeros(channels, 1, self.config.dim, device=self.device))
        fade = FADE ** torch.arange(1, frames + 1, device=last.device).view(1, -1, 1)
        return self._say(last * fade, memory)

    def _say(self: "WaveformCodec", latents: Tensor, memory: Memory) -> Tensor:
        memory["last"] = latents[:, -1:]
        return self.net.samples(latents, memory)


class MdctLive:
    """Streaming of audio/mdct-rvq: a frame covers two blocks, so what comes out lags by one.

    Every frame of a packet has the same number of codebooks, codes have static tables, and channels are coded as they are.
    """

    @property
    def delay(self: "MdctRvqCodec") -> int:
        """Samples by which what comes out lags behind the codes."""
        return self.config.hop

    @property
    def device(self: "MdctRvqCodec") -> torch.device:
        """Where the networks are."""
        return self.net.weight.device

    def books_of(self: "MdctRvqCodec", quality: float) -> int:
        """Codebooks for a quality of 0 to 100."""
        return 1 + round(quality / 100 * (self.config.books - 1))

    def listen(self: "MdctRvqCodec", block: Tensor, books: int, memory: Memory) -> Symbols:
        """Symbols of the frames that end with the next blocks."""
        net, hop = self.net, self.config.hop
        before = memory.get("samples", block.new_zeros(len(block), hop))
        memory["samples"] = block[:, -hop:]
        levels, cosine, sine = net.spectrum(torch.cat((before, block), 1).unfold(1, 2 * hop, hop))
        latents = net.latents(levels, cosine, sine, memory)
        return self.quantise(latents, levels, books * (levels > 0), books, BEAM)

    def write(self: "MdctRvqCodec", coder: Coder, symbols: Symbols) -> int:
        """Code a packet; returns the number of frames."""
        books = counted(coder, self.config.books, len(symbols.codes))
        traverse_frames(coder, self.tables, symbols.levels.shape, books, False, symbols)
        return symbols.levels.shape[1]

    def read(self: "MdctRvqCodec", coder: Coder, channels: int, frames: int) -> Symbols:
        """Symbols of a packet; raises Malformed."""
        return traverse_frames(coder, self.tables, (channels, frames), counted(coder, self.config.books), False)

    def speak(self: "MdctRvqCodec", symbols: Symbols, memory: Memory) -> Tensor:
        """The blocks that the next frames complete."""
        return self._say(*self.vectors(symbols), memory)

    def conceal(self: "MdctRvqCodec", channels: int, frames: int, memory: Memory) -> Tensor:
        """The last frame again and again, each time softer."""
        silence = torch.zeros(channels, 1, dtype=torch.long, device=self.device)
        nothing = torch.zeros(channels, 1, self.config.dim, device=self.device), silence, silence
        latents, levels, used = (part.expand(-1, frames, *part.shape[2:]) for part in memory.get("last", nothing))
        step = -20 * np.log10(FADE) / self.config.step
        fall = (step * torch.arange(1, frames + 1, device=self.device)).round().long()
        levels = (levels - fall).clamp(min=0)
        return self._say(latents, levels, used * (levels > 0), memory)

    def _say(self: "MdctRvqCodec", latents: Tensor, levels: Tensor, used: Tensor, memory: Memory) -> Tensor:
        net, first, hop = self.net, memory.get("frame", 0), self.config.hop
        memory["last"], memory["frame"] = (latents[:, -1:], levels[:, -1:], used[:, -1:]), first + levels.shape[1]
        halves = (net.coefficients(latents, levels, used, first, memory) @ net.mdct.cosine.T).unflatten(2, (2, hop))
        before = memory.get("half", halves.new_zeros(len(halves), 1, hop))
        memory["half"] = halves[:, -1:, 1]
        return (torch.cat((before, halves[:, :-1, 1]), 1) + halves[:, :, 0]).flatten(1)
