"""The weights that ship are what the registry says, and do what a codec should."""

from pathlib import Path

import numpy as np
import pytest
from makers import photo, round_trip, speech
from safetensors import safe_open
from safetensors.numpy import save_file

from triptych import weights
from triptych.codecs.base import Options
from triptych.codecs.signals import Picture, Sound
from triptych.tools.models import from_file, load


@pytest.mark.parametrize("entry", weights.entries(), ids=lambda entry: entry.file)
def test_registry_tells_the_truth(entry):
    codec = from_file(entry.path)
    assert codec.identity.hex() == entry.digest and codec.id == entry.codec and codec.profile == entry.profile
    assert entry.path.stat().st_size == entry.bytes
    assert entry.digest in entry.path.with_suffix(".md").read_text()


def test_one_default_each_and_little_in_all():
    defaults = [(entry.codec, entry.variant) for entry in weights.entries() if entry.default]
    assert len(set(defaults)) == len(defaults)
    assert sorted({codec for codec, _ in defaults}) == [
        "audio/mdct-rvq",
        "image/circuit",
        "image/overfit",
        "image/patch",
        "image/slices",
        "video/stem",
    ]
    assert sum(entry.bytes for entry in weights.entries()) < 24 << 20
    stray = {path.name for path in Path(weights.__file__).parent.glob("*.safetensors")}
    assert stray == {entry.file for entry in weights.entries()}


def test_patch_weights_compress_a_picture():
    picture = Picture(photo(256, 256))
    decoded, _, items = round_trip(load("image/patch"), picture, Options(quality=50))
    error = np.mean((decoded.pixels.astype(float) - picture.pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 30
    assert len(items[0].streams[0]) * 8 / 256**2 < 1.2


def test_slices_weights_compress_a_picture():
    picture = Picture(photo(256, 256))
    decoded, _, items = round_trip(load("image/slices"), picture, Options(quality=50))
    error = np.mean((decoded.pixels.astype(float) - picture.pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 30
    assert len(items[0].streams[0]) * 8 / 256**2 < 1.2


def test_overfit_weights_are_a_good_start():
    """A file of a few steps is small although it carries its networks: they are a difference to the learned ones."""
    picture = Picture(photo(128, 128))
    decoded, _, (networks, latents) = round_trip(load("image/overfit"), picture, Options(quality=40, effort=0))
    error = np.mean((decoded.pixels.astype(float) - picture.pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 28
    assert len(networks.body) < 400 and len(latents.streams[0]) * 8 / 128**2 < 1.5


def test_mdct_rvq_weights_follow_a_voice():
    sound = Sound(speech(16000), 16000)
    decoded, _, items = round_trip(load("audio/mdct-rvq"), sound, Options(quality=100))
    error = np.sum((decoded.samples - sound.samples) ** 2)
    assert 10 * np.log10(np.sum(sound.samples**2) / error) > 6
    assert sum(len(item.streams[0]) for item in items) * 8 < 12000


def test_unreadable_weights_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ValueError, match="not a weights file"):
        from_file(path)
    with pytest.raises(OSError, match="none"):
        from_file(tmp_path / "none.safetensors")


def test_integers_keep_their_types_and_take_little_room(tmp_path):
    tensors = {
        "small": np.arange(-5, 5, dtype=np.int64),
        "large": np.array([2**40, -1], np.int64),
        "counts": np.array([[0, 65535]], np.int32),
        "bytes": np.zeros(7, np.uint8),
        "none": np.zeros(0, np.int64),
        "floats": np.ones(3, np.float32),
    }
    weights.save(tmp_path / "a", "image/patch", 1, {}, tensors)
    _, found = weights.read(tmp_path / "a")
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    with safe_open(str(tmp_path / "a"), framework="numpy") as file:
        stored = {name: file.get_tensor(name).dtype.name for name in tensors}
    assert stored == {
        "small": "int8", "large": "int64", "counts": "uint16", "bytes": "uint8", "none": "int64", "floats": "float32"
    }  # fmt: skip


@pytest.mark.parametrize(
    "types", ['{"a": "float64"}', '{"b": "int64"}', '{"f": "int64"}', '{"a": 3}', "[1]", '"x"', "{"]
)
def test_types_that_lie_are_refused(tmp_path, types):
    metadata = {"codec": "image/patch", "profile": "1", "config": "{}", "types": types}
    save_file({"a": np.zeros(3, np.int8), "f": np.zeros(3, np.float32)}, str(tmp_path / "a"), metadata)
    with pytest.raises(ValueError, match="is not a weights file"):
        weights.read(tmp_path / "a")
