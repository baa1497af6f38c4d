"""Kept media as data URIs: pictures without loss, some frames of films, sounds with their spectrograms."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from av.error import FFmpegError
from PIL import Image

from ...codecs.signals import Sound
from .. import media, media_sound
from ..errors import UsageError
from ..evaluation.table import Row
from ..files import read_bytes
from .sources import Dataset, Source
from .spectrogram import HOP, spectrogram

FRAMES = 12  # of each film
COLUMNS = 900  # largest width of a spectrogram
WEBP = 16383  # pixels: largest side
SOUNDS = {b"fLaC": "audio/flac", b"RIFF": "audio/wav"}


@dataclass
class Album:
    """Media of a page by name, up to a number of characters.

    Attributes:
        room: characters that may still be added; raise it to admit more.
        media: data URIs by name.
        left_out: kept copies that found no room.
        absent: copies that a table names, but that are not there, or not their original.
        broken: sentences about media that cannot be shown.
    """

    room: int
    media: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    absent: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, uris: Sequence[str]) -> list[str] | None:
        """Names for data URIs that belong together; None when there is no room for all of them."""
        size = sum(map(len, uris))
        if size > self.room:
            return None
        self.room -= size
        names = [f"m{len(self.media) + number}" for number in range(len(uris))]
        self.media |= zip(names, uris, strict=True)
        return names


@dataclass(frozen=True)
class Wish:
    """One kept copy: which series, which row, and where it stands."""

    series: int
    source: Source
    row: Row
    rank: int


def samples(dataset: Dataset, album: Album) -> list[dict[str, Any]]:
    """Put the kept media of a dataset into the album, all files at few qualities before few files at all qualities.

    Returns:
        For each file its name, the original, and the copies with their series and quality.
    """
    found: dict[str, dict[str, Any]] = {}
    refused: set[str] = set()
    wishes = _wishes(dataset)
    for number, wish in enumerate(wishes):
        row, folder = wish.row, wish.source.path.parent
        if not ((folder / row.original).is_file() and (folder / row.decoded).is_file()):
            album.absent += 1
            continue
        if row.file in refused:
            continue
        try:
            if row.file not in found:
                original = album.add(_uris(folder, row.original, row, None))
                if original is None:
                    album.left_out += len(wishes) - number
                    break
                found[row.file] = {"file": row.file, **_shape(row), "original": original, "copies": []}
            copy = album.add(_uris(folder, row.decoded, row, folder / row.original))
        except UsageError as error:
            album.broken.append(str(error))
            refused |= set() if row.file in found else {row.file}
            continue
        if copy is None:
            album.left_out += len(wishes) - number
            break
        found[row.file]["copies"].append({"series": wish.series, "quality": row.quality, "media": copy})
    return [found[file] for file in sorted(found) if found[file]["copies"]]


def weight(dataset: Dataset) -> int:
    """Bytes on disk of all kept media of a dataset."""
    total = 0
    for wish in _wishes(dataset):
        path = wish.source.path.parent / wish.row.decoded
        total += path.stat().st_size if path.is_file() else 0
    return total


def _wishes(dataset: Dataset) -> list[Wish]:
    """Everything that was kept: the middle of each codec's qualities first, then the ends, then what lies between."""
    found = []
    for number, series in enumerate(dataset.series):
        by_file: dict[str, list[Row]] = {}
        for row in series.rows:
            if row.original and row.decoded and not row.error:
                by_file.setdefault(row.file, []).append(row)
        for rows in by_file.values():
            rows.sort(key=lambda row: row.bytes or 0)
            order = _spread(len(rows))
            found += [Wish(number, series.source, rows[place], rank) for rank, place in enumerate(order)]
    return sorted(found, key=lambda wish: (wish.rank, wish.row.file, wish.series))


def _spread(count: int) -> list[int]:
    """The places 0 to count - 1 in such an order that its start is spread over all of them: 2, 0, 4, 1, 3."""
    order = [count // 2, 0, count - 1][:count]
    while len(order) < count:
        rest = [place for place in range(count) if place not in order]
        order.append(max(rest, key=lambda place: min(abs(place - other) for other in order)))
    return list(dict.fromkeys(order))


def _shape(row: Row) -> dict[str, Any]:
    """What the viewer needs to know of an original."""
    return {"width": row.width, "height": row.height, "frames": row.frames, "seconds": row.seconds, "rate": row.rate}


def _uris(folder: Path, name: str, row: Row, original: Path | None) -> list[str]:
    """The data URIs of one kept medium; raises UsageError when it cannot be shown."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{name}: lies outside the folder of its table")
    if row.kind == "image":
        return [_picture(path)]
    if row.kind == "video":
        return _frames(path, row)
    return _sound(path, original)


def _picture(path: Path) -> str:
    """A picture without loss: as WebP, or as the PNG that it is where that is smaller or holds more."""
    data = read_bytes(path)
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            plain = image.mode in ("L", "RGB", "RGBA") and not image.info.get("icc_profile")
            if image.format != "PNG" and not plain:
                raise UsageError(f"{path}: is no picture that every browser shows")
            webp = _webp(image) if plain and max(image.size) <= WEBP else None
            if image.format == "PNG" and (webp is None or len(data) <= len(webp)):
                return _uri("image/png", data)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"{path}: is not a picture that can be read") from error
    if webp is None:
        raise UsageError(f"{path}: is too large for a page")
    return _uri("image/webp", webp)


def _webp(image: Image.Image) -> bytes:
    """Lossless, at a good balance of size and time."""
    stream = BytesIO()
    image.save(stream, "WEBP", lossless=True, exact=True, method=2, quality=50)
    return stream.getvalue()


def _frames(path: Path, row: Row) -> list[str]:
    """Evenly spaced frames of a film without loss: the same ones of every copy."""
    total = max(row.frames or 1, 1)
    wanted = set(frame_numbers(total))
    found = []
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    found.append(_uri("image/webp", _webp(Image.fromarray(frame.to_ndarray(format="rgb24")))))
                if number >= total - 1:
                    break
    except (FFmpegError, OSError, IndexError) as error:
        raise UsageError(f"{path}: is not a film that can be read") from error
    if len(found) != len(wanted):
        raise UsageError(f"{path}: has fewer frames than its row says")
    return found


def frame_numbers(total: int) -> list[int]:
    """Which frames of a film are shown."""
    return sorted({round(place) for place in np.linspace(0, total - 1, min(total, FRAMES))})


def _sound(path: Path, original: Path | None) -> list[str]:
    """A sound as it is, and its spectrogram up to half the sample rate of the original."""
    data = read_bytes(path)
    kind = SOUNDS.get(data[:4])
    if kind is None:
        raise UsageError(f"{path}: is neither FLAC nor WAV")
    sound = media_sound.read(path, str(path), lambda text: None)
    samples = np.asarray(sound.samples).mean(axis=0)
    if original is not None:
        wanted = _rate(original)
        samples = samples if wanted == sound.rate else soxr.resample(samples, sound.rate, wanted)
    hop = max(HOP, -(-len(samples) // COLUMNS))
    stream = BytesIO()
    Image.fromarray(spectrogram(samples, hop)).save(stream, "WEBP", quality=85)
    return [_uri(kind, data), _uri("image/webp", stream.getvalue())]


def _rate(path: Path) -> int:
    """The sample rate of a kept original."""
    signal = media.read(path)
    if not isinstance(signal, Sound):
        raise UsageError(f"{path}: is not a sound")
    return signal.rate


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
