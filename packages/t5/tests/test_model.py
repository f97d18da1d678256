"""The model: what the paper says of it, its architectures, its cache, bad input, torch's tools."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from torch.func import functional_call, jvp, vmap

from lessons.t5 import (
    PRESETS,
    Attention,
    LanguageModel,
    RelativeBias,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5LayerNorm,
    T5Model,
    beam_search,
    causal_mask,
    count_parameters,
    greedy,
    length_penalty,
    prefix_mask,
    relative_position_bucket,
    sample,
    segment_mask,
    shift_right,
)

SMALL = T5Config(
    vocab_size=30, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=3, dropout_rate=0.0
)
KINDS = ("enc-dec", "shared", "lm", "prefix lm")


def model(kind="enc-dec", seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    config = dataclasses.replace(SMALL, **changes)
    if kind in ("lm", "prefix lm"):
        net = LanguageModel(config, kind == "prefix lm", generator)
    else:
        config = dataclasses.replace(config, share_stacks=kind == "shared")
        net = T5ForConditionalGeneration(config, generator)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "relative" in name:  # as large as after training
                parameter.normal_(generator=generator)
    return net.eval()


def batch(b=3, s=7, t=5):
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(2, 30, (b, s), generator=g)
    ids[1:2, 4:] = 0
    return ids, torch.randint(2, 30, (b, t), generator=g)


def test_buckets_are_exact_while_small_and_then_widen():
    """32 buckets to 128: offsets below 8 (decoder: 16) each have one; from 91 (113) all share."""
    at = torch.tensor([-140, -64, -16, -8, -7, 0, 1, 8, 16, 64, 90, 91, 140])
    assert relative_position_bucket(at).tolist() == [
        15, 14, 10, 8, 7, 0, 17, 24, 26, 30, 30, 31, 31,
    ]  # fmt: skip
    back = torch.tensor([-200, -113, -112, -91, -64, -16, -15, 0, 1, 9])
    assert relative_position_bucket(back, False).tolist() == [31, 31, 30, 29, 26, 16, 15, 0, 0, 0]


def test_attention_is_softmax_of_products_and_bias_without_a_scale():
    g = torch.Generator().manual_seed(0)
    attention = Attention(8, 2, 5).double()
    attention.reset_parameters(g)
    x = torch.randn(2, 6, 8, dtype=torch.float64, generator=g)
    bias = torch.randn(1, 2, 6, 6, dtype=torch.float64, generator=g)
    heads = []
    for h in range(2):
        rows = slice(5 * h, 5 * h + 5)
        q, k, v = (x @ m.weight[rows].T for m in (attention.q, attention.k, attention.v))
        heads.append((q @ k.transpose(1, 2) + bias[:, h]).softmax(-1) @ v)
    want = torch.cat(heads, -1) @ attention.o.weight.T
    torch.testing.assert_close(attention(x, bias_BHQK=bias), want)
    maps = []
    torch.testing.assert_close(attention(x, bias_BHQK=bias, maps=maps), want)
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 6, dtype=torch.float64))


def test_scores_begin_with_variance_one_though_nothing_divides_them():
    """The 1/√d of the Transformer is in the first weights of q: the README's derivation."""
    g = torch.Generator().manual_seed(0)
    for d_kv in (8, 64):
        attention = Attention(256, 4, d_kv)
        attention.reset_parameters(g)
        x = torch.randn(1, 300, 256, generator=g)
        q, k = attention._heads(attention.q(x)), attention._heads(attention.k(x))
        assert (q @ k.transpose(-2, -1)).var().item() == pytest.approx(1, rel=0.25)
        assert q.var().item() == pytest.approx(1 / d_kv, rel=0.1)


def test_the_norm_neither_centres_nor_shifts():
    x = torch.randn(4, 10, dtype=torch.float64) + 3
    norm = T5LayerNorm(10).double()
    torch.testing.assert_close(norm(x), x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())
    assert norm(x).mean() > 0.5, "the mean stays"
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
    assert torch.isfinite(T5LayerNorm(4).half()(torch.full((1, 4), 60000.0).half())).all()


def test_positions_are_the_only_thing_that_tells_order():
    net = model()
    ids, _ = batch()
    order = torch.tensor([3, 0, 2, 1])
    encoder = T5EncoderModel(SMALL).eval()
    encoder.load_state_dict({name: net.state_dict()[name] for name in encoder.state_dict()})
    assert not torch.allclose(encoder(ids[:1, order]), encoder(ids[:1, :4])[:, order], atol=1e-3)
    encoder.encoder.relative_bias.embedding.weight.data.zero_()
    torch.testing.assert_close(
        encoder(ids[:1, order]), encoder(ids[:1, :4])[:, order], atol=1e-5, rtol=1e-5
    )


