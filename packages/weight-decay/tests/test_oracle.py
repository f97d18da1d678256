"""Equality with torch's own weight_decay, scikit-learn's ridge regression and timm's grouping."""

import copy

import pytest
import torch
from timm.optim import param_groups_weight_decay
from torch import nn

from lessons.weight_decay import (
    SGDW,
    AdamL2,
    AdamW,
    LinearTeacherStudent,
    WeightDecay,
    param_groups,
)

PAIRS = {
    "sgd": (
        lambda p, fast: WeightDecay(torch.optim.SGD(p, 0.01, momentum=0.9), 0.3, fast=fast),
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=0.3),
    ),
    "adam": (
        lambda p, fast: AdamL2(p, 0.01, weight_decay=0.3, amsgrad=True, fast=fast),
        lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.3, amsgrad=True),
    ),
    "adamw": (
        lambda p, fast: AdamW(p, 0.01, weight_decay=0.3, fast=fast),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.3),
    ),
    "adam around adamw": (
        lambda p, fast: WeightDecay(torch.optim.Adam(p, 0.01), 0.3, "decoupled", fast=fast),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.3),
    ),
}
CASES = pytest.mark.parametrize(("ours", "torchs"), PAIRS.values(), ids=PAIRS)


def twins(dtype):
    generator = torch.Generator().manual_seed(0)
    shapes = [(40, 15), (300,), ()]
    ours = [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]
    return ours, [p.detach().clone().requires_grad_() for p in ours], generator


def walk(optimizers, params, generator, steps):
    """Take the same steps with both; return the largest difference."""
    for _ in range(steps):
        for pair in zip(*params):
            gradient = torch.randn(pair[0].shape, generator=generator, dtype=pair[0].dtype)
            for param in pair:
                param.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    return max((a - b).abs().max().item() for a, b in zip(*params))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("fast", [True, False])
@CASES
def test_200_steps_equal_torchs(ours, torchs, fast, dtype):
    mine, theirs, generator = twins(dtype)
    gap = walk((ours(mine, fast), torchs(theirs)), (mine, theirs), generator, 200)
    assert gap < (1e-12 if dtype is torch.float64 else 2e-6)


@pytest.mark.parametrize("ours_first", [True, False])
@CASES
def test_each_goes_on_from_the_others_saved_state(ours, torchs, ours_first):
    first, second = (
        (lambda p: ours(p, True), torchs) if ours_first else (torchs, lambda p: ours(p, True))
    )
    kept, copied, generator = twins(torch.float64)
    before = first(kept)
    walk((before,), (kept, kept), generator, 5)
    for a, b in zip(copied, kept):
        a.data.copy_(b)
    after = second(copied)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    assert after.param_groups[0]["weight_decay"] == 0.3
    assert walk((before, after), (kept, copied), generator, 20) < 1e-12


def test_sgdw_of_timm_equals_ours():
    from timm.optim import create_optimizer_v2

    mine, theirs, generator = twins(torch.float64)
    oracle = create_optimizer_v2(theirs, opt="sgdw", lr=0.01, momentum=0.9, weight_decay=0.3)
    ours = SGDW(mine, 0.01, momentum=0.9, nesterov=True, weight_decay=0.3)
    assert oracle.param_groups[0]["nesterov"]
    assert walk((ours, oracle), (mine, theirs), generator, 50) < 1e-12


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("lam", [0.05, 0.2, 0.8])
def test_the_solution_is_scikit_learns_ridge(alpha, lam):
    from sklearn.linear_model import Ridge

    one = LinearTeacherStudent(60, alpha, 0.2, generator=torch.Generator().manual_seed(0))
    ridge = Ridge(alpha=lam, fit_intercept=False, solver="cholesky")
    ridge.fit((one.x_PN / 60**0.5).numpy(), one.y_P.numpy())
    assert torch.allclose(one.solution(lam), torch.from_numpy(ridge.coef_), atol=1e-10)


def test_grouping_by_dimensions_is_timms():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    ours = param_groups(net, 0.1, grouping="ndim")
    free, decays = param_groups_weight_decay(net, 0.1)
    for group, oracle in zip(ours, (decays, free)):
        assert group["weight_decay"] == oracle["weight_decay"]
        assert {id(p) for p in group["params"]} == {id(p) for p in oracle["params"]}
