"""Films through PyAV: frames as RGB with the sound track, and written by extension."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition
from PIL import Image

from ..codecs.signals import Clip, Sound
from ..codecs.tape import Tape
from . import files, media_sound
from .errors import MediaError

SUFFIXES = (".mp4", ".mkv", ".mov", ".y4m")
CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".y4m": "yuv4mpegpipe"}
CRF = 12  # visually lossless
ODD_RATE = Fraction(25)
PADDING = 4096  # samples that a lossy encoder may add at the end beyond the stated length
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)  # the fault of the disk, not of the film
BT601, LIMITED = 6, 1  # colour matrix and range as numbers of ITU-T H.273


def read(path: Path, name: str, note: Callable[[str], None]) -> Clip | Sound:
    """A film: frames uint8 [T, H, W, 3], upright, with its sound, both Tapes; a file without pictures gives a Sound.

    All of it is decoded once, so that what is wrong is said here.
    """
    with _opened(path, name) as container:
        pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
        sounds = list(container.streams.audio)
        if not pictures and not sounds:
            raise MediaError(f"{name}: holds neither pictures nor sound")
        if pictures and (len(pictures) > 1 or len(sounds) > 1):
            note(f"{name}: only the first picture track and the first sound track were taken")
    path = path.resolve()
    sound = _sound(path, name, note) if sounds else None
    if pictures:
        shape, rate = _surveyed(path, name, note)
        return Clip(Tape(partial(_play, path, name, shape), shape, np.uint8, 0), rate, sound)
    if sound is None:
        raise MediaError(f"{name}: holds neither pictures nor sound")
    return sound


def write(path: Path, suffix: str, clip: Clip, name: str) -> None:
    """Write a film to `path` in the container of `suffix`; `name` stands in messages."""
    try:
        with av.open(str(path), "w", format=CONTAINERS[suffix]) as container:
            if suffix == ".y4m":
                _write_plain(container, clip)
            else:
                _write_coded(container, clip, suffix)
    except FFmpegError as error:
        if error.errno in NO_ROOM:
            raise OSError(error.errno, error.strerror) from error
        raise MediaError(f"{name}: this film does not fit into {suffix} ({error.strerror})") from error


def write_frames(folder: Path, clip: Clip) -> None:
    """Write every frame as a numbered PNG, and the sound as sound.wav, into an existing folder."""
    for number, frame in enumerate(clip.frames, 1):
        Image.fromarray(frame).save(folder / f"{number:06d}.png", compress_level=1)
    if clip.sound is not None:
        media_sound.write(folder / "sound.wav", ".wav", clip.sound, folder.name)


def encode_x264(container: OutputContainer, clip: Clip, options: dict[str, str], depth: str) -> None:
    """Write the frames of `clip` as one H.264 stream with the pixel format `depth` (the sides must suit it)."""
    height, width = clip.frames.shape[1:3]
    stream = container.add_stream("libx264", rate=clip.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, depth
    stream.time_base = 1 / clip.rate
    stream.codec_context.colorspace, stream.codec_context.color_range = BT601, LIMITED  # what from_ndarray makes
    for number, pixels in enumerate(clip.frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, 1 / clip.rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether the stream is a cover picture of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[InputContainer]:
    """A file that FFmpeg reads; raises MediaError."""
    with (
        _readable(name),
        files.handle(path) as stream,
        av.open(stream, "r", metadata_errors="replace") as container,
    ):
        yield container


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn an error of FFmpeg into a MediaError."""
    try:
        yield
    except FFmpegError as error:
        raise MediaError(f"{name}: is not a film that can be read ({error.strerror})") from error


def _decoded(path: Path, name: str) -> Iterator[tuple[av.VideoStream, av.VideoFrame]]:
    """The frames of the first track of pictures as FFmpeg gives them, each with its stream."""
    with _opened(path, name) as container:
        stream = next(stream for stream in container.streams.video if not _is_cover(stream))
        container.seek(0)
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield stream, frame


def _surveyed(path: Path, name: str, note: Callable[[str], None]) -> tuple[tuple[int, ...], Fraction]:
    """Shape of all frames of a film, upright, and the frame rate."""
    shape, rate, times = (), None, []
    for stream, frame in _decoded(path, name):
        sides = (frame.height, frame.width)[:: -1 if _quarter_turns(frame.rotation, name) % 2 else 1]
        shape, rate = shape or sides, rate or stream.average_rate or stream.guessed_rate
        if sides != shape:
            raise MediaError(f"{name}: changes its frame size, which a track cannot do")
        times.append(frame.time)
    if not shape:
        raise MediaError(f"{name}: holds no frames")
    if not rate:
        rate = ODD_RATE
        note(f"{name}: states no frame rate, {ODD_RATE} frames per second were assumed")
    if _uneven(times, rate):
        note(f"{name}: its frames are not evenly spaced; they were taken as {float(rate):.3f} per second")
    return (len(times), *shape, 3), Fraction(rate)


