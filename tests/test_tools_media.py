"""Media files in and out."""

from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
import soundfile
from PIL import Image
from toys import clip, picture, sound

from triptych.bitstream import Limits
from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import media, media_image
from triptych.tools.errors import MediaError, UsageError


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".bmp"])
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_lossless_pictures_come_back(tmp_path, suffix, planes):
    path = tmp_path / f"a{suffix}"
    original = picture(planes=planes)
    if suffix == ".bmp" and planes in (2, 4):
        with pytest.raises(MediaError, match="transparency"):
            media.write(path, original)
        assert not list(tmp_path.iterdir())
        return
    media.write(path, original)
    found = media.read(path).pixels
    if suffix == ".webp" and planes < 3:  # the format has colour only
        found = found[..., [0, 3] if planes == 2 else [0]]
    np.testing.assert_array_equal(found, original.pixels)


def test_jpeg_is_of_high_quality(tmp_path):
    original = Picture(clip().frames[0])
    media.write(tmp_path / "a.jpg", original)
    assert psnr(media.read(tmp_path / "a.jpg").pixels, original.pixels) > 40


def test_content_decides_not_the_name(tmp_path):
    media.write(tmp_path / "a.png", picture())
    (tmp_path / "a.png").rename(tmp_path / "a.wav")
    assert isinstance(media.read(tmp_path / "a.wav"), Picture)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_orientation_is_applied():
    image = Image.fromarray(picture(6, 9).pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = media_image.read(saved(image, exif=exif), "a", print)
    np.testing.assert_array_equal(found.pixels, np.rot90(picture(6, 9).pixels, -1))


@pytest.mark.parametrize("mode, planes", [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4)])
def test_modes(mode, planes):
    image = Image.fromarray(picture().pixels).convert(mode)
    assert media_image.read(saved(image), "a", print).pixels.shape == (12, 17, planes)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pixels_are_the_same_strip_by_strip(mode, monkeypatch):
    image = Image.fromarray(picture().pixels).convert("I" if mode == "I;16" else mode)
    data = saved(image.convert("I;16") if mode == "I;16" else image)
    whole = media_image.read(data, "a", lambda note: None).pixels
    monkeypatch.setattr(media_image, "STRIP", 3 * 17)
    assert np.array_equal(media_image.read(data, "a", lambda note: None).pixels, whole)


def test_pictures_as_large_as_a_file_may_hold_are_read(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)  # what Pillow is set to elsewhere does not count, and stays
    data = saved(Image.fromarray(picture().pixels))
    assert media_image.read(data, "a", print).pixels.shape == (12, 17, 3) and Image.MAX_IMAGE_PIXELS == 4
    monkeypatch.setattr(media_image, "Limits", lambda: Limits(pixels=12 * 17 - 2))
    with pytest.raises(MediaError, match="more pixels than can be read"):
        media_image.read(data, "a", print)


def test_palette_with_transparency_and_cmyk():
    palette = Image.fromarray(picture().pixels).convert("P")
    assert media_image.read(saved(palette, transparency=0), "a", print).pixels.shape[2] == 4
    grey = Image.fromarray(picture(planes=1).pixels[..., 0])
    found = media_image.read(saved(grey, transparency=37), "a", print).pixels
    np.testing.assert_array_equal(found[..., 1] == 0, np.asarray(grey) == 37)
    cmyk = Image.fromarray(picture().pixels).convert("CMYK")
    assert media_image.read(saved(cmyk, "TIFF"), "a", print).pixels.shape[2] == 3


def test_sixteen_bits_are_scaled_with_a_note():
    notes = []
    deep = np.array([[0, 128, 129, 257 * 7, 65535]], dtype=np.uint16)
    found = media_image.read(saved(Image.fromarray(deep)), "a", notes.append)
    np.testing.assert_array_equal(found.pixels[..., 0], [[0, 0, 1, 7, 255]])
    assert "16-bit" in notes[0]


def test_animations_are_sent_to_the_video_codec():
    frames = [Image.fromarray(picture().pixels), Image.fromarray(255 - picture().pixels)]
    with pytest.raises(MediaError, match=r"2 frames.*video"):
        media_image.read(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "a.gif", print)


@pytest.mark.parametrize("content, cause", [
    (b"", "a.png: is empty"),
    (b"hello, I am no picture\n" * 300, "a.png: is a text file named .png"),
    ("Grüße ".encode() * 900, "a text file"),
    (b"\x89PNG\r\n\x1a\n" + bytes(50), "a.png: is"),
    (bytes(range(256)) * 8, "holds no picture, sound or film"),
])  # fmt: skip
def test_what_is_no_media_is_refused_in_one_sentence(tmp_path, content, cause):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UsageError, match=cause) as caught:
        media.read(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_a_cut_picture_is_damaged(tmp_path):
    data = saved(Image.fromarray(picture(99, 99).pixels))
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="damaged"):
        media.read(tmp_path / "a.png")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        media.read(tmp_path / "a.png")
    with pytest.raises(UsageError, match="is a folder"):
        media.read(tmp_path)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_lossless_sounds_come_back(tmp_path, suffix, channels):
    original = sound(channels)
    media.write(tmp_path / f"a{suffix}", original)
    found = media.read(tmp_path / f"a{suffix}")
    assert found.rate == original.rate and found.samples.dtype == np.float32
    np.testing.assert_allclose(found.samples, original.samples, atol=0.5001 / 32768)


