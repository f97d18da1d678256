"""The paper's equations: forward, truncated, carried along; nets abreast; sizes; bad input."""

import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call

from lessons.learning_to_forget import (
    PRESETS,
    Abreast,
    Config,
    ForwardMode,
    GersLSTM,
    blocks_reference,
    cerg,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def one_hot(symbols):
    return torch.nn.functional.one_hot(symbols, 7).double()


def wide(config):
    return GersLSTM(config, generator=seeded(), dtype=torch.float64)


WIRINGS = [
    {}, {"truncate": False}, {"forget": False}, {"forget": False, "fixed_decay": 0.9},
    {"forget": False, "truncate": False}, {"block_size": 1}, {"block_size": 3, "truncate": False},
]  # fmt: skip


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_scan_computes_equations_1_to_11(wiring):
    config = Config(5, 3, **({"block_size": 2} | wiring))
    net, c = wide(config), config
    x = torch.randn(9, 4, 5, dtype=torch.float64, generator=seeded(1))
    first = torch.randn(2, 4, c.cells, dtype=torch.float64, generator=seeded(2))
    weights = (net.weight_x, net.weight_h, net.bias)
    y, s, _ = net.run(x, tuple(first))
    want_y, want_s, _ = blocks_reference(
        x[:, None], *(v[None] for v in (*first, *weights)), c
    )  # fmt: skip
    torch.testing.assert_close(y, want_y[:, 0], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(s, want_s[:, 0], rtol=1e-12, atol=1e-13)
    ours = torch.autograd.grad(y.sin().sum() + s.cos().sum(), weights)
    theirs = torch.autograd.grad(want_y.sin().sum() + want_s.cos().sum(), weights)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_gates_that_see_gates_go_the_readable_way():
    net = wide(Config(5, 3, 2, 4, gates_see_gates=True, shortcut=True))
    x = torch.randn(6, 4, 5, dtype=torch.float64, generator=seeded(1))
    whole, (seen, s) = net(x)
    first, state = net(x[:2])
    rest, (seen_again, s_again) = net(x[2:], state)
    assert seen.shape == (4, 6 + 9)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    torch.testing.assert_close(seen_again, seen)
    torch.testing.assert_close(s_again, s)


def test_gradcheck_and_second_derivatives():
    net = wide(Config(2, 1, 2, 1, truncate=False))
    names, weights = zip(*net.named_parameters())
    x = torch.randn(3, 2, 2, dtype=torch.float64, generator=seeded(1), requires_grad=True)

    def call(x, *weights):
        y, (_, s) = functional_call(net, dict(zip(names, weights)), (x,))
        return y, s

    given = (x, *(w.detach().requires_grad_() for w in weights))
    assert torch.autograd.gradcheck(call, given)
    assert torch.autograd.gradgradcheck(call, given)


@pytest.mark.parametrize("changes", [{}, {"forget": False}, {"forget": False, "fixed_decay": 0.9}])
def test_what_is_carried_along_is_the_truncated_gradient(changes):
    # Equations 13 to 24, with s(t − 1) in 21, against autograd with what is seen detached.
    net = wide(Config(7, 4, 2, 7, **changes))
    twin, learner = copy.deepcopy(net), ForwardMode(net, 0.3)
    symbols, legal, _ = cerg(30, 1, seeded(1))
    x, due = one_hot(symbols)[:, 0], legal.double()[:, 0]
    for t in range(29):
        learner.step(x[t])
    y = learner.step(x[29], due[29])
    want = twin(x[:, None])[0][-1, 0]
    torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-13)
    (0.5 * (want - due[29]).square().sum()).backward()
    for a, b in zip(net.parameters(), twin.parameters()):
        torch.testing.assert_close(a, b - 0.3 * b.grad, rtol=1e-10, atol=1e-13)


def test_equation_21_as_it_is_printed_is_no_gradient():
    net = wide(PRESETS["cerg"])
    x = one_hot(cerg(12, 1, seeded(1))[0])[:, 0]
    learner, printed = ForwardMode(net, 0.0), torch.zeros(8, dtype=torch.float64)
    y = torch.zeros(8, dtype=torch.float64)
    for x_I in x:
        learner.step(x_I)
        keep = torch.sigmoid(net.weight_x[4:8] @ x_I + net.weight_h[4:8] @ y + net.bias[4:8])
        keep, y = keep.repeat_interleave(2), learner.y
        printed = printed * keep + (2 * torch.sigmoid(learner.s) - 1) * keep * (1 - keep)
    assert (learner.ds[:, 2, -1] - printed).abs().max() > 0.01


def test_a_closed_forget_gate_forgets_and_forgives():
    # §3.2: "not only the cell's state, but also the partials are reset"
    net = wide(PRESETS["cerg"])
    with torch.no_grad():
        net.bias[4:8] = -800.0  # σ is 0
        net.weight_x[4:8] = net.weight_h[4:8] = 0
    learner = ForwardMode(net, 0.0)
    x = one_hot(cerg(12, 1, seeded(1))[0])[:, 0]
    for x_I in x:
        learner.step(x_I)
    assert learner.ds[:, 2].abs().max() == 0  # s(t − 1) counts no more
    saw_last = learner.ds[:, 0, :7] != 0
    assert (saw_last == x[-1].bool()).all()  # of inputs only the last is held to account
    assert learner.s.abs().max() < 2  # one step's worth of g


def test_nets_abreast_learn_as_each_alone():
    nets = GersLSTM.from_preset("cerg", seeded(), seeds=3, dtype=torch.float64)
    rates, decay = [0.5, 0.3, 0.5], [1.0, 0.99, 1.0]
    abreast = Abreast(nets, rates, forget=[1, 1, 0], keep=[1, 1, 0.9], decay=decay)
    alone = []
    for k in range(3):
        one = {n: v[k].clone() for n, v in nets.state_dict().items()}
        changes = {}
        if k == 2:
            changes = {"forget": False, "fixed_decay": 0.9}
            for n in ("weight_x", "weight_h", "bias"):
                one[n] = torch.cat([one[n][:4], one[n][8:]])
        net = wide(Config(7, 4, 2, 7, **changes))
        net.load_state_dict(one)
        alone.append(ForwardMode(net, rates[k]))
    symbols, legal, _ = cerg(40, 3, seeded(1))
    x, due = one_hot(symbols), legal.double()
    for t in range(40):
        fresh = None
        if t == 20:  # a new stream for one of them
            fresh = np.array([1.0, 0.0, 1.0])
            alone[1].reset()
            alone[1].lr = rates[1]
            abreast.begin(np.array([1]))
        outputs = abreast.step(x[t].T.numpy(), fresh)
        for k, learner in enumerate(alone):
            want = learner.step(x[t, k], due[t, k])
            assert np.allclose(outputs[:, k], want.numpy(), atol=1e-10), (t, k)
        abreast.learn(due[t].T.numpy())
        alone[1].lr *= 0.99
        if t == 30:
            abreast.select(np.arange(3))
    abreast.write(nets)
    torch.testing.assert_close(nets.weight_out[1], alone[1].net.weight_out)
    torch.testing.assert_close(nets.weight_x[0], alone[0].net.weight_x)


def test_weight_decay_takes_rate_times_a_share_of_all_weights():
    nets = GersLSTM.from_preset("cerg", seeded(), seeds=2, dtype=torch.float64)
    a = Abreast(nets, 0.5, shrink=[0.0, 0.01])
    before = a.inside.copy()
    a.step(np.eye(7)[:, [0, 0]])
    a.learn(a.outputs.copy())  # no error
    assert np.allclose(a.inside, before * np.array([1.0, 1 - 0.5 * 0.01]))


def test_weight_elimination_is_the_gradient_of_its_penalty():
    # Weigend, Rumelhart and Huberman 1991: the sum of (w/w0)² / (1 + (w/w0)²), here times w0²/2
    nets = GersLSTM.from_preset("cerg", seeded(), seeds=3, dtype=torch.float64)
    a = Abreast(nets, 0.5, shrink=[0.0, 0.01, 0.01], about=[0.0, 0.0, 2.0])
    before = a.inside.copy()
    a.step(np.eye(7)[:, [0, 0, 0]])
    a.learn(a.outputs.copy())  # no error
    w = torch.tensor(before[..., 2], requires_grad=True)
    (0.5**2 / 2 * ((w / 0.5) ** 2 / (1 + (w / 0.5) ** 2)).sum()).backward()
    assert np.array_equal(a.inside[..., 0], before[..., 0])
    assert np.allclose(a.inside[..., 1], before[..., 1] * (1 - 0.5 * 0.01))
    assert np.allclose(a.inside[..., 2], before[..., 2] - 0.5 * 0.01 * w.grad.numpy())


def count(config):
    return sum(w.numel() for w in GersLSTM(config, device="meta").parameters())


def test_sizes():
    assert count(PRESETS["cerg"]) == 8 * (8 + 7) + 12 * (8 + 7 + 1) + 7 * (8 + 1) == 375
    assert count(PRESETS["cerg-standard"]) == count(PRESETS["cerg-decay"]) == 311
    assert count(Config(7, 4, 2, 7, shortcut=True)) == 424  # with what §4.2 and Figure 6 tell of
    assert count(PRESETS["cnto"]) == 8 * 16 + 12 * 17 + 8 * 9
    net = GersLSTM.from_preset("cerg", seeded())
    assert net.bias.tolist() == [-0.5, -1, -1.5, -2, 0.5, 1, 1.5, 2, -0.5, -1, -1.5, -2]
    assert net.weight_x.abs().max() <= 0.2
    net = GersLSTM.from_preset("cnto", seeded(), forget_bias=(5.0,) * 4)
    assert net.bias[4:8].tolist() == [5.0] * 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Config(0, 1), "input_size must be at least 1, got 0"),
        (lambda: Config(7, 4, fixed_decay=0.9), "forget=False"),
        (lambda: Config(7, 4, forget=False, fixed_decay=2), r"in \(0, 1\], got 2"),
        (lambda: Config(7, 4, forget_bias=(1.0,)), "4 numbers, one a block, has 1"),
        (lambda: GersLSTM(Config(7, 4), seeds=0), "seeds must be at least 1"),
        (lambda: GersLSTM.from_preset("erg"), "cerg-standard"),
        (lambda: GersLSTM(Config(7, 4))(torch.ones(3, 2, 6)), "input_size = 7, is"),
        (lambda: GersLSTM(Config(7, 4))(torch.ones(3, 2, 7), (
            torch.ones(2, 4), torch.ones(2, 5))), r"states must be \(2, 4\), is \(2, 5\)"),
        (lambda: ForwardMode(GersLSTM(Config(7, 4)), 0.1), "one net with outputs"),
        (lambda: ForwardMode(GersLSTM(Config(7, 4, 1, 7)), -1.0), "lr must be at least 0"),
        (lambda: ForwardMode(GersLSTM(Config(7, 4, 1, 7, truncate=False)), 0.1), "truncated"),
        (lambda: ForwardMode(GersLSTM(Config(7, 4, 1, 7)), 0.1).step(
            torch.ones(7), torch.ones(1)), r"target must be \(7,\), is \(1,\)"),
        (lambda: Abreast(GersLSTM(Config(7, 4, 1, 7), seeds=2), [0.1, -1.0]), "lr must be"),
        (lambda: Abreast(GersLSTM(Config(7, 4, 1, 7), seeds=7), 0.1).step(
            np.ones(7)), r"x must be \(7, 7\), is \(7,\)"),
        (lambda: Config(7, 4, forget_bias=[1.0] * 4), "a number or a tuple, is a list"),
        (lambda: Abreast(GersLSTM(Config(7, 4, 1, 7)), 0.1), "nets with seeds"),
    ],
)  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
