"""How long the package and its command take to start: `python benchmarks/start.py [--times 20]`, medians of new processes."""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

PROGRAMS = {
    "python": ["-c", ""],
    "import triptych": ["-c", "import triptych"],
    "triptych --help": ["-m", "triptych.tools.cli", "--help"],
    "import triptych.bitstream": ["-c", "import triptych.bitstream"],
    "import torch": ["-c", "import torch"],
}


def once(arguments: list[str]) -> tuple[float, float]:
    """Seconds on the clock and of processor time that a new process takes."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    took, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    print(f"medians of {times}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    print("| program | clock | processor |\n|---|--:|--:|")
    for name, arguments in PROGRAMS.items():
        clock, cpu = zip(*(once(arguments) for _ in range(times)), strict=True)
        print(f"| {name} | {statistics.median(clock):.3f} s | {statistics.median(cpu):.3f} s |", flush=True)


if __name__ == "__main__":
    main()
