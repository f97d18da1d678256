"""The surrogates, and the price of leaving the reference."""

import math

import pytest
import torch

from lessons.instruct_gpt import (
    AdaptiveKL,
    FixedKL,
    HalvingKL,
    best_of_n_kl,
    clipped_policy_loss,
    dpo_loss,
    entropy,
    kl_divergence,
    kl_estimates,
    penalized_policy_loss,
    per_token_rewards,
    policy_gradient_loss,
    value_loss,
)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def term(ratio, advantage, **how):
    """Return one term of L^CLIP and its slope in the ratio."""
    r = torch.tensor([[ratio]], dtype=torch.double, requires_grad=True)
    # log 1 = 0 is the old log-probability, minus 3 on both sides.
    old = torch.full((1, 1), -3.0, dtype=torch.double)
    value = -clipped_policy_loss(r.log() + old, old, torch.tensor([[advantage]]).double(), **how)
    value.backward()
    return value.item(), r.grad.item()


@pytest.mark.parametrize(("ratio", "advantage", "value", "slope"), [
    (1.5, 1.0, 1.2, 0), (1.5, -1.0, -1.5, -1),  # the worked example
    (0.5, 1.0, 0.5, 1), (0.5, -1.0, -0.8, 0),
    (1.1, 1.0, 1.1, 1), (0.9, -1.0, -0.9, -1), (1.0, 2.0, 2.0, 2),
])  # fmt: skip
def test_clipping_takes_gains_away_and_never_losses(ratio, advantage, value, slope):
    assert term(ratio, advantage) == pytest.approx((value, slope))


def test_it_is_a_lower_bound_of_what_is_not_clipped():
    new, old, advantages = draw(50, 4) - 3, draw(50, 4, seed=1) - 3, draw(50, 4, seed=2)
    for i in range(50):
        part = [t[i : i + 1] for t in (new, old, advantages)]
        assert -clipped_policy_loss(*part) <= -clipped_policy_loss(*part, eps=math.inf) + 1e-12


def test_at_the_old_policy_all_surrogates_have_the_gradient_of_reinforce():
    logits, advantages = draw(6, 5, 7), draw(6, 5, seed=1)
    actions = torch.randint(0, 7, (6, 5), generator=torch.Generator().manual_seed(2))
    mask = torch.arange(5)[None] < torch.tensor([5, 3, 5, 1, 2, 4])[:, None]
    old_logits, grads = logits.clone(), []

    def log_probs(x):
        return x.log_softmax(-1).gather(-1, actions[..., None])[..., 0]

    for loss in (
        lambda x: policy_gradient_loss(log_probs(x), advantages, mask),
        lambda x: clipped_policy_loss(log_probs(x), log_probs(old_logits), advantages, mask),
        lambda x: penalized_policy_loss(log_probs(x), log_probs(old_logits), advantages,
                                        kl_divergence(old_logits, x), 3.0, mask),
    ):  # fmt: skip
        x = logits.clone().requires_grad_()
        loss(x).backward()
        grads.append(x.grad)
    torch.testing.assert_close(grads[1], grads[0])
    torch.testing.assert_close(grads[2], grads[0])


def test_reinforce_is_the_gradient_of_the_expected_reward():
    """Over all actions, each weighted by its probability: no sampling, hence no noise."""
    logits, reward = draw(1, 7).requires_grad_(), draw(7, seed=1)
    (expected,) = torch.autograd.grad((logits.softmax(-1)[0] * reward).sum(), logits)
    p = logits.softmax(-1)[0].detach()
    baseline, log_p = (p * reward).sum(), logits.log_softmax(-1)
    total = sum(
        p[a] * policy_gradient_loss(log_p[:, a : a + 1], (reward[a] - baseline).view(1, 1))
        for a in range(7)
    )
    (estimated,) = torch.autograd.grad(-total, logits)
    torch.testing.assert_close(estimated, expected)


@pytest.mark.parametrize("loss", [
    lambda x: clipped_policy_loss(x, draw(3, 4) - 3, draw(3, 4, seed=1)),
    lambda x: penalized_policy_loss(x, draw(3, 4) - 3, draw(3, 4, seed=1), (x + 3).square(), 0.7),
    lambda x: value_loss(x, draw(3, 4)),
    lambda x: value_loss(x, draw(3, 4), None, draw(3, 4, seed=1), 0.3),
    lambda x: entropy(x).sum(),
    lambda x: kl_divergence(x, draw(3, 4)).sum(),
    lambda x: kl_divergence(draw(3, 4), x).sum(),
])  # fmt: skip
def test_gradients_are_those_of_finite_differences(loss):
    assert torch.autograd.gradcheck(loss, (draw(3, 4, seed=5) * 0.2 - 3).requires_grad_())


def test_clipped_values_count_the_larger_error():
    values, returns, old = (torch.tensor([[v]]) for v in (1.0, 2.0, 0.0))
    # Clipped to 0.2: its error (1.8²) is larger than that of 1.0 (1²).
    assert value_loss(values, returns, None, old, 0.2).item() == pytest.approx(1.8**2)
    assert value_loss(values, returns).item() == 1.0
    # Beyond the target on the other side the value itself counts.
    assert value_loss(torch.tensor([[5.0]]), returns, None, old, 0.2).item() == 9.0


def test_estimates_of_the_kl_have_their_means():
    """Expectations over all outcomes of the policy that draws them."""
    log_pi, log_rho = draw(9).log_softmax(-1), draw(9, seed=1).log_softmax(-1)
    exact = kl_divergence(log_pi, log_rho)
    estimates = kl_estimates(log_pi, log_rho)
    means = {name: (log_pi.exp() * k).sum() for name, k in estimates.items()}
    torch.testing.assert_close(means["k1"], exact)
    torch.testing.assert_close(means["k3"], exact)
    assert abs(means["k2"] - exact) > 1e-3, "k2 has a bias"
    assert estimates["k1"].min() < 0 <= min(estimates["k2"].min(), estimates["k3"].min())


