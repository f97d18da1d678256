"""The enumerable world: the optimum is one, and PPO goes there."""

import copy
import itertools
import math

import pytest
import torch

from lessons.instruct_gpt import (
    GPT,
    FixedKL,
    GPTConfig,
    PPOConfig,
    PPOTrainer,
    RewardModel,
    all_responses,
    best_of_n_kl,
    best_of_n_log_probs,
    kl_divergence,
    objective,
    optimum,
    response_log_probs,
)

SMALL = GPTConfig(vocab_size=4, n_positions=4, n_embd=16, n_layer=1, n_head=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.double)


def test_all_responses_are_there_once_and_their_probabilities_add_up():
    responses = all_responses(4, 3)
    assert [tuple(row) for row in responses.tolist()] == list(itertools.product(range(4), repeat=3))
    model = GPT(SMALL, generator())
    log_p = response_log_probs(model, torch.tensor([2]), responses)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_nothing_is_above_the_optimum():
    log_rho, reward, beta = draw(20).log_softmax(-1), draw(20, seed=1), 0.4
    best = optimum(log_rho, reward, beta)
    top = objective(best, log_rho, reward, beta).item()
    # J* = β log E_ρ e^{r/β}.
    assert top == pytest.approx(beta * math.log((log_rho.exp() * (reward / beta).exp()).sum()))
    for seed in range(50):
        other = (best + 0.1 * draw(20, seed=seed + 2)).log_softmax(-1)
        # What it lacks is β times its distance from the optimum.
        lacks = beta * kl_divergence(other, best).item()
        assert objective(other, log_rho, reward, beta).item() == pytest.approx(top - lacks)
        assert lacks > 0


def test_gradient_ascent_finds_the_optimum():
    log_rho, reward = draw(8).log_softmax(-1), draw(8, seed=1)
    logits = torch.zeros(8, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = -objective(logits.log_softmax(-1), log_rho, reward, 0.5)
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(
        logits.detach().log_softmax(-1), optimum(log_rho, reward, 0.5), atol=2e-3, rtol=0
    )


def test_the_best_of_n_is_that_of_all_pairs():
    log_rho = draw(5).log_softmax(-1)
    reward = torch.tensor([0.0, 2.0, 1.0, 2.0, -1.0], dtype=torch.double)  # two are tied
    p, want = log_rho.exp(), torch.zeros(5, dtype=torch.double)
    for a, b in itertools.product(range(5), repeat=2):
        share = 0.5 if reward[a] == reward[b] else float(reward[a] > reward[b])
        want[a] += p[a] * p[b] * share
        want[b] += p[a] * p[b] * (1 - share)
    got = best_of_n_log_probs(log_rho, reward, 2)
    torch.testing.assert_close(got.exp(), want)
    for n in (1, 2, 8, 64):
        moved = kl_divergence(best_of_n_log_probs(log_rho, reward, n), log_rho).item()
        assert moved <= best_of_n_kl(n) + 1e-9
    many = draw(5000, seed=3).log_softmax(-1) * 0 - math.log(5000)
    moved = kl_divergence(best_of_n_log_probs(many, draw(5000, seed=4), 4), many).item()
    assert moved == pytest.approx(best_of_n_kl(4), abs=1e-3), "without ties the bound is reached"


def world():
    policy = GPT(SMALL, generator()).eval()
    responses = all_responses(4, 3)
    reward = (responses == 1).sum(-1) - 0.5 * (responses == 0).sum(-1)
    reward = (reward - reward.float().mean()) / reward.float().std()
    return policy, responses, reward


def trainer(policy, reference, score, beta, flip=1.0, **changes):
    config = PPOConfig(policy_lr=3e-3, value_lr=3e-3, minibatch=64, epochs=4, warmup=0, ema=0.9,
                       **changes)  # fmt: skip
    value = RewardModel(copy.deepcopy(reference), generator(1))
    made = PPOTrainer(policy, reference, value, score, FixedKL(beta), config,
                      generator=generator(2))  # fmt: skip
    if flip < 0:
        whole = made.episodes

        def flipped(*args):
            batch, stats = whole(*args)
            return batch | {"advantages": -batch["advantages"]}, stats

        made.episodes = flipped
    return made


def score_of(reward):
    place = 4 ** torch.arange(2, -1, -1)
    return lambda prompts, drawn: reward[(drawn.ids * place).sum(-1)]


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_reward_goes_up_and_kl_goes_down_and_a_flipped_sign_is_seen(flip):
    """Ziegler §4.4: a bug that flips both signs gives fluent text of the lowest reward.

    Each of the two is watched alone, in exact expectations; flipped, both go the other way.
    """
    reference, responses, reward = world()
    prompt = torch.tensor([2])
    log_rho = response_log_probs(reference, prompt, responses)

    policy = copy.deepcopy(reference)
    made = trainer(policy, reference, score_of(reward), 0.0, flip)
    for _ in range(4):
        made.step(prompt.expand(64, 1), 3)
    before = (log_rho.exp() * reward).sum().item()
    after = (response_log_probs(policy, prompt, responses).exp() * reward).sum().item()
    assert flip * (after - before) > 0.1, "the reward is followed"

    far = copy.deepcopy(reference)
    with torch.no_grad():
        far.wte.weight.mul_(30)
    before = kl_divergence(response_log_probs(far, prompt, responses), log_rho).item()
    made = trainer(far, reference, lambda p, drawn: torch.zeros(len(p)), 1.0, flip)
    for _ in range(4):
        made.step(prompt.expand(64, 1), 3)
    after = kl_divergence(response_log_probs(far, prompt, responses), log_rho).item()
    assert flip * (before - after) > 0.02, "the way back to the reference is followed"


@pytest.mark.parametrize("changes", [{}, {"penalty": 1.0}], ids=["clipped", "penalized"])
def test_ppo_comes_near_the_analytic_optimum(changes):
    reference, responses, reward = world()
    prompt, beta = torch.tensor([2]), 0.5
    log_rho = response_log_probs(reference, prompt, responses)
    policy = copy.deepcopy(reference)
    made = trainer(policy, reference, score_of(reward), beta, **changes)
    for _ in range(30):
        stats = made.step(prompt.expand(64, 1), 3)
    log_pi = response_log_probs(policy, prompt, responses)
    low, here, top = (objective(x, log_rho, reward, beta).item()
                      for x in (log_rho, log_pi, optimum(log_rho, reward, beta)))  # fmt: skip
    assert low < here < top + 1e-6
    assert (here - low) / (top - low) > 0.9
    # What a batch estimates is what the sums give, up to its chance.
    assert stats["kl"] == pytest.approx(kl_divergence(log_pi, log_rho).item(), abs=0.5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: optimum(draw(3), draw(3), 0.0), "beta must be positive .* got 0"),
    (lambda: optimum(draw(3), draw(4), 1.0), r"rewards must have the shape .* got \(4,\)"),
    (lambda: optimum(draw(3), draw(3) / 0, 1.0), "rewards must be finite"),
    (lambda: all_responses(50, 9), r"50\*\*9 = 1953125000000000 responses are too many"),
    (lambda: all_responses(0, 2), "at least 1, got 0, 2"),
    (lambda: best_of_n_log_probs(draw(3), draw(3), 0), "n must be at least 1, got 0"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
