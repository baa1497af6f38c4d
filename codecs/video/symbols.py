"""The order in which the embeddings of one unit are coded: written once for counting, encoding and decoding."""

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import ROWS, Coder, RateCounter, gaussian, sigma, uniform

_SIGMAS = np.log([sigma(row) for row in range(ROWS)])
_FLAG, _ROW = uniform(2), uniform(ROWS)


def traverse(coder: Coder, shape: tuple[int, int, int, int], levels: np.ndarray | None = None) -> np.ndarray:
    """Code the embeddings of a unit; gives them as int32 [frames, channels, h, w].

    Symbols: 1 when frames after the first are sent as differences to the frame before; a Gaussian row per channel; with
    differences another row per channel for the later frames; the first frame, then the later ones. Raises Malformed.
    """
    differences = None if levels is None else _chosen(levels)
    flag = int(coder.code(_one(differences), _FLAG.at(0, (1,)))[0])
    sent = _difference(levels) if flag and levels is not None else levels
    rows = _rows(coder, shape[1], None if sent is None else sent[:1] if flag else sent)
    if flag:
        later = _rows(coder, shape[1], None if sent is None else sent[1:])
        rows = np.concatenate([rows, np.broadcast_to(later, (shape[0] - 1, shape[1]))])
    symbols = coder.code(sent, gaussian().at(rows[:, :, None, None], shape))
    if not flag:
        return symbols
    sums = np.cumsum(symbols, axis=0, dtype=np.int64)
    if sums.size and max(-int(sums.min()), int(sums.max()) + 1) > 1 << 31:
        raise Malformed("the embeddings of a unit lead beyond 32 bits")
    return sums.astype(np.int32)


def _rows(coder: Coder, channels: int, levels: np.ndarray | None) -> np.ndarray:
    """Gaussian row of every channel, [1, channels]: the one nearest to the levels' root mean square."""
    nearest = None
    if levels is not None:
        power = np.square(levels, dtype=np.float64).mean(axis=(0, 2, 3)) if levels.size else np.zeros(channels)
        scale = np.log(np.sqrt(np.maximum(power, 1e-9)))
        nearest = np.abs(scale[:, None] - _SIGMAS).argmin(axis=1).astype(np.int32)
    return coder.code(nearest, _ROW.at(0, (channels,)))[None]


def _difference(levels: np.ndarray) -> np.ndarray:
    return np.concatenate([levels[:1], np.diff(levels, axis=0)])


def _one(flag: bool | None) -> np.ndarray | None:
    return None if flag is None else np.array([flag], dtype=np.int32)


def _chosen(levels: np.ndarray) -> bool:
    """Whether differences cost fewer bits, judged by each channel's best row."""
    if len(levels) < 2 or not levels.size:
        return False
    costs = []
    for later in (levels[1:], np.diff(levels.astype(np.int64), axis=0)):
        if max(-int(later.min()), int(later.max()) + 1) > 1 << 31:
            return False
        counter = RateCounter()
        rows = _rows(counter, levels.shape[1], later)
        counter.code(later, gaussian().at(rows[:, :, None, None], later.shape))
        costs.append(counter.bits)
    return costs[1] < costs[0]
