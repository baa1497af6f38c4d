"""Metadata: a JSON object of strings that may be removed without changing what a file yields."""

import json
from collections.abc import Mapping
from typing import cast

from .errors import Malformed


def pack_metadata(values: Mapping[str, object]) -> bytes:
    """Spell metadata: keys sorted, no spaces, UTF-8; raises Malformed for anything but strings that UTF-8 can hold."""
    for text in (*values.keys(), *values.values()):
        if not isinstance(text, str):
            raise Malformed("Metadata holds strings only.")
    try:
        return json.dumps(dict(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("Metadata holds a lone surrogate, which is no character.") from None


def _flat(pairs: list[tuple[str, object]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for key, value in pairs:
        if not isinstance(value, str):
            raise Malformed("A value in the metadata is not a string.")
        if key in values:
            raise Malformed("A key stands twice in the metadata.")
        values[key] = value
    return values


def parse_metadata(payload: bytes | bytearray, base: int) -> dict[str, str]:
    """Read the payload of an m chunk whose first byte stands at `base`; raises Malformed."""
    try:
        found: object = json.loads(payload.decode("utf-8"), object_pairs_hook=_flat)
        if not isinstance(found, dict):
            raise Malformed("The metadata is not a JSON object.")
        values = cast(dict[str, str], found)  # `_flat` made it
        pack_metadata(values)  # refuses lone surrogates, which JSON's escapes can spell
    except Malformed as error:
        raise error.located(base) from None
    except (ValueError, RecursionError):
        raise Malformed("The metadata is not JSON in UTF-8.", base) from None
    return values
