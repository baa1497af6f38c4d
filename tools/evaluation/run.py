"""Running an evaluation: every file through every codec at every quality, in this process or in several, resumable."""

import hashlib
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch

from ...bitstream.errors import TripError
from ...codecs.signals import Picture, Signal, Sound
from .. import console, machine, media
from ..errors import UsageError
from ..metrics.judge import judge
from ..peers import fitted
from .coders import Choice, Coder, Ours, coder
from .dataset import Dataset
from .table import Row

EXPECTED = (UsageError, TripError, OSError, ValueError, RuntimeError, MemoryError, ArithmeticError, ImportError)
SAVE = 10.0  # seconds between two times that the table is written
KEPT = {"image": ".png", "audio": ".flac", "video": ".mp4"}


@dataclass(frozen=True)
class Plan:
    """Everything that a process needs to make rows.

    Attributes:
        data: what is coded.
        ours: effort, seconds and weights of codecs of this package.
        metrics: names of those that can be computed.
        media: folder for the media that are kept, and `keep` the number of files of which they are.
        threads: of torch; the well-known codecs run with one.
        jobs: processes at work at the same time.
    """

    data: Dataset
    ours: Ours
    metrics: tuple[str, ...]
    media: Path
    keep: int
    threads: int
    jobs: int


@dataclass(frozen=True)
class Task:
    """One file, with its digest, through one codec at some qualities."""

    file: Path
    digest: str
    choice: Choice
    qualities: tuple[str, ...]
    keep: bool


def blank(plan: Plan, choice: Choice, codec: Coder, file: Path, digest: str, quality: str) -> Row:
    """What is known of a row before its file is decoded."""
    return Row(
        dataset=plan.data.name,
        kind=plan.data.kind,
        file=file.as_posix(),
        codec=choice.text,
        label=codec.label,
        quality=quality,
        preset=codec.preset,
        settings=codec.settings(),
        version=codec.version(float(quality)) if isinstance(codec, Ours) else codec.version(),
        effort=codec.effort if isinstance(codec, Ours) else None,
        threads=plan.threads,
        jobs=plan.jobs,
        machine=machine.name(),
        python=platform.python_version(),
        torch=torch.__version__,
        digest=digest,
    )


def digest_of(data: Dataset, file: Path) -> str:
    """What tells one version of an input from another: the file and how it is prepared. Empty for an unreadable file."""
    try:
        content = hashlib.sha256((data.root / file).read_bytes())
    except OSError:
        return ""
    content.update(f"{data.rate} {data.mono}".encode() if data.rate or data.mono else b"")
    return content.hexdigest()[:16]


def ladder(choice: Choice, codec: Coder) -> tuple[str, ...]:
    """The qualities of a choice as texts."""
    return choice.qualities or tuple(f"{quality:g}" for quality in codec.qualities)


def tasks(plan: Plan, choices: Sequence[Choice], done: Iterable[Row]) -> list[Task]:
    """What is still to be done: rows are left as they are when input, codec, version and settings are the same."""
    current = {row.key: row for row in done if not row.error}
    codecs = [(choice, coder(choice, plan.data.kind, plan.ours)) for choice in choices]
    found = []
    for number, file in enumerate(plan.data.files):
        keep, digest = number < plan.keep, digest_of(plan.data, file)
        for choice, codec in codecs:
            rows = [blank(plan, choice, codec, file, digest, quality) for quality in ladder(choice, codec)]
            left = tuple(row.quality for row in rows if not _same(row, current.get(row.key), keep, plan.media))
            if left:
                found.append(Task(file, digest, choice, left, keep))
    return found


def _same(row: Row, before: Row | None, keep: bool, folder: Path) -> bool:
    """Whether a row was measured before under the same conditions, and its media are there."""
    if before is None or any(getattr(row, name) != getattr(before, name) for name in ("digest", "version", "settings")):
        return False
    return not keep or bool(before.decoded and (folder.parent / before.decoded).exists())


