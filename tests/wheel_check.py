"""Build sdist and wheel of the last commit, install the wheel into an empty environment and use it there.

    python tests/wheel_check.py [--pip-args "-c constraints.txt"]

Needs the package `build`, a package index and a few minutes. Fails with a traceback where anything is missing; prints what
it measured.
"""

import argparse
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"-c 'import triptych'": 0.1, "-m triptych.tools.cli --help": 0.3}  # seconds
# Run in the new environment, in an empty folder: makes media and compares what comes back.
PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
import triptych
from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import media
assert Path(triptych.__file__).is_relative_to(sys.prefix), triptych.__file__
y, x = np.mgrid[:96, :128]
frames = np.stack([128 + 90 * np.sin((x + 3 * t) / 9 + c) * np.cos(y / 11) for t in range(4) for c in range(3)])
frames = frames.reshape(4, 3, 96, 128).transpose(0, 2, 3, 1).astype(np.uint8)
samples = (0.4 * np.sin(np.arange(16000) * 0.1) * np.hanning(16000)).astype(np.float32)[None]
SIGNALS = {
    "a.png": Picture(frames[0]),
    "a.wav": Sound(samples, 16000),
    "a.mp4": Clip(frames, Fraction(25), Sound(samples[:, :2560], 16000)),
}
"""
MAKE = PROGRAM + "for name, signal in SIGNALS.items(): media.write(name, signal)"
COMPARE = (
    PROGRAM
    + """
for name, signal in SIGNALS.items():
    again = media.read("b" + name[1:])
    assert type(again) is type(signal), name
    if isinstance(signal, Sound):
        assert again.samples.shape == signal.samples.shape and np.corrcoef(again.samples, signal.samples)[0, 1] > 0.5
        continue
    ours, theirs = (s.pixels if isinstance(s, Picture) else s.frames for s in (again, signal))
    assert ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs).mean() < 20, name
    assert isinstance(signal, Picture) or again.sound is not None
picture = triptych.decode(triptych.encode(SIGNALS["a.png"], quality=60))
assert picture.pixels.shape == (96, 128, 3)
"""
)


def run(*command: object, cwd: Path) -> str:
    """Run a command without any path of this checkout; its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))[:200]}\n{done.stdout}{done.stderr}")
    return done.stdout


def built(folder: Path, commit: str) -> tuple[Path, Path]:
    """The wheel, which comes out of the sdist, and the sdist."""
    source, archive = folder / "source", folder / "source.tar"
    run("git", "archive", "--output", archive, commit, cwd=ROOT)
    with tarfile.open(archive) as tar:
        tar.extractall(source, filter="data")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source, cwd=folder)
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return wheel, sdist


def held(wheel: Path, sdist: Path, commit: str) -> None:
    """Weights and every tracked module travel inside both."""
    rooms = ("codecs", "entropy", "bitstream", "tools", "weights")
    tracked = run("git", "ls-tree", "-r", "--name-only", commit, *rooms, cwd=ROOT).split()
    tracked = {name for name in tracked if name.endswith((".py", ".safetensors", ".toml"))}
    inside = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    missing = {name for name in tracked if f"triptych/{name}" not in inside} | (tracked - packed)
    if missing:
        raise SystemExit(f"not in the wheel or not in the sdist: {sorted(missing)[:5]}")


def best(python: Path, arguments: str, folder: Path) -> tuple[float, float]:
    """Seconds on the clock and of the processor that a new process takes, the least of ten."""
    times = []
    for _ in range(10):
        before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run("sh", "-c", f"{python} {arguments}", cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        times.append((time.perf_counter() - clock, busy))
    clocks, busy = zip(*times, strict=True)
    return min(clocks), min(busy)


def main() -> None:
    """Carry out the check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--pip-args", default=f"-c {ROOT / 'constraints.txt'}", help="default: the pins of the checkout"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        folder = Path(name)
        commit = run("git", "rev-parse", "HEAD", cwd=ROOT).strip()
        wheel, sdist = built(folder, commit)
        held(wheel, sdist, commit)
        print(
            f"{wheel.name} {wheel.stat().st_size / 2**20:.1f} MiB, {sdist.name} {sdist.stat().st_size / 2**20:.1f} MiB"
        )
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        python, empty = folder / "venv" / "bin" / "python", folder / "empty"
        run(python, "-m", "pip", "install", *arguments.pip_args.split(), wheel, cwd=folder)
        empty.mkdir()
        run(python, "-c", MAKE, cwd=empty)
        triptych = folder / "venv" / "bin" / "triptych"
        for kind in ("png", "wav", "mp4"):
            run(triptych, "encode", f"a.{kind}", "a.trip", "--force", "--effort", "4", cwd=empty)
            run(triptych, "decode", "a.trip", f"b.{kind}", cwd=empty)
            print(f"a.{kind}: {(empty / f'a.{kind}').stat().st_size} bytes, {(empty / 'a.trip').stat().st_size} coded")
        run(python, "-c", COMPARE, cwd=empty)
        for program, limit in LIMITS.items():
            clock, busy = best(python, program, empty)
            print(f"python {program}: {clock:.3f} s, {busy:.3f} s of the processor")
            if busy > limit:
                raise SystemExit(f"takes more than {limit} s")
    print("the wheel works")


if __name__ == "__main__":
    main()
