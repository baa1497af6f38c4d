"""How much memory a media file will take, from its header alone, so that too much is refused before any work."""

import warnings
from io import BytesIO

from .errors import MediaError

COPIES = {"image": 2, "audio": 3, "video": 2}  # of all samples that are in memory at a time
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
    return len(data) + (COPIES[kind] * measures[kind](data) if kind in measures else 0)


def _picture(data: bytes) -> int:
    """Bytes of the pixels of a picture file."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data))
            return image.width * image.height * len(image.getbands())
    except (OSError, ValueError, SyntaxError, OverflowError, Image.DecompressionBombError):
        return 0


def _sound(data: bytes) -> int:
    """Bytes of the samples of a sound file."""
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            return max(file.frames, 0) * file.channels * SOUND
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
                found += frames * stream.width * stream.height * FILM
            for stream in container.streams.audio[:1]:
                found += round(seconds * stream.rate) * stream.channels * SOUND
    except FFmpegError:
        return 0
    return max(found, 0)
