"""What §3 and Table 3 say of the model."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.transformer import (
    PRESETS,
    Decoder,
    Encoder,
    PositionwiseFeedForward,
    Transformer,
    TransformerConfig,
    count_parameters,
    padding_mask,
)
from lessons.transformer.config import PRINTED_MILLIONS

SMALL = TransformerConfig(
    vocab_size=20, d_model=16, d_ff=24, num_heads=4, num_encoder_layers=2, num_decoder_layers=2
)


def small(seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return Transformer(dataclasses.replace(SMALL, **changes), generator).eval()


def ids(*shape, seed=0):
    return torch.randint(3, 20, shape, generator=torch.Generator().manual_seed(seed))


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


EXACT = {
    "base": 63_045_632, "A-h1": 63_045_632, "A-h4": 63_045_632, "A-h16": 63_045_632,
    "A-h32": 63_045_632, "B-dk16": 55_967_744, "B-dk32": 58_327_040, "C-N2": 33_644_544,
    "C-N4": 48_345_088, "C-N8": 77_746_176, "C-d256": 26_816_512, "C-d1024": 163_815_424,
    "C-ff1024": 50_450_432, "C-ff4096": 88_236_032, "D-drop0": 63_045_632,
    "D-drop0.2": 63_045_632, "D-ls0": 63_045_632, "D-ls0.2": 63_045_632,
    "E": 63_045_632 + 2 * 1024 * 512, "big": 214_171_648, "parsing": 100_335_616,
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_exact_size(name):
    with torch.device("meta"):
        model = Transformer.from_preset(name)
    assert size(model) == EXACT[name] == count_parameters(PRESETS[name])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda c: Encoder(c).layers[0], 3_150_336),
        (lambda c: Decoder(c).layers[0], 4_199_936),
        (lambda c: torch.nn.ModuleList([Encoder(c), Decoder(c)]), 44_101_632),
        (
            lambda c: torch.nn.ModuleList([
                Encoder(dataclasses.replace(c, attention_bias=True, final_norm=True)),
                Decoder(dataclasses.replace(c, attention_bias=True, final_norm=True)),
            ]),
            44_140_544,
        ),
    ],
)  # fmt: skip
def test_parts_of_base_have_their_exact_size(make, expected):
    with torch.device("meta"):
        assert size(make(PRESETS["base"])) == expected


@pytest.mark.parametrize(("name", "expected"), [("base", 63_082_496), ("big", 214_245_376)])
def test_sizes_with_biases_in_the_attention(name, expected):
    assert count_parameters(dataclasses.replace(PRESETS[name], attention_bias=True)) == expected


def test_no_single_vocabulary_reproduces_table_3():
    """Each row gives the vocabularies that round to its printed millions; they do not meet."""
    ranges = {}
    for name, millions in PRINTED_MILLIONS.items():
        config = PRESETS[name]
        without = count_parameters(config) - config.vocab_size * config.d_model
        low = (millions - 0.5) * 1e6 - without
        ranges[name] = (low / config.d_model, (low + 1e6) / config.d_model)
    big = ranges.pop("big")
    low, high = max(r[0] for r in ranges.values()), min(r[1] for r in ranges.values())
    assert 41_003 < low < 41_004 < 41_208 < high < 41_209  # all rows but one agree
    assert 35_367 < big[0] < 35_368 < 36_344 < big[1] < 36_345


def test_the_heads_of_rows_a_and_b_are_as_listed():
    assert {PRESETS[n].num_heads for n in PRESETS if n[0] == "A"} == {1, 4, 16, 32}
    with torch.device("meta"):
        attention = Transformer.from_preset("B-dk16").encoder.layers[0].self_attention
    assert (attention.num_heads, attention.d_k, attention.d_v) == (8, 16, 64)


def test_equation_2_is_the_feed_forward_net():
    net = PositionwiseFeedForward(4, 7).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    (w1, b1), (w2, b2) = net.linear1.parameters(), net.linear2.parameters()
    torch.testing.assert_close(net(x), (x @ w1.T + b1).clamp(min=0) @ w2.T + b2)
    assert torch.autograd.gradcheck(net, (x,))


def test_predictions_depend_only_on_earlier_outputs():
    """§3.1: "predictions for position i can depend only on the known outputs before i"."""
    model, src, tgt = small(), ids(1, 5), ids(1, 6, seed=1)
    embedded = model.tgt_embedding(tgt).detach().requires_grad_()
    states = model.decoder(embedded, model.encode(src))
    for i in range(6):
        (gradient,) = torch.autograd.grad(states[0, i].square().sum(), embedded, retain_graph=True)
        reached = gradient[0].abs().sum(-1) > 0
        assert reached.tolist() == [j <= i for j in range(6)]


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=4),
    more=st.integers(0, 3),
    norm=st.sampled_from(["post", "pre"]),
)
def test_padding_changes_nothing(lengths, more, norm):
    model = small(norm=norm).double()
    src = torch.zeros(len(lengths), max(s for s, _ in lengths) + more, dtype=torch.long)
    tgt = torch.zeros(len(lengths), max(t for _, t in lengths) + more, dtype=torch.long)
    for row, (s, t) in enumerate(lengths):
        src[row, :s], tgt[row, :t] = ids(s, seed=row), ids(t, seed=row + 9)
    batch = model(src, tgt)
    assert batch.isfinite().all()
    for row, (s, t) in enumerate(lengths):
        alone = model(src[row : row + 1, :s], tgt[row : row + 1, :t])[0]
        torch.testing.assert_close(batch[row, :t], alone, atol=1e-10, rtol=0)


def test_targets_padded_on_the_left_need_a_mask():
    model, src, tgt = small().double(), ids(1, 5), ids(1, 4)
    left = torch.cat([torch.zeros(1, 2, dtype=torch.long), tgt], 1)
    logits = model(src, left, tgt_mask=padding_mask(left, 0))
    assert logits.isfinite().all()
    other = left.clone()
    other[0, :2] = 7  # what stands under the mask does not matter
    again = model(src, other, tgt_mask=padding_mask(left, 0))
    torch.testing.assert_close(again[:, 2:], logits[:, 2:])


def test_a_source_of_padding_only_gives_numbers():
    model = small()
    src = torch.cat([ids(1, 4), torch.zeros(1, 4, dtype=torch.long)])
    logits = model(src, ids(2, 3))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_without_positions_a_source_is_a_set():
    model, src, tgt = small().double(), ids(1, 6), ids(1, 4)
    order = torch.randperm(6)
    with_positions = model(src, tgt)
    assert not torch.allclose(model(src[:, order], tgt), with_positions)
    model.src_positions.forward = lambda where, dtype: torch.zeros(len(where), 16, dtype=dtype)
    torch.testing.assert_close(model(src[:, order], tgt), model(src, tgt), atol=1e-12, rtol=0)


def test_one_matrix_serves_source_target_and_output():
    model = small()
    assert [n for n, p in model.named_parameters() if 20 in p.shape] == ["tgt_embedding.weight"]
    parts = small(share_embeddings=False, tie_output=False, src_vocab_size=33)
    assert size(parts) - size(model) == (20 + 33) * 16
    logits = model(ids(1, 3), ids(1, 2))
    state = model.decode(ids(1, 2), model.encode(ids(1, 3)))
    torch.testing.assert_close(logits, state @ model.tgt_embedding.weight.T)


def test_embeddings_are_multiplied_by_the_root_of_d_model():
    model = small()
    seen = []
    model.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    src = ids(1, 3)
    model.encode(src)
    positions = model.src_positions(torch.arange(3))
    torch.testing.assert_close(seen[0], model.tgt_embedding(src) * 4 + positions)


def test_post_norm_outputs_are_normalised_and_pre_norm_adds_a_last_norm():
    src = ids(2, 5)
    for norm in ("post", "pre"):
        memory = small(norm=norm).encode(src)
        torch.testing.assert_close(memory.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            memory.var(-1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0
        )
    pre, post = size(small(norm="pre")), size(small())
    assert pre - post == 2 * 2 * 16


def test_attention_maps_are_distributions_over_what_is_visible():
    model, src, tgt = small(), ids(2, 5), ids(2, 4)
    src[1, 3:] = 0
    maps = model.attention_maps(src, tgt)
    for kind, shape in (("encoder", (5, 5)), ("decoder", (4, 4)), ("cross", (4, 5))):
        for weights in getattr(maps, kind):
            assert weights.shape == (2, 4, *shape)
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert all((weights[1, ..., 3:] == 0).all() for weights in maps.encoder + maps.cross)
    assert all((weights.triu(1) == 0).all() for weights in maps.decoder)


def test_gradient_checkpointing_changes_no_gradient():
    plain, saving = small(), small(gradient_checkpointing=True)
    for model in (plain, saving):
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        F.cross_entropy(model(ids(2, 4), ids(2, 3)).flatten(0, 1), ids(6)).backward()
    for ours, theirs in zip(plain.parameters(), saving.parameters()):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_one_graph_without_breaks():
    model = small()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    src, tgt = ids(2, 5), ids(2, 4)
    src[1, 3:] = 0
    torch.testing.assert_close(compiled(src, tgt), model(src, tgt))


def test_bfloat16_autocast_stays_close():
    model, src, tgt = small(), ids(2, 5), ids(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(src, tgt)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), model(src, tgt), atol=0.05, rtol=0.05)


def test_a_generator_decides_the_weights():
    same = [small(seed=3), small(seed=3), small(seed=4)]
    weights = [model.encoder.layers[0].self_attention.in_proj.weight for model in same]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_vocabularies_are_padded_to_a_multiple():
    assert small(pad_vocab_multiple=8).vocab_size == 24
    config = TransformerConfig(pad_vocab_multiple=64)
    assert count_parameters(config) - count_parameters(PRESETS["base"]) == 56 * 512


def test_an_id_of_a_row_that_only_pads_the_vocabulary_is_named():
    with pytest.raises(ValueError, match="src has id 21, the vocabulary V=20"):
        small(pad_vocab_multiple=8)(torch.tensor([[21]]), ids(1, 2))


def test_maps_are_complete_while_gradient_checkpointing_trains():
    model = small(gradient_checkpointing=True).train()
    maps = model.attention_maps(ids(1, 3), ids(1, 4))
    assert [len(kind) for kind in (maps.encoder, maps.decoder, maps.cross)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("src", "tgt", "error", "message"),
    [
        (torch.tensor([[3, 20]]), ids(1, 2), ValueError, "src has id 20, the vocabulary V=20 ids"),
        (ids(1, 2), torch.tensor([[-1, 4]]), ValueError, "tgt has id -1"),
        (torch.ones(1, 2), ids(1, 2), TypeError, "src must hold integer token ids.*float32"),
        (ids(3), ids(1, 2), ValueError, r"src must have shape \(batch, length\), got \(3,\)"),
        (ids(1, 3), ids(1, 9), ValueError, "tgt has 9 positions, the learned table max_len=8"),
        (ids(1, 3), ids(2, 4), ValueError, "tgt must have a row for each of src's 1, got 2"),
        (ids(2, 3), ids(1, 4), ValueError, "tgt must have a row for each of src's 2, got 1"),
        ([[3, 4]], ids(1, 4), TypeError, "src must be a tensor of token ids, got list"),
        (ids(1, 3), [[3, 4]], TypeError, "tgt must be a tensor of token ids, got list"),
    ],
)
def test_bad_ids_are_named(src, tgt, error, message):
    with pytest.raises(error, match=message):
        small(positions="learned", max_len=8)(src, tgt)


def test_another_number_of_targets_than_the_cache_has_rows_is_named():
    model = small()
    memory = model.encode(ids(2, 5))
    cache = model.start_cache(memory, 4, copies=3)
    assert model.decode(ids(6, 1), memory, cache=cache).shape == (6, 1, 16)
    with pytest.raises(ValueError, match="a row for each of src's 6, got 2"):
        model.decode(ids(2, 1), memory, cache=cache)


def test_a_bad_mask_is_named():
    with pytest.raises(ValueError, match=r"must have shape \(1, 1, 1, 4\)"):
        small()(ids(1, 4), ids(1, 3), src_mask=torch.ones(1, 1, 1, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 0}, "d_model must be at least 1, got 0"),
        ({"num_heads": 5}, r"d_model \(16\) must be divisible by num_heads \(5\)"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"norm": "both"}, "norm must be one of .* got 'both'"),
        ({"activation": "tanh"}, "activation must be one of .* got 'tanh'"),
        ({"pad_id": 20}, "pad_id must be in the vocabulary, 0 to 19, got 20"),
        ({"bos_id": -1}, "bos_id must be in the vocabulary, 0 to 19, got -1"),
        ({"vocab_size": 2}, "eos_id must be in the vocabulary, 0 to 1, got 2"),
        ({"d_k": 0}, "d_k must be None or at least 1, got 0"),
        ({"d_v": 0}, "d_v must be None or at least 1, got 0"),
        ({"src_vocab_size": 0, "share_embeddings": False}, "src_vocab_size must be None or"),
        ({"src_vocab_size": 9}, "share_embeddings needs one vocabulary"),
        ({"d_model": 15, "num_heads": 3}, "d_model must be even"),
    ],
)
def test_bad_configurations_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match=r"name must be one of base, .*got 'huge'"):
        Transformer.from_preset("huge")
