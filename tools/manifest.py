"""The manifest of a batch: one JSON object per line says what was made of which input, so that a batch can go on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .errors import UsageError
from .files import reason, whole

NAME = "triptych-batch.jsonl"


@dataclass(frozen=True)
class Record:
    """One input and its output.

    Attributes:
        input: path below the folder of inputs, with slashes.
        size: of the input in bytes.
        mtime: when the input was changed last, in nanoseconds.
        digest: SHA-256 of the input in hex; empty while the work is under way.
        options: those that decide what the output holds.
        output: path below the folder of outputs.
        made: SHA-256 of the output in hex; empty while the work is under way.
    """

    input: str
    size: int
    mtime: int
    digest: str
    options: Mapping[str, Any]
    output: str
    made: str


class Manifest:
    """The records in a folder by input; entering it opens the file, and what is added stands on disk at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.records = {record.input: record for record in _read(self._path)}

    def __enter__(self) -> Self:
        with whole(self._path, force=True) as temporary:  # without old lines and a last one that is torn
            temporary.write_text("".join(map(_line, self.records.values())), encoding="utf-8")
        self._stream = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def add(self, record: Record) -> None:
        """Append a record, which replaces an earlier one of the same input."""
        self.records[record.input] = record
        self._stream.write(_line(record))
        self._stream.flush()


def _line(record: Record) -> str:
    return json.dumps(asdict(record), sort_keys=True) + "\n"


def _read(path: Path) -> list[Record]:
    """The records of a file; a line that is none, such as one cut short by a crash, is passed over."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({reason(error)})") from error
    names, found = {field.name for field in fields(Record)}, []
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and set(values) == names:
            found.append(Record(**values))
    return found
