"""The NeRV family: every system through bytes and back, its parts, groups of frames, fits that are resumed."""

import io
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_video_hnerv import moving, psnr

import triptych
from triptych.bitstream import Malformed, Reader, SampleFormat, Track, Unit, VideoMedia, Weights
from triptych.codecs.base import Options
from triptych.codecs.registry import CODECS, codec_class
from triptych.codecs.signals import Clip
from triptych.codecs.video import film, losses, resume, start
from triptych.codecs.video.codec import NervCodec
from triptych.codecs.video.fit import Fit, Recipe
from triptych.codecs.video.layout import grid_for, parse, strides_for
from triptych.codecs.video.nerv import Decoder, Layout, decoder, initial
from triptych.codecs.video.parts import Affine, EmbeddingStem, IndexStem
from triptych.codecs.video.plan import Wish, plan_for, values_for
from triptych.codecs.video.systems import BoostingHnervCodec, ENervCodec, HnervCodec, NervPlusPlusCodec
from triptych.tools import pipeline
from triptych.tools.metrics import pictures

FAMILY = [name for name in CODECS if name.startswith("video/") and issubclass(codec_class(name), NervCodec)]
LAYOUT = Layout((2, 3), 4, 8, (3, 2), (1, 3), (7, 6))


def encoded(clip: Clip, name: str, options: Options) -> bytes:
    out = io.BytesIO()
    pipeline.encode(clip, out, name, options)
    return out.getvalue()


def network(cls: type[NervCodec]) -> Decoder:
    """A small decoder of a system, its layers drawn at random."""
    layout = replace(LAYOUT, system=cls.system, channels=4 if cls.system.stem == "embedding" else 0)
    return decoder(layout, initial(layout, torch.Generator().manual_seed(0)))


def frames_of(network: Decoder, times: list[float]) -> torch.Tensor:
    embeddings = torch.ones(len(times), network.layout.channels, *network.layout.grid)
    with torch.no_grad():
        return network(embeddings, torch.tensor(times))


@pytest.mark.parametrize("name", FAMILY)
def test_every_system_goes_through_a_file(name: str) -> None:
    clip = moving(5, 21, 26)
    data = encoded(clip, name, Options(effort=3, group=3))
    found = triptych.decode(data).frames
    assert psnr(found, clip.frames) > psnr(clip.frames.mean((0, 1, 2)), clip.frames)
    assert [type(item) for item in Reader(data)] == [Weights, Unit, Weights, Unit]
    for span in ((4, 5), (2, 4), (0, 5), (1, 2)):
        np.testing.assert_array_equal(triptych.decode(data, frames=span).frames, found[slice(*span)])


@pytest.mark.parametrize("name", FAMILY)
def test_sizes_are_hit(name: str) -> None:
    shape = (32, 160, 320)
    layout = plan_for(shape, Wish(codec_class(name).system), Options(), 0.0).parameters.layout
    found = layout.size() + shape[0] * layout.channels * layout.grid[0] * layout.grid[1]
    assert 0.9 < found / values_for(32 * 160 * 320, 50) <= 1.0
    made = network(codec_class(name))
    assert made.layout.size() == sum(parameter.numel() for parameter in made.parameters())
    assert [tuple(p.shape) for p in made.parameters()] == made.layout.shapes()


@pytest.mark.parametrize("height, width", [(16, 16), (144, 176), (160, 320), (287, 353), (720, 1280), (1080, 1920)])
def test_steep_strides_are_of_two_after_the_first(height: int, width: int) -> None:
    even, steep = (strides_for(height, width, 1, 40, wish) for wish in (False, True))
    assert set(steep[1:]) <= {2} and len(steep) >= len(even) and steep[:1] >= steep[1:2]
    rows, columns = grid_for(height, width, math.prod(steep))
    assert rows * columns < 40 * 5
    assert ENervCodec.system.steep and not HnervCodec.system.steep


