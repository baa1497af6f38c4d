"""Parts: what a crop of a picture shows, what is left of a damaged file, some frames of a film."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np

from ..bitstream import AudioMedia, Entry, ImageMedia, Reader, Truncated, Unit, VideoMedia
from ..codecs.base import Codec
from ..codecs.signals import Clip, Crop, Picture, Sound
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


def stretch(reader: Reader, codecs: Sequence[Codec], span: tuple[int, int], fits: Callable[[int], None]) -> Clip:
    """Decode some frames of a film and the sound that belongs to them.

    Args:
        reader: the file, of a source that can seek: only the units that hold these frames are read, and the sound.
        codecs: those of its tracks.
        span: number of the first frame and that after the last.
        fits: called with the bytes needed before anything is decoded.

    Raises:
        UsageError: no film, or frames that it does not have.
        TripError: the frames cannot be decoded.
    """
    numbers = {type(track.media): number for number, track in enumerate(reader.tracks)}
    if VideoMedia not in numbers:
        raise UsageError("only frames of a film can be chosen, and the file holds none")
    video = numbers[VideoMedia]
    track, (first, end) = reader.tracks[video], span
    if not 0 <= first < end <= (track.media.total or 0):
        raise UsageError(f"the frames {first}:{end} do not lie inside the film of {track.media.total} frames")
    fits(codecs[video].memory(replace(track, media=replace(track.media, total=end - first))))
    index = reader.index()
    (begin, entries), (_, last) = index.plan(video, first), index.plan(video, end - 1)
    between = (n for n in range(max(entries), max(last) + 1) if index[n].track == video)
    needed = sorted({*entries, *between})
    frames = codecs[video].frames(track, (reader.read(index[number]) for number in needed), begin)
    pixels = np.stack(list(islice(frames, first - begin, end - begin)))
    clip = Clip(pixels, Fraction(*track.media.rate))
    if AudioMedia not in numbers:
        return clip
    sound = numbers[AudioMedia]
    fits(codecs[sound].memory(reader.tracks[sound]))
    units = (reader.read(entry) for entry in index if entry.track == sound)
    whole = codecs[sound].decode(reader.tracks[sound], units)
    low, high = (round(number / clip.rate * whole.rate) for number in span)
    return replace(clip, sound=Sound(whole.samples[:, low:high], whole.rate))


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
