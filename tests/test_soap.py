"""SOAP: a quadratic that is badly scaled in a turned basis, and the bookkeeping of its state."""

import torch

from triptych.codecs.soap import Soap


def _problem(seed):
    """A matrix to find, and curvatures from 1 to 10^4 along turned axes."""
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(12, 12, generator=generator))
    curvature = turn @ torch.diag(torch.logspace(0, 4, 12)) @ turn.T
    return torch.randn(6, 12, generator=generator), curvature


def _loss_after(make, steps, seed):
    goal, curvature = _problem(seed)
    weight = torch.zeros(6, 12, requires_grad=True)
    optimiser = make(weight)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        optimiser.zero_grad()
        (((weight - goal) @ curvature) * (weight - goal)).sum().backward()
        optimiser.step()
    difference = (weight - goal).detach()
    return float(((difference @ curvature) * difference).sum())


def test_turned_axes_are_found():
    for seed in range(3):
        soap = _loss_after(lambda w: Soap([w], lr=0.1, every=5), 200, seed)
        adam = _loss_after(lambda w: torch.optim.Adam([w], lr=0.1, betas=(0.95, 0.95)), 200, seed)
        assert soap < 0.1 * adam, (soap, adam)


def test_vectors_and_depthwise_kernels_move_and_state_is_saved():
    torch.manual_seed(0)
    parameters = [torch.randn(5, requires_grad=True), torch.randn(4, 1, 3, 3, requires_grad=True)]
    before = [float(p.detach().norm()) for p in parameters]
    optimiser = Soap(parameters, lr=0.05, every=2)
    for _ in range(60):
        optimiser.zero_grad()
        sum(p.square().sum() for p in parameters).backward()
        optimiser.step()
    assert all(float(p.detach().norm()) < 0.75 * size for p, size in zip(parameters, before, strict=True))
    again = Soap(parameters)
    again.load_state_dict(optimiser.state_dict())
    assert again.state[parameters[1]]["basis0"].shape == (4, 4) and "basis0" not in again.state[parameters[0]]