def test_work_is_counted_as_the_layers_compute() -> None:
    found = 0

    def seen(module: torch.nn.Module, given: tuple, result: torch.Tensor) -> None:
        nonlocal found
        found += result.numel() // module.weight.shape[0] * module.weight.numel()

    for name in FAMILY:
        made, found = network(codec_class(name)), 0
        for module in made.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.register_forward_hook(seen)
        frames_of(made, [0.5])
        assert made.layout.work() == found, name


def test_stems_differ_as_the_systems_say() -> None:
    assert isinstance(network(HnervCodec).stem, EmbeddingStem)
    assert isinstance(network(NervPlusPlusCodec).stem, IndexStem)
    assert network(HnervCodec).code is None and network(BoostingHnervCodec).code is not None


@pytest.mark.parametrize("cls", [BoostingHnervCodec, ENervCodec])
def test_conditioning_starts_without_effect_and_then_tells_frames_apart(cls: type[NervCodec]) -> None:
    made = network(cls)
    if cls is BoostingHnervCodec:
        a, b = frames_of(made, [0.1, 0.9])
        torch.testing.assert_close(a, b)
    torch.manual_seed(0)
    for module in made.modules():
        if isinstance(module, Affine):
            torch.nn.init.normal_(module.scale.weight)
    a, b = frames_of(made, [0.1, 0.9])
    assert (a - b).abs().mean() > 1e-3
    torch.testing.assert_close(frames_of(made, [0.9])[0], frames_of(made, [0.9, 0.9])[1])


def test_the_bilinear_path_stays_when_the_blocks_are_silent() -> None:
    block = network(NervPlusPlusCodec).stages[0].up
    with torch.no_grad():
        for part in (block.before.out, block.after.out, block.up.up):
            part.weight.zero_()
            part.bias.zero_()
        x = torch.rand(1, 8, 4, 5)
        wanted = torch.nn.functional.interpolate(block.enter(x), scale_factor=3, mode="bilinear")
        torch.testing.assert_close(block(x), wanted)


def test_a_static_film_sends_almost_nothing_for_its_later_groups() -> None:
    still = moving(1, 24, 32).frames
    clip = Clip(np.repeat(still, 18, axis=0), Fraction(25))
    items = [i for i in Reader(encoded(clip, "video/hnerv", Options(effort=5, group=6))) if isinstance(i, Weights)]
    assert [item.difference for item in items] == [False, True, True]
    first, second, third = (len(item.body) for item in items)
    assert second < 0.1 * first and third < 0.4 * first
    clip = moving(18, 24, 32)
    data = encoded(clip, "video/hnerv", Options(effort=5, group=6))
    first, *others = (len(item.body) for item in Reader(data) if isinstance(item, Weights))
    assert all(0.1 * first < size <= first for size in others)


def test_embeddings_follow_into_the_next_group() -> None:
    clip = torch.from_numpy(moving(12, 12, 18).frames)
    table = start.embeddings(clip, LAYOUT, 1.0)
    found = start.follow(clip[:8], table[:8], clip[8:], LAYOUT)
    assert float((found - table[8:]).square().mean()) < 0.05 * float(table.square().mean())


def test_chains_share_the_work_and_give_the_same_film() -> None:
    clip, threads = moving(9, 16, 20), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film, "CHAIN", 2)
        torch.set_num_threads(1)
        one = encoded(clip, "video/hnerv", Options(effort=2, group=2))
        torch.set_num_threads(3)
        assert encoded(clip, "video/hnerv", Options(effort=2, group=2)) == one
        assert torch.get_num_threads() == 3
    torch.set_num_threads(threads)
    weights = [item.difference for item in Reader(one) if isinstance(item, Weights)]
    assert len(weights) == 5 and not any(weights[::2])
    assert sum(group.share for chain in film.chains(9, 2) for group in chain) == pytest.approx(1)


