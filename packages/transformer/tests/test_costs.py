"""What is counted: operations, and chains of products."""

import itertools

import pytest
import torch
from torch import nn

from lessons.transformer import MultiHeadAttention, greedy
from lessons.transformer.claims import additive, costs, distance, graph, translators
from lessons.transformer.claims.race import recurrent, transformer


def test_a_chain_of_products_is_counted():
    x, w = torch.randn(2, 3, requires_grad=True), torch.randn(3, 3)
    y = ((x @ w).tanh() @ w + x @ w).sum()
    assert graph.longest_chain(y) == 2
    assert graph.shortest_chain(y, x) == 1


def test_fused_attention_is_two_products():
    q = torch.randn(1, 2, 4, 8, requires_grad=True)
    assert graph.longest_chain(nn.functional.scaled_dot_product_attention(q, q, q).sum()) == 2
    scores = (q @ q.transpose(-2, -1)).softmax(-1) @ q
    assert graph.longest_chain(scores.sum()) == 2


def test_layers_cost_what_their_matrices_say():
    n, d = 24, 64
    assert costs.attend(n, d) == 4 * n * n * d
    assert costs.attention_layer(n, d) == 8 * n * d * d + 4 * n * n * d
    for kind, gates in costs.GATES.items():
        assert costs.recurrence(gates)(n, d) == gates * 4 * n * d * d, kind
    assert costs.convolution(n, d) == 6 * n * d * d
    assert costs.convolution(n, d, gated=True) == 12 * n * d * d
    assert costs.convolution(n, d, separable=True) == 2 * n * d * d + 6 * n * d


@pytest.mark.parametrize("n", [1, 4])
def test_additive_attention_is_its_formula(n):
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, n, 5, generator=generator, dtype=torch.float64)
    energy = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    result, weights = additive.additive_attention(q, k, v, energy)
    for b, h, i in itertools.product(range(2), range(2), range(n)):
        scores = torch.stack([energy[h] @ (q[b, h, i] + k[b, h, j]).tanh() for j in range(n)])
        torch.testing.assert_close(weights[b, h, i], scores.softmax(0))
        torch.testing.assert_close(result[b, h, i], scores.softmax(0) @ v[b, h])


def test_a_net_with_additive_attention_decodes_with_a_cache_as_without():
    net = transformer(20, 0, d_model=16, d_ff=32, num_heads=2).eval()
    plain = [m for m in net.modules() if isinstance(m, MultiHeadAttention)]
    additive.replace_attention(net, torch.Generator().manual_seed(0))
    ours = [m for m in net.modules() if isinstance(m, additive.AdditiveAttention)]
    assert len(ours) == len(plain) == 6
    for a, b in zip(plain, ours):
        assert torch.equal(a.in_proj.weight, b.in_proj.weight)
    src, tgt = torch.randint(3, 20, (2, 3, 5), generator=torch.Generator().manual_seed(1))
    src[1, 3:] = 0
    whole, again = net(src, tgt), tgt.clone()
    again[:, 3:] = 7  # what comes later is not looked at
    torch.testing.assert_close(net(src, again)[:, :3], whole[:, :3])
    found = greedy(net, src, max_len=6)
    assert torch.equal(found, greedy(net, src, max_len=6, use_cache=False))
    maps = net.attention_maps(src, tgt)
    assert (maps.cross[0][1, ..., 3:] == 0).all()


def test_the_bytes_that_are_kept_are_counted_once_each():
    q, k = torch.randn(2, 3, 4, requires_grad=True).unbind()
    assert additive.bytes_kept(lambda: q.exp()) == q.numel() * 4
    assert additive.bytes_kept(lambda: q * q.exp()) == 4 * (2 * 12 + 12)  # q and k have one memory
    assert additive.bytes_kept(lambda: q + k) == 0


@pytest.mark.parametrize("kind", distance.PATHS)
@pytest.mark.parametrize("n", [4, 9, 16])
def test_the_end_of_each_net_sees_the_beginning(kind, n):
    net = distance.Remembering(kind, n)
    ids = torch.randint(distance.SYMBOLS, (2, n))
    other = ids.clone()
    other[:, 0] = (ids[:, 0] + 1) % distance.SYMBOLS
    assert not torch.allclose(net(ids), net(other), atol=1e-9)


@pytest.mark.parametrize(("kind", "n", "expected"), [
    ("attention", 9, 1), ("recurrent", 9, 9), ("convolutions", 9, 8), ("dilated", 9, 4),
    ("dilated", 8, 3),
])  # fmt: skip
def test_paths_from_end_to_end(kind, n, expected):
    assert distance.steps_between(kind, n) == expected


def test_operations_of_the_recurrent_net_are_those_of_its_matrices():
    v, e, h, c, n, t, b = 50, 8, 6, 10, 7, 5, 3
    with torch.device("meta"):
        net = recurrent(v, 0, embedding=e, encoder=h, decoder=c)
    src, tgt = torch.randint(3, v, (b, n)), torch.randint(3, v, (b, t + 1))
    encoder = 2 * 3 * h * (e + h) * n + 2 * h * c * n + 2 * h * c / b * b
    decoder = t * (3 * c * (e + 2 * h + c) + c * c + n * c + n * 2 * h + (c + 2 * h) * e + e * v)
    found = translators.operations_of(net, src, tgt)
    assert found == pytest.approx(3 * 2 * b * (encoder + decoder), rel=0.05)


def test_operations_of_the_transformer_are_those_of_its_formulas():
    v, d, n, t, b = 50, 16, 7, 5, 3
    with torch.device("meta"):
        net = transformer(v, 0, d_model=d, d_ff=32, num_heads=2)
    src, tgt = torch.randint(3, v, (b, n)), torch.randint(3, v, (b, t + 1))
    encoder = 2 * (8 * n * d * d + 4 * n * n * d + 4 * n * d * 32)
    decoder = 8 * t * d * d + 4 * t * t * d + 4 * t * d * d + 4 * n * d * d + 4 * t * n * d
    decoder = 2 * (decoder + 4 * t * d * 32)
    found = translators.operations_of(net, src, tgt)
    assert found == pytest.approx(3 * b * (encoder + decoder + 2 * t * d * v), rel=0.05)
