"""Pictures of any number of planes for networks that know colour only."""

import numpy as np

from ...bitstream import SampleFormat
from ..signals import Picture


def format_of(picture: Picture) -> SampleFormat:
    """The sample format of a picture: 8 bits, one or three planes, with or without alpha."""
    planes = picture.pixels.shape[2]
    return SampleFormat(depth=8, planes=1 if planes < 3 else 3, alpha=planes in (2, 4))


def split(picture: Picture) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB uint8 [H, W, 3] (grey repeated) and alpha uint8 [H, W] or None."""
    planes = picture.pixels.shape[2]
    alpha = picture.pixels[:, :, -1] if planes in (2, 4) else None
    colour = picture.pixels[:, :, : 3 if planes > 2 else 1]
    return np.array(np.broadcast_to(colour, (*colour.shape[:2], 3))), alpha


def join(colour: np.ndarray, alpha: np.ndarray | None, grey: bool) -> Picture:
    """The inverse of `split`: RGB uint8 [H, W, 3], its mean where the picture is grey, and alpha uint8 [H, W]."""
    if grey:
        colour = np.rint(colour.mean(axis=2, keepdims=True)).astype(np.uint8)
    if alpha is not None:
        colour = np.concatenate((colour, alpha[:, :, None]), axis=2)
    return Picture(np.ascontiguousarray(colour))
