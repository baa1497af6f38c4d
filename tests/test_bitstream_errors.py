"""Errors as sentences, what a Writer refuses, what salvage saves."""

import io
import pickle

import pytest
from bitstream_cases import AUDIO, EXAMPLES, IMAGE, VIDEO, outcome, written

from triptych import bitstream
from triptych.bitstream import (
    AudioMedia,
    Colour,
    Damaged,
    Entry,
    ImageMedia,
    Index,
    Limits,
    Malformed,
    NotOurs,
    OverLimit,
    Reader,
    SampleFormat,
    Track,
    TripError,
    Truncated,
    Unit,
    VideoMedia,
    WeightGroup,
    Weights,
    Writer,
)
from triptych.bitstream.chunk import pack
from triptych.bitstream.index import pack_entry, pack_index

CLASSES = [
    "NotOurs",
    "TooNew",
    "UnknownCritical",
    "Truncated",
    "Damaged",
    "Malformed",
    "OverLimit",
    "UnknownCodec",
    "WrongModel",
    "SymbolMismatch",
    "MissingDependency",
]
STILL = Unit(0, (b"data",), None, True)
GROUP = WeightGroup(-7, 1, 3)


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_a_sentence_with_an_offset(name):
    error = getattr(bitstream, name)("The weights are missing.", 17)
    assert isinstance(error, TripError) and type(error).__bases__ == (TripError,)
    assert str(error) == "The weights are missing. (at byte 17)" and error.offset == 17
    assert str(type(error)("Without place.")) == "Without place." and type(error)("x").offset is None
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.offset) == (type(error), error.message, 17)


