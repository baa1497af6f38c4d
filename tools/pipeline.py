"""Whole files: a signal becomes a .trip file and comes back, whatever the codec."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from ..bitstream import AudioMedia, ImageMedia, Limits, OverLimit, Reader, Track, Unit, UnknownCodec, Writer
from ..bitstream.header import OWN_NETWORK
from ..codecs.base import Codec, Options, silent
from ..codecs.registry import DEFAULTS, codec_class, kind_of
from ..codecs.signals import Clip, Crop, Picture, Signal, Sound, whole
from ..weights import find
from . import causes, models, parts, tapes
from .errors import UsageError

KINDS = {Picture: "image", Sound: "audio", Clip: "video"}
NAMES = {"image": "a picture", "audio": "a sound", "video": "a film"}
MEMORY = 8 << 30  # bytes that a decoder may take unless told otherwise
SOUND_SHARE = 0.1  # of the progress of a film


def encode(
    signal: Signal,
    out: BinaryIO,
    codec_id: str | None = None,
    options: Options | None = None,
    weights: Path | None = None,
    memory: int = MEMORY,
) -> None:
    """Write `signal` as a .trip file to `out`, which is only appended to.

    `codec_id` chooses the codec, None the default of the signal's kind; `weights` names a weights file or a variant. A Clip
    with sound becomes two tracks: the frames by that codec, the sound by the default codec for sounds. Raises
    UsageError for a codec that is unknown or made for another kind of signal, WrongModel where no weights are at hand,
    OverLimit where decoding the file would take more than `memory` bytes.
    """
    options = options or Options()
    codec = load(choose(signal, codec_id), weights, options.quality, signal)
    parts = _parts(signal, codec, options)
    opened = []
    for codec, part, choice in parts:
        track, plan = codec.open(part, choice)
        _fits(codec.memory(track), memory)
        opened.append((replace(track, digest=codec.identity[: len(OWN_NETWORK)]), plan))
    writer, count = Writer(out, [track for track, _ in opened]), 0
    for number, ((codec, part, choice), (track, plan)) in enumerate(zip(parts, opened, strict=True)):
        for item in codec.encode_units(part, track, plan, number, choice):
            writer.item(item)
            count += isinstance(item, Unit)
    tiled = count > 1 and isinstance(opened[0][0].media, ImageMedia)
    writer.finish(index=tiled)


def decode(
    source: BinaryIO | bytes,
    limits: Limits | None = None,
    memory: int = MEMORY,
    progress: Callable[[float, str], None] = silent,
    weights: Path | None = None,
    crop: Crop | None = None,
    salvage: Callable[[str], None] | None = None,
    frames: tuple[int, int] | None = None,
    besides: int = 0,
    taped: bool = False,
) -> Signal:
    """Read a .trip file of one picture, one sound or one film.

    The weights are found by their digest, or taken from the file `weights` when its digest is the right one. What every track
    needs, and what the caller takes `besides`, is compared with `memory` (bytes) before anything is decoded. Of a picture,
    `crop` decodes a part, and `salvage` what is left of a damaged file; it is called with a sentence for each thing that is
    not. Of a film, `frames` are the first to be decoded and that after the last. With `taped` the samples of a sound and the
    frames of a film are Tapes, which decode while they are read; until then the source must stay open, and the errors of
    decoding come then. Raises a TripError: among them OverLimit, WrongModel where the weights are not at hand,
    SymbolMismatch. Raises UsageError for a part that the file does not have.
    """
    reader = Reader(_seekable(source), limits or Limits(), salvage is not None)
    _check(reader.tracks)
    fits = partial(_fits, memory=memory - besides, besides=besides)
    codecs = [_loaded(partial(models.load_for, track, weights)) for track in reader.tracks]
    if crop is not None or salvage is not None:
        with causes.named(reader.tracks) if salvage is None else nullcontext():
            return parts.decode(reader, codecs[0], crop, salvage, fits)
    if isinstance(reader.tracks[0].media, ImageMedia) and frames is None:
        fits(codecs[0].memory(reader.tracks[0]))
        items = list(reader)
        progress(0.0, f"decoding {reader.tracks[0].codec}")
        with causes.named(reader.tracks):
            found = codecs[0].decode(reader.tracks[0], items)
    else:
        found = tapes.opened(reader, codecs, frames, fits, taped, progress)
        if taped:
            return found
        found = whole(found)
    progress(1.0, "decoded")
    return found


class _Copy(BufferedRandom):
    """A file that is closed, and gone, when nobody reads it any more."""

    def __del__(self) -> None:
        self.close()


def _seekable(source: BinaryIO | bytes) -> BinaryIO | bytes:
    """A source that can be read at any place: itself, or a temporary copy."""
    if not hasattr(source, "read") or source.seekable():
        return source
    copy = _Copy(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - it is gone when nobody reads it any more
    shutil.copyfileobj(source, copy)
    copy.seek(0)
    return copy


def _fits(need: int, memory: int, besides: int = 0) -> None:
    """Refuse to take more than `memory` bytes for decoding, where others are spoken for; raises OverLimit."""
    if need > memory:
        wants, limit = (f"{amount / 2**30:.3g} GiB" for amount in (need + besides, memory + besides))
        raise OverLimit(f"decoding would take {wants} of memory; the limit is {limit}")


def choose(signal: Signal, codec_id: str | None) -> str:
    """The codec for a signal; raises UsageError when there is none of that name or it is made for another kind."""
    kind = KINDS[type(signal)]
    if codec_id is None:
        return DEFAULTS[kind]
    try:
        found = kind_of(codec_id)
    except UnknownCodec as error:
        raise UsageError(error.message) from error
    if found != kind:
        raise UsageError(f"the codec {codec_id} does not take {NAMES[kind]}")
    return codec_id


def load(codec_id: str, weights: Path | None = None, quality: float = 50.0, signal: Signal | None = None) -> Codec:
    """A codec with its weights: given ones, or those for a quality and a signal where it has several sets.

    Raises UsageError and a TripError.
    """
    cls = codec_class(codec_id)
    if weights is None and signal is not None and (entry := find(codec_id, variant=cls.variant_for(signal))):
        weights = entry.path
    level = 0 if weights is not None else cls.level(quality)
    return _loaded(lambda: models.load(codec_id, weights, level))


def _loaded(load: Callable[[], Codec]) -> Codec:
    """Load a codec; a weights file that is none becomes a UsageError."""
    try:
        return load()
    except ValueError as error:
        raise UsageError(str(error)) from error


def _parts(signal: Signal, codec: Codec, options: Options) -> list[tuple[Codec, Signal, Options]]:
    """What is coded by which codec, in track order, each with its share of the progress."""
    if not isinstance(signal, Clip) or signal.sound is None:
        return [(codec, signal, options)]
    report = options.progress
    picture = replace(options, progress=lambda done, text: report(done * (1 - SOUND_SHARE), text))
    sound = replace(options, progress=lambda done, text: report(1 - SOUND_SHARE + done * SOUND_SHARE, text))
    return [
        (codec, replace(signal, sound=None), picture),
        (load(DEFAULTS["audio"], None, options.quality, signal.sound), signal.sound, sound),
    ]


def _check(tracks: Sequence[Track]) -> None:
    """Refuse a combination of tracks that is no picture, sound or film; raises UsageError."""
    others = [track for track in tracks if not isinstance(track.media, AudioMedia)]
    film = len(tracks) == 2 and len(others) == 1 and not isinstance(others[0].media, ImageMedia)
    if len(tracks) != 1 and not film:
        raise UsageError(f"the file has {len(tracks)} tracks, which is neither a picture nor a sound nor a film")
