"""Equality with torch.nn and with scikit-learn's network."""

import itertools
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lessons.relu import (
    PRESETS,
    DeepRectifierNet,
    DeepRectifierNetConfig,
    LeakyReLU,
    PReLU,
    ReLU,
    RescaledSoftplus,
    glorot_uniform_,
    he_init_,
    relu6,
    softplus,
)
from lessons.relu.rectifier import METHODS

PAIRS = [
    (ReLU(), nn.ReLU(), 0.0),
    (ReLU(method="readable"), nn.ReLU(), 0.0),
    (ReLU(method="bitmask"), nn.ReLU(), 0.0),
    (RescaledSoftplus(), nn.Softplus(threshold=50), 1e-12),
    (RescaledSoftplus(6.0), nn.Softplus(6.0, threshold=50), 1e-12),
    (RescaledSoftplus(6.0, method="readable"), nn.Softplus(6.0, threshold=50), 1e-12),
    (LeakyReLU(0.3), nn.LeakyReLU(0.3), 0.0),
    (LeakyReLU(0.3, method="readable"), nn.LeakyReLU(0.3), 1e-15),
    (PReLU(5, 0.1), nn.PReLU(5, 0.1), 0.0),
    (PReLU(5, 0.1, method="readable"), nn.PReLU(5, 0.1), 1e-12),
]


def same(a, b, tolerance):
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 5, 7), (2, 5, 3, 4), (0, 5)])
@pytest.mark.parametrize(("ours", "theirs", "tolerance"), PAIRS)
def test_layers_equal_torchs_in_value_gradient_and_state(ours, theirs, tolerance, shape):
    if len(shape) == 1 and isinstance(ours, PReLU):
        shape = (3, 5)
    ours, theirs = ours.double(), theirs.double()
    theirs.load_state_dict(ours.state_dict())
    generator = torch.Generator().manual_seed(0)
    x = 4 * torch.randn(shape, generator=generator, dtype=torch.float64)
    x = torch.where(torch.rand(x.shape, generator=generator) < 0.1, 0, x)  # some exact zeros
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    results = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        wanted = [leaf, *layer.parameters()]
        results.append((y, *torch.autograd.grad((y * weight).sum(), wanted)))
    for a, b in zip(*results):
        same(a, b, tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("method", METHODS)
def test_relu_equals_torchs_in_every_precision(method, dtype):
    x = torch.randn(1001).to(dtype)
    y = ReLU(method=method)(x)
    assert y.dtype == dtype
    assert torch.equal(y, F.relu(x))


def test_torchs_softplus_is_off_by_2e_9_where_it_stops_computing():
    x = torch.tensor([20.0 + 1e-9], dtype=torch.float64)
    assert 2.0e-9 < (softplus(x) - F.softplus(x)).item() < 2.1e-9
    assert torch.equal(softplus(x.float()), F.softplus(x.float()))


def test_relu6_equals_torchs():
    x = torch.linspace(-10, 10, 41)
    assert torch.equal(relu6(x), F.relu6(x))


@pytest.mark.parametrize("shape", [(30, 20), (8, 4, 3, 5)])
def test_initial_weights_equal_torchs(shape):
    for ours, theirs in (
        (glorot_uniform_, nn.init.xavier_uniform_),
        (he_init_, lambda w, generator: nn.init.kaiming_normal_(w, generator=generator)),
        (
            lambda w, generator: he_init_(w, 0.25, generator),
            lambda w, generator: nn.init.kaiming_normal_(w, 0.25, generator=generator),
        ),
    ):
        a, b = (
            f(torch.empty(shape).double(), generator=torch.Generator().manual_seed(3))
            for f in (ours, theirs)
        )
        torch.testing.assert_close(a, b, rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match="two or more axes"):
        he_init_(torch.empty(3))


@pytest.mark.parametrize("method", METHODS)
def test_a_network_equals_the_sequential_of_torchs_layers_strictly(method):
    config = DeepRectifierNetConfig((12, 9, 8, 4), lambda: ReLU(method=method))
    ours = DeepRectifierNet(config, torch.Generator().manual_seed(0))
    theirs = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 4))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x, y = torch.randn(7, 12), torch.arange(7) % 4
    assert torch.equal(ours(x), theirs(x))
    for net in (ours, theirs):
        F.cross_entropy(net(x), y).backward()
    for a, b in zip(ours.parameters(), theirs.parameters()):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mnist", 2_797_010),
        ("cifar10", 5_085_010),
        ("nistp", 3_089_062),
        ("norb", 16_210_006),
        ("opentable", 75_040_005),
    ],
)
def test_the_papers_networks_have_as_many_parameters_as_their_sizes_say(name, parameters):
    with torch.device("meta"):
        net = DeepRectifierNet.from_preset(name)
    widths = PRESETS[name].widths
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert parameters == sum((n + 1) * m for n, m in itertools.pairwise(widths))


def test_a_network_equals_scikit_learns():
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), np.arange(40) % 3
    theirs = MLPClassifier((7, 5), activation="relu", solver="sgd", max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three steps do not converge
        theirs.fit(x, y)
    ours = DeepRectifierNet(DeepRectifierNetConfig((6, 7, 5, 3))).double()
    linears = [module for module in ours if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for linear, weight, bias in zip(linears, theirs.coefs_, theirs.intercepts_):
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        probabilities = ours(torch.from_numpy(x)).softmax(-1).numpy()
    np.testing.assert_allclose(probabilities, theirs.predict_proba(x), rtol=1e-12)
