"""The gated unit: its equations, its limits, its starts; bad input; in torch's place."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from lessons.encoder_decoder import GRU, GRUCell
from lessons.encoder_decoder.unit import step, unroll, unroll_reference

GATES = [("reset", "update"), ("update",), ("reset",), ()]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def filled(layer, seed=0):
    generator = seeded(seed)
    for parameter in layer.parameters():
        parameter.data.normal_(0, 0.6, generator=generator)
    return layer.double()


# Equations 5 to 8 ----------------------------------------------------------------------------


def test_the_readmes_example():
    # h = .8, r = σ(−2), z = σ(1), candidate tanh(.5 + .8 r).
    x = torch.tensor([[-2.0, 1.0, 0.5]], dtype=torch.float64)
    weight = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
    h = torch.tensor([[0.8]], dtype=torch.float64)
    r, z = 1 / (1 + math.exp(2)), 1 / (1 + math.exp(-1))
    candidate = math.tanh(0.5 + 0.8 * r)
    assert [round(v, 3) for v in (r, z, candidate)] == [0.119, 0.731, 0.534]
    for reset in ("before", "after"):  # one unit: U is diagonal, and the two agree
        found = step(x, h, weight, reset=reset).item()
        assert found == pytest.approx(z * 0.8 + (1 - z) * candidate, rel=1e-12)
        assert round(found, 3) == 0.728


def test_an_update_gate_at_one_keeps_the_state_and_at_zero_replaces_it():
    cell = filled(GRUCell(3, 4))
    h = drawn(2, 4)
    for value, want in ((60.0, h), (-60.0, None)):
        with torch.no_grad():
            cell.weight_ih[4:8] = 0
            cell.weight_hh[4:8] = 0
            cell.bias_ih[4:8] = value
        found = cell(drawn(2, 3), h)
        if want is not None:
            torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)
        else:
            assert (found - h).abs().min() > 1e-3


def test_a_reset_gate_at_zero_forgets_what_was_before():
    cell = filled(GRUCell(3, 4, gates=("reset",)))
    with torch.no_grad():
        cell.weight_ih[:4] = 0
        cell.weight_hh[:4] = 0
        cell.bias_ih[:4] = -60.0
    x = drawn(2, 3)
    torch.testing.assert_close(cell(x, drawn(2, 4)), cell(x, 5 * drawn(2, 4, seed=7)))


def test_without_gates_it_is_the_tanh_unit():
    cell = filled(GRUCell(3, 4, gates=()))
    x, h = drawn(2, 3), drawn(2, 4)
    want = (x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T).tanh()
    torch.testing.assert_close(cell(x, h), want)


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize("gates", GATES)
def test_all_ways_over_time_agree_with_the_readable_one(reset, gates):
    rows = 4 * (1 + len(gates))
    values = [drawn(5, 3, rows, seed=1), drawn(3, 4, seed=2), drawn(rows, 4, seed=3)]
    values.append(drawn(3, 4, seed=4) if reset == "after" else None)
    values = [v if v is None else v.requires_grad_() for v in values]
    there = [v for v in values if v is not None]
    fast, slow = (way(*values, reset, gates) for way in (unroll, unroll_reference))
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-14)
    for a, b in zip(*(torch.autograd.grad(x.sin().sum(), there) for x in (fast, slow))):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize("power", [1, 3])
def test_a_gradient_to_be_differentiated_counts_each_path_once(reset, power):
    """The first state comes from inputs and weights; of a plain sum what comes back is constant."""
    torch.manual_seed(4)
    made = [torch.randn(*shape, dtype=torch.float64).requires_grad_()
            for shape in ((4, 2, 9), (9, 3))]  # fmt: skip
    found = []
    for path in (unroll, unroll_reference):
        x, weight = made
        y = path(x, (x[0] @ weight).tanh(), weight, x[0, :, :3], reset)
        first = torch.autograd.grad((y**power).sum(), made, create_graph=True)
        second = torch.autograd.grad(sum(v.square().sum() for v in first), made)
        found.append([*first, *second])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_gradients_are_differences(reset):
    values = [drawn(3, 2, 6), drawn(2, 2, seed=2), drawn(6, 2, seed=3)]
    values += [drawn(2, 2, seed=4)] if reset == "after" else [None]
    values = [v if v is None else v.requires_grad_() for v in values]
    assert torch.autograd.gradcheck(lambda *v: unroll(*v, reset), values)


@pytest.mark.parametrize("gated", [False, True])
def test_a_context_enters_gates_and_candidate(gated):
    layer = filled(GRU(3, 4, reset="after", context_size=2, gate_context=gated))
    x, c = drawn(5, 2, 3), drawn(2, 2, seed=5)
    found, last = layer(x, None, c)
    h = torch.zeros(2, 4, dtype=torch.float64)
    w, u, m = layer.weight_ih_l0, layer.weight_hh_l0, layer.weight_ch_l0
    for t in range(5):
        a = x[t] @ w.T + layer.bias_ih_l0
        b, more = h @ u.T + layer.bias_hh_l0, c @ m.T
        r, z = ((a + b + more)[:, i : i + 4].sigmoid() for i in (0, 4))
        inner = r * (b + more)[:, 8:] if gated else more[:, 8:] + r * b[:, 8:]
        h = z * h + (1 - z) * (a[:, 8:] + inner).tanh()
        torch.testing.assert_close(found[t], h, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(last[0], h)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_behind_its_end_a_state_stays_as_it_is(reset):
    layer = filled(GRU(3, 4, 2, bidirectional=True, reset=reset, batch_first=True))
    x, lengths = drawn(3, 6, 3), torch.tensor([6, 2, 4])
    out, last = layer(x, lengths=lengths)
    for b, n in enumerate(lengths.tolist()):
        alone, end = layer(x[b : b + 1, :n])
        torch.testing.assert_close(out[b, :n], alone[0], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(last[:, b], end[:, 0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(out[1, 2:, :4], out[1, 1:2, :4].expand(4, 4))


# Starts (§4.1.1) -----------------------------------------------------------------------------


def test_weights_start_as_the_paper_says():
    layer = GRU(50, 40, context_size=60, generator=seeded())
    for square in layer.weight_hh_l0.split(40):
        torch.testing.assert_close(square @ square.T, torch.eye(40), rtol=0, atol=1e-5)
    for weight in (layer.weight_ih_l0, layer.weight_ch_l0):
        assert weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (layer.bias_ih_l0 == 0).all()
    again = GRU(50, 40, context_size=60, generator=seeded())
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), again.parameters()))


@pytest.mark.parametrize(("reset", "biases"), [("before", 1), ("after", 2)])
def test_sizes(reset, biases):
    i, h = 100, 1000
    with torch.device("meta"):
        layer, theirs = GRU(i, h, reset=reset), nn.GRU(i, h)
    count = sum(p.numel() for p in layer.parameters())
    assert count == 3 * h * (i + h + biases)
    if reset == "after":
        assert count == sum(p.numel() for p in theirs.parameters()) == 3_306_000


# In torch's place ----------------------------------------------------------------------------


def stand_in(**more):
    theirs = filled(nn.GRU(4, 5, **more))
    ours = GRU(4, 5, **more, reset="after").double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


CASES = [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"batch_first": True}, {"bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]  # fmt: skip


@pytest.mark.parametrize("more", CASES)
def test_after_the_product_it_is_torchs_layer(more):
    ours, theirs = stand_in(**more)
    states = (1 + more.get("bidirectional", False)) * more.get("num_layers", 1)
    x = drawn(6, 3, 4)
    h = drawn(states, 6 if more.get("batch_first") else 3, 5)
    for inputs in ((x,), (x, h), (x[:, 0],), (x.transpose(0, 2).contiguous().transpose(0, 2),)):
        for a, b in zip(ours(*inputs), theirs(*inputs)):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    empty = x[:0] if more.get("batch_first") else x[:, :0]
    assert ours(empty)[0].shape == theirs(empty)[0].shape
    packed = pack_padded_sequence(drawn(7, 3, 4), torch.tensor([3, 7, 7]), enforce_sorted=False)
    (a, h_a), (b, h_b) = ours(packed), theirs(packed)
    torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(h_a, h_b, rtol=1e-12, atol=1e-14)
    assert torch.equal(a.batch_sizes, b.batch_sizes)


def test_the_cell_is_torchs_cell():
    theirs = filled(nn.GRUCell(4, 5))
    ours = GRUCell(4, 5, reset="after").double()
    ours.load_state_dict(theirs.state_dict())
    x, h = drawn(3, 4), drawn(3, 5)
    for inputs in ((x, h), (x,), (x[0], h[0]), (x[:0], h[:0])):
        torch.testing.assert_close(ours(*inputs), theirs(*inputs), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_copies_maps_and_directions(reset):
    layer = filled(GRU(3, 4, reset=reset))
    x = drawn(5, 2, 3)
    want = layer(x)[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(other(x)[0], want)
    mapped = torch.func.vmap(lambda case: layer(case)[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(mapped, want, rtol=1e-12, atol=1e-14)
    tangent = drawn(5, 2, 3, seed=9)
    _, along = torch.func.jvp(lambda v: layer(v)[0], (x,), (tangent,))
    eps = 1e-6
    near = (layer(x + eps * tangent)[0] - layer(x - eps * tangent)[0]) / (2 * eps)
    torch.testing.assert_close(along, near, rtol=1e-6, atol=1e-8)
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer.float()(x.float())[0]
    assert rough.isfinite().all()
    assert (rough - want).abs().max() < 0.05


@pytest.mark.parametrize("reset", ["before", "after"])
def test_it_exports_with_any_batch(reset):
    layer, batch = filled(GRU(3, 4, reset=reset)), torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(layer, (drawn(5, 2, 3),), dynamic_shapes=({1: batch},)).module()
    x = drawn(5, 7, 3, seed=5)
    torch.testing.assert_close(program(x), layer(x))


@pytest.mark.parametrize("lengths", [[5, 3], torch.tensor([5.0, 3.0])])
def test_lengths_that_are_no_integers_are_named(lengths):
    with pytest.raises(TypeError, match="lengths must be a tensor of integers"):
        GRU(3, 4)(torch.zeros(5, 2, 3), lengths=lengths)


def test_dropout_is_between_layers_and_in_training_alone():
    layer = filled(GRU(3, 4, 2, dropout=0.9))
    x = drawn(5, 2, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


# Bad input -----------------------------------------------------------------------------------

BAD = [
    (lambda: GRU(0, 4), "input_size must be at least 1"),
    (lambda: GRU(3, 0), "hidden_size must be at least 1"),
    (lambda: GRU(3, 4, 0), "num_layers must be at least 1"),
    (lambda: GRU(3, 4, dropout=1.5), "dropout must be in"),
    (lambda: GRU(3, 4, reset="later"), "reset must be 'before' or 'after', got 'later'"),
    (lambda: GRU(3, 4, gates=("forget",)), "gates must be among reset, update, got 'forget'"),
    (lambda: GRU(3, 4, gate_context=True), "gate_context needs a context and reset='after'"),
    (lambda: GRU(3, 4, context_size=0), "context_size must be at least 1"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 2)), r"input_size \(3\), got 2"),
    (lambda: GRU(3, 4)(torch.zeros(0, 2, 3)), "at least one step"),
    (lambda: GRU(3, 4)(torch.zeros(3)), "2 or 3 dimensions"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), torch.zeros(1, 3, 4)), r"\(2, 4\), got \(3, 4\)"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), torch.zeros(2, 2, 4)), r"\(1, 2, 4\)"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), c=torch.zeros(2, 2)), "context_size is None"),
    (lambda: GRU(3, 4, context_size=2)(torch.zeros(5, 2, 3)), "no context was given"),
    (lambda: GRU(3, 4, context_size=2)(torch.zeros(5, 2, 3), c=torch.zeros(2, 3)), r"\(2, 3\)"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), lengths=torch.tensor([5, 0])), "got 0 in row 1"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), lengths=torch.tensor([6, 5])), "got 6 in row 0"),
    (lambda: GRU(3, 4)(torch.zeros(5, 2, 3), lengths=torch.tensor([5])), "each of 2 cases"),
    (lambda: GRUCell(3, 4)(torch.zeros(2, 4)), r"input_size \(3\), got 4"),
    (lambda: GRUCell(3, 4)(torch.zeros(2, 2, 3)), "1 or 2 dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
