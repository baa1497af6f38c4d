"""Media files in and out: pictures, sounds and films, recognised by their content."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..bitstream.header import MAGIC
from ..codecs import signals
from ..codecs.signals import Clip, Picture, Sound
from . import media_image, media_sound, media_video, sizes
from .errors import MediaError
from .files import STANDARD, handle, stored, whole

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


HEAD = 4096  # bytes that tell what a file is
HELD = 6 << 30  # bytes of the frames of a film that are held in memory


def silent(text: str) -> None:
    """What is said to those who do not want to know."""


def read(path: str | Path, note: Callable[[str], None] = silent) -> Signal:
    """Read all of a media file, or of standard input for `-`; see `opened`. Raises MediaError."""
    with opened(path, note) as signal:
        if isinstance(signal, Clip) and signal.frames.nbytes > HELD:
            raise MediaError(f"{path}: is too long to be held in memory ({HELD >> 30} GiB of frames); cut it first")
        return signals.whole(signal)


@contextmanager
def opened(path: str | Path, note: Callable[[str], None] = silent, memory: int | None = None) -> Iterator[Signal]:
    """A media file, or standard input for `-`, whose samples and frames are Tapes that can be read within the block.

    What the file is follows from its content, not from its name. `note` is called with one sentence for everything
    that is changed on the way (16-bit samples reduced to 8, a varying frame rate made even). With `memory` a file that
    takes more than so many bytes to be encoded is refused by its header. Raises MediaError.
    """
    name = "standard input" if str(path) == STANDARD else str(path)
    with stored(path) as place:
        with handle(place) as stream:
            kind = recognise(stream.read(HEAD), name)
        if memory is not None:
            sizes.check(place, kind, name, memory)
        yield _signal(place, kind, name, note)


def _signal(path: Path, kind: str | None, name: str, note: Callable[[str], None]) -> Signal:
    """What an ordinary file of a kind holds; None for one that is tried as each of them."""
    readers = {"image": _picture, "audio": media_sound.read, "video": media_video.read}
    if kind is not None:
        return readers[kind](path, name, note)
    for reader in readers.values():
        try:
            return reader(path, name, note)
        except MediaError:
            continue
    raise MediaError(f"{name}: holds no picture, sound or film that can be read")


def _picture(path: Path, name: str, note: Callable[[str], None]) -> Picture:
    with path.open("rb") as stream:
        return media_image.read(stream, name, note)


def recognise(data: bytes, name: str) -> str | None:
    """Tell the kind of media ("image", "audio", "video") by the first 4096 bytes, or None; raises MediaError for others."""
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
