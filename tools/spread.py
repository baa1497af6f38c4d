"""Parts of one encoding that need nothing of each other, carried out by processes of this machine or a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import console, engines
from .errors import UsageError


@dataclass(frozen=True)
class Task:
    """Call number `number` of a function that can be imported, with an argument that can be pickled."""

    number: int
    function: Callable[[Any], Any]
    argument: Any


@dataclass(frozen=True)
class Result:
    """What a call gave, or its error as one sentence."""

    value: Any = None
    error: str = ""


def perform(task: Task) -> Result:
    """Carry out one task."""
    try:
        return Result(task.function(task.argument))
    except engines.EXPECTED as error:
        return Result(error=console.sentence(error).partition("\n")[0] or type(error).__name__)


class Workers:
    """Calls a function for every argument, `count` at a time by an engine of batches.

    Args:
        count: processes, or tasks on the cluster.
        engine: "local" or "ray".
    """

    def __init__(self, count: int, engine: str = "local") -> None:
        self.count, self.engine = count, engine

    def __call__(self, function: Callable[[Any], Any], arguments: Sequence[Any]) -> Iterator[Any]:
        """The results in the order of the arguments; raises UsageError for a call that failed or whose process died."""
        tasks = [Task(number, function, argument) for number, argument in enumerate(arguments)]
        done: dict[int, Any] = {}
        first = 0
        for task, result in engines.ENGINES[self.engine](tasks, min(self.count, len(tasks)), perform):
            if result.error:
                raise UsageError(result.error)
            done[task.number] = result.value
            while first in done:
                yield done.pop(first)
                first += 1
