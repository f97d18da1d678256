"""Real-time recurrent learning: the paper's equations, its counts, its limits, and bad input."""

import copy
import itertools
import math
import pickle

import hypothesis
import hypothesis.strategies as some
import pytest
import torch

from lessons.rnn import PRESETS, RTRL, FullyRecurrent, Sizes, TruncatedBPTT, gradient, trajectory
from lessons.rnn.rtrl import sensitivities_reference

T, S, N, M = 25, 3, 4, 2
EXACT = {"rtol": 1e-12, "atol": 1e-13}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(kind=RTRL, **options):
    options = {"dtype": torch.float64, "generator": seeded(), "seeds": S} | options
    return kind(N, M, **options)


def lesson(seed=1):
    """Inputs, and targets that come and go: for unit 1 always, for unit 3 now and then."""
    x = torch.rand(T, S, M, generator=seeded(seed), dtype=torch.float64)
    d = torch.rand(T, S, N, generator=seeded(seed + 1), dtype=torch.float64)
    mask = torch.zeros(T, S, N, dtype=torch.bool)
    mask[..., 1] = True
    mask[..., 3] = torch.rand(T, S, generator=seeded(seed + 2)) < 0.4
    return x, d, mask


def with_bias(x):
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


def through_autograd(weight, x, d, mask, forcing):
    """Return −∂J/∂W, by autograd through the net as equations 1 to 6 and 17 have it."""
    weight = weight.clone().requires_grad_()
    y, total = torch.full((S, N), 0.5, dtype=torch.float64), 0.0
    for t in range(len(x)):
        z = torch.cat([y, with_bias(x[t])], 1)
        y = torch.sigmoid(torch.einsum("sij,sj->si", weight, z))
        total = total + (torch.where(mask[t], d[t] - y, 0) ** 2).sum() / 2
        if forcing:
            y = torch.where(mask[t], d[t], y)
    return -torch.autograd.grad(total, weight)[0]


@pytest.mark.parametrize("forcing", [False, True])
def test_the_carried_gradient_is_that_of_the_unfolded_net(forcing):  # eqs. 7–19
    x, d, mask = lesson()
    ours = net(teacher_forcing=forcing, online=False)
    first = ours.weight.clone()
    ours.run(x, d, mask)
    want = through_autograd(first, x, d, mask, forcing)
    torch.testing.assert_close(ours.change, want, **EXACT)
    assert torch.equal(ours.weight, first), "the weights are fixed along the trajectory"
    ours.update()
    torch.testing.assert_close(ours.weight, first + want)
    assert not ours.change.any()


@pytest.mark.parametrize("forcing", [False, True])
def test_back_propagation_through_time_gives_the_same(forcing):
    x, d, mask = lesson()
    ours, other = net(teacher_forcing=forcing, online=False), net(TruncatedBPTT, horizon=T, every=T)
    other.teacher_forcing = forcing
    start, y0, targets = ours.weight.clone(), ours.y.clone(), ours.targets(d, mask, T)
    ours.run(x, d, mask)
    change, _, total = gradient(start, with_bias(x), targets, y0, forcing)
    torch.testing.assert_close(change, ours.change, **EXACT)
    y, _ = trajectory(start, with_bias(x), y0, targets if forcing else None)
    error = torch.where(mask, d - y, 0)
    torch.testing.assert_close(total, error.square().sum((0, 2)) / 2)
    other.run(x, d, mask)
    torch.testing.assert_close(other.weight - start, ours.change, rtol=1e-10, atol=1e-12)


def test_the_gradient_to_the_first_outputs_passes_gradcheck():
    x, d, mask = lesson()
    targets = torch.where(mask, d, torch.nan)
    weight = net().weight.clone().requires_grad_()
    y0 = torch.rand(S, N, generator=seeded(5), dtype=torch.float64).requires_grad_()

    def total(weight, y0):
        y, _ = trajectory(weight, with_bias(x), y0)
        return (targets - y).nan_to_num(0.0).square().sum() / 2

    assert torch.autograd.gradcheck(total, (weight, y0))
    change, start, _ = gradient(weight.detach(), with_bias(x), targets, y0.detach())
    for ours, theirs in zip((change, start), torch.autograd.grad(total(weight, y0), (weight, y0))):
        torch.testing.assert_close(ours, -theirs, **EXACT)


