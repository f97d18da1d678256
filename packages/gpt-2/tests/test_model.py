"""The model: sizes, initial weights, the cache, padding, bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap

from lessons.gpt_2 import (
    GPT2,
    GPT_VOCAB,
    PRESETS,
    PRINTED_MILLIONS,
    GPT2Config,
    KeyValueCache,
    causal_mask,
    count_parameters,
)

SMALL = GPT2Config(vocab_size=29, n_positions=24, n_embd=16, n_layer=3, n_head=4)


def model(seed=0, **changes):
    return GPT2(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(seed)).eval()


def ids(*shape, seed=0, high=29):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed))


EXACT = {"gpt2": 124439808, "gpt2-medium": 354823168, "gpt2-large": 774030080,
         "gpt2-xl": 1557611200}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_released_models_sizes_and_the_paper_prints_others(name):
    with torch.device("meta"):
        net = GPT2.from_preset(name)
    counted = sum(p.numel() for p in net.parameters())
    assert counted == count_parameters(net.config) == EXACT[name]
    assert net.config.n_embd // net.config.n_head == 64
    c = net.config
    closed = c.n_layer * (12 * c.n_embd**2 + 13 * c.n_embd) + 2 * c.n_embd
    assert counted == closed + (c.vocab_size + c.n_positions) * c.n_embd
    # Table 2 is wrong for every model, and right for the vocabulary of the paper before.
    assert round(counted / 1e6) != PRINTED_MILLIONS[name]
    older = dataclasses.replace(c, vocab_size=GPT_VOCAB)
    assert round(count_parameters(older) / 1e6) == PRINTED_MILLIONS[name]


@pytest.mark.parametrize("changes", [
    {"n_inner": 7}, {"tied": False}, {"norm": "post"}, {"n_layer": 1, "n_positions": 5},
])  # fmt: skip
def test_the_formula_counts_every_form(changes):
    net = model(**changes)
    assert sum(p.numel() for p in net.parameters()) == count_parameters(net.config)


def test_residual_layers_begin_smaller_by_the_root_of_their_number():
    net = model(n_embd=256, n_layer=8)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif ".ln_" in name or name.startswith("ln_"):
            assert (parameter == 1).all(), name
        else:
            std = 0.02 / 4 if name.endswith("c_proj.weight") else 0.02  # N = 16
            tolerance = 5 * std / math.sqrt(2 * parameter.numel())
            assert parameter.std().item() == pytest.approx(std, abs=tolerance), name
    plain = model(n_embd=256, n_layer=8, scale_residual=False)
    torch.testing.assert_close(
        plain.h[3].mlp.c_proj.weight, 4 * net.h[3].mlp.c_proj.weight, rtol=1e-5, atol=0
    )


def test_the_same_generator_gives_the_same_weights():
    one, two, other = model(3), model(3), model(4)
    for (name, a), b in zip(one.named_parameters(), two.parameters()):
        assert torch.equal(a, b), name
    assert not torch.equal(one.wte.weight, other.wte.weight)


def test_no_position_sees_a_later_one():
    net, x = model().double(), ids(2, 9)
    changed = x.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 29
    before, after = net(x), net(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.isclose(before[:, 5:], after[:, 5:]).all(-1).any()


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_blocks_are_those_of_the_equations(norm):
    net = model(norm=norm).double()
    block = net.h[1]
    x = torch.randn(2, 7, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def attention(x):
        q, k, v = block.attn.c_attn(x).view(2, 7, 3, 4, 4).permute(2, 0, 3, 1, 4)
        scores = (q @ k.mT / 2).masked_fill(~torch.ones(7, 7).tril().bool(), -math.inf)
        return block.attn.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(2, 7, 16))

    def feed_forward(x):
        u = block.mlp.c_fc(x)
        gelu = u / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
        return block.mlp.c_proj(gelu)

    if norm == "pre":
        y = x + attention(block.ln_1(x))
        y = y + feed_forward(block.ln_2(y))
    else:
        y = block.ln_1(x + attention(x))
        y = block.ln_2(y + feed_forward(y))
    torch.testing.assert_close(block(x), y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("parts", [[9], [1] * 9, [4, 5], [3, 1, 5], [1, 7, 1]])
def test_reading_in_parts_with_a_cache_is_reading_at_once(parts):
    net, x = model().double(), ids(2, 9)
    cache = net.start_cache(2, 9)
    store = cache.key_LBHKD.data_ptr()
    out = [net(part, cache=cache) for part in x.split(parts, 1)]
    torch.testing.assert_close(torch.cat(out, 1), net(x), rtol=1e-10, atol=1e-12)
    assert cache.length == 9
    assert cache.key_LBHKD.data_ptr() == store, "allocated once"
    with pytest.raises(ValueError, match="room for 9 positions, not for 10"):
        net(x[:, :1], cache=cache)


def test_rows_of_a_cache_change_places():
    net, x = model().double(), ids(3, 6)
    cache = net.start_cache(3, 6)
    net(x[:, :5], cache=cache)
    rows = torch.tensor([2, 0, 0])
    cache.reorder(rows)
    got = net(x[rows, 5:], cache=cache)
    torch.testing.assert_close(got, net(x[rows])[:, 5:], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("cached", [False, True])
def test_padding_on_either_side_changes_nothing(side, cached):
    net, x = model().double(), ids(3, 8)
    lengths = [8, 5, 1]
    mask = torch.zeros(3, 8, dtype=torch.bool)
    padded = torch.full_like(x, 28)
    for row, n in enumerate(lengths):
        where = slice(8 - n, 8) if side == "left" else slice(0, n)
        mask[row, where], padded[row, where] = True, x[row, :n]
    if cached:
        cache = net.start_cache(3)
        parts = [
            net(padded[:, :4], mask[:, :4], cache=cache),
            net(padded[:, 4:], mask, cache=cache),
        ]
        got = torch.cat(parts, 1)
    else:
        got = net(padded, mask.long())
    assert got.isfinite().all()
    for row, n in enumerate(lengths):
        torch.testing.assert_close(got[row][mask[row]], net(x[row : row + 1, :n])[0])


@pytest.mark.parametrize("real", [slice(2, 6), slice(0, 4)])
def test_padding_has_no_part_in_the_loss(real):
    net, x = model().double(), ids(2, 6)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1] = False
    mask[1, real] = True
    loss = net(x, mask, labels_BT=x)
    alone = [net(x[:1], labels_BT=x[:1]) * 5, net(x[1:, real], labels_BT=x[1:, real]) * 3]
    torch.testing.assert_close(loss * 8, sum(alone))
    weights = [*net.parameters()]
    for a, b in zip(
        torch.autograd.grad(loss * 8, weights), torch.autograd.grad(sum(alone), weights)
    ):
        torch.testing.assert_close(a, b)


def test_attention_maps_and_states():
    net, x, maps, states = model().double(), ids(2, 6), [], []
    last = net.states(x, states=states, maps=maps)
    assert [m.shape for m in maps] == [(2, 4, 6, 6)] * 3
    for each in maps:
        torch.testing.assert_close(each.sum(-1), torch.ones(2, 4, 6, dtype=torch.float64))
        assert not each.triu(1).any()
    assert len(states) == 4
    assert torch.equal(states[-1], last)
    torch.testing.assert_close(net.project(last), net(x))
    assert torch.equal(causal_mask(2, 4), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]).bool())


def test_one_matrix_is_tied_whatever_is_done_with_the_model():
    net, x = model(), ids(2, 5)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), model(5)):
        twin.load_state_dict(net.state_dict())
        twin = twin.to(torch.float64).float()
        assert torch.equal(twin(x), net(x))
        with torch.no_grad():
            twin.wte.weight += 1
        assert twin.output_weight is twin.wte.weight
    assert "lm_head.weight" not in net.state_dict()
    assert model(tied=False).output_weight.shape == (29, 16)


def test_gradient_checkpointing_changes_no_gradient():
    x = ids(2, 6)
    grads = []
    for flag in (False, True):
        net = model(gradient_checkpointing=flag).double().train()
        torch.manual_seed(0)
        net(x, labels_BT=x).backward()
        grads.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads))


def test_dropout_only_in_training():
    net, x = model(), ids(2, 6)
    assert torch.equal(net(x), net(x))
    net.train()
    assert not torch.equal(net(x), net(x))
    still = model(embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0).train()
    assert torch.equal(still(x), still(x))


def test_batches_of_none():
    net = model()
    assert net(ids(0, 5)).shape == (0, 5, 29)
    assert net(ids(2, 0)).shape == (2, 0, 29)
    assert net(ids(0, 5), labels_BT=ids(0, 5)) == 0
    assert net(ids(2, 1), labels_BT=ids(2, 1)) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    net, x = model(initializer_range=0.1), ids(2, 8)
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, :3] = False
    want = net(x, mask)
    half = copy.deepcopy(net).to(dtype)
    got = half(x, mask)
    assert got.dtype is dtype
    torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        auto = net(x, mask)
        assert auto.dtype is torch.bfloat16
        torch.testing.assert_close(auto.float(), want, rtol=0.05, atol=0.05)
        cache = net.start_cache(2)
        parts = [net(p, cache=cache) for p in x.split([5, 1, 2], 1)]
        torch.testing.assert_close(
            torch.cat(parts, 1).float(), net(x).float(), rtol=0.05, atol=0.05
        )
        net(x, labels_BT=x).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiles_whole():
    net, x = model(), ids(2, 6)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, :2] = False
    fast = torch.compile(net, fullgraph=True, backend="aot_eager")
    for given in ((x,), (x, mask)):
        torch.testing.assert_close(fast(*given), net(*given))
    loss = fast(x, labels_BT=x)
    loss.backward()
    torch.testing.assert_close(loss, net(x, labels_BT=x))


@pytest.mark.parametrize("masked", [False, True])
def test_exports_with_a_dynamic_batch_and_length(masked):
    net = model()
    batch, t = torch.export.Dim("batch", min=2, max=64), torch.export.Dim("t", min=2, max=24)
    given, other = (ids(3, 5),), (ids(7, 9),)
    if masked:
        given, other = (*given, torch.ones(3, 5).bool()), (*other, ids(7, 9, seed=1) > 0)
        other[1][:, -1] = True
    dynamic = tuple({0: batch, 1: t} for _ in given)
    program = torch.export.export(net, given, dynamic_shapes=(*dynamic,), strict=False)
    torch.testing.assert_close(program.module()(*other), net(*other))


def test_torch_func_maps_and_differentiates():
    net, x = model().double(), ids(3, 6)
    weights = dict(net.named_parameters())

    def loss(weights, x):
        return functional_call(net, weights, (x[None],), {"labels_BT": x[None]})

    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    net(x, labels_BT=x).backward()
    for name, weight in weights.items():
        torch.testing.assert_close(each[name].mean(0), weight.grad)
    h = torch.randn(2, 5, 16, dtype=torch.float64)
    dh = torch.randn(2, 5, 16, dtype=torch.float64)
    _, change = jvp(net.h[0], (h,), (dh,))
    numeric = (net.h[0](h + 1e-6 * dh) - net.h[0](h - 1e-6 * dh)) / 2e-6
    torch.testing.assert_close(change, numeric, rtol=1e-6, atol=1e-7)


BAD = [
    ({"n_embd": 10}, "n_embd .10. must be divisible by n_head .4."),
    ({"n_layer": 0}, "n_layer must be at least 1, got 0"),
    ({"n_inner": 0}, "n_inner must be None or at least 1"),
    ({"attn_pdrop": 1.0}, r"attn_pdrop must be in \[0, 1\)"),
    ({"activation": "swish"}, "activation must be one of .*'swish'"),
    ({"norm": "none"}, "norm must be one of"),
    ({"initializer_range": 0.0}, "initializer_range must be positive"),
]


@pytest.mark.parametrize(("changes", "text"), BAD)
def test_bad_sizes(changes, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(SMALL, **changes)


def test_bad_input():
    net, x = model(), ids(2, 6)
    cases = [
        (ValueError, "end at position 25, the model has n_positions=24", (ids(1, 25),)),
        (ValueError, "input_ids has 29, allowed are 0 to 28", (x + 29 - x.max(),)),
        (ValueError, "input_ids has -1", (x - x.min() - 1,)),
        (TypeError, "input_ids must hold int64 or int32, got torch.float32", (x.float(),)),
        (TypeError, "must be a tensor of ids, got list", ([[1, 2]],)),
        (ValueError, r"input_ids must have shape \(batch, length\)", (x[0],)),
        (ValueError, r"attention_mask must have shape \(2, 6\)", (x, torch.ones(2, 5).bool())),
        (TypeError, "attention_mask must be bool or 0 and 1", (x, torch.ones(2, 6))),
        (ValueError, "position_ids has 24, allowed are 0 to 23", (x, None, x * 0 + 24)),
        (ValueError, "cache is for", (x, None, None, model(n_layer=2).start_cache(2))),
        (ValueError, "cache is for", (x, None, None, net.start_cache(3))),
        (ValueError, "give no cache", (x, None, None, net.start_cache(2), x)),
        (ValueError, "labels_BT must have the ids' shape", (x, None, None, None, x[:, 1:])),
        (ValueError, "chunk must be at least 1, got 0", (x, None, None, None, x, 0)),
    ]
    for error, text, given in cases:
        with pytest.raises(error, match=text):
            net(*given)
    with pytest.raises(ValueError, match=r"name must be one of gpt2, .*; got 'gpt3'"):
        GPT2.from_preset("gpt3")
    with pytest.raises(ValueError, match="max_len must be 1 to n_positions=24"):
        KeyValueCache(SMALL, 1, 25)
