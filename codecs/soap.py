"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for training transforms with few steps."""

from collections.abc import Iterable

import torch
from torch import Tensor

LARGEST = 1024  # a side of a matrix beyond this stays in its own basis


class Soap(torch.optim.Optimizer):
    """Adam whose second moments are kept in a slowly turning eigenbasis of each weight matrix.

    Takes any parameters; dimensions after the first are flattened, vectors and sides beyond 1024 stay in their own basis,
    where the step is that of AdamW. Paper: "SOAP: Improving and Stabilizing Shampoo using Adam" (Vyas et al. 2024).

    Args:
        params: tensors or groups.
        lr: learning rate.
        betas: decay of the first and second moments; the second also of the covariances.
        eps: added to the root of the second moment.
        weight_decay: decoupled, times lr.
        every: steps between two turns of the basis.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        every: int = 20,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "every": every})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict) -> None:
        gradient = parameter.grad.float().flatten(1) if parameter.dim() > 1 else parameter.grad.float()[:, None]
        state, (b1, b2) = self.state[parameter], group["betas"]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
            for side, size in enumerate(gradient.shape):
                if 1 < size <= LARGEST and parameter.dim() > 1:
                    state[f"covariance{side}"] = gradient.new_zeros(size, size)
        for side, matrix in ((0, gradient), (1, gradient.T)):
            if f"covariance{side}" in state:
                state[f"covariance{side}"].lerp_(matrix @ matrix.T, 1 - b2)
        if state["step"] % group["every"] == 0:
            self._turn(state)
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - b1)
        square = state["square"].lerp_(_into(state, gradient).square(), 1 - b2)
        corrected = (square / (1 - b2 ** state["step"])).sqrt_().add_(group["eps"])
        direction = _out_of(state, _into(state, mean) / (1 - b1 ** state["step"]) / corrected)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction.view_as(parameter), alpha=-group["lr"])

    def _turn(self, state: dict) -> None:
        """Bring the bases nearer to the eigenvectors: in full at first, then by one power iteration."""
        for side in (0, 1):
            covariance, name = state.get(f"covariance{side}"), f"basis{side}"
            if covariance is None:
                continue
            if name not in state:
                state[name] = torch.linalg.eigh(covariance).eigenvectors.flip(1)
            else:
                order = (state[name] * (covariance @ state[name])).sum(0).argsort(descending=True)
                state["square"] = state["square"].index_select(side, order)
                state[name] = torch.linalg.qr(covariance @ state[name][:, order]).Q


def _into(state: dict, matrix: Tensor) -> Tensor:
    matrix = state["basis0"].T @ matrix if "basis0" in state else matrix
    return matrix @ state["basis1"] if "basis1" in state else matrix


def _out_of(state: dict, matrix: Tensor) -> Tensor:
    matrix = state["basis0"] @ matrix if "basis0" in state else matrix
    return matrix @ state["basis1"].T if "basis1" in state else matrix
