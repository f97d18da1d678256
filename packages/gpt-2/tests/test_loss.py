"""The loss in chunks is the loss written out, at sizes on both sides of a chunk."""

import pytest
import torch
import torch.nn.functional as F

from lessons.gpt_2 import next_token_loss


def case(n, v=11, m=5, dtype=torch.float64):
    g = torch.Generator().manual_seed(n)
    states, weight = (torch.randn(s, m, generator=g, dtype=dtype) for s in (n, v))
    return states, weight, torch.randint(0, v, (n,), generator=g)


def both(states, weight, labels, chunk):
    found = []
    for size in (None, chunk):
        s, w = states.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = next_token_loss(s, w, labels, size)
        found.append((loss, *torch.autograd.grad(3 * loss, (s, w))))
    return found


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 9, 40])
@pytest.mark.parametrize("chunk", [1, 11, 44, 45, 10**6])
def test_chunks_change_neither_loss_nor_gradient(n, chunk):
    states, weight, labels = case(n)
    if n > 3:
        labels[::3] = -100
    for a, b in zip(*both(states, weight, labels, chunk)):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    if n > 3:
        want = F.cross_entropy(states @ weight.T, labels)
        torch.testing.assert_close(next_token_loss(states, weight, labels, chunk), want)


def test_only_labels_that_are_not_to_be_predicted():
    states, weight, labels = case(6)
    for loss, *gradients in both(states, weight, torch.full_like(labels, -100), 22):
        assert loss == 0
        assert not any(g.any() for g in gradients)


def test_labels_are_integers():
    states, weight, labels = case(6)
    for chunk in (None, 22):
        want = next_token_loss(states, weight, labels, chunk)
        assert next_token_loss(states, weight, labels.int(), chunk) == want
        with pytest.raises(TypeError, match=r"labels must hold int64 or int32, got torch\.float32"):
            next_token_loss(states, weight, labels.float(), chunk)


def test_the_gradient_is_the_derivative():
    states, weight, labels = case(5)
    labels[2] = -100
    given = (states.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(lambda s, w: next_token_loss(s, w, labels, 22), given)
    assert torch.autograd.gradgradcheck(lambda s, w: next_token_loss(s, w, labels, 22), given)


@pytest.mark.parametrize("which", [0, 1])
def test_one_gradient_alone(which):
    states, weight, labels = case(7)
    given = [states, weight]
    given[which].requires_grad_()
    grads = [
        torch.autograd.grad(next_token_loss(*given, labels, c), given[which])[0] for c in (None, 22)
    ]
    torch.testing.assert_close(*grads)


def test_many_chunks_in_half_precision_still_add_up():
    states, weight, labels = case(6000, dtype=torch.bfloat16)
    want = [t.float() for t in both(states.float(), weight.float(), labels, None)[0]]
    got = both(states, weight, labels, 11)[1]  # 6,000 chunks
    for a, b in zip(got, want):
        torch.testing.assert_close(a.float(), b, rtol=0.02, atol=2e-4)


def test_under_autocast():
    states, weight, labels = case(50, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        whole, parts = both(states, weight, labels, 44)
    for a, b in zip(whole, parts):
        assert a.dtype is torch.float32
        torch.testing.assert_close(a, b, rtol=0.02, atol=2e-3)


def test_compiles():
    states, weight, labels = case(9)
    fast = torch.compile(next_token_loss, fullgraph=True, backend="aot_eager")
    for chunk in (None, 44):
        got = fast(states, weight, labels, chunk)
        torch.testing.assert_close(got, next_token_loss(states, weight, labels, chunk))
