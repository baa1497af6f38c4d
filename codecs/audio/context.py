"""Probabilities of codes from codes that are known: an integer network sees earlier frames and the codebooks so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...entropy import Coder, Network, RateCounter, dense, softmax

PAST = 2  # frames before its own that a code looks at
ASIDE = (-1, 0, 1)  # frames whose side information it sees: that is known before any code
UNIT = 64  # what the network adds up is in units of 1 / UNIT
EXACT = 1 << 24  # float32 adds whole numbers exactly up to here
STEP = 6  # logits in units of 2^-STEP nats, and with FINE more bits before they are rounded
FINE = 4
BIAS = 4  # biases in units of 2^-BIAS nats
CONSTANT = 1 << (STEP + FINE - BIAS)  # what biases are multiplied by
PREFIX, PARTS = "context.", ("sums", "entries", "mix")


def whole(words: np.ndarray, exponent: int) -> np.ndarray:
    """Codewords as integers in units of 2^-exponent, float64 of the same shape.

    The floats come from tensors as they are stored, so that scaling them by a power of two is exact and rounding gives the same on
    every machine.
    """
    return np.rint(np.ldexp(words.astype(np.float64), exponent))


class _Known:
    """What is known of the frames of a unit: sums of codewords, their features, side information; frames come first."""

    def __init__(self, context: "CodeContext", used: np.ndarray, aside: np.ndarray) -> None:
        self.context, self.used = context, used.T
        books, _, dim = context.words.shape
        self.sums = np.zeros((*self.used.shape, dim))
        blank = context.sums(np.zeros((dim, 1)))[:, 0]
        self.features = np.broadcast_to(blank, (len(self.used) + PAST, used.shape[0], len(blank))).copy()
        self.aside = np.clip(beside(aside).T, -context.mix.input_bound, context.mix.input_bound)
        self.book = UNIT * np.eye(books)

    def places(self, step: int, books: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codebook, frame and channel of all codes of a step."""
        pace = self.context.pace
        first = max(step % pace, step - pace * (len(self.used) - 1))
        book = np.arange(first, min(books, step + 1), pace)
        frame = (step - book) // pace
        live, channel = (self.used[frame] > book[:, None]).nonzero()
        return book[live], frame[live], channel

    def inputs(self, book: np.ndarray, frame: np.ndarray, channel: np.ndarray) -> np.ndarray:
        """What the network `mix` is given, [inputs, n]."""
        features = [self.features[frame + PAST - back, channel] for back in range(PAST + 1)]
        return np.concatenate((*features, self.aside[frame, channel], self.book[book]), axis=1).T

    def add(self, frame: np.ndarray, channel: np.ndarray, words: np.ndarray) -> None:
        """Note codewords [n, dim], one for each of the places at most."""
        self.sums[frame, channel] += words
        self.features[frame + PAST, channel] = self.context.sums(self.sums[frame, channel].T).T


def beside(aside: np.ndarray) -> np.ndarray:
    """Side information of a frame and its neighbours: [planes, channel, frame] to [planes * len(ASIDE), channel, frame]."""
    frames = aside.shape[2]
    padded = np.pad(aside, ((0, 0), (0, 0), (1, 1)), mode="edge" if frames else "constant")
    return np.concatenate([padded[:, :, 1 + shift : 1 + shift + frames] for shift in ASIDE])


