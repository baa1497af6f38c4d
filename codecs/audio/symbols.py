"""The integers of audio/mdct-rvq and the order in which they are coded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import Coder, Tables
from .context import CodeContext
from .running import Running

PLANES = 2  # of what the context of codes is told besides


@dataclass(frozen=True)
class Symbols:
    """The integers of a stretch of frames, int32: levels and used [channel, frame], codes [book, channel, frame].

    levels: gain of each frame, 0 is silence; used: how many codebooks a frame has (none when silent); codes of books
    that are not used are 0.
    """

    levels: np.ndarray
    used: np.ndarray
    codes: np.ndarray

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levels, used, codes."""
        return self.levels, self.used, self.codes

    def frames(self, first: int, end: int | None) -> "Symbols":
        """Some of the frames."""
        return Symbols(self.levels[:, first:end], self.used[:, first:end], self.codes[:, :, first:end])

    def then(self, more: "Symbols") -> "Symbols":
        """These frames and those of `more` after them."""
        pairs = ((self.levels, more.levels), (self.used, more.used), (self.codes, more.codes))
        return Symbols(*(np.concatenate(pair, axis=-1) for pair in pairs))


@dataclass(frozen=True)
class CodeTables:
    """All tables of the codec.

    Attributes:
        levels: row 0 for a level minus the level before, row 1 for the first level of a unit.
        spared: row 0 for the codebooks a frame goes without, minus those of the frame before, row 1 for the first.
        codes: row 0 stands for codes that are not sent; then the rows of each codebook.
        first_row: first row of each codebook and the end, int32 [books + 1]; a codebook has a row for each class or one.
        class_of_level: which of its rows codebook 0 uses, int32 [levels].
        class_of_code: which of their rows the other codebooks use, by the first code of the frame, int32 [size].
    """

    levels: Tables
    spared: Tables
    codes: Tables
    first_row: np.ndarray
    class_of_level: np.ndarray
    class_of_code: np.ndarray

    def rows(self, book: int, levels: np.ndarray, first_codes: np.ndarray) -> np.ndarray:
        """Rows of a codebook's codes from the levels and the first codes of their frames, all int32 [...]."""
        if self.first_row[book + 1] - self.first_row[book] == 1:
            return np.full_like(levels, self.first_row[book])
        return self.first_row[book] + (self.class_of_code[first_codes] if book else self.class_of_level[levels])

    def merged(self) -> "CodeTables":
        """With one row for each codebook, the mean of its rows: they were made to be about equally frequent."""
        rows = [self.codes.row(0)]
        rows += [sum(self.codes.row(row) for row in range(*ends)) for ends in pairwise(self.first_row)]
        first_row = np.arange(1, len(self.first_row) + 1, dtype=np.int32)
        return replace(self, codes=Tables.from_counts(np.stack(rows)), first_row=first_row)

    def state(self) -> dict[str, np.ndarray]:
        """As arrays for a weights file."""
        parts = {"levels": self.levels, "spared": self.spared, "codes": self.codes}
        state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state().items()}
        return state | {name: getattr(self, name) for name in ("first_row", "class_of_level", "class_of_code")}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> "CodeTables":
        """The inverse of `state`; raises KeyError, ValueError."""
        parts = [
            Tables.from_state({key: state[f"{name}.{key}"] for key in ("frequencies", "sizes", "firsts", "escape")})
            for name in ("levels", "spared", "codes")
        ]
        return cls(*parts, state["first_row"], state["class_of_level"], state["class_of_code"])


@dataclass(frozen=True)
class FrameContext:
    """What takes the place of tables where symbols are coded by what came before: for codes, levels and spared codebooks."""

    codes: CodeContext
    levels: Running
    spared: Running

    def state(self) -> dict[str, np.ndarray]:
        """As arrays for a weights file."""
        parts = {"levels": self.levels, "spared": self.spared}
        return self.codes.state() | {
            f"{name}.{key}": v for name, part in parts.items() for key, v in part.state().items()
        }

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray], words: np.ndarray) -> "FrameContext":
        """The inverse of `state`, see `CodeContext.from_state`."""
        parts = [
            Running.from_state({key[7:]: value for key, value in state.items() if key.startswith(name)})
            for name in ("levels.", "spared.")
        ]
        return cls(CodeContext.from_state(state, words, PLANES), *parts)


def traverse(
    coder: Coder,
    tables: CodeTables,
    shape: tuple[int, int],
    books: int,
    sparing: bool,
    symbols: Symbols | None = None,
    context: FrameContext | None = None,
) -> Symbols:
    """Code the symbols of one unit.

    shape: channels and frames; books: codebooks at most; sparing: frames may use fewer of them, and the stream says so;
    context: takes the place of tables. Raises Malformed when a decoder meets levels or counts that no encoder writes.
    """
    given = None if symbols is None else symbols.levels
    levels = context.levels.code(coder, shape, given) if context else _running(coder, tables.levels, shape, given)
    if levels.size and not 0 <= levels.min() <= levels.max() < len(tables.class_of_level):
        raise Malformed("a gain leaves its range")
    used = np.full(shape, books, dtype=np.int32)
    if sparing:
        given = None if symbols is None else books - carried(symbols)
        used -= context.spared.code(coder, shape, given) if context else _running(coder, tables.spared, shape, given)
        if used.size and not 0 <= used.min() <= used.max() <= books:
            raise Malformed("a number of codebooks leaves its range")
    used = used * (levels > 0)
    codes = np.zeros((books, *shape), dtype=np.int32)
    if context is not None:
        found = context.codes.code(coder, used, aside(levels, used), None if symbols is None else symbols.codes)
        codes[: len(found)] = found
        return Symbols(levels, used, codes)
    for book in range(books):
        rows = np.where(used > book, tables.rows(book, levels, codes[0]), 0)
        codes[book] = coder.code(None if symbols is None else symbols.codes[book], tables.codes.at(rows, skip=1))
    return Symbols(levels, used, codes)


def aside(levels: np.ndarray, used: np.ndarray) -> np.ndarray:
    """What a context is told of each frame: its level in steps of 24 dB and a sixteenth of its codebooks, [PLANES, ...]."""
    return np.stack((levels * 4, used * 4))


def _running(coder: Coder, tables: Tables, shape: tuple[int, int], values: np.ndarray | None) -> np.ndarray:
    """Code values [channel, frame] as differences along the frames, the first by a row of its own."""
    rows = np.zeros(shape, dtype=np.uint8)
    rows[:, :1] = 1
    steps = None if values is None else np.diff(values, axis=1, prepend=0)
    return np.cumsum(coder.code(steps, tables.at(rows)), axis=1, dtype=np.int64).astype(np.int32)


def carried(symbols: Symbols) -> np.ndarray:
    """Numbers of codebooks with those of silent frames replaced by what came before, so that they cost little."""
    last = np.maximum.accumulate(np.where(symbols.levels > 0, np.arange(symbols.levels.shape[1]), 0), axis=1)
    return np.take_along_axis(symbols.used, last, axis=1)
