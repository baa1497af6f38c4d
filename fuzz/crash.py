"""Kill -9 at random moments of encoding and decoding: what stands under a final name is whole, or what stood there before.

`python fuzz/crash.py [--times 200] [--seed 0]` makes small media in a temporary folder and kills one process after
another; inputs and older outputs must stay as they were, and a batch that was killed must go on. Exit status 1 where not.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from triptych.codecs.signals import Picture, Sound
from triptych.tools import cli, manifest, media, pipeline  # imported once: every process is a fork of this one

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "v1"
POLL = 2e-4  # seconds between two looks for the temporary file
PATIENCE = 60.0


@dataclass(frozen=True)
class Case:
    """A command whose process is killed.

    Attributes:
        arguments: of the command line; the last one is the output.
        source: the input, a file or a folder.
    """

    name: str
    arguments: tuple[str, ...]
    source: Path

    @property
    def target(self) -> Path:
        return Path(self.arguments[-1])


def prepare() -> list[Case]:
    """Small media, the files that they become, and all commands on them."""
    y, x = np.mgrid[:120, :200]
    planes = [128 + 100 * np.sin((x * (1 + c) + y) / 19) for c in range(3)]
    tone = (0.3 * np.sin(np.arange(24000) / 7)).astype(np.float32)
    media.write("a.png", Picture(np.stack(planes, -1).astype(np.uint8)))
    media.write("a.wav", Sound(np.stack([tone]), 16000))
    shutil.copy(GOLDEN / "video-hnerv" / "file.trip", "f.trip")
    Path("many").mkdir()
    for number in range(3):
        media.write(f"many/{number}.png", Picture(np.stack(planes, -1).astype(np.uint8)[number * 8 :]))
    cases = [
        Case("encode picture", ("encode", "a.png", "p.trip"), Path("a.png")),
        Case("encode sound", ("encode", "a.wav", "s.trip"), Path("a.wav")),
        Case("decode picture", ("decode", "in-p.trip", "b.png"), Path("in-p.trip")),
        Case("decode sound", ("decode", "in-s.trip", "b.wav"), Path("in-s.trip")),
        Case("decode film", ("decode", "f.trip", "b.mp4"), Path("f.trip")),
        Case("batch", ("encode", "--jobs", "1", "--batch", "many", "out"), Path("many")),
    ]
    for case in cases:
        if finish(start(case)) != 0:
            sys.exit(f"{case.name} fails by itself")
        case.target.rename(kept(case.target))
        if case.target.suffix == ".trip":  # what is decoded is never written again
            shutil.copy(kept(case.target), Path("in-" + case.target.name))
    return cases


def kept(path: Path) -> Path:
    """Where the right output is remembered."""
    return path.with_name("right-" + path.name)


def start(case: Case, *more: str) -> int:
    """Carry out a command in a fork of this process; its number."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os._exit(cli.main([case.arguments[0], *more, *case.arguments[1:]]))
    return child


def finish(child: int) -> int:
    """Wait for a process; its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(path: Path) -> dict[str, bytes] | bytes | None:
    """A file, the finished files of a folder, or None."""
    if path.is_dir():
        files = [entry for entry in sorted(path.iterdir()) if entry.name[0] != "." and entry.name != manifest.NAME]
        return {entry.name: entry.read_bytes() for entry in files}
    return path.read_bytes() if path.exists() else None


def temporary(folder: Path) -> list[Path]:
    """Files that are being written, or were when their process died."""
    return [path for path in folder.glob(".*") if path.is_file()] if folder.is_dir() else []


def strike(case: Case, rng: random.Random, seconds: float) -> bool:
    """Kill a process at a random moment: any, towards the end, or just after it began to write; whether it lived still."""
    child, folder = start(case, "--force"), case.target if case.name == "batch" else Path()
    way = rng.randrange(3)
    if way == 2:
        end = time.monotonic() + PATIENCE
        while (
            not temporary(folder)
            and time.monotonic() < end
            and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        ):
            time.sleep(POLL)
        time.sleep(rng.random() ** 3 * 0.3 * seconds)
    else:
        time.sleep(rng.uniform(0, 1.1) * seconds if way == 0 else rng.uniform(0.7, 1.1) * seconds)
    os.kill(child, signal.SIGKILL)
    return finish(child) == -signal.SIGKILL


def attempt(case: Case, rng: random.Random, seconds: float, check: Callable[[bool, str], None]) -> str:
    """One process killed, everything looked at; what was found under the final name."""
    before, right, older = content(case.source), content(kept(case.target)), rng.random() < 0.5
    if older and case.name != "batch":
        case.target.write_bytes(b"older " + bytes(2000))
    was = content(case.target)
    killed = strike(case, rng, seconds)
    left = temporary(case.target if case.name == "batch" else Path())
    found = content(case.target)
    check(content(case.source) == before, "the input was changed")
    if case.name == "batch":
        check(all(right.get(name) == data for name, data in (found or {}).items()), "a file of the batch is not whole")
        check(finish(start(case)) == 0 and content(case.target) == right, "the batch does not go on")
        check(not temporary(case.target), "what the killed process left is still there")
        shutil.rmtree(case.target)
    else:
        check(found in (was, right), "what stands under the final name is neither the old nor the new file")
        case.target.unlink(missing_ok=True)
    for path in left:
        path.unlink(missing_ok=True)
    if not killed:
        return "was faster"
    return (
        "died while it wrote" if left else "died with nothing written" if found == was else "died with its file whole"
    )


def main() -> int:
    """Kill many processes; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # a fork has no other threads
    rng, wrong, seen = random.Random(arguments.seed), [], Counter()
    with tempfile.TemporaryDirectory() as name, chdir(name):
        for codec in ("image/patch", "audio/mdct-rvq"):
            pipeline.load(codec)  # each fork has it in memory
        cases, seconds = prepare(), {}
        for number in range(arguments.times):
            case = cases[number % len(cases)]
            if case.name not in seconds:
                begin = time.monotonic()
                finish(start(case, "--force"))
                seconds[case.name] = time.monotonic() - begin
                shutil.rmtree(case.target) if case.target.is_dir() else case.target.unlink()

            def check(right: bool, text: str, case: Case = case) -> None:
                if not right:
                    wrong.append(f"{case.name}: {text}")

            seen[attempt(case, rng, seconds[case.name], check)] += 1
    print(f"{arguments.times} processes: " + ", ".join(f"{count} {what}" for what, count in sorted(seen.items())))
    print("\n".join(wrong) or "nothing was harmed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
