"""Parts of pictures: what a crop shows, what is left of a damaged file."""

from collections.abc import Callable, Iterator, Sequence

from ..bitstream import Entry, ImageMedia, Reader, Truncated, Unit
from ..codecs.base import Codec
from ..codecs.signals import Crop, Picture
from .errors import UsageError


def decode(
    reader: Reader,
    codec: Codec,
    crop: Crop | None,
    salvage: Callable[[str], None] | None,
    fits: Callable[[int], None],
) -> Picture:
    """Decode a part of the picture in a file of one track.

    Args:
        reader: the file; in salvage mode with `salvage`.
        codec: that of its track.
        crop: the part; None for all of it. Where the file can seek, only the units of its tiles are read.
        salvage: decode what is left of a damaged file, and call this with a sentence for each thing that is not.
        fits: called with the bytes needed before anything is decoded.

    Raises:
        UsageError: no picture, a crop that does not lie inside it, or nothing to salvage because it is no tiled codec.
        TripError: the tiles needed cannot be decoded.
    """
    track = reader.tracks[0]
    if not isinstance(track.media, ImageMedia):
        raise UsageError("only a part of a picture can be decoded, and the file holds none")
    whole = Crop(0, 0, track.media.width, track.media.height)
    part = _inside(whole, crop or whole)
    region = codec.region(track, whole if salvage else part)
    if region is None and salvage:
        raise UsageError(f"pictures of {codec.id} have no tiles of which some could be left")
    fits(codec.memory(track) if region is None else region[1])
    if region is None:
        return _cut(codec.decode(track, list(reader)), part)
    if salvage is None:
        return codec.decode(track, _units(reader, region[0]), part)
    picture = codec.decode(track, reader, salvage=True)
    for problem in reader.problems:
        salvage(str(problem))
    return _cut(picture, part)


def _inside(whole: Crop, crop: Crop) -> Crop:
    """Refuse a crop that has no pixels or pixels outside the picture."""
    right, bottom = crop.x + crop.width, crop.y + crop.height
    if min(crop) < 0 or not crop.width or not crop.height or right > whole.width or bottom > whole.height:
        size = f"{whole.width} x {whole.height}"
        raise UsageError(f"the crop {','.join(map(str, crop))} does not lie inside the picture of {size} pixels")
    return crop


def _units(reader: Reader, numbers: Sequence[int]) -> Iterator[Unit]:
    """The units of some numbers, ascending; the others are not read where the file can seek."""
    if not reader.seekable:
        wanted, units = frozenset(numbers), (item for item in reader if isinstance(item, Unit))
        yield from (unit for number, unit in enumerate(units) if number in wanted)
        return
    entries: list[Entry] = [entry for entry in reader.index(trust=True) if not entry.weights]
    if numbers[-1] >= len(entries):
        raise Truncated(f"the file has {len(entries)} tiles, and number {numbers[-1]} is needed")
    yield from (reader.read(entries[number]) for number in numbers)


def _cut(picture: Picture, crop: Crop) -> Picture:
    """The part of a whole picture."""
    return Picture(picture.pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width])
