"""Feed mutated files to everything that reads files: nothing but our errors, no hang, memory within the limits.

`python fuzz/mutate.py [--seconds 60] [--seed 0] [--targets container,image-patch]`: files are the same for equal seeds. What
goes wrong is kept below runs/fuzz, with its traceback; exit status 1 then. `--replay FILE --targets NAME` tries a file again.
`--count 1000000` goes on until so many files were tried, in rounds that give every target as much processor time, and keeps a
record in runs/fuzz/rounds.jsonl, with which `--resume` goes on after an interruption.
"""

import argparse
import faulthandler
import hashlib
import itertools
import json
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from mutations import mutate_bytes, mutate_chunks, mutate_items, mutate_text
from targets import OURS, Target, targets

from triptych.tools import machine

SECONDS = 5.0  # of processor time that one file may take
STUCK, GUARDED = 300, 64  # seconds that so many files may take, before the process shows where it is, and ends
SLACK = 48  # MiB by which allocators may overshoot
ROUND = 2.0  # seconds of processor time for each target before the next one has its turn


def mutated(rng: random.Random, target: Target) -> bytes:
    """The next file for a target."""
    seed = rng.choice(target.seeds)
    if target.form == "text":
        return mutate_text(rng, seed)
    if target.form == "safetensors":
        size = 8 + int.from_bytes(seed[:8], "little")
        if rng.random() < 0.2:
            return mutate_bytes(rng, seed)
        head = mutate_text(rng, seed[8:size])
        return len(head).to_bytes(8, "little") + head + seed[size:]
    if target.form == "container":
        return (mutate_bytes if rng.random() < 0.25 else mutate_chunks)(rng, seed)
    return (mutate_chunks if rng.random() < 0.2 else mutate_items)(rng, seed)


def highest() -> float:
    """Highest resident memory since the last reset in MiB, quickly."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tried(target: Target, data: bytes) -> tuple[str, str]:
    """Let a target read a file: what came of it, and what was wrong if anything was."""
    clock = time.process_time()
    try:
        target.run(data)
        result, wrong = "accepted", ""
    except OURS as error:
        result, wrong = type(error).__name__, ""
    except Exception as error:
        result, wrong = type(error).__name__, traceback.format_exc()
    if (took := time.process_time() - clock) > SECONDS:
        wrong += f"took {took:.1f} s of processor time\n"
    return result, wrong


def keep(folder: Path, name: str, data: bytes, wrong: str) -> None:
    """Store a file that did harm, with the reason beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    stem.with_suffix(".bin").write_bytes(data)
    stem.with_suffix(".txt").write_text(wrong)


def fresh(rng: random.Random, target: Target, met: set[int], last: BinaryIO) -> bytes:
    """A mutated file whose hash is not in `met`; it is kept as `last` in case the process itself dies of it."""
    while hash(data := mutated(rng, target)) in met:
        pass
    met.add(hash(data))
    last.seek(0)
    last.truncate()
    last.write(data)
    return data


def attack(
    name: str, target: Target, seconds: float, seed: int | str, folder: Path, most: int, met: set[int]
) -> tuple[Counter[str], int]:
    """Attack one target for some processor time: what came of its files, and how many did harm.

    met: hashes of files that were tried before; no file is tried twice.
    """
    rng, seen, harmful, kinds = random.Random(f"{seed} {name}"), Counter(), 0, set()
    for data in target.seeds:  # what is loaded once does not count as the memory of a file
        tried(target, data)
    machine.reset_peak()
    base, allowed, end = highest(), target.memory / machine.MIB + SLACK, time.process_time() + seconds
    with open(folder / "last.bin", "wb", buffering=0) as last:
        while time.process_time() < end and seen.total() < most:
            if seen.total() % GUARDED == 0:
                faulthandler.dump_traceback_later(STUCK, exit=True, file=sys.__stderr__)
            data = fresh(rng, target, met, last)
            result, wrong = tried(target, data)
            seen[result] += 1
            if (grown := highest() - base) > allowed:
                wrong += f"took {grown:.0f} MiB more, {allowed:.0f} are allowed\n"
                machine.reset_peak()
                base = highest()
            if wrong:
                harmful += 1
                kind = wrong.splitlines()[-1][:60] + str([line for line in wrong.splitlines() if "line" in line][-1:])
                if kind not in kinds:
                    kinds.add(kind)
                    keep(folder, name, data, wrong)
    faulthandler.cancel_dump_traceback_later()
    return seen, harmful