def test_p_is_the_jacobian_of_the_outputs():  # eq. 14
    x, _, _ = lesson()
    ours = net(seeds=1)

    def last(weight):
        y0 = torch.full((1, N), 0.5, dtype=torch.float64)
        return trajectory(weight, with_bias(x[:, :1]), y0)[0][-1, 0]

    want = torch.func.jacrev(last)(ours.weight)[:, 0]
    ours.run(x[:, :1])
    torch.testing.assert_close(ours.p.view(N, N, -1), want, **EXACT)


@pytest.mark.parametrize("forcing", [False, True])
def test_one_product_is_the_readable_equation(forcing):  # eqs. 12, 19
    x, d, mask = lesson()
    ours = net(teacher_forcing=forcing)
    ours.run(x[:7], d[:7], mask[:7], learn=False)
    forced = mask[6] if forcing else None
    z = ours.concatenate(x[7])
    y = torch.sigmoid((ours.weight @ z[..., None])[..., 0])
    p = ours.p.view(S, N, N, -1)
    want = sensitivities_reference(ours.weight, p, y * (1 - y), z, forced)
    ours.run(x[7:8])
    torch.testing.assert_close(ours.p.view_as(want), want, **EXACT)
    torch.testing.assert_close(ours.y, y, **EXACT)


def test_weights_that_are_not_there_need_no_row():  # §2.4
    x, d, mask = lesson()
    there = torch.rand(N, N + M + 1, generator=seeded(3)) < 0.6
    sparse, dense = net(connectivity=there, online=False), net(online=False)
    dense.weight.copy_(sparse.weight)
    assert (sparse.weight[:, ~there] == 0).all()
    assert sparse.p.shape == (S, N, there.sum())
    for each in (sparse, dense):
        each.run(x, d, mask)
    torch.testing.assert_close(sparse.change, dense.change * there, **EXACT)
    online = net(connectivity=there)
    online.run(x, d, mask)
    assert (online.weight[:, ~there] == 0).all()
    truncated = net(TruncatedBPTT, connectivity=there, horizon=T, every=T)
    truncated.run(x, d, mask)
    torch.testing.assert_close(truncated.weight - sparse.weight, sparse.change, **EXACT)


@pytest.mark.parametrize(("n", "m", "count"), [(3, 3, 54), (15, 6, 4725), (6, 4, 360)])
def test_there_are_n3_plus_mn2_sensitivities(n, m, count):  # §2.4; m counts the bias
    ours = RTRL(n, m - 1)
    assert ours.p.numel() == n**3 + m * n**2 == count
    assert ours.weight.numel() == n * (n + m)


@pytest.mark.parametrize(
    ("name", "weights", "sensitivities"),
    [
        ("xor-delay-2", 18, 54), ("sequence-recognition", 14, 28), ("oscillator-01", 2, 2),
        ("oscillator-0011", 6, 12), ("oscillator-sinusoid", 6, 12), ("parentheses-15", 315, 4725),
        ("parentheses-12", 216, 2592),
    ],
)  # fmt: skip
def test_published_sizes(name, weights, sensitivities):
    ours = RTRL.from_preset(name, lr=2.0, device="meta")
    assert (ours.weight.numel(), ours.p.numel()) == (weights, sensitivities)
    assert ours.teacher_forcing == name.startswith("oscillator")
    assert len(PRESETS) == 7


