"""Quantisers: one protocol, the wirings, and the faults of published code that must be absent here."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from makers import speech
from torch import nn

from triptych.codecs.audio.rvq import ResidualQuantiser
from triptych.codecs.quantisers import (
    EmaCodebook,
    FrozenCodebook,
    Fsq,
    GradientCodebook,
    Grouped,
    Residual,
    Signs,
    bands,
    draw_books,
    kmeans,
    usage,
)

DIM, SIZE = 16, 64
REAL = Path(__file__).parents[2] / "shared" / "data" / "eval" / "speech"
LAYERS = {
    "running means": lambda: EmaCodebook(SIZE, DIM),
    "frozen": lambda: FrozenCodebook(SIZE, DIM),
    "gradient": lambda: GradientCodebook(SIZE, DIM),
    "cosine": lambda: GradientCodebook(SIZE, DIM, 8),
    "fsq": lambda: Fsq(DIM, (4, 4, 4)),
    "lfq": lambda: Signs(DIM, 6, spherical=False),
    "bsq": lambda: Signs(DIM, 6),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def features() -> torch.Tensor:
    """Log spectra of speech in 16 bands, centred, of unit variance: real speech where it is at hand, otherwise made."""
    paths = sorted(REAL.glob("*.flac"))[:8]
    sounds = [soundfile.read(path, dtype="float32", always_2d=True)[0][:, 0][:200_000] for path in paths]
    sounds = sounds or [speech(32000, seed=number)[0] for number in range(8)]
    parts = []
    for sound in sounds:
        frames = torch.from_numpy(np.ascontiguousarray(sound)).unfold(0, 512, 128) * torch.hann_window(512)
        power = torch.fft.rfft(frames).abs().square()[:, 1:]
        edges = np.unique(np.geomspace(1, 256, DIM + 9).astype(int))[-DIM - 1 :]
        parts.append(torch.stack([power[:, a:b].mean(1) for a, b in pairwise(edges)], 1))
    logs = (torch.cat(parts) + 1e-5).log()
    return ((logs - logs.mean(0)) / logs.std(0))[torch.randperm(len(logs), generator=generator())]


def learn(quantiser: nn.Module, steps: int = 150) -> nn.Module:
    """Fit, then some hundred steps towards the features themselves."""
    quantiser.train()
    x, draw = features(), generator(1)
    quantiser.fit(x[:4096], 8, 512, draw)
    parameters = list(quantiser.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3) if parameters else None
    for step in range(steps if parameters else 20):
        batch = x[torch.randint(len(x), (512,), generator=draw)]
        found = quantiser(batch, torch.full((512,), quantiser.books), generator(step))
        loss = (found.vectors - batch).square().mean() + sum(found.losses.values())
        if optimizer:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return quantiser.eval().requires_grad_(False)


@pytest.mark.parametrize("name", LAYERS)
def test_codebooks_are_used_and_follow_real_features(name):
    torch.manual_seed(0)
    quantiser = learn(Residual([LAYERS[name](), LAYERS[name]()]))
    x = features()
    codes = quantiser.encode(x, 2)
    assert usage(codes, quantiser.sizes).min() > 0.9, name
    errors = [
        float((quantiser.decode(codes[:n], torch.full((len(x),), n)) - x).square().mean() / x.square().mean())
        for n in (1, 2)
    ]
    assert errors[1] < errors[0] < 0.8, errors


@pytest.mark.parametrize("name", LAYERS)
def test_forward_encode_and_decode_agree(name):
    torch.manual_seed(0)
    quantiser = Residual([LAYERS[name]() for _ in range(3)]).eval()
    x, used = features()[:200], torch.randint(0, 4, (200,), generator=generator())
    found = quantiser(x, used)
    assert torch.equal(found.codes, quantiser.encode(x, 3)) and found.codes.dtype == torch.int64
    torch.testing.assert_close(found.vectors, quantiser.decode(found.codes, used), atol=1e-5, rtol=1e-4)
    assert quantiser.sizes == (64, 64, 64) and int(found.codes.max()) < 64 and found.usage.shape == (3,)
    assert all(torch.isfinite(loss) for loss in found.losses.values())


@pytest.mark.parametrize("name", LAYERS)
def test_every_stage_reaches_the_encoder(name):
    """With the residual not detached the straight-through terms of later stages would cancel."""
    torch.manual_seed(0)
    quantiser = Residual([LAYERS[name]() for _ in range(2)]).eval()
    x = features()[:256].clone().requires_grad_()

    def gradient(books: int) -> torch.Tensor:
        found = quantiser(x, torch.full((256,), books))
        wanted = found.losses.get("commitment", found.vectors.sum())
        return torch.autograd.grad(wanted, x)[0]

    second = gradient(2) - gradient(1)
    assert second.norm() > 0.05 * gradient(1).norm()


def test_gradient_of_what_is_not_straight_is_the_identity():
    for name in ("running means", "frozen", "gradient"):
        quantiser, x = Residual([LAYERS[name]() for _ in range(3)]).eval(), features()[:32].clone().requires_grad_()
        weights = torch.randn(32, DIM, generator=generator())
        found = quantiser(x, torch.full((32,), 3))
        torch.testing.assert_close(torch.autograd.grad((found.vectors * weights).sum(), x)[0], weights)


def test_a_restart_lasts_beyond_the_step_that_made_it():
    """Published code writes the codeword alone, and the running mean overwrites it in the same step."""
    codebook, x = EmaCodebook(SIZE, DIM).train(), features()[:2048]
    codebook.fit(x, 5, 512, generator())
    words, counts = codebook.codewords.clone(), codebook.counts.clone()
    words[: SIZE // 2] += 1000
    counts[: SIZE // 2] = 1e-3
    codebook.means.set(words, counts)
    codebook(x[:512], torch.ones(512, dtype=torch.bool), generator())
    assert codebook.codewords.abs().max() < 100
    torch.testing.assert_close(codebook.codewords, codebook.sums / codebook.counts.unsqueeze(1))
    assert len(codebook.eval().encode(x).unique()) > 0.75 * SIZE


def test_kmeans_keeps_its_scale_in_the_first_step():
    """Published code stores centroids as sums: the next step divides them by the counts."""
    codebook, x = EmaCodebook(SIZE, DIM).train(), features()[:2048]
    codebook.fit(x, 5, len(x), generator())
    error = (codebook.decode(codebook.encode(x)) - x).square().mean()
    codebook(x, torch.ones(len(x), dtype=torch.bool), generator())
    assert (codebook.decode(codebook.encode(x)) - x).square().mean() < 1.1 * error


def test_stacked_and_separate_running_means_are_the_same():
    stacked = ResidualQuantiser(3, SIZE, DIM, 0.99).train()
    separate = Residual([EmaCodebook(SIZE, DIM) for _ in range(3)]).train()
    x, used = features()[:1024], torch.full((1024,), 3)
    for quantiser in (stacked, separate):
        quantiser.fit(x, 3, 256, generator())
    for step in range(3):
        a, b = (q(x[step * 256 :][:256], used[:256], generator(step)) for q in (stacked, separate))
        assert torch.equal(a.codes, b.codes) and torch.equal(a.vectors, b.vectors)
    assert torch.equal(stacked.codebooks, torch.stack([layer.codewords for layer in separate.layers]))


def test_frozen_stays_frozen():
    codebook = FrozenCodebook(SIZE, DIM).train()
    before = codebook.codewords.clone()
    codebook(features()[:64], torch.ones(64, dtype=torch.bool))
    assert torch.equal(codebook.codewords, before) and not list(codebook.parameters())


def test_one_group_is_no_group_and_two_share_the_channels():
    torch.manual_seed(0)
    plain = Residual([EmaCodebook(SIZE, DIM) for _ in range(2)])
    x = features()[:512]
    plain.fit(x, 3, 512, generator())
    alone = Grouped([plain]).eval()
    assert torch.equal(alone.encode(x, 2), plain.eval().encode(x, 2))
    pair = Grouped([Residual([EmaCodebook(SIZE, DIM // 2) for _ in range(2)]) for _ in range(2)])
    pair.fit(x, 3, 512, generator())
    pair.eval()
    codes = pair.encode(x, 4)
    assert pair.books == 4 and pair.sizes == (SIZE,) * 4 and pair.dim == DIM
    other = x.clone()
    other[:, DIM // 2 :] += 1
    changed = (pair.encode(other, 4) != codes).any(1)
    assert changed.tolist() == [False, True, False, True]  # layer by layer, groups inside
    found = pair(x, torch.full((512,), 3))
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.vectors, pair.decode(codes, torch.full((512,), 3)), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(pair.decode(codes[:3], torch.full((512,), 3)), pair.decode(codes, torch.full((512,), 3)))


def test_masks_part_the_channels_and_one_path_serves_all():
    masks = bands(128, 3)
    assert masks.sum(1).tolist() == [42, 43, 43] and masks.sum(0).eq(1).all()
    quantiser = Residual([EmaCodebook(SIZE, DIM) for _ in range(5)], bands(DIM, 3))
    quantiser.fit(features()[:2048], 5, 512, generator())
    quantiser.eval()
    x = features()[:256].clone().requires_grad_()
    for book in range(3):
        before = quantiser(x, torch.full((256,), book)).losses["commitment"]
        commitment = quantiser(x, torch.full((256,), book + 1)).losses["commitment"]
        share = torch.autograd.grad(commitment - before, x)[0].abs().sum(0)
        # A codeword is compared with the whole masked vector, so what lies outside the band sends nothing.
        assert ((share > 1e-4 * share.max()) == (quantiser.masks[book] > 0)).all()
    assert torch.equal(quantiser.encode(x, 5), quantiser(x, torch.full((256,), 5)).codes)
    errors = [float((quantiser(x, torch.full((256,), n)).vectors - x).detach().square().mean()) for n in range(3, 6)]
    assert errors[0] > errors[1] > errors[2]


def test_dropout_leaves_exactly_the_number_drawn():
    used = draw_books(1000, 7, (2, 4, 8), generator(), whole=0.5)
    assert used.shape == (1000, 7) and (used == used[:, :1]).all()
    shares = [float((used[:, 0] == n).float().mean()) for n in (2, 4, 8)]
    assert shares[0] == pytest.approx(1 / 6, abs=0.05) and shares[2] == pytest.approx(4 / 6, abs=0.05)
    quantiser = Residual([EmaCodebook(SIZE, DIM) for _ in range(8)]).eval()
    x = features()[:7]
    for n in (2, 4, 8):
        found = quantiser(x, torch.full((7,), n)).vectors
        torch.testing.assert_close(found, quantiser.decode(quantiser.encode(x, n), torch.full((7,), n)))


def test_numbers_may_differ_from_vector_to_vector():
    quantiser = Residual([EmaCodebook(SIZE, DIM) for _ in range(4)]).eval()
    x, used = features()[:5], torch.tensor([0, 1, 2, 3, 4])
    mixed = quantiser(x, used).vectors
    for number in range(5):
        alone = quantiser(x[number : number + 1], used[number : number + 1]).vectors
        torch.testing.assert_close(mixed[number : number + 1], alone)
    assert not mixed[0].abs().max() > 1e-5


def test_fsq_codes_are_mixed_radix_numbers():
    fsq = Fsq(3, (8, 5, 4))
    assert fsq.size == 160
    codes = torch.arange(160)
    with torch.no_grad():
        fsq.enter.weight.copy_(torch.eye(3) * 50)
        fsq.leave.weight.copy_(torch.eye(3))
        fsq.enter.bias.zero_()
        fsq.leave.bias.zero_()
    words = fsq.decode(codes)
    assert len(words.unique(dim=0)) == 160 and words.abs().max() <= 1
    extremes = fsq.encode(torch.tensor([[-9.0, -9, -9], [9.0, 9, 9]]))
    assert extremes.tolist() == [0, 159]


def test_kmeans_moves_empty_cells():
    x = torch.cat((torch.zeros(500, 2), torch.arange(24.0).view(12, 2)))
    centroids, counts = kmeans(x, 8, 20, generator())
    assert int((counts > 0).sum()) >= 6 and centroids.isfinite().all() and counts.sum() == 512
