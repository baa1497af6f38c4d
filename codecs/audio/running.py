"""Values that change little from frame to frame, coded as steps whose tables follow from what came before."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...bitstream.errors import Malformed
from ...entropy import Coder, Tables


@dataclass(frozen=True)
class Running:
    """Tables of steps, chosen by the step before and by the value before.

    Attributes:
        tables: row 0 for the first value of a unit, for others 1 + class of the step * (classes of values) + class of the value.
        class_of_step: of steps from - (values - 1) to values - 1, int32 [2 * values - 1].
        class_of_value: int32 [values].
    """

    tables: Tables
    class_of_step: np.ndarray
    class_of_value: np.ndarray

    def __post_init__(self) -> None:
        steps, values = int(self.class_of_step.max()) + 1, int(self.class_of_value.max()) + 1
        if len(self.class_of_step) != 2 * len(self.class_of_value) - 1 or len(self.tables) != 1 + steps * values:
            raise ValueError("the classes of running values do not fit their tables")

    def rows(self, step: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Rows after a step to a value, int [...] each."""
        most = len(self.class_of_value)
        return 1 + self.class_of_step[step + most - 1] * (self.class_of_value.max() + 1) + self.class_of_value[value]

    def code(self, coder: Coder, shape: tuple[int, int], values: np.ndarray | None = None) -> np.ndarray:
        """Code values int32 [channel, frame] of this shape, frame by frame; raises Malformed when a decoder meets others."""
        known, rows = np.zeros((shape[1] + 1, shape[0]), dtype=np.int64), np.zeros(shape[0], dtype=np.int64)
        for frame in range(shape[1]):
            before = known[frame]
            step = coder.code(None if values is None else values[:, frame] - before, self.tables.at(rows))
            now = known[frame + 1] = before + step
            if not 0 <= now.min() <= now.max() < len(self.class_of_value):
                raise Malformed("a gain or a number of codebooks leaves its range")
            rows = self.rows(step if frame else np.zeros_like(step), now)
        return known[1:].T.astype(np.int32)

    def state(self) -> dict[str, np.ndarray]:
        """As arrays for a weights file."""
        return self.tables.state() | {"class_of_step": self.class_of_step, "class_of_value": self.class_of_value}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> "Running":
        """The inverse of `state`; raises KeyError, ValueError."""
        return cls(Tables.from_state(dict(state)), state["class_of_step"], state["class_of_value"])
