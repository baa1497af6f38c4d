"""The audio recipe: data from shards, losses that mean what they say, a short training that survives an interruption."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from makers import tiny_mdct_rvq

from triptych.codecs.base import Options
from triptych.codecs.signals import Sound
from triptych.tools import models
from triptych.tools.recipes import audio_mdct
from triptych.tools.recipes.audio_data import Pool, load
from triptych.tools.recipes.audio_losses import SCALES, AudioDistance, mel_filters, si_sdr
from triptych.tools.train import Run, find_recipe, main


def tone(samples: int, rate: int, pitch: float) -> np.ndarray:
    time = np.arange(samples) / rate
    return (0.3 * np.sin(2 * np.pi * pitch * time) * np.sin(2 * np.pi * 2 * time) ** 2).astype(np.float32)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of short clips, 16 and 24 kHz, as `train/speech`."""
    folder = tmp_path_factory.mktemp("media")
    speech = folder / "train" / "speech"
    speech.mkdir(parents=True)
    for shard in range(2):
        with tarfile.open(speech / f"speech-{shard}.tar", "w") as tar:
            for clip in range(4):
                rate = (16000, 24000)[clip % 2]
                buffer = io.BytesIO()
                soundfile.write(buffer, tone(3 * rate, rate, 150 + 40 * clip + 10 * shard), rate, format="FLAC")
                entry = tarfile.TarInfo(f"clip-{clip}.flac")
                entry.size = len(buffer.getvalue())
                tar.addfile(entry, io.BytesIO(buffer.getvalue()))
    return folder


def test_shards_are_read_and_clips_held_out(media: Path) -> None:
    pool, held = load(media / "train" / "speech", 16000, 2)
    assert len(held) == 2 and all(clip.shape == (48000,) for clip in held)
    assert abs(len(pool.samples) - 6 * 48000) < 10 and pool.samples.dtype == np.int16
    assert 0.25 < held[0].abs().max() < 0.35


def test_crops_come_from_the_pool() -> None:
    pool = Pool([np.arange(1000, dtype=np.int16), np.arange(1000, 2000, dtype=np.int16)])
    crops = pool.crops(50, 100, torch.Generator().manual_seed(0)) * 32768
    assert crops.shape == (50, 100)
    assert torch.equal(crops - crops[:, :1], torch.arange(100.0).expand(50, 100))
    assert len(crops[:, 0].unique()) > 40


@pytest.mark.parametrize("window", SCALES)
def test_mel_filters_cover_the_spectrum(window: int) -> None:
    filters = mel_filters(window, SCALES[window], 16000)
    assert filters.shape == (window // 2 + 1, SCALES[window])
    assert (filters >= 0).all() and torch.isfinite(filters).all()
    torch.testing.assert_close(filters.sum(0), torch.ones(SCALES[window]))


def test_distances_are_zero_for_equal_signals_and_grow_with_noise() -> None:
    distance, generator = AudioDistance(16000), torch.Generator().manual_seed(0)
    x = torch.from_numpy(np.stack([tone(8000, 16000, pitch) for pitch in (200, 300)]))
    noise = torch.randn(x.shape, generator=generator)
    seen = []
    for size in (0.0, 0.003, 0.03):
        y = x + size * noise
        seen.append([*distance.mel(y, x, list(SCALES)), distance.compressed(y, x), -si_sdr(y, x).mean()])
    assert all(abs(value) < 1e-6 for value in seen[0][:3]) and seen[0][3] < -100
    assert all(a < b < c for a, b, c in zip(*seen, strict=True))


def test_si_sdr_ignores_loudness() -> None:
    x = torch.from_numpy(tone(8000, 16000, 200))[None]
    y = x + 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(si_sdr(0.2 * y, x), si_sdr(y, x), rtol=1e-3, atol=1e-3)


def test_a_short_training_can_be_resumed_and_codes(media: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run = Run(audio_mdct.smoke(), media, tmp_path / "run", "cpu")
    run.start()
    before = run.task.validate(run.codec.eval())
    run.codec.train()
    run.train(minutes=5)
    assert run.step == run.recipe.steps
    after = run.task.validate(run.codec.eval())
    assert after["mel_4"] < before["mel_4"] and after["mel_2"] > after["mel_4"], (before, after)
    assert list((tmp_path / "run").glob("step-*.png"))
    again = Run(audio_mdct.smoke(), media, tmp_path / "run", "cpu")
    again.resume()
    assert again.task.validate(again.codec.eval()) == after
    codec = again.codec
    again.task.finish(codec)
    sound = Sound(tone(20000, 16000, 180)[None], 16000)
    track, plan = codec.open(sound, Options(quality=100))
    back = codec.decode(track, codec.encode_units(sound, track, plan, 0, Options(quality=100)))
    assert si_sdr(torch.from_numpy(back.samples), torch.from_numpy(sound.samples)) > 3


def test_a_context_is_trained_on_weights_that_are_there(media: Path, tmp_path: Path) -> None:
    start = tmp_path / "tiny.safetensors"
    models.save(tiny_mdct_rvq(), start)
    command = ["audio_context.smoke", "--start", str(start), "--data", str(media), "--out", str(tmp_path / "run")]
    assert main([*command, "--steps", "6", "--export", str(tmp_path / "weights")]) == 0
    assert main([*command, "--resume"]) == 0
    (path,) = (tmp_path / "weights").glob("*.safetensors")
    old, new = (models.from_file(file) for file in (start, path))
    assert old.context is None and new.context is not None and old.identity != new.identity
    assert set(new.export_state()) > set(old.export_state())
    sound, parts = Sound(tone(20000, 16000, 200)[None], 16000), []
    for codec in (old, new):
        track, plan = codec.open(sound, Options(quality=70))
        parts.append(codec.decode(track, codec.encode_units(sound, track, plan, 0, Options(quality=70))).samples)
    assert np.array_equal(*parts)


def test_recipes_without_a_start_refuse_weights() -> None:
    with pytest.raises(ValueError, match="does not begin with weights"):
        find_recipe("audio_mdct.smoke", Path("weights.safetensors"))
