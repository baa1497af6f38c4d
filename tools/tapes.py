"""The sound or the film in a .trip file as Tapes, which decode while they are read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain

import numpy as np

from ..bitstream import AudioMedia, Index, Malformed, Reader, Track, Unit, VideoMedia, Weights
from ..codecs.base import Codec
from ..codecs.signals import Clip, Sound
from ..codecs.tape import Play, Tape
from . import causes, sizes
from .errors import UsageError

Tell = Callable[[float, str], None]
Span = tuple[int, int]  # the first and that after the last


@dataclass(frozen=True)
class File:
    """A file that is read more than once.

    Attributes:
        reader: of a source that can seek.
        index: of its items.
        codecs: those of its tracks.
        tell: called with the fraction decoded and a short text.
    """

    reader: Reader
    index: Index
    codecs: Sequence[Codec]
    tell: Tell

    def items(self, number: int, entries: Iterable[int]) -> Iterator[Weights | Unit]:
        """The items of a track among some entries."""
        text = f"decoding track {number} ({self.reader.tracks[number].codec})"
        for entry in entries:
            if self.index[entry].track == number:
                self.tell(entry / len(self.index), text)
                yield self.reader.read(self.index[entry])

    def all(self, number: int, first: int) -> tuple[int, Iterator[np.ndarray]]:
        """All that a track holds, in pieces; raises where it is not what its header says."""
        return 0, self._all(number)

    def _all(self, number: int) -> Iterator[np.ndarray]:
        track = self.reader.tracks[number]
        with causes.named([track]):
            yield from self.codecs[number].pieces(track, self.items(number, range(len(self.index))))

    def frames(self, number: int, first: int) -> tuple[int, Iterator[np.ndarray]]:
        """Frames of a film from the unit on that holds number `first`: nothing else is read."""
        begin, needed = self.index.plan(number, first)
        return begin, self._frames(number, begin, chain(needed, range(needed[-1] + 1, len(self.index))))

    def _frames(self, number: int, begin: int, entries: Iterable[int]) -> Iterator[np.ndarray]:
        track = self.reader.tracks[number]
        with causes.named([track]):
            for frame in self.codecs[number].frames(track, self.items(number, entries), begin):
                yield frame[None]


def opened(
    reader: Reader, codecs: Sequence[Codec], frames: Span | None, fits: Callable[[int], None], taped: bool, tell: Tell
) -> Sound | Clip:
    """A sound, a film, or some frames of a film with their sound.

    Args:
        reader: the file, of a source that can seek. All of it is checked first; for some frames only what they need.
        codecs: those of its tracks.
        frames: the first and that after the last; None for all.
        fits: called with the bytes needed before anything is decoded.
        taped: whether what is decoded will not be held.
        tell: called with the fraction decoded and a short text.

    Raises:
        UsageError: no film, or frames that it does not have.
        TripError: the file cannot be decoded.
    """
    spans = _spans(reader.tracks, frames)
    for track, codec, (first, end) in zip(reader.tracks, codecs, spans, strict=True):
        fits(codec.memory(track) + (0 if taped else sizes.held(replace(track.media, total=end - first))))
    index = Index(reader.scan(check=True)) if frames is None else reader.index()
    file, film, sound = File(reader, index, codecs, tell), None, None
    for number, (track, (first, end)) in enumerate(zip(reader.tracks, spans, strict=True)):
        if isinstance(track.media, AudioMedia):
            samples = _tape(track, partial(file.all, number))[:, first:end]
            sound = Sound(samples, track.media.sample_rate) if samples.size else None
        else:
            play = partial(file.all if frames is None else file.frames, number)
            film = Clip(_tape(track, play)[first:end], Fraction(*track.media.rate))
    return sound if film is None else replace(film, sound=sound)


def _spans(tracks: Sequence[Track], frames: Span | None) -> list[Span]:
    """The samples or frames of each track that are wanted, where `frames` of the film are; raises UsageError."""
    if frames is None:
        return [(0, track.media.total or 0) for track in tracks]
    film = next((track.media for track in tracks if isinstance(track.media, VideoMedia)), None)
    if film is None:
        raise UsageError("only frames of a film can be chosen, and the file holds none")
    first, end = frames
    if not 0 <= first < end <= (film.total or 0):
        raise UsageError(f"the frames {first}:{end} do not lie inside the film of {film.total} frames")
    spans = []
    for track in tracks:
        pace = track.media.sample_rate / Fraction(*film.rate) if isinstance(track.media, AudioMedia) else 1
        low, high = (min(round(frame * pace), track.media.total or 0) for frame in frames)
        spans.append((low, high))
    return spans


def _tape(track: Track, play: Play) -> Tape:
    """A tape of the length that a track states; raises Malformed where it states none."""
    media = track.media
    if not media.total:
        raise Malformed("a sound or a film says how long it is, at least one sample or frame")
    if isinstance(media, AudioMedia):
        return Tape(play, (media.channels, media.total), np.float32, 1)
    return Tape(play, (media.total, media.height, media.width, 3), np.uint8, 0)
