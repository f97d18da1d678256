"""Networks, penalties, diagnostics, auto-encoders and replicates: the paper's statements."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.relu import (
    DeepRectifierNet,
    DeepRectifierNetConfig,
    DenoisingLayer,
    ReLU,
    RescaledSoftplus,
    StackedDenoisingAutoencoder,
    activation_l1,
    activation_pattern,
    corrupt,
    count_regions_2d,
    dead_units,
    expected_rating,
    linear_map,
    reconstruction_cost,
    recording,
    rescale_,
    sparsity,
)
from lessons.relu.autoencoder import STRATEGIES
from lessons.relu.claims.replicates import Replicates, batches


def make(widths=(5, 8, 7, 3), seed=0, biases=True, **config):
    net = DeepRectifierNet(
        DeepRectifierNetConfig(widths, **config), torch.Generator().manual_seed(seed)
    ).double()
    if biases:
        generator = torch.Generator().manual_seed(seed + 1)
        for name, p in net.named_parameters():
            if name.endswith("bias"):
                p.data.normal_(0, 0.3, generator=generator)
    return net


def normal(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# §3.1


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=2))
@settings(max_examples=25, deadline=None)
def test_rescaling_leaves_the_function_as_it_is(two):
    net, x = make(), normal(20, 5)
    before = net(x)
    rescale_(net, [*two, 1 / (two[0] * two[1])])
    torch.testing.assert_close(net(x), before, rtol=1e-10, atol=1e-12)


def test_rescaling_with_another_product_divides_the_output():
    net, x = make(), normal(20, 5)
    before = net(x)
    rescale_(net, (2.0, 1.0, 1.0), allow_scale=True)
    torch.testing.assert_close(net(x), before / 2, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ((1.0, 1.0), "2 numbers, the model 3 layers"),
        ((-1.0, -1.0, 1.0), "positive, got -1.0 at 0 of 3 layers"),
        ((1.0, 1.0, 0.0), "positive, got 0.0 at 2"),
        ((1.0, 1.0, 2.0), "allow_scale"),
    ],
)
def test_rescaling_says_what_it_cannot_do(alphas, message):
    net = make()
    before = [p.clone() for p in net.parameters()]
    with pytest.raises(ValueError, match=message):
        rescale_(net, alphas)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters()))


@given(st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_without_biases_the_output_scales_with_the_input(c):
    net, x = make(biases=False), normal(20, 5)
    torch.testing.assert_close(net(c * x), c * net(x), rtol=1e-10, atol=1e-12)


def test_the_network_is_the_linear_map_of_its_pattern():
    net = make((4, 6, 5, 3))
    weights = [module for module in net if isinstance(module, nn.Linear)]
    for x in normal(10, 4):
        matrix, offset = linear_map(net, x)
        # The same by hand: strike the rows of units that are off, then multiply.
        on = activation_pattern(net, x[None])[0].split([6, 5])
        by_hand, constant = torch.eye(4).double(), torch.zeros(4).double()
        for linear, mask in zip(weights, [*on, torch.ones(3, dtype=torch.bool)]):
            by_hand = mask[:, None] * (linear.weight @ by_hand)
            constant = mask * (linear.weight @ constant + linear.bias)
        torch.testing.assert_close(matrix, by_hand, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(offset, constant, rtol=1e-12, atol=1e-12)
        near = x + 1e-6 * normal(20, 4)
        same = (activation_pattern(net, near) == activation_pattern(net, x[None])).all(1)
        assert same.any()
        torch.testing.assert_close(
            net(near)[same], near[same] @ matrix.T + offset, rtol=1e-12, atol=1e-12
        )


def test_regions_of_one_layer_are_those_of_an_arrangement_of_lines():
    """n lines in general position cut the plane into 1 + n + n(n−1)/2 regions."""
    net = make((2, 3, 1), biases=False)
    linear = net[0]
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        linear.bias.copy_(torch.tensor([0.05, -0.05, -0.3]))
    assert count_regions_2d(net, -1, 1, 150) == 7


def test_half_of_the_units_are_zero_at_first():
    net = make((50, 200, 200, 200, 10), biases=False)
    share = sparsity(net, normal(200, 50).split(64))
    assert list(share) == ["1", "3", "5"]
    assert all(0.45 < value < 0.55 for value in share.values())


# Penalty, rating, diagnostics


def test_the_penalty_sums_over_units_and_layers_and_averages_over_cases():
    activations = [torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0], [5.0]])]
    assert activation_l1(activations, 0.1).item() == pytest.approx(0.1 * (4 / 2 + 8 / 2))
    with pytest.raises(ValueError, match="negative, got -1"):
        activation_l1(activations, -1)


def test_recording_gives_activations_with_their_graph_for_any_model():
    net, x = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(3, 5)
    with recording(net) as activations:
        net(x)
    activation_l1(activations.values()).backward()
    on = (net[0](x) > 0).float()
    torch.testing.assert_close(net[0].weight.grad, 0.001 * on.T @ x / 3)
    net(x)
    assert len(activations) == 1, "the hooks are gone"
    with pytest.raises(ValueError, match="no layer of ReLU"), recording(nn.Linear(2, 2)):
        pass


def test_dead_units_are_off_on_every_input():
    net = make((5, 8, 7, 3))
    with torch.no_grad():
        net[0].bias[:3] = -100.0
    assert dead_units(net, normal(60, 5).split(20))["1"] >= 3
    on = torch.relu(net[0](normal(60, 5))).amax(0) > 0
    assert dead_units(net, normal(60, 5).split(20))["1"] == int((~on).sum())


def test_a_generator_decides_the_weights_of_a_preset():
    nets = [
        DeepRectifierNet.from_preset("norb", torch.Generator().manual_seed(3), widths=(5, 4, 2))
        for _ in range(2)
    ]
    assert all(torch.equal(*pair) for pair in zip(*(net.parameters() for net in nets)))
    assert not torch.equal(nets[0][0].weight, make((5, 4, 2), seed=4)[0].weight)


def test_the_expected_rating_lies_between_one_and_five_stars():
    assert expected_rating(torch.zeros(2, 5)).tolist() == pytest.approx([3, 3])
    sure = torch.tensor([[0.0, 0, 0, 0, 50]])
    assert expected_rating(sure).item() == pytest.approx(5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(()), "two or more positive sizes"),
        (lambda: make((4, 0, 2)), "two or more positive sizes"),
        (lambda: make((4, 5, 2), signed=True), "even and positive, got 5"),
        (lambda: make((4, 6, 2))(torch.zeros(1, 3).double()), "3 features, the first layer 4"),
        (lambda: DeepRectifierNet.from_preset("imagenet"), "mnist, cifar10"),
        (lambda: corrupt(torch.ones(2), 1.5), r"within \[0, 1\], got 1.5"),
        (lambda: corrupt(torch.ones(2), 0.5, "snow"), "masking, salt-and-pepper, got 'snow'"),
        (lambda: reconstruction_cost(torch.ones(1, 1), torch.ones(1, 1), "relu"), "got 'relu'"),
        (lambda: StackedDenoisingAutoencoder((3,)), "two or more positive sizes"),
        (lambda: StackedDenoisingAutoencoder((3, 2), strategy="tanh"), "got 'tanh'"),
        (lambda: StackedDenoisingAutoencoder((3, 2), level=-0.1), "got -0.1"),
        (
            lambda: StackedDenoisingAutoencoder((3, 2), strategy="sigmoid").pretrain(
                3 * torch.ones(4, 3), 0.1
            ),
            r"scale first \(strategy 2\)",
        ),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# §3.2


def test_noise_destroys_the_asked_fraction():
    generator, x = torch.Generator().manual_seed(0), torch.full((100_000,), 0.5)
    masked = corrupt(x, 0.25, generator=generator)
    assert (masked == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    assert ((masked == 0) | (masked == 0.5)).all()
    peppered = corrupt(x, 0.25, "salt-and-pepper", generator)
    for value in (0, 1):
        share = (peppered == value).float().mean().item()
        assert share == pytest.approx(0.125, abs=0.005)


def test_the_four_strategies_cost_what_the_paper_writes():
    f, x = normal(6, 4), torch.rand(6, 4, generator=torch.Generator().manual_seed(2)).double()
    s = torch.sigmoid(f)
    written = {
        "softplus": (x - torch.log(1 + torch.exp(f))).square(),
        "sigmoid": -x * torch.log(s) - (1 - x) * torch.log(1 - s),
        "linear": (x - f).square(),
        "linear-before": (x - f).square(),
        "rectifier": (x - f.clamp(min=0)).square(),
    }
    for strategy in STRATEGIES:
        cost = reconstruction_cost(f, x, strategy)
        torch.testing.assert_close(cost, written[strategy].sum(1).mean())


def test_a_wrong_zero_teaches_a_rectifier_nothing_and_a_softplus_something():
    """§3.2's reason for not reconstructing with rectifiers."""
    f, x = torch.tensor([[-2.0]], requires_grad=True), torch.ones(1, 1)
    gradient = {
        s: torch.autograd.grad(reconstruction_cost(f, x, s), f)[0].item() for s in STRATEGIES
    }
    assert gradient["rectifier"] == 0
    assert gradient["softplus"] < -0.1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("activation", [ReLU, nn.Tanh, RescaledSoftplus])
