"""Encoding to a target: a size, a rate, a PSNR or an MS-SSIM, found by bisection over the quality."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from ..codecs.base import Options
from ..codecs.registry import codec_class
from ..codecs.signals import Clip, Signal, Sound
from . import pipeline
from .errors import UsageError
from .metrics import pictures

NAMES = {"bytes": "bytes", "bpp": "bits per pixel", "kbps": "kbit/s", "psnr": "dB PSNR", "ms-ssim": "MS-SSIM"}
SIZES = ("bytes", "bpp", "kbps")
HALVINGS, CHEAP = 8, 3  # steps of the search, and the effort up to which it is made at the effort asked for
AIMED, MARGIN = 3, 0.01  # encodings of a codec that aims by itself, and the share by which it aims below a size
NEAR, CLOSE, FAR = 0.1, 0.5, 1.0  # dB from a film's target: enough, the fit itself may correct it, an error
SLOPE = 0.2  # dB for a step of a film's quality
DRAFT, TRIED = 2, 5  # efforts that the draft of a film saves, and encodings after it
REFINED, REACH = 4, 8.0  # steps at a higher effort, and how far from the quality found before


@dataclass(frozen=True)
class Target:
    """What a file must come to.

    Attributes:
        measure: "bytes", "bpp" or "kbps" (the largest file that does not exceed it), "psnr" or "ms-ssim" (the nearest).
        value: in the unit of the measure.
    """

    measure: str
    value: float

    def __post_init__(self) -> None:
        if self.measure not in NAMES:
            raise ValueError(f"no target is called {self.measure}; there are {', '.join(NAMES)}")

    def __str__(self) -> str:
        return f"{self.value:g} {NAMES[self.measure]}"


@dataclass(frozen=True)
class Found:
    """A file, the quality that gave it (None: the codec came to the target by itself), and what it comes to.

    `reached` is in the measure of the target.
    """

    data: bytes
    quality: float | None
    reached: float


class Interrupted(Exception):
    """An encoding came to an end before its time; its file takes the place of what the search would have found."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.found = found


def reach(signal: Signal, target: Target, codec_id: str | None, options: Options, weights: Path | None = None) -> Found:
    """Encode to a target: pictures and sounds over the whole range of qualities, films to a size, a rate or a PSNR.

    Raises:
        UsageError: the measure does not fit the signal, or no quality reaches the target.
    """
    _check(signal, target)

    def attempt(quality: float, effort: int, aim: tuple[str, float] | None = None) -> Found:
        out = BytesIO()
        keep = options.keep and options.keep.within(f"{quality:g}-{effort}-{'-'.join(map(str, aim or ()))}")
        chosen = replace(options, quality=quality, effort=effort, aim=aim, keep=keep)
        pipeline.encode(signal, out, codec_id, chosen, weights)
        found = Found(out.getvalue(), quality, _measure(signal, out.getvalue(), target.measure, weights))
        if keep is not None and keep.interrupted:
            raise Interrupted(found)
        return found

    try:
        return _reached(signal, target, codec_id, options, attempt)
    except Interrupted as early:
        return early.found


def _reached(
    signal: Signal, target: Target, codec_id: str | None, options: Options, attempt: Callable[..., Found]
) -> Found:
    """The way to the target that suits signal and codec."""
    aims = codec_class(pipeline.choose(signal, codec_id)).aims
    if isinstance(signal, Clip) and "bytes" in aims:
        return (_film_psnr if target.measure == "psnr" else _film)(signal, attempt, target, options)
    if target.measure in aims:
        return _aim(attempt, target, options, target.measure)
    draft = min(options.effort, CHEAP)
    tried = search(lambda quality: attempt(quality, draft), target, 0.0, 100.0, HALVINGS, options.progress)
    if options.effort > draft:
        middle = _best(tried, target).quality
        low, high = max(middle - REACH, 0.0), min(middle + REACH, 100.0)
        tried = search(lambda quality: attempt(quality, options.effort), target, low, high, REFINED, options.progress)
    return _best(tried, target)


def _aim(
    attempt: Callable[..., Found], target: Target, options: Options, measure: str, unit: float = 1.0, rest: float = 0.0
) -> Found:
    """One encoding by a codec that comes to a target by itself; a size that it exceeds is aimed lower again.

    measure: what the codec aims at; unit: of the target in this measure; rest: what else will be in the file.
    """
    tried, value = [], target.value / unit * (1 - MARGIN if target.measure in SIZES else 1) - rest
    for _ in range(AIMED):
        tried.append(attempt(options.quality, options.effort, (measure, value)))
        if target.measure not in SIZES or tried[-1].reached <= target.value:
            break
        value *= (1 - MARGIN) * target.value / tried[-1].reached
    return replace(_best(tried, target) if target.measure in SIZES else tried[-1], quality=None)


