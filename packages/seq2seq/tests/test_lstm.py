"""Layers of memory cells: Graves' equations, where sentences end, what torch does to layers."""

import copy
import pickle

import numpy as np
import pytest
import torch

from lessons.seq2seq import LSTM, lags, reverse_padded

BACKENDS = [("torch", False), ("scan", False), ("scan", True), ("auto", True), ("auto", False)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(inputs=3, hidden=4, layers=2, seed=1, **more):
    net = LSTM(inputs, hidden, layers, init=0.7, generator=seeded(seed), **more)
    return net.double()


def inputs(steps=6, batch=3, size=3, seed=2):
    return torch.randn(steps, batch, size, dtype=torch.float64, generator=seeded(seed))


def graves(net, x, h, c):
    """Equations 7 to 11 in NumPy, one sequence, one layer after another."""
    sigma = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    x = x.numpy()
    for l in range(net.num_layers):
        w_x, w_h, b, w_c = (p.detach().numpy() for p in net.layer(l))
        n, out = net.hidden_size, []
        hh, cc = h[l].numpy(), c[l].numpy()
        for v in x:
            i, f, g, o = (w_x[k * n : k * n + n] @ v + w_h[k * n : k * n + n] @ hh
                          + b[k * n : k * n + n] for k in range(4))  # fmt: skip
            i, f = sigma(i + w_c[0] * cc), sigma(f + w_c[1] * cc)
            cc = f * cc + i * np.tanh(g)
            hh = sigma(o + w_c[2] * cc) * np.tanh(cc)
            out.append(hh)
        x = np.stack(out)
    return x


def test_the_equations_of_graves():
    net, x = made(peephole=True), inputs(batch=1)
    h, c = torch.randn(2, 2, 1, 4, dtype=torch.float64, generator=seeded())
    for backend in ("scan", "readable"):
        net.backend = backend
        y, _ = net(x, (h, c))
        np.testing.assert_allclose(
            y[:, 0].detach().numpy(), graves(net, x[:, 0], h[:, 0], c[:, 0]), atol=1e-12
        )


@pytest.mark.parametrize(("backend", "peephole"), BACKENDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("ends", [None, [6, 1, 4], [6, 6, 6], [2, 3, 1]])
@pytest.mark.parametrize("begin", [False, True])
def test_every_path_computes_what_the_readable_one_does(backend, peephole, bias, ends, begin):
    x = inputs()
    lengths = None if ends is None else torch.tensor(ends)
    found = []
    for kind in ("readable", backend):
        net = made(peephole=peephole, bias=bias, backend=kind)
        given = x.clone().requires_grad_()
        state = torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=seeded(3)) * begin
        state.requires_grad_()
        y, last = net(given, tuple(state) if begin else None, lengths)
        total = (y * torch.arange(4)).sum() + (last[0] * 0.3).sum() + last[1].square().sum()
        leaves = [given, *net.parameters(), *([state] if begin else [])]
        found.append([y, *last, *torch.autograd.grad(total, leaves)])
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("cell", ["lstm", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
def test_each_state_stops_at_its_sentence_s_end(cell, bias):
    net, x = made(cell=cell, bias=bias), inputs()
    x[:, 1] = 1e3  # what lies behind the end may be anything
    y, last = net(x, None, torch.tensor([6, 3, 1]))
    for b, n in enumerate((6, 3, 1)):
        alone, its = net(x[:n, b : b + 1])
        torch.testing.assert_close(y[:n, b : b + 1], alone)
        assert (y[n:, b] == 0).all()
        for part, own in zip(last, its):
            torch.testing.assert_close(part[:, b : b + 1], own)


def test_padding_before_the_words_leaves_exactly_nothing():
    net, x = made().float(), inputs().float()
    y, _ = net.unroll(x, None, torch.tensor([[False, True, True]] * 5 + [[True] * 3]))
    assert (y[:5, 0] == 0).all()
    assert (y[5, 0] != 0).all()


@pytest.mark.parametrize("peephole", [True, False])
def test_gradients_are_those_of_finite_differences(peephole):
    net = made(2, 2, 1, peephole=peephole)
    x = inputs(3, 2, 2).requires_grad_()
    weights = tuple(net.parameters())

    def run(x, *weights):
        y, (h, c) = net(x, None, torch.tensor([3, 2]))
        return y, h, c

    assert torch.autograd.gradcheck(run, (x, *weights))
    net.backend = "readable"
    assert torch.autograd.gradgradcheck(lambda x: net(x)[0].sum(), (x,))


@pytest.mark.parametrize("power", [1, 3])
def test_a_gradient_to_be_differentiated_counts_each_path_once(power):
    """States come from the inputs, too; of a plain sum what comes back is constant."""
    net, x, found = made(peephole=True), inputs().requires_grad_(), []
    given = (x, *net.parameters())
    for net.backend in ("scan", "readable"):
        first = x[0].mean() * torch.ones(net.num_layers, x.shape[1], net.hidden_size).to(x)
        y, _ = net(x, (first, first.tanh()))
        slopes = torch.autograd.grad((y**power).sum(), given, create_graph=True)
        curves = torch.autograd.grad(sum(v.square().sum() for v in slopes), given)
        found.append([*slopes, *curves])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("peephole", [True, False])
def test_it_survives_what_torch_does_to_layers(peephole):
    net, x = made(peephole=peephole), inputs()
    want, _ = net(x)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(other(x)[0], want)
    for strided in (x.transpose(0, 1).contiguous().transpose(0, 1), x.repeat(1, 1, 2)[..., :3]):
        torch.testing.assert_close(net(strided)[0], want)
    mapped = torch.func.vmap(lambda x: net(x[:, None])[0][:, 0], 1, 1)(x)
    torch.testing.assert_close(mapped, want)
    y, tangent = torch.func.jvp(lambda x: net(x)[0], (x,), (torch.ones_like(x),))
    torch.testing.assert_close(y, want)
    moved = (net(x + 1e-6)[0] - net(x - 1e-6)[0]) / 2e-6
    torch.testing.assert_close(tangent, moved, rtol=1e-5, atol=1e-7)
    empty, (h, _) = net(x[:, :0])
    assert empty.shape == (6, 0, 4)
    assert h.shape == (2, 0, 4)
    single = copy.deepcopy(net).float()
    with torch.autocast("cpu", torch.bfloat16):
        half, (_, c) = single(x.float())
    assert c.dtype == torch.float32, "cells add up over many steps"
    torch.testing.assert_close(half.double(), want, rtol=0.1, atol=0.05)


def test_it_compiles_whole():
    net, x = made(layers=1, peephole=True), inputs(3)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x)[0], net(x)[0])


def test_export_with_a_dynamic_batch():
    net, x = made(layers=1).float(), inputs(2).float()
    batch = {1: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(net, (x,), dynamic_shapes={"x_TBI": batch})
    other = torch.randn(2, 7, 3)
    torch.testing.assert_close(exported.module()(other)[0], net(other)[0])


def test_a_standard_net_has_no_gates():
    net = made(cell="tanh", layers=1)
    x, (w_x, w_h, b, _) = inputs(batch=1), net.layer(0)
    h = torch.zeros(4).double()
    for t in range(6):
        h = (w_x @ x[t, 0] + w_h @ h + b).tanh()
    torch.testing.assert_close(net(x)[0][-1, 0], h)


# Reversing -----------------------------------------------------------------------------------


def test_reversing_turns_words_and_leaves_padding():
    ids = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0], [1, 2, 3, 4]])
    length = torch.tensor([3, 2, 4])
    want = [[7, 6, 5, 0], [9, 8, 0, 0], [4, 3, 2, 1]]
    assert reverse_padded(ids, length).tolist() == want
    assert torch.equal(reverse_padded(reverse_padded(ids, length), length), ids)
    assert torch.equal(reverse_padded(ids[:, :, None].expand(-1, -1, 2), length)[..., 1],
                       reverse_padded(ids, length))  # fmt: skip


