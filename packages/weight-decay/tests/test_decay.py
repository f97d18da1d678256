"""The penalty, the decay in place, and which parameters they are for."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.weight_decay import (
    AdamW,
    l2_penalty,
    norm_schedule,
    param_groups,
    weight_decay_,
)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("fast", [True, False])
def test_the_gradient_of_the_penalty_and_its_gradient_are_right(fast):
    params = [noise(3, 2).requires_grad_(), noise(4, seed=1).requires_grad_()]

    def penalty(*params):
        return l2_penalty(params, 0.3, fast=fast)

    assert torch.autograd.gradcheck(penalty, params)
    assert torch.autograd.gradgradcheck(penalty, params)


@given(st.floats(0, 10), st.integers(1, 5), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_the_fast_penalty_equals_the_readable_one(lam, rows, seed):
    params = [noise(rows, 3, seed=seed).requires_grad_(), noise(2, seed=seed).requires_grad_()]
    values, grads = [], []
    for fast in (True, False):
        values.append(l2_penalty(params, lam, fast=fast))
        grads.append(torch.autograd.grad(values[-1], params))
    assert torch.allclose(*values, rtol=1e-13)
    assert all(torch.allclose(a, b, rtol=1e-13) for a, b in zip(*grads))
    assert all(torch.allclose(g, lam * p, rtol=1e-13) for g, p in zip(grads[0], params))


def test_the_penalty_of_transposed_and_half_precision_weights():
    w = noise(4, 6)
    assert l2_penalty([w.T], 2.0).item() == pytest.approx((w**2).sum().item())
    assert l2_penalty([w.bfloat16()], 2.0).dtype is torch.bfloat16


def test_the_penalty_compiles_whole_and_lives_on_meta():
    w = noise(5).requires_grad_()
    compiled = torch.compile(lambda w: l2_penalty([w], 0.5), fullgraph=True, backend="aot_eager")
    value = compiled(w)
    value.backward()
    assert value.item() == pytest.approx(0.25 * (w**2).sum().item())
    assert torch.allclose(w.grad, 0.5 * w)
    assert l2_penalty([torch.empty(3, device="meta")], 0.5).shape == ()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_compiled_penalty_is_differentiated_forward_in_its_own_type(dtype):
    def change(w, dw):
        return torch.func.jvp(lambda w: l2_penalty([w, 2 * w], 0.5), (w,), (dw,))

    w = torch.ones(3, dtype=dtype)
    for call in (change, torch.compile(change, fullgraph=True, backend="eager")):
        value, slope = call(w, 2 * w)
        assert (value.dtype, slope.dtype) == (dtype, dtype)
        assert (value.item(), slope.item()) == (3.75, 15)


def test_a_step_of_decay_is_a_step_down_the_penalty():
    # Eqs 1 and 2 for a loss without gradient.
    w = noise(10).requires_grad_()
    (grad,) = torch.autograd.grad(l2_penalty([w], 0.2), w)
    decayed = w.detach().clone()
    weight_decay_([decayed], 0.2, 0.1)
    assert torch.allclose(decayed, w - 0.1 * grad, rtol=1e-14)


def test_many_small_steps_decay_exponentially():
    # §1: "an exponential decay of the weights", as e^{-λt}.
    w = noise(4)
    start = w.clone()
    for _ in range(10_000):
        weight_decay_([w], 0.5, 1e-4)
    assert torch.allclose(w, start * math.exp(-0.5), rtol=1e-4)


def test_decay_towards_other_weights_shrinks_the_distance():
    w, reference = noise(6), noise(6, seed=1)
    start = w.clone()
    weight_decay_([w], 0.5, 0.2, towards=[reference])
    assert torch.allclose(w - reference, 0.9 * (start - reference), rtol=1e-12)


@pytest.mark.parametrize("lam", [-1e-3, math.nan, math.inf])
def test_a_negative_or_infinite_decay_is_refused(lam):
    with pytest.raises(ValueError, match="lam must be >= 0"):
        l2_penalty([noise(2)], lam)
    with pytest.raises(ValueError, match="lam must be >= 0"):
        weight_decay_([noise(2)], lam, 0.1)


def test_a_factor_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"1 - lr \* lam must be positive"):
        weight_decay_([noise(2)], 2.0, 0.5)


def test_whole_numbers_cannot_decay():
    with pytest.raises(TypeError, match=r"params\[1\].*int64"):
        weight_decay_([noise(2), torch.arange(3)], 0.1, 0.1)
    with pytest.raises(ValueError, match="at least one"):
        l2_penalty([], 0.1)


def test_norm_schedule_halves_the_decay_for_four_times_the_steps():
    assert norm_schedule(0.05, 128, 50_000, 100) == pytest.approx(0.05 * math.sqrt(128 / 5e6))
    assert norm_schedule(0.05, 32, 50_000, 100) == pytest.approx(
        norm_schedule(0.05, 128, 50_000, 100) / 2
    )
    with pytest.raises(ValueError, match="epochs must be positive"):
        norm_schedule(0.05, 128, 50_000, 0)


# Groups


def model():
    layers = [nn.Embedding(7, 4), nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 2, bias=False)]
    return nn.Sequential(*layers)


def test_biases_norms_and_embeddings_do_not_decay_by_default():
    decays, free = param_groups(model(), 0.1)
    assert decays["names"] == ["1.weight", "3.weight"]
    assert free["names"] == ["0.weight", "1.bias", "2.weight", "2.bias"]
    assert (decays["weight_decay"], free["weight_decay"]) == (0.1, 0.0)


def test_the_paper_puts_all_free_parameters_in_w():
    decays, free = param_groups(model(), 0.1, grouping="paper")
    assert len(decays["params"]) == 6
    assert free["params"] == []


class MyRMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))


class LayerNormNet(nn.Linear):
    pass


DECAYING = {
    "attention": (
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        ["in_proj_weight", "out_proj.weight"],
    ),
    "lstm": (
        lambda: nn.LSTM(3, 4, bidirectional=True),
        ["weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"],
    ),
    "gru cell": (lambda: nn.GRUCell(3, 4), ["weight_ih", "weight_hh"]),
    "another's norm": (lambda: nn.Sequential(nn.Linear(2, 2), MyRMSNorm()), ["0.weight"]),
    "no norm, but the word": (lambda: LayerNormNet(2, 2), ["weight"]),
}


@pytest.mark.parametrize(("make", "names"), DECAYING.values(), ids=DECAYING)
def test_what_decays_where_names_are_not_just_weight_and_bias(make, names):
    decays, free = param_groups(make(), 0.1)
    assert decays["names"] == names
    assert len(names) + len(free["names"]) == len(list(make().parameters()))


def test_groups_serve_our_optimizers_and_torchs():
    for make in (AdamW, torch.optim.AdamW):
        optimizer = make(param_groups(model(), 0.1), lr=0.01)
        assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0.0]


def test_frozen_parameters_are_in_no_group():
    net = model()
    net[1].weight.requires_grad_(False)
    assert "1.weight" not in [n for g in param_groups(net, 0.1) for n in g["names"]]


def test_bad_groups_are_refused():
    with pytest.raises(ValueError, match="grouping must be one of"):
        param_groups(model(), 0.1, grouping="size")
    with pytest.raises(ValueError, match="every parameter is excluded"):
        param_groups(nn.Linear(2, 2), 0.1, exclude=["weight", "bias"])
    with pytest.warns(UserWarning, match="'gate' matches no parameter"):
        param_groups(model(), 0.1, exclude=["gate"])


def test_the_penalty_is_mapped_and_differentiated_forward():
    w, dw = torch.randn(2, 3, 4, dtype=torch.float64)
    value, change = torch.func.jvp(lambda w: l2_penalty([w], 0.3), (w,), (dw,))
    torch.testing.assert_close(value, 0.15 * w.square().sum())
    torch.testing.assert_close(change, 0.3 * (w * dw).sum())
    rows = torch.func.vmap(lambda row: l2_penalty([row], 0.3))(w)
    torch.testing.assert_close(rows, 0.15 * w.square().sum(1))
