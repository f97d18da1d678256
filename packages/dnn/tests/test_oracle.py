"""Equality with autograd, torch's SGD and scikit-learn, in double precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPRegressor

from lessons.dnn import (
    ACTIVATIONS,
    MLP,
    PRESETS,
    DeltaNet,
    DeltaRule,
    Graph,
    RecurrentNet,
    SigmaPi,
)


def random_graph(seed, n_in, n_hidden, n_out, shared):
    """Connect units at random, outputs among each other too; with shared, only five weights."""
    generator = torch.Generator().manual_seed(seed)
    n = n_in + n_hidden + n_out
    wired = torch.rand(n, n, generator=generator) < 0.6
    wired = wired.tril(-1)
    wired[:n_in] = False
    if not shared:
        return Graph(wired, n_in, n_out)
    numbers = torch.randint(1, 5, (n, n), generator=generator) * wired
    biases = torch.randint(1, 3, (n,), generator=generator) * (torch.arange(n) >= n_in)
    return Graph(numbers, n_in, n_out, biases)


def unit_by_unit(net, weights, x_RPI):
    """Compute a net one unit after the other, by autograd: nothing of ours but the numbering."""
    numbers, count = net.graph.numbered()
    units, first_output = len(numbers), len(numbers) - net.graph.n_out
    coming: dict[int, list] = {j: [] for j in range(units)}
    for to, source in (numbers < count).nonzero().tolist():
        coming[to].append((source, weights[:, numbers[to, source], None]))
    acts = [torch.ones_like(x_RPI[..., 0]), *x_RPI.unbind(-1)]
    for j in range(len(acts), units):
        total = sum((w * acts[i] for i, w in coming[j]), torch.zeros_like(acts[0]))
        acts.append(total if net.linear and j >= first_output else 1 / (1 + torch.exp(-total)))
    return torch.stack(acts[-net.graph.n_out :], -1)


def autograd(net, x_RPI, aim_PO):
    weights = net.weights.detach().clone().requires_grad_()
    outputs = unit_by_unit(net, weights, x_RPI)
    error = (aim_PO - outputs).nan_to_num(0.0)
    if net.no_error_zone:
        middle = sum(net.targets) / 2
        error = torch.where(aim_PO > middle, error.clamp(min=0), error.clamp(max=0))
    (0.5 * error.square().sum()).backward()
    return weights.grad, outputs.detach()


@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 6), st.integers(1, 4),
    st.sampled_from(["logistic", "linear"]), st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_gradient_of_any_graph_is_autograds(seed, n_in, n_hidden, n_out, output, shared, zone):
    generator = torch.Generator().manual_seed(seed)
    graph = random_graph(seed, n_in, n_hidden, n_out, shared)
    net = DeltaNet(graph, 3, (0.2, 0.8), output, zone, 2.0, generator, dtype=torch.float64)
    x = torch.rand(3, 5, n_in, generator=generator, dtype=torch.float64)
    aim = net.aim(torch.rand(5, n_out, generator=generator, dtype=torch.float64).round())
    aim[0, 0] = torch.nan
    outputs = net.backpropagate(x, aim)
    gradient, expected = autograd(net, x, aim)
    assert torch.allclose(outputs, expected, rtol=0, atol=1e-13)
    assert torch.allclose(net.weights.grad, gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_the_gradient_of_every_preset_is_autograds(name):
    generator = torch.Generator().manual_seed(1)
    net = DeltaNet.from_preset(name, replicates=2, generator=generator, dtype=torch.float64)
    x = torch.rand(2, 4, net.graph.n_in, generator=generator, dtype=torch.float64)
    aim = net.aim(torch.rand(4, net.graph.n_out, generator=generator, dtype=torch.float64).round())
    net.backpropagate(x, aim)
    assert torch.allclose(net.weights.grad, autograd(net, x, aim)[0], rtol=0, atol=1e-12)


class Energy(torch.autograd.Function):
    """E as a function of the weights whose backward pass is ours, for torch's gradcheck."""

    @staticmethod
    def forward(ctx, weights, net, x, aim):
        with torch.no_grad():
            net.weights.copy_(weights)
        outputs = net.backpropagate(x, aim)
        ctx.save_for_backward(net.weights.grad.clone())
        return 0.5 * net.error(outputs, aim).square().sum()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None, None, None


@pytest.mark.parametrize("kind", ["graph", "recurrent"])
def test_the_gradient_passes_gradcheck(kind):
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64, "scale": 1.0}
    if kind == "graph":
        net = DeltaNet(random_graph(0, 3, 4, 2, False), 2, **options)
    else:
        net = RecurrentNet(1, 2, 1, 3, replicates=2, **options)
    x = torch.rand(5, net.graph.n_in, generator=generator, dtype=torch.float64)
    aim = net.aim(torch.rand(5, net.graph.n_out, generator=generator, dtype=torch.float64))
    weights = net.weights.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(Energy.apply, (weights, net, x, aim))