def _play(path: Path, name: str, shape: tuple[int, ...], first: int) -> tuple[int, Iterator[np.ndarray]]:
    return first, _pixels(path, name, shape, first)


def _pixels(path: Path, name: str, shape: tuple[int, ...], first: int) -> Iterator[np.ndarray]:
    """Frames uint8 [1, H, W, 3] from number `first` on; those before are decoded, but not converted."""
    count = 0
    for count, (_, frame) in enumerate(_decoded(path, name), 1):
        if first < count <= shape[0]:
            with _readable(name):
                pixels = np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame.rotation, name))
            if pixels.shape != shape[1:]:
                break
            yield pixels[None]
    if count != shape[0]:
        raise MediaError(f"{name}: was changed while it was read")


def _quarter_turns(degrees: int, name: str) -> int:
    """Quarter turns against the clock for numpy.rot90."""
    if degrees % 90:
        raise MediaError(f"{name}: is rotated by {degrees} degrees; only quarter turns can be applied")
    return degrees // 90 % 4


def _uneven(times: list[float | None], rate: Fraction) -> bool:
    """Whether any frame is shown more than one frame length away from an even raster."""
    if any(time is None for time in times):
        return False
    raster = np.arange(len(times)) / float(rate)
    return bool(np.abs(np.asarray(times) - times[0] - raster).max() > 1.0 / float(rate))


def _sound(path: Path, name: str, note: Callable[[str], None]) -> Sound | None:
    """The first sound track as float samples, or None when it holds none."""
    channels, total = media_sound.surveyed(_samples(path, name), name, note)
    if not total:
        return None
    with _opened(path, name) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        if stream.duration is not None:
            stated = round(stream.duration * stream.time_base * rate)
            if 0 < total - stated <= PADDING:
                total = max(stated, 1)
    return media_sound.taped(partial(_play_sound, path, name, total), channels, total, rate)


def _play_sound(path: Path, name: str, total: int, first: int) -> tuple[int, Iterator[np.ndarray]]:
    return 0, media_sound.in_range(_samples(path, name), total, name)


def _samples(path: Path, name: str) -> Iterator[np.ndarray]:
    """Samples float32 [channels, n] of the first sound track."""
    with _opened(path, name) as container:
        stream = container.streams.audio[0]
        resampler = AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        for part in _resampled(container, stream, resampler):
            yield part.to_ndarray()


def _resampled(container: InputContainer, stream: av.AudioStream, resampler: AudioResampler) -> Iterator[av.AudioFrame]:
    """Decoded sound frames as planar floats, with the resampler's rest at the end."""
    for frame in container.decode(stream):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _write_coded(container: OutputContainer, clip: Clip, suffix: str) -> None:
    """H.264 without loss of colour resolution where the sides are odd, sound as AAC (FLAC in Matroska)."""
    sound_stream = None
    if clip.sound is not None:
        sound_stream = container.add_stream("flac" if suffix == ".mkv" else "aac", rate=clip.sound.rate)
        sound_stream.layout = {1: "mono", 2: "stereo"}.get(len(clip.sound.samples), f"{len(clip.sound.samples)}c")
        sound_stream.format = "s16" if suffix == ".mkv" else "fltp"
        if suffix != ".mkv":
            sound_stream.bit_rate = 96_000 * len(clip.sound.samples)
    height, width = clip.frames.shape[1:3]
    depth = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    encode_x264(container, clip, {"crf": str(CRF), "preset": "fast"}, depth)
    if clip.sound is not None and sound_stream is not None:
        write_sound(container, sound_stream, clip.sound)


def write_sound(container: OutputContainer, stream: av.AudioStream, sound: Sound) -> None:
    """Encode a whole sound into one stream of an open container."""
    resampler = AudioResampler(
        format=stream.format, layout=stream.layout, rate=sound.rate, frame_size=stream.codec_context.frame_size or 4096
    )
    place = 0
    for block in media_sound.blocks(sound):
        if stream.format.name == "s16":
            packed = media_sound.whole_numbers(block).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=stream.layout)
        else:
            planes = np.ascontiguousarray(np.clip(block, -1.0, 1.0))
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=stream.layout)
        frame.sample_rate, frame.pts, frame.time_base = sound.rate, place, Fraction(1, sound.rate)
        place += block.shape[1]
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
    for part in resampler.resample(None):
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def _write_plain(container: OutputContainer, clip: Clip) -> None:
    """Uncompressed full-resolution colour; the format has no place for sound."""
    stream = container.add_stream("wrapped_avframe", rate=clip.rate)
    stream.height, stream.width = clip.frames.shape[1:3]
    stream.pix_fmt = "yuv444p"
    for number, pixels in enumerate(clip.frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv444p")
        frame.pts, frame.time_base = number, 1 / clip.rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
