"""The statements of the paper about Algorithms 1 and 2, and bad input."""

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lessons.adam import (
    Adam,
    AdaMax,
    AdamW,
    adam_,
    adam_reference,
    snr,
)

PATHS = [{"foreach": False, "fused": False}, {"foreach": True}, {"fused": True}, {}]
PATH_IDS = ["readable", "foreach", "fused", "default"]


def run(make, gradients, start=None, **options):
    """Return the iterates of an optimizer that is fed the rows of ``gradients``."""
    x = torch.zeros_like(gradients[0]) if start is None else start.clone()
    x.requires_grad_()
    optimizer, iterates = make([x], **options), [x.detach().clone()]
    for gradient in gradients:
        x.grad = gradient.clone()
        optimizer.step()
        iterates.append(x.detach().clone())
    return torch.stack(iterates)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# The algorithm


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
@pytest.mark.parametrize("amsgrad", [False, True])
def test_every_path_equals_the_algorithm_on_plain_numbers(path, amsgrad):
    gradients = noise(60, 3)
    ours = run(Adam, gradients, lr=0.1, amsgrad=amsgrad, **path)
    for i in range(3):
        column = gradients[:, i].tolist()
        plain = adam_reference(
            lambda x, t, column=column: column[t - 1], 0.0, 60, lr=0.1, amsgrad=amsgrad
        )
        assert ours[:, i].tolist() == pytest.approx(plain, rel=0, abs=1e-13)


