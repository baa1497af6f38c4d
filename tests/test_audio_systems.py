"""The waveform codecs: files of exact length by units, tokens, layouts as published, what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from makers import encoded, opened, round_trip, speech
from tiny_audio import SYSTEMS, tiny_system

from triptych.bitstream import AudioMedia, Malformed, SymbolMismatch, Unit, WrongModel
from triptych.codecs.audio import hifi_codec, language_codec, seanet_rvq, wavtokenizer
from triptych.codecs.audio.codes import traverse
from triptych.codecs.audio.vocos import FourierHead
from triptych.codecs.base import Options
from triptych.codecs.registry import build, codec_class
from triptych.codecs.signals import Sound
from triptych.entropy import RateCounter, Tables
from triptych.tools import models

NAMES = tuple(SYSTEMS)
HOP = 64
system = cache(tiny_system)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("samples, rate, channels", [(1, 8000, 1), (6000, 8000, 2), (5001, 11025, 1)])
def test_files_keep_length_rate_and_channels(name, samples, rate, channels):
    sound = Sound(speech(samples, channels, rate), rate)
    decoded, track, items = round_trip(system(name), sound, Options(quality=100))
    assert decoded.rate == rate and decoded.samples.shape == sound.samples.shape
    assert np.isfinite(decoded.samples).all() and np.abs(decoded.samples).max() <= 1
    assert sum(item.outputs for item in items) == samples and [item.last for item in items][-1]
    assert system(name).memory(track) > sound.samples.nbytes


@pytest.mark.parametrize("name", NAMES)
def test_silence_and_clipping_survive(name):
    for value in (0.0, 1.0, np.nan):
        decoded, _, _ = round_trip(system(name), Sound(np.full((1, 700), value, np.float32), 8000), Options())
        assert np.isfinite(decoded.samples).all()


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_the_codes_of_the_file_and_come_back(name):
    codec, sound = system(name), Sound(speech(1900, 2, 8000), 8000)
    tokens = codec.tokenize(torch.from_numpy(sound.samples))
    assert tokens.dtype == torch.int64 and tokens.shape == (2, codec.config.books, 30)
    assert int(tokens.min()) >= 0 and int(tokens.max()) < codec.config.size
    decoded, _, _ = round_trip(codec, sound, Options(quality=100))  # one unit: the file holds these codes
    np.testing.assert_allclose(codec.detokenize(tokens)[:, :1900].clamp(-1, 1), decoded.samples, atol=1e-5)
    fewer = codec.detokenize(tokens[:, : codec.config.least])
    assert fewer.shape == (2, 1920) and torch.isfinite(fewer).all()


@pytest.mark.parametrize("name", ["audio-seanet-rvq", "audio-language-codec"])
def test_units_sound_like_the_whole(name):
    """Where context is all that the convolutions reach, units leave no trace."""
    sound, sounds, codes = Sound(speech(9000, 1, 8000), 8000), [], []
    codec = system(name)
    for per_unit in (9, 1000):
        part = build(codec.id, models.config_of(codec) | {"per_unit": per_unit}).eval()
        part.import_state(codec.export_state())
        decoded, track, items = round_trip(part, sound, Options(quality=100))
        assert (len(items) > 10) == (per_unit == 9)
        assert track.media.preroll == (3 if per_unit == 9 and not part.config.causal else 1)
        layout, books = part._layout(track)
        codes.append(np.concatenate(list(part._read(track, items, layout, books)), 2))
        sounds.append(decoded.samples)
    assert (codes[0] == codes[1]).mean() > 0.995  # a rounding may turn a choice between equals
    if np.array_equal(*codes):
        np.testing.assert_allclose(*sounds, atol=1e-4)


def test_more_quality_is_more_codebooks_and_a_smaller_error():
    codec, sound = system("audio-seanet-rvq"), Sound(speech(6000, 1, 8000), 8000)
    x = torch.from_numpy(sound.samples[:, :5888])
    latents = codec.net.latents(x)
    errors = [float((codec.vectors(codec.quantise(latents, n)) - latents).square().mean()) for n in (1, 2, 4)]
    assert errors[0] > errors[1] > errors[2]
    sizes = [len(encoded(codec, sound, quality)) for quality in (0, 50, 100)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_tables_save_bits():
    codec = system("audio-seanet-rvq")
    tokens = codec.tokenize(torch.from_numpy(speech(16000, 1, 8000, seed=9)))
    codes = tokens.numpy().astype(np.int32).transpose(1, 0, 2)
    bits = []
    for tables in (codec.tables, Tables.from_counts(np.ones((4, 32), np.int64))):
        counter = RateCounter()
        assert np.array_equal(traverse(counter, tables, codes.shape[1:], 4, codes), codes)
        bits.append(counter.bits)
    assert bits[0] < 0.99 * bits[1]


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_the_model(name, tmp_path):
    codec = system(name)
    models.save(codec, tmp_path / "w.safetensors")
    again = models.from_file(tmp_path / "w.safetensors")
    assert again.identity == codec.identity and any(codec.identity)
    sound = Sound(speech(3000, 1, 8000), 8000)
    assert encoded(again, sound) == encoded(codec, sound)
    assert not any(key.startswith("net.encoder") for key in codec.decoder_state())
    assert not any(key.endswith((".counts", ".sums")) for key in codec.export_state())


def test_published_layouts():
    sizes = {}
    for cls, config in (
        (seanet_rvq.SeanetRvqCodec, seanet_rvq.ENCODEC),
        (hifi_codec.HifiCodec, hifi_codec.PUBLISHED),
        (language_codec.LanguageCodec, language_codec.PUBLISHED),
    ):
        with torch.device("meta"):
            net = cls.parts(config)
        sizes[cls.id] = sum(p.numel() for p in (*net.encoder.parameters(), *net.decoder.parameters())) / 1e6
    assert sizes["audio/seanet-rvq"] == pytest.approx(14.85, abs=0.01)  # EnCodec as others count it
    assert sizes["audio/hifi-codec"] == pytest.approx(63, abs=1)
    assert seanet_rvq.ENCODEC.rate / seanet_rvq.ENCODEC.hop == 75
    assert wavtokenizer.PUBLISHED_40.rate / wavtokenizer.PUBLISHED_40.hop == 40


def test_fourier_head_inverts_its_analysis():
    head = FourierHead(4, 256, 64)
    x = torch.from_numpy(speech(64 * 50))
    spectrum = head.analyse(x)
    assert spectrum.shape == (1, 50, 129)
    torch.testing.assert_close(head.synthesise(spectrum), x, atol=1e-4, rtol=0)


def test_without_weights_the_error_says_what_to_do():
    for name in NAMES:
        codec = name.replace("audio-", "audio/")
        with pytest.raises(WrongModel, match=f"no weights of {codec} .*--weights.*tools.train audio_systems.") as error:
            models.load.__wrapped__(codec)
        module, _, function = codec_class(codec).recipe.partition(".")
        assert f"{module}.{function} --data" in error.value.message


def test_other_symbols_are_noticed():
    codec = system("audio-seanet-rvq")
    track, unit = opened(encoded(codec, Sound(speech(2000, 1, 8000), 8000)))
    with pytest.raises(SymbolMismatch):
        codec.decode(track, [replace(unit, check=unit.check ^ 1)])


def test_malformed_tracks_are_refused():
    codec = system("audio-seanet-rvq")
    track, unit = opened(encoded(codec, Sound(speech(2000, 1, 8000), 8000)))
    media = track.media
    wrong = [
        (replace(track, parameters=b"\0" + track.parameters[1:]), [unit], "codebooks"),
        (replace(track, parameters=b"\1" + track.parameters[1:]), [unit], "more than the 1 of the file"),
        (replace(track, parameters=track.parameters[:1] + b"\1" + track.parameters[2:]), [unit], "static tables"),
        (replace(track, parameters=track.parameters[:1] + b"\0\0\0"), [unit], "at least one frame"),
        (replace(track, parameters=b""), [unit], "bytes of parameters"),
        (replace(track, media=AudioMedia(8000, 1, 2560, 0, 1, 2000 + 2560)), [unit], "units"),
        (replace(track, media=replace(media, samples_per_unit=77)), [unit], "units hold"),
        (replace(track, media=replace(media, total=0)), [unit], "at least one"),
        (track, [], "1 units, not 0"),
        (track, [unit, unit], "1 units with one stream"),
        (track, [replace(unit, outputs=1)], "must yield 2000"),
    ]
    for header, items, message in wrong:
        with pytest.raises(Malformed, match=message):
            codec.decode(header, items)
    assert isinstance(unit, Unit)