FIELDS = {
    "depth 0": lambda: SampleFormat(0),
    "depth 17": lambda: SampleFormat(17),
    "two planes": lambda: SampleFormat(8, 2),
    "code point": lambda: Colour(256, 0, 0, True),
    "no width": lambda: ImageMedia(0, 1),
    "no height": lambda: ImageMedia(1, 0),
    "default colour": lambda: ImageMedia(1, 1, colour=Colour(1, 13, 0, True)),
    "no rate": lambda: AudioMedia(0, 1, 1),
    "no channels": lambda: AudioMedia(1, 0, 1),
    "no samples": lambda: AudioMedia(1, 1, 0),
    "rate not reduced": lambda: VideoMedia(1, 1, SampleFormat(), None, (50, 2), 1),
    "no frames": lambda: VideoMedia(1, 1, SampleFormat(), None, (25, 1), 0),
    "video default colour": lambda: VideoMedia(1, 1, SampleFormat(), Colour(1, 1, 0, True), (25, 1), 1),
    "codec id": lambda: Track("Image", 1, True, bytes(8), IMAGE.media),
    "long codec id": lambda: Track("a" * 65, 1, True, bytes(8), IMAGE.media),
    "short digest": lambda: Track("a", 1, True, bytes(7), IMAGE.media),
    "no streams": lambda: Unit(0, (), 1, True),
    "negative outputs": lambda: Unit(0, (b"",), -1, True),
    "large check": lambda: Unit(0, (b"",), 1, True, True, 1 << 32),
    "exponent": lambda: WeightGroup(128, 0, 0),
    "coder": lambda: WeightGroup(0, 3, 0),
    "no groups": lambda: Weights(0, False, (), b"", 0),
    "negative number": lambda: written([Track("a", -1, True, bytes(8), IMAGE.media)], [STILL]),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_checked_when_made(name):
    with pytest.raises(Malformed):
        FIELDS[name]()


def sound(outputs, last=False, key=True, track=0):
    """A unit of AUDIO."""
    return Unit(track, (b"",), outputs, last, key)


LIVE = Track("audio/example", 1, True, bytes(8), AudioMedia(8000, 1, 10))
REFUSED = {
    "no tracks": ([], [], Malformed),
    "17 tracks": ([IMAGE] * 17, [], OverLimit),
    "no last unit": ([LIVE], [sound(1)], Truncated),
    "one track without last unit": ([LIVE, LIVE], [sound(1, True)], Truncated),
    "unit after the last": ([LIVE], [sound(1, True), sound(1, True)], Malformed),
    "no key unit": ([LIVE], [sound(1, True, False)], Malformed),
    "unknown track": ([LIVE], [sound(1, True, track=1)], Malformed),
    "no outputs": ([LIVE], [Unit(0, (b"",), None, True)], Malformed),
    "too many outputs": ([LIVE], [sound(11, True)], Malformed),
    "total": ([AUDIO], [sound(24000, True)], Malformed),
    "image with outputs": ([IMAGE], [Unit(0, (b"",), 1, True)], Malformed),
    "image without end": ([IMAGE], [Unit(0, (b"",), None, False)], Truncated),
    "tile without key": ([IMAGE], [Unit(0, (b"",), None, False), Unit(0, (b"",), None, True, False)], Malformed),
    "difference to nothing": ([LIVE], [Weights(0, True, (GROUP,), b"", 0)], Malformed),
    "weights before no key": ([LIVE], [sound(1), Weights(0, False, (GROUP,), b"", 0), sound(1, key=False)], Malformed),
    "large profile": ([Track("a", 1 << 63, True, bytes(8), IMAGE.media)], [STILL], OverLimit),
    "large header": ([Track("a", 1, True, bytes(8), IMAGE.media, bytes(1 << 16))], [STILL], OverLimit),
    "large picture": ([Track("a", 1, True, bytes(8), ImageMedia(1 << 15, 1 << 14))], [STILL], OverLimit),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_writer_refuses_what_a_reader_would(name):
    tracks, items, error = REFUSED[name]
    with pytest.raises(error):
        written(tracks, items)


def test_what_is_refused_leaves_no_bytes():
    file = io.BytesIO()
    writer = Writer(file, [LIVE], Limits(chunk=100, metadata=20, units=2))
    size = file.tell()
    with pytest.raises(OverLimit):
        writer.unit(Unit(0, (bytes(100),), 1, False))
    with pytest.raises(OverLimit):
        writer.metadata({"title": "a long title indeed"})
    with pytest.raises(Malformed):
        writer.metadata({"title": "\ud800"})
    with pytest.raises(Malformed):
        writer.metadata({"title": 1})
    assert file.tell() == size
    writer.metadata({})
    with pytest.raises(Malformed):
        writer.metadata({})
    writer.unit(sound(1))
    writer.unit(sound(1, True))
    writer.finish()
    with pytest.raises(Malformed):
        writer.finish()
    assert len(outcome(file.getvalue())[1]) == 2
    with pytest.raises(OverLimit):
        outcome(file.getvalue(), limits=Limits(units=1))


def test_short_writes_are_continued():
    class Short(io.BytesIO):
        def write(self, data):
            return super().write(data[:3])

    file = Short()
    writer = Writer(file, [IMAGE])
    writer.unit(STILL)
    writer.finish()
    assert file.getvalue() == written([IMAGE], [STILL])


def broken(data, entry):
    """The file with one payload bit of a chunk changed."""
    changed = bytearray(data)
    changed[entry.offset + entry.size - 5] ^= 1
    return bytes(changed)


def salvaged(data):
    """Items and problems of a salvage pass."""
    reader = Reader(data, salvage=True)
    return list(reader), reader.problems


def test_salvage_skips_a_damaged_unit():
    data = EXAMPLES["audio"]()
    _, items, _ = outcome(data)
    for number, entry in enumerate(Reader(data).index()):
        found, problems = salvaged(broken(data, entry))
        assert found == items[:number] + items[number + 1 :]
        assert isinstance(problems[0], Damaged) and problems[0].offset == entry.offset
    assert salvaged(data) == (items, ())


def test_salvage_leaves_out_what_needs_a_lost_chunk():
    data = EXAMPLES["video"]()
    _, items, _ = outcome(data)
    index = Reader(data).index()
    first_weights, key, _, _, difference, _, _ = index
    assert salvaged(broken(data, first_weights))[0] == [items[2], items[6]]  # only the sound
    assert salvaged(broken(data, key))[0] == [items[0], items[2], items[4], items[5], items[6]]
    assert salvaged(broken(data, difference))[0] == [*items[:4], items[6]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_salvage_gives_all_whole_units_of_a_cut_file(name):
    data = EXAMPLES[name]()
    _, items, _ = outcome(data)
    entries = list(Reader(data).scan())
    whole = [entry.offset + entry.size for entry in entries]
    for length in range(entries[0].offset, len(data)):
        found, problems = salvaged(data[:length])
        assert found == items[: sum(end <= length for end in whole)]
        assert length == whole[-1] or isinstance(problems[0], Truncated)


def test_salvage_reports_a_damaged_index_and_metadata():
    data = EXAMPLES["audio"]()
    _, items, values = outcome(data)
    place = data.index(b"Three")
    changed = bytearray(data)
    changed[place] ^= 1
    changed[-1] ^= 1
    reader = Reader(bytes(changed), salvage=True)
    assert list(reader) == items and reader.metadata == {} and values
    assert [type(problem) for problem in reader.problems] == [Damaged, Damaged]


def test_salvage_needs_the_headers():
    data = bytearray(EXAMPLES["image"]())
    data[12] ^= 1
    with pytest.raises(Damaged):
        Reader(bytes(data), salvage=True)
    with pytest.raises(NotOurs):
        Reader(b"text", salvage=True)


def test_salvage_stops_where_it_loses_its_way():
    data = EXAMPLES["audio"]()
    entry = Reader(data).index()[1]
    found, problems = salvaged(data[: entry.offset] + b"\0" + data[entry.offset :])
    assert found == outcome(data)[1][:1]
    assert [type(problem) for problem in problems] == [Malformed, Truncated]


def test_an_index_that_lies_is_noticed_when_read():
    data = EXAMPLES["audio"]()
    reader = Reader(data)
    index = reader.index(trust=True)
    wrong = type(index[0])(index[1].offset, index[1].size, 0, 23999, True)
    with pytest.raises(Malformed):
        reader.read(wrong)
    with pytest.raises(TripError):
        reader.read(type(index[0])(index[1].offset + 1, index[1].size, 0, 24000, True))
    with pytest.raises(TripError):
        reader.read(type(index[0])(len(data), 9, 0, 24000, True))


def test_the_contract_of_the_video_example():
    assert not VIDEO.exact and Reader(EXAMPLES["video"]()).tracks[0] == VIDEO


def with_index(entries):
    """A sound file whose index was replaced; the walk would refuse it."""
    data = EXAMPLES["audio"]()
    index = Reader(data).index()
    end = index[-1].offset + index[-1].size
    return data[:end] + pack(b"i", pack_index(b"".join(entries)))


def test_a_trusted_index_is_not_trusted_blindly():
    data = EXAMPLES["audio"]()
    index = Reader(data).index()
    first = pack_entry(Entry(index[0].offset, index[0].size, 0, 24000, False), 5)
    with pytest.raises(Malformed, match="key unit"):
        Reader(with_index([first])).seek(0, 0, trust=True)
    with pytest.raises(Malformed, match="agree"):
        list(Reader(with_index([first])))
    walked = Reader(data).index()
    behind = pack_entry(Entry(index[0].offset, len(data), 0, 24000, True), 5)
    for damaged in (with_index([behind]), with_index([first[:-1]]), data[:-1] + b"\0"):
        with pytest.raises(TripError):  # found from the end it is nothing, so the walk decides
            Reader(damaged).index(trust=True)
    with pytest.raises(OverLimit):
        Reader(data, Limits(units=2)).index(trust=True)
    assert Reader(data[: walked[-1].offset + walked[-1].size]).index(trust=True) == walked


def test_an_index_is_a_sequence():
    index = Reader(EXAMPLES["video"]()).index()
    assert index[1:3] == Index([index[1], index[2]]) and index[-1] == list(index)[-1]
    assert index != Index() and index[0].weights and index[0].outputs is None
    with pytest.raises(IndexError):
        index[len(index)]
