"""hf/<owner>/<model>: tiny random EnCodec, DAC and Mimi models through our container."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import standin
import torch
from makers import encoded, opened
from toys import picture, sound

from triptych.bitstream import (
    Damaged,
    Malformed,
    MissingDependency,
    OverLimit,
    SymbolMismatch,
    UnknownCodec,
    WrongModel,
)
from triptych.codecs.audio import transformers as ours
from triptych.codecs.base import Options
from triptych.codecs.registry import build, kind_of
from triptych.codecs.signals import Sound
from triptych.tools import cli, media, models, outside, pipeline
from triptych.tools.errors import UsageError

pytest.importorskip("tokenizers", reason="transformers is not installed")
RATE = 8000
SEANET = {"num_filters": 4, "codebook_size": 16, "upsampling_ratios": [4, 2], "sampling_rate": RATE}
ENCODEC = {**SEANET, "hidden_size": 8, "target_bandwidths": [16.0, 32.0]}
STEREO = {"audio_channels": 2, "normalize": True, "norm_type": "time_group_norm", "use_causal_conv": False}
MODELS = {
    "encodec": ("encodec", ENCODEC),
    "stereo": ("encodec", {**ENCODEC, **STEREO, "chunk_length_s": 0.1, "overlap": 0.01}),
    "halves": ("encodec", {**ENCODEC, **STEREO, "chunk_length_s": 0.1, "overlap": 0.5}),
    "dac": (
        "dac",
        {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "downsampling_ratios": [2, 4, 5], "n_codebooks": 3}
        | {"codebook_size": 16, "codebook_dim": 4, "sampling_rate": RATE},
    ),
    "mimi": (
        "mimi",
        {**SEANET, "hidden_size": 16, "codebook_dim": 8, "vector_quantization_hidden_dimension": 8}
        | {"num_quantizers": 4, "num_hidden_layers": 1, "intermediate_size": 16, "num_attention_heads": 2}
        | {"num_key_value_heads": 2, "upsample_groups": 16, "sliding_window": 20},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    with standin.importable(tmp_path_factory.mktemp("standin")) as found:
        pytest.importorskip("transformers")
        yield found


def network(name: str, seed: int = 0) -> torch.nn.Module:
    """A model with random weights and codebooks."""
    from triptych.codecs.audio.transformers_nets import config_class, model_class

    kind, settings = MODELS[name]
    torch.manual_seed(seed)
    net = model_class(kind, "a test")(config_class(kind, "a test")(**settings)).eval()
    for buffer, value in net.named_buffers():
        if buffer.endswith((".embed", ".embed_sum")):
            value.copy_(0.1 * torch.randn(value.shape))
    return net


def codec_of(name: str, seed: int = 0) -> ours.TransformersCodec:
    codec = ours.from_transformers(network(name, seed), f"hf/owner/{name}_tiny")
    models.identify(codec)
    return codec


def noise(channels: int = 1, total: int = 1601, rate: int = RATE) -> Sound:
    random = np.random.default_rng(total)
    return Sound((0.1 * random.standard_normal((channels, total))).astype(np.float32), rate)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of hf/owner/encodec_tiny."""
    path = tmp_path_factory.mktemp("weights") / "encodec.safetensors"
    models.save(codec_of("encodec"), path)
    return path


@pytest.mark.parametrize("name", ["encodec", "dac", "mimi"])
def test_the_codes_are_those_of_the_model(name):
    codec, signal = codec_of(name), noise(2, 1600)
    data = encoded(codec, signal, 100)
    track, unit = opened(data)
    assert encoded(codec, signal, 100) == data and track.exact and track.media.total == 1600
    net, x = codec.model.net, torch.from_numpy(signal.samples)[:, None]
    with torch.inference_mode():
        if name == "encodec":
            found = net.encode(x, bandwidth=32.0)
            direct, codes = net.decode(found.audio_codes, found.audio_scales).audio_values, found.audio_codes[0]
        else:
            codes = net.encode(x).audio_codes
            direct = net.decode(audio_codes=codes).audio_values
    books, size, uses, frames, gains = ours.PARAMETERS.unpack(track.parameters)
    assert (uses, books, frames) == codes.shape and (size, gains) == (16, 0)
    assert len(codes.unique()) > 8 and abs(len(unit.streams[0]) - codes.numel() / 2) < 16
    samples = direct.reshape(2, -1)[:, :1600].clamp(-1, 1).numpy()
    np.testing.assert_array_equal(codec.decode(track, [unit]).samples[:, : samples.shape[1]], samples)


