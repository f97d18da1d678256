"""The claims' written-out backpropagation is autograd's, through this package's own layers."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from lessons.dropout import MLP, Dropout, MLPConfig, max_norm_
from lessons.dropout.claims import methods
from lessons.dropout.claims.autoencoders import locality
from lessons.dropout.claims.train import MOMENTUM, Net, Plan, fit
from lessons.dropout.lab.run import Run

WIDTHS = (12, 70, 60, 5)  # batches of 40 make masks of both kinds, above MANY and below


def layers(net):
    return [module for module in net if isinstance(module, torch.nn.Linear)]


@pytest.mark.parametrize("noise", ["bernoulli", "gaussian", "unscaled"])
@pytest.mark.parametrize(("decay", "c"), [(0.0, None), (0.1, None), (0.0, 0.8)])
@pytest.mark.parametrize("drops", [True, False])
def test_two_steps_are_autograds(noise, decay, c, drops):
    p = {"p_input": 0.2, "p_hidden": 0.5} if drops else {"p_input": 0.0, "p_hidden": 0.0}
    plan = Plan(WIDTHS, 1, 0.1, decay=decay, c=c, noise=noise, batch=40, **p)
    net = Net(WIDTHS, torch.Generator().manual_seed(0))
    how = {"mode": "paper"} if noise == "unscaled" else {"noise": noise}
    theirs = MLP(MLPConfig(WIDTHS, **how, **p))
    masks = torch.Generator().manual_seed(1)
    for module in theirs:
        if isinstance(module, Dropout):
            module.generator = masks
    with torch.no_grad():
        for layer, weight, bias in zip(layers(theirs), net.weights, net.biases):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    weights = {"params": [layer.weight for layer in layers(theirs)], "weight_decay": decay}
    biases = {"params": [layer.bias for layer in layers(theirs)]}
    optimizer = torch.optim.SGD([weights, biases], lr=0.1, momentum=MOMENTUM)
    x, y = torch.rand(40, 12), torch.randint(5, (40,))
    own = torch.Generator().manual_seed(1)
    for _ in range(2):
        net.step(x.clone(), y, plan, 0.1, own)
        optimizer.zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        optimizer.step()
        for layer in layers(theirs) if c else ():
            max_norm_(layer.weight.data, c)
    for layer, weight, bias in zip(layers(theirs), net.weights, net.biases):
        torch.testing.assert_close(weight, layer.weight.detach())
        torch.testing.assert_close(bias, layer.bias.detach())
    if noise == "unscaled":  # §4: scaled after training
        for weight, keep in zip(net.weights, (1 - p["p_input"], *[1 - p["p_hidden"]] * 2)):
            weight.mul_(keep)
    torch.testing.assert_close(net.logits(x), theirs.eval()(x).detach())


def test_a_fit_is_repeated_by_its_seed_and_ends_where_it_is_told():
    x, y = torch.rand(60, 12), torch.randint(5, (60,))
    plan = Plan(WIDTHS, 3, 0.05, p_hidden=0.5, batch=20)
    seen = []
    first, again = (fit(plan, x, y, 7, watch=lambda net, i: seen.append(i)) for _ in range(2))
    assert seen == [1, 2, 3] * 2
    assert all(torch.equal(a, b) for a, b in zip(first.weights, again.weights))
    steps = []
    fit(plan, x, y, 7, check=(2, lambda net, done: steps.append(done) or done >= 4))
    assert steps == [2, 4]


def test_products_in_bfloat16_end_near_those_in_float32_and_leave_the_setting_as_it_was():
    x, y = torch.rand(64, 32), torch.randint(5, (64,))
    plan = Plan((32, 64, 64, 5), 3, 0.05, p_hidden=0.5, batch=32)
    before = torch.get_float32_matmul_precision()
    exact, short = (
        fit(dataclasses.replace(plan, products=products), x, y, 7)
        for products in ("float32", "bfloat16")
    )
    assert torch.get_float32_matmul_precision() == before
    assert torch.tensor(2e-39).mul(0.5) > 0
    for a, b in zip(exact.weights, short.weights):
        assert a.dtype == b.dtype == torch.float32
        assert (a - b).norm() < 0.01 * a.norm()  # bfloat16 rounds by up to 2⁻⁸, .4%


def test_a_net_ends_ten_passes_after_it_knows_its_cases_by_heart(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "BY_HEART", math.inf)
    how = {"lr": 0.01, "decay": 0.0, "c": None, "seed": 0, "narrow": False, "passes": 13}
    run = Run(tmp_path, scale="test")
    ended = methods.race(run, "none", ends=True, **how)
    whole = methods.race(run, "none", **how)
    assert (len(ended["curve"]), len(whole["curve"])) == (1 + methods.THEREAFTER, 13)


def test_of_rates_that_validation_does_not_tell_apart_the_largest_is_taken():
    tried = {0.025: 1.41, 0.05: 1.44, 0.1: 1.52}
    assert methods.chosen("lr", tried) == 0.05
    assert methods.chosen("c", tried) == 0.025


def test_a_spot_is_local_and_noise_is_not():
    spot = torch.zeros(1, 28, 28)
    spot[0, 10:15, 12:17] = 1
    assert locality(spot.flatten(1)).item() == pytest.approx(1)
    gone = torch.cat([spot, 1e-9 * torch.ones(1, 28, 28), 0 * spot])  # as weight decay leaves them
    assert locality(gone.flatten(1)).item() == pytest.approx(1)
    noise = torch.randn(200, 784, generator=torch.Generator().manual_seed(0))
    assert locality(noise).item() < 0.2
