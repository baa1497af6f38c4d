"""How much memory a media file will take, from its header alone, so that too much is refused before any work."""

import warnings
from pathlib import Path

from ..bitstream.media import AudioMedia, ImageMedia, Media, VideoMedia
from ..codecs.signals import Crop
from .errors import MediaError
from .files import handle

PIXEL = 4  # bytes that Pillow takes for a pixel of more than one band
FRAME, SAMPLE = 3, 4  # bytes of a pixel of a film and of a sample of a sound
COPIES = 3  # of the samples of a sound that are in memory at a time
STRETCH, SECONDS = 1 << 18, 10  # of a sound that are read and encoded at a time: samples, and the length of a unit
WORK = 96 << 20  # bytes that the networks of sounds and films take at least while they encode
BLOCK = 1 << 16  # samples of a sound that are written at a time
GROUP, HELD = 320, 2 << 30  # the most frames that share a network, and bytes of them
GROUPS = 2  # of frames that are in memory at a time


def check(path: Path, kind: str | None, name: str, memory: int) -> None:
    """Refuse a file whose encoding would take more than `memory` bytes; raises MediaError.

    A file whose header cannot be read passes: reading it says why.
    """
    if (wanted := need(path, kind)) > memory:
        least, limit = (f"{amount / 2**30:.3g} GiB" for amount in (wanted, memory))
        raise MediaError(f"{name}: encoding would take at least {least} of memory; the limit is {limit} (--memory)")


def need(path: Path, kind: str | None) -> int:
    """Bytes that encoding a media file takes at least."""
    measures = {"image": _picture, "audio": _sound, "video": _film}
    return measures[kind](path) if kind in measures else 0


def written(media: Media, crop: Crop | None = None) -> int:
    """Bytes that writing takes besides what a decoder does: Pillow's own image of a picture or of a part, a block of a sound."""
    if isinstance(media, AudioMedia):
        return COPIES * media.channels * min(media.total or BLOCK, BLOCK) * SAMPLE
    if not isinstance(media, ImageMedia):
        return 0
    width, height = (media.width, media.height) if crop is None else (crop.width, crop.height)
    return width * height * (1 if media.sample_format.planes == 1 and not media.sample_format.alpha else PIXEL)


def held(media: Media) -> int:
    """Bytes of the samples of a sound or of the frames of a film; a picture counts with its decoder."""
    if isinstance(media, AudioMedia):
        return SAMPLE * media.channels * (media.total or 0)
    if isinstance(media, VideoMedia):
        return FRAME * media.width * media.height * (media.total or 0)
    return 0


def _picture(path: Path) -> int:
    """Bytes of a picture file, and of its pixels, as Pillow holds them and as an array."""
    from PIL import Image

    from .media_image import large_pictures

    size = path.stat().st_size
    try:
        with warnings.catch_warnings(), large_pictures(), path.open("rb") as stream:
            warnings.simplefilter("ignore")
            image = Image.open(stream)
            bands = len(image.getbands())
            return size + image.width * image.height * (bands + (1 if bands == 1 else PIXEL))
    except (OSError, ValueError, SyntaxError, OverflowError, Image.DecompressionBombError):
        return size


def _sound(path: Path) -> int:
    """Bytes of the samples of a sound file that are in memory at a time."""
    import soundfile

    try:
        with handle(path) as stream, soundfile.SoundFile(stream) as file:
            return WORK + COPIES * min(max(file.frames, 0), _stretch(file.samplerate)) * file.channels * SAMPLE
    except soundfile.LibsndfileError:
        return 0


def _film(path: Path) -> int:
    """Bytes of the frames and of the sound of a film that are in memory at a time, by the lengths that it states."""
    import av
    from av.error import FFmpegError

    found = 0
    try:
        with handle(path) as stream, av.open(stream, "r", metadata_errors="replace") as container:
            seconds = (container.duration or 0) / av.time_base
            for pictures in container.streams.video[:1]:
                frames = pictures.frames or round(seconds * float(pictures.average_rate or 0))
                size = FRAME * pictures.width * pictures.height
                found += GROUPS * min(size * min(frames, GROUP), max(HELD, size))
            for sound in container.streams.audio[:1]:
                samples = min(round(seconds * sound.rate), _stretch(sound.rate))
                found += COPIES * samples * sound.channels * SAMPLE
    except FFmpegError:
        return 0
    return WORK + max(found, 0)


def _stretch(rate: int) -> int:
    """Samples of a sound that an encoder holds at a time."""
    return STRETCH + SECONDS * rate