@pytest.mark.parametrize("targets_at", [1, 3])
def test_a_recurrent_nets_gradient_is_that_of_a_loop_through_time(targets_at):
    # nn.RNN has no connections between outputs, so the reference is a loop, by autograd.
    generator = torch.Generator().manual_seed(2)
    n_in, n_hidden, n_out, steps = 2, 4, 3, 5
    net = RecurrentNet(
        n_in, n_hidden, n_out, steps, replicates=1, generator=generator, dtype=torch.float64
    )
    x = torch.rand(6, steps, n_in, generator=generator, dtype=torch.float64)
    truth = torch.rand(6, targets_at, n_out, generator=generator, dtype=torch.float64).round()
    given_, wanted = net.given(x), net.wanted(truth)
    net.backpropagate(given_, net.aim(wanted))

    weights = net.weights.detach().clone().requires_grad_()
    states = n_hidden + n_out
    wired = torch.zeros(states, n_in + states, dtype=torch.bool)
    wired[:n_hidden, : n_in + n_hidden] = True
    wired[n_hidden:, n_in:] = True
    count = int(wired.sum())
    matrix = torch.zeros(states, n_in + states, dtype=torch.float64)
    matrix = matrix.masked_scatter(wired, weights[0, :count])
    state, energy = torch.full((6, states), 0.2, dtype=torch.float64), 0.0
    for t in range(steps):
        state = torch.sigmoid(torch.cat([x[:, t], state], 1) @ matrix.T + weights[0, count:])
        assert torch.allclose(net.states(given_)[0, :, t], state, rtol=0, atol=1e-13)
        if t >= steps - targets_at:
            aim = 0.1 + 0.8 * truth[:, t - steps + targets_at]
            energy = energy + 0.5 * (aim - state[:, n_hidden:]).square().sum()
    energy.backward()
    assert torch.allclose(net.weights.grad, weights.grad, rtol=0, atol=1e-12)


def test_sigma_pi_deltas_are_autograds():
    generator = torch.Generator().manual_seed(3)
    conjuncts = [(), (0,), (2,), (0, 1), (1, 3), (0, 2, 3)]
    unit = SigmaPi(4, 2, conjuncts, generator=generator, dtype=torch.float64)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    outputs = unit(x)
    (0.5 * (target - outputs).square().sum()).backward()
    expected = unit.weight.grad.clone()
    with torch.no_grad():
        blame = unit.backpropagate(x, outputs, target - outputs)
    assert torch.allclose(unit.weight.grad, expected, rtol=0, atol=1e-12)
    assert torch.allclose(blame, -x.grad, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: unit(x), (x,))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_the_layered_gradient_is_autograds(activation, bias):
    torch.manual_seed(0)
    net = MLP((3, 5, 4, 2), activation, "logistic", bias, dtype=torch.float64)
    x, target = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 2, dtype=torch.float64)
    (0.5 * (target - net(x)).square().sum()).backward()
    expected = [param.grad.clone() for param in net.parameters()]
    net.backpropagate(x, target)
    for param, gradient in zip(net.parameters(), expected):
        assert torch.allclose(param.grad, gradient, rtol=0, atol=1e-12)


def twins():
    torch.manual_seed(0)
    ours = [torch.randn(4, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    return ours, [param.clone() for param in ours]


def walk(optimizers, params, steps):
    for _ in range(steps):
        for a, b in zip(*params):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    return max((a - b).abs().max().item() for a, b in zip(*params))


def test_the_rule_is_torchs_sgd_with_momentum_while_the_rate_stays():
    ours, theirs = twins()
    optimizers = DeltaRule(ours, 0.1, 0.9), torch.optim.SGD(theirs, 0.1, momentum=0.9)
    assert walk(optimizers, (ours, theirs), 200) < 1e-12
    for optimizer in optimizers:  # torch multiplies the old step by the new rate, eq. 16 does not
        optimizer.param_groups[0]["lr"] = 0.01
    assert walk(optimizers, (ours, theirs), 1) > 0.01


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_50_steps_equal_scikit_learns(activation):
    torch.manual_seed(0)
    net = MLP((4, 6, 2), activation, "linear", dtype=torch.float64)
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)
    options = {
        "hidden_layer_sizes": (6,), "activation": activation, "solver": "sgd", "alpha": 0,
        "momentum": 0.9, "nesterovs_momentum": False, "shuffle": False, "batch_size": 20,
        "tol": 0, "n_iter_no_change": 1000, "random_state": 0,
    }  # fmt: skip
    data = x.numpy(), y.numpy()
    still = MLPRegressor(**options, learning_rate_init=1e-300, max_iter=1).fit(*data)
    reference = MLPRegressor(**options, learning_rate_init=0.1, max_iter=50).fit(*data)
    with torch.no_grad():  # scikit-learn's own start, which the same seed gives again
        for layer, coefs, intercepts in zip(net.layers, still.coefs_, still.intercepts_):
            layer.weight.copy_(torch.from_numpy(coefs.T))
            layer.bias.copy_(torch.from_numpy(intercepts))
    optimizer = DeltaRule(net.parameters(), 0.1 / 20, 0.9)  # its gradient is a mean over patterns
    for _ in range(50):
        net.backpropagate(x, y)
        optimizer.step()
    for layer, coefs, intercepts in zip(net.layers, reference.coefs_, reference.intercepts_):
        assert torch.allclose(layer.weight, torch.from_numpy(coefs.T), rtol=0, atol=1e-12)
        assert torch.allclose(layer.bias, torch.from_numpy(intercepts), rtol=0, atol=1e-12)
