"""The rectifier, its relatives and what came later: values, gradients, paths, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from lessons.relu import (
    LeakyReLU,
    PReLU,
    ReLU,
    RescaledSoftplus,
    SignedRectifier,
    abs_tanh,
    lif,
    relu,
    relu6,
    relu_tanh,
    softplus,
    squared_relu,
)
from lessons.relu.rectifier import METHODS, pack, unpack

SPECIAL = [-math.inf, -1.0, -0.0, 0.0, 1.0, math.inf, math.nan]
LAYERS = {
    "relu": ReLU,
    "relu, readable": lambda: ReLU(method="readable"),
    "relu, bitmask": lambda: ReLU(method="bitmask"),
    "signed": lambda: SignedRectifier(6),
    "softplus": RescaledSoftplus,
    "softplus, readable": lambda: RescaledSoftplus(3.0, method="readable"),
    "leaky": LeakyReLU,
    "leaky, readable": lambda: LeakyReLU(0.2, method="readable"),
    "prelu": PReLU,
    "prelu, readable": lambda: PReLU(method="readable"),
    "prelu of channels, readable": lambda: PReLU(4, method="readable"),
}


def away_from_zero(*shape, seed=0):
    """Return normal numbers, none nearer to 0 than .1: there finite differences see the corner."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x + 0.1 * x.sign()).requires_grad_()


@pytest.mark.parametrize("method", METHODS)
def test_relu_is_the_maximum_with_zero_and_lets_nan_be_seen(method):
    y = relu(torch.tensor(SPECIAL), method=method)
    assert y[:6].tolist() == [0, 0, 0, 0, 1, math.inf]
    assert y[6].isnan()


@pytest.mark.parametrize("method", METHODS)
def test_the_derivative_is_one_where_on_and_zero_where_off_and_at_zero(method):
    x = torch.tensor(SPECIAL[:6]).requires_grad_()
    relu(x, method=method).backward(torch.tensor([math.inf] * 4 + [2.0, 3.0]))
    assert x.grad.tolist() == [0, 0, 0, 0, 2, 3]


@given(hnp.arrays("float64", hnp.array_shapes(max_dims=4, min_side=0), elements=st.floats()))
@settings(max_examples=60, deadline=None)
def test_the_paths_agree_on_any_numbers(array):
    grads = []
    for method in METHODS:
        x = torch.tensor(array).requires_grad_()
        y = relu(x, method=method)
        y.backward(torch.ones_like(x))
        grads.append(x.grad)
        assert torch.equal(y.nan_to_num(7), torch.relu(x).nan_to_num(7))
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


@given(hnp.arrays(bool, hnp.array_shapes(max_dims=3, min_side=0, max_side=20)))
@settings(max_examples=60, deadline=None)
def test_a_mask_packs_into_an_eighth_and_comes_back(array):
    mask = ~torch.tensor(array)
    bits = pack(mask)
    assert bits.dtype == torch.uint8
    assert len(bits) == math.ceil(mask.numel() / 8)
    assert torch.equal(unpack(bits, mask.shape), mask)


def test_the_bitmask_keeps_one_bit_a_value():
    kept = []

    def keep(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    x = torch.randn(1000, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        relu(x, method="bitmask")
    assert kept == [125]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 4, 6)])
def test_gradients_and_their_gradients_are_those_of_finite_differences(name, shape):
    layer = LAYERS[name]().double()
    if name.startswith("prelu of") and len(shape) < 3:
        pytest.skip("four channels")
    x = away_from_zero(*shape)
    weights = list(layer.parameters())

    def call(x, *weights):
        names = [name for name, _ in layer.named_parameters()]
        return torch.func.functional_call(layer, dict(zip(names, weights)), (x,))

    assert torch.autograd.gradcheck(call, (x, *weights))
    assert torch.autograd.gradgradcheck(call, (x, *weights))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compile_whole_run_in_autocast_and_on_meta(name):
    layer = LAYERS[name]()
    x = torch.randn(2, 4, 6, requires_grad=True)
    y = layer(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), y)
    compiled(x).sum().backward()
    again = torch.autograd.grad(layer(x).sum(), x)[0]
    torch.testing.assert_close(x.grad, again)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.bfloat16
    with torch.device("meta"):
        on_meta = LAYERS[name]()
    assert on_meta(torch.empty(2, 4, 6, device="meta")).shape == (2, 4, 6)


@pytest.mark.parametrize("name", [name for name in LAYERS if "bitmask" not in name])
def test_layers_can_be_mapped(name):
    if "prelu" in name:
        pytest.skip("torch's kernel wants the batch in the first axis")
    layer, x = LAYERS[name](), torch.randn(5, 4, 6)
    gradient = torch.func.vmap(torch.func.grad(lambda x: layer(x).sum()))(x)
    whole = x.clone().requires_grad_()
    layer(whole).sum().backward()
    torch.testing.assert_close(gradient, whole.grad)


