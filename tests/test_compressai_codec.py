"""compressai/<model>: small random networks of CompressAI through our container."""

import io
import json
import sys
import urllib.error
from dataclasses import replace

import numpy as np
import pytest
import standin
import torch
from makers import encoded, opened
from toys import sound

from triptych.bitstream import (
    Damaged,
    Malformed,
    MissingDependency,
    OverLimit,
    Reader,
    SymbolMismatch,
    UnknownCodec,
    WrongModel,
)
from triptych.codecs.base import Options
from triptych.codecs.image import compressai as ours
from triptych.codecs.registry import COMPRESSAI, build, codec_class
from triptych.codecs.signals import Picture
from triptych.tools import cli, media, models, outside, pipeline
from triptych.tools.errors import UsageError

pytest.importorskip("torch_geometric", reason="CompressAI is not installed")
SIZES = {
    "bmshj2018-factorized": (8, 12),
    "bmshj2018-factorized-relu": (8, 12),
    "bmshj2018-hyperprior": (16, 24),
    "mbt2018-mean": (16, 24),
    "mbt2018": (8, 12),
    "cheng2020-anchor": (8,),
    "cheng2020-attn": (8,),
}
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    with standin.importable(tmp_path_factory.mktemp("standin")) as found:
        pytest.importorskip("compressai")
        yield found


def network(model: str, seed: int = 0) -> torch.nn.Module:
    """A model with random weights whose latents are not all zero."""
    from compressai.registry import MODELS

    torch.manual_seed(seed)
    net = MODELS[model](*SIZES[model]).eval()
    with torch.no_grad():
        list(net.g_a.parameters())[-2].mul_(60)
        if hasattr(net, "h_a"):
            list(net.h_a.parameters())[-2].mul_(60)
    return net


def codec_of(model: str, seed: int = 0) -> ours.CompressaiCodec:
    codec = ours.from_compressai(network(model, seed))
    models.identify(codec)
    return codec