@given(hnp.arrays("float64", (5, 4), elements=st.floats(-1e3, 1e3)), st.floats(1e-5, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_paths_agree_on_any_gradients(gradients, lr):
    gradients = torch.from_numpy(gradients)
    readable = run(Adam, gradients, lr=lr, **PATHS[0])
    for path in PATHS[1:]:
        assert torch.allclose(run(Adam, gradients, lr=lr, **path), readable, rtol=0, atol=1e-12)


def test_first_step_is_lr_times_g_over_abs_g_plus_eps():
    gradient = torch.tensor([1e-12, -1e-8, 1e-4, -1.0, 1e6], dtype=torch.float64)
    step = run(Adam, gradient[None], lr=0.01)[1]
    assert torch.allclose(step, -0.01 * gradient / (gradient.abs() + 1e-8), rtol=1e-12)


def test_first_step_of_the_hat_form_has_a_31_6_times_larger_eps():
    gradient = torch.tensor([1e-8, 1e-4], dtype=torch.float64)
    step = run(Adam, gradient[None], lr=1.0, eps_mode="hat")[1]
    assert torch.allclose(step, -gradient / (gradient.abs() + 1e-8 / math.sqrt(1e-3)), rtol=1e-12)


@pytest.mark.parametrize(
    ("t", "ratio"),
    [
        (1, 0.316228),
        (10, 0.153189),
        (12, 0.152241),
        (100, 0.308566),
        (1000, 0.795176),
        (5000, 0.996634),
    ],
)
def test_the_step_without_correction_is_scaled_by_the_ratio_of_the_corrections(t, ratio):
    # §2: α_t/α = √(1 − β₂ᵗ)/(1 − β₁ᵗ); with ε̂ the whole correction is in the step size.
    state = [torch.ones(1, dtype=torch.float64) for _ in range(2)]
    moved = []
    for correction in (True, False):
        x = torch.zeros(1, dtype=torch.float64)
        m, v = (s.clone() for s in state)
        adam_([x], [torch.ones(1, dtype=torch.float64)], [m], [v], [], [t], lr=1.0,
              betas=(0.9, 0.999), eps=0.0, bias_correction=correction)  # fmt: skip
        moved.append(x.item())
    assert moved[0] / moved[1] == pytest.approx(ratio, abs=5e-7)


def test_the_smallest_ratio_of_the_corrections_is_at_step_12():
    ratios = [math.sqrt(1 - 0.999**t) / (1 - 0.9**t) for t in range(1, 5000)]
    assert min(range(len(ratios)), key=ratios.__getitem__) + 1 == 12


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
@pytest.mark.parametrize("scale", [1e-10, 1e10])
def test_scaling_all_gradients_changes_no_step_when_eps_is_0(path, scale):
    # §2.1: (c m̂)/√(c² v̂) = m̂/√v̂.
    gradients = noise(50, 7)
    plain, scaled = (run(Adam, g, eps=0.0, **path) for g in (gradients, scale * gradients))
    assert torch.allclose(plain, scaled, rtol=1e-9, atol=0)


def test_bias_correction_makes_v_hat_the_mean_square_of_a_constant_gradient():
    # §3: E[v_t] = E[g²](1 − β₂ᵗ), exactly so if g does not change.
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = Adam([x], lr=0.0)
    for t in range(1, 30):
        x.grad = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
        optimizer.step()
        v_hat = optimizer.state[x]["exp_avg_sq"] / (1 - 0.999**t)
        assert torch.allclose(v_hat, x.grad.square(), rtol=1e-12)


def test_snr_is_one_for_a_steady_gradient_and_small_for_noise():
    steady, noisy = (torch.zeros(1000, requires_grad=True) for _ in range(2))
    optimizer = Adam([steady, noisy])
    for t in range(200):
        steady.grad, noisy.grad = torch.full((1000,), 3.0), noise(1000, seed=t).float()
        optimizer.step()
    ratios = snr(optimizer)
    assert torch.allclose(ratios[steady], torch.ones(1000), atol=1e-4)
    # A mean of N(0, 1) with weights (1 − β₁)β₁ⁱ has the variance (1 − β₁)/(1 + β₁) = 1/19.
    assert ratios[noisy].std().item() == pytest.approx(math.sqrt(1 / 19), rel=0.1)


# The optimizer as users meet it


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
def test_weight_decay_passes_through_the_moments_and_decoupled_decay_does_not(path):
    start, zero = torch.ones(1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
    decoupled = run(AdamW, zero, start, lr=0.1, weight_decay=0.5, **path)
    assert decoupled[:, 0].tolist() == pytest.approx([1, 0.95, 0.95**2, 0.95**3])
    coupled = run(Adam, zero, start, lr=0.1, weight_decay=0.5, **path)
    # The penalty's gradient alone moves the weight by α, however small the coefficient.
    assert coupled[1].item() == pytest.approx(0.9, abs=1e-8)


def test_weight_decay_leaves_the_gradient_alone():
    x = torch.ones(3, requires_grad=True)
    x.grad = torch.ones(3)
    Adam([x], weight_decay=0.1, maximize=True).step()
    assert x.grad.tolist() == [1, 1, 1]


def test_maximize_is_descent_on_the_negative():
    gradients = noise(20, 3)
    up, down = run(Adam, gradients, maximize=True), run(Adam, -gradients)
    assert torch.equal(up, down)


def test_a_parameter_without_gradient_neither_moves_nor_counts():
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = Adam([used, unused])
    used.grad = torch.ones(2)
    optimizer.step()
    unused.grad = torch.ones(2)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (used, unused)] == [2, 1]
    assert torch.allclose(unused, torch.full((2,), 1 - 1e-3))


@pytest.mark.parametrize("path", PATHS[:2] + PATHS[3:], ids=["readable", "foreach", "default"])
def test_a_complex_parameter_is_two_real_ones(path):
    gradients = torch.complex(noise(30, 4), noise(30, 4, seed=1))
    ours = run(Adam, gradients, lr=0.1, amsgrad=True, **path)
    twice = run(Adam, torch.view_as_real(gradients), lr=0.1, amsgrad=True, **path)
    assert torch.allclose(torch.view_as_real(ours), twice, atol=1e-14)


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
def test_float32_state_keeps_small_steps_of_bfloat16_parameters_exact(path):
    gradients = noise(30, 100).bfloat16()
    ours = run(Adam, gradients, lr=1e-2, state_dtype=torch.float32, **path)
    x = torch.zeros(100, dtype=torch.bfloat16, requires_grad=True)
    optimizer = Adam([x], lr=1e-2, state_dtype=torch.float32, **path)
    x.grad = gradients[0]
    optimizer.step()
    assert ours.dtype == torch.bfloat16
    assert optimizer.state[x]["exp_avg_sq"].dtype == torch.float32
    exact = run(Adam, gradients.float(), lr=1e-2, **path)
    # Each of 30 steps is rounded once to 8 bits of a value below 0.3: at most 30 × 2⁻¹⁰.
    assert (ours.float() - exact).abs().max() < 30 * 2**-10


def test_state_dtype_survives_a_saved_state():
    x = torch.zeros(5, dtype=torch.bfloat16, requires_grad=True)
    first = Adam([x], state_dtype=torch.float32)
    x.grad = noise(5).bfloat16()
    first.step()
    second = Adam([x], state_dtype=torch.float32)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.state[x]["exp_avg"], first.state[x]["exp_avg"])
    assert second.state[x]["exp_avg"].dtype == torch.float32


def test_closures_schedulers_and_groups_work_as_in_torch():
    x, y = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = Adam([{"params": [x]}], lr=0.1)
    optimizer.add_param_group({"params": [y], "lr": 0.2})
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1))

    def closure():
        optimizer.zero_grad()
        loss = (x**2 + y**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(2)
    assert (x.item(), y.item()) == pytest.approx((0.9, 0.8))
    schedule.step()
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.1)


