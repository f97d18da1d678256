"""Steps 1 and 2: what is learned from demonstrations and from comparisons."""

import math

import pytest
import torch

from lessons.instruct_gpt import (
    GPT,
    GPTConfig,
    RewardModel,
    choice_loss,
    draw_ranks,
    preference_loss,
    ranking_loss,
    sft_loss,
)

SMALL = GPTConfig(vocab_size=11, n_positions=12, n_embd=8, n_layer=1, n_head=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def reward_model():
    return RewardModel(GPT(SMALL, generator()), generator(1)).double()


def test_the_worked_example_of_three_rewards():
    rewards = torch.tensor([[1.0, 0.2, -0.5]])
    pairs = [math.log1p(math.exp(-d)) for d in (0.8, 1.5, 0.7)]
    loss = ranking_loss(rewards, torch.tensor([[0, 1, 2]]))
    assert loss.item() == pytest.approx(sum(pairs) / 3)
    assert [round(p, 3) for p in pairs] == [0.371, 0.201, 0.403]
    assert round(loss.item(), 3) == 0.325


def test_ranking_is_the_mean_over_pairs_and_then_over_prompts():
    rewards = torch.randn(3, 5, generator=generator(), dtype=torch.double)
    ranks = torch.stack([torch.randperm(5, generator=generator(i)) for i in range(3)])
    means = []
    for r, place in zip(rewards, ranks):
        losses = [preference_loss(r[w : w + 1], r[l : l + 1]) for w in range(5) for l in range(5)
                  if place[w] < place[l]]  # fmt: skip
        assert len(losses) == math.comb(5, 2)
        means.append(torch.stack(losses).mean())
    torch.testing.assert_close(ranking_loss(rewards, ranks), torch.stack(means).mean())


def test_ties_are_dropped_and_absent_responses_do_not_count():
    rewards = torch.tensor([[1.0, 0.0, 3.0, 9.0]])
    ranks, there = torch.tensor([[0, 1, 1, 0]]), torch.tensor([[True, True, True, False]])
    want = (preference_loss(rewards[:, 0], rewards[:, 1])
            + preference_loss(rewards[:, 0], rewards[:, 2])) / 2  # fmt: skip
    torch.testing.assert_close(ranking_loss(rewards, ranks, there), want)


def test_two_responses_are_a_pair_and_a_choice_of_two():
    rewards = torch.randn(6, 2, generator=generator(), dtype=torch.double)
    ranks = torch.tensor([[0, 1], [1, 0]] * 3)
    pair = preference_loss(rewards.gather(1, ranks.argmin(1, True))[:, 0],
                           rewards.gather(1, ranks.argmax(1, True))[:, 0])  # fmt: skip
    torch.testing.assert_close(ranking_loss(rewards, ranks), pair)
    torch.testing.assert_close(choice_loss(rewards, ranks.argmin(1)), pair)


def test_what_is_preferred_is_pushed_up():
    rewards = torch.zeros(1, 3, requires_grad=True)
    ranking_loss(rewards, torch.tensor([[2, 0, 1]])).backward()
    best, middle, worst = rewards.grad[0, [1, 2, 0]]
    assert best < middle < worst, "a step against the gradient raises the best"
    choice = torch.zeros(1, 4, requires_grad=True)
    choice_loss(choice, torch.tensor([2])).backward()
    torch.testing.assert_close(choice.grad[0], torch.tensor([0.25, 0.25, -0.75, 0.25]))


def test_a_shift_of_all_rewards_changes_no_loss():
    rewards = torch.randn(2, 4, generator=generator(), dtype=torch.double)
    ranks, choice = torch.tensor([[0, 1, 2, 3], [3, 1, 0, 2]]), torch.tensor([1, 3])
    torch.testing.assert_close(ranking_loss(rewards + 7, ranks), ranking_loss(rewards, ranks))
    torch.testing.assert_close(choice_loss(rewards + 7, choice), choice_loss(rewards, choice))


def test_extreme_rewards_have_a_finite_loss():
    far = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    loss = ranking_loss(far, torch.tensor([[0, 1]]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert far.grad.isfinite().all()


@pytest.mark.parametrize("loss", [
    lambda r: ranking_loss(r, torch.tensor([[0, 1, 2], [0, 0, 1]])),
    lambda r: choice_loss(r, torch.tensor([2, 0])),
    lambda r: preference_loss(r[:, 0], r[:, 1], margin=0.3),
])  # fmt: skip
def test_gradients_are_those_of_finite_differences(loss):
    rewards = torch.randn(2, 3, dtype=torch.double, generator=generator()).requires_grad_()
    assert torch.autograd.gradcheck(loss, rewards)


def test_labellers_choose_as_bradley_and_terry_say():
    utilities = torch.tensor([[1.0, 0.2, -0.5]]).expand(40_000, -1)
    ranks = draw_ranks(utilities, generator=generator())
    for i, j in ((0, 1), (0, 2), (1, 2)):
        p = torch.sigmoid(utilities[0, i] - utilities[0, j]).item()
        share = (ranks[:, i] < ranks[:, j]).double().mean().item()
        assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / 40_000)
    first = torch.bincount(ranks.argmin(-1), minlength=3) / 40_000
    assert (first - utilities[0].softmax(-1)).abs().max() < 0.0125
    assert torch.equal(draw_ranks(utilities[:1], 0.0), torch.tensor([[0, 1, 2]]))


def test_the_maximum_of_the_likelihood_is_scipys():
    from scipy.optimize import minimize

    wins = torch.tensor([[0, 9, 14], [6, 0, 11], [2, 5, 0]], dtype=torch.double)
    r = torch.zeros(3, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([r], max_iter=100, tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = sum(wins[i, j] * preference_loss(r[i : i + 1], r[j : j + 1])
                   for i in range(3) for j in range(3) if i != j)  # fmt: skip
        loss.backward()
        return loss

    optimizer.step(closure)

    def negative(free):
        u = [0.0, *free]
        return sum(wins[i, j].item() * math.log1p(math.exp(u[j] - u[i]))
                   for i in range(3) for j in range(3) if i != j)  # fmt: skip

    theirs = minimize(negative, [0.0, 0.0], tol=1e-12).x
    torch.testing.assert_close((r - r[0])[1:].detach(), torch.tensor(theirs), atol=1e-5, rtol=0)


def test_the_reward_is_read_at_the_last_real_token_whatever_the_padding():
    model, x = reward_model(), torch.randint(0, 11, (1, 5), generator=generator(2))
    want, rest = model(x), torch.randint(0, 11, (1, 3), generator=generator(3))
    behind = torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0]])
    torch.testing.assert_close(model(torch.cat([x, rest], 1), behind), want)
    torch.testing.assert_close(model(torch.cat([rest, x], 1), behind.flip(1)), want)
    torch.testing.assert_close(model.values(x)[:, -1], want)


def test_normalizing_is_ouyangs_shift_or_zieglers_standardization():
    model, x = reward_model(), torch.randint(0, 11, (30, 5), generator=generator(2))
    raw = model(x)
    model.normalize(raw)
    assert abs(model(x).mean().item()) < 1e-12
    torch.testing.assert_close(model(x) - model(x)[0], raw - raw[0])
    model.normalize(model(x), variance=True)
    assert abs(model(x).mean().item()) < 1e-12
    assert model(x).std(correction=0).item() == pytest.approx(1)
    model.normalize(model(x) + 1.0)  # of rewards that it gave: applied to what it is now
    assert model(x).mean().item() == pytest.approx(-1)


def test_the_prompt_is_read_and_not_learned():
    logits = torch.randn(2, 6, 11, generator=generator(), dtype=torch.double, requires_grad=True)
    ids = torch.randint(0, 11, (2, 6), generator=generator(1))
    prompt = torch.arange(6)[None] < torch.tensor([3, 1])[:, None]
    loss = sft_loss(logits, ids, prompt)
    picked = [-logits[b, t - 1].log_softmax(-1)[ids[b, t]] for b, start in ((0, 3), (1, 1))
              for t in range(start, 6)]  # fmt: skip
    assert loss.item() == pytest.approx(torch.stack(picked).mean().item(), abs=1e-6)
    loss.backward()
    assert (logits.grad[0, :2] == 0).all()
    assert (logits.grad[0, 2:5] != 0).all()
    assert (logits.grad[:, 5] == 0).all(), "after the last token there is nothing to predict"


def test_padding_is_not_learned_on_either_side():
    logits = torch.randn(1, 6, 11, generator=generator())
    ids = torch.randint(0, 11, (1, 6), generator=generator(1))
    left = torch.tensor([[0, 0, 1, 1, 1, 1]])
    torch.testing.assert_close(
        sft_loss(logits, ids, None, left), sft_loss(logits[:, 2:], ids[:, 2:])
    )
    torch.testing.assert_close(
        sft_loss(logits, ids, None, left.flip(1)), sft_loss(logits[:, :4], ids[:, :4])
    )


R = torch.zeros(2, 3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: ranking_loss(R[:, :1], torch.zeros(2, 1, dtype=torch.long)), "K at least 2"),
    (lambda: ranking_loss(R, torch.tensor([[0, 1, 2], [0, 1, 3]])), r"got \[0, 1, 3\] in row 1"),
    (lambda: ranking_loss(R, torch.tensor([[0, 1, 2], [0, 0, 0]])), "no position in row 1"),
    (lambda: ranking_loss(R, torch.tensor([[0.0, 1, 2], [0, 1, 2]])), "got torch.float32"),
    (lambda: ranking_loss(R / 0, torch.tensor([[0, 1, 2], [0, 1, 2]])), "finite, got .* in row 0"),
    (lambda: ranking_loss(R, torch.tensor([[0, 1]])), r"shape of rewards, \(2, 3\), got \(1, 2\)"),
    (lambda: choice_loss(R, torch.tensor([0, 3])), "0 to 2, got 3 in row 1"),
    (lambda: choice_loss(R, torch.tensor([0])), r"shape \(2,\), got \(1,\)"),
    (lambda: preference_loss(R[:, 0], R[:1, 0]), r"shape of chosen, \(2,\), got \(1,\)"),
    (lambda: preference_loss(R[:, 0], R[:, 0] / 0), "rejected must be finite"),
    (lambda: ranking_loss(R[:0], torch.zeros(0, 3, dtype=torch.long)), r"B at least 1.* \(0, 3\)"),
    (lambda: choice_loss(R[:0], torch.zeros(0)), r"B at least 1.* got \(0, 3\)"),
    (lambda: preference_loss(R[:0, 0], R[:0, 0]), r"at least one reward, got shape \(0,\)"),
    (lambda: draw_ranks(R, -1.0), "temperature must not be negative, got -1"),
    (lambda: reward_model().normalize(torch.ones(1)), "at least two rewards are needed, got 1"),
    (lambda: reward_model().normalize(torch.ones(4), variance=True), "all rewards are 1: no"),
    (lambda: reward_model()(R.long(), torch.tensor([[1, 1, 1], [0, 0, 0]])), "position in row 1"),
    (lambda: sft_loss(torch.zeros(2, 4, 5), R.long()), "logits must have"),
    (lambda: sft_loss(torch.zeros(2, 3, 5), R.long(), R + 1), "to learn has no position in row 0"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
