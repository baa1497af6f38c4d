"""Decode a file under a setting and compare; as a program, for the settings that need a process of their own.

    python -m triptych.tools.checking.compare FOLDER SETTING

FOLDER holds what `store` wrote; the result is a list in JSON on standard output.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...bitstream import Reader, TripError, Unit
from ...codecs.signals import Clip, Picture, Signal
from .. import models
from .cases import Case
from .settings import ELSEWHERE, HERE, Setting, UnsupportedError

SAME, DIFFERENT, UNSUPPORTED, SKIPPED = "same", "DIFFERENT", "not supported", "skipped"


@dataclass(frozen=True)
class Result:
    """What a case was found to be under a setting.

    Attributes:
        case, setting: their names.
        verdict: "same" or "DIFFERENT" for the symbols; "not supported"; "skipped".
        difference: largest difference of a pixel (0 to 255) or sample (full scale 1) from the first decoding.
        note: a reason.
    """

    case: str
    setting: str
    verdict: str
    difference: float | None = None
    note: str = ""


def decode(case: Case, setting: Setting) -> Signal:
    """The signal of a case; the codec compares the check of all its symbols with that in the file.

    Raises a TripError where symbols differ, UnsupportedError, and what torch raises.
    """
    reader = Reader(case.data)
    items = list(reader)
    if any(isinstance(item, Unit) and item.check is None for item in items):
        raise UnsupportedError("the file has no checks of its symbols")
    codec = models.load_for(reader.tracks[0])
    with setting.apply(codec):
        return codec.decode(reader.tracks[0], items)


def values(signal: Signal) -> np.ndarray:
    """Pixels or samples as they are compared."""
    if isinstance(signal, Picture):
        return signal.pixels
    return signal.frames if isinstance(signal, Clip) else signal.samples


def compare(case: Case, setting: Setting, reference: np.ndarray | None) -> tuple[Result, np.ndarray | None]:
    """What a setting does to a case, and the signal; `reference` is the signal of the first decoding."""
    if case.skipped:
        return Result(case.name, setting.name, SKIPPED, note=case.skipped), None
    try:
        found = values(decode(case, setting))
    except UnsupportedError as error:
        return Result(case.name, setting.name, UNSUPPORTED, note=str(error)), None
    except TripError as error:
        return Result(case.name, setting.name, DIFFERENT, note=error.message), None
    except (RuntimeError, TypeError) as error:
        verdict = UNSUPPORTED if setting.optional else DIFFERENT
        return Result(case.name, setting.name, verdict, note=str(error).partition("\n")[0]), None
    if reference is None:
        return Result(case.name, setting.name, SAME), found
    if found.shape != reference.shape:
        return Result(case.name, setting.name, DIFFERENT, note="the signal has another size"), found
    difference = np.abs(found.astype(np.float64) - reference).max()
    return Result(case.name, setting.name, SAME, float(difference)), found


def store(folder: Path, cases: Sequence[Case], references: Sequence[np.ndarray | None]) -> None:
    """Write the cases and what they decoded to, for other processes."""
    listed = []
    for number, (case, reference) in enumerate(zip(cases, references, strict=True)):
        (folder / f"{number}.trip").write_bytes(case.data)
        if reference is not None:
            np.save(folder / f"{number}.npy", reference, allow_pickle=False)
        listed.append({"name": case.name, "codec": case.codec, "skipped": case.skipped})
    (folder / "cases.json").write_text(json.dumps(listed))


def stored(folder: Path) -> list[tuple[Case, np.ndarray | None]]:
    """What `store` wrote."""
    found = []
    for number, entry in enumerate(json.loads((folder / "cases.json").read_text())):
        path = folder / f"{number}.npy"
        reference = np.load(path, allow_pickle=False) if path.exists() else None
        found.append((Case(**entry, data=(folder / f"{number}.trip").read_bytes()), reference))
    return found


def elsewhere(folder: Path, setting: Setting) -> list[Result]:
    """The results of a setting in a process of its own, for the cases in a folder."""
    command = [sys.executable, "-P", "-m", __spec__.name, str(folder), setting.name]
    done = subprocess.run(command, env=os.environ | setting.environment, capture_output=True, text=True)
    try:
        return [Result(**entry) for entry in json.loads(done.stdout)]
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        note = f"its process ended with status {done.returncode}: {last}"
        return [Result(case.name, setting.name, DIFFERENT, note=note) for case, _ in stored(folder)]


def main(folder: str, name: str) -> None:
    """Print the results of one setting for the cases in a folder."""
    setting = next(setting for setting in (*HERE, *ELSEWHERE) if setting.name == name)
    results = [compare(case, setting, reference)[0] for case, reference in stored(Path(folder))]
    print(json.dumps([dataclasses.asdict(result) for result in results]))


if __name__ == "__main__":
    main(*sys.argv[1:])
