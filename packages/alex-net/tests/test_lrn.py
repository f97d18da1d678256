"""Local response normalization: the formula of §3.3, its gradient, and what it does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.alex_net import LocalResponseNorm, local_response_norm_reference


def activities(*shape, seed=0, dtype=torch.float64, scale=30):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=generator, dtype=dtype).relu()


def test_the_formula_on_three_maps_by_hand():
    x = torch.tensor([3.0, 4.0, 12.0]).view(1, 3, 1, 1)
    norm = LocalResponseNorm(n=3, k=1, alpha=0.5, beta=1)
    expected = [3 / (1 + 12.5), 4 / (1 + 84.5), 12 / (1 + 80)]
    assert torch.allclose(norm(x).flatten(), torch.tensor(expected))


@settings(max_examples=25, deadline=None)
@given(
    maps=st.integers(1, 9),
    n=st.sampled_from([1, 3, 5, 7, 11]),
    beta=st.sampled_from([0.5, 0.75, 1.0]),
    channels_last=st.booleans(),
)
def test_both_fast_paths_are_the_formula(maps, n, beta, channels_last):
    x = activities(2, maps, 3, 4)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    expected = local_response_norm_reference(x, n, 1.5, 0.01, beta)
    norm = LocalResponseNorm(n, 1.5, 0.01, beta)
    assert torch.allclose(norm(x), expected, rtol=1e-12)  # no gradient is needed
    assert torch.allclose(norm(x.requires_grad_()), expected, rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("n", "beta"), [(5, 0.75), (3, 0.4)])
def test_the_gradient_by_hand_is_that_of_finite_differences(groups, n, beta):
    x = activities(2, 8, 2, 3, scale=1).add(0.1).requires_grad_()
    norm = LocalResponseNorm(n, 2.0, 0.2, beta, groups)
    assert torch.autograd.gradcheck(norm, (x,))


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_gradients_and_forward_ones_are_right(groups):
    x = activities(2, 8, 2, 3, scale=1).add(0.1).requires_grad_()
    norm = LocalResponseNorm(5, 2.0, 0.2, 0.75, groups)
    assert torch.autograd.gradgradcheck(norm, (x,))
    (first,) = torch.autograd.grad(norm(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)  # what comes to `first` is constant
    plain = torch.func.grad(lambda x: torch.func.grad(lambda x: norm(x).sum())(x).square().sum())
    assert torch.allclose(second, plain(x.detach()), rtol=1e-9)
    assert torch.autograd.gradcheck(norm, (x,), check_forward_ad=True, check_backward_ad=False)


def test_it_is_mapped_exported_and_traced():
    norm, x = LocalResponseNorm(groups=2), activities(5, 8, 3, 3)
    each = torch.vmap(torch.func.grad(lambda x: norm(x[None]).square().sum()))(x)
    leaf = x.clone().requires_grad_()
    (whole,) = torch.autograd.grad(norm(leaf).square().sum(), leaf)
    assert torch.allclose(each, whole, rtol=1e-9)
    dynamic = ({0: torch.export.Dim("batch", min=2, max=10_000)},)
    program = torch.export.export(norm, (x[:3],), dynamic_shapes=dynamic, strict=False)
    many = activities(1000, 8, 3, 3)  # more than are normalized at a time
    assert torch.allclose(program.module()(many), norm(many))
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(norm, torch.nn.Flatten()))
    assert torch.equal(traced(x), norm(x).flatten(1))


def test_the_gradient_by_hand_is_that_of_the_formula():
    x = activities(2, 12, 3, 3).requires_grad_()
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    (ours,) = torch.autograd.grad((LocalResponseNorm()(x) * weights).sum(), x)
    (theirs,) = torch.autograd.grad((local_response_norm_reference(x) * weights).sum(), x)
    assert torch.allclose(ours, theirs, rtol=1e-12)


def test_windows_do_not_reach_into_another_group():
    x = activities(2, 12, 3, 3)
    both = LocalResponseNorm(groups=2)(x)
    halves = [local_response_norm_reference(half) for half in x.chunk(2, 1)]
    assert torch.allclose(both, torch.cat(halves, 1))
    whole = LocalResponseNorm()(x)
    differ = (both != whole).any(3).any(2).any(0)
    assert differ.nonzero().flatten().tolist() == [4, 5, 6, 7]  # two maps on each side of the cut


def test_a_large_activity_makes_its_neighbours_smaller_and_no_others():
    x = torch.ones(1, 9, 1, 1)
    before = LocalResponseNorm(alpha=0.1)(x)
    x[0, 4] = 10
    after = LocalResponseNorm(alpha=0.1)(x)
    smaller = (after < before).flatten()
    assert smaller.tolist() == [False, False, True, True, False, True, True, False, False]


def test_the_input_is_overwritten_only_where_that_was_asked_for_and_needs_no_gradient():
    for inplace, gradient, overwritten in (
        (False, False, False),
        (True, False, True),
        (True, True, False),
    ):
        x = activities(2, 6, 2, 2)
        before = x.clone()
        x.requires_grad_(gradient)
        LocalResponseNorm(alpha=0.1, inplace=inplace)(x)
        assert (not torch.equal(x, before)) == overwritten


def test_half_precision_is_computed_in_single():
    x = activities(2, 6, 3, 3, dtype=torch.float32)
    y = LocalResponseNorm()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, local_response_norm_reference(x.bfloat16().float()).bfloat16())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 4}, "n must be an odd number of maps, at least 1, got 4"),
        ({"n": -1}, "n must be an odd number of maps, at least 1, got -1"),
        ({"k": 0}, "k must be positive, got 0"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
    ],
)
def test_bad_constants_are_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        LocalResponseNorm(**arguments)


@pytest.mark.parametrize("shape", [(2, 5, 3, 3), (4, 3, 3)])
def test_bad_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"C divisible by groups \(2\), got \("):
        LocalResponseNorm(groups=2)(torch.zeros(shape))
