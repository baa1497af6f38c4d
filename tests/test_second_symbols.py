"""Plain Python written from the format text finds the same symbols in a file as the codec."""

import io

import numpy as np
import second_contexts
import second_symbols
from makers import speech, tiny_mdct_rvq
from safetensors.numpy import save
from tiny_audio import with_tiny_context

from triptych import weights
from triptych.bitstream import Reader, Writer
from triptych.codecs.audio.symbols import traverse
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.entropy import Decoder
from triptych.tools.models import config_of


def written(codec, sound):
    """The track of a file of a sound, the file, and the bytes of its weights."""
    file = io.BytesIO()
    track, plan = codec.open(sound, Options(quality=70))
    writer = Writer(file, [track])
    for item in codec.encode_units(sound, track, plan, 0, Options(quality=70)):
        writer.item(item)
    writer.finish()
    state = {name: value.numpy() for name, value in codec.export_state().items()}
    return track, file.getvalue(), save(state, {"config": weights.canonical(config_of(codec)), "codec": codec.id})


def test_plain_python_reads_the_same_codes():
    codec = tiny_mdct_rvq()
    track, file, tensors = written(codec, Sound(speech(180_000, 2, seed=5), 16000))
    found = second_symbols.symbols(file, tensors)
    assert len(found) == 2
    for unit, (levels, used, codes, check) in zip(Reader(file), found, strict=True):
        books, sparing = track.parameters[:2]
        decoder = Decoder(unit.streams[0])
        expected = traverse(decoder, codec.tables, (2, len(levels) // 2), books, bool(sparing))
        assert expected.levels.ravel().tolist() == levels and expected.used.ravel().tolist() == used
        assert np.array_equal(expected.codes.reshape(books, -1), codes) and decoder.check == unit.check == check


def test_plain_python_reads_codes_by_context():
    codec = with_tiny_context(tiny_mdct_rvq())
    track, file, tensors = written(codec, Sound(speech(9000, 2, seed=5), 16000))
    (unit,), (books, modes) = Reader(file), track.parameters[:2]
    assert modes & ~2 == 5
    found, reader, frames = second_contexts.nested(tensors), second_symbols.Reader(unit.streams[0]), 30
    levels = second_contexts.stepped(reader, found, "context.levels", 2, frames)
    spared = second_contexts.stepped(reader, found, "context.spared", 2, frames)
    used = np.where(np.array(levels) > 0, books - np.array(spared), 0)
    aside = [4 * np.array(levels), 4 * used]
    codes = second_contexts.Context(tensors).codes(reader, used.tolist(), [plane.tolist() for plane in aside])
    reader.stack.done()
    expected = codec._traverse(Decoder(unit.streams[0]), (2, frames), books, modes)
    assert reader.check == unit.check and np.array_equal(expected.codes, codes)
    assert np.array_equal(expected.levels, levels) and np.array_equal(expected.used, used) and used.any()
