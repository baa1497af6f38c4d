"""The residual quantiser: faults that are common in published code must be absent here."""

from itertools import pairwise

import torch

from triptych.codecs.audio.rvq import ResidualQuantiser
from triptych.codecs.quantisers import kmeans, nearest

BOOKS, SIZE, DIM = 4, 64, 8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(count: int, seed: int = 1) -> torch.Tensor:
    """Points around 40 centres."""
    centres = torch.randn(40, DIM, generator=generator(7))
    picks = torch.randint(40, (count,), generator=generator(seed))
    return centres[picks] + 0.3 * torch.randn(count, DIM, generator=generator(seed + 1))


def fitted() -> ResidualQuantiser:
    quantiser = ResidualQuantiser(BOOKS, SIZE, DIM, decay=0.99)
    quantiser.fit(mixture(4096), rounds=8, per_step=1024, generator=generator())
    return quantiser


def test_nearest_is_the_nearest() -> None:
    x, book = mixture(100), torch.randn(SIZE, DIM, generator=generator(3))
    assert torch.equal(nearest(x, book), torch.cdist(x, book).argmin(1))


def test_kmeans_counts_belong_to_its_centroids() -> None:
    x = mixture(1000)
    centroids, counts = kmeans(x, SIZE, 5, generator())
    assert counts.sum() == 1000
    assert centroids.shape == (SIZE, DIM)


def test_error_falls_with_every_codebook() -> None:
    quantiser = fitted().eval()
    x = mixture(2048, seed=5)
    codes = quantiser.encode(x, BOOKS)
    errors = [(quantiser.decode(codes, torch.full((2048,), n)) - x).square().mean() for n in range(BOOKS + 1)]
    assert all(after < 0.95 * before for before, after in pairwise(errors))


def test_forward_equals_encode_and_decode() -> None:
    quantiser = fitted().eval()
    x = mixture(512, seed=5)
    used = torch.randint(0, BOOKS + 1, (512,), generator=generator())
    found = quantiser(x, used)
    assert torch.equal(found.codes, quantiser.encode(x, BOOKS))
    torch.testing.assert_close(found.vectors, quantiser.decode(found.codes, used))


def test_one_running_mean_step_after_kmeans_changes_little() -> None:
    quantiser = fitted().train()
    before, lively = quantiser.codebooks.clone(), quantiser.counts > 0.15 * quantiser.counts.mean(1, keepdim=True)
    assert lively.float().mean() > 0.9  # the others may be restarted
    quantiser(mixture(4096)[:1024], torch.full((1024,), BOOKS))
    change = (quantiser.codebooks - before).norm(dim=2)
    for book in range(BOOKS):
        assert (change[book] / before[book].norm(dim=1))[lively[book]].max() < 0.05


def test_codewords_stay_sums_over_counts() -> None:
    quantiser = fitted().train()
    for step in range(5):
        quantiser(mixture(1024, seed=step), torch.full((1024,), BOOKS))
        torch.testing.assert_close(quantiser.codebooks, quantiser.sums / quantiser.counts.unsqueeze(2))


def test_dead_entries_come_back() -> None:
    quantiser = fitted().train()
    half = SIZE // 2
    for book in range(BOOKS):
        words, counts = quantiser.codebooks[book].clone(), quantiser.counts[book].clone()
        words[:half] += 1000
        counts[:half] = 0.01 * counts.mean()
        quantiser.layers[book].set(words, counts)
    x = mixture(4096)
    assert len(quantiser.encode(x, 1)[0].unique()) <= half
    for step in range(5):
        quantiser(mixture(2048, seed=step), torch.full((2048,), BOOKS), generator(step))
    for row in quantiser.eval().encode(x, BOOKS):
        assert len(row.unique()) > 0.9 * SIZE


def test_later_stages_send_gradients_to_the_encoder() -> None:
    quantiser = fitted().eval()
    x = mixture(256, seed=9).requires_grad_()
    first = torch.autograd.grad(quantiser(x, torch.full((256,), 1)).losses["commitment"], x)[0]
    both = torch.autograd.grad(quantiser(x, torch.full((256,), 2)).losses["commitment"], x)[0]
    second = both - first
    assert second.norm() > 0.05 * first.norm()


def test_straight_through_gradient_is_the_identity() -> None:
    quantiser = fitted().eval()
    x = mixture(64, seed=9).requires_grad_()
    quantised = quantiser(x, torch.full((64,), BOOKS)).vectors
    weights = torch.randn(64, DIM, generator=generator())
    gradient = torch.autograd.grad((quantised * weights).sum(), x)[0]
    torch.testing.assert_close(gradient, weights)


def test_silent_vectors_teach_nothing_and_cost_nothing() -> None:
    quantiser = fitted().train()
    before = quantiser.codebooks.clone()
    found = quantiser(mixture(64) + 50, torch.zeros(64, dtype=torch.long))
    assert torch.equal(quantiser.codebooks, before)
    assert found.losses["commitment"] == 0
    torch.testing.assert_close(found.vectors, torch.zeros(64, DIM), atol=1e-5, rtol=0)


def test_evaluation_changes_nothing() -> None:
    quantiser = fitted().eval()
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser(mixture(64), torch.full((64,), BOOKS))
    assert all(torch.equal(value, before[name]) for name, value in quantiser.state_dict().items())


def test_a_wider_beam_finds_better_codes() -> None:
    quantiser = fitted().eval()
    x = mixture(1024, seed=5)
    every = torch.full((1024,), BOOKS)
    errors = [(quantiser.decode(quantiser.encode(x, BOOKS, beam), every) - x).square().mean() for beam in (1, 2, 8)]
    assert errors[0] > errors[1] > errors[2]