def test_pretraining_lowers_the_cost_and_the_classifier_begins_with_the_codes(strategy, activation):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(60, 3, generator=generator) @ torch.rand(3, 12, generator=generator) / 3
    stack = StackedDenoisingAutoencoder((12, 10, 8), activation, strategy, generator=generator)
    first = stack.pretrain(x, 0.0, generator=generator)
    last = stack.pretrain(x, 0.02, epochs=15, generator=generator)
    assert last[0] < first[0]
    if activation is not nn.Tanh and strategy == "sigmoid":
        assert stack.layers[1].scale == stack(x, 1).max()
    net = stack.to_classifier(4, generator)
    torch.testing.assert_close(net[:-1](x), stack(x), rtol=1e-5, atol=1e-6)
    assert net(x).shape == (60, 4)


def test_the_layers_cost_is_that_of_its_definition():
    layer = DenoisingLayer(6, 5, generator=torch.Generator().manual_seed(0)).double()
    x, noisy = normal(7, 6), normal(7, 6, seed=8)
    code = torch.relu(noisy @ layer.encoder.weight.T + layer.encoder.bias)
    f = code @ layer.decoder.weight.T + layer.decoder.bias
    want = (x - torch.log(1 + f.exp())).square().sum(1).mean() + 0.1 * code.sum(1).mean()
    torch.testing.assert_close(layer(x, noisy, l1=0.1), want)


