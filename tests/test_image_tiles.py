"""image/patch in tiles: symbols and pixels are those of the whole picture, parts decode alone, attacks are refused."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import photo, tiny_patch
from PIL import Image

import triptych
from triptych.bitstream import Damaged, Malformed, OverLimit, Reader, TripError, Truncated, Unit, Writer, varint
from triptych.codecs.base import Options
from triptych.codecs.image import patch, patch_net
from triptych.codecs.image.tiles import CELL, Box, Grid, windows
from triptych.codecs.signals import Crop, Picture
from triptych.entropy import Decoder
from triptych.tools import cli, models, pipeline
from triptych.tools.errors import UsageError


@pytest.fixture(scope="module")
def codec():
    return tiny_patch()


@pytest.fixture
def installed(codec, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_: codec)
    monkeypatch.setattr(models, "load_for", lambda *_: codec)
    return codec


def encoded(codec, pixels, **options):
    """Track and units."""
    options, picture = Options(**options), Picture(pixels)
    track, plan = codec.open(picture, options)
    return track, list(codec.encode_units(picture, track, plan, 0, options))


def written(track, units, index=True):
    out = io.BytesIO()
    writer = Writer(out, [track])
    for unit in units:
        writer.unit(unit)
    writer.finish(index)
    return out.getvalue()


def difference(a, b):
    return np.abs(a.astype(int) - b)


@settings(max_examples=12, deadline=None, derandomize=True)  # a rounding may fall otherwise, once in a million
@given(st.integers(1, 280), st.integers(1, 280), st.integers(1, 4), st.sampled_from([64, 96, 128]), st.integers(0, 100))
def test_tiles_are_the_whole_picture(codec, height, width, planes, tile, quality):
    pixels = photo(height, width, planes, seed=height)
    track, units = encoded(codec, pixels, quality=quality, tile=tile)
    plain, (whole,) = encoded(codec, pixels, quality=quality, tile=1 << 20)
    index, grid = codec.layout(track)
    assert len(units) == len(grid) == -(-height // tile) * -(-width // tile) or max(height, width) <= tile
    assert [unit.last for unit in units] == [False] * (len(units) - 1) + [True] and all(unit.key for unit in units)
    alpha = planes in (2, 4)
    expected = codec.traverse(Decoder(whole.streams[0]), (height, width), index, alpha)
    for number, unit in enumerate(units):
        found, symbols = codec._read(unit, grid, index, alpha)
        there = expected.part(Box(0, grid.rows, 0, grid.columns), grid.box(number))
        assert found == number and np.count_nonzero(symbols.side != there.side) == 0
        assert np.count_nonzero(symbols.residual != there.residual) <= 1
    decoded, same = codec.decode(track, units).pixels, codec.decode(plain, [whole]).pixels
    assert difference(decoded, same).max() <= 1 and np.mean(decoded != same) < 1e-2
    if alpha:
        assert (decoded[..., -1] == pixels[..., -1]).all()


def test_the_format_of_small_pictures_is_unchanged(codec):
    track, units = encoded(codec, photo(300, 200))
    assert len(track.parameters) == len(units) == 1
    assert encoded(codec, photo(300, 200), tile=320) == (track, units)


def test_large_pictures_get_tiles_by_themselves():
    assert patch.tile_side(2048, 2048, None) == 0 and patch.tile_side(2048, 2049, None) == 32
    assert patch.tile_side(1, 1 << 28, None) == 32 and patch.tile_side(100, 100, 65) == 3
    assert patch.tile_side(64, 64, 64) == 0 and patch.tile_side(64, 65, 64) == 2
    with pytest.raises(ValueError, match="at least 64"):
        Options(tile=63)


def test_annealed_tiles_have_no_visible_seams(codec):
    """Each tile anneals with surroundings of its own, so that a trace may be left within a patch of the seam."""
    pixels, errors = photo(128, 128), []
    seam = np.zeros((128, 128), bool)
    seam[48:80] = seam[:, 48:80] = True
    for tile in (1 << 20, 64):
        found = codec.decode(*encoded(codec, pixels, quality=60, effort=4, tile=tile)).pixels
        errors.append(np.mean(np.square(difference(found, pixels)[seam])))
    assert errors[1] < errors[0] * 1.05


SIDE = 13  # cells of the pictures whose middle is looked at
MIDDLE = Box(6, 7, 6, 7)


def known(halo, scale):
    """1 within `halo` cells of the middle, elsewhere no number: what depends on that becomes none either."""
    grid, plane = Grid(SIDE * CELL, SIDE * CELL, SIDE), torch.full((1, 1, SIDE, SIDE), torch.nan)
    box = grid.around(MIDDLE, halo)
    plane[..., box.top : box.bottom, box.left : box.right] = 1
    return plane.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def is_known(x):
    """Whether all values in the middle of [1, C, h, w] are numbers."""
    scale = x.shape[-1] // SIDE
    return bool(x[..., 6 * scale : 7 * scale, 6 * scale : 7 * scale].isfinite().all())


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_networks_see_as_far_as_stated_and_no_farther(codec, blocks):
    config = replace(codec.config, encoder_blocks=blocks, decoder_blocks=blocks)
    net, point = patch_net.PatchNet(config).requires_grad_(False), torch.tensor([3.0])

    def encoder(halo):
        y = net.latents(known(halo, CELL).expand(-1, 3, -1, -1), point)
        z = net.hyper(y)
        first, features = net.means.start(z)
        half = patch_net.checkerboard(y)
        return is_known(y - net.means.update(first, features, (y - first) * half)) and is_known(z)

    def decoder(halo):
        first, features = net.means.start(known(halo, 1).expand(-1, config.side, -1, -1))
        y = net.means.update(first, features, known(halo, 2).expand(-1, config.latents, -1, -1))
        return is_known(net.pixels(y, point))

    for sees, halo in ((encoder, patch_net.encoder_halo(config)), (decoder, patch_net.decoder_halo(config))):
        assert sees(halo) and not sees(halo - 1)


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_margin_is_cut_where_it_does_not_count(codec, blocks):
    """A window with the stated halo gives the pixels of the whole picture, although later layers see less of it."""
    wild = patch.PatchCodec(replace(codec.config, decoder_blocks=blocks)).requires_grad_(False)
    generator = torch.Generator().manual_seed(blocks)
    for parameter in wild.net.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    config, rng = wild.config, np.random.default_rng(blocks)
    side = rng.integers(-9, 10, (config.side, SIDE, SIDE)).astype(np.int32)
    residual = rng.integers(-3, 4, (config.latents, 2 * SIDE, 2 * SIDE)).astype(np.int32)
    symbols, grid = patch.Symbols(side, residual, None), Grid(SIDE * CELL, SIDE * CELL, SIDE)
    whole, around = Box(0, SIDE, 0, SIDE), grid.around(MIDDLE, patch_net.decoder_halo(config))
    expected = wild.synthesise(symbols, (SIDE * CELL, SIDE * CELL), 48).numpy()[grid.pixels(MIDDLE)]
    found = wild.synthesise(symbols.part(whole, around), (CELL, CELL), 48, around.margin(MIDDLE)).numpy()
    assert len(np.unique(expected)) > 20 and np.mean(found != expected) < 0.001
    cut, y = patch_net.trim((6, 6, 6, 6), 2, torch.arange(14.0 * 14).reshape(1, 1, 14, 14))
    assert cut == (2, 2, 2, 2) and y.shape[-2:] == (6, 6) and y[0, 0, 0, 0] == 4 * 14 + 4


def test_a_tile_costs_little(codec):
    pixels = photo(512, 512)
    sizes = [len(written(*encoded(codec, pixels, quality=80, tile=tile))) for tile in (1 << 20, 256)]
    assert sizes[1] - sizes[0] < 4 * 32


CROPS = [(0, 0, 1, 1), (10, 20, 100, 90), (63, 63, 2, 2), (64, 64, 64, 64), (199, 149, 1, 1), (0, 0, 200, 150)]


@pytest.mark.parametrize("planes, tile", [(3, 64), (2, 64), (4, 96), (1, 1 << 20)])
def test_a_crop_is_part_of_the_whole(installed, planes, tile):
    data = triptych.encode(photo(150, 200, planes), tile=tile)
    whole = triptych.decode(data).pixels
    for x, y, width, height in CROPS:
        part = triptych.decode(data, crop=(x, y, width, height)).pixels
        assert np.array_equal(part, whole[y : y + height, x : x + width])


def spoiled(data, numbers):
    """A file with a flipped bit in the middle of some units."""
    data, entries = bytearray(data), list(Reader(data).index())
    for number in numbers:
        data[entries[number].offset + entries[number].size // 2] ^= 16
    return bytes(data)


@pytest.mark.parametrize("index", [True, False])
def test_a_crop_reads_only_what_it_needs(codec, installed, index):
    track, units = encoded(codec, photo(640, 640), tile=128)
    data, crop = written(track, units, index), (300, 290, 60, 50)  # inside tile 12 of 25
    numbers, need = codec.region(track, Crop(*crop))
    assert numbers == [6, 7, 8, 11, 12, 13, 16, 17, 18] and need < codec.memory(track)
    expected = triptych.decode(data, crop=crop).pixels
    others = spoiled(data, set(range(25)) - set(numbers))
    assert np.array_equal(triptych.decode(others, crop=crop).pixels, expected)
    with pytest.raises(Damaged):
        triptych.decode(others)
    for number in numbers:
        with pytest.raises(Damaged):
            triptych.decode(spoiled(data, [number]), crop=crop)


def test_a_crop_of_what_cannot_seek(codec, installed):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    data = triptych.encode(photo(200, 200), tile=64)
    whole, crop = triptych.decode(data).pixels, Crop(3, 150, 40, 40)
    assert np.array_equal(pipeline.decode(Pipe(data), crop=crop).pixels, whole[150:190, 3:43])


@pytest.mark.parametrize("crop", [(0, 0, 0, 4), (0, 0, 4, 0), (-1, 0, 4, 4), (0, 146, 1, 5), (200, 0, 1, 1)])
def test_crops_outside_are_refused(installed, crop):
    with pytest.raises(UsageError, match="does not lie inside the picture of 200 x 150 pixels"):
        triptych.decode(triptych.encode(photo(150, 200)), crop=crop)


def test_the_memory_of_a_crop_is_that_of_its_tiles(codec, installed):
    data = triptych.encode(photo(640, 640), tile=64)
    whole, part = codec.memory(Reader(data).tracks[0]), codec.region(Reader(data).tracks[0], Crop(0, 0, 5, 5))[1]
    with pytest.raises(OverLimit, match="memory"):
        pipeline.decode(data, memory=part)
    assert part < whole and pipeline.decode(data, memory=part, crop=Crop(0, 0, 5, 5)).pixels.shape == (5, 5, 3)


@pytest.mark.parametrize("planes", [2, 3])
def test_a_lost_tile_is_lost_alone(codec, installed, planes):
    pixels, notes = photo(400, 500, planes), []
    data = triptych.encode(pixels, quality=60, tile=128)
    whole = triptych.decode(data).pixels
    assert np.array_equal(pipeline.decode(data, salvage=notes.append).pixels, whole) and not notes
    left = pipeline.decode(spoiled(data, [5, 10]), salvage=notes.append).pixels
    grid = Grid(400, 500, 4)
    lost = np.zeros((400, 500), bool)
    for number in (5, 10):
        lost[grid.pixels(grid.box(number))] = True
    assert len(notes) == 2 and all("damaged" in note for note in notes)
    assert not left[lost].any() and left[~lost].all(axis=1).mean() > 0.99
    far = np.ones((400, 500), bool)
    for number in (5, 10):
        far[grid.pixels(grid.around(grid.box(number), patch_net.decoder_halo(codec.config)))] = False
    assert far.any() and np.array_equal(left[far], whole[far])
    if planes == 2:
        assert (left[..., 1][~lost] == pixels[..., 1][~lost]).all()
    cut = pipeline.decode(spoiled(data, [5]), salvage=notes.append, crop=Crop(0, 0, 300, 200)).pixels
    assert np.array_equal(cut[:120, :120], left[:120, :120])
    with pytest.raises(Damaged, match="no part"):
        pipeline.decode(spoiled(data, range(16)), salvage=notes.append)


def test_memory_is_bounded_by_tile_and_picture(codec):
    def memory(height, width, tile):
        parameters = bytes([5]) + (varint.encode(tile) if tile else b"")
        media = replace(track.media, height=height, width=width)
        return codec.memory(replace(track, media=media, parameters=parameters))

    track, _ = encoded(codec, photo(9, 9))
    sides = [2049, 4096, 8192, 16384]
    needs = [memory(side, side, 32) for side in sides]
    assert needs == sorted(needs) and needs[-1] < 2 << 30 and needs[2] < 1 << 30
    needs = [memory(8192, 8192, tile) for tile in (2, 8, 32, 128)]
    assert needs == sorted(needs) and needs[-1] < memory(8192, 8192, 0)
    assert memory(8192, 4096, 32) < memory(8192, 8192, 32)


def test_waiting_tiles_are_dropped():
    grid, seen, most = Grid(20 * 64, 10 * 64, 2), [], 0
    alive = set()

    class Tile:
        def __init__(self, number):
            alive.add(number)
            self.number = number
            self.side, self.residual, self.alpha = np.zeros((1, 2, 2)), np.zeros((1, 4, 4)), None

        def part(self, outer, inner):
            return patch.Symbols(self.side, self.residual, None).part(outer, inner)

        def __del__(self):
            alive.discard(self.number)

    for number, box, symbols in windows(grid, Box(0, 40, 0, 20), 2, ((n, Tile(n)) for n in range(200))):
        seen.append(number)
        most = max(most, len(alive))
        assert symbols.residual.shape[1:] == (2 * (box.bottom - box.top), 2 * (box.right - box.left))
    assert seen == list(range(200)) and most <= grid.held(2) == 23


def test_tiles_out_of_order(codec):
    track, units = encoded(codec, photo(130, 200), tile=64)
    first, last = units[0], units[-1]
    wrong = {
        "swapped": [units[1], units[0], *units[2:]],
        "twice": [first, first, *units[2:]],
        "missing": units[:3] + units[4:],
        "missing at the end": units[:-1],
        "one more": [*units, last],
        "none": [],
        "several streams": [replace(first, streams=(*first.streams, b"")), *units[1:]],
        "another check": [replace(first, check=first.check ^ 1), *units[1:]],
    }
    for name, items in wrong.items():
        with pytest.raises(TripError):
            codec.decode(track, items)
            pytest.fail(name)
    with pytest.raises(Malformed, match="where it belongs"):
        codec.decode(track, units, salvage=True, crop=Crop(0, 0, 9, 9))


@pytest.mark.parametrize(
    "parameters", [b"", b"\xff", b"\x05\x00", b"\x05\x01", b"\x05\x07", b"\x05\x80", b"\x05\x82\x00", b"\x05\x02\x00"]
)
def test_tiles_that_do_not_fit_the_picture(codec, parameters):
    track, units = encoded(codec, photo(130, 200), tile=64)
    assert track.parameters[1:] == b"\x02"
    wrong = replace(track, parameters=parameters)
    for use in (codec.memory, lambda t: codec.decode(t, units), lambda t: codec.region(t, Crop(0, 0, 1, 1))):
        with pytest.raises(Malformed):
            use(wrong)


def test_other_tiles_than_those_in_the_file(codec):
    track, units = encoded(codec, photo(130, 200), tile=64)
    for parameters in (track.parameters[:1], track.parameters[:1] + b"\x03", track.parameters[:1] + b"\x06"):
        with pytest.raises(TripError):
            codec.decode(replace(track, parameters=parameters), units)


def test_a_small_file_that_claims_millions_of_tiles(codec):
    track, units = encoded(codec, photo(130, 200), tile=64)
    huge = replace(track, media=replace(track.media, width=1 << 28, height=1))
    with pytest.raises(TripError):
        codec.decode(huge, units)


def test_a_false_index_is_noticed(codec, installed):
    track, units = encoded(codec, photo(130, 200), tile=64)
    short = written(track, [units[0], replace(units[1], last=True)])
    with pytest.raises(Truncated, match="has 2 tiles"):
        triptych.decode(short, crop=(150, 100, 10, 10))
    with pytest.raises(Malformed, match="where it belongs"):
        triptych.decode(written(track, [units[1], units[0], *units[2:]]), crop=(0, 0, 10, 10))


def test_random_units_raise_our_errors(codec):
    track, units = encoded(codec, photo(130, 130), tile=64)
    rng = np.random.default_rng(0)
    for _ in range(30):
        number = rng.integers(len(units))
        data = bytearray(units[number].streams[0])
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        changed = [*units[:number], replace(units[number], streams=(bytes(data),)), *units[number + 1 :]]
        with pytest.raises(TripError):
            codec.decode(track, changed)


def test_on_the_command_line(installed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo(150, 200)).save("a.png")
    assert cli.main(["encode", "a.png", "--tile", "64"]) == 0
    data = (tmp_path / "a.trip").read_bytes()
    assert len(Reader(data).index(trust=True)) == 12
    assert cli.main(["decode", "a.trip", "part.png", "--crop", "20,30,50,40"]) == 0
    whole = triptych.decode(data).pixels
    assert np.array_equal(np.asarray(Image.open("part.png")), whole[30:70, 20:70])
    (tmp_path / "b.trip").write_bytes(spoiled(data, [11]))
    assert cli.main(["decode", "b.trip"]) == 2 and not (tmp_path / "b.png").exists()
    assert "is damaged" in capsys.readouterr().err
    assert cli.main(["decode", "b.trip", "--salvage"]) == 0
    assert "note: The file is damaged" in capsys.readouterr().err
    assert not np.asarray(Image.open("b.png"))[128:, 192:].any()


def test_unit_is_refused_where_a_network_stands(codec):
    track, units = encoded(codec, photo(40, 40))
    with pytest.raises(Malformed):
        codec.decode(track, [Unit(0, (b"", b""), None, True), *units])