def test_all_layers_of_a_stack_share_one_set_of_scalars():
    net = model()
    biases = [m for m in net.modules() if isinstance(m, RelativeBias)]
    assert [tuple(b.embedding.weight.shape) for b in biases] == [(32, 3), (32, 3)]
    assert sum("relative" in name for name, _ in net.named_parameters()) == 2


def test_masks_are_figure_3():
    assert causal_mask(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert prefix_mask(2, 4).int().tolist() == [
        [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1],
    ]  # fmt: skip
    assert torch.equal(prefix_mask(0, 3), causal_mask(3))
    assert prefix_mask(3, 3).all(), "a prefix of all is fully visible"
    numbers = torch.tensor([[1, 1, 2, 0]])
    assert segment_mask(numbers, numbers)[0, 0].int().tolist() == [
        [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_target_sees_what_comes_after_it(kind):
    net = model(kind)
    ids, labels = batch()
    changed = labels.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 28 + 2
    before, after = net(ids, labels=labels), net(ids, labels=changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])  # the fourth is what read the third
    assert not torch.allclose(before[:, 4], after[:, 4])


def test_who_sees_the_inputs_to_come():
    """The encoder and a prefix LM read an input with all of it in view; a language model does not.

    The state at the first input is looked at: does it change with the last one?
    """
    ids = torch.tensor([[5, 6, 7]]), torch.tensor([[5, 6, 9]])
    labels = torch.tensor([[4]])
    seen = {}
    for kind in ("lm", "prefix lm"):
        net = model(kind)
        states = [net._states(x, None, None, labels)[0][0, 0] for x in ids]
        seen[kind] = not torch.allclose(*states)
    net = model()
    seen["enc-dec"] = not torch.allclose(*(net.encode(x)[0][0, 0] for x in ids))
    assert seen == {"lm": False, "prefix lm": True, "enc-dec": True}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["right", "left", "within"])
def test_padding_says_nothing(kind, side):
    net = model(kind)
    ids, labels = batch(b=1)
    wide = torch.zeros(1, 10, dtype=torch.long)
    place = {"right": slice(0, 7), "left": slice(3, 10)}.get(side)
    if place is None:
        if kind in ("enc-dec", "shared"):
            return  # offsets within the encoder count the gap, as in the released code
        place = torch.tensor([0, 1, 2, 5, 6, 8, 9])
    wide[:, place] = ids
    torch.testing.assert_close(net(wide, labels=labels), net(ids, labels=labels), atol=1e-5, rtol=0)
    assert torch.equal(greedy(net, wide, 6), greedy(net, ids, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_changes_nothing(kind):
    net = model(kind)
    ids, labels = batch()
    want, read = net(ids, labels=labels), shift_right(labels)
    started = net.start(ids, 5)
    one = [net.step(read[:, i : i + 1], started) for i in range(5)]
    torch.testing.assert_close(torch.stack(one, 1), want, atol=2e-5, rtol=1e-5)
    started = net.start(ids, 5)
    net.step(read[:, :2], started)
    torch.testing.assert_close(net.step(read[:, 2:], started), want[:, -1], atol=2e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="room for"):
        net.step(read[:, :1], started)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_takes_the_likeliest_and_stops_at_the_end_mark(kind):
    net = model(kind, seed=4)
    ids, _ = batch()
    written = greedy(net, ids, 12)
    for row, source in zip(written, ids):
        so_far = [0]
        for token in row.tolist():
            if so_far[-1] == 1 or (so_far[1:] and so_far[-1] == 0):
                assert token == 0, "padding follows the end"
            else:
                logits = net(source[None], decoder_input_ids=torch.tensor([so_far]))[0, -1]
                logits[0] = -math.inf
                assert token == int(logits.argmax())
            so_far.append(token)


@pytest.mark.parametrize("kind", ["enc-dec", "lm"])
def test_a_wide_beam_finds_the_best_of_all_answers(kind):
    """Held against all answers of up to three tokens, over four tokens and the end mark."""
    net = model(kind, vocab_size=6)
    ids = torch.tensor([[2, 3, 4], [5, 2, 0]])
    for alpha in (0.0, 0.6):
        found = beam_search(net, ids, 3, beam=4**3, alpha=alpha)
        for b in range(2):
            best = -math.inf
            texts = [[]]
            for _ in range(3):
                texts = [t if t and t[-1] == 1 else [*t, x] for t in texts for x in range(1, 6)]
                texts = [list(t) for t in {tuple(t) for t in texts}]
            for text in texts:
                labels = torch.tensor([text])
                logits = net(ids[b : b + 1], labels=labels)
                logits[..., 0] = -math.inf
                log = logits.log_softmax(-1).gather(-1, labels[..., None]).sum().item()
                if text[-1] == 1:
                    best = max(best, log / length_penalty(len(text), alpha))
            assert found.score[b].item() == pytest.approx(best, abs=1e-4)


def test_sampling_follows_the_distribution():
    net = model(vocab_size=6)
    ids = torch.tensor([[2, 3]]).repeat(4000, 1)
    got = sample(net, ids, 1, generator=torch.Generator().manual_seed(0))[:, 0]
    logits = net(ids[:1], decoder_input_ids=torch.tensor([[0]]))[0, 0]
    logits[0] = -math.inf
    share = torch.bincount(got, minlength=6) / 4000
    torch.testing.assert_close(share, logits.softmax(-1), atol=0.03, rtol=0)
    top = sample(net, ids[:50], 1, top_k=1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(top, greedy(net, ids[:50], 1))
    head = sample(net, ids[:50], 1, top_p=1e-6)
    assert torch.equal(head, greedy(net, ids[:50], 1))


def test_sharing_halves_the_weights_and_nothing_of_them_is_copied():
    """Table 2: P for shared stacks and 2P for two, the attention to the encoder apart."""
    for name in ("shared", "6-layers", "t5-base"):
        with torch.device("meta"):
            net = T5ForConditionalGeneration.from_preset(name)
        assert sum(p.numel() for p in net.parameters()) == count_parameters(PRESETS[name])
    net = model("shared")
    assert net.encoder.blocks[0].feed_forward is net.decoder.blocks[0].feed_forward
    assert net.encoder.relative_bias is not net.decoder.relative_bias
    twin = model("shared", seed=5)
    twin.load_state_dict(net.state_dict())
    ids, labels = batch()
    assert torch.equal(twin(ids, labels=labels), net(ids, labels=labels))


def test_a_language_model_is_trained_on_the_whole_text_and_a_prefix_lm_on_the_targets():
    ids, labels = batch(b=1)
    net = model("lm")
    whole = torch.cat([ids, torch.zeros(1, 1, dtype=torch.long), labels], 1)
    logits = net(torch.zeros(1, 0, dtype=torch.long), decoder_input_ids=whole[:, :-1])
    logs = logits.log_softmax(-1).gather(-1, whole[:, 1:, None])[0, :, 0]
    counted = torch.cat([logs[:6], logs[7:]])  # not the start mark between the two
    torch.testing.assert_close(net.loss(ids, labels), -counted.mean())
    torch.testing.assert_close(net.loss(ids, labels, on_inputs=False), -logs[7:].mean())
    prefix = model("prefix lm")
    logs = prefix(ids, labels=labels).log_softmax(-1).gather(-1, labels[..., None])
    torch.testing.assert_close(prefix.loss(ids, labels), -logs.mean())
    with pytest.raises(ValueError, match="on_inputs"):
        prefix.loss(ids, labels, on_inputs=True)


def test_labels_that_do_not_count_do_not_count():
    net = model()
    ids, labels = batch()
    short = labels.clone()
    short[:, 3:] = -100
    torch.testing.assert_close(net.loss(ids, short), net.loss(ids, labels[:, :3]))
    assert net.loss(ids, torch.full_like(labels, -100)) == 0
    assert shift_right(torch.tensor([[7, -100, 8]])).tolist() == [[0, 7, 0]]


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda m, i, t: m(i), ValueError, "decoder_input_ids or labels must be given"),
    (lambda m, i, t: m(i + 30, labels=t), ValueError, "input_ids has id 59; the vocabulary has V"),
    (lambda m, i, t: m(i, labels=t + 30), ValueError, "labels has id"),
    (lambda m, i, t: m(i, labels=t - 40), ValueError, "labels has id -38"),
    (lambda m, i, t: m(i.float(), labels=t), TypeError, "integer token ids, got torch.float32"),
    (lambda m, i, t: m([1, 2], labels=t), TypeError, "input_ids must be a tensor"),
    (lambda m, i, t: m(i[0], labels=t), ValueError, r"shape \(batch, length\), got \(7,\)"),
    (lambda m, i, t: m(i, i[:, :3], labels=t), ValueError, "attention_mask must have shape"),
    (lambda m, i, t: m(i, labels=t[:1]), ValueError, "a row for each of the 3"),
    (lambda m, i, t: greedy(m, i, 0), ValueError, "max_len must be at least 1, got 0"),
    (lambda m, i, t: beam_search(m, i, 3, beam=0), ValueError, "beam must be at least 1"),
    (lambda m, i, t: beam_search(m, i, 3, alpha=-1), ValueError, "alpha"),
    (lambda m, i, t: sample(m, i, 3, temperature=0), ValueError, "temperature"),
    (lambda m, i, t: sample(m, i, 3, top_p=0.0), ValueError, "top_p"),
    (lambda m, i, t: sample(m, i, 3, top_k=0), ValueError, "top_k"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["enc-dec", "prefix lm"])
def test_bad_input_is_named(kind, call, error, text):
    ids, labels = batch()
    ids[0, 0], labels[0, 0] = 29, 2
    with pytest.raises(error, match=text):
        call(model(kind), ids, labels)


@pytest.mark.parametrize(("changes", "text"), [
    ({"d_kv": 0}, "d_kv must be at least 1, got 0"),
    ({"num_heads": -1}, "num_heads must be at least 1"),
    ({"num_decoder_layers": 0}, "num_decoder_layers must be None or at least 1"),
    ({"dropout_rate": 1.0}, "dropout_rate"),
    ({"layer_norm_epsilon": 0.0}, "layer_norm_epsilon"),
    ({"feed_forward_proj": "gelu"}, "feed_forward_proj must be 'relu' or 'gated-gelu', got 'gelu'"),
    ({"relative_attention_num_buckets": 7}, "num_buckets must be even"),
    ({"relative_attention_max_distance": 16}, "larger than num_buckets / 2 = 16, got 16"),
    ({"eos_id": 30}, "eos_id must be in the vocabulary, 0 to 29"),
    ({"share_stacks": True, "num_decoder_layers": 1}, "share_stacks needs stacks of one height"),
])  # fmt: skip
def test_bad_sizes_are_named(changes, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(SMALL, **changes)


def test_unknown_names_and_shapes_are_named():
    with pytest.raises(ValueError, match="t5-small"):
        T5ForConditionalGeneration.from_preset("t5-tiny")
    with pytest.raises(ValueError, match="share_stacks"):
        LanguageModel(dataclasses.replace(SMALL, share_stacks=True))
    for prefix in (-1, 4):
        with pytest.raises(ValueError, match="prefix_len"):
            prefix_mask(prefix, 3)


def test_same_generator_same_weights_and_another_vocabulary():
    one, two = model(seed=3), model(seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    g = torch.Generator().manual_seed(0)
    small = T5ForConditionalGeneration.from_preset(
        "t5-v1_1-small", g, vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1
    )
    assert small(torch.ones(1, 3, dtype=torch.long), labels=torch.ones(1, 2).long()).shape == (
        1, 2, 50,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_torchs_tools_work(kind):
    net = model(kind)
    ids, labels = batch()
    want = net(ids, labels=labels)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(ids, labels=labels), want)
    assert net(ids[:0], labels=labels[:0]).shape == (0, 5, 30)
    assert torch.isfinite(net.loss(ids[:0], labels[:0]))
    each = vmap(lambda i, t: net(i[None], labels=t[None])[0])(ids, labels)
    torch.testing.assert_close(each, want, atol=1e-5, rtol=1e-5)
    parameters = dict(net.named_parameters())
    tangents = {name: torch.ones_like(p) for name, p in parameters.items()}

    def loss(p):
        return functional_call(net, p, (ids,), {"labels": labels}).square().mean()

    _, derivative = jvp(loss, (parameters,), (tangents,))
    (gradient,) = (torch.autograd.grad(loss(parameters), list(parameters.values())),)
    torch.testing.assert_close(derivative, sum(g.sum() for g in gradient), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_exported_checkpointed_and_in_bfloat16_it_computes_the_same(kind):
    net = model(kind)
    ids, labels = batch()
    want = net(ids, labels=labels)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(ids, labels=labels), want, atol=1e-5, rtol=1e-5)
    dynamic = torch.export.Dim("batch", min=2, max=64)
    shapes = {"input_ids": {0: dynamic}, "labels": {0: dynamic}}
    program = torch.export.export(
        net, (), {"input_ids": ids, "labels": labels}, dynamic_shapes=shapes
    )
    twice = program.module()(input_ids=ids.repeat(2, 1), labels=labels.repeat(2, 1))
    torch.testing.assert_close(twice, want.repeat(2, 1, 1), atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(ids, labels=labels)
    torch.testing.assert_close(half.float(), want, atol=0.2, rtol=0.1)
    narrow = copy.deepcopy(net).bfloat16()
    torch.testing.assert_close(narrow(ids, labels=labels).float(), want, atol=0.25, rtol=0.1)
    again = copy.deepcopy(net).train()
    stacks = [m for m in again.modules() if hasattr(m, "checkpointing")]
    losses = []
    for checkpointing in (False, True):
        for stack in stacks:
            stack.checkpointing = checkpointing
        again.zero_grad()
        loss = again.loss(ids, labels)
        loss.backward()
        losses.append([loss.item(), again.shared.weight.grad.clone()])
    torch.testing.assert_close(losses[0], losses[1])


def test_wo_may_be_wider_than_the_rest():
    """In float16 a feed-forward net's results overflow in large models: wo is kept in float32."""
    net = model().half()
    for name, module in net.named_modules():
        if name.endswith("wo"):
            module.float()
    net.encoder.blocks[0].feed_forward.wo.weight.data *= 1e6
    ids, labels = batch()
    assert torch.isfinite(net(ids, labels=labels)).all()


def test_maps_are_all_weights():
    net = model()
    ids, labels = batch(b=1)
    maps = net.attention_maps(ids, shift_right(labels))
    assert [len(m) for m in (maps.encoder, maps.decoder, maps.cross)] == [2, 2, 2]
    assert maps.cross[0].shape == (1, 3, 5, 7)
    for found in (*maps.encoder, *maps.decoder, *maps.cross):
        torch.testing.assert_close(found.sum(-1), torch.ones_like(found[..., 0]))
    assert maps.decoder[1].triu(1).abs().max() == 0


def test_gradients_are_right():
    net = T5Model(dataclasses.replace(SMALL, d_ff=4, d_model=4, d_kv=2, num_layers=1)).double()
    ids = torch.tensor([[3, 4, 0]])
    gain = net.encoder.blocks[0].norm1.weight.detach().clone().requires_grad_()
    bias = net.decoder.relative_bias.embedding.weight.detach()[:4].clone().requires_grad_()

    def states(gain, bias):
        names = {"encoder.blocks.0.norm1.weight": gain}
        rest = net.decoder.relative_bias.embedding.weight[4:]
        names["decoder.relative_bias.embedding.weight"] = torch.cat([bias, rest])
        return functional_call(net, names, (ids,), {"decoder_input_ids": torch.tensor([[0, 5, 6]])})

    assert torch.autograd.gradcheck(states, (gain, bias))


@pytest.mark.parametrize("kind", ["enc-dec", "lm"])
def test_masks_that_are_none_are_refused(kind):
    net, (ids, labels) = model(kind), batch()
    ones = torch.ones_like(ids)
    want = net(ids, ones, labels=labels)
    torch.testing.assert_close(net(ids, ones.float(), labels=labels), want)
    for mask in (0.5 * ones, ones.float().log(), -ones, (ones.float() - 2), ones * torch.nan):
        with pytest.raises(ValueError, match="attention_mask must be 1 at tokens"):
            net(ids, mask, labels=labels)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_as_long_as_what_the_decoder_reads(kind):
    net, (ids, labels) = model(kind), batch()
    with pytest.raises(ValueError, match=r"labels must have shape \(3, 5\), as decoder_input_ids"):
        net(ids, decoder_input_ids=labels, labels=labels[:, 1:])


@pytest.mark.parametrize("kind", KINDS)
def test_no_inputs_have_no_answers(kind):
    none = torch.zeros(0, 7, dtype=torch.long)
    assert len(greedy(model(kind), none, 4)) == 0
    assert len(beam_search(model(kind), none, 4).ids) == 0


def test_a_row_of_padding_has_nothing_to_answer():
    ids, _ = batch()
    ids[2] = 0
    for decode in (greedy, beam_search):
        with pytest.raises(ValueError, match="got only padding in 2"):
            decode(model(), ids, 4)
