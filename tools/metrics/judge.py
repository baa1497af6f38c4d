"""All metrics of one original and its decoded copy."""

from collections.abc import Sequence

import numpy as np

from ...codecs.signals import Clip, Picture, Signal, Sound
from ..errors import UsageError
from . import METRICS, external, pictures, sounds


def usable(kind: str, names: Sequence[str] | None = None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Which metrics of a kind of media can be computed here.

    `names` are those asked for, None for all. Returns their names, and the reason for each that is left out. Raises
    UsageError for a name that is no metric of this kind.
    """
    fitting = [metric for metric in METRICS.values() if kind in metric.kinds]
    known = {metric.name for metric in fitting}
    for name in names or ():
        if name not in known:
            raise UsageError(
                f"{name} is no metric for {kind}; there are {', '.join(metric.name for metric in fitting)}"
            )
    wanted = [metric for metric in fitting if names is None or metric.name in names]
    reasons = {metric.name: external.absent(metric.name, metric.extra) for metric in wanted if metric.extra}
    missing = {name: reason for name, reason in reasons.items() if reason}
    return tuple(metric.name for metric in wanted if metric.name not in missing), missing


def judge(original: Signal, decoded: Signal, names: Sequence[str]) -> dict[str, float]:
    """The metrics `names` of a decoded signal; what does not apply (too small, silent) is left out.

    Raises:
        UsageError: the decoded signal is of another kind or size.
    """
    if type(original) is not type(decoded):
        raise UsageError("what was decoded is of another kind than the original")
    if isinstance(original, Picture):
        return _picture(original.pixels, decoded.pixels, names)
    if isinstance(original, Sound):
        return _sound(original, decoded, names)
    return _film(original, decoded, names)


def _picture(a: np.ndarray, b: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    if a.shape != b.shape:
        raise UsageError(f"the decoded picture has the shape {b.shape} and the original {a.shape}")
    found = pictures.measure(a, b)
    frames = [np.broadcast_to(x, (*x.shape[:2], 3))[None] for x in (pictures.colour(a), pictures.colour(b))]
    return {name: found[name] for name in names if name in found} | _watched(*frames, names)


def _watched(a: np.ndarray, b: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The metrics of other packages on frames [frames, height, width, 3]."""
    judges = {"lpips": external.lpips, "vmaf": external.vmaf}
    return {name: judges[name](a, b) for name in names if name in judges and min(a.shape[1:3]) >= 32}


def _film(original: Clip, decoded: Clip, names: Sequence[str]) -> dict[str, float]:
    a, b = original.frames, decoded.frames
    if a.shape != b.shape:
        raise UsageError(f"the decoded film has the shape {b.shape} and the original {a.shape}")
    structure = any(name in pictures.STRUCTURE for name in names)
    frames = [pictures.measure(x, y, True, structure) for x, y in zip(a, b, strict=True)]
    means = {name: float(np.mean([frame[name] for frame in frames])) for name in frames[0]}
    return {name: means[name] for name in names if name in means} | _watched(a, b, names)


def _sound(original: Sound, decoded: Sound, names: Sequence[str]) -> dict[str, float]:
    samples, _ = sounds.aligned(original, decoded)
    found = {"si_sdr": sounds.si_sdr(original.samples, samples)}
    found |= sounds.spectral(original.samples, samples, original.rate)
    others = [name for name in names if name in external.JUDGES]
    return {name: found[name] for name in names if name in found} | external.heard(
        others, original.samples, samples, original.rate
    )
