"""An error while decoding names what is to blame: a damaged file, other weights, or another build."""

import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from golden_make import GOLDEN, weights_of

from triptych import weights
from triptych.bitstream import Damaged, Reader, SymbolMismatch, Unit, Writer, WrongModel
from triptych.codecs.signals import Crop
from triptych.entropy import Decoder
from triptych.tools import models, pipeline
from triptych.tools.errors import UsageError

NAMES = ["image-patch", "image-circuit", "image-overfit", "image-slices", "audio-seanet-rvq"]
BUILD = "the file is intact and has the right weights, but this computer derived other symbols .* triptych selfcheck"


def golden(name: str) -> bytes:
    return (GOLDEN / "v1" / name / "file.trip").read_bytes()


def rewritten(name: str, change) -> bytes:
    """A golden file with other units, its checksums made right."""
    reader, out = Reader(golden(name)), BytesIO()
    writer = Writer(out, reader.tracks)
    for item in reader:
        writer.item(change(item) if isinstance(item, Unit) else item)
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize("name", ["image-patch", "audio-mdct-rvq", "video-hnerv"])
def test_a_damaged_file_is_called_damaged_at_its_byte(name):
    data = bytearray(golden(name))
    path = weights_of(name)
    for place in np.random.default_rng(1).integers(60, len(data) - 20, 12):
        damaged = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        with pytest.raises(Exception) as caught:
            pipeline.decode(bytes(damaged), weights=path if path.exists() else None)
        assert not isinstance(caught.value, SymbolMismatch | WrongModel) and caught.value.offset is not None, place


@pytest.mark.parametrize("name", NAMES)
def test_a_build_with_other_tables_is_to_blame(name, monkeypatch):
    group, each = Decoder._group, Decoder._each

    def other_row(self, classes, tables, row, count):
        sized = np.flatnonzero(tables.sizes == tables.sizes[row])
        return group(self, classes, tables, int(sized[(list(sized).index(row) + 1) % len(sized)]), count)

    def other_weights(self, classes, model):
        return each(self, classes, replace(model, frequencies=np.roll(model.frequencies, 1, -1)))

    monkeypatch.setattr(Decoder, "_group", other_row)
    monkeypatch.setattr(Decoder, "_each", other_weights)
    with pytest.raises(SymbolMismatch, match=BUILD):
        pipeline.decode(golden(name), weights=weights_of(name))


def test_parts_of_a_picture_name_the_build_as_well():
    data = rewritten("image-patch-tiles", lambda unit: replace(unit, check=unit.check ^ 1))
    for crop in (None, Crop(0, 0, 10, 10)):
        with pytest.raises(SymbolMismatch, match=BUILD):
            pipeline.decode(data, weights=weights_of("image-patch"), crop=crop)


def test_a_stream_that_goes_on_is_no_damage():
    longer = rewritten("image-patch", lambda unit: replace(unit, streams=(b"\1\2\3\4" + unit.streams[0],), check=None))
    with pytest.raises(SymbolMismatch, match=BUILD) as caught:
        pipeline.decode(longer, weights=weights_of("image-patch"))
    assert isinstance(caught.value.__cause__, Damaged)


def test_other_weights_are_named():
    (track,) = Reader(golden("image-patch")).tracks
    with pytest.raises(WrongModel, match=f"needs weights {track.digest.hex()} of image/patch, which are not installed"):
        pipeline.decode(golden("image-patch"))
    other = models.from_file(weights_of("image-patch-near")).identity[:8].hex()
    with pytest.raises(WrongModel, match=f"needs weights {track.digest.hex()} of image/patch, .* holds {other}"):
        pipeline.decode(golden("image-patch"), weights=weights_of("image-patch-near"))


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """A registry of one weights file."""
    path = tmp_path / "tiny.safetensors"
    shutil.copy(weights_of("image-patch"), path)
    identity = models.from_file(path).identity.hex()
    entry = weights.Entry("image/patch", 1, path, identity, path.stat().st_size, "", "", True)
    monkeypatch.setattr(weights, "find", lambda name, digest=None: entry)
    models.load.cache_clear()
    models._installed.cache_clear()
    yield path
    models.load.cache_clear()
    models._installed.cache_clear()


def test_installed_weights_that_were_changed_are_named(installed):
    assert pipeline.decode(golden("image-patch")).pixels.shape == (75, 101, 4)
    models._installed.cache_clear()
    metadata, tensors = weights.read(installed)
    used = next(name for name in models.from_file(installed).decoder_state() if tensors[name].size > 9)
    tensors[used].reshape(-1)[3] += 1
    weights.save(installed, "image/patch", 1, metadata["config"], tensors)
    for use in (lambda: pipeline.decode(golden("image-patch")), lambda: pipeline.load("image/patch")):
        with pytest.raises(WrongModel, match=r"tiny\.safetensors was changed after it was installed"):
            use()
    installed.write_bytes(installed.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"tiny\.safetensors"):
        pipeline.load("image/patch")
