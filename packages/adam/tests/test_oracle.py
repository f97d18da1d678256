"""Equality with torch.optim, step by step, and through each other's saved states."""

import copy

import pytest
import torch

from lessons.adam import Adam, AdaMax, AdamW

PATHS = [{"foreach": False, "fused": False}, {"foreach": True}, {"fused": True}]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
PAIRS = [
    (Adam, torch.optim.Adam, {}),
    (Adam, torch.optim.Adam, {"weight_decay": 0.1}),
    (Adam, torch.optim.Adam, {"amsgrad": True}),
    (Adam, torch.optim.Adam, {"maximize": True, "betas": (0.5, 0.9), "eps": 1e-3}),
    (AdamW, torch.optim.AdamW, {}),
    (AdamW, torch.optim.AdamW, {"weight_decay": 0.3, "amsgrad": True}),
]


def twins(dtype):
    generator = torch.Generator().manual_seed(0)
    shapes = [(40, 15), (300,), (10, 10)]
    ours = [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]
    return ours, [p.detach().clone().requires_grad_() for p in ours], generator


def walk(optimizers, params, generator, steps):
    """Take the same steps with both; gradients vary in size over ten orders of magnitude."""
    for _ in range(steps):
        for pair in zip(*params):
            size = 10 ** torch.empty(1).uniform_(-8, 2, generator=generator).item()
            gradient = size * torch.randn(pair[0].shape, generator=generator, dtype=pair[0].dtype)
            for param in pair:
                param.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    return max((a - b).abs().max().item() for a, b in zip(*params))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("path", PATHS, ids=["readable", "foreach", "fused"])
@pytest.mark.parametrize(("make", "oracle", "options"), PAIRS)
def test_200_steps_equal_torchs(make, oracle, options, path, dtype):
    ours, theirs, generator = twins(dtype)
    optimizers = make(ours, lr=0.01, **options, **path), oracle(theirs, lr=0.01, **options)
    assert walk(optimizers, (ours, theirs), generator, 200) < TOLERANCE[dtype]


def test_200_steps_of_adamax_equal_torchs_with_its_eps():
    ours, theirs, generator = twins(torch.float64)
    optimizers = AdaMax(ours, lr=0.01, eps=1e-8), torch.optim.Adamax(theirs, lr=0.01)
    assert walk(optimizers, (ours, theirs), generator, 200) < 1e-12


def test_the_papers_adamax_differs_from_torchs_where_gradients_are_tiny():
    ours, theirs, _ = twins(torch.float64)
    optimizers = AdaMax(ours, lr=0.01), torch.optim.Adamax(theirs, lr=0.01)
    for a, b in zip(ours, theirs):
        a.grad = torch.full_like(a, 1e-8)
        b.grad = a.grad.clone()
    for optimizer in optimizers:
        optimizer.step()
    moved = (ours[0] - theirs[0]).abs()
    assert torch.allclose(moved, torch.full_like(moved, 0.005), rtol=1e-6)  # α against α/2


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("path", PATHS, ids=["readable", "foreach", "fused"])
@pytest.mark.parametrize(
    ("make", "oracle", "options"),
    [*PAIRS, (AdaMax, torch.optim.Adamax, {"eps": 1e-8})],
)
def test_each_goes_on_from_the_others_saved_state(make, oracle, options, path, ours_first):
    path = {} if make is AdaMax else path
    first, second = (make, oracle) if ours_first else (oracle, make)
    kept, theirs, generator = twins(torch.float64)
    before = first(kept, lr=0.01, **options, **(path if ours_first else {}))
    walk((before,), (kept, kept), generator, 5)
    state = copy.deepcopy(before.state_dict())
    for a, b in zip(theirs, kept):
        a.data.copy_(b)
    after = second(theirs, lr=0.5, **({} if ours_first else path))
    after.load_state_dict(state)
    assert after.param_groups[0]["lr"] == 0.01
    assert walk((before, after), (kept, theirs), generator, 20) < 1e-12
