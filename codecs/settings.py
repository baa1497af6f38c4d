"""Configurations that come from a file: their fields, types and sizes are checked before a network is made of them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ..bitstream.errors import Malformed

FREE = ("rate",)  # numbers that no tensor grows with
LARGEST = 2048  # of any other number, unless a tensor of the weights is larger
ENTRIES, LETTERS = 64, 64  # of a list, of a word
SPARE, TIMES = 1 << 22, 16  # parameters that a network may have beyond those of its file: those for training only


def checked(name: str, config_class: type, config: Mapping[str, Any], largest: int | None = None) -> dict[str, Any]:
    """The fields of a configuration as the class takes them; raises Malformed where they are not such.

    `largest` bounds whole numbers; None does not.
    """
    known = {field.name: field.default for field in fields(config_class)}
    if not isinstance(config, Mapping) or set(config) - set(known):
        raise Malformed(
            f"the configuration of {name} has unknown fields: {', '.join(sorted(set(config) - set(known)))}"
        )
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    for key, value in values.items():
        bound = math.inf if largest is None or key in FREE else largest
        if known[key] is not MISSING and not _like(known[key], value, bound):
            raise Malformed(f"the configuration of {name} has a value that cannot be for {key}: {str(value)[:40]}")
    return values


def _like(default: object, value: object, largest: float) -> bool:
    """Whether a value is of the type of a default and within bounds."""
    if isinstance(default, tuple):
        fitting = isinstance(value, tuple) and len(value) <= ENTRIES
        return fitting and (not default or all(_like(default[0], entry, largest) for entry in value))
    if default is None:
        return value is None or any(_like(kind, value, largest) for kind in (False, 0, 0.0, ""))
    if isinstance(default, bool | str):
        return type(value) is type(default) and (not isinstance(value, str) or len(value) <= LETTERS)
    if isinstance(default, int):
        return type(value) is int and abs(value) <= largest
    if isinstance(default, float):
        return type(value) in (int, float) and abs(value) <= 2**64
    return True


@contextmanager
def bounded(elements: int) -> Iterator[None]:
    """Stop the making of a network once it has far more parameters than a file of so many numbers; raises Malformed."""
    most, found = TIMES * elements + SPARE, 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal found
        found += 0 if parameter is None else parameter.numel()
        if found > most:
            raise Malformed("the configuration describes a much larger network than the file holds")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
