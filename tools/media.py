"""Media files in and out: pictures, sounds and films, recognised by their content."""

from collections.abc import Callable
from pathlib import Path

from ..bitstream.header import MAGIC
from ..codecs.signals import Clip, Picture, Sound
from . import media_image, media_sound, media_video, sizes
from .errors import MediaError
from .files import STANDARD, read_bytes, whole

Signal = Picture | Sound | Clip

KINDS = {Picture: "picture", Sound: "sound", Clip: "film"}
DEFAULT_SUFFIX = {Picture: ".png", Sound: ".wav", Clip: ".mp4"}
WRITERS = {
    Picture: (media_image.SUFFIXES, media_image.write),
    Sound: (media_sound.SUFFIXES, media_sound.write),
    Clip: (media_video.SUFFIXES, media_video.write),
}

PICTURE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0", b"8BPS")
SOUND_MAGIC = (b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"ID3", b"RF64", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"mif1")


def read(path: str | Path, note: Callable[[str], None] = lambda text: None, memory: int | None = None) -> Signal:
    """Read a media file, or standard input for `-`.

    What the file is follows from its content, not from its name. `note` is called with one sentence for everything
    that was changed on the way (16-bit samples reduced to 8, a varying frame rate made even). With `memory` a file whose
    samples take more than so many bytes is refused by its header. Raises MediaError.
    """
    name = "standard input" if str(path) == STANDARD else str(path)
    data = read_bytes(path)
    kind = recognise(data, name)
    if memory is not None:
        sizes.check(data, kind, name, memory)
    if kind == "image":
        return media_image.read(data, name, note)
    if kind == "audio":
        return media_sound.read(data, name, note)
    if kind == "video":
        return media_video.read(data, name, note)
    for reader in (media_image.read, media_sound.read, media_video.read):
        try:
            return reader(data, name, note)
        except MediaError:
            continue
    raise MediaError(f"{name}: holds no picture, sound or film that can be read")


def recognise(data: bytes, name: str) -> str | None:
    """Tell the kind of media ("image", "audio", "video") by the first bytes, or None; raises MediaError for others."""
    if not data:
        raise MediaError(f"{name}: is empty (zero bytes)")
    head = data[:16]
    if head.startswith(MAGIC):
        raise MediaError(f"{name}: is a Triptych file already")
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"WAVE": "audio"}.get(head[8:12], "video")
    if head[4:8] == b"ftyp":
        return "image" if head[8:12] in PICTURE_BRANDS else "video"
    if head.startswith(PICTURE_MAGIC) or (head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()):
        return "image"
    if head.startswith(SOUND_MAGIC):
        return "video" if b"\x80theora" in data[:256] else "audio"
    if head.startswith((b"\x1aE\xdf\xa3", b"YUV4MPEG2")):
        return "video"
    if is_text(data):
        suffix = Path(name).suffix
        raise MediaError(f"{name}: is a text file{f' named {suffix}' if suffix else ''}, not a picture, sound or film")
    return None


def is_text(data: bytes) -> bool:
    """Whether the first 4 KiB read as UTF-8 without control characters."""
    head = data[:4096]
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not merely the last character cut in two
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character.isspace() for character in text)


def check_target(path: str | Path, kind: type, source: str) -> None:
    """Refuse an output name that does not fit the kind of signal; `source` names what holds it."""
    suffix = Path(path).suffix.lower()
    suffixes, _ = WRITERS[kind]
    if str(path) == STANDARD or suffix in suffixes or (kind is Clip and not suffix):
        return
    for other, (names, _) in WRITERS.items():
        if suffix in names:
            raise MediaError(f"{path}: is the name of a {KINDS[other]}, but {source} holds a {KINDS[kind]}")
    raise MediaError(f"{path}: unknown output extension for a {KINDS[kind]}: choose from {', '.join(suffixes)}")


def write(path: str | Path, signal: Signal, force: bool = False) -> None:
    """Write a signal in the format that the extension of `path` names; whole or not at all.

    A Clip and a path without extension give a folder of PNG frames. `-` is standard output in the default format of
    the kind (PNG, WAV, MP4). An existing file is kept unless `force`. Raises UsageError.
    """
    kind = type(signal)
    check_target(path, kind, "the signal")
    if isinstance(signal, Clip) and str(path) != STANDARD and not Path(path).suffix:
        with whole(path, force, folder=True) as folder:
            media_video.write_frames(folder, signal)
        return
    suffix = Path(path).suffix.lower() or DEFAULT_SUFFIX[kind]
    with whole(path, force) as temporary:
        WRITERS[kind][1](temporary, suffix, signal, str(path))
