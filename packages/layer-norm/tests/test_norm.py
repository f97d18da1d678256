"""Layer norm and its later relatives: equations, gradients, where they run, bad input."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.layer_norm import (
    AdaptiveLayerNorm,
    GroupNorm,
    LayerNorm,
    LayerNorm2d,
    LayerNormFunction,
    PostNorm,
    PreNorm,
    RMSNorm,
    RMSNormFunction,
    effective_lr,
    fold_affine_,
    layer_norm,
    layer_norm_reference,
    rms_norm,
    rms_norm_reference,
)

SHAPES = [((5, 7), (7,)), ((7,), (7,)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 4))]
SHAPES += [((3, 2, 2), (3, 2, 2))]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def always_ours(monkeypatch):
    """Take RMSNorm's fast path for small tensors, too."""
    monkeypatch.setattr("lessons.layer_norm.rms.MANY", 0)


def affine(shape):
    return 1 + 0.3 * normal(*shape, seed=1), normal(*shape, seed=2)


@pytest.mark.usefixtures("always_ours")
@pytest.mark.parametrize(("size", "shape"), SHAPES)
def test_the_specification_the_function_and_the_kernel_agree(size, shape):
    x, (weight, bias) = 3 * normal(*size) + 5, affine(shape)
    want = layer_norm_reference(x, shape, weight, bias)
    for got in (LayerNormFunction.apply(x, weight, bias, 1e-5), layer_norm(x, shape, weight, bias)):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(
            rms_norm(x, shape, weight), rms_norm_reference(x, shape, weight), rtol=0, atol=1e-12
        )
    torch.testing.assert_close(
        rms_norm(x, shape, weight), rms_norm_reference(x, shape, weight), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("size", "shape"), SHAPES)
def test_the_gradient_by_hand_is_right_and_can_be_differentiated_again(size, shape):
    inputs = [t.requires_grad_() for t in (normal(*size), *affine(shape))]
    for function in (LayerNormFunction.apply, lambda *a: layer_norm(a[0], shape, *a[1:])):
        assert torch.autograd.gradcheck(lambda *a, f=function: f(*a, 1e-5), inputs)
        assert torch.autograd.gradgradcheck(lambda *a, f=function: f(*a, 1e-5), inputs)


