"""All frames of a film, no more and no less than its header says."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from ...bitstream import VideoMedia
from ...bitstream.errors import Malformed
from ..signals import Clip
from ..tape import gathered


def counted(frames: Iterable[np.ndarray], total: int | None) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] as [1, H, W, 3] each; raises Malformed unless there are `total` of them, at least one."""
    count = 0
    for count, frame in enumerate(frames, 1):
        if count > (total or 0):
            raise Malformed(f"a film of {total} frames has units for more")
        yield frame[None]
    if count != total or not count:
        raise Malformed(f"a film of {total} frames has units for {count}")


def whole_film(media: VideoMedia, pieces: Iterable[np.ndarray]) -> Clip:
    """The clip of the frames in `pieces`, uint8 [n, H, W, 3] each, all counted."""
    shape = media.total or 0, media.height, media.width, 3
    return Clip(gathered(pieces, shape, np.uint8, 0), Fraction(*media.rate))
