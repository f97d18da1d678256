"""The paper's equations, sizes and bad input."""

import dataclasses

import pytest
import torch

from lessons.lstm import (
    LSTM1997,
    PRESETS,
    RATES,
    Config,
    LSTM1997Cell,
    TruncatedLearner,
    bound,
    carousel,
    carousel_reference,
    error_flow,
    gradient_flow,
)

SIZES = {"exp1-4x1": 264, "exp1-3x2": 276, "exp2a": 10_504, "exp2b": 10_504, "exp2c-50": 364,
         "exp2c-100": 664, "exp2c-200": 1264, "exp2c-500": 3064, "exp2c-1000": 6064, "exp3": 102,
         "exp4": 93, "exp5": 93, "exp6a": 156, "exp6b": 308}  # fmt: skip
WIRINGS = [
    Config(3, 2, 2, 2),
    Config(3, 2, 2, 2, truncate=False),
    Config(3, 3, 1, 2, gate_recurrence=False, truncate=False),
    Config(3, 2, 2, 2, cell_recurrence=False, truncate=False),
    Config(3, 2, 2, 2, input_gate=False, truncate=False),
    Config(3, 2, 2, 2, output_gate=False),
    Config(3, 2, 2, 2, output_gate=False, input_gate=False, truncate=False),
    Config(3, 2, 1, 2, bias="gates", truncate=False, squash_in="g1", squash_out="identity"),
    dataclasses.replace(PRESETS["exp2a"], input_size=3, output_size=2),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_are_the_papers(name):
    net = LSTM1997.from_preset(name, device="meta")
    assert sum(weight.numel() for weight in net.parameters()) == SIZES[name]
    assert name in RATES


def test_a_step_by_hand():
    # §4.1 with the numbers of the README: the input gate .9, g 1.2; then .01 and −.5.
    net = LSTM1997(Config(4, 1, bias=None, cell_recurrence=False, gate_recurrence=False),
                   dtype=torch.float64)  # fmt: skip
    logit = lambda p: torch.tensor(p, dtype=torch.float64).logit()  # noqa: E731
    g = lambda v: logit((v + 2) / 4)  # noqa: E731
    with torch.no_grad():
        net.weight_x.zero_()
        net.weight_x[0, 0], net.weight_x[0, 1] = logit(0.9), logit(0.01)
        net.weight_x[2, 0], net.weight_x[2, 1] = g(1.2), g(-0.5)
        net.weight_x[1, 0], net.weight_x[1, 1] = -50, 50
    x = torch.eye(4, dtype=torch.float64)[:2, None]
    _, (_, s) = net(x[:1])
    assert s.item() == pytest.approx(1.08)
    y, (_, s) = net(x)
    assert s.item() == pytest.approx(1.075)
    assert y[0].item() == pytest.approx(0, abs=1e-12), "the output gate was shut"
    assert y[1].item() == pytest.approx(torch.tanh(torch.tensor(1.075 / 2)).item(), abs=1e-7)


@pytest.mark.parametrize("c", WIRINGS)
def test_the_fast_path_is_the_readable_one(c):
    torch.manual_seed(0)
    shapes = ((5, 2, 3, c.units), (2, c.units, c.sources), (2, 3, c.sources), (2, 3, c.cells))
    given = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    found = []
    for path in (carousel, carousel_reference):
        y, s, seen = path(*given, c)
        loss = y.sin().sum() + s.cos().sum()
        if not c.truncate:
            loss = loss + (seen * seen).sum()
        gradients = torch.autograd.grad(loss, given, allow_unused=True)
        found.append([y, s, seen, *(v if v is not None else torch.zeros(()) for v in gradients)])
    for a, b in zip(*found):
        if b.shape == ():
            assert not a.any()
        else:
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    if not c.truncate and c.sources:
        fast = lambda *v: carousel(*v, c)  # noqa: E731
        little = [v.detach()[:2, :1] if v.dim() == 4 else v.detach()[:1] for v in given]
        little = [v[..., :1, :] if i != 1 else v for i, v in enumerate(little)]
        little = [v.clone().requires_grad_() for v in little]
        assert torch.autograd.gradcheck(fast, little, fast_mode=True)
        assert torch.autograd.gradgradcheck(fast, little, fast_mode=True)


@pytest.mark.parametrize("truncate", [True, False])
def test_a_gradient_to_be_differentiated_counts_each_path_once(truncate):
    """The first state comes from the weights and the inputs, as after an earlier piece of text."""
    c, found = Config(3, 2, truncate=truncate), []
    generator = seeded()
    net, weight = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((4, 1, 2, c.gates + c.cells), (1, c.gates + c.cells, c.sources))
    )
    for path in (carousel, carousel_reference):
        s = net[0, ..., : c.cells].tanh() * weight.mean()
        y, s, _ = path(net, weight, net[0, ..., : c.sources].sigmoid(), s, c)
        given = (net, weight)
        first = torch.autograd.grad((y**3).sum() + (s**3).sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(v.square().sum() for v in first), given)
        found.append([*first, *second])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("c", WIRINGS)