def test_the_worked_example_of_the_readme():
    ours = RTRL(1, 0, lr=1.0, dtype=torch.float64)  # one unit: w = 2, bias −1
    ours.weight.copy_(torch.tensor([2.0, -1.0]))
    assert ours.step([]).item() == 0.5
    torch.testing.assert_close(ours.p.flatten().tolist(), [0.125, 0.25])
    ours.step([], target=[1.0], mask=[0])
    torch.testing.assert_close(ours.p.flatten().tolist(), [0.1875, 0.375])
    torch.testing.assert_close(ours.weight.flatten().tolist(), [2 + 0.5 * 0.1875, -1 + 0.5 * 0.375])


def test_inputs_are_felt_one_step_later_and_hidden_ones_two():  # eq. 3
    ours = net(FullyRecurrent)
    other = net(FullyRecurrent)
    x = lesson()[0]
    changed = x.clone()
    changed[4] += 1
    a, b = ours.run(x), other.run(changed)
    assert torch.equal(a[:4], b[:4])
    assert (a[4] != b[4]).all(), "row t of the outputs is y(t + 1)"


def test_the_error_meets_the_output_and_not_the_target_in_its_place():  # §2.3
    x, d, mask = lesson()
    forced, free = net(teacher_forcing=True), net()
    assert torch.equal(forced.step(x[0], d[0], mask[0]), free.step(x[0], d[0], mask[0]))
    assert not torch.equal(forced.step(x[1], d[1], mask[1]), free.step(x[1], d[1], mask[1]))
    z = forced.concatenate(x[2])
    torch.testing.assert_close(z[:, :N][mask[1]], d[1][mask[1]])


def test_steps_are_a_run_and_a_list_of_units_is_a_mask():
    x, d, _ = lesson()
    whole, single, listed = net(), net(), net()
    mask = torch.tensor([False, True, False, False])
    want = whole.run(x, d, mask)
    got = torch.stack([single.step(x[t], d[t], mask) for t in range(T)])
    torch.testing.assert_close(got, want, **EXACT)
    listed.run(x, d[..., 1:2], [1])
    for other in (single, listed):
        torch.testing.assert_close(other.weight, whole.weight, **EXACT)


def test_a_list_of_units_keeps_its_order():
    x, d, _ = lesson()
    for units in ([1, 0], [3, 1, 0], [2, 3, 1, 0]):
        there = torch.zeros(N, dtype=torch.bool)
        there[units] = True
        column = {unit: i for i, unit in enumerate(units)}
        by_unit = torch.stack([d[..., column.get(k, 0)] for k in range(N)], -1)
        listed, masked = net(), net()
        listed.run(x, d[..., : len(units)], units)
        masked.run(x, by_unit, there)
        assert torch.equal(listed.weight, masked.weight)
        listed.run(x, d[..., : len(units)], torch.tensor(units))
        masked.run(x, by_unit, there)
        assert torch.equal(listed.weight, masked.weight)
    all_columns, one = net(), net()
    all_columns.run(x, d, [1])  # a column for each unit: those of the list count
    one.run(x, d[..., 1:2], [1])
    assert torch.equal(all_columns.weight, one.weight)


@hypothesis.settings(max_examples=15, deadline=None, derandomize=True)
@hypothesis.given(cuts=some.sets(some.integers(1, T - 1)), forcing=some.booleans())
def test_it_does_not_matter_how_a_stream_is_cut(cuts, forcing):  # §2.2: no epoch boundaries
    x, d, mask = lesson()
    whole, pieces = net(teacher_forcing=forcing), net(teacher_forcing=forcing)
    whole.run(x, d, mask)
    edges = [0, *sorted(cuts), T]
    for start, end in itertools.pairwise(edges):
        pieces.run(x[start:end], d[start:end], mask[start:end])
    assert torch.equal(pieces.weight, whole.weight)
    assert torch.equal(pieces.p, whole.p)