def test_named_parameters_keep_their_names():
    model = torch.nn.Linear(2, 1)
    optimizer = Adam(model.named_parameters())
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_it_finds_the_least_squares_solution():
    a, b = noise(50, 5), noise(50, seed=1)
    x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer = Adam([x], lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.99**t)
    for _ in range(1500):
        optimizer.zero_grad()
        (a @ x - b).square().mean().backward()
        optimizer.step()
        schedule.step()
    assert torch.allclose(x.detach(), torch.linalg.lstsq(a, b[:, None]).solution[:, 0], atol=1e-6)


@pytest.mark.parametrize("path", [{"foreach": True}, {}], ids=["foreach", "default"])
def test_a_compiled_step_equals_the_plain_one(path):
    model = torch.nn.Linear(4, 3).double()
    twin = torch.nn.Linear(4, 3).double()
    twin.load_state_dict(model.state_dict())
    plain, compiled = Adam(model.parameters(), **path), Adam(twin.parameters(), **path)
    step = torch.compile(compiled.step, backend="aot_eager")
    for t in range(4):
        for p, q in zip(model.parameters(), twin.parameters()):
            p.grad = noise(*p.shape, seed=t)
            q.grad = p.grad.clone()
        plain.step()
        step()
    for p, q in zip(model.parameters(), twin.parameters()):
        assert torch.allclose(p, q, rtol=0, atol=1e-12)


# Layouts, copies, older states


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
@pytest.mark.parametrize("make", [Adam, AdamW])
def test_a_gradient_of_another_layout_moves_the_number_that_it_belongs_to(make, path):
    w = torch.nn.Parameter(torch.zeros(2, 2).t())
    w.grad = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    make([w], lr=1.0, **path).step()
    assert w.tolist() == [[0, pytest.approx(-1)], [0, 0]]