@pytest.mark.parametrize("size", [(5, 7), (7,), (2, 3, 7)])
@pytest.mark.usefixtures("always_ours")
def test_rms_norms_fast_gradient_is_right_and_can_be_differentiated_again(size):
    inputs = [t.requires_grad_() for t in (normal(*size), affine((7,))[0])]
    assert "RMSNormFunction" in rms_norm(inputs[0], (7,), inputs[1]).grad_fn.name()
    assert torch.autograd.gradcheck(lambda x, w: RMSNormFunction.apply(x, w, 1e-5)[0], inputs)
    assert torch.autograd.gradgradcheck(lambda x, w: rms_norm(x, (7,), w, 1e-5), inputs)
    x, weight = inputs
    dy = normal(*size, seed=3)
    want = torch.autograd.grad(rms_norm_reference(x, (7,), weight, 1e-5), inputs, dy)
    got = torch.autograd.grad(rms_norm(x, (7,), weight, 1e-5), inputs, dy)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_the_gradient_neither_shifts_nor_stretches():
    # What the formula takes out: with unit gains dx is orthogonal to 1 and to x̂.
    x = normal(6, 9).requires_grad_()
    y = layer_norm(x, (9,), eps=0.0)
    (dx,) = torch.autograd.grad(y, x, normal(6, 9, seed=1))
    assert dx.sum(1).abs().max() < 1e-13
    assert (dx * y.detach()).sum(1).abs().max() < 1e-12


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(-50, 50), st.floats(0.1, 50), st.integers(0, 9))
def test_outputs_have_mean_0_and_variance_1_whatever_the_input(width, mean, spread, seed):
    y = layer_norm(mean + spread * normal(3, width, seed=seed), (width,), eps=0.0)
    torch.testing.assert_close(y.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(y.square().mean(1), torch.ones(3).double(), rtol=0, atol=1e-9)


def test_outputs_lie_on_a_sphere_of_radius_root_h():
    x, eps = normal(4, 16), 0.1
    variance = x.var(1, correction=0)
    want = (16 * variance / (variance + eps)).sqrt()
    torch.testing.assert_close(layer_norm(x, (16,), eps=eps).norm(dim=1), want)


def test_two_units_become_plus_and_minus_one_and_one_unit_its_bias():
    y = layer_norm(torch.tensor([[1.0, 5.0], [7.0, 3.0]]).double(), (2,))
    torch.testing.assert_close(
        y, torch.tensor([[-0.99999875, 0.99999875], [0.99999875, -0.99999875]]).double(),
        rtol=0, atol=1e-8,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="constant"):
        norm = LayerNorm(1)
    assert norm(torch.tensor([[3.0], [8.0]])).tolist() == [[0.0], [0.0]]


def test_the_variance_is_the_biased_one():
    x = normal(3, 512)
    unbiased = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
    assert torch.allclose(layer_norm(x, (512,), eps=0.0) * (511 / 512) ** 0.5, unbiased)
    assert round((511 / 512) ** 0.5, 5) == 0.99902


def test_one_pass_variance_fails_where_two_passes_do_not():
    # E[x²] − E[x]² in float32 at a mean of a thousand standard deviations, and of ten thousand.
    one_pass, two_pass = [], []
    for mean in (1e3, 1e4):
        x = mean + normal(64, 512)
        want = layer_norm(x, (512,))
        x = x.float()
        variance = x.square().mean(1, keepdim=True) - x.mean(1, keepdim=True).square()
        naive = (x - x.mean(1, keepdim=True)) / (variance.abs() + 1e-5).sqrt()
        one_pass.append((naive - want).abs().max().item())
        two_pass.append((layer_norm(x, (512,)) - want).abs().max().item())
        reference = layer_norm_reference(x, (512,))
        assert (reference - want).abs().max() < 1e-2
    assert one_pass[0] > 0.1
    assert one_pass[1] > 1
    assert max(two_pass) < 1e-2


def test_epsilon_breaks_scale_invariance_for_tiny_activations():
    x = normal(4, 64)
    norms = [layer_norm(scale * x, (64,)).norm(dim=1).mean().item() / 8 for scale in (1, 1e-3)]
    assert norms[0] > 0.9999
    assert norms[1] < 0.4  # a variance of 1e-6 is less than ε


@pytest.mark.parametrize("make", [LayerNorm, RMSNorm])
def test_trains_and_evaluates_alike_compiles_and_lives_on_meta(make):
    norm = make(8)
    x = normal(4, 8, dtype=torch.float32).requires_grad_()
    assert torch.equal(norm.train()(x), norm.eval()(x))
    compiled = torch.compile(norm, fullgraph=True, backend="aot_eager")
    want = torch.autograd.grad(norm(x).square().sum() + norm(x)[:, 0].sum(), x)
    got = torch.autograd.grad(compiled(x).square().sum() + compiled(x)[:, 0].sum(), x)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(compiled(x), norm(x))
    with torch.device("meta"):
        assert make((3, 4))(torch.empty(2, 3, 4)).shape == (2, 3, 4)


def test_rms_norm_of_many_numbers_compiles_whole():
    # The gradient by hand, which has forward derivatives too, is not the compiler's way.
    x, weight = normal(1 << 10, 64).requires_grad_(), normal(64, seed=1)
    compiled = torch.compile(rms_norm, fullgraph=True, backend="aot_eager")
    got, want = (f(x, (64,), weight) for f in (compiled, rms_norm))
    assert "RMSNormFunction" in want.grad_fn.name()
    torch.testing.assert_close(got, want)
    slopes = [torch.autograd.grad(y.square().sum(), x)[0] for y in (got, want)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("make", [LayerNorm, RMSNorm])
def test_statistics_are_single_precision_under_autocast(make):
    x = 100 + normal(4, 512, dtype=torch.float32)
    linear = nn.Linear(512, 512, bias=False)
    linear.weight.data = torch.eye(512)
    norm = make(512)
    with torch.autocast("cpu", torch.bfloat16):
        h = linear(x)
        y = norm(h)
    assert h.dtype == torch.bfloat16
    want = norm(h.double().float())  # of the same rounded inputs, with wide statistics
    assert (y.float() - want).abs().max() < 0.02
    if make is LayerNorm:
        assert (layer_norm_reference(h, (512,)).float() - want).abs().max() < 0.02


@pytest.mark.usefixtures("always_ours")
def test_vmap_and_grad_go_through_rms_norm():
    x, weight = normal(3, 5, 7), affine((7,))[0].expand(3, 7).clone()

    def loss(x, weight, norm):
        return norm(x, (7,), weight, 1e-5).pow(3).sum()

    for argnum in (0, 1):
        gradient = torch.func.vmap(torch.func.grad(loss, argnum), (0, 0, None))
        torch.testing.assert_close(
            gradient(x, weight, rms_norm), gradient(x, weight, rms_norm_reference)
        )


def test_layer_norm_2d_is_per_pixel_and_the_whole_image_is_another_thing():
    x = normal(2, 3, 4, 4, dtype=torch.float32)
    y = LayerNorm2d(3)(x)
    assert y.mean(1).abs().max() < 1e-6
    assert y.mean((1, 2, 3)).abs().max() < 1e-6
    whole = LayerNorm((3, 4, 4))(x)
    assert whole.mean((1, 2, 3)).abs().max() < 1e-6
    assert whole.mean(1).abs().max() > 0.1
    # The trap: channels last in the mind, first in memory, and a width that happens to be equal.
    silent = LayerNorm(4)(x)
    assert silent.mean(3).abs().max() < 1e-6
    assert LayerNorm2d(3)(x[0]).shape == (3, 4, 4)


def test_a_constant_bias_is_cancelled_and_any_other_is_not():
    x, shift = normal(4, 8), normal(8, seed=1)
    torch.testing.assert_close(layer_norm(x + 3, (8,)), layer_norm(x, (8,)))
    assert (layer_norm(x + shift, (8,)) - layer_norm(x, (8,))).abs().max() > 0.1
    over_cases = (x + shift - (x + shift).mean(0)) / (x + shift).std(0)  # batch norm: any is
    torch.testing.assert_close(over_cases, (x - x.mean(0)) / x.std(0))


def test_tensorflows_names_load_and_both_are_refused():
    outer = nn.Sequential(nn.Linear(3, 3), LayerNorm(3))
    state = outer.state_dict()
    old = {
        k.replace("1.weight", "1.gamma").replace("1.bias", "1.beta"): v for k, v in state.items()
    }
    old["1.gamma"], old["1.beta"] = torch.full((3,), 2.0), torch.full((3,), 5.0)
    outer.load_state_dict(old)
    assert outer[1].weight.tolist() == [2, 2, 2]
    assert outer[1].bias.tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match=r"1\.gamma and 1\.weight"):
        outer.load_state_dict(old | state)


@pytest.mark.parametrize("bias", [True, False])
def test_folding_moves_gain_and_bias_and_changes_nothing(bias):
    norm, linear = LayerNorm(6).double(), nn.Linear(6, 4, bias=bias).double()
    norm.weight.data, norm.bias.data = affine((6,))
    x = normal(5, 6)
    want = linear(norm(x)).detach()
    fold_affine_(norm, linear)
    torch.testing.assert_close(linear(norm(x)), want, rtol=0, atol=1e-12)
    assert list(norm.parameters()) == []
    with pytest.raises(ValueError, match="reads 4"):
        fold_affine_(LayerNorm(6), nn.Linear(4, 4))


@pytest.mark.parametrize("norm", [RMSNorm(6), RMSNorm(6, offset=1), LayerNorm(6), nn.LayerNorm(6)])
@pytest.mark.parametrize("types", [(torch.float64, torch.bfloat16), (torch.float32, torch.float32)])
def test_folding_keeps_types_what_is_frozen_and_what_shares_the_weight(norm, types):
    norm, linear = copy.deepcopy(norm).to(types[0]), nn.Linear(6, 4).to(types[1])
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    linear.bias.requires_grad_(False)
    embedding = linear.weight  # as in a language model
    before, x = embedding.detach().clone(), normal(5, 6, dtype=types[0])
    want = linear(norm(x).to(types[1])).detach()
    fold_affine_(norm, linear)
    near = 0.05 if torch.bfloat16 in types else 1e-5
    torch.testing.assert_close(linear(norm(x).to(types[1])).detach(), want, rtol=near, atol=near)
    assert list(norm.parameters()) == []
    assert torch.equal(embedding, before)
    assert (linear.weight.requires_grad, linear.bias.requires_grad) == (True, False)


def test_gemmas_rms_norm_counts_its_gain_from_one():
    plain, offset = RMSNorm(8), RMSNorm(8, offset=1)
    assert offset.weight.tolist() == [0] * 8
    x = normal(3, 8, dtype=torch.float32)
    assert torch.equal(plain(x), offset(x))
    offset.weight.data += 0.5
    torch.testing.assert_close(offset(x), 1.5 * plain(x))


def test_pre_norm_passes_its_input_on_and_post_norm_does_not():
    x = 10 * normal(4, 8, dtype=torch.float32)
    nothing = nn.Linear(8, 8)
    nn.init.zeros_(nothing.weight)
    nn.init.zeros_(nothing.bias)
    assert torch.equal(PreNorm(LayerNorm(8), nothing)(x), x)
    assert torch.equal(PostNorm(LayerNorm(8), nothing)(x), LayerNorm(8)(x))
    branch = nn.Linear(8, 8)
    torch.testing.assert_close(PreNorm(LayerNorm(8), branch)(x), x + branch(LayerNorm(8)(x)))


def test_adaptive_layer_norm_begins_plain_and_follows_its_condition():
    norm, x, condition = AdaptiveLayerNorm(8, 3), normal(4, 8).float(), normal(4, 3).float()
    assert torch.equal(norm(x, condition), layer_norm(x, (8,)))
    norm.affine.weight.data.normal_()
    scale, shift = norm.affine(condition).chunk(2, dim=1)
    torch.testing.assert_close(norm(x, condition), layer_norm(x, (8,)) * (1 + scale) + shift)


def test_effective_rate_falls_with_the_square_of_the_norm():
    linear = nn.Linear(4, 4)
    before = effective_lr(linear, 0.1)
    linear.weight.data *= 2
    assert effective_lr(linear, 0.1) == pytest.approx(before / 4)
    linear.weight.data /= linear.weight.norm()
    assert effective_lr(linear, 0.1) == pytest.approx(0.1)


def test_the_papers_feed_forward_net_has_as_many_weights_as_it_should():
    with torch.device("meta"):
        sizes = [(784, 1000), (1000, 1000), (1000, 10)]
        plain = nn.Sequential(*(nn.Linear(*size) for size in sizes))
        norms = [LayerNorm(1000, bias=False) for _ in range(2)]  # b is the linear layer's place
    count = sum(p.numel() for p in plain.parameters())
    assert count == 1_796_010
    assert count + sum(norm.weight.numel() for norm in norms) == 1_798_010


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: LayerNorm(8)(torch.ones(2, 7)), ValueError, r"\(8,\).*\(2, 7\)"),
        (lambda: LayerNorm((3, 8))(torch.ones(8)), ValueError, r"\(3, 8\).*\(8,\)"),
        (lambda: LayerNorm(()), ValueError, "normalized_shape"),
        (lambda: LayerNorm((3, 0)), ValueError, "normalized_shape"),
        (lambda: layer_norm(torch.ones(3), ()), ValueError, "normalized_shape"),
        (lambda: LayerNorm(8)(torch.ones(2, 8, dtype=torch.int64)), TypeError, "int64"),
        (lambda: LayerNorm(8, eps=-1e-5), ValueError, "eps"),
        (lambda: LayerNorm(8, eps=float("nan")), ValueError, "eps"),
        (lambda: layer_norm(torch.ones(3), (3,), eps=-1), ValueError, "eps"),
        (lambda: layer_norm(torch.ones(3), (3,), torch.ones(2)), ValueError, "weight"),
        (lambda: layer_norm(torch.ones(3), (3,), None, torch.ones(2)), ValueError, "bias"),
        (lambda: rms_norm(torch.ones(3), (3,), torch.ones(2)), ValueError, "weight"),
        (lambda: rms_norm(torch.ones(3), (2,)), ValueError, "normalized_shape"),
        (lambda: RMSNorm(3)(torch.ones(3, dtype=torch.int32)), TypeError, "int32"),
        (lambda: RMSNorm(3, eps=-1), ValueError, "eps"),
        (lambda: rms_norm(torch.ones(3), (3,), eps=float("nan")), ValueError, "eps"),
        (lambda: GroupNorm(3, 8), ValueError, "divisible"),
        (lambda: GroupNorm(2, 8)(torch.ones(2, 4)), ValueError, r"\(B, 8"),
        (lambda: LayerNorm2d(3)(torch.ones(2, 3)), ValueError, r"\(B, C, H, W\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_group_norm_may_have_no_bias():
    norm, oracle = GroupNorm(2, 4, bias=False), nn.GroupNorm(2, 4, bias=False)
    assert norm.state_dict().keys() == oracle.state_dict().keys() == {"weight"}
    x = torch.randn(3, 4, 5)
    torch.testing.assert_close(norm(x), oracle(x))
