"""Metrics: exact copies get the top value, ours agree with well-kept libraries, alignment finds what was shifted."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from makers import optional, photo, speech

from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools.errors import UsageError
from triptych.tools.metrics import METRICS, external, pictures, sounds
from triptych.tools.metrics.judge import judge, usable


def noisy(pixels, strength, seed=0):
    """The same pixels with Gaussian noise."""
    noise = np.random.default_rng(seed).normal(0, strength, pixels.shape)
    return np.rint(pixels + noise).clip(0, 255).astype(np.uint8)


def film(frames=3, height=176, width=192):
    return Clip(np.stack([photo(height, width, seed=i) for i in range(frames)]), Fraction(25))


ORIGINALS = {
    "image": Picture(photo(180, 200)),
    "video": film(),
    "audio": Sound(speech(48000), 16000),
}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_an_exact_copy_gets_the_top_value(kind):
    names, missing = usable(kind)
    assert set(names) | set(missing) == {m.name for m in METRICS.values() if kind in m.kinds}
    found = judge(ORIGINALS[kind], ORIGINALS[kind], names)
    assert set(found) == set(names)
    for name, value in found.items():
        slack = {"vmaf": 4, "visqol_speech": 0.2}.get(name, 0.005)  # what a copy gets from these depends on its content
        assert abs(value - METRICS[name].top) <= slack, name


@pytest.mark.parametrize("kind", ("image", "video"))
def test_more_noise_is_never_better(kind):
    original = ORIGINALS[kind]
    pixels = original.pixels if kind == "image" else original.frames
    names, _ = usable(kind)
    curves = []
    for strength in (4, 12, 30):
        damaged = noisy(pixels, strength)
        curves.append(judge(original, Picture(damaged) if kind == "image" else Clip(damaged, original.rate), names))
    for name in names:
        values = [found[name] for found in curves]
        assert values == sorted(values, reverse=METRICS[name].higher), name


def test_psnr_of_a_known_error():
    a = np.full((8, 8, 3), 100, np.uint8)
    assert pictures.psnr(a, a + 5) == pytest.approx(20 * np.log10(255 / 5))
    assert pictures.psnr(a, a) == 100


def test_weighted_psnr_is_that_of_y_for_grey_errors():
    a = photo(32, 48)
    grey = np.repeat(a[..., :1], 3, axis=2)
    found = pictures.measure(grey, np.minimum(grey, 250) + 3)
    assert found["psnr_yuv"] > found["psnr_y"]  # no error in colour
    single = pictures.measure(grey[..., :1], np.minimum(grey, 250)[..., :1] + 3)
    assert single["psnr_rgb"] == pytest.approx(found["psnr_rgb"])
    assert single["psnr_y"] == pytest.approx(found["psnr_y"], abs=1e-3)


def test_yuv_is_that_of_pillow():
    from PIL import Image

    a = photo(40, 40)
    theirs = np.asarray(Image.fromarray(a).convert("YCbCr")).astype(float)
    ours = np.stack(pictures.yuv(a), -1)
    assert np.abs(ours - theirs).max() <= 1.01


@pytest.mark.parametrize("size", ((176, 200), (161, 191), (240, 163)))
def test_ssim_is_that_of_pytorch_msssim(size):
    package = optional("pytorch_msssim")
    a, b = photo(*size), noisy(photo(*size), 9)
    x, y = (torch.from_numpy(v.transpose(2, 0, 1).copy())[None].float() for v in (a, b))
    found = pictures.ssim(a, b)
    assert found["ssim"] == pytest.approx(float(package.ssim(x, y, data_range=255)), abs=2e-5)
    assert found["ms_ssim"] == pytest.approx(float(package.ms_ssim(x, y, data_range=255)), abs=2e-5)
    assert found["ms_ssim_db"] == pytest.approx(-10 * np.log10(1 - found["ms_ssim"]))


@pytest.mark.parametrize(("side", "wanted"), ((10, set()), (11, {"ssim"}), (160, {"ssim"}), (161, {"ssim", "ms_ssim"})))
def test_ssim_says_nothing_about_what_is_too_small(side, wanted):
    a = photo(side, 200)
    assert set(pictures.ssim(a, a)) - {"ms_ssim_db"} == wanted


def test_alpha_counts_through_what_is_seen():
    a = photo(20, 20, planes=4)
    hidden = a.copy()
    a[:10, :, 3] = hidden[:10, :, 3] = 0
    hidden[:10, :, :3] = 7
    assert pictures.measure(a, hidden)["psnr_rgb"] == 100


@pytest.mark.parametrize(("window", "bands", "rate"), ((2048, 150, 44100), (512, 80, 16000), (512, 80, 48000)))
def test_mel_filters_are_those_of_transformers(window, bands, rate):
    package = optional("transformers.audio_utils")
    theirs = package.mel_filter_bank(window // 2 + 1, bands, 0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(sounds.mel_filters(window, bands, rate), theirs.T, atol=1e-6)


def test_spectral_distances_are_those_of_scipy():
    signal = optional("scipy.signal")
    a = speech(20000).astype(np.float64)
    b = a + np.random.default_rng(0).normal(0, 0.02, a.shape)
    wanted = 0.0
    for window in (2048, 512):
        taper = signal.get_window("hann", window)
        pad = np.pad(np.concatenate((a, b)), ((0, 0), (window // 2, window // 2)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(pad, window, axis=1)[:, :: window // 4]
        x, y = np.abs(np.fft.rfft(frames * taper))
        wanted += np.abs(x - y).mean()
        wanted += np.abs(np.log10(np.maximum(x**2, 1e-5)) - np.log10(np.maximum(y**2, 1e-5))).mean()
    found = sounds.spectral(a.astype(np.float32), b.astype(np.float32), 16000)
    assert found["stft_distance"] == pytest.approx(wanted, rel=1e-3)


def test_si_sdr_is_that_of_torchmetrics():
    package = optional("torchmetrics.functional.audio")
    a = speech(8000, channels=2)
    b = 0.7 * a + np.random.default_rng(1).normal(0, 0.02, a.shape).astype(np.float32)
    theirs = package.scale_invariant_signal_distortion_ratio(torch.from_numpy(b), torch.from_numpy(a), zero_mean=True)
    assert sounds.si_sdr(a, b) == pytest.approx(float(theirs.mean()), abs=1e-3)


def test_si_sdr_of_a_known_error():
    t = np.arange(16000) / 16000
    a = np.sin(2 * np.pi * 100 * t)[None].astype(np.float32)
    noise = 0.1 * np.sin(2 * np.pi * 200 * t)[None].astype(np.float32)
    assert sounds.si_sdr(a, a + noise) == pytest.approx(20, abs=1e-3)
    assert sounds.si_sdr(a, 0.3 * (a + noise)) == pytest.approx(20, abs=1e-3)
    assert sounds.si_sdr(a, 3 * a) > 90


@pytest.mark.parametrize("delay", (-300, -1, 0, 1, 312))
def test_alignment_takes_a_delay_away(delay):
    a = Sound(speech(16000), 16000)
    late = np.pad(a.samples, ((0, 0), (max(delay, 0), 0)))[:, max(-delay, 0) :]
    found, taken = sounds.aligned(a, Sound(late[:, :15990], 16000))
    assert taken == delay and found.shape == a.samples.shape
    np.testing.assert_array_equal(found[:, 400:15000], a.samples[:, 400:15000])


def test_alignment_resamples_and_spreads_mono():
    a = Sound(speech(16000, channels=2), 16000)
    high = sounds.at_rate(a.samples.mean(0, keepdims=True), 16000, 48000)
    found, taken = sounds.aligned(a, Sound(high, 48000))
    assert taken == 0 and found.shape == a.samples.shape
    assert sounds.si_sdr(a.samples.mean(0, keepdims=True), found[:1]) > 20
    with pytest.raises(UsageError, match="2 channels"):
        sounds.aligned(Sound(a.samples[:1], 16000), a)


@pytest.mark.parametrize("samples", (np.zeros((1, 16000)), speech(50), speech(700)))
def test_silence_and_short_sounds_do_not_fail(samples):
    a = Sound(samples.astype(np.float32), 16000)
    names, _ = usable("audio")
    found = judge(a, a, names)
    assert found["si_sdr"] == 100 and found["mel_distance"] == found["stft_distance"] == 0
    assert all(np.isfinite(value) for value in found.values())


def test_unknown_and_missing_metrics(monkeypatch):
    with pytest.raises(UsageError, match="stoi is no metric for image"):
        usable("image", ["psnr_rgb", "stoi"])

    def fail(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(external.importlib, "import_module", fail)
    names, missing = usable("audio", ["si_sdr", "pesq_wb"])
    assert names == ("si_sdr",)
    assert missing["pesq_wb"] == "pesq_wb needs the extra pesq: pip install 'triptych[pesq]'"


def test_other_kinds_and_sizes_are_refused():
    with pytest.raises(UsageError, match="another kind"):
        judge(ORIGINALS["image"], ORIGINALS["audio"], ["psnr_rgb"])
    with pytest.raises(UsageError, match="shape"):
        judge(ORIGINALS["image"], Picture(photo(10, 10)), ["psnr_rgb"])
    with pytest.raises(UsageError, match="shape"):
        judge(ORIGINALS["video"], film(2), ["psnr_rgb"])
