"""The statements of the chapter about units, nets and their training; bad input."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from lessons.dnn import (
    MLP,
    PRESETS,
    PUBLISHED,
    DeltaNet,
    DeltaRule,
    Graph,
    RecurrentNet,
    SigmaPi,
    chained,
    encoder,
    encoder_graph,
    gradient_check,
    layered,
    logistic,
    parity,
    shift_register,
    t_c,
    train,
    unroll,
    wilson,
    within,
    xor,
)
from lessons.dnn.claims.experiment import counted
from lessons.dnn.claims.parity import sawtooth


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Sizes

SIZES = {
    "xor-2-1-1": 7, "xor-2-2-1": 9, "parity-4-4-1": 25, "encoder-8-3-8": 59, "levels-2-1-4-4": 31,
    "symmetry-6-2-1": 17, "addition-4-2-3": 32, "addition-4-3-3": 42, "negation-4-3-3": 39,
    "t-c": 12, "family-trees": 630,
}  # fmt: skip


def test_every_preset_has_its_number_of_weights():
    assert set(SIZES) == set(PRESETS)
    for name, size in SIZES.items():
        assert DeltaNet.from_preset(name, replicates=3).weights.shape == (3, size)


def test_the_sequence_net_has_1182_weights():
    assert RecurrentNet(5, 30, 3, 5).weights.shape[1] == 5 * 30 + 30 * 30 + 30 + 30 * 3 + 3 * 3 + 3


def test_family_trees_has_576_connections_and_54_biases():
    connections = PRESETS["family-trees"].connections
    assert (int(connections.sum()), len(connections) - 36) == (576, 54)
    assert not connections[36:42, 24:].any()
    assert not connections[42:48, :24].any()


def test_the_second_hidden_unit_of_the_adder_sees_the_first():
    connections = chained(4, 2, 3).connections
    assert connections[5, 4]
    assert not connections[4, 5]
    assert connections[6:, :6].all(), "outputs see all inputs and all hidden units"


def test_levels_hold_units_that_do_not_feed_each_other():
    for graph in (*PRESETS.values(), unroll(torch.ones(3, 5, dtype=torch.bool), 2, 4)):
        start = graph.n_in
        for level in graph.levels():
            units = slice(start, start + level.size)
            assert not graph.connections[units, units].any()
            assert level.output == (start >= len(graph.connections) - graph.n_out)
            start += level.size
        assert start == len(graph.connections)


# Units


def test_the_slope_of_the_logistic_is_at_most_a_quarter():
    net = torch.arange(-20, 20.01, 0.01, dtype=torch.float64, requires_grad=True)
    acts = logistic(net)
    (slope,) = torch.autograd.grad(acts.sum(), net)
    assert torch.allclose(slope, acts * (1 - acts), atol=1e-15)
    assert slope.max() <= 0.25
    assert acts[slope.argmax()].item() == pytest.approx(0.5, abs=0.003)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=8))
@settings(max_examples=30, deadline=None)
def test_the_error_shrinks_by_a_quarter_and_the_weight_at_each_layer(weights):
    # |∂o_L/∂o_0| of a chain of L units is at most Π |w|/4.
    net = layered(1, *[1] * len(weights))
    chain = DeltaNet(net, dtype=torch.float64)
    matrix = torch.zeros(len(weights) + 2, len(weights) + 2, dtype=torch.float64)
    for k, weight in enumerate(weights):
        matrix[k + 2, k + 1] = weight
    chain.set_matrix(matrix)
    x = torch.tensor([[0.3], [0.3 + 1e-6]], dtype=torch.float64)
    low, high = chain(x)[0, :, 0].tolist()
    bound = math.prod(abs(w) / 4 for w in weights)
    assert abs(high - low) / 1e-6 <= bound * (1 + 1e-6) + 1e-9


def test_the_bias_is_the_weight_from_a_unit_that_is_always_on():
    net = DeltaNet.from_preset("xor-2-1-1", generator=generator())
    matrix, (x, _) = net.matrix()[0].detach(), xor()
    hidden = torch.sigmoid(x @ matrix[3, 1:3] + matrix[3, 0])
    out = torch.sigmoid(x @ matrix[4, 1:3] + matrix[4, 3] * hidden + matrix[4, 0])
    assert torch.allclose(net.activities(x)[0, :, 2], hidden)
    assert torch.allclose(net(x)[0, :, 0], out)


# The gradient


@pytest.mark.parametrize("name", PRESETS)
def test_central_differences_agree(name):
    net = DeltaNet.from_preset(name, replicates=2, generator=generator())
    x = torch.rand(3, net.graph.n_in, generator=generator(1))
    truth = torch.rand(3, net.graph.n_out, generator=generator(2)).round()
    assert gradient_check(net, x, truth) < 1e-6


def test_the_check_of_the_gradient_notices_a_wrong_one(monkeypatch):
    net = DeltaNet.from_preset("xor-2-2-1", generator=generator())
    right = DeltaNet.backpropagate

    def wrong(self, x, aim):
        outputs = right(self, x, aim)
        self.weights.grad[:, 0] *= 1.01
        return outputs

    monkeypatch.setattr(DeltaNet, "backpropagate", wrong)
    assert gradient_check(net, *xor()) > 1e-5


def test_the_gradient_is_a_sum_over_patterns():
    net = DeltaNet.from_preset(
        "xor-2-2-1", replicates=3, generator=generator(), dtype=torch.float64
    )
    x, truth = (tensor.double() for tensor in xor())
    net.backpropagate(x, net.aim(truth))
    once = net.weights.grad.clone()
    net.backpropagate(x.repeat(2, 1), net.aim(truth.repeat(2, 1)))
    assert torch.allclose(net.weights.grad, 2 * once, rtol=1e-12)


def test_replicates_train_as_if_each_were_alone():
    many = DeltaNet.from_preset(
        "xor-2-2-1", replicates=5, generator=generator(), dtype=torch.float64
    )
    start = many.weights.detach().clone()
    x, truth = (tensor.double() for tensor in xor())
    train(many, x, truth, DeltaRule(many.parameters(), 0.5), 200, until_solved=False)
    for r in range(5):
        alone = DeltaNet.from_preset("xor-2-2-1", dtype=torch.float64)
        alone.weights.data.copy_(start[r : r + 1])
        train(alone, x, truth, DeltaRule(alone.parameters(), 0.5), 200, until_solved=False)
        assert torch.allclose(alone.weights[0], many.weights[r], rtol=0, atol=1e-9)


def test_replicates_may_have_patterns_of_their_own():
    x, truth = encoder(4)
    orders = torch.stack([torch.randperm(4, generator=generator(s)) for s in range(3)])
    net = DeltaNet(layered(4, 2, 4), 3, generator=generator(), dtype=torch.float64)
    net.backpropagate(x.double(), net.aim(truth.double()))
    expected = net.weights.grad.clone()
    net.backpropagate(x.double()[orders], net.aim(truth.double()[orders]))
    assert torch.allclose(net.weights.grad, expected, rtol=0, atol=1e-14)


def test_an_output_in_its_zone_makes_no_error():
    net = DeltaNet(layered(1, 2), targets=(0.2, 0.8), no_error_zone=True)
    outputs = torch.tensor([[[0.9, 0.1], [0.7, 0.3]]])
    aim = net.aim(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert torch.allclose(net.error(outputs, aim)[0, 1], torch.tensor([0.1, -0.1]))
    assert (net.error(outputs, aim)[0, 0] == 0).all()


def test_going_back_costs_at_most_twice_going_forward():
    # p. 327: the same complexity. Two products for each layer, but one for the first.
    net, x, target = MLP((100, 80, 60, 10)), torch.rand(50, 100), torch.rand(50, 10)
    with FlopCounterMode(display=False) as forward:
        net(x)
    with FlopCounterMode(display=False) as both:
        net.backpropagate(x, target)
    back = both.get_total_flops() - forward.get_total_flops()
    assert back == 2 * forward.get_total_flops() - 2 * 50 * 100 * 80


# Shared weights


def test_connections_that_share_a_weight_have_their_changes_added():
    free = DeltaNet(layered(2, 2, 1), generator=generator(), dtype=torch.float64)
    numbers = torch.zeros(5, 5, dtype=torch.long)
    numbers[2:4, :2] = torch.tensor([[1, 2], [2, 1]])
    numbers[4, 2:4] = 3
    tied = DeltaNet(Graph(numbers, 2, 1), generator=generator(), dtype=torch.float64)
    free.set_matrix(tied.matrix()[0].detach())
    x, truth = (tensor.double() for tensor in xor())
    for net in (free, tied):
        net.backpropagate(x, net.aim(truth))
    a, b = free.weights.grad[0].tolist(), tied.weights.grad[0].tolist()
    assert b[:3] == pytest.approx([a[0] + a[3], a[1] + a[2], a[4] + a[5]], abs=1e-14)


def test_the_detectors_answer_does_not_depend_on_the_place():
    from lessons.dnn import detector_graph

    net = DeltaNet(detector_graph(grid=7), 2, scale=2.0, generator=generator(), dtype=torch.float64)
    letters = t_c(9)[0].double().view(-1, 9, 9)
    middle = net(letters.flatten(1))
    for moves in ((1, 0), (0, -1), (-1, 1)):
        moved = letters.roll(moves, (1, 2)).flatten(1)
        assert torch.allclose(net(moved), middle, rtol=0, atol=1e-12)


# Training


def test_hidden_units_learn_what_no_net_without_them_can():
    with_hidden = DeltaNet.from_preset("xor-2-1-1", replicates=20, generator=generator())
    at = train(with_hidden, *xor(), DeltaRule(with_hidden.parameters(), 0.5), 1000)
    assert (at >= 0).sum() >= 15
    without = DeltaNet(layered(2, 1), 20, generator=generator())
    at = train(without, *xor(), DeltaRule(without.parameters(), 0.5), 1000)
    assert (at < 0).all()


def test_equal_weights_stay_equal_and_learn_nothing():
    net = DeltaNet.from_preset("xor-2-2-1", replicates=10)
    net.weights.data.copy_(torch.linspace(-1, 1, 10)[:, None].expand_as(net.weights))
    at = train(net, *xor(), DeltaRule(net.parameters(), 0.25), 1000)
    assert (at < 0).all()
    assert torch.equal(net.matrix()[:, 3], net.matrix()[:, 4])


def test_the_rule_is_equation_16_on_plain_numbers():
    w = torch.zeros(1, dtype=torch.float64)
    rule, change, expected = DeltaRule([w], 0.3, 0.9), 0.0, 0.0
    for n in range(20):
        slope = math.sin(n)
        w.grad = torch.tensor([slope], dtype=torch.float64)
        if n == 10:
            rule.param_groups[0]["lr"] = 0.1
        rule.step()
        change = (0.3 if n < 10 else 0.1) * -slope + 0.9 * change
        expected += change
        assert w.item() == pytest.approx(expected, abs=1e-14)


def test_decay_takes_a_part_of_every_weight_after_the_change():
    w = torch.tensor([2.0], dtype=torch.float64)
    w.grad = torch.tensor([1.0], dtype=torch.float64)
    DeltaRule([w], 0.5, 0.9, decay=0.1).step()
    assert w.item() == pytest.approx((2.0 - 0.5) * 0.9)


def test_for_a_small_rate_by_pattern_and_by_sweep_are_the_same():
    # p. 324: the departure from true gradient descent is negligible if η is small. It is O(η²).
    x, truth = (tensor.double() for tensor in xor())
    gaps = []
    for lr in (0.01, 0.001):
        moved = []
        for online in (False, True):
            net = DeltaNet.from_preset("xor-2-2-1", generator=generator(), dtype=torch.float64)
            start = net.weights.detach().clone()
            train(net, x, truth, DeltaRule(net.parameters(), lr, 0.0), 1, online)
            moved.append(net.weights.detach() - start)
        gaps.append((moved[0] - moved[1]).abs().max().item())
    assert gaps[1] == pytest.approx(gaps[0] / 100, rel=0.1)


def test_a_solved_task_takes_no_sweeps_and_a_hopeless_one_gets_minus_1():
    net = DeltaNet.from_preset("xor-2-1-1", replicates=2)
    net.set_matrix(PUBLISHED["Fig. 3"].matrix())
    net.weights.data[1] = 0
    at = train(net, *xor(), DeltaRule(net.parameters(), 0.01), 3)
    assert at.tolist() == [0, -1]


def test_the_sweeps_returned_are_when_the_task_was_first_solved():
    net = DeltaNet.from_preset("xor-2-1-1", generator=generator())
    start = net.weights.detach().clone()
    at = train(net, *xor(), DeltaRule(net.parameters(), 0.5), 2000).item()
    assert at > 10
    for sweeps, solved in ((at - 1, False), (at, True)):
        net.weights.data.copy_(start)
        train(net, *xor(), DeltaRule(net.parameters(), 0.5), sweeps, until_solved=False)
        assert within(0.4)(net(xor()[0]), xor()[1]).item() is solved


def test_without_a_target_nothing_is_missed():
    truth = torch.tensor([[1.0, torch.nan]])
    assert within(0.4)(torch.tensor([[[0.7, 0.3]]]), truth).item()
    assert not within(0.4)(torch.tensor([[[0.5, 0.3]]]), truth).item()


def test_digits_are_learned_to_95_per_cent():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = torch.from_numpy(x).float() / 16, torch.from_numpy(y).long()
    order = torch.randperm(len(x), generator=generator())
    (x, test_x), (y, test_y) = x[order].split([1437, 360]), y[order].split([1437, 360])
    torch.manual_seed(0)
    net, aim = MLP((64, 32, 10), output="logistic"), 0.1 + 0.8 * torch.eye(10)[y]
    rule = DeltaRule(net.parameters(), 0.01)
    for _ in range(15):
        for batch in torch.randperm(len(x), generator=generator()).split(20):
            net.backpropagate(x[batch], aim[batch])
            rule.step()
    assert (net(test_x).argmax(1) == test_y).float().mean() >= 0.95


# Parity with fewer hidden units than bits


@pytest.mark.parametrize("n", range(2, 11))
def test_half_as_many_hidden_units_as_bits_compute_parity(n):
    net = sawtooth(n)
    x, truth = parity(n)
    assert len(net.graph.connections) - n - 1 == n // 2 + 1
    assert (net(x.double())[0] - truth).abs().max() < 0.1


# Recurrent nets


def test_an_unrolled_net_is_the_net_with_cycles_run_in_time():
    wired = torch.rand(4, 6, generator=generator(5)) < 0.7
    graph = unroll(wired, 2, 3)
    assert graph.numbered()[1] == int(wired.sum()) + 4, "weights and biases are shared by the steps"
    net = RecurrentNet(2, 3, 1, 3, wired, 2, generator=generator(), dtype=torch.float64)
    x = torch.rand(5, 3, 2, generator=generator(1), dtype=torch.float64)
    states = net.states(net.given(x, 0.2))
    matrix = torch.zeros(2, 4, 6, dtype=torch.float64)
    matrix[:, wired] = net.weights.detach()[:, : int(wired.sum())]
    biases = net.weights.detach()[:, int(wired.sum()) :]
    state = torch.full((2, 5, 4), 0.2, dtype=torch.float64)
    for t in range(3):
        seen = torch.cat([x[:, t].expand(2, -1, -1), state], -1)
        state = torch.sigmoid(seen @ matrix.mT + biases[:, None])
        assert torch.allclose(states[:, :, t], state, rtol=0, atol=1e-14)


def test_hints_at_intermediate_steps_are_targets_like_others():
    # p. 356: a teacher may give "hints", desired outputs for intermediate steps.
    x, truth = shift_register(3)
    everyone = torch.ones(3, 3, dtype=torch.bool)
    net = RecurrentNet(0, 0, 3, 2, everyone, 20, generator=generator())
    given_ = net.given(torch.zeros(8, 2, 0), x)
    wanted = net.wanted(torch.stack([x.roll(-1, 1), truth], 1))
    at = train(net, given_, wanted, DeltaRule(net.parameters(), 0.25), 500)
    halfway = net.states(given_)[:, :, 0] > 0.5
    assert (at >= 0).all()
    assert (halfway == (x.roll(-1, 1) > 0.5)).all(), "with the hint every net shifts step by step"


# Sigma-pi units


def test_one_sigma_pi_unit_learns_exclusive_or():
    unit = SigmaPi(2, 1, [(), (0,), (1,), (0, 1)], generator=generator())
    rule, (x, truth) = DeltaRule(unit.parameters(), 0.5), xor()
    for _ in range(1000):
        acts = unit(x)
        unit.backpropagate(x, acts, 0.1 + 0.8 * truth - acts)
        rule.step()
    assert (unit(x) - truth).abs().max() < 0.2


def test_an_inputs_share_of_the_error_depends_on_its_partner():
    # δ_i = f'(net_i) Σ δ_k w_kij o_j: with the partner off, nothing that i does matters.
    unit = SigmaPi(2, 1, [(0, 1)])
    x = torch.tensor([[0.7, 0.0], [0.7, 0.5]])
    with torch.no_grad():
        acts = unit(x)
    blame = unit.backpropagate(x, acts, torch.ones(2, 1))
    assert blame[0, 0] == 0
    assert blame[1, 0] == pytest.approx((0.5 * unit.weight * acts[1] * (1 - acts[1])).item())


# Counting


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 100, 0.0, 0.0370), (97, 100, 0.9155, 0.9897), (2, 200, 0.0027, 0.0357), (1, 1, 0.2065, 1)],
)
def test_wilsons_interval_has_its_known_values(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilsons_interval_solves_its_equation():
    # Its ends are the rates p from which the observed one is z standard errors away.
    for end in wilson(37, 60):
        assert abs(37 / 60 - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / 60))


def test_a_task_that_was_solved_at_the_start_counts_as_solved():
    assert counted([0, None, 5])["solved"] == 2


# How the models are built and run


def test_nets_are_built_on_the_meta_device():
    assert DeltaNet.from_preset("family-trees", replicates=10_000, device="meta").weights.is_meta
    with torch.device("meta"):
        assert sum(p.numel() for p in MLP((784, 100, 10)).parameters()) == 79_510


@pytest.mark.parametrize("net", [MLP((2, 3, 1)), DeltaNet(layered(2, 3, 1), 4)])
def test_nets_survive_the_compiler_and_autocast(net):
    x, _ = xor()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x), net(x), atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(net(x).float(), net(x.clone()).float())
        low = net(x).float()
    assert torch.allclose(low, net(x), atol=0.05)


def test_the_layered_net_has_torchs_names():
    names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert list(MLP((3, 4, 2)).state_dict()) == names


def test_the_same_generator_gives_the_same_nets():
    a, b = (DeltaNet.from_preset("xor-2-2-1", generator(7), replicates=3) for _ in range(2))
    assert torch.equal(a.weights, b.weights)
    assert a.weights.abs().max() <= 0.5


# Bad input

NET = DeltaNet(layered(3, 2, 2))
BAD = [
    (lambda: Graph(torch.zeros(3, 4), 1, 1), ValueError, "connections must be square (N, N)"),
    (lambda: Graph(torch.ones(6, 6).triu(1).bool(), 2, 1), ValueError, "units 1→0 make a cycle"),
    (lambda: Graph(torch.eye(4).bool(), 1, 1), ValueError, "units 0→0 make a cycle"),
    (lambda: Graph(torch.ones(3, 3).tril(-1).bool(), 2, 1), ValueError, "is an input"),
    (lambda: Graph(torch.zeros(3, 3).bool(), 2, 2), ValueError, "do not fit into 3 units"),
    (lambda: Graph(torch.zeros(3, 3).bool(), 2, 1, torch.ones(2)), ValueError, "biases must be"),
    (lambda: layered(3), ValueError, "two positive numbers or more"),
    (lambda: layered(3, 0), ValueError, "two positive numbers or more"),
    (lambda: DeltaNet(layered(2, 1), 0), ValueError, "replicates must be 1 or more, got 0"),
    (lambda: DeltaNet(layered(2, 1), output="tanh"), ValueError, "'logistic' or 'linear'"),
    (lambda: DeltaNet(layered(2, 1), targets=(0.9, 0.1)), ValueError, "targets must be (low, hig"),
    (lambda: DeltaNet(layered(2, 1), targets=(-1, 1)), ValueError, "targets must be (low, high)"),
    (lambda: DeltaNet.from_preset("xor"), ValueError, "name must be one of xor-2-1-1"),
    (lambda: DeltaNet.from_preset("xor-2-2-1", 3), TypeError, "a torch.Generator, got 3"),
    (lambda: NET(torch.rand(4, 2)), ValueError, "must be (P, 3) or (R, P, 3), got (4, 2)"),
    (lambda: NET(torch.rand(3)), ValueError, "must be (P, 3) or (R, P, 3), got (3,)"),
    (lambda: NET(torch.ones(4, 3, dtype=torch.long)), TypeError, "floating-point, got torch.int64"),
    (lambda: NET.backpropagate(torch.rand(4, 3), torch.rand(4, 1)), ValueError,
     "targets must be (4, 2), got (4, 1)"),
    (lambda: NET.aim(torch.tensor([[2.0, 0.0]])), ValueError, "0.1 and 0.9; got 0 to 2"),
    (lambda: DeltaRule([torch.zeros(1)], 0.0), ValueError, "lr (η) must be positive, got 0.0"),
    (lambda: DeltaRule([torch.zeros(1)], math.nan), ValueError, "lr (η) must be positive"),
    (lambda: DeltaRule([torch.zeros(1)], 0.1, 1.0), ValueError, "momentum (α) must be in [0, 1)"),
    (lambda: DeltaRule([torch.zeros(1)], 0.1, decay=-0.1), ValueError, "decay must be in [0, 1)"),
    (lambda: unroll(torch.ones(3, 3), 2, 2), ValueError, "must be (S, I + S) = (3, 5), got (3, 3)"),
    (lambda: unroll(torch.ones(3, 3), 0, 0), ValueError, "steps must be 1 or more, got 0"),
    (lambda: RecurrentNet(1, 1, 1, 2).given(torch.zeros(1, 3, 1)), ValueError, "be (P, 2, 1), got"),
    (lambda: RecurrentNet(1, 1, 1, 2).wanted(torch.zeros(1, 3, 1)), ValueError, "3 steps, but 2"),
    (lambda: SigmaPi(2, 1, [(0, 2)]), ValueError, "conjunct (0, 2) names an input"),
    (lambda: SigmaPi(2, 1, [(0, 1), (1, 0)]), ValueError, "conjuncts must differ"),
    (lambda: SigmaPi(2, 1, [(0,)])(torch.rand(1, 3)), ValueError, "must be (P, 2), got (1, 3)"),
    (lambda: MLP([3]), ValueError, "sizes must name two layers or more, got [3]"),
    (lambda: MLP([3, 1], "step"), ValueError, "one of logistic, tanh, relu, linear, got 'step'"),
    (lambda: MLP([3, 1], output="step"), ValueError, "output must be one of"),
    (lambda: MLP([3, 1]).backpropagate(torch.rand(2, 3), torch.rand(1, 1)), ValueError,
     "targets must be (2, 1), got (1, 1)"),
    (lambda: wilson(3, 2), ValueError, "got 3 of 2"),
    (lambda: parity(0), ValueError, "n must be 1 or more, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_gets_an_error_that_names_it(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_a_code_too_narrow_to_be_binary_gets_a_warning():
    with pytest.warns(UserWarning, match="8 patterns take 3 hidden units"):
        encoder_graph(8, 2)