def test_inplace_overwrites_and_refuses_a_leaf_that_requires_its_gradient():
    x = torch.randn(10)
    want = x.relu()
    assert ReLU(inplace=True)(x) is x
    assert torch.equal(x, want)
    with pytest.raises(RuntimeError, match="leaf"):
        relu(torch.randn(3, requires_grad=True), inplace=True)
    with pytest.raises(ValueError, match="kernel"):
        relu(x, inplace=True, method="bitmask")


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("function", [relu, softplus])
def test_only_floating_point_is_rectified(function, dtype):
    with pytest.raises(TypeError, match=str(dtype)):
        function(torch.ones(2, dtype=dtype))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReLU(method="fast"), "kernel, readable, bitmask, got 'fast'"),
        (lambda: relu(torch.ones(1), method="fast"), "got 'fast'"),
        (lambda: softplus(torch.ones(1), 0.0), "alpha must be positive, got 0"),
        (lambda: softplus(torch.ones(1), method="fast"), "got 'fast'"),
        (lambda: RescaledSoftplus(-1.0), "alpha must be positive, got -1"),
        (lambda: SignedRectifier(5), "even and positive, got 5"),
        (lambda: SignedRectifier(6)(torch.ones(2, 4)), "4 features, expected 6"),
        (lambda: lif(torch.ones(1), threshold=0.0), "above reset"),
        (lambda: lif(torch.ones(1), tau=0.0), "tau must be positive"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@given(st.floats(-700, 700), st.floats(0.01, 50))
@settings(max_examples=60, deadline=None)
def test_softplus_lies_at_most_log_2_over_alpha_above_the_rectifier(x, alpha):
    x = torch.tensor(x, dtype=torch.float64)
    for method in ("kernel", "readable"):
        above = softplus(x, alpha, method) - relu(x)
        assert -1e-12 <= above <= math.log(2) / alpha + 1e-12
    assert softplus(torch.zeros(1, dtype=torch.float64), alpha).item() == pytest.approx(
        math.log(2) / alpha
    )


def test_softplus_with_alpha_6_is_at_most_0_1155_above():
    assert softplus(torch.zeros(()).double(), 6.0).item() == pytest.approx(0.11552, abs=5e-6)


def test_a_normal_input_leaves_half_its_mean_square():
    """E = 1/√(2π), E[x₊²] = ½, so Var = ½ − 1/(2π): by quadrature of the normal density."""
    x = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    mean = torch.trapezoid(relu(x) * density, x).item()
    square = torch.trapezoid(relu(x) ** 2 * density, x).item()
    assert mean == pytest.approx(1 / math.sqrt(2 * math.pi)) == pytest.approx(0.398942, abs=1e-6)
    assert square == pytest.approx(0.5)
    assert square - mean**2 == pytest.approx(0.340845, abs=1e-6)


def test_half_of_the_signed_rectifiers_are_negative_and_cancel_the_mean():
    x = torch.randn(20_000, 6, generator=torch.Generator().manual_seed(0))
    y = SignedRectifier(6)(x)
    assert torch.equal(y[:, :3], x[:, :3].relu())
    assert torch.equal(y[:, 3:], -x[:, 3:].relu())
    assert abs(y.mean().item()) < 0.01  # of rectifiers alone .399
    assert not SignedRectifier(6).state_dict()


def test_two_rectifiers_make_tanh_s_symmetries():
    x = torch.linspace(-3, 3, 13)
    assert torch.equal(relu(x) + relu(-x), x.abs())  # symmetric
    assert torch.equal(relu(x) - relu(-x), x)  # antisymmetric
    assert torch.equal(abs_tanh(-x), abs_tanh(x))
    assert torch.equal(relu_tanh(x), x.tanh().clamp(min=0))


def test_the_neuron_fires_above_its_threshold_at_the_rate_of_its_charging():
    current = torch.tensor([-1.0, 0.5, 1.0, 1.1, 2.0, 1e9], dtype=torch.float64)
    rate = lif(current)
    assert rate[:3].tolist() == [0, 0, 0]
    # At I = 2 the membrane, 2 (1 − exp(−t/τ)), reaches 1 at t = τ ln 2.
    assert rate[4].item() == pytest.approx(1 / (0.02 * math.log(2) + 0.002))
    assert rate[5].item() == pytest.approx(1 / 0.002, rel=1e-6)  # the refractory period is left
    # The same by integrating τ dV/dt = E − V + RI until V reaches the threshold.
    v, t, dt = 0.0, 0.0, 1e-7
    while v < 1.0:
        v, t = v + dt / 0.02 * (1.1 - v), t + dt
    assert rate[3].item() == pytest.approx(1 / (t + 0.002), rel=1e-4)
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    lif(x).sum().backward()
    assert x.grad[0] == 0
    assert x.grad[1].isfinite()


def test_later_units():
    x = torch.tensor([-2.0, 0.0, 3.0, 9.0])
    assert relu6(x).tolist() == [0, 0, 3, 6]
    assert squared_relu(x).tolist() == [0, 0, 9, 81]
    for method in ("kernel", "readable"):
        torch.testing.assert_close(LeakyReLU(0.1, method=method)(x), torch.tensor([-0.2, 0, 3, 9]))


def test_layers_say_what_they_are():
    assert repr(ReLU()) == "ReLU()" == repr(nn.ReLU())
    assert repr(ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert repr(ReLU(method="bitmask")) == "ReLU(method='bitmask')"
    assert repr(PReLU(3)) == "PReLU(num_parameters=3)"
    assert repr(LeakyReLU()) == "LeakyReLU(negative_slope=0.01)"
    assert repr(RescaledSoftplus(2.0)) == "RescaledSoftplus(alpha=2)"


@pytest.mark.parametrize("make", [LeakyReLU, PReLU, ReLU, RescaledSoftplus])
def test_a_method_that_there_is_not_is_refused(make):
    with pytest.raises(ValueError, match=r"method must be .*, got 'fast'"):
        make(method="fast")


def test_a_readable_leak_does_not_overwrite_its_input():
    with pytest.raises(ValueError, match="inplace needs method 'kernel'"):
        LeakyReLU(inplace=True, method="readable")