@pytest.mark.parametrize("forcing", [False, True])
@pytest.mark.parametrize("online", [False, True])
def test_learning_goes_on_from_a_state_dict(forcing, online, tmp_path):
    x, d, mask = lesson()
    ours = net(teacher_forcing=forcing, online=online, lr=torch.tensor([0.5, 1.0, 2.0]))
    ours.run(x[:10], d[:10], mask[:10])
    torch.save(ours.state_dict(), tmp_path / "net.pt")
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    loaded = net(teacher_forcing=forcing, online=online, generator=seeded(9), lr=torch.ones(S))
    loaded.load_state_dict(state)
    others = [loaded, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    want = ours.run(x[10:], d[10:], mask[10:])
    for other in others:
        assert torch.equal(other(x[10:], d[10:], mask[10:]), want)
        assert torch.equal(other.weight, ours.weight)
        assert torch.equal(other.change, ours.change)


def test_a_net_is_a_module():
    there = torch.rand(N, N + M + 1, generator=seeded(3)) < 0.6
    ours = net(dtype=torch.float32, connectivity=there, teacher_forcing=True).double()
    assert {v.dtype for v in ours.state_dict().values()} == {torch.float64, torch.bool}
    x, d, mask = lesson()
    assert ours.run(x, d, mask).dtype == torch.float64
    assert not any(weight.requires_grad for weight in ours.parameters())
    parent = torch.nn.Sequential(net(), torch.nn.Linear(N, 1))
    parent.apply(lambda module: None)
    assert repr(ours) == "RTRL(4 units, 3 lines, 3 nets, teacher_forcing=True)"
    assert RTRL(2, 1, connectivity=torch.eye(2, 4)).to("meta").p.shape == (1, 2, 2)


def test_a_config_stands_for_its_numbers():
    for kind in (RTRL, TruncatedBPTT, FullyRecurrent):
        a = kind(Sizes(N, M, True), lr=2.0, seeds=S, generator=seeded())
        b = kind(N, M, 2.0, True, S, generator=seeded())
        assert torch.equal(a.weight, b.weight)
        assert a.teacher_forcing
        assert b.teacher_forcing
    assert RTRL(Sizes(2, 0), teacher_forcing=True).teacher_forcing


def test_online_goes_to_the_gradient_as_the_rate_goes_to_zero():  # §2.2
    x, d, mask = lesson()
    gaps = []
    for lr in (1.0, 0.1, 0.01):
        online, summed = net(lr=lr), net(lr=lr, online=False)
        start = online.weight.clone()
        online.run(x, d, mask)
        summed.run(x, d, mask)
        gaps.append(((online.weight - start - summed.change).norm() / summed.change.norm()).item())
    assert gaps[0] > 4 * gaps[1]
    assert gaps[1] > 8 * gaps[2] > 0


def test_each_net_learns_for_itself_with_its_own_rate():
    x, d, mask = lesson()
    rates = torch.tensor([0.0, 1.0, 2.0])
    ours = net(lr=rates)
    start = ours.weight.clone()
    ours.run(x, d, mask)
    assert torch.equal(ours.weight[0], start[0])
    for s in (1, 2):
        alone = net(seeds=1, lr=rates[s].item())
        alone.weight.copy_(start[s])
        alone.run(x[:, s : s + 1], d[:, s : s + 1], mask[:, s : s + 1])
        torch.testing.assert_close(alone.weight[0], ours.weight[s], **EXACT)


def test_a_reset_forgets():
    x, d, mask = lesson()
    ours = net(online=False, teacher_forcing=True)
    ours.run(x, d, mask)
    first = ours.change.clone()
    ours.reset()
    assert not ours.change.any()
    ours.run(x, d, mask)
    assert torch.equal(ours.change, first)


def test_a_short_horizon_is_another_gradient_and_one_step_reaches_only_the_outputs():
    x, d, mask = lesson()
    mask[..., 3] = False
    short = net(TruncatedBPTT, horizon=1)
    start = short.weight.clone()
    short.run(x, d, mask)
    moved = (short.weight != start).flatten(2).any(2)
    assert moved.tolist() == [[False, True, False, False]] * S
    two = net(TruncatedBPTT, horizon=2)
    two.run(x, d, mask)
    assert (two.weight != start).flatten(2).any(2).all()


def test_nothing_grows_with_time():
    x, d, mask = lesson()
    ours = net()
    held = sum(v.numel() for v in (ours.weight, ours.p, ours.y, ours.change))
    for _ in range(20):
        ours.run(x, d, mask)
    assert sum(v.numel() for v in (ours.weight, ours.p, ours.y, ours.change)) == held
    assert ours.weight.isfinite().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RTRL(0, 2), "n_units must be an integer of at least 1, got 0"),
        (lambda: RTRL(3.0, 2), "n_units must be an integer of at least 1, got 3.0"),
        (lambda: RTRL(2, -1), "n_inputs must be an integer of at least 0, got -1"),
        (lambda: RTRL(2), "n_inputs must be given"),
        (lambda: RTRL(Sizes(2, 1), 1), "1 was given besides"),
        (lambda: RTRL(2, 1, seeds=0), "seeds must be an integer of at least 1, got 0"),
        (lambda: RTRL(2, 1, scale=-1.0), "scale must be at least 0 and finite, got -1.0"),
        (lambda: RTRL(2, 1, y0=7.0), "y0 must lie in 0 to 1, as outputs do, got 7.0"),
        (lambda: net().reset(torch.ones(5)), r"y must be \(3, 4\) in 0 to 1, is \(5,\)"),
        (lambda: net().reset(torch.full((S, N), math.nan)), r"in 0 to 1, is \(3, 4\) from nan"),
        (lambda: net().step([math.nan, 1.0]), "x must be finite"),
        (lambda: net().step(torch.ones(2), [1.0], 0), "mask must be bool, or list units"),
        (lambda: net().step(torch.ones(2), [1.0], [0.5]), r"got \[0.5\]"),
        (lambda: net().step(torch.ones(2), 1.0, [0]), r"must be \(1, 3, 4\)"),
        (
            lambda: net().run(torch.ones(4, 1, 2), torch.ones(4, 1, 4), torch.ones(2, 1, 4) > 0),
            r"of one shape, are \(4, 1, 4\) and \(2, 1, 4\)",
        ),
        (lambda: RTRL(2, 1, lr=math.nan), "lr must be at least 0"),
        (lambda: RTRL(2, 1, lr=-1.0), "lr must be at least 0"),
        (lambda: RTRL(2, 1, lr=torch.ones(3)), "one for each of 1"),
        (lambda: RTRL(2, 1, connectivity=torch.ones(2, 3)), r"must be \(2, 4\), is \(2, 3\)"),
        (lambda: RTRL(257, 0), "17,040,642 sensitivities"),
        (lambda: RTRL.from_preset("xor"), "xor-delay-2"),
        (lambda: net().step(torch.ones(3)), r"n_inputs = 2: is \(1, 1, 3\)"),
        (lambda: net().run(torch.ones(5, 2)), r"\(T, 3, 2\)"),
        (lambda: net().step(torch.ones(2), torch.ones(4)), "target and mask go together"),
        (lambda: net().step(torch.ones(2), mask=[0]), "target and mask go together"),
        (lambda: net().step(torch.ones(2), torch.ones(1), [4]), r"units of 0 to 3, each once"),
        (lambda: net().step(torch.ones(2), torch.ones(2), [1, 1]), "each once"),
        (
            lambda: net().step(torch.ones(2), torch.ones(4), torch.ones(5, dtype=torch.bool)),
            "n_units = 4",
        ),
        (lambda: net().step(torch.ones(2), [math.nan], [0]), "must be finite"),
        (
            lambda: net(teacher_forcing=True).step(torch.ones(2), [math.inf], [0]),
            "must be finite",
        ),
        (lambda: net().run(torch.ones(5, 1, 2), torch.ones(4, 1, 4), [0]), r"must be \(5, 3, 4\)"),
        (lambda: TruncatedBPTT(2, 1, horizon=2, every=3), "every must be in 1 … horizon"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_large_nets_are_built_when_asked_for():
    assert RTRL(257, 0, allow_large=True, device="meta").p.numel() == 257**3 + 257**2
