"""What a track yields: the media fields of a header, as values and as bytes."""

from dataclasses import dataclass
from math import gcd, prod

from . import varint
from .cursor import Cursor
from .errors import Malformed, OverLimit
from .limits import Limits


def require(condition: bool, message: str) -> None:
    """Raise Malformed with `message` unless `condition` holds."""
    if not condition:
        raise Malformed(message)


@dataclass(frozen=True)
class SampleFormat:
    """Form of a picture's samples: depth 1..16 bits, 1 or 3 planes, and whether an alpha plane follows them."""

    depth: int = 8
    planes: int = 3
    alpha: bool = False

    def __post_init__(self) -> None:
        require(1 <= self.depth <= 16, f"A sample has {self.depth} bits; 1 to 16 are possible.")
        require(self.planes in (1, 3), f"A picture has {self.planes} planes; 1 or 3 are possible.")


@dataclass(frozen=True)
class Colour:
    """Colour of the decoded samples by the code points of ITU-T H.273, each 0..255."""

    primaries: int
    transfer: int
    matrix: int
    full_range: bool

    def __post_init__(self) -> None:
        for value in (self.primaries, self.transfer, self.matrix):
            require(0 <= value <= 255, f"The colour code point {value} is outside 0 to 255.")


SRGB = Colour(1, 13, 0, True)  # what None means for an image
BT709 = Colour(1, 1, 0, True)  # what None means for a video: R'G'B' of BT.709


def _require_picture(width: int, height: int, colour: Colour | None, default: Colour) -> None:
    require(width >= 1 and height >= 1, f"A picture of {width} x {height} has no pixels.")
    require(colour != default, "The default colour is written as None: each file has one spelling.")


@dataclass(frozen=True)
class ImageMedia:
    """A still image of width x height pixels; colour None stands for sRGB."""

    width: int
    height: int
    sample_format: SampleFormat = SampleFormat()
    colour: Colour | None = None

    def __post_init__(self) -> None:
        _require_picture(self.width, self.height, self.colour, SRGB)


@dataclass(frozen=True)
class AudioMedia:
    """Sound: sample_rate in Hz; all other counts are samples per channel, except preroll, which counts units.

    Of what a decoder makes the first `skip` samples of the track are dropped; a unit yields at most samples_per_unit;
    after a seek `preroll` units are decoded and dropped first. `total` is None where it was not known when writing.
    """

    sample_rate: int
    channels: int
    samples_per_unit: int
    skip: int = 0
    preroll: int = 0
    total: int | None = None

    def __post_init__(self) -> None:
        for name in ("sample_rate", "channels", "samples_per_unit"):
            require(getattr(self, name) >= 1, f"The field {name} is {getattr(self, name)}; it must be at least 1.")


@dataclass(frozen=True)
class VideoMedia:
    """Moving pictures: rate is frames per second as a reduced fraction (numerator, denominator).

    A unit yields at most frames_per_unit frames; `total` frames is None where it was not known when writing; colour
    None stands for BT.709 primaries and transfer.
    """

    width: int
    height: int
    sample_format: SampleFormat
    colour: Colour | None
    rate: tuple[int, int]
    frames_per_unit: int
    total: int | None = None

    def __post_init__(self) -> None:
        _require_picture(self.width, self.height, self.colour, BT709)
        top, bottom = self.rate
        require(
            top >= 1 and bottom >= 1 and gcd(top, bottom) == 1,
            f"The frame rate {top}/{bottom} is not a reduced fraction.",
        )
        require(self.frames_per_unit >= 1, "A unit of a video must be able to hold a frame.")


ELEMENTS = ("float32", "float16", "bfloat16")
AXES = 8


@dataclass(frozen=True)
class TensorMedia:
    """An array of numbers: 1 to 8 sides of at least 1, first axis slowest, and the type of its elements, one of ELEMENTS."""

    shape: tuple[int, ...]
    element: str = "float32"

    def __post_init__(self) -> None:
        require(1 <= len(self.shape) <= AXES, f"A tensor has {len(self.shape)} axes; 1 to {AXES} are possible.")
        require(min(self.shape) >= 1, "A tensor has at least one element.")
        require(self.element in ELEMENTS, f"A tensor has no elements of type {self.element}.")


Media = ImageMedia | AudioMedia | VideoMedia | TensorMedia
WHOLE = (ImageMedia, TensorMedia)  # media whose units count no outputs and are key units all of them


