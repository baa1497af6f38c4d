"""Pictures and films through encoders of FFmpeg, with the colour conversion of this package both ways."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from ..errors import MediaError, UsageError
from . import colour
from .base import Peer
from .colour import Samples

LEAST = 16  # pixels: sides below are too short for some of the encoders
X265_ALONE = (
    "info=0:pools=none:frame-threads=1:wpp=0:lookahead-slices=0:log-level=error"  # one thread, no text in the file
)


def absent(name: str, encoder: str) -> str:
    """Why the peer `name` cannot be used, in one sentence; empty when the installed FFmpeg has its encoder."""
    try:
        av.codec.Codec(encoder, "w")
    except (FFmpegError, ValueError):
        return f"{name} needs the encoder {encoder}, which the FFmpeg of the installed PyAV does not have"
    return ""


def release(encoder: str) -> str:
    """Name of an encoder with the versions of PyAV and FFmpeg."""
    return f"{encoder} (PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info})"


@dataclass(frozen=True, kw_only=True)
class Coded(Peer):
    """An encoder of FFmpeg for pictures, its samples and its container.

    Attributes:
        encoder, container: FFmpeg's names.
        samples: of colour pictures.
        grey: of grey pictures, None where they are coded as colour.
        options: the encoder's options for a setting and a preset.
        words: those options and the container in words, without the preset.
        speed: what a preset is called.
        multiple: 2 where sides must be even, which repeated edges make them; otherwise 1.
        unwanted: FFmpeg's filter of packets that takes away what no decoder needs, or nothing.
    """

    encoder: str
    container: str
    samples: Samples
    options: Callable[[float, str], dict[str, str]]
    words: str
    grey: Samples | None = None
    speed: str = "preset"
    multiple: int = 1
    unwanted: str = ""

    def missing(self) -> str:
        """Whether FFmpeg was built without the encoder."""
        return absent(self.name, self.encoder)

    def version(self) -> str:
        """Of PyAV and its FFmpeg."""
        return release(self.encoder)

    def settings(self) -> str:
        """Colour, options, container."""
        padding = ", odd sides padded to even ones" if self.multiple > 1 else ""
        return f"{self.samples.words}, {self.speed} {self.chosen}, {self.words}, 1 thread{padding}"

    def write(self, path: Path, pictures: np.ndarray, rate: Fraction, quality: float) -> None:
        """Encode pictures uint8 [T, H, W, 1 or 3]; raises UsageError when the encoder refuses them."""
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 speaks of errors only
        samples = self.grey if self.grey and pictures.shape[3] == 1 else self.samples
        try:
            with av.open(str(path), "w", format=self.container, options={"fflags": "+bitexact"}) as container:
                self._fill(container, pictures, rate, samples, self.options(quality, self.chosen))
        except (FFmpegError, ValueError) as error:
            raise UsageError(f"{self.name} cannot code this size or setting ({error})") from error

    def _fill(
        self,
        container: OutputContainer,
        pictures: np.ndarray,
        rate: Fraction,
        samples: Samples,
        options: dict[str, str],
    ) -> None:
        """One stream with all pictures."""
        height, width = colour.padded(pictures[0], self.multiple, LEAST).shape[:2]
        stream = opened(container, self.encoder, (width, height), rate, samples, options)
        drop = None
        for number, pixels in enumerate([*pictures, None]):
            frame = None if pixels is None else self._frame(pixels, samples)
            if frame is not None:
                frame.pts, frame.time_base = number, 1 / rate
            packets = stream.encode(frame)
            if self.unwanted and packets:
                drop = drop or BitStreamFilterContext(self.unwanted, in_stream=stream)  # knows the headers by now
                packets = [left for packet in packets for left in drop.filter(packet)]
            container.mux(packets)

    def _frame(self, pixels: np.ndarray, samples: Samples) -> av.VideoFrame:
        """A picture [H, W, 1 or 3] as FFmpeg's frame, enlarged where it must be."""
        pixels = colour.padded(pixels, self.multiple, LEAST)
        height, width = pixels.shape[:2]
        if samples is self.grey:
            return packed((pixels[..., 0],), samples)
        pixels = np.broadcast_to(pixels, (height, width, 3))
        luma, *chroma = colour.from_rgb(colour.padded(pixels, 2 if samples.halved else 1), samples)
        return packed((luma[:height, :width], *chroma), samples)

    def read(self, path: Path) -> tuple[np.ndarray, Fraction]:
        """The pictures of a file, uint8 [T, H, W, 1 or 3], and their rate; raises MediaError."""
        try:
            with av.open(str(path), "r", format=self.container) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                pictures = [self._pixels(frame) for frame in container.decode(stream)]
                rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        except FFmpegError as error:
            raise MediaError(f"{path.name}: cannot be decoded ({error.strerror})") from error
        if not pictures:
            raise MediaError(f"{path.name}: holds no picture")
        return np.stack(pictures), rate

    def _pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """A decoded frame as uint8 [H, W, 1 or 3]."""
        samples = self.grey if self.grey and frame.format.name == self.grey.format else self.samples
        return colour.to_rgb(unpacked(frame, samples), samples)


def opened(
    container: OutputContainer,
    encoder: str,
    size: tuple[int, int],
    rate: Fraction,
    samples: Samples,
    options: dict[str, str],
) -> VideoStream:
    """A new stream of pictures of `size` (width, height), with one thread and its colour written into the file."""
    place = {"chroma_sample_location": "center"} if samples.halved else {}
    stream = container.add_stream(encoder, rate=rate, options=options | place)
    stream.width, stream.height = size
    stream.pix_fmt, stream.time_base = samples.format, 1 / rate
    context = stream.codec_context
    context.thread_count, context.bit_rate = 1, 0
    context.colorspace = colour.MATRIX
    context.color_range = colour.FULL if samples.full else colour.LIMITED
    return stream


def packed(planes: tuple[np.ndarray, ...], samples: Samples) -> av.VideoFrame:
    """FFmpeg's frame of planes [H, W]."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, samples.format)
    for target, plane in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.shape[0], target.line_size // plane.itemsize), plane.dtype)
        rows[:, : plane.shape[1]] = plane
        target.update(rows.tobytes().ljust(target.buffer_size, b"\0")[: target.buffer_size])
    frame.colorspace, frame.color_range = colour.MATRIX, colour.FULL if samples.full else colour.LIMITED
    return frame


def unpacked(frame: av.VideoFrame, samples: Samples) -> tuple[np.ndarray, ...]:
    """Planes [H, W] of FFmpeg's frame; raises MediaError when it holds other samples."""
    if frame.format.name != samples.format:
        raise MediaError(f"decoded samples are {frame.format.name} instead of {samples.format}")
    planes = []
    for plane in frame.planes:
        row = plane.line_size // samples.dtype.itemsize
        values = np.frombuffer(plane, samples.dtype, row * plane.height)
        planes.append(values.reshape(plane.height, row)[:, : plane.width])
    return tuple(planes)
