"""Tables of audio/mdct-rvq from the symbols of training sounds."""

from collections.abc import Sequence

import numpy as np
import torch

from ...entropy import Tables
from ..quantisers import kmeans
from .mdct_rvq import MdctRvqCodec, Plan
from .running import Running
from .symbols import CodeTables, Symbols, carried

CONCENTRATION = 400  # how many observations the prior of a row, its codebook's distribution, counts for
RESOLUTION = 256  # of fractional counts
STEPS = (-2, -1, 0, 1, 2, 3)  # between classes of a step, in 24ths of the range of values
PRIOR = 60  # how many observations the distribution over all rows counts for
LEAST = 2.0**-12  # share of a step below which it escapes


@torch.inference_mode()
def freeze(codec: MdctRvqCodec, sounds: Sequence[torch.Tensor], generator: torch.Generator) -> None:
    """Round the weights as they are stored, then count the symbols of training sounds.

    sounds: float [channel, samples] each, at the codec's rate.
    """
    codec.compact()
    books = codec.config.books
    found = [analyse(codec, sound, books) for sound in sounds]
    means = np.geomspace(1.5, 0.8 * books, 5).tolist()
    spread = [analyse(codec, sound, mean) for sound in sounds[:: max(1, len(sounds) // 3)] for mean in means]
    codec.tables = count(codec, found, spread, generator)


def analyse(codec: MdctRvqCodec, sound: torch.Tensor, books: float) -> Symbols:
    """Symbols of a whole sound, float [channel, samples], with a quick search."""
    return codec.analyse(sound, Plan(books, 1), 0, codec.net.mdct.blocks(sound.shape[1]) + 1)


def count(
    codec: MdctRvqCodec, found: Sequence[Symbols], spread: Sequence[Symbols], generator: torch.Generator
) -> CodeTables:
    """Tables from symbols with all codebooks in use, and from some with numbers of codebooks that vary."""
    c = codec.config
    levels = np.concatenate([part.levels.reshape(-1) for part in found])
    codes = np.concatenate([part.codes.reshape(c.books, -1) for part in found], axis=1)[:, levels > 0]
    heard = levels[levels > 0]
    edges = np.quantile(heard, np.arange(1, c.classes) / c.classes) if heard.size else np.zeros(c.classes - 1)
    class_of_level = np.searchsorted(edges, np.arange(c.levels)).astype(np.int32)
    class_of_code = group_codewords(codec, codes[0], generator)
    rows = [np.zeros((1, c.size), dtype=np.int64)]
    for book in range(c.books):
        classes = c.classes if book < c.contexts else 1
        kind = class_of_code[codes[0]] if book else class_of_level[heard]
        kind = kind * (book < c.contexts)
        rows.append(smoothed(np.bincount(kind * c.size + codes[book], minlength=classes * c.size), classes))
    first_row = np.cumsum([len(part) for part in [rows[0][:0], *rows]]).astype(np.int32)[1:]
    tables = (level_tables(found, c.levels), spared_tables(spread, c.books), Tables.from_counts(np.concatenate(rows)))
    return CodeTables(*tables, first_row, class_of_level, class_of_code)


def group_codewords(codec: MdctRvqCodec, first_codes: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Classes of the first codebook's entries by k-means on its codewords, each as often as it is used: int32 [size]."""
    c, words = codec.config, codec.net.quantiser.codebooks[0].cpu()
    drawn = torch.from_numpy(first_codes[:: max(1, first_codes.size // 50_000)].astype(np.int64))
    if not len(drawn):
        return np.arange(c.size, dtype=np.int32) % c.classes
    centres, _ = kmeans(words[drawn], c.classes, 20, generator)
    return torch.cdist(words, centres).argmin(1).numpy().astype(np.int32)


def smoothed(counts: np.ndarray, classes: int) -> np.ndarray:
    """Counts [classes * size] with the distribution over all classes as a prior, int64 [classes, size], scaled."""
    counts = counts.reshape(classes, -1).astype(np.float64)
    marginal = counts.sum(0) + 0.5
    return np.rint(RESOLUTION * (counts + CONCENTRATION * marginal / marginal.sum())).astype(np.int64)


def running(sequences: Sequence[np.ndarray], values: int, edges: Sequence[float]) -> Running:
    """Tables of steps by what came before, from values int [n, frame] each; edges: between classes, as shares of `values`."""
    class_of_step = np.digitize(np.arange(1 - values, values), np.array(STEPS) * max(1, values // 24)).astype(np.int32)
    class_of_value = np.digitize(np.arange(values), np.array(edges) * values).astype(np.int32)
    size, classes = 2 * values - 1, (int(class_of_step.max()) + 1, int(class_of_value.max()) + 1)
    counts = np.zeros((1 + classes[0] * classes[1], size))
    for part in sequences:
        steps = np.diff(part, axis=1, prepend=0)
        before = np.where(np.arange(steps.shape[1] - 1) > 0, steps[:, :-1], 0)
        rows = 1 + class_of_step[before + values - 1] * classes[1] + class_of_value[part[:, :-1]]
        np.add.at(counts, (rows, steps[:, 1:] + values - 1), 1)
        np.add.at(counts[0], part + values - 1, 1)
    marginal = counts[1:].sum(0) + 0.1
    counts[1:] += PRIOR * marginal / marginal.sum()
    counts[0] += 0.1
    return Running(Tables.trimmed(counts, 1 - values, LEAST), class_of_step, class_of_value)


def level_tables(found: Sequence[Symbols], levels: int) -> Tables:
    """Row 0: differences of successive levels; row 1: levels, as the first of a unit."""
    steps = np.concatenate([np.diff(part.levels, axis=1).reshape(-1) for part in found])
    firsts = np.concatenate([part.levels.reshape(-1) for part in found])
    size = 2 * levels - 1
    counts = np.stack([np.bincount(values + levels - 1, minlength=size) for values in (steps, firsts)])
    return Tables.from_counts(RESOLUTION * counts + 16, first=1 - levels)


def spared_tables(spread: Sequence[Symbols], books: int) -> Tables:
    """Row 0: changes of the number of spared codebooks; row 1: the first number of a unit."""
    spared = [books - carried(part) for part in spread]
    steps = np.concatenate([np.diff(part, axis=1).reshape(-1) for part in spared])
    firsts = np.concatenate([part.reshape(-1) for part in spared])
    counts = np.stack([np.bincount(values + books, minlength=2 * books + 1) for values in (steps, firsts)])
    return Tables.from_counts(RESOLUTION * counts + 16, first=-books)
