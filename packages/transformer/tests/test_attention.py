"""What §3.2 says of attention."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.transformer import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from lessons.transformer.attention import KeyValueCache


def qkv(seed=0, b=2, h=3, q=5, k=7, d=4, e=6, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    shapes = ((b, h, q, d), (b, h, k, d), (b, h, k, e))
    return [torch.randn(s, generator=g, dtype=dtype) for s in shapes]


def test_equation_1_entry_by_entry():
    query, key, value = qkv()
    result, weights = scaled_dot_product_attention(query, key, value, need_weights=True)
    for b, h, i in ((0, 0, 0), (1, 2, 4)):
        scores = [sum(query[b, h, i] * key[b, h, j]).item() / math.sqrt(4) for j in range(7)]
        total = sum(math.exp(s) for s in scores)
        expected = [math.exp(s) / total for s in scores]
        assert weights[b, h, i].tolist() == pytest.approx(expected, abs=1e-12)
        by_hand = sum(w * value[b, h, j] for j, w in enumerate(expected))
        torch.testing.assert_close(result[b, h, i], by_hand, atol=1e-12, rtol=0)


masks = st.integers(0, 2**35 - 1).map(
    lambda bits: torch.tensor([bits >> i & 1 for i in range(35)], dtype=torch.bool).view(5, 7)
)


@settings(deadline=None, max_examples=60)
@given(mask=masks, seed=st.integers(0, 99))
def test_any_mask_gives_a_distribution_over_what_is_seen_or_zeros(mask, seed):
    query, key, value = qkv(seed)
    query.requires_grad_()
    fast = scaled_dot_product_attention(query, key, value, mask)
    slow, weights = scaled_dot_product_attention(query, key, value, mask, need_weights=True)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=0)
    torch.testing.assert_close(
        weights.sum(-1), mask.any(-1).double().expand(2, 3, 5), atol=1e-12, rtol=0
    )
    assert (weights[..., ~mask] == 0).all()
    assert (fast[:, :, ~mask.any(-1)] == 0).all()
    for result in (fast, slow):
        (gradient,) = torch.autograd.grad(result.sum(), query, retain_graph=True)
        assert gradient.isfinite().all()


def test_causal_is_the_triangular_mask():
    query, key, value = qkv(q=6, k=6)
    mask = causal_mask(6)
    expected = scaled_dot_product_attention(query, key, value, mask)
    causal = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(causal, expected, atol=1e-12, rtol=0)
    hidden = torch.rand(2, 1, 1, 6) > 0.4
    both = scaled_dot_product_attention(query, key, value, hidden, is_causal=True)
    expected = scaled_dot_product_attention(query, key, value, mask & hidden)
    torch.testing.assert_close(both, expected, atol=1e-12, rtol=0)


def test_attention_does_not_know_the_order_of_the_keys():
    query, key, value = qkv()
    order = torch.randperm(7)
    expected = scaled_dot_product_attention(query, key, value)
    shuffled = scaled_dot_product_attention(query, key[:, :, order], value[:, :, order])
    torch.testing.assert_close(shuffled, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("d_k", [16, 256])
def test_footnote_4_the_variance_of_a_dot_product_is_d_k(d_k):
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 20_000, d_k, generator=g)
    # The variance of a variance of n draws, in units of itself: about sqrt((2 + 6/d_k) / n).
    assert (q * k).sum(-1).var().item() / d_k == pytest.approx(1, abs=4 * math.sqrt(2.4 / 20_000))


def test_heads_are_separate_attentions_in_their_own_projection():
    attention = MultiHeadAttention(12, num_heads=3, d_k=5, d_v=2).double()
    x, memory = torch.randn(2, 4, 12).double(), torch.randn(2, 6, 12).double()
    w_q, w_k, w_v = attention.in_proj.weight.split(attention.splits)
    heads = []
    for h in range(3):
        q = x @ w_q[5 * h : 5 * h + 5].T
        k, v = memory @ w_k[5 * h : 5 * h + 5].T, memory @ w_v[2 * h : 2 * h + 2].T
        heads.append(torch.softmax(q @ k.transpose(1, 2) / math.sqrt(5), -1) @ v)
    expected = torch.cat(heads, -1) @ attention.out_proj.weight.T
    torch.testing.assert_close(attention(x, memory), expected, atol=1e-12, rtol=0)


def test_gradients_are_those_of_finite_differences():
    attention = MultiHeadAttention(6, num_heads=2, bias=True).double()
    x = torch.randn(1, 4, 6, dtype=torch.float64, requires_grad=True)
    memory = torch.randn(1, 3, 6, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, False, True])[None, None, None]
    assert torch.autograd.gradcheck(lambda a, b: attention(a, b, mask), (x, memory))
    assert torch.autograd.gradcheck(lambda a: attention(a, is_causal=True), (x,))


@pytest.mark.parametrize("pieces", [[1] * 6, [3, 1, 2], [6]])
def test_cached_keys_and_values_give_the_same_result(pieces):
    attention = MultiHeadAttention(8, num_heads=2, d_v=3).double()
    x = torch.randn(2, 6, 8).double()
    cache = KeyValueCache(2, 6, attention)
    parts = [attention(part, is_causal=True, cache=cache) for part in x.split(pieces, 1)]
    whole = attention(x, is_causal=True)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("pieces", [[1] * 6, [3, 1, 2], [2, 4]])
def test_a_mask_is_kept_when_positions_are_added_to_a_cache(pieces):
    attention = MultiHeadAttention(8, num_heads=2).double()
    x, hidden = torch.randn(2, 6, 8).double(), torch.ones(2, 1, 1, 6, dtype=torch.bool)
    hidden[0, ..., :2] = False  # padding on the left
    whole = attention(x, mask=hidden, is_causal=True)
    cache, parts, end = KeyValueCache(2, 6, attention), [], 0
    for part in x.split(pieces, 1):
        end += part.shape[1]
        parts.append(attention(part, mask=hidden[..., :end], is_causal=True, cache=cache))
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=0)


def test_a_mask_that_forgets_what_is_in_the_cache_is_named():
    attention = MultiHeadAttention(8, num_heads=2)
    cache = KeyValueCache(1, 4, attention)
    attention(torch.randn(1, 3, 8), is_causal=True, cache=cache)
    with pytest.raises(ValueError, match="must cover the 4 positions so far, the 3 in the cache"):
        attention(
            torch.randn(1, 1, 8), mask=torch.ones(1, 1, 1, 1) > 0, is_causal=True, cache=cache
        )


def test_dropped_weights_are_scaled_up_and_only_in_training():
    attention = MultiHeadAttention(8, num_heads=2, dropout=0.5)
    x = torch.randn(1, 50, 8)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


def test_padding_is_hidden_as_a_key():
    mask = padding_mask(torch.tensor([[5, 6, 0], [7, 0, 0]]), pad_id=0)
    assert mask.tolist() == [[[[True, True, False]]], [[[True, False, False]]]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiHeadAttention(10, 3), r"d_model \(10\) must be divisible by num_heads \(3\)"),
        (lambda: MultiHeadAttention(10, 0), "num_heads must be at least 1, got 0"),
        (lambda: MultiHeadAttention(10, 2, d_k=0), "d_k and d_v must be at least 1, got 0 and 0"),
        (lambda: MultiHeadAttention(10, 2, d_v=0), "d_k and d_v must be at least 1, got 5 and 0"),
        (lambda: scaled_dot_product_attention(*qkv(), torch.ones(5, 7)), "mask must be bool"),
        (
            lambda: scaled_dot_product_attention(*qkv(), torch.ones(5, 6) > 0),
            r"\(2, 1, 1, 7\) or \(5, 7\).*got \(5, 6\)",
        ),
        (
            lambda: scaled_dot_product_attention(*qkv(), is_causal=True),
            r"is_causal needs as many keys as queries, got \(Q, K\) \(5, 7\)",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