def summary(rows: list[dict]) -> tuple[int, int]:
    """Print what became of each target, and the sum; numbers of files that were tried and that did harm."""
    for name in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == name]
        results = sum((Counter(row["results"]) for row in mine), Counter())
        harmful, took = sum(row["harmful"] for row in mine), sum(row["seconds"] for row in mine)
        total = results.total()
        rate = f"{total / max(took, 1e-3):.0f} per second of processor time"
        print(f"{name:22} {total:8} files, {harmful} harmful; {rate}; {dict(results.most_common(6))}", flush=True)
    total, harmful = sum(sum(row["results"].values()) for row in rows), sum(row["harmful"] for row in rows)
    print(f"{total} mutated files, {harmful} harmful")
    return total, harmful


def attack_in_rounds(found: dict[str, Target], count: int, seed: int, folder: Path, resume: bool) -> list[dict]:
    """Attack the targets in turn until so many files were tried: a row for every turn, those of earlier calls included."""
    log, rows = folder / "rounds.jsonl", []
    if resume and log.exists():
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        rows = [row for row in rows if row["seed"] == seed and row["target"] in found]
    met = {name: set() for name in found}
    done, total = {(row["target"], row["round"]) for row in rows}, sum(sum(row["results"].values()) for row in rows)
    for turn, name in ((turn, name) for turn in itertools.count() for name in found):
        if total >= count:
            return rows
        if (name, turn) in done:
            continue
        start = time.process_time()
        results, harmful = attack(name, found[name], ROUND, f"{seed}.{turn}", folder, count - total, met[name])
        took = round(time.process_time() - start, 3)
        row = {"seed": seed, "round": turn, "target": name, "harmful": harmful, "results": dict(results)}
        rows.append(row | {"seconds": took})
        total += results.total()
        with open(log, "a") as out:
            out.write(json.dumps(rows[-1]) + "\n")
    return rows


def attack_once(found: dict[str, Target], seconds: float, seed: int, folder: Path, most: int) -> list[dict]:
    """Attack every target for its share of the time: a row for each."""
    rows = []
    for name, target in found.items():
        start = time.process_time()
        results, harmful = attack(name, target, seconds / len(found), seed, folder, most, set())
        took = time.process_time() - start
        rows.append({"target": name, "harmful": harmful, "results": dict(results), "seconds": took})
    return rows


def main() -> int:
    """Attack all targets in turn, each for its share of the time; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time, altogether; default: 60")
    parser.add_argument("--count", type=int, metavar="FILES", help="altogether, instead of --seconds")
    parser.add_argument("--resume", action="store_true", help="go on with --count where it was interrupted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=sys.maxsize, help="files for each target at most")
    parser.add_argument("--targets", type=lambda text: text.split(","), help="default: all")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), metavar="FOLDER")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one file on the targets instead")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = targets(arguments.targets)
    if arguments.replay:
        results = [tried(target, arguments.replay.read_bytes()) for target in found.values()]
        print("\n".join(f"{result}\n{wrong}" for result, wrong in results))
        return any(wrong for _, wrong in results)
    arguments.keep.mkdir(parents=True, exist_ok=True)
    if arguments.count:
        rows = attack_in_rounds(found, arguments.count, arguments.seed, arguments.keep, arguments.resume)
    else:
        rows = attack_once(found, arguments.seconds, arguments.seed, arguments.keep, arguments.most)
    _, harmful = summary(rows)
    return harmful > 0


if __name__ == "__main__":
    sys.exit(main())
