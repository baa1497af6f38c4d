"""Symbols per second of processor time of our entropy coder and others, one thread, conversions included.

    OMP_NUM_THREADS=1 python benchmarks/entropy.py [--symbols 1000000 20000000]

The symbols are rounded Gaussians of 64 scales, 0.11 to 256, the scale of each drawn at random. All coders get the same
symbols; ours and CompressAI's use 64 tables, the others are told the distribution of every symbol. Processor time,
because other work on the machine then hardly disturbs it.
"""

import argparse
import importlib.machinery
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import constriction
import numpy as np
import torch

from triptych.entropy import PRECISION, ROWS, Decoder, Encoder, RateCounter, gaussian, sigma
from triptych.tools import machine

SIGMAS = np.array([sigma(row) for row in range(ROWS)])
REACH = 1500  # largest magnitude of a symbol of the coders that have no escape, near six times the largest scale
FLOAT_CDF = 10_000  # symbols: each takes a distribution over all 2 * 1500 + 1
MOST_MEMORY = 8 << 30
LIST_BYTES = 150  # per symbol: lists of Python integers and copies of them, about


@dataclass(frozen=True)
class Rival:
    """A coder to measure: `encode(symbols, rows)` to bytes, `decode(bytes, rows)` back, `ideal` bits by its own model.

    tensors: it gets and gives tensors instead of arrays; most: symbols that it is given at most.
    """

    name: str
    encode: Callable[[np.ndarray | torch.Tensor, np.ndarray | torch.Tensor], bytes]
    decode: Callable[[bytes, np.ndarray | torch.Tensor], np.ndarray | torch.Tensor]
    ideal: Callable[[np.ndarray, np.ndarray], float]
    tensors: bool = False
    most: int | None = None


def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int32 and rows uint8, both [count]."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, ROWS, count, dtype=np.uint8)
    symbols = np.rint(rng.standard_normal(count, dtype=np.float32) * SIGMAS.astype(np.float32)[rows])
    return symbols.astype(np.int32), rows


# Ours


def our_encode(symbols: np.ndarray, rows: np.ndarray) -> bytes:
    """Arrays to bytes."""
    coder = Encoder()
    coder.code(symbols, gaussian().at(rows))
    return coder.finish()


def our_decode(data: bytes, rows: np.ndarray) -> np.ndarray:
    """Bytes to an array."""
    coder = Decoder(data)
    symbols = coder.code(None, gaussian().at(rows))
    coder.finish()
    return symbols


def our_ideal(symbols: np.ndarray, rows: np.ndarray) -> float:
    """Bits by our tables."""
    counter = RateCounter()
    counter.code(symbols, gaussian().at(rows))
    return counter.bits


OURS = Rival("Triptych, arrays", our_encode, our_decode, our_ideal)
OURS_TENSORS = Rival(
    "Triptych, tensors",
    lambda symbols, rows: our_encode(symbols.numpy(), rows.numpy()),
    lambda data, rows: torch.from_numpy(our_decode(data, rows.numpy())),
    our_ideal,
    tensors=True,
)

# CompressAI's rANS


def extension() -> ModuleType | None:
    """The compiled module compressai.ans without the rest of the package, which needs torchvision; None without it."""
    package = importlib.util.find_spec("compressai")
    if package is None or not package.submodule_search_locations:
        return None
    spec = importlib.machinery.PathFinder.find_spec("ans", list(package.submodule_search_locations))
    if spec is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def coarse(frequencies: np.ndarray) -> np.ndarray:
    """The frequencies of a row in 16 bits, each at least 1."""
    spare = (1 << 16) - len(frequencies)
    found = 1 + (frequencies * spare >> PRECISION)
    found[found.argmax()] += (1 << 16) - found.sum()
    return found


