"""Training of video/stem: frames alone as in image/patch, gradients where they belong, an export that codes films."""

import io
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from makers import photo

from triptych import weights
from triptych.codecs.base import Options
from triptych.codecs.signals import Clip
from triptych.codecs.video.stem_net import StemConfig
from triptych.entropy import RateCounter
from triptych.tools.models import from_file, load
from triptych.tools.recipes.image_slices import take_over
from triptych.tools.recipes.video_stem import alone, fresh, predicted
from triptych.tools.train import main

pytestmark = pytest.mark.skipif(weights.find("image/patch") is None, reason="weights of image/patch are missing")


def film(path: Path, time: int, side: int, seed: int) -> None:
    """A film of a picture that moves to the left."""
    wide = photo(side, side + 4 * time, seed=seed)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "14"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for t in range(time):
            pixels = np.ascontiguousarray(wide[:, 4 * t : 4 * t + side])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def test_what_is_trained_has_gradients_and_the_rest_has_none() -> None:
    torch.manual_seed(0)
    codec = fresh(StemConfig())
    take_over(codec, load("image/patch"))
    net, point = codec.net, torch.tensor([3.0, 6.5])
    y = torch.randn(2, 320, 4, 6) * 3
    still = alone(net, y, point)
    coded = predicted(net, y + 0.3, still.past, point, torch.Generator().manual_seed(0))
    (coded.bits + coded.side + coded.error).sum().backward()
    found = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    wanted = {name for name, p in net.named_parameters() if p.requires_grad and not name.startswith("analysis")}
    late = ("row_past.", "row_near.", "forecast.", "changes.")  # behind layers that begin at zero
    assert wanted - found <= {name for name in wanted if name.startswith(late)}
    assert {"row_past.5.parametrizations.weight.original", "forecast.keep.weight", "change_mean"} <= found
    assert found <= wanted and not any(p.requires_grad for p in net.synthesis.parameters())


def test_a_run_exports_a_codec(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "video"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "video-00.tar", "w") as tar:
        for number in range(2):
            film(tmp_path / "film.mp4", 5, 192, number)
            member = tarfile.TarInfo(f"{number}.mp4")
            content = (tmp_path / "film.mp4").read_bytes()
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    fixed = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--precision", "float32", "--device", "cpu"]
    assert main(["video_stem.smoke", *fixed, "--export", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("video-stem-*.safetensors")
    assert path.stat().st_size < 3.3e6 and "video_stem.smoke" in path.with_suffix(".md").read_text()
    codec = from_file(path)
    clip = Clip(np.stack([photo(64, 70)[:, t : t + 64] for t in range(3)]), Fraction(25))
    track, plan = codec.open(clip, Options())
    (unit,) = codec.encode_units(clip, track, plan, 0, Options())
    found = codec.decode(track, [unit]).frames
    assert np.square(found.astype(float) - clip.frames).mean() < 60
    frames, counter = codec.analyse_group(clip.frames, plan, Options()), RateCounter()
    codec.traverse_group(counter, (64, 64), plan, 3, frames)
    assert abs(counter.bits / 8 - len(unit.streams[0])) < 12