def per_unit(media: Media) -> int | None:
    """Outputs that one unit yields at most; None for images and tensors, which do not count them."""
    if isinstance(media, AudioMedia):
        return media.samples_per_unit
    return media.frames_per_unit if isinstance(media, VideoMedia) else None


def check_limits(media: Media, limits: Limits) -> None:
    """Raise OverLimit where the media fields alone exceed the limits."""
    bounds: list[tuple[str, int, int]] = []
    if isinstance(media, AudioMedia):
        bounds.append(("channels", media.channels, limits.channels))
        bounds.append(("samples in a unit", media.samples_per_unit * media.channels, limits.samples))
    elif isinstance(media, TensorMedia):
        bounds.append(("elements", prod(media.shape), limits.elements))
    else:
        bounds.append(("pixels", media.width * media.height, limits.pixels))
    if isinstance(media, VideoMedia):
        bounds.append(("frames in a unit", media.frames_per_unit, limits.frames))
    for what, value, bound in bounds:
        if value > bound:
            raise OverLimit(f"The track declares {value} {what}; the limit is {bound}.")


def _pack_total(total: int | None) -> bytes:
    return varint.encode(0 if total is None else total + 1)


def _pack_picture(media: ImageMedia | VideoMedia) -> bytes:
    form = media.sample_format
    colour = bytes(1)
    if media.colour is not None:
        named = media.colour
        colour = bytes((1, named.primaries, named.transfer, named.matrix, named.full_range))
    packed_form = form.depth - 1 | (form.planes == 3) << 4 | form.alpha << 5
    return varint.encode(media.width) + varint.encode(media.height) + bytes((packed_form,)) + colour


def pack_media(media: Media) -> bytes:
    """Spell the media kind and its fields."""
    if isinstance(media, AudioMedia):
        numbers = (media.sample_rate, media.channels, media.samples_per_unit, media.skip, media.preroll)
        return b"\x01" + b"".join(map(varint.encode, numbers)) + _pack_total(media.total)
    if isinstance(media, VideoMedia):
        numbers = (*media.rate, media.frames_per_unit)
        return b"\x02" + _pack_picture(media) + b"".join(map(varint.encode, numbers)) + _pack_total(media.total)
    if isinstance(media, TensorMedia):
        fields = bytes((3, ELEMENTS.index(media.element))) + varint.encode(len(media.shape))
        return fields + b"".join(map(varint.encode, media.shape))
    return b"\x00" + _pack_picture(media)


def _parse_total(cursor: Cursor) -> int | None:
    total = cursor.number()
    return total - 1 if total else None


def _parse_picture(cursor: Cursor) -> tuple[int, int, SampleFormat, Colour | None]:
    width, height = cursor.number(), cursor.number()
    packed = cursor.flags(0x3F, "sample format")
    form = SampleFormat((packed & 15) + 1, 3 if packed & 16 else 1, bool(packed & 32))
    if not cursor.flags(1, "colour"):
        return width, height, form, None
    primaries, transfer, matrix = cursor.take(3)
    return width, height, form, Colour(primaries, transfer, matrix, bool(cursor.flags(1, "colour range")))


def _parse_tensor(cursor: Cursor) -> TensorMedia:
    element, axes = cursor.byte(), cursor.number()
    require(element < len(ELEMENTS), f"The element type {element} has no meaning in this version.")
    require(1 <= axes <= AXES, f"A tensor has {axes} axes; 1 to {AXES} are possible.")
    return TensorMedia(tuple(cursor.number() for _ in range(axes)), ELEMENTS[element])


def parse_media(cursor: Cursor) -> Media:
    """Read the media kind and its fields; raises Malformed."""
    start, kind = cursor.offset, cursor.byte()
    if kind == 1:
        rate, channels, samples, skip, preroll = (cursor.number() for _ in range(5))
        return AudioMedia(rate, channels, samples, skip, preroll, _parse_total(cursor))
    if kind == 2:
        width, height, form, colour = _parse_picture(cursor)
        rate = cursor.number(), cursor.number()
        return VideoMedia(width, height, form, colour, rate, cursor.number(), _parse_total(cursor))
    if kind == 3:
        return _parse_tensor(cursor)
    if kind:
        raise Malformed(f"The media kind {kind} has no meaning in this version.", start)
    return ImageMedia(*_parse_picture(cursor))