def compressai() -> Rival | None:
    """CompressAI's coder with our tables in its 16 bits; lists of Python integers are what it takes and gives."""
    ans = extension()
    if ans is None:
        return None
    tables = gaussian()
    frequencies = [coarse(tables.row(row)) for row in range(ROWS)]
    cdfs = [[0, *np.cumsum(row).tolist()] for row in frequencies]
    sizes, offsets = [len(cdf) for cdf in cdfs], tables.firsts.tolist()
    logs = [16 - np.log2(row) for row in frequencies]

    def ideal(symbols: np.ndarray, rows: np.ndarray) -> float:
        classes = np.minimum(symbols - tables.firsts[rows], tables.sizes[rows] - 1)
        classes = np.where(classes < 0, tables.sizes[rows] - 1, classes)
        return float(np.concatenate(logs)[tables.starts[rows] + classes].sum())

    def encode(symbols: torch.Tensor, rows: torch.Tensor) -> bytes:
        return ans.RansEncoder().encode_with_indexes(symbols.tolist(), rows.tolist(), cdfs, sizes, offsets)

    def decode(data: bytes, rows: torch.Tensor) -> torch.Tensor:
        return torch.tensor(
            ans.RansDecoder().decode_with_indexes(data, rows.tolist(), cdfs, sizes, offsets), dtype=torch.int32
        )

    return Rival("CompressAI rANS, tensors", encode, decode, ideal, tensors=True)


# constriction's families with a distribution for every symbol


def normal_edges(scales: np.ndarray) -> np.ndarray:
    """Float32 CDF at the edges -1500.5 .. 1500.5 for each scale, [scales, 3002]."""
    edges = torch.arange(-REACH, REACH + 2, dtype=torch.float64) - 0.5
    return torch.special.ndtr(edges / torch.from_numpy(scales)[:, None]).float().numpy()


CDFS = normal_edges(SIGMAS)


def probabilities(rows: np.ndarray) -> np.ndarray:
    """Float32 [n, 3001] from the CDF of each symbol."""
    return np.diff(CDFS[rows], axis=1) + np.float32(1e-7)


def family_ideal(symbols: np.ndarray, rows: np.ndarray) -> float:
    """Bits by the Gaussian itself."""
    sides = torch.from_numpy((np.abs(symbols)[:, None] + [-0.5, 0.5]) / -SIGMAS[rows][:, None])
    tails = torch.special.ndtr(sides)
    return float(-torch.log2((tails[:, 0] - tails[:, 1]).clamp_min(2.0**-PRECISION)).sum())


def quantised_gaussian() -> Rival:
    """constriction's QuantizedGaussian, a mean and a scale for every symbol."""
    family = constriction.stream.model.QuantizedGaussian(-REACH, REACH)

    def encode(symbols: np.ndarray, rows: np.ndarray) -> bytes:
        stack = constriction.stream.stack.AnsCoder()
        stack.encode_reverse(symbols, family, np.zeros(len(rows)), SIGMAS[rows])
        return stack.get_compressed().tobytes()

    def decode(data: bytes, rows: np.ndarray) -> np.ndarray:
        stack = constriction.stream.stack.AnsCoder(np.frombuffer(data, dtype=np.uint32))
        return stack.decode(family, np.zeros(len(rows)), SIGMAS[rows])

    return Rival("constriction QuantizedGaussian", encode, decode, family_ideal)


def float_cdf() -> Rival:
    """A row of float CDF for every symbol, as torchac takes it, through constriction's Categorical."""
    family = constriction.stream.model.Categorical(perfect=False)

    def encode(symbols: np.ndarray, rows: np.ndarray) -> bytes:
        stack = constriction.stream.stack.AnsCoder()
        stack.encode_reverse(symbols + np.int32(REACH), family, probabilities(rows))
        return stack.get_compressed().tobytes()

    def decode(data: bytes, rows: np.ndarray) -> np.ndarray:
        stack = constriction.stream.stack.AnsCoder(np.frombuffer(data, dtype=np.uint32))
        return stack.decode(family, probabilities(rows)) - np.int32(REACH)

    return Rival("float CDF for each symbol", encode, decode, family_ideal, most=FLOAT_CDF)