def _film(clip: Clip, attempt: Callable[..., Found], target: Target, options: Options) -> Found:
    """A film comes to a size by itself; that of its sound and of the container are taken off before."""
    sound, unit = 0, _measure(clip, bytes(1000), target.measure, None) / 1000
    if clip.sound is not None:
        out = BytesIO()
        pipeline.encode(clip.sound, out, None, replace(options, aim=None))
        sound = len(out.getvalue())
    if target.value / unit <= sound:
        raise UsageError(f"{target} cannot be reached: the sound alone comes to {sound * unit:.4g}")
    return _aim(attempt, target, options, "bytes", unit, sound)


def _film_psnr(clip: Clip, attempt: Callable[..., Found], target: Target, options: Options) -> Found:
    """A film comes to a PSNR by itself once its network has about the right size, which a cheaper draft tells roughly."""
    draft = attempt(options.quality, max(0, options.effort - DRAFT))
    quality, aim, tried = options.quality + (target.value - draft.reached) / SLOPE, target.value, []
    for _ in range(TRIED):
        quality = min(max(quality, 0.0), 100.0)
        tried.append(attempt(quality, options.effort, ("psnr", aim)))
        missing = target.value - tried[-1].reached
        if abs(missing) <= NEAR or (quality in (0.0, 100.0) and abs(missing) > FAR and len(tried) > 1):
            break
        if abs(missing) <= CLOSE:  # the fit sees its frames before they are rounded and cut to the file's values
            aim += missing
        low, high = (
            max((found for found in tried if found.reached < target.value), key=lambda f: f.reached, default=None),
            min((found for found in tried if found.reached > target.value), key=lambda f: f.reached, default=None),
        )
        if low is None or high is None:
            quality += missing / SLOPE
        else:
            share = (target.value - low.reached) / (high.reached - low.reached)
            quality = low.quality + share * (high.quality - low.quality)
    best = min(tried, key=lambda found: abs(found.reached - target.value))
    if abs(best.reached - target.value) > FAR:
        raise UsageError(f"{target} cannot be reached with this effort: the nearest comes to {best.reached:.4g}")
    return best


def search(
    attempt: Callable[[float], Found],
    target: Target,
    low: float,
    high: float,
    steps: int,
    progress: Callable[[float, str], None],
) -> list[Found]:
    """Both ends and `steps` halvings between them; everything that was tried."""
    tried = [attempt(low), attempt(high)]
    for step in range(steps):
        if not tried[0].reached < target.value < tried[1].reached:
            break
        middle = attempt((low + high) / 2)
        tried.append(middle)
        progress((step + 1) / steps, f"quality {middle.quality:.1f}: {middle.reached:.4g} {NAMES[target.measure]}")
        low, high = (middle.quality, high) if middle.reached < target.value else (low, middle.quality)
    return tried


def _best(tried: list[Found], target: Target) -> Found:
    """The one that meets the target; raises UsageError where none does."""
    if target.measure in SIZES:
        fitting = [found for found in tried if found.reached <= target.value]
        if not fitting:
            smallest = min(tried, key=lambda found: found.reached)
            raise UsageError(
                f"{target} cannot be reached: the smallest file comes to {smallest.reached:.4g} {NAMES[target.measure]}"
            )
        return max(fitting, key=lambda found: found.reached)
    best = max(found.reached for found in tried)
    if best < target.value:
        raise UsageError(f"{target} cannot be reached: the best quality comes to {best:.4g}")
    return min(tried, key=lambda found: abs(found.reached - target.value))


def _check(signal: Signal, target: Target) -> None:
    """Refuse measures that say nothing about a signal."""
    if isinstance(signal, Clip):
        if target.measure == "ms-ssim":
            raise UsageError(
                f"films are not encoded to a target in {NAMES[target.measure]}; give a size, a rate or a PSNR"
            )
        return
    if isinstance(signal, Sound) != (target.measure == "kbps") and target.measure != "bytes":
        kind = "sound" if isinstance(signal, Sound) else "picture"
        raise UsageError(f"a target in {NAMES[target.measure]} does not fit a {kind}")
    if target.measure == "ms-ssim" and min(signal.pixels.shape[:2]) < pictures.SMALLEST:
        raise UsageError(f"MS-SSIM needs a picture of at least {pictures.SMALLEST} pixels on each side")


def _measure(signal: Signal, data: bytes, measure: str, weights: Path | None) -> float:
    """What a file comes to."""
    if measure == "bytes":
        return float(len(data))
    if isinstance(signal, Sound):
        return len(data) * 8e-3 * signal.rate / signal.samples.shape[1]
    if isinstance(signal, Clip) and measure == "kbps":
        return len(data) * 8e-3 * float(signal.rate) / len(signal.frames)
    if measure == "bpp":
        samples = signal.frames if isinstance(signal, Clip) else signal.pixels
        return len(data) * 8 * samples.shape[-1] / samples.size
    if isinstance(signal, Clip):
        frames = pipeline.decode(data, weights=weights, taped=True).frames
        return sum(map(pictures.psnr, signal.frames, frames)) / len(frames)
    decoded = pipeline.decode(data, weights=weights).pixels
    original, decoded = pictures.colour(signal.pixels), pictures.colour(decoded)
    return pictures.psnr(original, decoded) if measure == "psnr" else pictures.ssim(original, decoded)["ms_ssim"]
