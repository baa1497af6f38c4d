"""The rules about the order of chunks, kept by writer and reader alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import Malformed, OverLimit, Truncated
from .header import OWN_NETWORK, Track
from .items import Front
from .limits import Limits
from .media import WHOLE, per_unit


@dataclass
class _State:
    """How far one track has come."""

    track: Track
    number: int
    outputs: int = 0
    started: bool = False
    ended: bool = False
    weighted: bool = False  # a W came
    refreshed: bool = False  # the last chunk of this track was a W
    lacks_key: bool = False  # a unit was lost: those up to the next key unit are useless
    lacks_weights: bool = False  # weights were lost: all is useless up to the next whole weights


class Order:
    """What came so far; each method raises Malformed, OverLimit or Truncated if the next thing may not come now.

    `lost` is for salvage: it says that a chunk could not be read, and from then on rules that it may have kept are
    not enforced and units that cannot be decoded without it are refused by returning False.
    """

    def __init__(self, tracks: Sequence[Track], limits: Limits) -> None:
        self._states = [_State(track, number) for number, track in enumerate(tracks)]
        self._limits = limits
        self._items = 0
        self._metadata = False
        self._index = False
        self.broken = False

    @property
    def ended(self) -> bool:
        """Whether every track has ended."""
        return all(state.ended for state in self._states)

    def item(self, item: Front, offset: int | None = None) -> bool:
        """Take note of a D or W; returns whether it can be used."""
        self._items += 1
        if self._items > self._limits.units:
            raise OverLimit(f"The file has more than {self._limits.units} units.", offset)
        if item.track >= len(self._states):
            raise Malformed(f"There is no track {item.track}.", offset)
        state = self._states[item.track]
        if state.ended or self._index:
            raise Malformed(f"A chunk of track {item.track} follows its last unit.", offset)
        try:
            return self._weights(state, item) if item.weights else self._unit(state, item)
        except Malformed as error:
            error.offset = offset
            raise

    def _weights(self, state: _State, item: Front) -> bool:
        if not item.key and not state.weighted and not self.broken:
            raise Malformed(f"The first weights of track {state.number} are a difference.")
        state.lacks_weights = not item.key and (state.lacks_weights or not state.weighted)
        state.weighted = state.refreshed = True
        return not state.lacks_weights

    def _unit(self, state: _State, item: Front) -> bool:
        self._check_form(state, item)
        if not item.key and not self.broken:
            if not state.started:
                raise Malformed(f"The first unit of track {state.number} is not a key unit.")
            if state.refreshed:
                raise Malformed("Weights stand before a unit that is not a key unit.")
        state.lacks_key = state.lacks_key and not item.key
        state.started, state.refreshed, state.ended = True, False, item.last
        self._count(state, item)
        return not state.lacks_key and not state.lacks_weights

    def _check_form(self, state: _State, item: Front) -> None:
        if isinstance(state.track.media, WHOLE):
            if item.outputs is not None:
                raise Malformed("A unit of an image or a tensor does not count outputs.")
            if not item.key:
                raise Malformed("Every unit of an image or a tensor is a key unit.")
        elif item.outputs is None:
            raise Malformed("A unit of audio or video counts its outputs.")

    def _count(self, state: _State, item: Front) -> None:
        most, total = per_unit(state.track.media), getattr(state.track.media, "total", None)
        if most is None or item.outputs is None:
            return
        if item.outputs > most:
            raise Malformed(f"A unit yields {item.outputs} outputs; its track allows {most}.")
        state.outputs += item.outputs
        if total is None or self.broken:
            return
        if state.outputs > total or (item.last and state.outputs < total):
            raise Malformed(f"The units yield {state.outputs} outputs where the header says {total}.")

    def metadata(self, offset: int | None = None) -> None:
        """Take note of an m."""
        if self._metadata:
            raise Malformed("The file has a second metadata chunk.", offset)
        self._metadata = True

    def index(self, offset: int | None = None) -> None:
        """Take note of an i."""
        if self._index:
            raise Malformed("The file has a second index.", offset)
        if not self.ended and not self.broken:
            raise Malformed("The index stands before the end of a track.", offset)
        self._index = True

    def end(self, offset: int | None = None) -> None:
        """Take note of the end of the file."""
        for state in self._states:
            if not state.ended:
                raise Truncated(f"The file ends before the last unit of track {state.number}.", offset)

    def lost(self, weights: bool) -> None:
        """Take note of a chunk that could not be read; `weights` says that it was a W."""
        self.broken = True
        for state in self._states:
            state.lacks_key = True
            needs = state.weighted or state.track.digest == OWN_NETWORK
            state.lacks_weights = state.lacks_weights or (weights and needs)
