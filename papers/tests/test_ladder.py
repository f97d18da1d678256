"""The ladder of the template: what its rungs are, and what a climb measures."""

import importlib
import math

import pytest
import torch
from torch import nn

ladder = importlib.import_module("lessons.papers.template.src.ladder")


class Run:
    """As much of a run as a ladder asks for."""

    seed = 0
    track = staticmethod(lambda iterable, what: iterable)

    def pick(self, *, test, default, full=None):
        return default if full is None else full

    def seeds(self, n):
        return range(n)

    def trial(self, function, **settings):
        return function(self, **settings)


def stripes():
    """Ten classes that one pixel tells apart."""
    labels = torch.arange(1000) % 10
    return torch.eye(16)[labels], labels


def test_each_rung_adds_its_device_and_keeps_what_was_below():
    rungs = ladder.ladder()
    years = [rung.year for rung in rungs.values()]
    assert years == sorted(years)
    assert ladder.below("relu") == "sigmoid"  # weight decay is measured, and not carried on
    assert ladder.below("adam") == "relu"
    assert ladder.below("he-init") == "adam"
    last = rungs["layer-norm"]
    assert last.residual
    assert last.adam
    assert last.activation is nn.GELU
    assert last.norm is nn.LayerNorm
    assert not any(rung.dropout for name, rung in rungs.items() if name != "dropout")
    with pytest.raises(ValueError, match=r"name must be one of sigmoid, .*got 'swish'"):
        ladder.below("swish")


@pytest.mark.parametrize("name", ladder.ladder())
def test_every_rung_has_21_hidden_layers_and_its_own_pieces(name):
    rung, net = ladder.ladder()[name], ladder.LadderNet(ladder.ladder()[name], 16)
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    assert len(linear) == 22
    assert sum(isinstance(module, rung.activation) for module in net.modules()) == 21
    assert sum(isinstance(module, rung.norm or ()) for module in net.modules()) == 21 * bool(
        rung.norm
    )
    assert sum(isinstance(module, nn.Dropout) for module in net.modules()) == 21 * bool(
        rung.dropout
    )
    stds = torch.stack([module.weight.std() for module in linear[1:-1]])
    expected = (rung.gain if rung.gain else 1) / math.sqrt(ladder.WIDTH)  # Glorot: √(2/(n + m))
    assert torch.allclose(stds, torch.tensor(expected), rtol=0.06)


def test_a_shortcut_adds_the_input_of_two_layers():
    net = ladder.LadderNet(ladder.ladder()["residuals"], 16).eval()
    for block in net.second:
        nn.init.zeros_(block[-1].weight)  # the norm's: the branch is silent
    x = torch.rand(5, 16)
    assert torch.allclose(net(x), net.head(net.stem(x)))


def test_an_own_device_takes_the_place_of_the_rungs():
    class Own(nn.ReLU):
        pass

    net = ladder.LadderNet(ladder.ladder()["he-init"], 16, activation=Own)
    assert sum(isinstance(module, Own) for module in net.modules()) == 21


def test_a_climb_ends_at_the_target_and_repeats():
    images, labels = stripes()
    one, two = (ladder.climb("layer-norm", images, labels, 0.003, 0) for _ in range(2))
    assert one == two
    assert one["steps"]
    assert one["loss"] <= ladder.TARGET
    assert ladder.climb("layer-norm", images, labels, 0.003, 0, steps=4)["steps"] is None


def test_a_climb_that_diverges_says_so():
    images, labels = stripes()
    grows = lambda parameters, lr: torch.optim.SGD(parameters, lr)  # noqa: E731
    found = ladder.climb("residuals", images * 1e6, labels, 1e30, 0, steps=20, optimizer=grows)
    assert found == {"steps": None, "loss": None}


def test_measure_finds_the_best_rate_and_the_largest():
    def trial(run, name, lr, seed):
        if name == "relu" or lr > 0.01:
            return {"steps": None, "loss": None}
        return {"steps": 100 + seed if lr == 0.003 else 200, "loss": 0.9}

    numbers = ladder.measure(Run(), trial, ["relu", "adam"])
    assert (numbers["adam"]["best"], numbers["adam"]["largest"]) == (0.003, 0.01)
    assert numbers["adam"]["steps"] == [100, 101, 102]
    assert (numbers["relu"]["best"], numbers["relu"]["largest"], numbers["relu"]["steps"]) == (
        None, None, [],
    )  # fmt: skip
    words, ratio, error = ladder.compare(numbers, "relu", "adam")
    assert "not reached in 1,000 steps" in words
    assert "101 steps at the best rate, 0.003" in words
    assert ratio == pytest.approx(math.log(101 / 1000), abs=1e-3)
    logs = torch.tensor([math.log(steps) for steps in (100, 101, 102)]).double()
    assert error == pytest.approx((logs.var() / 3).sqrt().item())