# The replicates of the experiments


UNITS = {
    "rectifier": {},
    "signed": {"signed": True},
    "tanh": {"activation": nn.Tanh},
    "softplus": {"activation": lambda: RescaledSoftplus(2.0)},
}


@pytest.mark.parametrize("name", UNITS)
def test_replicates_step_as_autograd_and_sgd_do(name):
    nets = [make((5, 8, 6, 3), seed, **UNITS[name]) for seed in range(3)]
    x, y = normal(3, 7, 5), torch.arange(21).view(3, 7) % 3
    lr, l1 = torch.tensor([0.1, 0.2, 0.3]).double(), torch.tensor([0.0, 0.01, 0.1]).double()
    replicates = Replicates(nets)
    for _ in range(2):
        replicates.step(x, y, lr, l1)
    for r, net in enumerate(nets):
        kind = type(net[1])
        for _ in range(2):
            with recording(net, (kind,)) as activations:
                loss = F.cross_entropy(net(x[r]), y[r])
            loss = loss + activation_l1(activations.values(), l1[r].item())
            gradients = torch.autograd.grad(loss, list(net.parameters()))
            with torch.no_grad():
                for p, gradient in zip(net.parameters(), gradients):
                    p -= lr[r] * gradient
        for a, b in zip(replicates.net(r).parameters(), net.parameters()):
            torch.testing.assert_close(a.double(), b, rtol=1e-6, atol=1e-7)


def test_batches_go_through_everything_in_the_order_of_their_seed():
    indices = batches(12, 4, 6, [0, 1])
    assert indices.shape == (6, 2, 4)
    for seed in range(2):
        for epoch in indices[:, seed].reshape(2, 12):
            assert sorted(epoch.tolist()) == list(range(12))
    assert torch.equal(batches(12, 4, 6, [1])[:, 0], indices[:, 1])
    assert not torch.equal(indices[:, 0], indices[:, 1])


def test_depth_halves_a_rectifiers_mean_square_with_weights_of_variance_one_over_n():
    """The expectation behind C4, checked on one wide layer."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 1000, generator=generator)
    weight = torch.randn(1000, 1000, generator=generator) / math.sqrt(1000)
    ratio = (torch.relu(x @ weight).square().mean() / x.square().mean()).item()
    assert ratio == pytest.approx(0.5, rel=0.02)


def test_the_net_of_the_drawing_has_twenty_pieces():
    """On a grid 19 of them show; the smallest, of area 1e-6, in a window of its own."""
    generator = torch.Generator().manual_seed(4)
    net = DeepRectifierNet(DeepRectifierNetConfig((2, 5, 5, 1)), generator)
    for p in net.parameters():
        if p.dim() == 1:
            p.data.normal_(0, 0.35, generator=generator)
    net = net.double()
    assert count_regions_2d(net, -1, 1, 400) == 19
    axis = torch.linspace(-1, 1, 400, dtype=torch.float64)
    x, y = (
        torch.linspace(*ends, 100, dtype=torch.float64)
        for ends in ((-0.536, -0.531), (0.419, 0.425))
    )
    points = torch.cat([torch.cartesian_prod(axis, axis), torch.cartesian_prod(x, y)])
    patterns = activation_pattern(net, points).unique(dim=0)
    assert len(patterns) == 20
    for on in ((1, 0, 0, 1, 1, 0, 0, 1, 1, 1), (0, 1, 1, 0, 0, 0, 1, 0, 1, 1)):  # at A, at B
        assert (patterns == torch.tensor(on).bool()).all(1).any()
