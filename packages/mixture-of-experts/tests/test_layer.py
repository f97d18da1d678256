"""The layer: dispatch, capacity, two levels, what stands in torch's place, bad input."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from lessons.mixture_of_experts import (
    Experts,
    HierarchicalMoE,
    MoELayer,
    NoisyTopKGate,
    SparseMoE,
    cv_squared,
)
from lessons.mixture_of_experts import dispatch as ways

WAYS = ("loop", "grouped", "padded")


def randomize(layer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0, 0.5, generator=generator)
    return layer.double()


def noise():
    return torch.Generator().manual_seed(7)


def tokens(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def naive(layer, x, gates):
    """Return Σ G(x)_i E_i(x) (eq. 1) over all experts, one token at a time."""
    rows = []
    for row, weights in zip(x, gates):
        total = 0
        for i, own in enumerate(layer.experts.of()):
            total = total + weights[i] * layer.experts.network(row[None], *own)[0]
        rows.append(total)
    return torch.stack(rows)


def gates_of(layer, x):
    gating = layer.gate(x, noise())
    gates = torch.zeros(len(x), len(layer.experts)).double()
    return gates.index_put((gating.token, gating.expert), gating.weight, accumulate=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "swiglu", "bias": True},
        {"depth": 3},
        {"gate": "softmax", "k": None},
        {"gate": "strict"},
    ],
)
def test_eq_1_token_by_token(way, options):
    layer = randomize(SparseMoE(5, 6, 4, **{"k": 2, "out": 3, **options}, dispatch=way))
    x = tokens(10, 5)
    y, _, _ = layer(x, generator=noise())
    torch.testing.assert_close(y, naive(layer, x, gates_of(layer, x)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("recompute", [False, True])
def test_fast_paths_equal_the_loop_with_their_gradients(way, recompute):
    results = []
    for how in ("loop", way):
        layer = randomize(SparseMoE(5, 6, 8, 2, dispatch=how, recompute=recompute))
        x = tokens(30, 5).requires_grad_()
        y, aux, _ = layer(x, generator=noise())
        (y.square().sum() + aux).backward()
        results.append([y, aux, x.grad, *(p.grad for p in layer.parameters())])
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [60, 64, 68])
def test_auto_is_right_on_both_sides_of_its_threshold(rows):
    experts = Experts(4, 128, 128)
    many = ways.SMALL * 4 // 128**2 + (rows - 64)  # entries, about the threshold
    assert ways.best_way(experts, many) == ("padded" if rows < 64 else "grouped")
    assert ways.best_way([nn.Identity()], 1) == "grouped"
    for busiest, way in ((39, "padded"), (40, "padded"), (41, "grouped")):  # of 40 entries
        counts = torch.tensor([busiest, 0, 0, 0])
        assert ways.best_way(experts, 40, counts) == way
    x = torch.randn(many // 2, 128, generator=noise())
    ours, theirs = (
        SparseMoE(128, 128, 4, 2, dispatch=how, generator=noise())(x, generator=noise())[0]
        for how in ("auto", "loop")
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_layers_gradient():
    layer = randomize(SparseMoE(3, 4, 4, 2, activation="tanh", output_activation="sigmoid"))
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *parameters):
        state = dict(zip(names, parameters))
        y, aux, _ = torch.func.functional_call(layer, state, (x,), {"generator": noise()})
        return y, aux

    values = [tokens(5, 3), *(p.detach().clone() for p in layer.parameters())]
    assert torch.autograd.gradcheck(run, [v.requires_grad_() for v in values])


def test_all_experts_without_noise_are_the_dense_mixture():
    layer = randomize(SparseMoE(5, 6, 3, 3, gate="topk"))
    x = tokens(8, 5)
    want = naive(layer, x, (x @ layer.gate.weight).softmax(-1))
    torch.testing.assert_close(layer(x)[0], want)


def test_one_expert_is_a_feed_forward_network():
    layer = randomize(SparseMoE(5, 6, 1, 1))
    x = tokens(4, 5)
    first, second = layer.experts.weights
    torch.testing.assert_close(layer(x)[0], (x @ first[0]).relu() @ second[0])


def test_two_levels_are_eqs_12_to_14():
    layer = randomize(HierarchicalMoE(5, 6, 3, 4, 2))
    x = tokens(9, 5)
    y, aux, stats = layer(x, generator=noise())
    generator, gate = noise(), layer.gate
    first = gate.primary(x, generator)
    primary = torch.zeros(9, 3).double().index_put((first.token, first.expert), first.weight)
    gates, loads = torch.zeros(9, 3, 4).double(), torch.zeros(3, 4).double()
    for i in range(3):
        inside = primary[:, i] > 0
        second = gate.secondary[i](x[inside], generator)
        own = torch.zeros(int(inside.sum()), 4).double()
        own = own.index_put((second.token, second.expert), second.weight)
        gates[inside, i] = primary[inside, i : i + 1] * own
        loads[i] = first.load[i] * second.load / inside.sum()
    gates = gates.flatten(1)
    torch.testing.assert_close(y, naive(layer, x, gates))
    torch.testing.assert_close(stats.importance, gates.sum(0))
    torch.testing.assert_close(stats.load, loads.flatten())
    losses = cv_squared(gates.sum(0)) + cv_squared(loads.flatten())
    torch.testing.assert_close(aux, 0.1 * losses)
    assert (gates > 0).sum(1).tolist() == [4] * 9  # k² experts see each token
    cv_squared(stats.load).backward()
    assert gate.primary.weight.grad.abs().sum() > 0  # why eq. 14 has its first factor


def test_two_groups_that_are_alike_are_one_flat_layer():
    flat = randomize(SparseMoE(5, 6, 4, 2, gate="topk"))
    tree = randomize(HierarchicalMoE(5, 6, 2, 4, 2)).eval()  # both groups are always chosen
    for i, second in enumerate(tree.gate.secondary):
        second.weight.data.copy_(flat.gate.weight)
        for own, theirs in zip(tree.experts.weights, flat.experts.weights):
            own.data[4 * i : 4 * i + 4] = theirs
    x = tokens(7, 5)
    torch.testing.assert_close(tree(x)[0], flat.eval()(x)[0])


def test_an_empty_group_has_no_load():
    layer = randomize(HierarchicalMoE(5, 6, 3, 4, 2)).eval()
    layer.gate.primary.weight.data[:, 2] = 0
    layer.gate.primary.weight.data[:, :2] = 1
    x = tokens(6, 5).abs()
    y, aux, stats = layer(x)
    assert stats.load[8:].tolist() == [0] * 4
    assert y.isfinite().all()
    assert aux.isfinite()


def test_capacity_takes_the_first_and_lets_the_rest_pass():
    x = tokens(12, 5)
    results = []
    for way in WAYS:
        layer = randomize(SparseMoE(5, 6, 4, 2, dispatch=way, capacity_factor=0.75))
        y, _, stats = layer(x, generator=noise())
        slots = math.ceil(0.75 * 24 / 4)
        assert stats.counts.max() <= slots
        assert stats.counts.sum() + stats.dropped == 24
        assert stats.dropped > 0
        results.append(y)
    torch.testing.assert_close(results[0], results[1])
    torch.testing.assert_close(results[0], results[2])
    full = randomize(SparseMoE(5, 6, 4, 2, capacity_factor=4.0))
    none = randomize(SparseMoE(5, 6, 4, 2))
    torch.testing.assert_close(full(x, generator=noise())[0], none(x, generator=noise())[0])


def test_padding_counts_for_nothing():
    layer = randomize(SparseMoE(5, 6, 4, 2))
    x, mask = tokens(3, 4, 5), torch.rand(3, 4, generator=noise()) < 0.6
    y, aux, stats = layer(x, mask, noise())
    want, want_aux, want_stats = layer(x[mask], generator=noise())
    torch.testing.assert_close(y[mask], want)
    assert (y[~mask] == 0).all()
    torch.testing.assert_close(aux, want_aux)
    torch.testing.assert_close(stats.load, want_stats.load)


@pytest.mark.parametrize("way", WAYS)
def test_no_tokens_at_all(way):
    layer = SparseMoE(5, 6, 4, 2, out=3, dispatch=way)
    y, aux, stats = layer(torch.zeros(2, 0, 5))
    assert y.shape == (2, 0, 3)
    assert aux == 0
    assert stats.counts.tolist() == [0] * 4
    assert stats.most_loaded == 0
    y, aux, _ = layer(torch.randn(2, 3, 5), torch.zeros(2, 3, dtype=torch.bool))
    assert y.shape == (2, 3, 3)
    assert not y.any()
    (y.sum() + aux).backward()
    assert HierarchicalMoE(5, 6, 2, 2, 2)(torch.zeros(0, 5))[0].shape == (0, 5)


def test_one_token_alone():
    layer = randomize(SparseMoE(5, 6, 4, 2)).eval()
    x = tokens(5)
    torch.testing.assert_close(layer(x)[0], layer(x[None])[0][0])


def test_any_experts_with_any_gate():
    experts = [nn.Linear(5, 3, bias=False).double() for _ in range(4)]
    layer = MoELayer(experts, NoisyTopKGate(5, 4, 2, noise=False).double(), w_load=0)
    x = tokens(6, 5)
    gates = gates_of(layer, x)
    want = sum(gates[:, i : i + 1] * expert(x) for i, expert in enumerate(experts))
    for way in ("auto", "loop"):
        layer.dispatch = way
        torch.testing.assert_close(layer(x)[0], want)


@pytest.mark.parametrize("way", WAYS)
def test_recomputing_stores_no_hidden_layers(way):
    stored = []
    for recompute in (False, True):
        layer = SparseMoE(4, 256, 4, 2, recompute=recompute, dispatch=way)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            layer(torch.randn(200, 4))
        stored.append(sum(sizes))
    assert stored[0] > 200 * 2 * 256  # what the hidden layers hold
    assert stored[1] < stored[0] / 4


def test_autocast_half_precision_and_strides():
    layer = SparseMoE(8, 16, 4, 2, generator=noise())
    x = torch.randn(6, 8, generator=noise())
    want = layer(x, generator=noise())[0]
    for way in WAYS:
        layer.dispatch = way
        with torch.autocast("cpu", torch.bfloat16):
            y, aux, _ = layer(x, generator=noise())
        assert y.dtype == torch.bfloat16
        assert aux.dtype == torch.float32
        torch.testing.assert_close(y.float(), want, rtol=0.05, atol=0.02)
        torch.testing.assert_close(layer(x.T.contiguous().T, generator=noise())[0], want)
    half = copy.deepcopy(layer).to(torch.bfloat16)
    assert half(x.bfloat16())[0].dtype == torch.bfloat16


def test_it_is_copied_pickled_and_loaded_strictly():
    layer = SparseMoE(5, 6, 4, 2)
    x = torch.randn(3, 5)
    want = layer(x, generator=noise())[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(other(x, generator=noise())[0], want)
    with pytest.raises(RuntimeError, match="size mismatch"):
        SparseMoE(5, 6, 8, 2).load_state_dict(layer.state_dict())


def test_static_capacity_exports_and_compiles_into_one_graph():
    layer = SparseMoE(5, 6, 4, 2, dispatch="padded", capacity_factor=2.0).eval()
    nn.init.normal_(layer.gate.weight)
    x = torch.randn(8, 5)
    exported = torch.export.export(layer, (x,)).module()  # its batch is fixed, as its slots are
    torch.testing.assert_close(exported(x)[0], layer(x)[0])
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])


@pytest.mark.parametrize(
    "options", [{}, {"dispatch": "padded", "capacity_factor": 2.0}, {"capacity_factor": 0.5}]
)
def test_values_that_cannot_be_looked_at(options):
    layer = SparseMoE(5, 6, 4, 2, gate="topk", generator=noise(), **options).eval()
    x = tokens(3, 7, 5).float()
    each = torch.stack([layer(row)[0] for row in x])
    torch.testing.assert_close(torch.func.vmap(lambda row: layer(row)[0])(x), each)

    def slope(row):
        return torch.func.grad(lambda r: layer(r)[0].square().sum())(row)

    torch.testing.assert_close(torch.func.vmap(slope)(x), torch.stack([slope(row) for row in x]))
    with torch.device("meta"):
        assert SparseMoE(5, 6, 4, 2, **options)(torch.empty(7, 5))[0].shape == (7, 5)
    if options.get("capacity_factor", 2) < 2:  # one slot or more: two graphs
        return
    batch = torch.export.Dim("batch", min=2, max=100)
    exported = torch.export.export(layer, (x[0],), dynamic_shapes=({0: batch},)).module()
    for rows in (2, 7, 50):
        torch.testing.assert_close(exported(x[0, :1].expand(rows, 5))[0],
                                   layer(x[0, :1].expand(rows, 5))[0])  # fmt: skip


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"width 5.*\(2, 4\)"):
        SparseMoE(5, 6, 4, 2)(torch.randn(2, 4))
    with pytest.raises(TypeError, match="int64"):
        SparseMoE(5, 6, 4, 2)(torch.ones(2, 5, dtype=torch.long))
    with pytest.raises(TypeError, match="mask must be bool"):
        SparseMoE(5, 6, 4, 2)(torch.randn(2, 5), torch.ones(2))
    with pytest.raises(ValueError, match="mask must be"):
        SparseMoE(5, 6, 4, 2)(torch.randn(2, 5), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"num_experts \(9\).*2 · 4"):
        HierarchicalMoE(5, 6, 2, 4, 2, num_experts=9)
    with pytest.raises(ValueError, match=r"k \(3\) is larger than a group \(2\)"):
        HierarchicalMoE(5, 6, 4, 2, 3)
    with pytest.raises(ValueError, match="w_importance must not be negative"):
        SparseMoE(5, 6, 4, 2, w_importance=-0.1)
    with pytest.raises(ValueError, match=r"w_load \(0\.1\) needs noise"):
        SparseMoE(5, 6, 4, 2, gate="topk", w_load=0.1)
    for gate, k in (("strict", 2), ("softmax", None)):
        with pytest.raises(ValueError, match=r"w_load \(0\.2\) needs noise"):
            SparseMoE(5, 6, 4, k, gate=gate, w_load=0.2)
    with pytest.raises(ValueError, match=r"noise_eps \(0\.01\) needs noise"):
        SparseMoE(5, 6, 4, 2, gate="topk", noise_eps=0.01)
    with pytest.raises(ValueError, match=r"two levels.*'strict'"):
        HierarchicalMoE(5, 6, 2, 4, 2, gate="strict")
    with pytest.raises(ValueError, match="gate must be one of"):
        SparseMoE(5, 6, 4, 2, gate="hard")
    with pytest.raises(ValueError, match="all 4 experts"):
        SparseMoE(5, 6, 4, 2, gate="softmax")
    with pytest.raises(ValueError, match="k is needed"):
        SparseMoE(5, 6, 4)
    with pytest.raises(ValueError, match="dispatch must be one of"):
        SparseMoE(5, 6, 4, 2, dispatch="fast")
    with pytest.raises(ValueError, match="activation must be one of"):
        SparseMoE(5, 6, 4, 2, activation="cube")
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        SparseMoE(5, 0, 4, 2)
    with pytest.raises(ValueError, match="capacity_factor must be positive"):
        SparseMoE(5, 6, 4, 2, capacity_factor=0.0)
    with pytest.raises(ValueError, match="3 experts, but the gate knows 4"):
        MoELayer([nn.Linear(5, 5)] * 3, NoisyTopKGate(5, 4, 2))
