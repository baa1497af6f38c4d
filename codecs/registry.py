"""Codec names: which class stands behind each, imported only when asked for."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from ..bitstream.errors import Malformed, UnknownCodec

CODECS: Mapping[str, str] = {
    "image/patch": "image.patch:PatchCodec",
    "audio/mdct-rvq": "audio.mdct_rvq:MdctRvqCodec",
    "video/hnerv": "video.hnerv:HnervCodec",
}
DEFAULTS: Mapping[str, str] = {"image": "image/patch", "audio": "audio/mdct-rvq", "video": "video/hnerv"}


def codec_class(name: str) -> type:
    """The class of a codec by its name; raises UnknownCodec."""
    if name not in CODECS:
        raise UnknownCodec(f"no codec is called {name}; there are {', '.join(CODECS)}")
    module, _, attribute = CODECS[name].partition(":")
    return getattr(import_module(f".{module}", __package__), attribute)


def build(name: str, config: Mapping[str, Any]) -> Any:
    """A codec with fresh networks from its name and the fields of its configuration; raises UnknownCodec, Malformed."""
    cls = codec_class(name)
    known = {field.name for field in fields(cls.Config)}
    if set(config) - known:
        raise Malformed(f"the configuration of {name} has unknown fields: {', '.join(sorted(set(config) - known))}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return cls(cls.Config(**values))