def measure(rival: Rival, symbols: np.ndarray, rows: np.ndarray, repeat: int) -> dict[str, float]:
    """Symbols per second, bits per symbol, and bits above the rival's own model in percent."""
    given = (torch.from_numpy(symbols), torch.from_numpy(rows)) if rival.tensors else (symbols, rows)
    seconds: dict[str, list[float]] = {"encode": [], "decode": []}
    for _ in range(repeat):
        begin = time.process_time()
        data = rival.encode(*given)
        between = time.process_time()
        found = rival.decode(data, given[1])
        seconds["decode"].append(time.process_time() - between)
        seconds["encode"].append(between - begin)
        if not np.array_equal(np.asarray(found), symbols):
            raise SystemExit(f"{rival.name}: other symbols came back")
    bits = 8 * len(data)
    above = 100 * (bits / rival.ideal(symbols, rows) - 1)
    middle = {name: len(symbols) / statistics.median(values) for name, values in seconds.items()}
    return {"count": len(symbols), "bits": bits / len(symbols), "above": above, **middle}


def too_much(rival: Rival, count: int, before: dict[str, float] | None) -> str | None:
    """Why CompressAI is left out at this number of symbols, if it is."""
    if not rival.name.startswith("CompressAI"):
        return None
    if count * LIST_BYTES > MOST_MEMORY:
        return f"its lists would take about {count * LIST_BYTES / 2**30:.0f} GiB"
    if before is not None and count / before["encode"] + count / before["decode"] > 60:
        return "it would take more than a minute"
    return None


def row_of(rival: Rival, found: dict[str, float], base: dict[str, float] | None) -> str:
    """One line of the table."""
    cells = [rival.name, f"{found['count']:,}"]
    for direction in ("encode", "decode"):
        ratio = f"{found[direction] / base[direction]:.2f}" if base else "-"
        cells += [f"{found[direction] / 1e6:.2f}", ratio]
    cells += [f"{found['bits']:.4f}", f"{found['above']:+.4f} %"]
    return f"| {' | '.join(cells)} |"


def table(count: int, rivals: list[Rival], repeat: int, before: dict[str, dict[str, float]]) -> None:
    """Measure all coders at one number of symbols and print them; `before` keeps what was found."""
    symbols, rows = draw(count)
    gaussian()
    results, notes = {}, []
    for rival in rivals:
        reason = too_much(rival, count, before.get(rival.name))
        if reason:
            notes.append(f"{rival.name} left out at {count:,} symbols: {reason}; ratios are to its speed before.")
            continue
        some = slice(rival.most and min(rival.most, count))
        results[rival.name] = before[rival.name] = measure(rival, symbols[some], rows[some], repeat)
    base = before.get("CompressAI rANS, tensors")
    print("| coder | symbols | encode M/s | x CompressAI | decode M/s | x CompressAI | bits | above its model |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for rival in rivals:
        if rival.name in results:
            print(row_of(rival, results[rival.name], base))
    print("\n" + "\n".join([*notes, ""]), flush=True)


def main() -> None:
    """Print a table for every number of symbols."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, nargs="+", default=[1_000_000, 20_000_000], metavar="N")
    parser.add_argument("--repeat", type=int, default=3, help="times each is measured; the median counts (default 3)")
    parser.add_argument("--ours", action="store_true", help="no other coders")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rivals = [OURS, OURS_TENSORS]
    if not arguments.ours:
        other = compressai()
        if other is None:
            print("compressai is not installed: no ratios\n")
        rivals += [*filter(None, [other]), quantised_gaussian(), float_cdf()]
    print(f"{machine.name()}, one thread, processor time, median of {arguments.repeat}\n")
    before: dict[str, dict[str, float]] = {}
    for count in sorted(arguments.symbols):
        table(count, rivals, arguments.repeat, before)


if __name__ == "__main__":
    main()
