"""Bytes to files and back: the .trip container."""

from .errors import (
    Damaged,
    Malformed,
    MissingDependency,
    NotOurs,
    OverLimit,
    SymbolMismatch,
    TooNew,
    TripError,
    Truncated,
    UnknownCodec,
    UnknownCritical,
    WrongModel,
)
from .header import MAGIC, OWN_NETWORK, VERSION, Track
from .index import Entry, Index
from .items import Unit, WeightGroup, Weights
from .limits import Limits
from .media import AudioMedia, Colour, ImageMedia, SampleFormat, TensorMedia, VideoMedia
from .reader import Reader
from .writer import Writer

__all__ = [
    "MAGIC",
    "OWN_NETWORK",
    "VERSION",
    "AudioMedia",
    "Colour",
    "Damaged",
    "Entry",
    "ImageMedia",
    "Index",
    "Limits",
    "Malformed",
    "MissingDependency",
    "NotOurs",
    "OverLimit",
    "Reader",
    "SampleFormat",
    "SymbolMismatch",
    "TensorMedia",
    "TooNew",
    "Track",
    "TripError",
    "Truncated",
    "Unit",
    "UnknownCodec",
    "UnknownCritical",
    "VideoMedia",
    "WeightGroup",
    "Weights",
    "Writer",
    "WrongModel",
]
