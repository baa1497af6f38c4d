"""Sounds and films that are read and written piece by piece: the same files, and memory that does not grow with the length."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import toys
from golden_make import weights_of
from makers import speech
from test_tape import parts

from triptych.bitstream import Reader, Unit, Writer
from triptych.codecs.audio import stretches
from triptych.codecs.base import Options
from triptych.codecs.signals import Clip, Sound
from triptych.codecs.tape import Tape
from triptych.codecs.video import plan
from triptych.tools import cli, media, media_sound, pipeline, sizes
from triptych.tools.errors import MediaError

SOUNDS = ["audio-mdct-rvq", "audio-mdct-rvq-context", "audio-seanet-rvq", "audio-hifi-codec", "audio-wavtokenizer"]


def taped(signal, size: int = 997):
    """The same signal, its samples or frames in pieces."""
    if isinstance(signal, Sound):
        play = partial(parts, signal.samples, 1, size, 3 * size)
        return Sound(Tape(play, signal.samples.shape, np.float32, 1), signal.rate)
    play = partial(parts, signal.frames, 0, 3, 5)
    sound = signal.sound and taped(signal.sound)
    return Clip(Tape(play, signal.frames.shape, np.uint8, 0), signal.rate, sound)


def encoded(signal, codec=None, weights=None, **options) -> bytes:
    out = BytesIO()
    pipeline.encode(signal, out, codec, Options(**{"effort": 0} | options), weights)
    return out.getvalue()


def same(one, two) -> bool:
    if isinstance(one, Clip):
        sounds = (one.sound is None and two.sound is None) or same(one.sound, two.sound)
        return sounds and one.rate == two.rate and np.array_equal(one.frames, two.frames)
    return one.rate == two.rate and np.array_equal(one.samples, two.samples)


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize(("samples", "channels", "rate"), [(1, 1, 8000), (21_001, 2, 11025), (9_999, 3, 16000)])
def test_sounds_in_pieces_make_the_same_file_and_come_back(monkeypatch, name, samples, channels, rate):
    monkeypatch.setattr(stretches, "STRETCH", 4099)
    sound, path = Sound(speech(samples, channels, rate), rate), weights_of(name)
    codec = Reader((path.parent / "file.trip").read_bytes()).tracks[0].codec
    data = encoded(sound, codec, path)
    assert encoded(taped(sound), codec, path) == data
    monkeypatch.setattr(stretches, "STRETCH", 1 << 18)
    assert encoded(sound, codec, path) == data
    whole = pipeline.decode(data, weights=path)
    part = pipeline.decode(BytesIO(data), weights=path, taped=True)
    assert isinstance(part.samples, Tape) and part.samples.shape == sound.samples.shape and same(part, whole)
    for first in (samples // 2, samples // 3):  # one after the other, and back
        assert np.array_equal(part.samples[:, first : first + 500], whole.samples[:, first : first + 500])


@pytest.mark.parametrize("codec", ["video/hnerv", "video/nerv"])
def test_films_in_pieces_make_the_same_file_and_come_back(codec):
    clip = toys.clip(38, 18, 25, with_sound=True)
    data = encoded(clip, codec, group=10, quality=20)
    assert encoded(taped(clip), codec, group=10, quality=20) == data
    whole, part = pipeline.decode(data), pipeline.decode(BytesIO(data), taped=True)
    assert isinstance(part.frames, Tape) and isinstance(part.sound.samples, Tape) and same(part, whole)
    some = pipeline.decode(data, frames=(9, 23), taped=True)
    assert np.array_equal(some.frames, whole.frames[9:23])


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".y4m", ".mkv", ".mp4", ""])
def test_what_comes_in_pieces_is_written_as_the_whole_is(tmp_path, suffix):
    signal = toys.sound(3, 70_001) if suffix in (".wav", ".flac") else toys.clip(9, 33, 46, with_sound=suffix != ".y4m")
    for name, version in (("whole", signal), ("parts", taped(signal))):
        media.write(tmp_path / f"{name}{suffix}", version)
    if suffix:
        one, two = (tmp_path / f"{name}{suffix}" for name in ("whole", "parts"))
        assert one.read_bytes() == two.read_bytes() or suffix == ".mkv"  # which has an identity of its own
        assert same(media.read(one), media.read(two))
        return
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "parts")]
    assert files[0] == files[1] and len(files[0]) == 10


@pytest.mark.parametrize(
    ("suffix", "rate"), [(".wav", 44100), (".flac", 11025), (".ogg", 48000), (".opus", 48000), (".mp3", 44100)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_files_are_read_as_soundfile_reads_them(tmp_path, monkeypatch, suffix, rate, channels):
    path, size = tmp_path / f"a{suffix}", media_sound.BLOCK
    monkeypatch.setattr(media_sound, "BLOCK", 1 << 12)
    media.write(path, Sound(speech(40_001, channels, rate), rate))
    whole = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    for block in (size, 1 << 12, 997):
        monkeypatch.setattr(media_sound, "BLOCK", block)
        with media.opened(path) as sound:
            assert isinstance(sound.samples, Tape) and sound.rate == rate
            assert np.array_equal(sound.samples, whole.clip(-1, 1))
            assert np.array_equal(sound.samples[:, 20_000:20_100], whole[:, 20_000:20_100].clip(-1, 1))


def test_what_is_wrong_far_inside_is_said_at_once(tmp_path):
    path, notes = tmp_path / "a.wav", []
    samples = np.zeros(200_000)
    samples[150_000] = -2.5
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    with media.opened(path, notes.append) as sound:
        assert sound.samples[0, 150_000] == -1 and len(notes) == 1 and "up to 2.50 were clipped" in notes[0]
    samples[190_000] = np.inf
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    with pytest.raises(MediaError, match="not finite"), media.opened(path):
        pytest.fail("was opened")


@pytest.mark.parametrize("name", ["a.wav", "a.mkv"])
def test_a_file_that_shrinks_meanwhile(tmp_path, name):
    path = tmp_path / name
    media.write(path, toys.sound(1, 200_000) if name == "a.wav" else toys.clip(30, 32, 48))
    with media.opened(path) as signal:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(MediaError, match="changed while it was read"):
            np.asarray(signal.samples if name == "a.wav" else signal.frames)


@pytest.mark.parametrize("early", [True, False])
def test_damage_in_the_middle_leaves_nothing(tmp_path, monkeypatch, capsys, early):
    """Found by a checksum of the file before anything is decoded, or by that of the symbols when some is written."""
    monkeypatch.chdir(tmp_path)
    path = weights_of("audio-mdct-rvq")
    reader, out = Reader(encoded(Sound(speech(400_000, rate=8000), 8000), None, path)), BytesIO()
    writer = Writer(out, reader.tracks)
    units = [item for item in reader if isinstance(item, Unit)]
    for number, unit in enumerate(units):
        wrong = number == len(units) // 2 and not early
        writer.unit(replace(unit, check=unit.check ^ wrong))
    writer.finish()
    data = bytearray(out.getvalue())
    data[len(data) // 2] ^= 0x10 * early
    Path("a.trip").write_bytes(data)
    assert len(units) > 3 and cli.main(["decode", "a.trip", "--weights", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and ("at byte" in error) == early
    assert [item.name for item in tmp_path.iterdir()] == ["a.trip"]


@pytest.mark.parametrize("target", ["b.mp4", "b.mkv", "b"])
def test_damage_in_the_middle_of_a_film_leaves_nothing(tmp_path, monkeypatch, capsys, target):
    monkeypatch.chdir(tmp_path)
    reader, out = Reader(encoded(toys.clip(40, 16, 16, with_sound=True), "video/hnerv", quality=0)), BytesIO()
    writer = Writer(out, reader.tracks)
    for number, item in enumerate(reader):
        writer.item(replace(item, check=item.check ^ 1) if number == 3 else item)  # weights, then units of 16 frames
    writer.finish()
    Path("a.trip").write_bytes(out.getvalue())
    assert cli.main(["decode", "a.trip", target]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("triptych: a.trip: the file is intact")
    assert [item.name for item in tmp_path.iterdir()] == ["a.trip"]


CHILD = """
import sys
from pathlib import Path
import toys, numpy, soundfile, av
from fractions import Fraction
from triptych.tools import cli, machine
suffix, weights = sys.argv[1:]
toys.hears_interrupts()
def made(length):
    if suffix == ".wav":
        with soundfile.SoundFile("a.wav", "w", 48000, 2) as file:
            for second in range(length):
                file.write(0.3 * numpy.sin(numpy.arange(96000).reshape(-1, 2) * (second % 7 + 1) / 50))
        return
    with av.open("a.mkv", "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(length):
            pixels = numpy.full((480, 640, 3), number % 200, numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
peaks = []
for length in (30, 180) if suffix == ".wav" else (6, 60):
    made(length)
    if not machine.reset_peak():
        sys.exit(0)
    common = ["--force"] + (["--weights", weights] if weights else [])
    assert cli.main(["encode", "a" + suffix, "a.trip", "--effort", "0", "--group", "6", "--quality", "5", *common]) == 0
    assert cli.main(["decode", "a.trip", "b" + (".flac" if suffix == ".wav" else ".y4m"), *common]) == 0
    peaks.append(machine.peak())
print(peaks)
assert peaks[1] - peaks[0] < 32, peaks  # what an allocator keeps varies
"""


@pytest.mark.parametrize("suffix", [".wav", ".mkv"])
def test_memory_does_not_grow_with_the_length(tmp_path, suffix):
    """Six times as long and 55 MiB of samples more, ten times as long and 47 MiB of frames more."""
    weights = str(weights_of("audio-mdct-rvq")) if suffix == ".wav" else ""
    command = [sys.executable, "-c", CHILD, suffix, weights]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bounds_of_a_film_are_those_of_its_plan():
    assert (sizes.GROUP, sizes.HELD) == (plan.MOST_GROUPED, plan.MOST_HELD)


def test_a_part_of_the_sound_goes_with_some_frames():
    data = encoded(toys.clip(25, 16, 16, with_sound=True), "video/hnerv")  # a second of frames, a fifth of sound
    assert pipeline.decode(data, frames=(0, 5), taped=True).sound.samples.shape == (2, 9600)
    assert pipeline.decode(data, frames=(20, 25)).sound is None and Fraction(25) == pipeline.decode(data).rate
