"""Codec names: which class stands behind each, imported only when asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..bitstream.errors import UnknownCodec

CODECS: Mapping[str, str] = {
    "image/patch": "image.patch:PatchCodec",
    "image/overfit": "image.overfit:OverfitCodec",
    "image/slices": "image.slices:SlicesCodec",
    "image/circuit": "image.circuit:CircuitCodec",
    "audio/mdct-rvq": "audio.mdct_rvq:MdctRvqCodec",
    "audio/seanet-rvq": "audio.seanet_rvq:SeanetRvqCodec",
    "audio/hifi-codec": "audio.hifi_codec:HifiCodec",
    "audio/language-codec": "audio.language_codec:LanguageCodec",
    "audio/wavtokenizer": "audio.wavtokenizer:WavTokenizer",
    "video/hnerv": "video.systems:HnervCodec",
    "video/nerv": "video.systems:NervIndexCodec",
    "video/e-nerv": "video.systems:ENervCodec",
    "video/nerv-plus-plus": "video.systems:NervPlusPlusCodec",
    "video/boosting-nerv": "video.systems:BoostingNervCodec",
    "video/boosting-e-nerv": "video.systems:BoostingENervCodec",
    "video/boosting-hnerv": "video.systems:BoostingHnervCodec",
    "video/stem": "video.stem:StemCodec",
}
DEFAULTS: Mapping[str, str] = {"image": "image/patch", "audio": "audio/mdct-rvq", "video": "video/hnerv"}


@dataclass(frozen=True)
class Family:
    """Codecs that another package implements and publishes; their names are below one prefix.

    Attributes:
        kind: of all its codecs.
        place: "module:function" that gives the class of a name.
        pattern: what a name looks like.
        form: the same for people.
        package: what must be installed, also the name of the extra.
        names: those that are known beforehand.
    """

    kind: str
    place: str
    pattern: re.Pattern[str]
    form: str
    package: str
    names: tuple[str, ...] = ()


MSSSIM = "-msssim"  # ends the names of those models of CompressAI that were trained for MS-SSIM
_ZOO = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018", "cheng2020-anchor", "cheng2020-attn")
COMPRESSAI = (
    *(f"compressai/{model}" for model in (*_ZOO, "bmshj2018-factorized-relu")),
    *(f"compressai/{model}{MSSSIM}" for model in _ZOO),
)
_PART = "[a-z0-9]+(?:[-_.][a-z0-9]+)*"
FAMILIES: Mapping[str, Family] = {
    "compressai": Family(
        "image",
        "image.compressai:named",
        re.compile("|".join(map(re.escape, COMPRESSAI))),
        "compressai/<model>",
        "compressai",
        COMPRESSAI,
    ),
    "hf": Family(
        "audio",
        "audio.transformers:named",
        re.compile(f"(?=.{{1,64}}$)hf/{_PART}/{_PART}", re.ASCII),
        "hf/<owner>/<model>",
        "transformers",
    ),
}


def family_of(name: str) -> Family | None:
    """The family of a codec of another package; None for the codecs of this one. Raises UnknownCodec."""
    if name in CODECS:
        return None
    family = FAMILIES.get(name.partition("/")[0])
    if family is None:
        known = [*CODECS, *(family.form for family in FAMILIES.values())]
        raise UnknownCodec(f"no codec is called {name}; there are {', '.join(known)}")
    if not family.pattern.fullmatch(name):
        names = ", ".join(family.names) or f"{family.form} in up to 64 small letters, digits, hyphens, '_' and '.'"
        raise UnknownCodec(f"no codec is called {name}; there are {names}")
    return family


def kind_of(name: str) -> str:
    """ "image", "audio" or "video": what a codec is made for; imports nothing. Raises UnknownCodec."""
    family = family_of(name)
    return name.partition("/")[0] if family is None else family.kind


def codec_class(name: str) -> type:
    """The class of a codec by its name; raises UnknownCodec."""
    family = family_of(name)
    module, _, attribute = (CODECS[name] if family is None else family.place).partition(":")
    found = getattr(import_module(f".{module}", __package__), attribute)
    return found if family is None else found(name)


def build(name: str, config: Mapping[str, Any], largest: int | None = None) -> Any:
    """A codec with fresh networks from its name and the fields of its configuration; raises UnknownCodec, Malformed.

    `largest` bounds the whole numbers of a configuration that nobody trusts.
    """
    from .settings import checked

    cls = codec_class(name)
    return cls(cls.Config(**checked(name, cls.Config, config, largest)))
