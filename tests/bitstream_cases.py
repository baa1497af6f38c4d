"""Files for the container's tests: fixed examples and hypothesis strategies for everything a Writer takes."""

import io
from fractions import Fraction

from hypothesis import strategies as st

from triptych.bitstream import (
    AudioMedia,
    Colour,
    ImageMedia,
    Reader,
    SampleFormat,
    TensorMedia,
    Track,
    Unit,
    VideoMedia,
    WeightGroup,
    Weights,
    Writer,
)
from triptych.bitstream.media import BT709, SRGB

IMAGE = Track("image/example", 1, True, bytes.fromhex("0123456789abcdef"), ImageMedia(768, 512))
AUDIO = Track(
    "audio/example", 2, True, bytes.fromhex("1122334455667788"), AudioMedia(24000, 1, 24000, 120, 1, 48100), b"\x08"
)
VIDEO = Track(
    "video/example",
    1,
    False,
    bytes(8),
    VideoMedia(640, 360, SampleFormat(10, 3, False), Colour(9, 16, 0, True), (30000, 1001), 8, None),
    b"\x01\x02",
)


def written(tracks, items, metadata=None, index=False):
    """Bytes of a file with these tracks and items."""
    file = io.BytesIO()
    writer = Writer(file, tracks)
    if metadata is not None:
        writer.metadata(metadata)
    for item in items:
        writer.item(item)
    writer.finish(index)
    return file.getvalue()


def example_image():
    """A still image: one header, one unit."""
    return written([IMAGE], [Unit(0, (bytes.fromhex("deadbeef"),), None, True, True, 0x12345678)])


def example_audio():
    """Sound in three units with metadata and an index."""
    units = [
        Unit(0, (b"\x01\x02\x03\x04",), 24000, False, True, 1),
        Unit(0, (b"\x05\x06\x07\x08",), 24000, False, True, 2),
        Unit(0, (b"",), 100, True, True, 3),
    ]
    return written([AUDIO], units, {"title": "Three units"}, index=True)


def example_video():
    """A film: fitted video with two sets of weights, interleaved with its sound, and an index."""
    sound = Track("audio/example", 2, True, AUDIO.digest, AudioMedia(24000, 2, 8000), b"\x08")
    items = [
        Weights(0, False, (WeightGroup(-7, 1, 3), WeightGroup(-10, 0, 8)), b"\xaa\xbb\xcc\xdd", 0x01020304),
        Unit(0, (b"\x11\x12\x13\x14", b"\x15\x16\x17\x18"), 8, False, True, 0x0A0B0C0D),
        Unit(1, (b"\x21\x22\x23\x24",), 8000, False, True),
        Unit(0, (b"\x31\x32\x33\x34",), 8, False, False),
        Weights(0, True, (WeightGroup(-7, 1, 3), WeightGroup(-10, 0, 8)), b"\xee", 0x05060708),
        Unit(0, (b"\x41\x42\x43\x44",), 1, True, True),
        Unit(1, (b"\x51\x52\x53\x54",), 5, True, True),
    ]
    return written([VIDEO, sound], items, index=True)


EXAMPLES = {"image": example_image, "audio": example_audio, "video": example_video}


def outcome(source, **options):
    """All that a pass over a file yields."""
    reader = Reader(source, **options)
    items = list(reader)
    return reader.tracks, items, reader.metadata


counts = st.one_of(st.integers(0, 200), st.integers(0, (1 << 63) - 2))
positive = st.integers(1, 1 << 40)
small = st.binary(max_size=40)
codec_ids = st.from_regex(r"[a-z0-9]+([-_./][a-z0-9]+)*", fullmatch=True).filter(lambda text: len(text) <= 64)
bytes_of_colour = st.integers(0, 255)


def colours(default):
    """None or any colour but the default."""
    explicit = st.builds(Colour, bytes_of_colour, bytes_of_colour, bytes_of_colour, st.booleans())
    return st.none() | explicit.filter(lambda colour: colour != default)


formats = st.builds(SampleFormat, st.integers(1, 16), st.sampled_from([1, 3]), st.booleans())
sides = st.integers(1, 1 << 14)
images = st.builds(ImageMedia, sides, sides, formats, colours(SRGB))
rates = st.builds(Fraction, positive, positive).map(Fraction.as_integer_ratio)
totals = st.booleans()


@st.composite
def parts(draw, number, media):
    """Items of one track in order, and its media with a fitting total."""
    if isinstance(media, ImageMedia | TensorMedia):
        shapes = [(None, True)] * draw(st.integers(1, 4))  # tiles
    else:
        most = media.samples_per_unit if isinstance(media, AudioMedia) else media.frames_per_unit
        outputs = draw(st.lists(st.integers(0, most), min_size=1, max_size=5))
        shapes = [(count, draw(st.booleans())) for count in outputs]
    items, weighted = [], False
    for place, (count, key) in enumerate(shapes):
        fresh = draw(st.integers(0, 3)) if key or place == 0 else 0
        for again in range(max(fresh - 1, 0)):
            groups = st.builds(WeightGroup, st.integers(-128, 127), st.integers(0, 2), counts)
            groups = tuple(draw(st.lists(groups, min_size=1, max_size=3)))
            difference = (weighted or again > 0) and draw(st.booleans())
            items.append(Weights(number, difference, groups, draw(small), draw(st.integers(0, (1 << 32) - 1))))
            weighted = True
        streams = tuple(draw(st.lists(small, min_size=1, max_size=3)))
        check = draw(st.none() | st.integers(0, (1 << 32) - 1))
        items.append(Unit(number, streams, count, place == len(shapes) - 1, key or place == 0, check))
    return items, sum(count or 0 for count, _ in shapes)


@st.composite
def tracks_with_items(draw, number):
    """A track and its items."""
    kind = draw(st.sampled_from(["image", "audio", "video", "tensor"]))
    if kind == "image":
        media = draw(images)
    elif kind == "tensor":
        shape = draw(st.lists(st.integers(1, 13), min_size=1, max_size=8))
        media = TensorMedia(tuple(shape), draw(st.sampled_from(["float32", "float16", "bfloat16"])))
    elif kind == "audio":
        bounded = st.integers(1, 1 << 16)
        media = AudioMedia(draw(positive), draw(st.integers(1, 256)), draw(bounded), draw(counts), draw(counts))
    else:
        fields = draw(sides), draw(sides), draw(formats), draw(colours(BT709)), draw(rates)
        media = VideoMedia(*fields, draw(st.integers(1, 1 << 16)))
    items, total = draw(parts(number, media))
    if kind in ("audio", "video") and draw(st.booleans()):
        media = type(media)(**{**vars(media), "total": total})
    track = Track(draw(codec_ids), draw(counts), draw(st.booleans()), draw(st.binary(min_size=8, max_size=8)), media)
    return Track(**{**vars(track), "parameters": draw(small)}), items


@st.composite
def files(draw):
    """Arguments of `written`: up to three tracks, their items shuffled together in order, metadata, an index."""
    pairs = [draw(tracks_with_items(number)) for number in range(draw(st.integers(1, 3)))]
    lines = [list(items) for _, items in pairs]
    merged = []
    while any(lines):
        line = draw(st.sampled_from([line for line in lines if line]))
        merged.append(line.pop(0))
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    metadata = draw(st.none() | st.dictionaries(letters, letters, max_size=3))
    return [track for track, _ in pairs], merged, metadata, draw(st.booleans())
