"""The integers of the waveform codecs and the order in which they are coded."""

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import Coder, Tables, uniform
from .context import CodeContext

Codes = np.ndarray  # int32 [book, channel, frame]


def traverse(
    coder: Coder,
    tables: Tables,
    shape: tuple[int, int],
    most: int,
    codes: Codes | None = None,
    context: CodeContext | None = None,
) -> Codes:
    """Code a unit or packet: how many codebooks it has, then its codes, codebook by codebook.

    tables: one row for each of the `most` codebooks; shape: channels and frames; context: gives the probabilities of the
    codes, in place of tables. Raises Malformed when a decoder meets more codebooks than there are.
    """
    books = counted(coder, most, None if codes is None else len(codes))
    if context is not None:
        found = context.code(coder, np.full(shape, books, dtype=np.int32), np.zeros((0, *shape), dtype=np.int64), codes)
        return found.reshape(books, *shape)
    rows = np.broadcast_to(np.arange(books, dtype=np.int32)[:, None, None], (books, *shape))
    return coder.code(codes, tables.at(rows))


def counted(coder: Coder, most: int, books: int | None = None) -> int:
    """Code a number of codebooks, 1 to `most`; raises Malformed when a decoder meets more."""
    count = np.array([0 if books is None else books - 1], dtype=np.int32)
    found = int(coder.code(count, uniform(max(2, most)).at(np.zeros(1, dtype=np.int32)))[0]) + 1
    if found > most:
        raise Malformed(f"a unit has {found} codebooks, more than the {most} there are")
    return found
