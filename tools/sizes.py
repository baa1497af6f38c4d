"""How much memory a media file will take, from its header alone, so that too much is refused before any work."""

import warnings
from io import BytesIO

from ..bitstream.media import ImageMedia, Media
from ..codecs.signals import Crop
from .errors import MediaError

PIXEL = 4  # bytes that Pillow takes for a pixel of more than one band
COPIES = 3  # of the samples of a sound that are in memory at a time
FRAMES = 2  # copies of the frames of a film, one of them a group at a time
FILM, SOUND = 3, 4  # bytes of a pixel of a film and of a sample of a sound


def check(data: bytes, kind: str | None, name: str, memory: int) -> None:
    """Refuse a file whose encoding would take more than `memory` bytes; raises MediaError.

    A file whose header cannot be read passes: reading it says why.
    """
    if (wanted := need(data, kind)) > memory:
        least, limit = (f"{amount / 2**30:.3g} GiB" for amount in (wanted, memory))
        raise MediaError(f"{name}: encoding would take at least {least} of memory; the limit is {limit} (--memory)")


def need(data: bytes, kind: str | None) -> int:
    """Bytes that encoding a media file takes at least."""
    measures = {"image": _picture, "audio": _sound, "video": _film}
    return len(data) + (measures[kind](data) if kind in measures else 0)


def written(media: Media, crop: Crop | None = None) -> int:
    """Bytes that writing a picture, or a part of it, takes besides its samples: Pillow makes an image of its own."""
    if not isinstance(media, ImageMedia):
        return 0
    width, height = (media.width, media.height) if crop is None else (crop.width, crop.height)
    return width * height * (1 if media.sample_format.planes == 1 and not media.sample_format.alpha else PIXEL)


def _picture(data: bytes) -> int:
    """Bytes of the pixels of a picture file, as Pillow holds them and as an array."""
    from PIL import Image

    from .media_image import large_pictures

    try:
        with warnings.catch_warnings(), large_pictures():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data))
            bands = len(image.getbands())
            return image.width * image.height * (bands + (1 if bands == 1 else PIXEL))
    except (OSError, ValueError, SyntaxError, OverflowError, Image.DecompressionBombError):
        return 0


def _sound(data: bytes) -> int:
    """Bytes of the samples of a sound file."""
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            return COPIES * max(file.frames, 0) * file.channels * SOUND
    except soundfile.LibsndfileError:
        return 0


def _film(data: bytes) -> int:
    """Bytes of the frames and of the sound of a film by the lengths that it states."""
    import av
    from av.error import FFmpegError

    found = 0
    try:
        with av.open(BytesIO(data), "r", metadata_errors="replace") as container:
            seconds = (container.duration or 0) / av.time_base
            for stream in container.streams.video[:1]:
                frames = stream.frames or round(seconds * float(stream.average_rate or 0))
                found += FRAMES * frames * stream.width * stream.height * FILM
            for stream in container.streams.audio[:1]:
                found += COPIES * round(seconds * stream.rate) * stream.channels * SOUND
    except FFmpegError:
        return 0
    return max(found, 0)
