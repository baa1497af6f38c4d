"""Batches: all media files below a folder are encoded, or all .trip files decoded; the same command goes on where one ended."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bitstream import AudioMedia, Reader, VideoMedia
from ..bitstream.errors import TripError
from . import console, engines
from .errors import UsageError
from .files import reason
from .manifest import Manifest, Record

PLACES = {
    "command",
    "input",
    "output",
    "batch",
    "jobs",
    "engine",
    "force",
    "memory",
    "resume",
}  # arguments that change no output
SUFFIX = ".trip"
FIT = ".fit"  # added to the name of an output, that of an interrupted fit
HEAD = 4096  # bytes that tell what a file is
FAILED = 1
WORDS = {"encode": "encoded", "decode": "decoded"}


@dataclass(frozen=True)
class Pair:
    """An input and where its output belongs, both below their folders; or the reason why there is none."""

    source: Path
    target: Path
    error: str = ""


def run(arguments: argparse.Namespace, command: str) -> None:
    """Carry out a batch; raises SystemExit(1) where files failed."""
    source, target = _folders(arguments)
    options, failures, todo, kept = _options(arguments, command), {}, [], 0
    with Manifest(target) as manifest:
        for pair in _pairs(source, target, command):
            name, before = pair.source.as_posix(), manifest.records.get(pair.source.as_posix())
            try:
                record = _record(source, pair, options)
                if before is not None and _up_to_date(before, record, source, target):
                    kept += 1
                    continue
                _may_be_written(target, pair, before, arguments.force)
            except UsageError as error:
                failures[name] = str(error)
                continue
            todo.append(
                (record, engines.Item(name, command, _alone(arguments, source / pair.source, target / pair.target)))
            )
        failures |= _work(arguments, todo, manifest, f"{source}{os.sep}")
    made = len(todo) - len(failures.keys() & {record.input for record, _ in todo})
    print(f"{WORDS[command]} {made} files, {kept} were up to date, {len(failures)} failed")
    for name in sorted(failures):
        print(f"triptych: {_named(name, failures[name])}", file=sys.stderr)
    if failures:
        raise SystemExit(FAILED)


def _work(
    arguments: argparse.Namespace, todo: list[tuple[Record, engines.Item]], manifest: Manifest, folder: str
) -> dict[str, str]:
    """Let the engine make what is to be made; the errors by input."""
    failures, records = {}, {item.name: record for record, item in todo}

    for record, _ in todo:
        manifest.add(record)  # an output that is there without its digest is one of ours, left by a process that died
    with console.progress_bar() as progress:
        engine = engines.ENGINES[arguments.engine or "local"]
        results = engine([item for _, item in todo], arguments.jobs or engines.processors())
        for count, (item, done) in enumerate(results, 1):
            for line in done.notes:
                print(line.replace(folder, ""), file=sys.stderr)
            if done.error:
                failures[item.name] = done.error.replace(folder, "")
            else:
                manifest.add(replace(records[item.name], digest=done.digest, made=done.made))
            progress(count / len(todo), f"{count} of {len(todo)} files")
    return failures


def _named(name: str, error: str) -> str:
    """A failure with the file that it is about in front."""
    return error if error.startswith(name) else f"{name}: {error}"


def _folders(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The folders of inputs and outputs, absolute; that of the outputs is made."""
    if arguments.output is None:
        raise UsageError("--batch needs two folders, IN and OUT")
    source, target = Path(arguments.input).resolve(), Path(arguments.output).resolve()
    if not source.is_dir():
        raise UsageError(f"{arguments.input}: {'is not a folder' if source.exists() else 'no such folder'}")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{arguments.output}: the folder cannot be made ({reason(error)})") from error
    return source, target


