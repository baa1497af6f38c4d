"""Golden files of the codecs: symbols exact (their check is in the file), signals within a stated tolerance."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from golden_make import SHARED, weights_of
from PIL import Image

from triptych.bitstream import WrongModel
from triptych.codecs.precision import full_precision
from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import pipeline

FOLDERS = [path for path in sorted((Path(__file__).parent / "golden" / "v1").iterdir()) if path.name != "container"]


def decode(folder):
    weights = weights_of(folder.name)
    with full_precision():
        return pipeline.decode((folder / "file.trip").read_bytes(), weights=weights if weights.exists() else None)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_golden_file_still_decodes(folder):
    signal = decode(folder)
    if isinstance(signal, Sound):
        expected, rate = soundfile.read(folder / "decoded.flac", dtype="float32", always_2d=True)
        assert rate == signal.rate and signal.samples.shape == expected.T.shape
        assert np.abs(signal.samples - expected.T).max() < 1e-3
        return
    expected = np.asarray(Image.open(folder / "decoded.png"))
    found = signal.pixels if isinstance(signal, Picture) else np.concatenate(signal.frames)
    assert isinstance(signal, Picture | Clip) and found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 2 and difference.mean() < 0.05


@pytest.mark.parametrize("folder", [p for p in FOLDERS if p.name.startswith("image-")], ids=lambda path: path.name)
def test_fast_layers_change_pixels_by_a_hair(folder):
    found = pipeline.decode((folder / "file.trip").read_bytes(), weights=weights_of(folder.name)).pixels
    difference = np.abs(found.astype(int) - np.asarray(Image.open(folder / "decoded.png")))
    assert difference.max() <= 4 and difference.mean() < 0.25


def test_every_codec_has_a_golden_file():
    from triptych.codecs.registry import CODECS

    names = {folder.name for folder in FOLDERS} - set(SHARED)
    assert names == {name.replace("/", "-") for name in CODECS} and names >= set(SHARED.values()) - set(SHARED)


def test_other_weights_are_refused(tmp_path):
    folder = next(path for path in FOLDERS if path.name == "image-patch")
    with pytest.raises(WrongModel, match="needs weights"):
        pipeline.decode((folder / "file.trip").read_bytes())
