"""The model: sizes, initial weights, the cache, padding, bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch

from lessons.gpt_2 import (
    GPT2,
    GPT_VOCAB,
    PRESETS,
    PRINTED_MILLIONS,
    GPT2Config,
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


@pytest.mark.parametrize("name", PRINTED_MILLIONS)
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
    cache = cache.select(rows)
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


def test_the_model_that_ships_is_a_preset():
    with torch.device("meta"):
        net = GPT2.from_preset("nano")
    assert sum(p.numel() for p in net.parameters()) == count_parameters(PRESETS["nano"]) == 873600
    assert 2 * 873600 < 2_000_000, "in half precision it is small enough for the package"
