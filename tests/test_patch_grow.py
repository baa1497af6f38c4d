"""More rate points by extrapolation: old points stay, new ones go on along the slope, training goes on."""

import torch

from triptych.tools.recipes.patch_grow import extended, grow


def test_rows_go_on_along_their_slope():
    rows = torch.arange(8.0)[:, None] * torch.tensor([1.0, -0.5]) + 3
    longer = extended(rows, 10)
    assert torch.equal(longer[:8], rows)
    assert torch.allclose(longer[8:], torch.tensor([[11.0, -1.0], [12.0, -1.5]]))


def test_a_checkpoint_grows_where_it_has_rows_per_point():
    names, tensors = ["net.log_gain", "net.weight"], {}
    for index, (name, shape) in enumerate(zip(names, ((8, 5), (8, 3)), strict=True)):
        tensors |= {f"{key}{index}": torch.rand(shape) for key in ("average.",)}
        tensors |= {f"codec.{name}": torch.rand(shape), f"optimizer.{index}.step": torch.tensor(7.0)}
        tensors |= {f"optimizer.{index}.{key}": torch.rand(shape) for key in ("exp_avg", "exp_avg_sq")}
    grown = grow(tensors, names, 10)
    changed = {name for name in tensors if grown[name].shape != tensors[name].shape}
    assert changed == {"codec.net.log_gain", "average.0", "optimizer.0.exp_avg", "optimizer.0.exp_avg_sq"}
    assert not grown["optimizer.0.exp_avg"][8:].any()
    assert torch.equal(grown["optimizer.0.exp_avg_sq"][9], tensors["optimizer.0.exp_avg_sq"][7])
