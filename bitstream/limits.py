"""What a reader is willing to hold and to do for a file that it does not trust."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds, inclusive; a file that declares more raises OverLimit before anything is allocated.

    The bounds `weights`, `pixels` and `samples` also serve the codecs, which know more than the container.
    """

    chunk: int = 64 << 20  # bytes of one chunk's payload
    header: int = 64 << 10  # bytes of one H payload
    metadata: int = 1 << 20  # bytes of the m payload
    tracks: int = 16
    units: int = 1 << 24  # D and W chunks of a file together
    streams: int = 1 << 12  # coded streams of one unit
    groups: int = 1 << 12  # tensor groups of one W
    weights: int = 1 << 26  # network weights that a file may carry
    pixels: int = 1 << 28  # width times height
    frames: int = 1 << 16  # frames per unit of a video
    samples: int = 1 << 28  # samples per unit of audio, all channels together
    channels: int = 1 << 8
    elements: int = 1 << 30  # of a tensor

    def memory(self) -> int:
        """Bytes that a Reader never exceeds under these limits, its index and one item kept by the caller included.

        A chunk counts four times (the payload, its streams, growth while reading a pipe, the caller's last item),
        metadata 64 times (short strings are expensive in Python), an index entry 128 bytes.
        """
        items = 4 * self.chunk + 256 * (self.streams + self.groups)
        return items + 8 * self.tracks * (self.header + 1024) + 64 * self.metadata + 128 * self.units + (1 << 20)


DEFAULT = Limits()
