"""The activations: exact figures, gradients, drop-in behaviour, bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.gelu import (
    GATES,
    GELU,
    CDFLinearUnit,
    GatedFeedForward,
    GatedIdentity,
    QuickGELU,
    SiLU,
    by_name,
    error,
    gain,
    gated,
    gelu,
    glu,
    largest_error,
    silu,
)
from lessons.gelu.activation import METHODS
from lessons.gelu.curves import normal_mean, peak

DOUBLE = torch.float64
VALUES = {
    -3.0: -0.0040496941, -2.0: -0.0455002639, -1.0: -0.1586552539, -0.5: -0.1542687694,
    0.5: 0.3457312306, 1.0: 0.8413447461, 2.0: 1.9544997361, 3.0: 2.9959503059,
}  # fmt: skip


def normal(*shape, seed=0, dtype=DOUBLE):
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("method", METHODS)
def test_values_of_x_times_phi(method):
    x = torch.tensor(list(VALUES), dtype=DOUBLE)
    want = torch.tensor(list(VALUES.values()), dtype=DOUBLE)
    assert (gelu(x, method=method) - want).abs().max() < 6e-11
    one = torch.ones(1, dtype=DOUBLE)
    assert gelu(one, "tanh", method=method).item() == pytest.approx(0.8411919906, abs=1e-10)
    assert gelu(one, "sigmoid", method=method).item() == pytest.approx(0.8457957659, abs=1e-10)
    assert silu(one).item() == pytest.approx(0.7310585786, abs=1e-10)


@pytest.mark.parametrize("approximate", ["none", "tanh", "sigmoid"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(DOUBLE, 1e-14), (torch.float32, 1e-6)])
def test_the_fast_path_is_the_readable_one(approximate, dtype, tolerance):
    x = normal(4, 33, dtype=dtype).clamp(-8, 8).requires_grad_()
    dy = normal(4, 33, seed=1, dtype=dtype)
    outs = [gelu(x, approximate, method=method) for method in METHODS]
    gradients = [torch.autograd.grad(out, x, dy)[0] for out in outs]
    for out, gradient in zip(outs[1:], gradients[1:]):
        assert (out - outs[0]).abs().max() <= tolerance
        assert (gradient - gradients[0]).abs().max() <= 10 * tolerance


@pytest.mark.parametrize("gate", GATES)
def test_the_gradient_by_hand_passes_gradcheck_twice(gate):
    x = normal(3, 4).requires_grad_()
    mu, sigma = normal(4, seed=1).requires_grad_(), torch.rand(3, 1, dtype=DOUBLE) + 0.5
    sigma.requires_grad_()

    def f(x, mu, sigma):
        return GatedIdentity.apply(x, mu, sigma, gate)

    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(f, (x, mu, sigma))
        assert check(lambda x: GatedIdentity.apply(x, 0.0, 1.0, gate), x)


@settings(deadline=None)
@given(st.floats(-30, 30), st.sampled_from(sorted(GATES)))
def test_a_density_is_the_derivative_of_its_distribution_function(z, gate):
    at = torch.tensor(z, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(GATES[gate].cdf(at), at)
    if z:  # at 0 the Laplace density has a corner, and torch.where takes one side
        assert slope.item() == pytest.approx(GATES[gate].density(at).item(), abs=1e-12)


@settings(deadline=None)
@given(st.floats(-50, 50))
def test_a_value_and_its_mirror_differ_by_the_input(z):
    # x·P(x) − (−x)·P(−x) = x, as P(x) + P(−x) = 1
    x = torch.tensor(z, dtype=DOUBLE)
    for gate in GATES:
        assert (gated(x, 0.0, 1.0, gate) - gated(-x, 0.0, 1.0, gate)).item() == pytest.approx(z)


def test_the_derivative_is_phi_plus_x_density_with_extremes_at_root_two():
    x = torch.linspace(-4, 4, 8001, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(gelu(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    phi = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    assert (second - phi * (2 - x * x)).abs().max() < 1e-14
    assert slope.max().item() == pytest.approx(1.128904145, abs=1e-7)
    assert slope.min().item() == pytest.approx(-0.128904145, abs=1e-7)
    assert abs(x[slope.argmax()].item()) == pytest.approx(math.sqrt(2), abs=1e-3)


@pytest.mark.parametrize(
    ("gate", "at", "value"),
    [
        ("none", -0.751792, -0.169971207),
        ("tanh", -0.752461, -0.170040751),
        ("sigmoid", -0.751154, -0.163610190),
        ("logistic", -1.278465, -0.278464543),
    ],
)
def test_minima(gate, at, value):
    x, lowest = peak(lambda x: -gated(x, 0.0, 1.0, gate), -3, 0)
    assert x == pytest.approx(at, abs=2e-6)
    assert -lowest == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("form", "at", "distance"),
    [("tanh", 2.699, 4.7324e-4), ("sigmoid", 2.270, 2.0335e-2), ("logistic", 1.966, 0.19300)],
)
def test_largest_errors_of_the_approximations(form, at, distance):
    x, found = largest_error(form)
    assert x == pytest.approx(at, abs=6e-4)
    assert found == pytest.approx(distance, rel=2e-5)
    assert error(form, torch.tensor([x], dtype=DOUBLE)).abs().item() == pytest.approx(found)
    grid = torch.linspace(-12, 12, 100_001, dtype=DOUBLE)
    assert error(form, grid).abs().max().item() <= found + 1e-12
    assert (error(form, grid) - error(form, -grid)).abs().max() < 1e-14  # even


def test_root_mean_square_errors_on_normal_inputs():
    for form, want in (("tanh", 1.288e-4), ("sigmoid", 6.907e-3)):
        found = math.sqrt(normal_mean(lambda x, form=form: error(form, x) ** 2))
        assert found == pytest.approx(want, rel=1e-3)


def test_the_cubic_is_near_the_taylor_coefficient_and_the_slope_fits_the_gate():
    # log-odds of Φ: 2√(2/π)(z + (4 − π)/(6π) z³ + …), here by its third derivative at 0
    z = torch.zeros(1, dtype=DOUBLE, requires_grad=True)
    derivative = torch.logit(GATES["none"].cdf(z))
    taylor = []
    for _ in range(3):
        (derivative,) = torch.autograd.grad(derivative.sum(), z, create_graph=True)
        taylor.append(derivative.item())
    assert taylor[0] == pytest.approx(2 * math.sqrt(2 / math.pi))
    assert taylor[2] / 6 / taylor[0] == pytest.approx((4 - math.pi) / (6 * math.pi))
    assert (4 - math.pi) / (6 * math.pi) == pytest.approx(0.045540, abs=1e-6)

    def farthest(c, weight):  # of the gate (weight 1) or of the activation (weight x)
        x = torch.linspace(0, 8, 8001, dtype=DOUBLE)
        return (weight(x) * (torch.sigmoid(c * x) - GATES["none"].cdf(x))).abs().max().item()

    slopes = [1.6 + k / 1000 for k in range(301)]
    gate = min(slopes, key=lambda c: farthest(c, torch.ones_like))
    unit = min(slopes, key=lambda c: farthest(c, lambda x: x))
    assert gate == pytest.approx(1.702, abs=1.1e-3)
    assert farthest(1.702, torch.ones_like) == pytest.approx(0.0095, abs=5e-5)
    assert unit == pytest.approx(1.773, abs=1.1e-3)
    assert farthest(unit, lambda x: x) == pytest.approx(0.01393, abs=1e-5)


def test_moments_and_gains_on_normal_inputs():
    assert normal_mean(gelu) == pytest.approx(1 / (2 * math.sqrt(math.pi)), abs=1e-9)
    assert normal_mean(lambda x: gelu(x) ** 2) == pytest.approx(0.4252215, abs=1e-7)
    assert gain(gelu) == pytest.approx(1.5335304, abs=1e-7)
    assert gain(silu) == pytest.approx(1.6765325, abs=1e-7)
    assert gain(F.relu) == pytest.approx(math.sqrt(2), abs=1e-7)
    assert gain(F.elu) == pytest.approx(1.2451983, abs=1e-7)


def test_far_below_zero_the_kernel_rounds_to_zero_and_erfc_does_not():
    x = torch.tensor([-6.0])
    assert F.gelu(x).item() == gelu(x).item() == 0
    assert gelu(x, method="readable").item() == pytest.approx(-5.9195e-9, rel=1e-4)
    assert F.gelu(torch.tensor([-5.0])).item() == pytest.approx(-1.4333e-6, rel=0.05)
    assert F.gelu(torch.tensor([-5.0])).item() != pytest.approx(-1.4333e-6, rel=0.03)
    assert gelu(torch.tensor([-13.0], dtype=DOUBLE), method="by hand").item() < 0


@pytest.mark.parametrize("method", METHODS)
def test_infinity_below_gives_nan_and_nan_stays(method):
    out = gelu(torch.tensor([-math.inf, math.inf, math.nan]), method=method)
    assert out[0].isnan()
    assert out[2].isnan()
    if method in ("by hand", "readable"):  # torch's vectorized kernel makes NaN of +∞ too
        assert out[1] == math.inf


@pytest.mark.parametrize("approximate", ["none", "tanh", "sigmoid"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(approximate, method, dtype):
    x = torch.tensor([-300.0, -41.0, -2.0, 0.3, 2.0, 41.0, 300.0], dtype=dtype, requires_grad=True)
    out = gelu(x, approximate, method=method)
    assert out.dtype == dtype
    (gradient,) = torch.autograd.grad(out.sum(), x)
    wide = x.detach().double().requires_grad_()
    want = gelu(wide, approximate)
    (slope,) = torch.autograd.grad(want.sum(), wide)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), want, rtol=eps, atol=eps / 100)
    torch.testing.assert_close(gradient.double(), slope, rtol=eps, atol=eps / 100)


def test_a_cube_written_in_half_precision_has_no_gradient():
    x = torch.tensor([300.0], dtype=torch.float16, requires_grad=True)
    y = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert torch.autograd.grad(y, x)[0].isnan()


def test_mean_and_scale():
    x = normal(50)
    z = (x + 0.3) / 2
    want = x * 0.5 * torch.erfc(-z / math.sqrt(2))
    for method in METHODS:
        assert (gelu(x, mu=-0.3, sigma=2.0, method=method) - want).abs().max() < 1e-15
    assert (gelu(x, sigma=0.5) - 0.5 * gelu(x / 0.5)).abs().max() < 1e-15
    assert (CDFLinearUnit("logistic", sigma=1 / 1.7)(x) - silu(x, beta=1.7)).abs().max() < 1e-14
    assert (CDFLinearUnit("none")(x) - gelu(x)).abs().max() < 1e-15


def test_mean_and_scale_can_be_learned():
    layer = GELU(mu=torch.zeros(4), sigma=torch.ones(4), learnable=True)
    assert set(layer.state_dict()) == {"mu", "log_sigma"}
    x = normal(2000, 4, dtype=torch.float32)
    target = gelu(x, mu=torch.tensor([0.5, -0.5, 0.0, 1.0]), sigma=torch.tensor([0.5, 2, 1, 1.0]))
    opt = torch.optim.Adam(layer.parameters(), 0.05)
    for _ in range(200):
        opt.zero_grad()
        F.mse_loss(layer(x), target).backward()
        opt.step()
    assert (layer.mu - torch.tensor([0.5, -0.5, 0.0, 1.0])).abs().max() < 0.02
    assert (layer.log_sigma.exp() - torch.tensor([0.5, 2, 1, 1.0])).abs().max() < 0.05


LAYERS = {
    "gelu": GELU,
    "tanh": lambda: GELU("tanh"),
    "sigmoid": QuickGELU,
    "by hand": lambda: GELU(method="by hand"),
    "readable": lambda: GELU("tanh", method="readable"),
    "learnable": lambda: GELU(mu=0.1, sigma=1.3, learnable=True),
    "silu": SiLU,
    "slope": lambda: SiLU(beta=1.3),
    "learned slope": lambda: SiLU(learnable=True),
    "cauchy": lambda: CDFLinearUnit("cauchy"),
    "glu": lambda: GatedFeedForward(6, 10),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compile_whole_run_in_autocast_and_on_meta(name):
    layer = LAYERS[name]()
    x = torch.randn(2, 4, 6, requires_grad=True)
    y = layer(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), y)
    compiled(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.autograd.grad(layer(x).sum(), x)[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.bfloat16
    with torch.device("meta"):
        on_meta = LAYERS[name]()
    assert on_meta(torch.empty(2, 4, 6, device="meta")).shape == (2, 4, 6)


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "by hand", "readable", "silu"])
def test_layers_can_be_mapped(name):
    layer, x = LAYERS[name](), torch.randn(5, 4, 6)
    gradient = torch.func.vmap(torch.func.grad(lambda x: layer(x).sum()))(x)
    whole = x.clone().requires_grad_()
    layer(whole).sum().backward()
    torch.testing.assert_close(gradient, whole.grad)


def test_one_tensor_is_kept_for_the_gradient():
    def kept(f):
        sizes = []
        x = torch.randn(100, 100, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.numel()) or t, lambda t: t
        ):
            f(x)
        return sum(sizes) / x.numel()

    for method in ("fast", "kernel", "by hand"):
        for approximate in ("none", "tanh", "sigmoid"):
            assert kept(lambda x, a=approximate, m=method: gelu(x, a, method=m)) == 1
    assert kept(lambda x: gelu(x, method="readable")) > 1
    assert kept(lambda x: x * torch.sigmoid(1.702 * x)) > 1


def test_silu_in_place_overwrites():
    x = torch.randn(5)
    want = F.silu(x)
    assert SiLU(inplace=True)(x) is x
    torch.testing.assert_close(x, want)


def test_slopes_at_their_ends():
    x = normal(20)
    assert torch.equal(silu(x, beta=0.0), x / 2)
    assert torch.equal(silu(x, beta=math.inf), F.relu(x))


@pytest.mark.parametrize(("shape", "d_ff"), [((6,), None), ((2, 3, 6), 10)])
def test_gated_layers_keep_the_weights_of_an_ungated_one(shape, d_ff):
    layer = GatedFeedForward(6, d_ff, "geglu")
    x = torch.randn(shape)
    want = layer.down_proj(F.gelu(layer.gate_proj(x)) * layer.up_proj(x))
    assert torch.equal(layer(x), want)
    assert sum(p.numel() for p in GatedFeedForward(96).parameters()) == 8 * 96**2
    torch.testing.assert_close(glu(x, "glu"), F.glu(x))


ONES = torch.ones(2, 3)
BAD = [
    (lambda: gelu(torch.ones(2, dtype=torch.int64)), TypeError, "int64"),
    (lambda: gelu(torch.ones(2, dtype=torch.bool)), TypeError, "bool"),
    (lambda: gelu(torch.ones(2, dtype=torch.complex64)), TypeError, "complex64"),
    (lambda: gelu([1.0]), TypeError, "list"),
    (lambda: silu(1.0), TypeError, "float"),
    (lambda: gelu(ONES, "erf"), ValueError, "none, tanh, sigmoid, got 'erf'"),
    (lambda: GELU("fast"), ValueError, "none, tanh, sigmoid, got 'fast'"),
    (lambda: GELU(method="slow"), ValueError, "fast, kernel, by hand, readable, got 'slow'"),
    (lambda: gelu(ONES, sigma=0.0), ValueError, "sigma must be positive, got 0.0"),
    (lambda: GELU(sigma=-1.0), ValueError, "sigma must be positive, got -1.0"),
    (lambda: gelu(ONES, sigma=math.nan), ValueError, "got nan"),
    (lambda: gelu(ONES, sigma=torch.tensor([1.0, 0, 1])), ValueError, "smallest value is 0.0"),
    (lambda: gelu(ONES, mu=torch.ones(2)), ValueError, r"mu has shape \(2,\).*\(2, 3\)"),
    (lambda: gelu(ONES, sigma=torch.ones(1, 2, 3)), ValueError, r"sigma .*\(1, 2, 3\)"),
    (lambda: SiLU(beta=math.nan), ValueError, "beta must be a number, got NaN"),
    (lambda: silu(ONES, beta=torch.ones(2)), ValueError, r"beta has shape \(2,\)"),
    (lambda: SiLU(inplace=True, beta=2.0), ValueError, "inplace needs beta = 1, got 2.0"),
    (lambda: CDFLinearUnit("normal"), ValueError, "cdf must be one of none.*got 'normal'"),
    (lambda: by_name("gelu_10"), ValueError, "name must be one of gelu.*got 'gelu_10'"),
    (lambda: glu(ONES), ValueError, r"must be even to be halved, x is \(2, 3\)"),
    (lambda: glu(ONES, "xglu"), ValueError, "variant must be one of"),
    (lambda: GatedFeedForward(4, 0), ValueError, "d_ff must be at least 1, got 0"),
    (lambda: GatedFeedForward(4, 4, "xglu"), ValueError, "variant must be one of"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD, ids=[message for *_, message in BAD])
def test_bad_input_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_layers_say_what_they_are():
    assert "tanh" in repr(GELU("tanh"))
    assert "learnable" in repr(GELU(learnable=True))
    assert repr(SiLU(beta=2.0)) == "SiLU(beta=2.0)"


def test_a_whole_number_is_a_slope_too():
    x = normal(4, 5)
    want = F.silu(x)
    assert torch.equal(silu(x, beta=1), want)
    assert torch.equal(SiLU(inplace=True, beta=1)(x), want)
    assert torch.equal(x, want)


def test_tensors_of_mean_and_scale_go_where_the_layer_goes():
    mu, sigma = torch.linspace(-1, 1, 5), torch.linspace(0.5, 2, 5)
    for layer in (GELU(mu=mu, sigma=sigma), CDFLinearUnit("cauchy", mu, sigma)):
        assert not layer.state_dict()
        layer.double()
        assert (layer.mu.dtype, layer.sigma.dtype) == (DOUBLE, DOUBLE)
