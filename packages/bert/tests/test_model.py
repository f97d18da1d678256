"""The encoder and its heads: what the paper says of them, padding, torch's tools, bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, jvp, vmap

from lessons.bert import (
    PRESETS,
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    best_span,
    count_parameters,
    span_loss,
)
from lessons.bert.model import Layer, Norm
from lessons.bert.padding import Packing
from lessons.bert.spans import SpanLogits

SMALL = BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=4,
    max_position_embeddings=140,
)  # fmt: skip


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind=BertModel, seed=0, **changes):
    config = dataclasses.replace(SMALL, initializer_range=0.2, **changes)
    model = kind(config, generator=rng(seed)).eval()
    for parameter in model.parameters():  # gains of one and biases of zero would hide faults
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=rng(seed + 1))
    return model


def batch(b=4, t=9, seed=2):
    ids = torch.randint(1, 50, (b, t), generator=rng(seed))
    segments = (torch.arange(t) >= t // 2).long().expand(b, t).clone()
    lengths = torch.randint(1, t + 1, (b, 1), generator=rng(seed + 1))
    lengths[0] = t
    mask = (torch.arange(t) < lengths).long()
    return ids * mask, mask, segments


def test_the_input_is_the_normalised_sum_of_three_embeddings():
    net, (ids, _, segments) = made().embeddings, batch()
    b, t = 2, 5
    total = (
        net.token.weight[ids[b, t]] + net.position.weight[t] + net.segment.weight[segments[b, t]]
    )  # figure 2
    total = (total - total.mean()) / total.var(correction=0).sqrt()
    want = total * net.norm.weight + net.norm.bias
    torch.testing.assert_close(net(ids, segments)[b, t], want)
    torch.testing.assert_close(net(ids), net(ids, torch.zeros_like(ids)))


def test_a_layer_is_the_transformers_with_its_norms_behind():
    layer = made().layers[0]
    x = torch.randn(2, 5, 16, generator=rng())
    query, key, value = (
        part.unflatten(-1, (4, 4)).transpose(1, 2)
        for part in layer.attention.in_proj(x).chunk(3, -1)
    )
    weights = (query @ key.transpose(-2, -1) / math.sqrt(4)).softmax(-1)
    attended = layer.attention.out_proj((weights @ value).transpose(1, 2).flatten(2))
    x1 = layer.norm1(x + attended)
    inner = layer.linear1(x1)
    inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    torch.testing.assert_close(layer(x), layer.norm2(x1 + layer.linear2(inner)))


def test_the_pooler_is_tanh_of_a_layer_on_the_first_token():
    net, (ids, mask, segments) = made(), batch()
    hidden, pooled = net(ids, mask, segments)
    torch.testing.assert_close(pooled, torch.tanh(net.pooler(hidden[:, 0])))
    assert BertModel(SMALL, add_pooling_layer=False)(ids).pooler_output is None


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_parameters_that_the_formula_counts(name):
    with torch.device("meta"):
        net = BertForPreTraining.from_preset(name)
    sizes = {key: p.numel() for key, p in net.named_parameters()}
    assert sum(sizes.values()) == count_parameters(PRESETS[name], pretraining=True)
    encoder = sum(n for key, n in sizes.items() if key.startswith("bert."))
    assert encoder == count_parameters(PRESETS[name])
    head = PRESETS[name].hidden_size // PRESETS[name].num_attention_heads
    assert head == {"table6-L6-H768-A3": 256, "minilm-l6": 32}.get(name, 64)


def test_sizes_that_the_paper_names():
    assert round(count_parameters(PRESETS["base"], pretraining=True) / 1e6) == 110
    assert count_parameters(PRESETS["large"]) == 335_141_888  # §3 says 340M
    assert PRESETS["base"].feed_forward_size == 3072
    assert PRESETS["large"].feed_forward_size == 4096
    table6 = [
        (c.num_hidden_layers, c.hidden_size, c.num_attention_heads)
        for name, c in PRESETS.items()
        if name.startswith("table6")
    ]
    assert table6 == [
        (3, 768, 12), (6, 768, 3), (6, 768, 12), (12, 768, 12), (12, 1024, 16), (24, 1024, 16)
    ]  # fmt: skip


def test_presets_take_changes():
    net = BertForTokenClassification.from_preset(
        "tiny", generator=rng(), vocab_size=40, num_labels=7
    )
    assert net.classifier.weight.shape == (7, 128)
    assert net.config == dataclasses.replace(PRESETS["tiny"], vocab_size=40)
    with pytest.raises(ValueError, match=r"name must be one of base, large.*got 'huge'"):
        BertModel.from_preset("huge")


def test_weights_begin_as_a_normal_cut_at_two_deviations():
    net = BertForPreTraining(dataclasses.replace(SMALL, hidden_size=64), rng())
    matrices = torch.cat([p.flatten() for p in net.parameters() if p.dim() == 2])
    assert matrices.abs().max() <= 0.04
    assert 0.0165 < matrices.std() < 0.0185  # a normal cut there has .88 of its deviation
    for name, parameter in net.named_parameters():
        if parameter.dim() == 1:
            assert (parameter == float("norm" in name and name.endswith("weight"))).all(), name
    again = BertForPreTraining(dataclasses.replace(SMALL, hidden_size=64), rng())
    for a, b in zip(net.parameters(), again.parameters()):
        assert torch.equal(a, b)


# Padding


@pytest.mark.parametrize(("b", "t"), [(1, 1), (5, 2), (4, 9), (2, 70)])
@pytest.mark.parametrize("direction", ["both", "left_to_right", "right_to_left"])
def test_dropping_padding_changes_nothing_at_tokens(b, t, direction):
    plain = made(direction=direction).double()
    fast = made(direction=direction, drop_padding=True).double()
    ids, mask, segments = batch(b, t)
    holes = torch.rand(b, t, generator=rng()) < 0.7
    holes[:, 0] = True
    for seen in (mask, holes, None):
        want, got = (
            plain.hidden_states(ids, seen, segments),
            fast.hidden_states(ids, seen, segments),
        )
        real = torch.ones(b, t, dtype=torch.bool) if seen is None else seen.bool()
        for one, other in zip(got, want, strict=True):
            torch.testing.assert_close(one[real], other[real], rtol=1e-9, atol=1e-10)
            assert not one[~real].any()
        pooled = (net(ids, seen, segments).pooler_output for net in (fast, plain))
        torch.testing.assert_close(*pooled, rtol=1e-9, atol=1e-10)
        gradients = []
        for net in (fast, plain):
            loss = net(ids, seen, segments).last_hidden_state[real].square().sum()
            gradients.append(torch.autograd.grad(loss, [*net.layers.parameters()]))
        for one, other in zip(*gradients):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_dropping_padding_computes_less():
    ids, mask, _ = batch(4, 100)
    mask[1:, 10:] = 0
    rows = []
    for drop in (False, True):
        net = made(drop_padding=drop)
        net.layers[1].linear1.register_forward_hook(
            lambda _, inputs, __: rows.append(inputs[0].numel() // 16)
        )
        net(ids, mask)
    assert rows == [400, int(mask.sum())]


@pytest.mark.parametrize("drop", [False, True])
def test_padding_changes_nothing_at_tokens(drop):
    net, (ids, _, segments) = made(drop_padding=drop), batch(3, 7)
    want = net(ids, None, segments)
    longer = (
        F.pad(ids, (0, 4), value=9),
        F.pad(torch.ones_like(ids), (0, 4)),
        F.pad(segments, (0, 4)),
    )
    got = net(*longer)
    torch.testing.assert_close(got.last_hidden_state[:, :7], want.last_hidden_state)
    torch.testing.assert_close(got.pooler_output, want.pooler_output)


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("direction", ["both", "left_to_right", "right_to_left"])
def test_a_row_of_padding_alone_stays_finite_with_its_gradients(drop, direction):
    net, (ids, mask, segments) = made(drop_padding=drop, direction=direction), batch()
    mask[2] = 0
    result = net(ids, mask, segments)
    (result.last_hidden_state.sum() + result.pooler_output.sum()).backward()
    assert result.last_hidden_state.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_packing_is_undone_by_unpacking():
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    x = torch.randn(3, 3, 2, generator=rng())
    packing = Packing(mask)
    assert torch.equal(packing.pack(x), x[mask])
    assert torch.equal(packing.unpack(x[mask]), x * mask[..., None])


# Direction (§5.1)


@pytest.mark.parametrize(
    ("direction", "left", "right"),
    [("both", True, True), ("left_to_right", True, False), ("right_to_left", False, True)],
)
def test_who_sees_whom(direction, left, right):
    net, (ids, _, _) = made(direction=direction), batch(1, 9)
    other = ids.clone()
    other[0, 4] = ids[0, 4] % 49 + 1
    moved = (net(ids)[0] - net(other)[0]).abs().amax(-1)[0] > 1e-6
    assert moved[4]
    assert moved[5:].all() == left  # what is on the left is seen from the right
    assert moved[5:].any() == left
    assert moved[:4].all() == right
    assert moved[:4].any() == right


# Heads


def test_the_output_matrix_is_that_of_the_embeddings():
    net, (ids, mask, segments) = made(BertForPreTraining), batch()
    assert not [name for name, p in net.named_parameters() if p.shape == (50, 16)][1:]
    logits = net(ids, mask, segments).prediction_logits
    hidden = net.bert(ids, mask, segments).last_hidden_state
    inner = net.masked_lm.norm(F.gelu(net.masked_lm.linear(hidden)))
    want = inner @ net.bert.embeddings.token.weight.T + net.masked_lm.bias
    torch.testing.assert_close(logits, want)


def test_the_loss_is_the_sum_of_two_means_and_meets_only_chosen_tokens():
    net, (ids, mask, segments) = made(BertForPreTraining), batch()
    labels = torch.where(torch.rand(ids.shape, generator=rng()) < 0.3, ids, -100)
    follows = torch.tensor([0, 1, 1, 0])
    lm, nsp = net(ids, mask, segments)
    logs = lm.log_softmax(-1)
    chosen = [-logs[b, t, ids[b, t]] for b, t in (labels >= 0).nonzero().tolist()]
    want = torch.stack(chosen).mean() + F.cross_entropy(nsp, follows)
    seen = []
    net.masked_lm.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    torch.testing.assert_close(net.loss(ids, labels, follows, mask, segments), want)
    assert seen == [len(chosen)]
    plain = made(BertForMaskedLM)
    nothing = plain.loss(ids, torch.full_like(ids, -100), mask, segments)
    assert nothing == 0
    nothing.backward()
    with pytest.raises(ValueError, match=r"labels must have the shape .*\(4, 9\), got \(4, 8\)"):
        plain.loss(ids, labels[:, 1:])


def test_a_new_head_stands_on_a_copy_of_the_encoder():
    encoder, (ids, mask, segments) = made(), batch()
    net = BertForSequenceClassification.on(encoder, rng(), num_labels=3).eval()
    pooled = encoder(ids, mask, segments).pooler_output
    torch.testing.assert_close(net(ids, mask, segments), net.classifier(pooled))
    net.bert.pooler.weight.data.zero_()
    assert encoder.pooler.weight.any()
    BertForTokenClassification.on(encoder)  # which has no pooler, and leaves it
    bare = BertModel(SMALL, add_pooling_layer=False)
    with pytest.raises(
        ValueError, match="BertForSequenceClassification needs an encoder with a po"
    ):
        BertForSequenceClassification.on(bare)


def test_choices_are_scored_each_for_itself():
    net = made(BertForMultipleChoice)
    ids, mask, segments = (x.view(2, 3, 5) for x in batch(6, 5))
    scores = net(ids, mask, segments)
    for m in range(3):
        pooled = net.bert(ids[:, m], mask[:, m], segments[:, m]).pooler_output
        torch.testing.assert_close(scores[:, m], net.classifier(pooled)[:, 0])
    with pytest.raises(ValueError, match=r"input_ids must have shape \(batch, choices, length\)"):
        net(ids[:, 0])


def spans(b=6, t=8, seed=0):
    start, end = torch.randn(2, b, t, generator=rng(seed))
    start[::2, 0] += 4  # half of the texts have no answer
    valid = torch.rand(b, t, generator=rng(seed + 1)) < 0.6
    valid[:, -2] = True
    return SpanLogits(start, end), valid


@pytest.mark.parametrize("longest", [None, 1, 2, 3, 100])
@pytest.mark.parametrize("threshold", [None, -1.0, 0.0, 1.5])
def test_the_best_span_is_that_of_all_spans(longest, threshold):
    logits, valid = spans()
    found = best_span(logits, valid, threshold, longest)
    for b in range(6):
        start, end = (part[b].tolist() for part in logits)
        places = [
            (start[i] + end[j], i, j)
            for i in range(1, 8) for j in range(i, 8)
            if valid[b, i] and valid[b, j] and (longest is None or j - i < longest)
        ]  # fmt: skip
        score, i, j = max(places)
        null = start[0] + end[0]
        answered = threshold is None or score > null + threshold
        assert bool(found.answered[b]) == answered
        assert (found.start[b], found.end[b]) == ((i, j) if answered else (0, 0))
        torch.testing.assert_close(found.score[b].item(), score)
        torch.testing.assert_close(found.null_score[b].item(), null)
    if threshold == 0:
        assert len(set(found.answered.tolist())) == 2, "the texts tell both answers apart"


def test_the_loss_of_spans_is_the_sum_of_two_likelihoods():
    logits, valid = spans()
    start, end = torch.tensor([0, 2, 1, 6, 3, 0]), torch.tensor([0, 5, 1, 6, 4, 0])
    rows = torch.arange(6)
    want = -sum(
        part.log_softmax(-1)[rows, target] for part, target in zip(logits, (start, end))
    ).mean()
    torch.testing.assert_close(span_loss(logits, start, end), want)
    valid[rows, start] = valid[rows, end] = True
    narrow = span_loss(logits, start, end, valid)
    assert narrow.isfinite()
    assert narrow < want
    with pytest.raises(ValueError, match=r"answer 1 ends \(5\) before it begins"):
        span_loss(logits, torch.tensor([0, 6, 1, 6, 3, 0]), end)
    with pytest.raises(ValueError, match="answers must lie within 0 to 7, got 0 to 9"):
        span_loss(logits, start, torch.tensor([0, 5, 9, 6, 4, 0]))


@pytest.mark.parametrize(("changes", "says"), [
    ({"valid_BT": torch.ones(6, 7, dtype=torch.bool)}, r"bool of shape \(6, 8\), got .*\(6, 7\)"),
    ({"valid_BT": torch.ones(6, 8)}, "valid must be bool"),
    ({"valid_BT": torch.zeros(6, 8, dtype=torch.bool)}, "a place where an answer may stand"),
    ({"max_answer_length": 0}, "max_answer_length must be at least 1, got 0"),
])  # fmt: skip
def test_spans_that_cannot_be(changes, says):
    logits, valid = spans()
    with pytest.raises(ValueError, match=says):
        best_span(logits, **{"valid_BT": valid} | changes)


# torch's tools


@pytest.mark.parametrize("kind", [BertModel, BertForPreTraining, BertForQuestionAnswering])
def test_compiles_to_one_graph(kind):
    net, given = made(kind), batch()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    for drop in (None, 1):  # with padding, and without a mask
        inputs = given if drop is None else (given[0], None, given[2])
        got, want = compiled(*inputs), net(*inputs)
        pairs = [(got, want)] if isinstance(want, torch.Tensor) else zip(got, want)
        for one, other in pairs:
            torch.testing.assert_close(one, other)


def test_a_compiled_loss_is_the_same():
    net, (ids, mask, segments) = made(BertForPreTraining, drop_padding=True), batch()
    chosen = (torch.rand(ids.shape, generator=rng()) < 0.3) & (mask == 1)
    labels = torch.where(chosen, ids, -100)
    follows = torch.tensor([0, 1, 1, 0])
    compiled = torch.compile(net.loss, fullgraph=True, backend="eager")
    given = (ids, labels, follows, mask, segments)
    torch.testing.assert_close(compiled(*given), net.loss(*given))


@pytest.mark.parametrize("drop", [False, True])
def test_autocast_and_half_precision(drop):
    net, given = made(BertForPreTraining, drop_padding=drop), batch()
    want = net(*given)
    labels, follows = given[0].clone(), torch.tensor([0, 1, 1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        got = net(*given)
        loss = net.loss(given[0], labels, follows, *given[1:])
    assert got.prediction_logits.dtype is torch.bfloat16
    assert loss.dtype is torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    half = copy.deepcopy(net).bfloat16()(*given)
    real = given[1].bool()
    for other in (got, half):
        torch.testing.assert_close(
            other.prediction_logits[real].float(), want.prediction_logits[real], rtol=0.1, atol=0.3
        )


def test_a_nearly_constant_row_has_a_finite_gradient_in_float16():
    norm = Norm(16, eps=1e-12)
    for spread in (0.0, 1e-6):
        row = 0.01 + spread * torch.arange(16)
        half, single = (row.to(t)[None].requires_grad_() for t in (torch.float16, torch.float32))
        got = copy.deepcopy(norm).half()(half)
        got.square().sum().backward()
        assert got.isfinite().all()
        assert half.grad.isfinite().all()
        # Of the row that float16 holds it is what single precision makes of it.
        torch.testing.assert_close(got.float(), norm(half.detach().float()), rtol=1e-3, atol=1e-3)
        norm(single).sum().backward()
        assert single.grad.isfinite().all()


@pytest.mark.parametrize("drop", [False, True])
def test_float16_computes_and_learns(drop):
    net, given = made(BertForPreTraining, drop_padding=drop), batch()
    real = given[1].bool()
    half = copy.deepcopy(net).half()
    got, want = half(*given), net(*given)
    assert got.prediction_logits.dtype is torch.float16
    torch.testing.assert_close(
        got.prediction_logits[real].float(), want.prediction_logits[real], rtol=0.02, atol=0.02
    )
    loss = half.loss(given[0], given[0], torch.tensor([0, 1, 1, 0]), *given[1:])
    assert loss.dtype is torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in half.parameters())


@pytest.mark.parametrize("direction", ["both", "left_to_right", "right_to_left"])
@pytest.mark.parametrize("kind", [BertForTokenClassification, BertForSequenceClassification])
def test_fx_traces_a_net_with_a_head(kind, direction):
    net = made(kind, direction=direction, drop_padding=True)
    traced = torch.fx.symbolic_trace(net)
    for b, t in ((4, 9), (2, 5)):
        given = batch(b, t)
        got, want = traced(*given), net(*given)
        real = given[1].bool() if got.dim() == 3 else slice(None)
        torch.testing.assert_close(got[real], want[real])


@pytest.mark.parametrize(("kind", "direction"), [
    (BertForPreTraining, "both"), (BertForQuestionAnswering, "left_to_right")
])  # fmt: skip
def test_exports_with_a_dynamic_batch_and_length(kind, direction):
    net = made(kind, direction=direction)
    sizes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2, max=140)}
    program = torch.export.export(
        net, batch(), dynamic_shapes=(sizes, sizes, sizes), strict=False
    ).module()
    for b, t in ((1, 2), (7, 9), (2, 139)):
        given = batch(b, t)
        got, want = program(*given), net(*given)
        pairs = [(got, want)] if isinstance(want, torch.Tensor) else zip(got, want)
        for one, other in pairs:
            torch.testing.assert_close(one, other)


def test_runs_on_the_meta_device():
    with torch.device("meta"):
        net = BertForPreTraining.from_preset("bert-large-uncased", drop_padding=True)
        ids = torch.zeros(2, 512, dtype=torch.long)
        lm, nsp = net(ids, torch.ones_like(ids), ids)
    assert lm.shape == (2, 512, 30522)
    assert nsp.shape == (2, 2)


@pytest.mark.parametrize("drop", [False, True])
def test_a_batch_of_none(drop):
    net = made(BertForPreTraining, drop_padding=drop)
    ids, mask, segments = (x[:0] for x in batch())
    lm, nsp = net(ids, mask, segments)
    assert lm.shape == (0, 9, 50)
    assert nsp.shape == (0, 2)
    (lm.sum() + nsp.sum()).backward()
    assert not any(p.grad.any() for p in net.parameters())


def test_copies_compute_alike():
    net, given = made(BertForPreTraining), batch()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for one, other in zip(twin(*given), net(*given)):
            assert torch.equal(one, other)
        assert twin.config == net.config


def test_torch_func_maps_and_differentiates():
    net = made(BertForMaskedLM, drop_padding=True).double()
    ids, mask, _ = batch()
    weights = dict(net.named_parameters())

    def loss(weights, ids, mask):
        return functional_call(net, weights, (ids[None], mask[None])).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, ids, mask)
    plain = made(BertForMaskedLM).double()
    plain(ids, mask).square().sum().backward()
    for name, weight in plain.named_parameters():
        torch.testing.assert_close(each[name].sum(0), weight.grad, rtol=1e-9, atol=1e-9)
    layer = net.bert.layers[0]
    x, dx = torch.randn(2, 3, 5, 16, generator=rng(), dtype=torch.float64)
    _, change = jvp(layer, (x,), (dx,))
    step = 1e-6
    numeric = (layer(x + step * dx) - layer(x - step * dx)) / (2 * step)
    torch.testing.assert_close(change, numeric, rtol=1e-6, atol=1e-7)


def test_gradients_of_a_layer():
    layer = Layer(dataclasses.replace(SMALL, hidden_size=4, num_attention_heads=2)).double().eval()
    x = torch.randn(2, 3, 4, generator=rng(), dtype=torch.float64, requires_grad=True)
    seen = torch.tensor([[True, True, False], [True, False, False]])[:, None, None, :]
    assert torch.autograd.gradcheck(lambda x: layer(x, seen), (x,))


def test_attention_maps_are_the_weights_that_are_used():
    net, (ids, mask, segments) = made(), batch()
    maps = net.attention_maps(ids, mask, segments)
    assert len(maps) == 3
    for each in maps:
        torch.testing.assert_close(each.sum(-1), torch.ones(4, 4, 9))
        assert not each[..., 0, :][~mask.bool()[:, None, :].expand(4, 4, 9)].any()
    written = []
    torch.testing.assert_close(
        net(ids, mask, segments, maps=written)[0], net(ids, mask, segments)[0]
    )


@pytest.mark.parametrize("drop", [False, True])
def test_checkpointing_recomputes_the_same(drop):
    given, gradients = batch(), []
    for on in (False, True):
        net = made(gradient_checkpointing=on, drop_padding=drop).train()
        torch.manual_seed(3)
        net(*given).last_hidden_state.square().sum().backward()
        gradients.append([p.grad for p in net.layers.parameters()])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


def test_dropout_acts_in_training_only():
    net, given = made(), batch()
    assert torch.equal(net(*given)[0], net(*given)[0])
    net.train()
    assert not torch.equal(net(*given)[0], net(*given)[0])


# Bad input

IDS = torch.ones(2, 5, dtype=torch.long)


@pytest.mark.parametrize(("given", "error", "says"), [
    (([[1, 2]],), TypeError, "input_ids must be a tensor of ids, got list"),
    ((IDS.float(),), TypeError, "input_ids must hold integer ids, got torch.float32"),
    ((IDS.bool(),), TypeError, "input_ids must hold integer ids, got torch.bool"),
    ((IDS[0],), ValueError, r"input_ids must have shape \(batch, length\), got \(5,\)"),
    ((IDS[:, :0],), ValueError, "1 to 140 positions .* got 0"),
    ((IDS.repeat(1, 29),), ValueError, "1 to 140 positions .*got 145"),
    ((IDS * 50,), ValueError, "input_ids must be 0 to 49, got 50"),
    ((-IDS,), ValueError, "input_ids must be 0 to 49, got -1"),
    ((IDS, IDS[:, :4]), ValueError, r"attention_mask must have the shape .*\(2, 5\), got \(2, 4\)"),
    ((IDS, [[1]]), TypeError, "attention_mask must be a tensor, got list"),
    ((IDS, IDS, IDS[:1]), ValueError, r"token_type_ids must have the shape .* got \(1, 5\)"),
    ((IDS, IDS, IDS * 2), ValueError, "token_type_ids must be 0 to 1, got 2"),
    ((IDS, IDS, IDS.float()), TypeError, "token_type_ids must hold integer ids"),
])  # fmt: skip
def test_batches_that_cannot_be(given, error, says):
    with pytest.raises(error, match=says):
        made()(*given)


@pytest.mark.parametrize(("changes", "says"), [
    ({"hidden_size": 10}, r"hidden_size \(10\) must be divisible by num_attention_heads \(12\)"),
    ({"num_hidden_layers": 0}, "num_hidden_layers must be at least 1, got 0"),
    ({"vocab_size": 0}, "vocab_size must be at least 1"),
    ({"intermediate_size": 0}, "intermediate_size must be None or at least 1, got 0"),
    ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob must be in \[0, 1\), got 1.0"),
    ({"attention_probs_dropout_prob": -0.1}, "attention_probs_dropout_prob must be in"),
    ({"hidden_act": "swish"}, "hidden_act must be one of .*got 'swish'"),
    ({"direction": "up"}, "direction must be one of .*got 'up'"),
    ({"pad_token_id": 30522}, "pad_token_id must be in the vocabulary, 0 to 30521"),
    ({"layer_norm_eps": 0}, "layer_norm_eps must be above 0"),
    ({"initializer_range": math.nan}, "initializer_range must be above 0"),
])  # fmt: skip
def test_configurations_that_cannot_be(changes, says):
    with pytest.raises(ValueError, match=says):
        BertConfig(**changes)


def test_a_classifier_needs_a_label():
    for kind in (BertForSequenceClassification, BertForTokenClassification):
        with pytest.raises(ValueError, match="num_labels must be at least 1, got 0"):
            kind(SMALL, num_labels=0)
