"""Advantages: identities of the two ends of λ, masks, and a loop that reads as the sum."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.instruct_gpt import gae, masked_mean, masked_whiten


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def by_the_sum(rewards, values, gamma, lam, done, last):
    """Eq. 11 as it should be printed: the weight of δ_{T−1} is (γλ)^{T−1−t}."""
    (b, t), out = rewards.shape, np.zeros(rewards.shape)
    after = np.concatenate([values[:, 1:], last[:, None]], 1)
    for i in range(b):
        for start in range(t):
            weight = 1.0
            for step in range(start, t):
                going = 0.0 if done[i, step] else 1.0
                delta = rewards[i, step] + gamma * going * after[i, step] - values[i, step]
                out[i, start] += weight * delta
                weight *= gamma * lam * going
    return out


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000))
def test_it_is_the_weighted_sum_of_surprises(t, gamma, lam, seed):
    rewards, values, last = draw(3, t, seed=seed), draw(3, t, seed=seed + 1), draw(3, seed=seed + 2)
    done = draw(3, t, seed=seed + 3) > 0.8
    got, targets = gae(rewards, values, gamma=gamma, lam=lam, done_BT=done, last_value_B=last)
    want = by_the_sum(rewards.numpy(), values.numpy(), gamma, lam, done.numpy(), last.numpy())
    np.testing.assert_allclose(got, want, atol=1e-12)
    torch.testing.assert_close(targets, got + values)


def test_at_lambda_one_it_is_the_return_minus_the_value():
    rewards, values, gamma = draw(2, 7), draw(2, 7, seed=1), 0.9
    returns = torch.stack([sum(gamma ** (k - t) * rewards[:, k] for k in range(t, 7))
                           for t in range(7)], 1)  # fmt: skip
    advantages, targets = gae(rewards, values, gamma=gamma, lam=1.0)
    torch.testing.assert_close(advantages, returns - values)
    torch.testing.assert_close(targets, returns)


def test_at_lambda_zero_it_is_one_steps_surprise():
    rewards, values = draw(2, 7), draw(2, 7, seed=1)
    after = torch.cat([values[:, 1:], torch.zeros(2, 1, dtype=torch.double)], 1)
    surprise = rewards + 0.9 * after - values
    torch.testing.assert_close(gae(rewards, values, gamma=0.9, lam=0)[0], surprise)


def test_what_stands_behind_the_end_changes_nothing():
    rewards, values = draw(2, 7), draw(2, 7, seed=1)
    mask = torch.arange(7)[None] < torch.tensor([4, 7])[:, None]
    short, short_targets = gae(rewards[:1, :4], values[:1, :4])
    rewards[0, 4:], values[0, 4:] = torch.nan, torch.nan
    advantages, targets = gae(rewards, values, mask)
    torch.testing.assert_close(advantages[:1, :4], short)
    torch.testing.assert_close(targets[:1, :4], short_targets)
    assert (advantages[0, 4:] == 0).all()
    assert (targets[0, 4:] == 0).all()


def test_no_gradient_goes_through():
    values = draw(1, 3).requires_grad_()
    assert not any(t.requires_grad for t in gae(draw(1, 3), values))


def test_the_worked_example():
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.2, 0.5, 0.6]])
    advantages, targets = gae(rewards, values, lam=0.95)
    torch.testing.assert_close(advantages, torch.tensor([[0.756, 0.48, 0.4]]))
    torch.testing.assert_close(targets, torch.tensor([[0.956, 0.98, 1.0]]))


def test_whitening_counts_real_positions_only():
    x, mask = draw(3, 5), torch.arange(5)[None] < torch.tensor([5, 2, 3])[:, None]
    x = x.masked_fill(~mask, 1e6)
    white = masked_whiten(x, mask)
    assert abs(white[mask].mean().item()) < 1e-12
    assert white[mask].std(correction=0).item() == pytest.approx(1)
    assert (white[~mask] == 0).all()
    kept = masked_whiten(x, mask, shift_mean=False)
    assert kept[mask].mean().item() == pytest.approx(x[mask].mean().item())
    assert masked_mean(x, mask).item() == pytest.approx(x[mask].mean().item())


X = torch.zeros(2, 3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: gae(X, X[:1]), r"values must have the shape of rewards, \(2, 3\), got \(1, 3\)"),
    (lambda: gae(X, X, gamma=1.1), r"gamma must be in \[0, 1\], got 1.1"),
    (lambda: gae(X, X, lam=-0.1), r"lam must be in \[0, 1\], got -0.1"),
    (lambda: gae(X, X, torch.tensor([[1, 1, 1], [0, 0, 0]])), "no position in row 1"),
    (lambda: gae(X, X, torch.tensor([[1, 0, 1], [1, 1, 1]])), "row 0 is not"),
    (lambda: gae(X[0], X[0]), r"shape \(B, T\), got \(3,\)"),
    (lambda: masked_mean(X, X), "no position"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
