"""Plain Python written from the format text finds the same symbols in a file as the codec."""

import io

import numpy as np
import second_symbols
from makers import speech, tiny_mdct_rvq
from safetensors.numpy import save

from triptych import weights
from triptych.bitstream import Reader, Writer
from triptych.codecs.audio.symbols import traverse
from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.entropy import Decoder
from triptych.tools.models import config_of


def test_plain_python_reads_the_same_codes():
    codec, sound, file = tiny_mdct_rvq(), Sound(speech(180_000, 2, seed=5), 16000), io.BytesIO()
    track, plan = codec.open(sound, Options(quality=70))
    writer = Writer(file, [track])
    for item in codec.encode_units(sound, track, plan, 0, Options(quality=70)):
        writer.item(item)
    writer.finish()
    state = {name: value.numpy() for name, value in codec.export_state().items()}
    found = second_symbols.symbols(
        file.getvalue(), save(state, {"config": weights.canonical(config_of(codec)), "codec": codec.id})
    )
    assert len(found) == 2
    for unit, (levels, used, codes, check) in zip(Reader(file.getvalue()), found, strict=True):
        books, sparing = track.parameters[:2]
        decoder = Decoder(unit.streams[0])
        expected = traverse(decoder, codec.tables, (2, len(levels) // 2), books, bool(sparing))
        assert expected.levels.ravel().tolist() == levels and expected.used.ravel().tolist() == used
        assert np.array_equal(expected.codes.reshape(books, -1), codes) and decoder.check == unit.check == check