def _options(arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """What decides the content of outputs: the arguments, and the weights that ship or the file with others."""
    from ..weights import entries

    found = {name: value for name, value in vars(arguments).items() if name not in PLACES}
    if found["weights"] is None and command == "decode":
        pass  # each file names its own
    elif found["weights"] is None:
        found["weights"] = sorted(entry.digest[:16] for entry in entries() if entry.default)
    elif shipped := [
        entry.digest[:16] for entry in entries() if entry.default and entry.variant == str(found["weights"])
    ]:
        found["weights"] = sorted(shipped)
    elif not found["weights"].is_file():
        raise UsageError(f"{found['weights']}: no such file")
    else:
        found["weights"] = engines.digest(found["weights"])
    return json.loads(json.dumps(found))  # as it comes back from the manifest


def _pairs(source: Path, target: Path, command: str) -> list[Pair]:
    """Inputs and outputs in order; where two inputs differ in their suffix only, the outputs keep it."""
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    inputs = [path.relative_to(source) for path in paths if source == target or target not in path.parents]
    inputs = [path for path in inputs if not any(part.startswith(".") for part in path.parts)]
    find = _encoded if command == "encode" else _decoded
    pairs = [pair for pair in (find(source, path) for path in inputs) if pair is not None]
    for rename in (True, False):
        count = Counter(pair.target for pair in pairs if not pair.error)
        clashes = [at for at, pair in enumerate(pairs) if not pair.error and count[pair.target] > 1]
        for at in clashes:
            pair = pairs[at]
            longer = pair.source.with_name(pair.source.name + pair.target.suffix)
            error = "" if rename else f"{pair.source}: another input has the output {pair.target} too"
            pairs[at] = Pair(pair.source, longer if rename else pair.target, error)
    return pairs


def _encoded(folder: Path, path: Path) -> Pair | None:
    """A media file and its .trip file; None for other files."""
    from . import media
    from .errors import MediaError

    named = path.suffix.lower() in {suffix for suffixes, _ in media.WRITERS.values() for suffix in suffixes}
    try:
        with (folder / path).open("rb") as stream:
            kind = media.recognise(stream.read(HEAD), path.name)
    except MediaError as error:
        return Pair(path, path, str(error)) if named else None
    except OSError as error:
        return Pair(path, path, f"{path}: cannot be read ({reason(error)})")
    return Pair(path, path.with_suffix(SUFFIX)) if kind is not None or named else None


def _decoded(folder: Path, path: Path) -> Pair | None:
    """A .trip file and the media file that it becomes; None for other files."""
    if path.suffix.lower() != SUFFIX:
        return None
    try:
        with (folder / path).open("rb") as stream:
            kinds = {type(track.media) for track in Reader(stream).tracks}
    except TripError as error:
        return Pair(path, path, console.sentence(error))
    except OSError as error:
        return Pair(path, path, f"{path}: cannot be read ({reason(error)})")
    return Pair(path, path.with_suffix(".mp4" if VideoMedia in kinds else ".wav" if AudioMedia in kinds else ".png"))


def _record(source: Path, pair: Pair, options: Mapping[str, Any]) -> Record:
    """What will stand in the manifest when the work is begun; raises UsageError for a pair without output."""
    if pair.error:
        raise UsageError(pair.error)
    try:
        state = (source / pair.source).stat()
    except OSError as error:
        raise UsageError(f"{pair.source}: cannot be read ({reason(error)})") from error
    names = pair.source.as_posix(), pair.target.as_posix()
    return Record(names[0], state.st_size, state.st_mtime_ns, "", options, names[1], "")


def _up_to_date(before: Record, now: Record, source: Path, target: Path) -> bool:
    """Whether an output is there that was made of the same input with the same options, and nothing changed since."""
    if not before.made or (before.options, before.output, before.size) != (now.options, now.output, now.size):
        return False
    try:
        same = before.mtime == now.mtime or engines.digest(source / now.input) == before.digest
        return same and engines.digest(target / now.output) == before.made
    except OSError:
        return False


def _may_be_written(target: Path, pair: Pair, before: Record | None, force: bool) -> None:
    """Refuse to replace what no batch has made, and make the folder; raises UsageError."""
    path = target / pair.target
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not force:
            ours = before is not None and before.output == pair.target.as_posix()
            if not ours or (before.made and engines.digest(path) != before.made):
                raise UsageError(f"{pair.source}: {pair.target} exists already and is no output of this batch"
                                 " (--force overwrites it)")  # fmt: skip
    except OSError as error:
        raise UsageError(f"{pair.source}: {pair.target} cannot be written ({reason(error)})") from error


def _alone(arguments: argparse.Namespace, source: Path, target: Path) -> argparse.Namespace:
    """The arguments of the command for one file."""
    interrupted = target.with_name(target.name + FIT).exists()
    values = vars(arguments) | {"input": str(source), "output": str(target), "force": True, "resume": interrupted}
    if values["weights"] is not None and values["weights"].is_file():  # it may be the name of a variant
        values["weights"] = values["weights"].resolve()
    return argparse.Namespace(**values | {"batch": False, "jobs": None, "engine": None})