LAYOUTS = {
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(1, 3).contiguous().transpose(1, 3),
    "sliced": lambda x: torch.cat([x, x], 3)[..., : x.shape[3]],
    "strided": lambda x: torch.stack([x, x], 4)[..., 0],
}


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("which", ["parameter", "gradient", "both", "later"])
def test_no_layout_of_parameter_gradient_or_state_changes_a_step(which, layout, amsgrad, path):
    change, start = LAYOUTS[layout], noise(3, 4, 5, 6)
    plain = start.clone().requires_grad_()
    other = (change(start.clone()) if which in ("parameter", "both") else start.clone()).detach()
    other.requires_grad_()
    optimizers = [Adam([p], lr=0.1, amsgrad=amsgrad, **path) for p in (plain, other)]
    for t in range(4):
        if which == "later" and t == 2:  # as model.to(memory_format=…) after some steps
            other.data = change(other.data)
        gradient = noise(3, 4, 5, 6, seed=t + 1)
        plain.grad = gradient
        other.grad = None
        other.grad = change(gradient) if which in ("gradient", "both") else gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(plain, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("make", [Adam, AdamW])
def test_a_copied_optimizer_goes_on_alike(make, twin_of):
    x = torch.zeros(3, requires_grad=True)
    optimizer = make([x], lr=0.1, bias_correction=False)
    x.grad = torch.ones(3)
    optimizer.step()
    twin = twin_of(optimizer)
    y = twin.param_groups[0]["params"][0]
    y.grad = torch.ones(3)
    optimizer.step()
    twin.step()
    assert torch.equal(x, y)
    assert twin.defaults["bias_correction"] is False


@pytest.mark.parametrize("path", PATHS, ids=PATH_IDS)
def test_a_state_of_an_older_torch_goes_on_alike(path):
    x = torch.zeros(3, requires_grad=True)
    optimizer = Adam([x], lr=0.1, **path)
    x.grad = torch.ones(3)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = 1
    for key in ("maximize", "amsgrad", "foreach", "fused", "capturable", "differentiable"):
        del state["param_groups"][0][key]
    y = x.detach().clone().requires_grad_()
    other = Adam([y], lr=0.1, **path)
    other.load_state_dict(state)
    y.grad = torch.ones(3)
    optimizer.step()
    other.step()
    assert torch.equal(x, y)


def test_without_correction_and_momentum_it_is_rmsprop():
    # §6.4: "removal of the bias correction terms results in a version of RMSProp".
    gradients = noise(30, 4)
    ours = run(Adam, gradients, lr=0.1, betas=(0.0, 0.99), bias_correction=False)
    theirs = run(torch.optim.RMSprop, gradients, lr=0.1, alpha=0.99)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


# Bad input

LEAF = torch.zeros(2, requires_grad=True)


@pytest.mark.parametrize("make", [Adam, AdamW, AdaMax])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": -1e-3}, "lr must be >= 0 and finite, got -0.001"),
        ({"lr": math.nan}, "lr must be >= 0 and finite, got nan"),
        ({"eps": -1e-8}, "eps must be >= 0 and finite, got -1e-08"),
        ({"weight_decay": -0.1}, "weight_decay must be >= 0 and finite, got -0.1"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\] must be in \[0, 1\), got 1.0"),
        ({"betas": (-0.1, 0.9)}, r"betas\[0\] must be in \[0, 1\), got -0.1"),
        ({"betas": 0.9}, r"betas must be two numbers in \[0, 1\), got 0.9"),
    ],
)
def test_an_option_out_of_range_is_named(make, options, says):
    with pytest.raises(ValueError, match=says):
        make([LEAF], **options)
    with pytest.raises(ValueError, match=says):  # also as a group's own option
        make([{"params": [LEAF], **options}])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eps_mode": "hut"}, r"eps_mode must be one of \('paper', 'hat'\), got 'hut'"),
        ({"amsgrad": True, "bias_correction": False}, "amsgrad=True needs bias_correction=True"),
        ({"fused": True, "eps_mode": "hat"}, "fused=True needs"),
        ({"fused": True, "foreach": True}, "foreach and fused cannot both be True"),
    ],
)
def test_options_that_do_not_go_together_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Adam([LEAF], **options)


@pytest.mark.parametrize("make", [Adam, AdaMax])
@pytest.mark.parametrize(
    ("params", "error", "says"),
    [
        (LEAF, TypeError, "iterable of Tensors"),
        ([], ValueError, "empty parameter list"),
        ([LEAF, LEAF], ValueError, r"params\[1\], of shape \(2,\), is there twice"),
        ([LEAF * 2], ValueError, r"params\[0\], of shape \(2,\), must be a leaf"),
        ([3.0], TypeError, r"params\[0\] must be a tensor, got float"),
    ],
)
def test_unusable_parameters_are_named(make, params, error, says):
    with pytest.raises(error, match=says):
        make(params)


def test_a_parameter_in_two_groups_is_named():
    optimizer = Adam([LEAF])
    with pytest.raises(ValueError, match="is there twice"):
        optimizer.add_param_group({"params": [LEAF]})


@pytest.mark.parametrize("make", [Adam, AdaMax])
def test_a_sparse_gradient_names_the_parameter_and_the_way_out(make):
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(
        RuntimeError, match=r"parameter 0 of group 0, of shape \(5, 2\).*SparseAdam"
    ):
        make(embedding.parameters()).step()


def test_a_state_that_does_not_fit_is_named():
    x = torch.zeros(2, requires_grad=True)
    optimizer = Adam([x])
    x.grad = torch.ones(2)
    optimizer.step()
    other = Adam([torch.zeros(3, requires_grad=True)])
    says = r"exp_avg of parameter 0 has shape \(2,\), expected \(3,\)"
    with pytest.raises(ValueError, match=says):
        other.load_state_dict(optimizer.state_dict())
    state = optimizer.state_dict()
    del state["state"][0]["exp_avg_sq"]
    with pytest.raises(ValueError, match="state of parameter 0 has no exp_avg_sq"):
        optimizer.load_state_dict(state)
