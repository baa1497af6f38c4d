"""The state of a fit as plain tensors: what is saved while a film is fitted, so that an interrupted fit can go on."""

import numpy as np
import torch
from torch import Tensor

from .fit import Fit, Fitted

SCALARS = ("error", "smooth", "done", "fraction", "rate", "quantised", "settled")
AIM = ("truth", "reached", "moved", "looked")


def state(work: Fit) -> dict[str, Tensor]:
    """Everything that a fit changes, by name."""
    numbers = [float(getattr(work, name)) for name in SCALARS] + [float(getattr(work.aim, name)) for name in AIM]
    found = {
        "numbers": torch.tensor(numbers, dtype=torch.float64),
        "generator": work.generator.get_state(),
        "queue": work.queue.clone(),
        "table": work.table,
        "rows.mean": work.rows.mean,
        "rows.square": work.rows.square,
        "rows.visits": work.rows.visits,
        "steps.weights": work.weights.exponents,
        "steps.codes": work.codes.exponents,
    }
    found |= {f"weight.{index}": tensor for index, tensor in enumerate(work.weights.tensors)}
    if work.encoder is not None:
        found |= {f"encoder.{name}": tensor for name, tensor in work.encoder.state_dict().items()}
    for number, optimiser in enumerate(_optimisers(work)):
        for index, values in optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{number}.{index}.{name}": value for name, value in values.items()}
    return {name: tensor.detach().contiguous() for name, tensor in found.items()}


@torch.no_grad()
def restore(work: Fit, found: dict[str, Tensor]) -> None:
    """Bring a fresh fit of the same frames and recipe to a saved state."""
    numbers = found["numbers"].tolist()
    for name, value in zip((*SCALARS, *AIM), numbers, strict=True):
        owner = work if name in SCALARS else work.aim
        setattr(owner, name, type(getattr(owner, name))(value))
    work.generator.set_state(found["generator"])
    work.queue = found["queue"]
    places = [work.table, work.rows.mean, work.rows.square, work.rows.visits, *work.weights.tensors]
    names = ["table", "rows.mean", "rows.square", "rows.visits"]
    names += [f"weight.{index}" for index in range(len(work.weights.tensors))]
    places += [work.weights.exponents, work.codes.exponents]
    for place, name in zip(places, [*names, "steps.weights", "steps.codes"], strict=True):
        place.copy_(found[name])
    encoder = {name[8:]: tensor for name, tensor in found.items() if name.startswith("encoder.")}
    if work.encoder is not None and encoder:
        work.encoder.load_state_dict(encoder)
    elif work.encoder is not None:
        work.drop_encoder()
    for number, optimiser in enumerate(_optimisers(work)):
        values: dict[int, dict[str, Tensor]] = {}
        for name, tensor in found.items():
            kind, _, rest = name.partition(".")
            if kind == "optimiser" and rest.split(".")[0] == str(number):
                _, index, key = rest.split(".")
                values.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": values, "param_groups": optimiser.state_dict()["param_groups"]})


def _optimisers(work: Fit) -> list[torch.optim.Optimizer]:
    return [work.stepper, *(optimiser for optimiser, _ in work.movers)]


def pack(fitted: Fitted) -> dict[str, Tensor]:
    """A finished network as tensors."""
    found = {f"levels.{index}": torch.from_numpy(levels) for index, levels in enumerate(fitted.levels)}
    numbers = torch.tensor([fitted.steps, fitted.error], dtype=torch.float64)
    exponents = torch.tensor(fitted.exponents)
    found |= {"embeddings": torch.from_numpy(fitted.embeddings), "exponents": exponents, "finished": numbers}
    return {name: tensor.contiguous() for name, tensor in found.items()}


def unpack(found: dict[str, Tensor]) -> Fitted:
    """The inverse of `pack`."""
    steps, error = found["finished"].tolist()
    count = sum(name.startswith("levels.") for name in found)
    levels: list[np.ndarray] = [found[f"levels.{index}"].numpy() for index in range(count)]
    return Fitted(levels, found["embeddings"].numpy(), found["exponents"].tolist(), int(steps), error)