def test_chunks_and_gains_are_those_of_the_model():
    codec, signal = codec_of("stereo"), noise(2, 4 * 792 + 500)
    track, unit = opened(encoded(codec, signal, 100))
    net, x = codec.model.net, torch.from_numpy(signal.samples)[None]
    x = torch.nn.functional.pad(x, (0, -500 % 8))
    with torch.inference_mode():
        found = net.encode(x, bandwidth=32.0)
        direct = net.decode(found.audio_codes, found.audio_scales, last_frame_pad_length=found.last_frame_pad_length)
    assert ours.PARAMETERS.unpack(track.parameters) == (8, 16, 1, 4 * 100 + 63, 5)
    np.testing.assert_array_equal(
        codec.decode(track, [unit]).samples, direct.audio_values[0, :, : signal.samples.shape[1]].clamp(-1, 1)
    )


@pytest.mark.parametrize("name", MODELS)
def test_any_length_rate_and_number_of_channels(name):
    codec = codec_of(name)
    cases = [(1, 1, RATE), (1, 793, RATE), (2, 792, RATE), (3, 2385, RATE), (3, 1193, RATE), (1, 801, RATE)]
    for channels, total, rate in [*cases, (1, 5000, 44100), (2, 777, 1000)]:
        signal = noise(channels, total, rate)
        for quality in (0, 100):
            track, unit = opened(encoded(codec, signal, quality))
            found = codec.decode(track, [unit])
            assert found.samples.shape == (channels, total) and found.rate == rate and np.isfinite(found.samples).all()
            assert unit.outputs == total and codec.memory(track) > total