def work(plan: Plan, todo: Sequence[Task]) -> Iterator[list[Row]]:
    """Rows as they are finished, one list for every task."""
    if plan.jobs == 1:
        _settle(plan.threads)
        yield from (perform(plan, task) for task in todo)
        return
    with ProcessPoolExecutor(plan.jobs, get_context("spawn"), _settle, (plan.threads,)) as pool:
        futures = [pool.submit(perform, plan, task) for task in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise UsageError(
                "a process of the evaluation died, perhaps for want of memory; start again to go on"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _settle(threads: int) -> None:
    """Prepare a process."""
    torch.set_num_threads(threads)


def perform(plan: Plan, task: Task) -> list[Row]:
    """The rows of one task; what fails becomes the error of its row."""
    codec = coder(task.choice, plan.data.kind, plan.ours)
    rows = [blank(plan, task.choice, codec, task.file, task.digest, quality) for quality in task.qualities]
    try:
        signal = plan.data.read(task.file)
    except EXPECTED as error:
        return [replace(row, error=_sentence(error)) for row in rows]
    rows = [replace(row, **described(signal)) for row in rows]
    original = ""
    if task.keep:
        original = _keep(plan.media, f"{_stem(task.file)}{KEPT[plan.data.kind]}", signal)
    found = []
    for row in rows:
        try:
            found.append(replace(measured(plan, task, codec, signal, row), original=original))
        except EXPECTED as error:
            found.append(replace(row, error=_sentence(error)))
    return found


def measured(plan: Plan, task: Task, codec: Coder, signal: Signal, row: Row) -> Row:
    """Encode to a file, decode from it, compare."""
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        path = Path(folder) / f"coded{codec.suffix}"
        machine.reset_peak()
        begin = time.perf_counter()
        codec.encode(signal, float(row.quality), path)
        middle = time.perf_counter()
        decoded = codec.decode(path)
        end = time.perf_counter()
        peak, size = machine.peak(), path.stat().st_size
    decoded = fitted(signal, decoded)
    kept = ""
    if task.keep:
        name = f"{_stem(task.file)}.{_plain(task.choice.text)}.{row.quality}{KEPT[plan.data.kind]}"
        kept = _keep(plan.media, name, decoded)
    return replace(
        row,
        bytes=size,
        encode_seconds=middle - begin,
        decode_seconds=end - middle,
        peak_mib=peak,
        decoded=kept,
        **rates(signal, size),
        **judge(signal, decoded, plan.metrics),
    )


def described(signal: Signal) -> dict[str, int | float]:
    """The size of a signal, by column."""
    if isinstance(signal, Sound):
        channels, samples = signal.samples.shape
        return {"rate": float(signal.rate), "channels": channels, "seconds": samples / signal.rate}
    if isinstance(signal, Picture):
        height, width, planes = signal.pixels.shape
        return {"width": width, "height": height, "channels": planes}
    frames, height, width, _ = signal.frames.shape
    rate = float(signal.rate)
    return {"width": width, "height": height, "frames": frames, "rate": rate, "seconds": frames / rate}


def rates(signal: Signal, size: int) -> dict[str, float]:
    """Bits per pixel and kbit/s of a file of `size` bytes, as far as they apply."""
    found = {}
    if not isinstance(signal, Sound):
        pixels = signal.pixels[..., 0].size if isinstance(signal, Picture) else signal.frames[..., 0].size
        found["bpp"] = 8 * size / pixels
    if not isinstance(signal, Picture):
        found["kbps"] = 8e-3 * size / described(signal)["seconds"]
    return found


def _keep(folder: Path, name: str, signal: Signal) -> str:
    """Write media beside the table; their path relative to the table's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    media.write(folder / name, signal, force=True)
    return f"{folder.name}/{name}"


def _stem(file: Path) -> str:
    """A file name for a path below the data set."""
    return _plain(file.as_posix().rpartition(".")[0] or file.name)


def _plain(text: str) -> str:
    """A text as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text)


def _sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    return (console.sentence(error) or type(error).__name__).partition("\n")[0]


Report = Callable[[float, str], None]


def collect(
    plan: Plan, choices: Sequence[Choice], before: Sequence[Row], save: Callable[[list[Row]], None], report: Report
) -> list[Row]:
    """Do what is left to do and return all rows; `save` is called from time to time, and at the end whatever happens."""
    rows = {row.key: row for row in before}
    todo = tasks(plan, choices, before)
    total, done, saved = sum(len(task.qualities) for task in todo), 0, 0.0
    report(0.0, f"{total} of {total} left")
    try:
        for found in work(plan, todo):
            rows |= {row.key: row for row in found}
            done += len(found)
            report(done / total, f"{total - done} of {total} left")
            if not saved or time.monotonic() - saved > SAVE:
                save(list(rows.values()))
                saved = time.monotonic()
    finally:
        save(list(rows.values()))
    return list(rows.values())
