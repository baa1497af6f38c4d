"""Films through PyAV: all frames as RGB with the sound track, and written by extension."""

import errno
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition
from PIL import Image

from ..codecs.signals import Clip, Sound
from . import media_sound
from .errors import MediaError

SUFFIXES = (".mp4", ".mkv", ".mov", ".y4m")
CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".y4m": "yuv4mpegpipe"}
CRF = 12  # visually lossless
LIMIT = 6 << 30  # bytes of decoded frames that are held in memory
ODD_RATE = Fraction(25)
PADDING = 4096  # samples that a lossy encoder may add at the end beyond the stated length
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)  # the fault of the disk, not of the film
BT601, LIMITED = 6, 1  # colour matrix and range as numbers of ITU-T H.273


def read(data: bytes, name: str, note: Callable[[str], None]) -> Clip | Sound:
    """Decode a film: frames uint8 [T, H, W, 3], upright, with its sound; a file without pictures gives a Sound."""
    try:
        with av.open(BytesIO(data), "r", metadata_errors="replace") as container:
            pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
            sound = _read_sound(container, name, note) if container.streams.audio else None
            if not pictures:
                if sound is None:
                    raise MediaError(f"{name}: holds neither pictures nor sound")
                return sound
            if len(pictures) > 1 or len(container.streams.audio) > 1:
                note(f"{name}: only the first picture track and the first sound track were taken")
            container.seek(0)
            frames, rate = _read_frames(container, pictures[0], name, note)
    except FFmpegError as error:
        raise MediaError(f"{name}: is not a film that can be read ({error.strerror})") from error
    return Clip(frames, rate, sound)


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


def _read_frames(
    container: InputContainer, stream: av.VideoStream, name: str, note: Callable[[str], None]
) -> tuple[np.ndarray, Fraction]:
    """All frames of one stream and the frame rate."""
    stream.thread_type = "AUTO"
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        rate = ODD_RATE
        note(f"{name}: states no frame rate, {ODD_RATE} frames per second were assumed")
    frames, times = None, []
    for frame in container.decode(stream):
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame.rotation, name))
        if frames is None:
            frames = Growing(pixels.shape, stream.frames)
        if frames.nbytes + pixels.nbytes > LIMIT:
            raise MediaError(f"{name}: is too long to be held in memory ({LIMIT >> 30} GiB of frames); cut it first")
        if pixels.shape != frames.shape:
            raise MediaError(f"{name}: changes its frame size, which a track cannot do")
        frames.append(pixels)
        times.append(frame.time)
    if frames is None:
        raise MediaError(f"{name}: holds no frames")
    if _uneven(times, rate):
        note(f"{name}: its frames are not evenly spaced; they were taken as {float(rate):.3f} per second")
    return frames.array(), Fraction(rate)


class Growing:
    """Frames uint8 of one shape, collected in one array; with the right number expected none is copied twice."""

    def __init__(self, shape: tuple[int, ...], expected: int) -> None:
        self.shape, self.count = shape, 0
        most = max(LIMIT // max(int(np.prod(shape)), 1), 1)
        self.data = np.empty(
            (min(max(expected, 16), most), *shape), np.uint8
        )  # pages that are never written cost nothing

    @property
    def nbytes(self) -> int:
        """Bytes of the frames so far."""
        return self.count * int(np.prod(self.shape))

    def append(self, frame: np.ndarray) -> None:
        """Add one more frame."""
        if self.count == len(self.data):
            self.data.resize((self.count + self.count // 2, *self.shape), refcheck=False)
        self.data[self.count] = frame
        self.count += 1

    def array(self) -> np.ndarray:
        """All frames, [T, *shape]."""
        self.data.resize((self.count, *self.shape), refcheck=False)
        return self.data


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


def _read_sound(container: InputContainer, name: str, note: Callable[[str], None]) -> Sound | None:
    """The first sound track as float samples, or None when it holds none."""
    stream = container.streams.audio[0]
    resampler = AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    parts = [part.to_ndarray() for part in _resampled(container, stream, resampler)]
    if not parts:
        return None
    samples = np.concatenate(parts, axis=1)
    if stream.duration is not None:
        stated = round(stream.duration * stream.time_base * stream.rate)
        if 0 < samples.shape[1] - stated <= PADDING:
            samples = samples[:, :stated]
    return media_sound.checked(samples, stream.rate, name, note)


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
    samples = np.clip(sound.samples, -1.0, 1.0)
    if stream.format.name == "s16":
        packed = media_sound.whole_numbers(sound.samples).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=stream.layout)
    else:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=stream.layout)
    frame.sample_rate, frame.pts, frame.time_base = sound.rate, 0, Fraction(1, sound.rate)
    resampler = AudioResampler(
        format=stream.format, layout=stream.layout, rate=sound.rate, frame_size=stream.codec_context.frame_size or 4096
    )
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
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
