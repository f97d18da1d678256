"""What the claims rest on: the rivals' gradients, intervals of differences, what is left out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lessons.learning_to_forget import Abreast, Config, GersLSTM, cerg
from lessons.learning_to_forget.claims import arms, inside, order
from lessons.learning_to_forget.claims.frozen import Frozen
from lessons.learning_to_forget.claims.learning import arm_of, unpack
from lessons.learning_to_forget.claims.plain import KINDS, Plain
from lessons.learning_to_forget.lab.run import Run
from lessons.learning_to_forget.lab.statistics import HOLDS, UNDECIDED, proportion
from lessons.learning_to_forget.tasks import LEGAL, within


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_nets_learn_by_their_gradient(kind):
    learner = Plain(kind, [0.0, 0.0], np.random.default_rng(0), np.float64)
    symbols, legal, _ = cerg(12, 2, torch.Generator().manual_seed(1))
    x, due = F.one_hot(symbols, 7).double(), legal.double()
    for t in range(11):
        learner.step(x[t].numpy())
        learner.learn(due[t].numpy())
    learner.rate = np.full((2, 1, 1), 0.3)
    inside_before, out_before = learner.inside.copy(), learner.out.copy()
    outputs = learner.step(x[11].numpy())
    learner.learn(due[11].numpy())
    weights = [torch.tensor(w, requires_grad=True) for w in (inside_before, out_before)]
    h, one = torch.zeros(2, KINDS[kind], dtype=torch.float64), torch.ones(2, 1).double()
    for t in range(12):
        seen = h.detach() if kind == "Elman" else h
        net = (weights[0] @ torch.cat([x[t], seen, one], 1)[:, :, None])[..., 0]
        h = net.tanh() if kind == "RTRL tanh" else net.sigmoid()
    z = (weights[1] @ torch.cat([h, one], 1)[:, :, None])[..., 0].sigmoid()
    assert np.allclose(outputs, z.detach().numpy(), atol=1e-12)
    wanted = torch.autograd.grad(0.5 * (z - due[11]).square().sum(), weights)
    for now, before, gradient in zip(
        (learner.inside, learner.out), (inside_before, out_before), wanted
    ):
        assert np.allclose(now, before - 0.3 * gradient.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "changes",
    [{}, {"forget": False}, {"forget": False, "fixed_decay": 0.9}, {"block_size": 1}],
)
def test_a_frozen_net_is_the_net(changes):
    net = GersLSTM(Config(7, 4, **({"block_size": 2, "output_size": 7} | changes)), 2, seeded())
    one = unpack(net, 1) | {"rank": False}
    if "fixed_decay" in changes:
        one["keep"] = 0.9
    frozen, seen = Frozen(one, 3, 0), []
    for _ in range(40):
        right = frozen.step()
        seen.append((frozen.symbol, frozen.node, frozen.s.T, right))
    symbols, nodes, states, right = (torch.from_numpy(np.stack(v)) for v in zip(*seen))
    x = F.one_hot(symbols, 7).float()[:, None].expand(-1, 2, -1, -1)
    y, s, _ = net.run(x)
    torch.testing.assert_close(states, s[:, 1], rtol=1e-4, atol=1e-5)
    legal = torch.from_numpy(LEGAL[nodes.numpy()])
    assert torch.equal(within(net.readout(y, x)[:, 1], legal), right)


def test_nets_abreast_are_frozen_as_they_are():
    net = GersLSTM.from_preset("cerg", seeded(), seeds=2)
    inside, out = Abreast(net, 0.5).weights(1)
    want = unpack(net, 1)
    assert np.allclose(inside, want["inside"])
    assert np.allclose(out, want["out"])


def test_a_difference_of_shares_has_a_width_where_all_succeed():
    def gap(a, b, n=24):
        return arms.difference(proportion(a, n), proportion(b, n))

    for a, b in ((24, 24), (0, 0)):
        assert gap(a, b).mean == 0
        assert gap(a, b).high == pytest.approx(-gap(a, b).low)
        assert 0.1 < gap(a, b).high < 0.2
    a, b = proportion(15, 24), proportion(4, 24)
    found = gap(15, 4)
    assert found.low == pytest.approx(11 / 24 - math.hypot(15 / 24 - a.low, b.high - 4 / 24))
    assert found.low > 0, "the paper's shares, .62 and .18, can be told apart"
    assert gap(15, 11).low < 0 < gap(15, 11).high
    assert gap(16, 15).low > -arms.MORE
    assert gap(16, 15).high < arms.MORE, "equal shares can hold"


def test_arms_are_what_their_names_say():
    assert arm_of("forget falling bias 3")["bias"] == 3
    assert arm_of("forget falling")["decay"] == 0.99
    assert arm_of("keep 0.9")["keep"] == 0.9
    assert (arm_of("shrink 1e-4")["shrink"], arm_of("shrink 1e-4")["about"]) == (1e-4, 0)
    assert (arm_of("eliminate 1e-4")["shrink"], arm_of("eliminate 1e-4")["about"]) == (1e-4, 1)
    assert arm_of("reset")["reset"]
    assert not arm_of("standard")["reset"]


def test_a_net_that_was_cut_off_refutes_nothing(tmp_path):
    run = Run(tmp_path, scale="full")
    assert arms.regime(run, {"cut": [False, False]})
    assert not arms.regime(run, {"cut": [False, False]}, {"cut": [True, False]})
    assert not arms.regime(Run(tmp_path / "default"), {"cut": [False]})


def test_tasks_that_lstm_does_not_solve_decide_nothing(tmp_path, monkeypatch):
    solved = {"standard": [None] * 20, "bias 5": [9] * 20, "bias 1": [None] * 20}

    def lesson(run, task, arm, nets, updates):
        return {"solved": solved[arm], "updates": updates}

    monkeypatch.setattr(order, "lesson", lesson)
    run = Run(tmp_path)
    assert order.no_problem.experiment(run).verdict == UNDECIDED
    solved |= {"standard": [9] * 20, "bias 1": [9] * 20}
    assert order.no_problem.experiment(run).verdict == HOLDS
    solved["bias 1"] = [None] * 20
    assert order.no_problem.experiment(run).verdict not in (HOLDS, UNDECIDED)


def test_exponents_of_growth():
    t = np.arange(1.0, 1201)
    for power in (0.0, 0.5, 1.0):
        assert inside.exponent(3 * t**power, 1200) == pytest.approx(power, abs=1e-9)
