"""The wrapper: what it adds to a step, what it shares with the optimizer inside, bad input."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from lessons.weight_decay import SGDW, AdamL2, AdamW, WeightDecay

INNER = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "maximize": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, maximize=True),
    "adam": lambda p: torch.optim.Adam(p, 0.05),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05),
    "nadam": lambda p: torch.optim.NAdam(p, 0.05),
}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def walk(wrap, steps=20, seed=0):
    """Return the weights after steps on random gradients."""
    w = noise(12, seed=seed).requires_grad_()
    optimizer = wrap([w])
    for t in range(steps):
        w.grad = noise(12, seed=100 + t)
        before = w.grad.clone()
        optimizer.step()
        assert torch.equal(w.grad, before), "a step leaves the gradient as it was"
    return w.detach()


@pytest.mark.parametrize("mode", ["l2", "decoupled"])
@pytest.mark.parametrize("inner", INNER)
def test_the_fast_path_equals_the_readable_one(inner, mode):
    fast, readable = (
        walk(lambda p, fast=fast: WeightDecay(INNER[inner](p), 0.3, mode, fast=fast))
        for fast in (True, False)
    )
    assert torch.allclose(fast, readable, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(fast, walk(INNER[inner]), rtol=1e-3)  # and it does something


@pytest.mark.parametrize("inner", INNER)
def test_l2_is_the_gradient_of_the_penalty_and_decoupled_is_a_factor(inner):
    ends = {}
    for mode in ("l2", "decoupled"):
        w = noise(12).requires_grad_()
        optimizer, by_hand = INNER[inner]([w]), noise(12).requires_grad_()
        plain = INNER[inner]([by_hand])
        wrapped = WeightDecay(optimizer, 0.3, mode)
        sign = -1 if inner == "maximize" else 1
        for t in range(10):
            w.grad = noise(12, seed=t)
            wrapped.step()
            by_hand.grad = noise(12, seed=t)
            with torch.no_grad():
                if mode == "l2":
                    by_hand.grad += sign * 0.3 * by_hand
                else:
                    by_hand *= 1 - 0.05 * 0.3
            plain.step()
        assert torch.allclose(w, by_hand, rtol=1e-12, atol=1e-14)
        ends[mode] = w.detach()
    same = torch.allclose(*ends.values(), rtol=1e-10)
    assert same == (inner == "sgd")  # the two are one only under plain gradient descent


@given(st.floats(1e-4, 0.5), st.floats(0, 1), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_under_plain_sgd_the_two_modes_agree_for_any_rate_and_decay(lr, lam, seed):
    ends = [
        walk(lambda p, mode=mode: WeightDecay(torch.optim.SGD(p, lr), lam, mode), seed=seed)
        for mode in ("l2", "decoupled")
    ]
    assert torch.allclose(*ends, rtol=1e-11, atol=1e-12)


def test_without_a_gradient_of_the_loss_adam_with_l2_moves_by_lr_whatever_lam_is():
    for lam in (1e-2, 1e-4):
        w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
        optimizer = AdamL2([w], 1e-3, weight_decay=lam, eps=1e-12)
        w.grad = torch.zeros_like(w)
        optimizer.step()
        assert torch.allclose(w, torch.tensor([0.999, -1.999], dtype=torch.float64), rtol=1e-7)


def test_adamw_multiplies_by_one_minus_lr_lam():
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer = AdamW([w], 1e-3, weight_decay=1e-2)
    for _ in range(100):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    assert torch.allclose(w, torch.full_like(w, 0.99900050), rtol=1e-8)


def test_parameters_without_a_gradient_do_not_decay():
    w, idle = noise(3).requires_grad_(), noise(3).requires_grad_()
    optimizer = SGDW([w, idle], 0.1, weight_decay=0.5)
    w.grad = torch.zeros_like(w)
    optimizer.step()
    assert torch.equal(idle, noise(3))
    assert torch.allclose(w, 0.95 * noise(3))


@pytest.mark.parametrize("mode", ["l2", "decoupled"])
def test_groups_have_their_own_decay(mode):
    a, b = noise(3).requires_grad_(), noise(3).requires_grad_()
    sgd = torch.optim.SGD([{"params": [a]}, {"params": [b]}], 0.1)
    optimizer = WeightDecay(sgd, [0.5, 0.0], mode)
    c = noise(3).requires_grad_()
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    for w in (a, b, c):
        w.grad = torch.zeros_like(w)
    optimizer.step()
    for w, factor in ((a, 0.95), (b, 1.0), (c, 0.9)):
        assert torch.allclose(w, factor * noise(3), rtol=1e-12)


def test_decoupled_decay_follows_a_scheduler_of_the_learning_rate():
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = SGDW([w], 0.1, weight_decay=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(3):
        w.grad = torch.zeros_like(w)
        optimizer.step()
        scheduler.step()
    assert w.item() == pytest.approx((1 - 0.05) * (1 - 0.025) * (1 - 0.0125))


@pytest.mark.parametrize("fast", [True, False])
def test_a_schedule_of_the_decay_goes_on_after_loading(fast):
    def make(w):
        return AdamW([w], 0.1, weight_decay=0.5, schedule=lambda t: 1 / (1 + t), fast=fast)

    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = make(w)
    for _ in range(2):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    again = make(w)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    again.step()
    assert w.item() == pytest.approx((1 - 0.05) * (1 - 0.025) * (1 - 0.05 / 3))
    assert again.param_groups[0]["weight_decay"] == 0.5


@pytest.mark.parametrize("mode", ["l2", "decoupled"])
def test_decay_towards_a_reference_ends_there(mode):
    w, reference = noise(4).requires_grad_(), noise(4, seed=1)
    optimizer = WeightDecay(torch.optim.SGD([w], 0.1), 1.0, mode, towards=[reference])
    for _ in range(300):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    assert torch.allclose(w, reference, atol=1e-10)


def test_a_closure_sees_the_weights_before_the_decay():
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer, seen = SGDW([w], 0.1, weight_decay=0.5), []

    def closure():
        optimizer.zero_grad()
        seen.append(w.item())
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert seen == [1.0]
    assert w.item() == pytest.approx(0.95 - 0.1 * 2)


@pytest.mark.parametrize("make", [SGDW, AdamL2, AdamW])
def test_a_compiled_step_equals_the_plain_one(make):
    ends = []
    for compiles in (False, True):
        w = noise(8).float().requires_grad_()
        optimizer = make([w], 0.05, weight_decay=0.2)
        step = torch.compile(optimizer.step, backend="aot_eager") if compiles else optimizer.step
        for t in range(3):
            w.grad = noise(8, seed=t).float()
            step()
        ends.append(w.detach().clone())
    assert torch.allclose(*ends, rtol=1e-6)


@pytest.mark.parametrize("mode", ["l2", "decoupled"])
def test_a_copy_goes_on_alike(mode):
    w = noise(5).requires_grad_()
    optimizer = WeightDecay(torch.optim.SGD([w], 0.1, momentum=0.9), 0.2, mode)
    w.grad = noise(5, seed=1)
    optimizer.step()
    other = copy.deepcopy(optimizer)
    v = other.param_groups[0]["params"][0]
    v.grad = w.grad.clone()
    optimizer.step()
    other.step()
    assert torch.equal(v, w)


def test_every_hook_is_called_once_with_the_wrapper():
    w, called = noise(3).requires_grad_(), []
    optimizer = AdamW([w], 0.1)
    optimizer.register_state_dict_pre_hook(lambda o: called.append(("before saving", o)))
    optimizer.register_load_state_dict_pre_hook(lambda o, d: called.append(("before", o)))
    optimizer.register_load_state_dict_post_hook(lambda o: called.append(("after", o)))
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.register_step_pre_hook(lambda o, *_: called.append(("its own", o)))
    register = register_optimizer_step_pre_hook, register_optimizer_step_post_hook
    handles = [each(lambda o, *_: called.append(("every step", o))) for each in register]
    w.grad = noise(3)
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    assert [what for what, _ in called] == [
        "before saving", "before", "after", "every step", "its own", "every step"
    ]  # fmt: skip
    assert all(which is optimizer for _, which in called)
    optimizer.step()
    assert len(called) == 7


def test_what_a_hook_makes_of_a_state_dict_is_loaded():
    w = noise(3).requires_grad_()
    optimizer = SGDW([w], 0.1)

    def faster(_, state_dict):
        groups = [group | {"lr": 0.5} for group in state_dict["param_groups"]]
        return state_dict | {"param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(faster)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == optimizer.inner.param_groups[0]["lr"] == 0.5


def test_a_state_of_torchs_rprop_which_has_no_decay_keeps_ours():
    ends = []
    for lam in (0.0, 0.5):
        w = noise(3).requires_grad_()
        plain = torch.optim.Rprop([w], 0.1)
        w.grad = noise(3, seed=1)
        plain.step()
        optimizer = WeightDecay(torch.optim.Rprop([w], 0.1), lam, "decoupled")
        optimizer.load_state_dict(copy.deepcopy(plain.state_dict()))
        before = w.detach().clone()
        w.grad = torch.zeros_like(w)
        optimizer.step()
        ends.append(w.detach() / before)
    assert torch.allclose(ends[0] - 0.05, ends[1])  # 1 - lr * lam


@pytest.mark.parametrize("mode", ["l2", "decoupled"])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_minimum_of_loss_and_penalty(search, mode):
    x, y = noise(30, 4), noise(30, seed=1)
    w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = WeightDecay(torch.optim.LBFGS([w], line_search_fn=search), 0.7, mode)

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * (x @ w - y).square().sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    assert first == pytest.approx(0.5 * y.square().sum().item())  # the loss, without the penalty
    lam = 0.7 if mode == "l2" else 0.0  # where the decay is no part of the loss it cannot move
    ridge = torch.linalg.solve(x.T @ x + lam * torch.eye(4), x.T @ y)
    for _ in range(3):
        optimizer.step(closure)
    assert torch.allclose(w, ridge, rtol=1e-4)
    with pytest.raises(ValueError, match="closure must be given"):
        optimizer.step()


def test_sgdw_steps_on_a_sparse_gradient():
    rows = torch.nn.Embedding(4, 2, sparse=True, dtype=torch.float64)
    before = rows.weight.detach().clone()
    rows(torch.tensor([1])).sum().backward()
    SGDW(rows.parameters(), 0.1, weight_decay=0.5).step()
    right = 0.95 * before
    right[1] -= 0.1
    assert torch.allclose(rows.weight, right)


def test_bad_input_is_refused():
    w = noise(3).requires_grad_()
    sgd = torch.optim.SGD([w], 0.1)
    with pytest.raises(ValueError, match="mode must be one of"):
        WeightDecay(sgd, 0.1, "L2")
    for lam in (-0.1, math.nan):
        with pytest.raises(ValueError, match="lam must be >= 0"):
            WeightDecay(sgd, lam)
        with pytest.raises(ValueError, match="weight_decay must be >= 0"):
            AdamW([w], weight_decay=lam)
    with pytest.raises(ValueError, match="decay would be applied twice"):
        WeightDecay(torch.optim.AdamW([w]), 0.1)
    with pytest.raises(ValueError, match="decay factor"):
        WeightDecay(sgd, 10.0, "decoupled")
    with pytest.raises(ValueError, match="one number or 1"):
        WeightDecay(sgd, [0.1, 0.2])
    with pytest.raises(TypeError, match=r"torch\.optim\.Optimizer"):
        WeightDecay([w], 0.1)