def noise(height: int = 70, width: int = 41, planes: int = 3) -> Picture:
    random = np.random.default_rng(height * width)
    return Picture(random.integers(0, 256, (height, width, planes), dtype=np.uint8))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of compressai/mbt2018-mean."""
    path = tmp_path_factory.mktemp("weights") / "mean.safetensors"
    models.save(codec_of("mbt2018-mean"), path)
    return path


def test_the_names_are_those_of_the_zoo():
    from compressai.zoo import image, image_models

    names = {codec_class(name).model for name in COMPRESSAI}
    assert names == {name for name in image_models if not name.endswith("-vbr")}
    for name in COMPRESSAI:
        cls = codec_class(name)
        assert cls.id == name and cls.kind == "image" and codec_class(name) is cls
        assert [cls.level(quality) for quality in (0, 50, 100)] == [1, 1 + round((cls.levels - 1) / 2), cls.levels]
        assert set(image.cfgs[cls.model]) == set(range(1, cls.levels + 1))
        if not name.endswith("-relu"):
            assert set(image.model_urls[cls.model]["ms-ssim" if "msssim" in name else "mse"]) >= {1, cls.levels}


@pytest.mark.parametrize("model", SIZES)
def test_what_the_model_compresses_comes_back(model, tmp_path):
    codec = codec_of(model)
    picture = noise()
    data = encoded(codec, picture)
    assert encoded(codec, picture) == data
    models.save(codec, tmp_path / "a.safetensors")
    again = models.from_file(tmp_path / "a.safetensors")
    assert again.identity == codec.identity and any(codec.identity)
    track, unit = opened(data)
    found = again.decode(track, [unit])
    factor = 16 if "factorized" in model else 64
    x = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None] / 255
    x = torch.nn.functional.pad(x, (0, -41 % factor, 0, -70 % factor), mode="replicate")
    with torch.inference_mode():
        strings = codec.net.compress(x)
        pixels = codec.net.decompress(strings["strings"], strings["shape"])["x_hat"][0, :, :70, :41]
    assert unit.streams == tuple(entry[0] for entry in strings["strings"]) and max(map(len, unit.streams)) > 60
    np.testing.assert_array_equal(found.pixels, (pixels * 255).round().byte().permute(1, 2, 0).numpy())
    assert not track.exact and f"torch {torch.__version__}, compressai".encode() in track.parameters
    assert track.parameters[0] == 0 and unit.check is not None


@pytest.mark.parametrize("shape", [(1, 1, 3), (64, 128, 1), (65, 33, 2), (30, 31, 4)])
def test_any_size_grey_and_alpha(shape, weights):
    picture = noise(*shape)
    data = io.BytesIO()
    pipeline.encode(picture, data, "compressai/mbt2018-mean", weights=weights)
    found = pipeline.decode(data.getvalue(), weights=weights)
    assert found.pixels.shape == shape
    if shape[2] in (2, 4):
        np.testing.assert_array_equal(found.pixels[..., -1], picture.pixels[..., -1])
    assert len(opened(data.getvalue())[1].streams) == 2 + (shape[2] in (2, 4))


def test_another_process_decodes(tmp_path, weights, environment, capsys):
    media.write(str(tmp_path / "a.png"), noise())
    source, file, result = tmp_path / "a.png", tmp_path / "a.trip", tmp_path / "b.png"
    chosen = ("--codec", "compressai/mbt2018-mean", "--weights", str(weights))
    assert cli.main(["encode", str(source), str(file), *chosen]) == 0
    done = standin.command(environment, "decode", file, result, "--weights", weights)
    assert (done.returncode, done.stderr) == (0, "")
    there = pipeline.decode(file.read_bytes(), weights=weights)
    assert there.pixels.shape == (70, 41, 3)
    np.testing.assert_array_equal(media.read(str(result)).pixels, there.pixels)
    assert cli.main(["info", str(file)]) == 0
    text = capsys.readouterr().out
    assert f"same build only: encoded with torch {torch.__version__}, compressai " in text
    assert cli.main(["info", str(file), "--json"]) == 0
    track = json.loads(capsys.readouterr().out)["tracks"][0]
    assert track["exact"] is False and track["kind"] == "image" and track["build"].startswith("torch ")


def test_other_weights_are_refused(tmp_path, weights):
    data = encoded(codec_of("mbt2018-mean", seed=1), noise())
    with pytest.raises(WrongModel, match="needs weights"):
        pipeline.decode(data, weights=weights)
    with pytest.raises(WrongModel, match="needs weights"):
        pipeline.decode(data)
    with pytest.raises(WrongModel, match=r"holds weights of compressai/mbt2018-mean, not of compressai/mbt2018$"):
        pipeline.encode(noise(), io.BytesIO(), "compressai/mbt2018", weights=weights)
    state = codec_of("mbt2018-mean").export_state()
    assert not any("cdf" in name or "scale_table" in name for name in state)
    with pytest.raises(RuntimeError):
        codec_of("mbt2018").import_state(state)
    with pytest.raises(RuntimeError):
        codec_of("mbt2018-mean").import_state({**state, "g_s.0.weight": state["g_s.0.weight"][:1]})


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"])
def test_other_tables_are_noticed(model):
    codec = codec_of(model)
    track, unit = opened(encoded(codec, noise()))
    codec.decode(track, [unit])
    bottleneck = codec.net.entropy_bottleneck
    with torch.no_grad():
        bottleneck.biases[0].add_(0.3)
    codec.derive()
    with pytest.raises(SymbolMismatch, match=r"torch .* derived other symbols than the encoder did \(torch "):
        codec.decode(track, [unit])


def test_other_scales_are_noticed_and_other_synthesis_is_not():
    codec = codec_of("mbt2018-mean")
    track, unit = opened(encoded(codec, noise()))
    pixels = codec.decode(track, [unit]).pixels
    with torch.no_grad():
        codec.net.g_s[0].weight.add_(0.1)
    assert (codec.decode(track, [unit]).pixels != pixels).any()
    with torch.no_grad():
        codec.net.h_s[-1].bias[:24].add_(30)
    with pytest.raises(SymbolMismatch, match="only with the build"):
        codec.decode(track, [replace(unit, check=unit.check)])


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "mbt2018-mean", "mbt2018"])
def test_tampered_streams(model):
    codec = codec_of(model)
    track, unit = opened(encoded(codec, noise()))
    for number in range(len(unit.streams)):
        for data in (b"", b"\xff", bytes(100), b"\xff" * 400, unit.streams[number][:-9], unit.streams[number][40:]):
            streams = list(unit.streams)
            streams[number] = data
            with pytest.raises(SymbolMismatch):
                codec.decode(track, [replace(unit, streams=tuple(streams))])
    for items in ([], [unit, unit], [replace(unit, streams=(*unit.streams, b""))]):
        with pytest.raises(Malformed, match="one unit"):
            codec.decode(track, items)
    for parameters in (b"", b"\0tor\xffch", b"\0two\nlines"):
        with pytest.raises(Malformed, match="parameters"):
            codec.decode(replace(track, parameters=parameters), [unit])
    data = bytearray(encoded(codec, noise()))
    data[-20] ^= 1
    with pytest.raises(Damaged):
        list(Reader(bytes(data)))


def test_memory_is_checked_first(weights):
    data = io.BytesIO()
    pipeline.encode(noise(), data, "compressai/mbt2018-mean", weights=weights)
    with pytest.raises(OverLimit, match="memory"):
        pipeline.decode(data.getvalue(), weights=weights, memory=1 << 20)


def test_published_weights_by_level(monkeypatch):
    fetched = []

    def fetch(address, map_location, weights_only, check_hash):
        assert weights_only and check_hash and map_location == "cpu"
        fetched.append(address)
        return network("mbt2018-mean", seed=len(address) + int(address.split("-")[-2])).state_dict()

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    outside.load.cache_clear()
    models.load.cache_clear()
    files = []
    for quality in (0, 100):
        out = io.BytesIO()
        pipeline.encode(noise(), out, "compressai/mbt2018-mean", Options(quality=quality))
        files.append(out.getvalue())
    assert "/mbt2018-mean-1-" in fetched[0] and "/mbt2018-mean-8-" in fetched[1]
    tracks = [opened(data)[0] for data in files]
    assert [track.parameters[0] for track in tracks] == [1, 8] and tracks[0].digest != tracks[1].digest
    outside.load.cache_clear()
    assert pipeline.decode(files[0]).pixels.shape == (70, 41, 3) and "/mbt2018-mean-1-" in fetched[2]
    out = io.BytesIO()
    pipeline.encode(noise(), out, "compressai/mbt2018-mean-msssim", Options(quality=60))
    assert "/mbt2018-mean-ms-ssim-5-" in fetched[-1]
    outside.load.cache_clear()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: network("mbt2018-mean").state_dict())
    with pytest.raises(WrongModel, match=tracks[0].digest.hex()):
        pipeline.decode(files[0])


def test_weights_that_cannot_be_had(monkeypatch, tmp_path, capsys):
    def fail(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    outside.load.cache_clear()
    models.load.cache_clear()
    media.write(str(tmp_path / "a.png"), noise())
    arguments = ["encode", str(tmp_path / "a.png"), "--codec"]
    assert cli.main([*arguments, "compressai/mbt2018"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no network" in error and "--weights" in error
    assert cli.main([*arguments, "compressai/bmshj2018-factorized-relu"]) == 2
    assert "publishes no weights" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_weights_file_from_the_zoo(monkeypatch, tmp_path, capsys):
    state = network("mbt2018-mean", seed=3).state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: dict(state))
    outside.load.cache_clear()
    path = tmp_path / "a.safetensors"
    assert outside.main(["compressai/mbt2018-mean", "--quality", "100", "--out", str(path)]) == 0
    codec = models.from_file(path)
    assert codec.config.level == 8 and codec.identity.hex()[:16] in capsys.readouterr().out
    assert outside.main(["image/patch", "--out", str(path)]) == 2
    assert outside.main(["compressai/mbt2018-mean", "--from", str(tmp_path), "--out", str(path)]) == 2


def test_unknown_names_and_kinds(capsys):
    assert cli.main(["encode", "missing.png", "--codec", "compressai/none"]) == 2
    error = capsys.readouterr().err
    assert "no codec is called compressai/none; there are compressai/bmshj2018-factorized, " in error
    with pytest.raises(UsageError, match="does not take a sound"):
        pipeline.encode(sound(), io.BytesIO(), "compressai/mbt2018")
    with pytest.raises(ValueError, match="not among the models"):
        ours.from_compressai(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="not among the models"):
        ours.from_compressai(network("bmshj2018-factorized-relu"), msssim=True)
    for config in ({"channels": [0, 1]}, {"channels": [8]}, {"channels": [8, 8], "level": 9}, {"width": 8}):
        with pytest.raises(Malformed):
            build("compressai/mbt2018-mean", config)
    with pytest.raises(UnknownCodec):
        codec_class("compressai/mbt2018-mean-vbr")


def test_without_the_package(monkeypatch, weights):
    data = encoded(codec_of("mbt2018-mean"), noise())
    models.load.cache_clear()
    monkeypatch.setitem(sys.modules, "compressai", None)
    sentence = r"compressai/mbt2018-mean needs the package compressai, which is not installed: .*triptych\[compressai\]"
    with pytest.raises(MissingDependency, match=sentence):
        pipeline.encode(noise(), io.BytesIO(), "compressai/mbt2018-mean")
    with pytest.raises(MissingDependency, match=sentence):
        pipeline.decode(data, weights=weights)