def test_lags_of_the_paper_s_example():
    pairs = [(0, 0), (1, 1), (2, 2)]
    assert lags(3, pairs, False) == [3, 3, 3]
    assert lags(3, pairs, True) == [1, 3, 5]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: LSTM(0, 3), ValueError, "input_size must be at least 1, got 0"),
        (lambda: LSTM(3, 3, 0), ValueError, "num_layers must be at least 1, got 0"),
        (lambda: LSTM(3, 3, cell="gru"), ValueError, "cell must be one of lstm, tanh, got 'gru'"),
        (lambda: LSTM(3, 3, backend="x"), ValueError, "backend must be one of auto, torch, scan"),
        (lambda: LSTM(3, 3, cell="tanh", peephole=True), ValueError, "'tanh' has no gates"),
        (lambda: LSTM(3, 3, peephole=True, backend="torch"), ValueError, "has no peepholes"),
        (lambda: made()(inputs(size=4)), ValueError, r"input_size = 3\), got \(6, 3, 4\)"),
        (lambda: made()(inputs()[0]), ValueError, r"got \(3, 3\)"),
        (lambda: made()(inputs(), (torch.zeros(1, 3, 4),) * 2), ValueError,
         r"\(L, B, H\) = \(2, 3, 4\), got \[\(1, 3, 4\), \(1, 3, 4\)\]"),
        (lambda: made()(inputs(), (torch.zeros(2, 3, 4),)), ValueError, r"state must be \(h, c\)"),
        (lambda: made()(inputs(), None, torch.tensor([6, 0, 1])), ValueError,
         r"lengths must lie in 1 … 6 .* got 0 at row 1"),
        (lambda: made()(inputs(), None, torch.tensor([6, 7, 1])), ValueError, "got 7 at row 1"),
        (lambda: made()(inputs(), None, torch.tensor([6, 7])), ValueError, r"got shape \(2,\)"),
        (lambda: made()(inputs(), None, torch.ones(3)), TypeError, "integers, got torch.float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