@pytest.mark.parametrize("suffix", [".ogg", ".opus", ".mp3"])
def test_lossy_sounds_are_written(tmp_path, suffix):
    media.write(tmp_path / f"a{suffix}", sound(2, 48000, 48000))
    found = media.read(tmp_path / f"a{suffix}")
    assert found.rate == 48000 and found.samples.shape[0] == 2


def test_a_rate_that_opus_does_not_know(tmp_path):
    with pytest.raises(MediaError, match=r"a\.opus: .*choose \.wav"):
        media.write(tmp_path / "a.opus", sound(rate=11025))
    assert not list(tmp_path.iterdir())


def test_empty_loud_and_broken_sounds(tmp_path):
    path, notes = tmp_path / "a.wav", []
    soundfile.write(path, np.zeros((0, 1)), 8000)
    with pytest.raises(MediaError, match="no samples"):
        media.read(path)
    soundfile.write(path, np.array([0.0, 3.0, -2.0]), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(media.read(path, notes.append).samples, [[0, 1, -1]])
    assert "clipped" in notes[0]
    soundfile.write(path, np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    with pytest.raises(MediaError, match="finite"):
        media.read(path)


@pytest.mark.parametrize("suffix, height", [(".mp4", 32), (".mkv", 32), (".mov", 33), (".y4m", 33)])
def test_films_come_back(tmp_path, suffix, height):
    original = clip(height=height, with_sound=suffix != ".y4m")
    media.write(tmp_path / f"a{suffix}", original)
    found = media.read(tmp_path / f"a{suffix}")
    assert isinstance(found, Clip) and found.rate == Fraction(25) and found.frames.shape == original.frames.shape
    assert psnr(found.frames, original.frames) > 36
    if original.sound is not None:
        assert found.sound.samples.shape == original.sound.samples.shape
        assert found.sound.rate == 48000 and found.sound.samples.shape[0] == 2
        wanted = original.sound.samples
        middle = slice(2000, 9000)
        error = found.sound.samples[:, middle] - wanted[:, middle]
        assert np.square(error).mean() < np.square(wanted).mean() / (1e6 if suffix == ".mkv" else 300)


def test_a_film_as_a_folder_of_frames(tmp_path):
    media.write(tmp_path / "frames", clip(with_sound=True))
    assert [path.name for path in sorted((tmp_path / "frames").iterdir())][::5] == ["000001.png", "sound.wav"]
    np.testing.assert_array_equal(media.read(tmp_path / "frames" / "000003.png").pixels, clip().frames[2])
    with pytest.raises(UsageError, match="not empty"):
        media.write(tmp_path / "frames", clip(), force=True)


def test_a_rotated_film_is_turned_upright(tmp_path):
    path = tmp_path / "a.mp4"
    media.write(path, clip())
    data = path.read_bytes()
    upright, quarter = ([1 << 16, 0, 0, 0, 1 << 16, 0], [0, 1 << 16, 0, -1 << 16, 0, 0])  # the matrix of tkhd

    def packed(numbers: list[int]) -> bytes:
        return b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)

    start = data.index(packed(upright), data.index(b"tkhd"))
    path.write_bytes(data[:start] + packed(quarter) + data[start + 24 :])
    found = media.read(path)
    np.testing.assert_array_equal(found.frames.shape, (5, 48, 32, 3))
    assert psnr(found.frames[0], np.rot90(clip().frames[0], -1)) > 36


def test_a_film_without_pictures_is_a_sound(tmp_path):
    import av

    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sound(2, 48000, 48000).samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = media.read(tmp_path / "a.m4a")
    assert isinstance(found, Sound) and found.samples.shape == (2, 48000)


@pytest.mark.parametrize("name, signal, cause", [
    ("a.wav", picture(), "the name of a sound, but the signal holds a picture"),
    ("a.png", clip(), "the name of a picture"),
    ("a.xyz", sound(), r"unknown output extension for a sound: choose from \.wav"),
    ("a", picture(), "unknown output extension"),
])  # fmt: skip
def test_names_that_do_not_fit(tmp_path, name, signal, cause):
    with pytest.raises(MediaError, match=cause):
        media.write(tmp_path / name, signal)
    assert not list(tmp_path.iterdir())


def test_a_film_that_states_no_length(tmp_path):
    path = tmp_path / "a.mkv"
    media.write(path, clip(40, 32, 48))
    assert media.read(path).frames.shape == (40, 32, 48, 3)
