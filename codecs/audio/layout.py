"""Where the units of a sound begin and end: pure integer arithmetic that encoder and decoder share."""

from dataclasses import dataclass

from ...bitstream import AudioMedia, Unit, Weights
from ...bitstream.errors import Malformed, OverLimit

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000  # Hz, what resampling is asked to bridge


@dataclass(frozen=True)
class Layout:
    """Units of `per_unit` blocks of `hop` samples at `rate` Hz, for a sound of `total` samples at `own_rate` Hz.

    A decoder needs `reach` frames beyond those it makes samples of, and `tail` frames more than blocks: one where frames
    overlap by half. The first unit carries that many more frames, so every unit but the last yields exactly its blocks, and
    decoding unit by unit gives what decoding the whole would.
    """

    total: int
    own_rate: int
    rate: int
    hop: int
    per_unit: int
    reach: int
    tail: int = 1

    @classmethod
    def of(cls, media: AudioMedia, rate: int, hop: int, per_unit: int, reach: int, tail: int = 1) -> "Layout":
        """Layout from the header fields of a track; raises Malformed, OverLimit for a rate out of bounds."""
        if not media.total or media.skip:
            raise Malformed("this codec needs the number of samples, at least one, in the header and skips none")
        if not LOWEST_RATE <= media.sample_rate <= HIGHEST_RATE:
            raise OverLimit(f"the sample rate {media.sample_rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        layout = cls(media.total, media.sample_rate, rate, hop, per_unit, reach, tail)
        if media.samples_per_unit != layout.outputs_per_unit:
            raise Malformed(f"units hold {layout.outputs_per_unit} samples here, not {media.samples_per_unit}")
        return layout

    @property
    def samples(self) -> int:
        """Samples at the codec's rate."""
        return -(-self.total * self.rate // self.own_rate)

    @property
    def blocks(self) -> int:
        """Blocks of `hop` samples at the codec's rate."""
        return -(-self.samples // self.hop)

    @property
    def frames(self) -> int:
        """Frames of codes."""
        return self.blocks + self.tail

    @property
    def units(self) -> int:
        """Units of the track, at least one."""
        return max(1, -(-self.blocks // self.per_unit))

    @property
    def outputs_per_unit(self) -> int:
        """The most samples at the sound's own rate that a unit yields."""
        return -(-self.per_unit * self.hop * self.own_rate // self.rate)

    def coded(self, unit: int) -> int:
        """Frames that the units up to and including this one carry."""
        return 0 if unit < 0 else min(self.frames, (unit + 1) * self.per_unit + self.reach + self.tail)

    def made(self, unit: int) -> int:
        """Blocks that are complete after this unit."""
        return 0 if unit < 0 else min(self.blocks, (unit + 1) * self.per_unit)

    def outputs(self, unit: int) -> int:
        """Samples at the sound's own rate that a unit yields."""
        ends = [min(self.total, self.made(n) * self.hop * self.own_rate // self.rate) for n in (unit - 1, unit)]
        return (self.total if unit == self.units - 1 else ends[1]) - ends[0]

    def expect(self, unit: int, item: Weights | Unit) -> None:
        """Check that an item can be a unit of the sound; raises Malformed."""
        last = unit >= self.units - 1
        if unit >= self.units or not isinstance(item, Unit) or len(item.streams) != 1 or item.last != last:
            raise Malformed(f"a sound of this length is {self.units} units with one stream each")
        if item.outputs != self.outputs(unit):
            raise Malformed(f"unit {unit} must yield {self.outputs(unit)} samples, not {item.outputs}")
