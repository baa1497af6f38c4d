"""What is loaded by the time the command line answers, and the processor time of its start: no busy machine disturbs these."""

import resource
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "numpy",
    "av",
    "PIL",
    "soundfile",
    "soxr",
    "safetensors",
    "constriction",
    "tqdm",
    "scipy",
    "matplotlib",
}
SLOW = {"multiprocessing", "concurrent", "asyncio", "unittest", "http", "ssl", "sqlite3", "tomllib"}


def loaded(program: str) -> set[str]:
    """Modules in memory at the end of a program, those below triptych by their full names."""
    ending = "\nimport sys\nprint('', *sys.modules, sep='\\n#')"
    done = subprocess.run([sys.executable, "-c", program + ending], capture_output=True, text=True, check=True)
    names = [line[1:] for line in done.stdout.splitlines() if line.startswith("#")]
    return {name if name.startswith("triptych") else name.partition(".")[0] for name in names}


def test_the_import_loads_next_to_nothing():
    before = loaded("")
    names = loaded("import triptych") - before
    assert {name for name in names if name.startswith("triptych")} == {"triptych"}
    assert not names & (HEAVY | SLOW)


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["decode", "--help"], ["evaluate", "--help"]])
def test_help_loads_neither_torch_nor_numpy(arguments):
    before = loaded("")
    program = f"from triptych.tools import cli\ntry:\n    cli.main({arguments!r})\nexcept SystemExit: pass"
    names = loaded(program) - before
    assert "triptych.tools.encode" in names
    assert not names & (HEAVY | SLOW)
    assert not [name for name in names if name.startswith(("triptych.codecs", "triptych.entropy", "triptych.weights"))]


@pytest.mark.parametrize("program, limit", [
    (["-c", "import triptych"], 0.1),
    (["-m", "triptych.tools.cli", "--help"], 0.3),
])  # fmt: skip
def test_the_start_takes_little_time(program, limit):
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *program], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < limit, times
