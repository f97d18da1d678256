"""The stochastic zero-or-identity map, and the networks."""

import pytest
import torch
from torch import nn

from lessons.gelu import (
    GELU,
    StochasticZeroIdentity,
    autoencoder,
    cifar_net,
    fully_connected,
    gelu,
    mnist_classifier,
    unit_norm_rows_,
    zero_or_identity,
)


def test_each_input_is_kept_whole_or_dropped():
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    y = zero_or_identity(x, torch.Generator().manual_seed(1))
    assert ((y == x) | (y == 0)).all()
    assert 0.4 < (y == x).float().mean() < 0.6


def test_the_mean_is_the_gelu_and_the_variance_that_of_a_bernoulli_mask():
    n = 100_000
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    y = zero_or_identity(x.expand(n, -1), torch.Generator().manual_seed(0))
    chance = torch.special.ndtr(x)
    variance = x**2 * chance * (1 - chance)
    assert ((y.mean(0) - gelu(x)).abs() <= 5 * (variance / n).sqrt()).all()
    torch.testing.assert_close(y.var(0), variance, rtol=0.1, atol=1e-4)


def test_the_mask_is_a_constant_to_the_gradient():
    x = torch.randn(1000, requires_grad=True)
    y = zero_or_identity(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, (y != 0).float())


def test_straight_through_the_gradient_is_the_gelus_in_the_mean():
    n = 50_000
    x = torch.linspace(-2, 2, 5, dtype=torch.float64).requires_grad_()
    y = zero_or_identity(x.expand(n, -1), torch.Generator().manual_seed(0), straight_through=True)
    (gradient,) = torch.autograd.grad(y.mean(0).sum(), x)
    (want,) = torch.autograd.grad(gelu(x).sum(), x)
    assert (gradient - want).abs().max() < 5 * 0.5 / n**0.5
    kept = zero_or_identity(x, torch.Generator().manual_seed(3))
    again = zero_or_identity(x, torch.Generator().manual_seed(3), straight_through=True)
    assert torch.equal(kept, again)


def test_the_layer_draws_in_training_and_is_a_gelu_in_evaluation():
    layer, x = StochasticZeroIdentity(torch.Generator().manual_seed(0)), torch.randn(3, 50)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    assert torch.equal(layer.eval()(x), gelu(x))
    again = StochasticZeroIdentity(torch.Generator().manual_seed(0))
    assert torch.equal(again(x), first)
    assert not layer.state_dict()


def test_for_a_drawn_mask_the_network_is_linear():
    net = nn.Sequential(nn.Linear(4, 8), StochasticZeroIdentity(), nn.Linear(8, 2))
    x = torch.randn(4)

    def f(x):
        torch.manual_seed(1)  # the same rivals; near x the same units beat them
        return net(x)

    matrix = torch.autograd.functional.jacobian(f, x)
    step = 1e-4 * torch.randn(4)
    torch.testing.assert_close(f(x + step) - f(x), matrix @ step, rtol=1e-2, atol=1e-6)


def test_the_map_compiles_whole_runs_in_autocast_and_on_meta():
    layer, x = StochasticZeroIdentity(), torch.randn(100)
    y = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    assert ((y == x) | (y == 0)).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.bfloat16
    assert layer(x.to("meta")).is_meta


def test_a_generator_elsewhere_is_named():
    with pytest.raises(ValueError, match="generator is on cpu, and x on meta"):
        zero_or_identity(torch.empty(2, device="meta"), torch.Generator())


def test_sizes_of_the_papers_networks():
    def count(net, kind=object):
        return sum(p.numel() for m in net.modules() if isinstance(m, kind)
                   for p in m.parameters(recurse=False))  # fmt: skip

    with torch.device("meta"):
        assert count(mnist_classifier()) == 217_354
        assert count(autoencoder()) == 2_837_314
        net = cifar_net()
    assert count(net, nn.Conv2d) == 1_403_424
    assert count(net, nn.Linear) == 1_930
    assert count(net, nn.BatchNorm2d) == 2_880
    assert sum(isinstance(m, GELU) for m in net) == 9
    assert net(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


def test_rows_of_norm_one_and_no_bias():
    for layer in mnist_classifier(nn.ReLU, keep=0.5):
        if isinstance(layer, nn.Linear):
            torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(layer.out_features))
            assert not layer.bias.any()
    kernel = unit_norm_rows_(torch.empty(4, 3, 3, 3))
    torch.testing.assert_close(kernel.flatten(1).norm(dim=1), torch.ones(4))


def test_noise_in_training_only():
    net = cifar_net()
    x = torch.randn(2, 3, 32, 32)
    noise = net[0](x) - x
    assert noise.std() == pytest.approx(0.15, abs=0.01)
    net.eval()
    assert torch.equal(net(x), net(x))


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match=r"got \[3\]"):
        fully_connected([3])
    with pytest.raises(ValueError, match=r"keep must be in \(0, 1\], got 0"):
        fully_connected([3, 2], keep=0)
