"""Properties of the container: writing and reading are inverse, damage is noticed, reads may be split anywhere."""

import io

import pytest
import second_reader
from bitstream_cases import EXAMPLES, files, outcome, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triptych.bitstream import Malformed, Reader, TripError, Unit, Weights, varint

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Dribble(io.RawIOBase):
    """A pipe: cannot seek, and each read gives as many bytes as the next number says."""

    def __init__(self, data, sizes):
        self._data, self._at, self._sizes = data, 0, sizes

    def readable(self):
        return True

    def seekable(self):
        return False

    def read(self, count=-1):
        self._sizes = self._sizes[1:] + self._sizes[:1]
        count = min(count, self._sizes[0])
        self._at += count
        return self._data[self._at - count : self._at]


@FEW
@given(files())
def test_parse_inverts_write(arguments):
    tracks, items, metadata, _ = arguments
    assert outcome(written(*arguments)) == (tuple(tracks), items, metadata or {})


@FEW
@given(files())
def test_write_inverts_parse(arguments):
    data = written(*arguments)
    found_tracks, found, values = outcome(data)
    assert written(found_tracks, found, values if arguments[2] is not None else None, arguments[3]) == data


@FEW
@given(files(), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_any_split_of_reads(arguments, sizes):
    data = written(*arguments)
    assert outcome(Dribble(data, sizes)) == outcome(data)


@FEW
@given(files())
def test_second_reader_agrees(arguments):
    tracks, items, metadata, _ = arguments
    found = second_reader.read(written(*arguments))
    assert [(t["codec"], t["profile"], t["exact"], t["digest"], t["parameters"]) for t in found["tracks"]] == [
        (t.codec, t.profile, t.exact, t.digest, t.parameters) for t in tracks
    ]
    assert found["metadata"] == (metadata or {})
    assert [as_plain(item) for item in items] == found["items"]


def as_plain(item):
    """An item as the second reader gives it."""
    if isinstance(item, Weights):
        groups = tuple((group.exponent, group.coder, group.parameter) for group in item.groups)
        return {**vars(item), "groups": groups}
    return dict(vars(item))


@FEW
@given(files(), st.data())
def test_seeking_equals_the_walk(arguments, data):
    tracks, items, _, _ = arguments
    reader = Reader(written(*arguments))
    index = reader.index()
    assert index == reader.index(trust=True) and list(index) == list(reader.scan(check=True))
    assert [reader.read(entry) for entry in index] == items
    number = data.draw(st.integers(0, len(tracks) - 1))
    mine = [item for item in items if item.track == number]
    total = sum(item.outputs or 0 for item in mine if isinstance(item, Unit))
    wanted = data.draw(st.integers(0, total + 5))
    first, tail = reader.seek(number, wanted)
    tail = list(tail)
    units = [item for item in tail if isinstance(item, Unit)]
    every = [item for item in mine if isinstance(item, Unit)]
    assert units == every[len(every) - len(units) :] and units[0].key
    assert first == sum(unit.outputs or 0 for unit in every[: len(every) - len(units)])
    assert first <= wanted
    place = mine.index(units[0])
    held = [item for item in mine[:place] if isinstance(item, Weights)]
    whole = max((n for n, item in enumerate(held) if not item.difference), default=0)
    leading = tail[: tail.index(units[0])]
    assert leading == held[whole:]


def test_seeking_keeps_the_preroll():
    media = EXAMPLES["audio"]()
    reader = Reader(media)
    assert reader.tracks[0].media.preroll == 1
    assert [reader.seek(0, at)[0] for at in (0, 23999, 24000, 47999, 48000, 99999)] == [0, 0, 0, 0, 24000, 24000]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_bit_flip_is_noticed(name):
    data = EXAMPLES[name]()
    expected = outcome(data)
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            if place == 4 and bit < 4:  # a later minor version changes nothing that a reader of 1.0 may use
                assert outcome(changed) == expected
                continue
            with pytest.raises(TripError):
                outcome(changed)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_truncation_is_noticed(name):
    data = EXAMPLES[name]()
    entries = list(Reader(data).scan())
    whole = entries[-1].offset + entries[-1].size  # after the last unit only the optional index follows
    for length in range(len(data)):
        if length == whole:
            assert outcome(data[:length])[1] == outcome(data)[1]
            continue
        with pytest.raises(TripError):
            outcome(data[:length])


@FEW
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_every_insertion_is_noticed(name, data):
    file = EXAMPLES[name]()
    place = data.draw(st.integers(0, len(file)))
    added = data.draw(st.binary(min_size=1, max_size=20))
    with pytest.raises(TripError):
        outcome(file[:place] + added + file[place:])


@FEW
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data):
    for start in (b"", b"\xd3TRP\x10"):
        with pytest.raises(TripError):
            outcome(start + data)


@given(st.integers(0, (1 << 63) - 1))
def test_numbers_have_one_spelling(value):
    spelled = varint.encode(value)
    assert varint.decode(spelled, 0) == (value, len(spelled))
    with pytest.raises(Malformed):
        varint.decode(spelled[:-1] + bytes((spelled[-1] | 0x80, 0)), 0)


def test_a_file_may_begin_anywhere_in_a_file_object():
    data = EXAMPLES["video"]()
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    reader = Reader(file)
    assert list(reader) == outcome(data)[1]
    assert reader.index() == Reader(data).index()


def test_a_scan_passes_over_payloads_unread():
    class Counting(io.BytesIO):
        total = 0

        def read(self, count=-1):
            piece = super().read(count)
            Counting.total += len(piece)
            return piece

    track, big = Reader(EXAMPLES["image"]()).tracks[0], Unit(0, (bytes(1 << 20),), None, True)
    file = Counting(written([track], [big], index=True))
    (entry,) = Reader(file).scan()
    assert entry.size > 1 << 20 and Counting.total < 300


def test_a_pipe_is_read_once_and_has_no_index():
    reader = Reader(Dribble(EXAMPLES["audio"](), [7]))
    with pytest.raises(io.UnsupportedOperation):
        reader.index()
    assert len(list(reader)) == 3
    with pytest.raises(io.UnsupportedOperation):
        list(reader)