def test_per_token_rewards_add_up_to_the_papers_reward():
    log_pi, log_rho = -draw(3, 5).abs(), -draw(3, 5, seed=1).abs()
    mask, score = torch.arange(5)[None] < torch.tensor([5, 2, 4])[:, None], draw(3, seed=2)
    rewards = per_token_rewards(score, log_pi, log_rho, mask, 0.3)
    log_ratio = ((log_pi - log_rho) * mask).sum(-1)
    torch.testing.assert_close(rewards.sum(-1), score - 0.3 * log_ratio)  # Ziegler's eq. 2
    assert (rewards[~mask] == 0).all()
    free = per_token_rewards(score, log_pi, log_rho, mask, 0.0)
    assert free[1].tolist() == [0, score[1].item(), 0, 0, 0], "the score stands at the last token"


def test_zieglers_controller_moves_at_most_two_percent():
    controller = AdaptiveKL(0.1, target=6.0)
    controller.update(60.0)
    assert controller.beta == pytest.approx(0.1 * 1.02)
    controller.update(0.0)
    assert controller.beta == pytest.approx(0.1 * 1.02 * 0.98)
    controller = AdaptiveKL(0.1, target=6.0)
    controller.update(6.6)
    assert controller.beta == pytest.approx(0.1 * 1.01)


def test_ppos_controller_halves_and_doubles():
    controller = HalvingKL(1.0, 0.01)
    for kl, beta in ((0.0151, 2.0), (0.0149, 2.0), (0.0066, 1.0), (0.0068, 1.0)):
        controller.update(kl)
        assert controller.beta == beta
    fixed = FixedKL(0.02)
    fixed.update(1e9)
    assert fixed.beta == 0.02


def test_dpo_prefers_what_is_preferred():
    chosen = torch.tensor([-5.0], requires_grad=True)
    rejected = torch.tensor([-5.0], requires_grad=True)
    loss = dpo_loss(chosen, rejected, torch.tensor([-5.0]), torch.tensor([-5.0]), beta=0.2)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert chosen.grad.item() == pytest.approx(-0.1)
    assert rejected.grad.item() == pytest.approx(0.1)


def test_the_best_of_n():
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(16) == pytest.approx(math.log(16) - 15 / 16)


def test_losses_are_captured_whole():
    new, old, advantages = draw(3, 5) - 3, draw(3, 5, seed=1) - 3, draw(3, 5, seed=2)
    mask = torch.arange(5)[None] < torch.tensor([5, 2, 4])[:, None]

    def whole(x):
        return clipped_policy_loss(x, old, advantages, mask) + value_loss(x, advantages, mask)

    captured = torch.compile(whole, fullgraph=True, backend="eager")
    torch.testing.assert_close(captured(new), whole(new))


L, A = torch.full((2, 3), -1.0), torch.zeros(2, 3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: clipped_policy_loss(L, L, A, eps=0), r"eps must be in \(0, inf\], got 0"),
    (lambda: clipped_policy_loss(L, L, A[:1]), r"advantages must have the shape of log_probs"),
    (lambda: clipped_policy_loss(L, L[:, :2], A), r"\(2, 3\), got \(2, 2\)"),
    (lambda: clipped_policy_loss(L, L, A, A), "no position"),
    (lambda: penalized_policy_loss(L, L, A, A, -1.0), "beta must not be negative, got -1"),
    (lambda: penalized_policy_loss(L, L, A, A[:1], 1.0), "kl must have the shape of log_probs"),
    (lambda: value_loss(A, A, eps=0.2), "old_values, which are missing"),
    (lambda: value_loss(A, A, None, A, -0.2), r"eps must be in \(0, inf\], got -0.2"),
    (lambda: per_token_rewards(A[:, 0], L, L, A + 1, -0.1), "beta must not be negative, got -0.1"),
    (lambda: per_token_rewards(A[:, 0], -L, L, A + 1, 0.1), "log_probs must be .* got 1"),
    (lambda: per_token_rewards(A[:, 0], L, -L, A + 1, 0.1), "ref_log_probs must be .* got 1"),
    (lambda: per_token_rewards(A[:, 0], L, L, A, 0.1), "no position in row 0"),
    (lambda: per_token_rewards(A, L, L, A + 1, 0.1), r"shape \(2,\), got \(2, 3\)"),
    (lambda: AdaptiveKL(0.1, 0.0), "target must be positive, got 0"),
    (lambda: HalvingKL(0.0), "beta must be positive, got 0"),
    (lambda: FixedKL(-1.0), "beta must not be negative, got -1"),
    (lambda: dpo_loss(-L[0], L[0], L[0], L[0]), "chosen must be log-probabilities"),
    (lambda: dpo_loss(L, L, L, L), r"chosen must have shape \(B,\), .* got \(2, 3\)"),
    (lambda: dpo_loss(*[L[0, :0]] * 4), r"chosen must have shape \(B,\), .* got \(0,\)"),
    (lambda: kl_estimates(-L, L), "^log_probs must be log-probabilities, at most 0, got 1"),
    (lambda: kl_estimates(L, -L), "ref_log_probs must be log-probabilities, at most 0, got 1"),
    (lambda: dpo_loss(L[0], L[0], L[0], L[0], beta=0), "beta must be positive, got 0"),
    (lambda: best_of_n_kl(0), r"n must be in \[1, inf\], got 0"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