@pytest.mark.parametrize("name", MODELS)
def test_quality_is_the_number_of_codebooks(name):
    codec = codec_of(name)
    sizes = [len(encoded(codec, noise(), quality)) for quality in (0, 50, 100)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    books = ours.PARAMETERS.unpack(opened(encoded(codec, noise(), 0))[0].parameters)[0]
    assert books == {"encodec": 4, "stereo": 4, "halves": 4, "dac": 1, "mimi": 1}[name]


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_becomes_a_weights_file(name, tmp_path, capsys):
    net = network(name)
    net.save_pretrained(tmp_path / "folder")
    path = tmp_path / "a.safetensors"
    full = f"hf/owner/{name}_tiny"
    assert outside.main([full, "--from", str(tmp_path / "folder"), "--out", str(path)]) == 0
    codec = models.load(full, path)
    assert codec.identity == codec_of(name).identity and codec.identity.hex()[:16] in capsys.readouterr().out
    names = set(codec.decoder_state())
    assert names < set(codec.export_state()) and not any(name.startswith("encoder") for name in names)
    data = encoded(codec_of(name), noise())
    np.testing.assert_array_equal(
        pipeline.decode(data, weights=path).samples, codec_of(name).decode(opened(data)[0], [opened(data)[1]]).samples
    )


def test_another_process_decodes(tmp_path, weights, environment, capsys):
    media.write(str(tmp_path / "a.wav"), noise(2, 4001, 16000))
    source, file, result = tmp_path / "a.wav", tmp_path / "a.trip", tmp_path / "b.wav"
    chosen = ("--codec", "hf/owner/encodec_tiny", "--weights", str(weights))
    assert cli.main(["encode", str(source), str(file), *chosen]) == 0
    done = standin.command(environment, "decode", file, result, "--weights", weights)
    assert (done.returncode, done.stderr) == (0, "")
    found = media.read(str(result))
    assert found.samples.shape == (2, 4001) and found.rate == 16000
    np.testing.assert_allclose(
        found.samples, pipeline.decode(file.read_bytes(), weights=weights).samples, atol=2 / 32768, rtol=0
    )
    assert cli.main(["info", str(file), "--json"]) == 0
    track = json.loads(capsys.readouterr().out)["tracks"][0]
    assert (track["exact"], track["kind"], track["build"]) == (True, "audio", None)


def test_other_weights_are_refused(weights):
    data = encoded(codec_of("encodec", seed=1), noise())
    with pytest.raises(WrongModel, match="needs weights"):
        pipeline.decode(data, weights=weights)
    with pytest.raises(WrongModel, match="holds weights of hf/owner/encodec_tiny"):
        pipeline.encode(noise(), io.BytesIO(), "hf/owner/other", weights=weights)
    with pytest.raises(RuntimeError):
        codec_of("stereo").import_state(codec_of("encodec").export_state())


def test_tampered_files():
    codec = codec_of("stereo")
    track, unit = opened(encoded(codec, noise()))
    stream = unit.streams[0]
    for data, error in (
        (stream[:-1] + bytes([stream[-1] ^ 1]), SymbolMismatch),
        (stream[:-4], SymbolMismatch),
        (stream[:-3], Malformed),
        (b"\1\0\0\0" + stream, (SymbolMismatch, Damaged)),
    ):
        with pytest.raises(error):
            codec.decode(track, [replace(unit, streams=(data,))])
    for items in ([], [unit, unit], [replace(unit, streams=(stream, b""))]):
        with pytest.raises(Malformed, match="one unit"):
            codec.decode(track, items)
    fields = ours.PARAMETERS.unpack(track.parameters)
    for place in range(len(fields)):
        wrong = list(fields)
        wrong[place] += 5
        with pytest.raises(Malformed, match="parameters"):
            codec.decode(replace(track, parameters=ours.PARAMETERS.pack(*wrong)), [unit])
    with pytest.raises(Malformed, match="bytes of parameters"):
        codec.memory(replace(track, parameters=b""))
    for change in ({"total": None}, {"skip": 1}, {"samples_per_unit": 7}):
        with pytest.raises(Malformed, match="whole sound"):
            codec.memory(replace(track, media=replace(track.media, **change)))
    with pytest.raises(OverLimit, match="sample rate"):
        codec.memory(replace(track, media=replace(track.media, sample_rate=999)))
    with pytest.raises(OverLimit, match="sample rate"):
        codec.open(noise(rate=999), Options())


def test_gains_that_are_no_numbers_give_silence():
    codec = codec_of("stereo")
    track, unit = opened(encoded(codec, noise()))
    shape = codec._of(track)
    coder = ours.Encoder()
    gains = np.full((shape.uses, shape.gains), np.nan, dtype=np.float32)
    ours.traverse(coder, shape, np.zeros((shape.uses, shape.books, shape.frames), dtype=np.int32), gains)
    found = codec.decode(track, [replace(unit, streams=(coder.finish(),), check=coder.check)])
    assert not found.samples.any()


def test_weights_that_cannot_be_had(monkeypatch, tmp_path, capsys):
    from transformers import AutoConfig

    asked = []

    def fail(source, local_files_only):
        asked.append((source, local_files_only))
        raise OSError("We couldn't connect to the hub,\nsee the manual")

    monkeypatch.setattr(AutoConfig, "from_pretrained", fail)
    outside.load.cache_clear()
    media.write(str(tmp_path / "a.wav"), noise())
    assert cli.main(["encode", str(tmp_path / "a.wav"), "--codec", "hf/owner/none"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "couldn't connect" in error and "--weights" in error
    assert asked == [("owner/none", True), ("owner/none", False)]
    with pytest.raises(WrongModel, match="could they be fetched"):
        pipeline.decode(encoded(codec_of("dac"), noise()))


def test_a_model_of_another_type(tmp_path):
    Path(tmp_path, "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WrongModel, match="a model of type bert; hf/ codecs are encodec, dac, mimi"):
        outside.from_source("hf/owner/bert", str(tmp_path))


def test_unknown_names_and_kinds(capsys):
    for name in ("hf/none", "hf/Owner/Model", "hf/owner/model/more", f"hf/owner/{'x' * 60}"):
        assert cli.main(["encode", "missing.wav", "--codec", name]) == 2
        assert f"no codec is called {name}; there are hf/<owner>/<model>" in capsys.readouterr().err
    assert kind_of("hf/kyutai/mimi") == "audio" and kind_of("hf/facebook/encodec_24khz") == "audio"
    with pytest.raises(UsageError, match="does not take a picture"):
        pipeline.encode(picture(), io.BytesIO(), "hf/owner/model")
    with pytest.raises(UnknownCodec):
        ours.from_transformers(network("dac"), "dac")
    for config in ({"kind": "bert"}, {"settings": {"vocabulary": 3}}, {"width": 8}):
        with pytest.raises(Malformed):
            build("hf/owner/model", config)


class Missing:
    """A finder that does not find transformers."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "transformers":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_without_the_package(monkeypatch, weights):
    data = encoded(codec_of("encodec"), noise())
    models.load.cache_clear()
    outside.load.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
    sentence = r"needs the package transformers, which is not installed: pip install 'triptych\[transformers\]'"
    with pytest.raises(MissingDependency, match=sentence):
        pipeline.encode(sound(), io.BytesIO(), "hf/owner/model")
    with pytest.raises(MissingDependency, match=sentence):
        pipeline.decode(data, weights=weights)