@pytest.mark.parametrize("name", ["video/nerv", "video/boosting-hnerv"])
def test_parameters_of_timed_systems(name: str) -> None:
    system = codec_class(name).system
    track = Reader(encoded(moving(2, 16, 16), name, Options(effort=0))).tracks[0]
    parameters = parse(track.parameters, track.media, system)
    assert parameters.pack() == track.parameters and parameters.period == 2
    assert parameters.times(0, 4).tolist() == [0.5, 1.0, 0.5, 1.0]
    with pytest.raises(Malformed):
        parse(b"\0" + track.parameters[1:], track.media, system)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(FAMILY), numbers=st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 9]), min_size=5, max_size=16))
def test_garbage_in_the_header_raises_only_our_errors(name: str, numbers: list[int]) -> None:
    media, codec = VideoMedia(70, 50, SampleFormat(), None, (25, 1), 16, 4), codec_class(name)()
    track = Track(name, 1, True, bytes(8), media, bytes(numbers))
    try:
        parameters = parse(track.parameters, media, codec.system)
    except Malformed:
        return
    assert parameters.pack() == track.parameters and codec.memory(track) > 0
    with pytest.raises(Malformed):
        codec.decode(track, [Unit(0, (b"",), 4, True, check=0)])


def test_stems_without_embeddings_bound_their_grid() -> None:
    media = VideoMedia(5000, 5000, SampleFormat(), None, (25, 1), 16, 4)
    with pytest.raises(Malformed, match="positions"):
        parse(bytes([4, 1, 1, 3, 0, 4, 2, 3, 4]), media, ENervCodec.system)


def test_losses_agree_with_the_metrics() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (192, 180, 3)).astype(np.uint8)
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (a, b))
    wanted = pictures.ssim(a, b)
    assert float(losses.structure(x, y)[0]) == pytest.approx(wanted["ssim"], abs=2e-3)
    assert float(losses.multiscale(x, y)) == pytest.approx(wanted["ms_ssim"], abs=2e-3)
    for loss in losses.LOSSES.values():
        assert float(loss(x, x)) == pytest.approx(0, abs=1e-4) and float(loss(x, y)) > 0
        assert float(loss(x[..., :5, :3], y[..., :5, :3])) > 0


class Memory:
    """A Keeper in memory."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, torch.Tensor]] = {}
        self.interrupted = False

    def load(self, name: str) -> dict[str, torch.Tensor] | None:
        return self.found.get(name)

    def save(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        self.found[name] = {key: value.clone() for key, value in tensors.items()}

    def interrupt(self) -> None:
        self.interrupted = True


@pytest.mark.parametrize("when", [4, 11])
def test_an_encoder_is_resumed(when: int) -> None:
    clip = moving(3, 16, 20)
    parameters = plan_for(clip.frames.shape[:3], Wish(HnervCodec.system), Options(), 0.0).parameters
    recipe = Recipe(12, encoder=True)
    whole, other = Fit(clip.frames, parameters, recipe), Fit(clip.frames, parameters, recipe)
    for step in range(12):
        if step == when:
            kept = {name: tensor.clone() for name, tensor in resume.state(whole).items()}
        whole.advance(step / 12)
    resume.restore(other, kept)
    for step in range(when, 12):
        other.advance(step / 12)
    found, wanted = resume.pack(other.result()), resume.pack(whole.result())
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    again = resume.unpack(wanted)
    assert again.exponents == whole.result().exponents and again.steps == 12


@pytest.mark.parametrize("name, when", [("video/hnerv", 3), ("video/hnerv", 60), ("video/boosting-nerv", 20)])
def test_a_resumed_fit_gives_the_file_of_one_that_was_not_interrupted(
    name: str, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "REPORT_EVERY", -1.0)
    clip, keep, told = moving(8, 16, 20), Memory(), []

    def progress(fraction: float, text: str) -> None:
        told.append(text)
        if len(told) == when:
            raise KeyboardInterrupt

    options = Options(effort=4, group=4)
    whole = encoded(clip, name, options)
    short = encoded(clip, name, replace(options, keep=keep, progress=progress))
    assert keep.interrupted and triptych.decode(short).frames.shape == clip.frames.shape and short != whole
    assert encoded(clip, name, replace(options, keep=keep)) == whole
    assert encoded(clip, name, replace(options, keep=keep, effort=0)) == whole  # all groups are there