@dataclass(frozen=True)
class CodeContext:
    """A distribution for each code, by what was coded before it in its own and in earlier frames.

    A frame is described by features of the sum of its codewords so far. Those of the frame itself and of PAST frames before
    it, side information and the number of the codebook give a vector; its products with a vector of each entry of
    the codebook are the logits. Code `book` of frame t is coded in step book + pace * t, so a step holds codes of several frames.

    Attributes:
        exponent: codewords are in units of 2^-exponent.
        pace: steps from a frame to the next; the larger it is, the more codebooks of earlier frames are known.
        words: codewords as `whole` gives them, [books, size, dim].
        sums: network from a sum of codewords to the features of a frame.
        entries: network from a codeword to the vector of an entry, one row less than `mix` has outputs, with the biases.
        mix: network from features, side information and codebook to the vector that entries are compared with.
        bias: int8 [books, size], logits that stand without any context.
    """

    exponent: int
    pace: int
    words: np.ndarray
    sums: Network
    entries: Network
    mix: Network
    bias: np.ndarray

    def __post_init__(self) -> None:
        books, size, _ = self.words.shape
        if np.abs(self.words).max(axis=1).sum(axis=0).max() > self.sums.input_bound:
            raise ValueError("the codewords of a context are larger than it allows")
        if self.pace < 1 or self.bias.shape != (books, size):
            raise ValueError("a context belongs to other codebooks")
        if self.mix.input_bound < max(UNIT, -self.sums.low, self.sums.high):
            raise ValueError("the parts of a context do not fit each other")
        largest = max(-self.mix.low, self.mix.high) * np.abs(self.table[..., :-1]).sum(axis=2).max()
        if largest + np.abs(self.bias.astype(np.int64)).max() * CONSTANT >= EXACT:
            raise ValueError("the logits of a context are not exact")

    @cached_property
    def table(self) -> np.ndarray:
        """Vectors of the entries and their biases, float32 [books, size, rank + 1]."""
        books, size, dim = self.words.shape
        vectors = self.entries(self.words.reshape(-1, dim).T).T.reshape(books, size, -1)
        return np.concatenate((vectors, self.bias[..., None]), axis=2).astype(np.float32)

    def code(self, coder: Coder, used: np.ndarray, aside: np.ndarray, codes: np.ndarray | None = None) -> np.ndarray:
        """Code the codes of a unit.

        Args:
            used: codebooks of each frame, int32 [channel, frame].
            aside: side information in units of 1 / UNIT, integers [planes, channel, frame].
            codes: int32 [book, channel, frame]; None when decoding.

        Returns:
            The codes, int32 [books, channel, frame] with as many books as a frame uses at most; those that are not used are 0.
        """
        channels, frames = used.shape
        books = int(used.max(initial=0))
        result = np.zeros((books, channels, frames), dtype=np.int32)
        known = _Known(self, used, aside)
        for step in range(self.pace * (frames - 1) + books if books else 0):
            book, frame, channel = known.places(step, books)
            if not len(book):
                continue
            given = None if codes is None else codes[book, channel, frame]
            model = dense(self.frequencies(known.inputs(book, frame, channel), book))
            found = coder.code(given, model)
            result[book, channel, frame] = found
            known.add(frame, channel, self.words[book, found])
        return result

    def frequencies(self, inputs: np.ndarray, book: np.ndarray) -> np.ndarray:
        """Distributions int64 [n, size] of codes of the codebooks int [n], ascending, from the inputs [inputs, n] of `mix`."""
        vector = self.mix(inputs)
        vector = np.concatenate((vector, np.full((1, len(book)), CONSTANT))).T.astype(np.float32)
        edges = np.flatnonzero(np.diff(book, prepend=-1, append=-1))
        parts = [vector[low:high] @ self.table[book[low]].T for low, high in pairwise(edges)]
        logits = np.concatenate(parts).astype(np.int64) >> FINE
        return softmax(logits.T, STEP)

    def state(self) -> dict[str, np.ndarray]:
        """As arrays for a weights file, without the codewords."""
        parts = {f"{name}.{key}": value for name in PARTS for key, value in getattr(self, name).state().items()}
        return parts | {"bias": self.bias, "numbers": np.array([self.exponent, self.pace])}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray], words: np.ndarray, planes: int) -> "CodeContext":
        """The inverse of `state` for float codewords as they are stored; raises KeyError, ValueError, OverflowError.

        planes: of side information that there will be.
        """
        exponent, pace = state["numbers"].tolist()
        parts = [
            Network.from_state({key[len(name) + 1 :]: v for key, v in state.items() if key.startswith(f"{name}.")})
            for name in PARTS
        ]
        context = cls(exponent, pace, whole(words, exponent), *parts, state["bias"])
        blank = np.zeros((planes, 1, 1), dtype=np.int64)
        context.code(RateCounter(), np.ones((1, 1), dtype=np.int32), blank, np.zeros((1, 1, 1), dtype=np.int32))
        return context


class Stored(Protocol):
    """What gives its arrays for a weights file."""

    def state(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        ...


def context_tensors(context: Stored | None) -> dict[str, Tensor]:
    """What a weights file holds of a context, if there is one."""
    state = {} if context is None else context.state()
    return {PREFIX + name: torch.from_numpy(value.copy()) for name, value in state.items()}


def context_state(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The arrays of a context among the tensors of a weights file; none where it has no context."""
    return {name[len(PREFIX) :]: value.numpy() for name, value in state.items() if name.startswith(PREFIX)}
