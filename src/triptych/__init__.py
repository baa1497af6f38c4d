"""Triptych: neural codecs for audio, image and video.

Importing this package is cheap: torch and numpy are loaded by the first call that needs them.
"""

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .bitstream import Reader
    from .codecs.base import Codec
    from .codecs.signals import Signal

__all__ = ["decode", "encode", "encode_many", "load", "open"]

Path = str | PathLike[str]


def encode(
    source: "Path | Signal | ArrayLike",
    codec: str | None = None,
    quality: float = 50.0,
    *,
    rate: int | None = None,
    fps: float | None = None,
    effort: int = 3,
    seconds: float | None = None,
    seed: int = 0,
    tile: int | None = None,
    group: int | None = None,
    target: tuple[str, float] | None = None,
    progress: Callable[[float, str], None] | None = None,
    weights: Path | None = None,
) -> bytes:
    """Encode a media file, a signal or an array; the bytes of a .trip file.

    Args:
        source: a path; a Picture, Sound or Clip; a uint8 array [H, W] or [H, W, 1 to 4] (a picture); with `rate`, in
            samples per second, a float array [n] or [channels, n] in -1 to 1 (a sound); with `fps` a uint8 array
            [T, H, W, 3] (a film).
        codec: its name, such as "image/patch"; None takes the default for the kind of source.
        quality: 0 (smallest file) to 100.
        effort: 0 to 10, for codecs that search or fit.
        seconds: time for codecs that fit a network; None lets `effort` decide.
        seed: start of every random choice.
        tile: side in pixels of the tiles of a picture, which decode without each other; None: 1024 for pictures of
            more than 2^22 pixels, otherwise none.
        group: frames of a film that share a network, for codecs that fit one; None lets the codec decide.
        target: instead of `quality`: "bytes", "bpp" or "kbps" and the most that the file may come
            to, or "psnr" (dB) or "ms-ssim" and the value to come near to.
        progress: called with the fraction done and a short text.
        weights: a weights file, or the name of a variant such as "48k"; None lets the signal decide.

    Raises:
        ValueError: an array of a shape or type that is no signal, or an option out of range.
        triptych.tools.errors.UsageError: a file that cannot be read, a codec that does not fit, a target out of reach.
    """
    import pathlib
    from io import BytesIO

    from .codecs.base import Options, silent
    from .tools import pipeline, targets
    from .tools.arrays import opened

    options = Options(quality, effort, seconds, progress or silent, seed, tile, group=group)
    file, out = None if weights is None else pathlib.Path(weights), BytesIO()
    with opened(source, rate, fps) as signal:
        if target is not None:
            return targets.reach(signal, targets.Target(*target), codec, options, file).data
        pipeline.encode(signal, out, codec, options, file)
    return out.getvalue()


def decode(
    source: "bytes | Path",
    *,
    crop: tuple[int, int, int, int] | None = None,
    frames: tuple[int, int] | None = None,
    full_precision: bool = False,
) -> "Signal":
    """Decode a .trip file, given as bytes or by its path.

    Args:
        source: the file.
        crop: of a picture only this part: left and upper end, width and height in pixels. Of a picture in tiles only
            those are decoded that the part needs; its pixels are those of the whole picture.
        frames: of a film only these and their sound: the first, counted from 0, and that after the last.
        full_precision: compute in float32 throughout: slower on some processors, but machines then agree but for rounding.

    Returns:
        Picture with `pixels` (uint8 [H, W, C]), Sound with `samples` (float32 [channels, n]) and `rate`, or Clip with
        `frames` (uint8 [T, H, W, 3]), `rate` and `sound`.

    Raises:
        triptych.bitstream.TripError: the file is damaged, too large, or needs weights that are not here.
        triptych.tools.errors.UsageError: the crop or the frames do not lie inside the picture or film, or there is none.
    """
    from .codecs import precision
    from .codecs.signals import Crop
    from .tools import files, pipeline

    data = source if isinstance(source, bytes) else files.read_bytes(source)
    with precision.full_precision(full_precision):
        return pipeline.decode(data, crop=None if crop is None else Crop(*crop), frames=frames)


def encode_many(
    sources: "Iterable[Path | Signal | ArrayLike]",
    codec: str | None = None,
    quality: float = 50.0,
    *,
    effort: int = 3,
    seed: int = 0,
) -> "Iterator[bytes]":
    """Encode many pictures or sounds side by side on the threads that torch may use.

    Args:
        sources: as `encode` takes them, and as many at a time as there are threads.
        codec, quality, effort, seed: as in `encode`.

    Yields:
        The bytes of a .trip file for each, in order and equal to what `encode` gives for it alone.

    Raises:
        As `encode`, in place of the result.
    """
    import torch

    from .codecs.parallel import in_order

    def one(source: "Path | Signal | ArrayLike") -> bytes:
        return encode(source, codec, quality, effort=effort, seed=seed)

    return in_order(one, sources, torch.get_num_threads())


def open(source: "bytes | Path") -> "Reader":
    """Open a .trip file without decoding it: `tracks` and `metadata`; iterating gives the packets in file order.

    Needs the standard library only. Raises a triptych.bitstream.TripError when the headers are not in order.
    """
    from .bitstream import Reader
    from .tools import files

    return Reader(source if isinstance(source, bytes) else files.read_bytes(source))


def load(codec: str, weights: Path | None = None) -> "Codec":
    """A codec as a torch module in evaluation mode, with the weights that ship or those of a safetensors file.

    weights: the file, or the name of a variant that ships, such as "48k" for audio/mdct-rvq.
    """
    import pathlib

    from .tools import models

    return models.load(codec, None if weights is None else pathlib.Path(weights))