def test_nets_side_by_side_are_nets_alone(c):
    both = LSTM1997(c, seeds=2, generator=seeded(), dtype=torch.float64)
    x = torch.randn(6, 2, 4, 3, generator=seeded(1), dtype=torch.float64)
    y, state = both(x)
    for i in range(2):
        alone = LSTM1997(c, dtype=torch.float64)
        alone.load_state_dict({name: value[i] for name, value in both.state_dict().items()})
        mine, (seen, s) = alone(x[:, i])
        torch.testing.assert_close(mine, y[:, i])
        torch.testing.assert_close(s, state[1][i])
        torch.testing.assert_close(seen, state[0][i])


def test_symbols_are_one_hot_vectors():
    for seeds in (None, 3):
        net = LSTM1997.from_preset("exp6a", seeded(), seeds=seeds)
        shape = (12, 5) if seeds is None else (12, 3, 5)
        x = torch.randint(8, shape, generator=seeded(1))
        a, b = net(x)[0], net(net.one_hot(x))[0]
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(torch.autograd.grad(a.sum(), net.weight_x)[0],
                                   torch.autograd.grad(b.sum(), net.weight_x)[0])  # fmt: skip


def test_a_sequence_in_parts_and_step_by_step():
    net = LSTM1997.from_preset("exp4", seeded(), dtype=torch.float64)
    x = torch.randn(9, 4, 2, dtype=torch.float64, generator=seeded(1))
    whole, last = net(x)
    first, state = net(x[:4])
    rest, after = net(x[4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    cell, state = LSTM1997Cell(net.config, dtype=torch.float64), None
    cell.load_state_dict(net.state_dict())
    for t in range(9):
        y, state = cell(x[t], state)
    torch.testing.assert_close(y, whole[-1])
    for a, b, c in zip(state, after, last):
        torch.testing.assert_close(a, c)
        torch.testing.assert_close(b, c)


def test_outputs_at_the_ends_of_sequences():
    net = LSTM1997.from_preset("exp2a", seeded(), input_size=5, output_size=4)
    x, lengths = torch.randn(9, 3, 5, generator=seeded(1)), torch.tensor([9, 2, 5])
    y = net(x, lengths=lengths)[0]
    for b, n in enumerate(lengths):
        torch.testing.assert_close(y[b], net(x[:n, b : b + 1])[0][-1, 0])


def test_errors_in_the_carousel_neither_grow_nor_vanish():
    # A.33: exactly 1 after a thousand steps, whatever the weights; not so with the full gradient.
    x = torch.randn(1000, 2, generator=seeded(1), dtype=torch.float64)
    net = LSTM1997.from_preset("exp4", seeded(), dtype=torch.float64, init=1.0)
    flow = gradient_flow(net, x)
    assert flow.shape == (1001, 4, 4)
    assert torch.equal(flow, torch.eye(4, dtype=torch.float64).expand_as(flow))
    full = LSTM1997(dataclasses.replace(net.config, truncate=False), dtype=torch.float64)
    full.load_state_dict(net.state_dict())
    assert not torch.allclose(gradient_flow(full, x[:20])[-1], flow[0])


def test_the_bound_on_ordinary_units():
    weight = (torch.rand(5, 5, generator=seeded(), dtype=torch.float64) - 0.5) * 1.5
    y = torch.rand(40, 5, generator=seeded(1), dtype=torch.float64)
    flow = error_flow(weight, y).abs().amax((1, 2))
    assert (flow <= bound(weight, 40)).all()
    # Eq. 3.1 against autograd, on a net that runs: y(t) = σ(W y(t − 1)).
    start = torch.rand(5, generator=seeded(2), dtype=torch.float64).logit().requires_grad_()
    net, outputs = start, []
    for _ in range(4):
        outputs.append(torch.sigmoid(net))
        net = weight @ outputs[-1]
    (jacobian,) = torch.autograd.grad(net[1], start)
    ours = error_flow(weight, torch.stack(outputs[::-1]).detach())[-1][:, 1]
    torch.testing.assert_close(ours, jacobian)


def test_growth_keeps_what_was_learned():
    for name in ("exp4", "exp1-3x2", "exp2a", "exp3"):
        net = LSTM1997.from_preset(name, seeded(), dtype=torch.float64)
        more = net.grown(seeded(3))
        assert more.config.num_blocks == net.config.num_blocks + 1
        with torch.no_grad():  # the new block unheard, nothing is changed
            c, columns = net.config, more.config
            kept = [*range(c.cells), *range(columns.cells, more.weight_out.shape[-1])]
            quiet = torch.zeros_like(more.weight_out)
            quiet[:, kept] = more.weight_out[:, kept]
            more.weight_out.copy_(quiet)
            heard = torch.zeros_like(more.weight_h)
            if c.sources:
                old = [*range(c.cells)]
                for kind in range(c.gates // c.num_blocks):
                    first = columns.cells + kind * columns.num_blocks
                    old += range(first, first + c.num_blocks)
                heard[:, old] = more.weight_h[:, old]
            more.weight_h.copy_(heard)
        x = torch.randn(7, 2, c.input_size, dtype=torch.float64, generator=seeded(1))
        torch.testing.assert_close(more(x)[0], net(x)[0])


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Config(2, 0), ValueError, "num_blocks must be at least 1"),
        (lambda: Config(2, 1, 0), ValueError, "block_size must be at least 1"),
        (lambda: Config(2, 1, bias="some"), ValueError, "bias must be one of"),
        (lambda: Config(2, 2, input_gate_bias=(1,)), ValueError, "must have 2 numbers, .* has 1"),
        (lambda: Config(2, 1, output_gate=False, output_gate_bias=(1,)), ValueError, "there is no"),
        (lambda: LSTM1997.from_preset("exp9"), ValueError, "exp1-4x1"),
        (lambda: LSTM1997.from_preset("exp4", seeds=0), ValueError, "seeds"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(5, 3, 4)), ValueError, "input_size = 2"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(0, 3, 2)), ValueError, "T > 0"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(5, 3).long()), TypeError, "embed=True"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(5, 3, 2), (torch.ones(3, 8),
         torch.ones(2, 4))), ValueError, r"states must be \(3, 4\), are \(2, 4\)"),
        (lambda: LSTM1997.from_preset("exp6a", seeds=2)(torch.full((5, 2, 3), 8)), ValueError,
         r"x must have symbols in 0 … 7 \(input_size\), has 8 … 8"),
        (lambda: LSTM1997.from_preset("exp6a")(torch.full((5, 3), -1)), ValueError, "has -1 … -1"),
        (lambda: TruncatedLearner(LSTM1997.from_preset("exp6a"), 0.1).step(torch.tensor([9])),
         ValueError, "symbols in 0 … 7"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(5, 2, 2), lengths=torch.tensor([5, 6])),
         ValueError, r"1 … 5, lengths\[1\] is 6"),
        (lambda: LSTM1997.from_preset("exp4")(torch.ones(5, 2, 2), lengths=torch.tensor([5])),
         ValueError, r"must be \(2,\) integers"),
    ],
)  # fmt: skip
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
