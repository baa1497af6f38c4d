"""The well-known codecs: files and back at odd sizes, grey, mono and stereo; colours, ladders, and what is refused."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from makers import photo, speech

from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import peers
from triptych.tools.errors import MediaError, UsageError
from triptych.tools.metrics.pictures import psnr
from triptych.tools.metrics.sounds import aligned, si_sdr
from triptych.tools.peers import coded, colour, stills
from triptych.tools.peers.colour import Samples

STILLS = [name for name, found in peers.PEERS.items() if found.kind == "image"]
SOUNDS = [name for name, found in peers.PEERS.items() if found.kind == "audio"]
FILMS = [name for name, found in peers.PEERS.items() if found.kind == "video"]
FFMPEG = [name for name, found in peers.PEERS.items() if isinstance(found, coded.Coded)]
LOSSY_SOUNDS = [name for name in SOUNDS if name != "flac"]


def ready(name: str) -> peers.Peer:
    """A codec, or a skipped test where it is not installed."""
    if reason := peers.available()[name]:
        pytest.skip(reason)
    return peers.peer(name)


def there_and_back(found, signal, quality, folder):
    """What comes back, fitted to the original, and the size of the file."""
    path = folder / f"coded{found.suffix}"
    found.encode(signal, quality, path)
    return peers.fitted(signal, found.decode(path)), path.stat().st_size


def film(frames: int, height: int, width: int, rate=Fraction(25)) -> Clip:
    wide = photo(height, width + 2 * frames)
    return Clip(np.stack([wide[:, 2 * number : 2 * number + width] for number in range(frames)]), rate)


def assert_true_colours(original: np.ndarray, decoded: np.ndarray) -> None:
    """Close to the original, and neither darker, paler nor of another hue."""
    assert psnr(original, decoded) > 30
    for channel in range(original.shape[-1]):
        a, b = original[..., channel].astype(float), decoded[..., channel].astype(float)
        assert abs(a.mean() - b.mean()) < 2
        slope = ((a - a.mean()) * (b - b.mean())).mean() / a.var()
        assert 0.92 < slope < 1.08  # a wrong range gives 0.86 or 1.16


def test_conversion_of_known_colours():
    pixels = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], np.uint8)
    full = [plane[0].tolist() for plane in colour.from_rgb(pixels, Samples("yuv444p"))]
    assert full == [[0, 255, 76, 29], [128, 128, 85, 255], [128, 128, 255, 107]]
    limited = [plane[0].tolist() for plane in colour.from_rgb(pixels, Samples("yuv444p", full=False))]
    assert limited == [[16, 235, 81, 41], [128, 128, 90, 240], [128, 128, 240, 110]]


@pytest.mark.parametrize(
    "samples, least",
    [
        (Samples("yuv444p"), 50),
        (Samples("yuv444p", full=False), 50),
        (Samples("yuv444p10le", depth=10), 90),
        (Samples("yuv420p", halved=True), 36),
        (Samples("yuv420p10le", halved=True, depth=10, full=False), 36),
    ],
)
def test_conversion_alone_loses_little(samples, least):
    pixels = photo(64, 96)
    planes = colour.from_rgb(pixels, samples)
    assert all(plane.dtype == samples.dtype for plane in planes)
    assert psnr(pixels, colour.to_rgb(planes, samples)) > least


def test_halved_chroma_stays_in_place():
    ramp = np.repeat(np.linspace(0, 255, 64)[None, :, None], 64, axis=0).repeat(3, axis=2)
    ramp = (ramp * [1, 0.5, 0]).astype(np.uint8)  # a shift of half a sample would be an error of two levels
    samples = Samples("yuv420p", halved=True)
    error = colour.to_rgb(colour.from_rgb(ramp, samples), samples)[:, 2:-2].astype(int) - ramp[:, 2:-2]
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.4 and np.abs(error).max() <= 3


@pytest.mark.parametrize("name", STILLS)
@pytest.mark.parametrize("height, width, planes", [(33, 47, 3), (33, 47, 1), (5, 3, 3), (64, 96, 3)])
def test_a_picture_comes_back(name, height, width, planes, tmp_path):
    found = ready(name)
    pixels = photo(height, width, planes)
    decoded, size = there_and_back(found, Picture(pixels), found.qualities[-1], tmp_path)
    assert decoded.pixels.shape == pixels.shape
    if height > 10:
        least = 28 if name == "jpeg2000" and planes == 1 else 30  # its header takes most of so few bytes
        assert psnr(pixels, decoded.pixels) > least and size > 100


@pytest.mark.parametrize("name", STILLS)
def test_colours_of_pictures_are_right(name, tmp_path):
    found = ready(name)
    pixels = photo(96, 128)
    decoded, _ = there_and_back(found, Picture(pixels), found.qualities[-1], tmp_path)
    assert_true_colours(pixels, decoded.pixels)


@pytest.mark.parametrize("name", STILLS)
def test_pictures_grow_along_the_ladder(name, tmp_path):
    found = ready(name)
    picture = Picture(photo(160, 224))
    results = [there_and_back(found, picture, quality, tmp_path) for quality in found.qualities]
    sizes = [size for _, size in results]
    quality = [psnr(picture.pixels, decoded.pixels) for decoded, _ in results]
    assert sizes == sorted(sizes) and len(set(sizes)) > 6 and sizes[-1] > 4 * sizes[0]
    assert quality[-1] > quality[0] + 4 and min(np.diff(quality)) > -0.2


def test_full_colour_resolution_is_kept(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (200, 40, 40), (40, 40, 200)
    for name in ("jpeg-444", "avif", "x265-intra", "jpeg", "avif-420", "svtav1-intra"):
        found = ready(name)
        decoded, _ = there_and_back(found, Picture(pixels), found.qualities[-1], tmp_path)
        assert (psnr(pixels, decoded.pixels) > 30) == (name in ("jpeg-444", "avif", "x265-intra")), name


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("channels, rate", [(1, 16000), (2, 44100), (1, 22050)])
def test_a_sound_comes_back(name, channels, rate, tmp_path):
    found = ready(name)
    sound = Sound(speech(rate + 77, channels, rate), rate)
    decoded, _ = there_and_back(found, sound, found.qualities[-1], tmp_path)
    assert decoded.samples.shape[0] == channels
    assert abs(decoded.samples.shape[1] / decoded.rate - sound.samples.shape[1] / rate) < 0.05
    samples, delay = aligned(sound, decoded)
    assert abs(delay) <= 2 and si_sdr(sound.samples, samples) > (70 if name == "flac" else 15)


@pytest.mark.parametrize("name", LOSSY_SOUNDS)
def test_sounds_grow_along_the_ladder_and_meet_their_rate(name, tmp_path):
    found = ready(name)
    sound = Sound(speech(5 * 24000, 1, 24000), 24000)
    sizes = [there_and_back(found, sound, quality, tmp_path)[1] for quality in found.qualities]
    assert sizes == sorted(sizes) and len(set(sizes)) > 5
    asked = [1000 * quality * 5 / 8 for quality in found.qualities]
    assert all(0.8 < size / wanted < 1.5 for size, wanted in zip(sizes[2:-1], asked[2:-1], strict=True))


def test_opus_hears_an_application(tmp_path):
    sound = Sound(speech(32000), 16000)
    files = []
    for preset in ("", "audio", "voip"):
        ready("opus")
        peers.peer("opus", preset).encode(sound, 16, tmp_path / "a.opus")
        files.append((tmp_path / "a.opus").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize(
    "clip", [film(1, 33, 47), film(7, 48, 64, Fraction(30000, 1001)), film(40, 35, 50, Fraction(50))]
)
def test_a_film_comes_back(name, clip, tmp_path):
    found = ready(name)
    path = tmp_path / f"coded{found.suffix}"
    found.encode(clip, found.qualities[-1], path)
    decoded = found.decode(path)
    assert len(decoded.frames) == len(clip.frames)
    assert len(clip.frames) == 1 or abs(decoded.rate / clip.rate - 1) < 0.001
    back = peers.fitted(clip, decoded)
    assert back.frames.shape == clip.frames.shape and back.rate == clip.rate
    assert_true_colours(clip.frames, back.frames)


@pytest.mark.parametrize("name", FILMS)
def test_films_grow_along_the_ladder(name, tmp_path):
    found = ready(name)
    clip = film(10, 64, 96)
    sizes = [there_and_back(found, clip, quality, tmp_path)[1] for quality in found.qualities]
    assert sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0]


@pytest.mark.parametrize("name", FFMPEG)
def test_other_players_see_the_same_colours(name, tmp_path):
    found = ready(name)
    pixels = film(1, 64, 96).frames
    path = tmp_path / f"coded{found.suffix}"
    found.encode(Clip(pixels, Fraction(25)) if found.kind == "video" else Picture(pixels[0]), found.qualities[-1], path)
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        assert frame.colorspace == colour.MATRIX
        assert frame.color_range == (colour.FULL if found.kind == "image" else colour.LIMITED)
        assert_true_colours(pixels[0], frame.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("name", peers.PEERS)
def test_what_every_codec_says_of_itself(name):
    found = ready(name)
    assert found.name == name == name.lower() and not set(name) & set(" @:,") and found.suffix.startswith(".")
    assert all(min(found.bounds) <= quality <= max(found.bounds) for quality in found.qualities)
    assert found.preset == next(iter(found.presets), "")
    for text in (found.settings(), found.version(), found.label):
        assert text and "\n" not in text
    for preset in found.presets:
        assert preset in peers.peer(name, preset).settings()


def test_files_hold_no_text_about_the_encoder(tmp_path):
    clip = film(5, 48, 64)
    for name in FFMPEG:
        found = ready(name)
        signal = clip if found.kind == "video" else Picture(clip.frames[0])
        found.encode(signal, found.qualities[0], tmp_path / "a")
        data = (tmp_path / "a").read_bytes()
        assert b"x264 - core" not in data and b"x265 (build" not in data and b"Lavc" not in data


def test_what_cannot_be_coded_is_refused(tmp_path):
    path = tmp_path / "a"
    jpeg, opus, x264 = peers.peer("jpeg"), peers.peer("opus"), peers.peer("x264")
    with pytest.raises(UsageError, match="transparency"):
        jpeg.encode(Picture(photo(8, 8, 4)), 50, path)
    with pytest.raises(UsageError, match="has no quality 101; it goes from 1 to 100"):
        jpeg.encode(Picture(photo(8, 8)), 101, path)
    with pytest.raises(UsageError, match="3"):
        opus.encode(Sound(speech(800, 3), 16000), 16, path)
    with pytest.raises(UsageError, match="another kind"):
        x264.encode(Picture(photo(8, 8)), 30, path)
    path.write_bytes(b"no film at all")
    with pytest.raises(MediaError):
        x264.decode(path)


def test_unknown_names_and_presets():
    with pytest.raises(UsageError, match=r"called jpeg3000; there are jpeg, .*x264"):
        peers.peer("jpeg3000")
    with pytest.raises(UsageError, match="x265 has no preset slow; there are medium, veryslow"):
        peers.peer("x265", "slow")
    with pytest.raises(UsageError, match="jpeg has no preset slow; it has none"):
        peers.peer("jpeg", "slow")


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(stills.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"jpegxl needs the package pillow-jxl-plugin: pip install 'triptych\[anchors\]'"
    ):
        peers.peer("jpegxl")
    monkeypatch.setattr(stills.features, "check", lambda name: False)
    assert "Pillow" in peers.available()["webp"] and "Pillow" in peers.available()["avif"]
    assert "libnone" in replace(peers.PEERS["x264"], encoder="libnone").missing()
    assert "libnone" in replace(peers.PEERS["opus"], encoder="libnone").missing()
