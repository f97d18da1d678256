"""Step 3: what a batch of episodes is made of, and what an update does."""

import copy
import dataclasses
import math

import pytest
import torch

from lessons.instruct_gpt import (
    GPT,
    AdaptiveKL,
    FixedKL,
    GPTConfig,
    PPOConfig,
    PPOTrainer,
    Responses,
    RewardModel,
    best_of_n,
    penalize_missing,
    sample,
    sft_loss,
    token_log_probs,
)

SMALL = GPTConfig(vocab_size=13, n_positions=12, n_embd=16, n_layer=1, n_head=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def parts(**changes):
    policy = GPT(SMALL, generator())
    value = RewardModel(copy.deepcopy(policy), generator(1))
    settings = {"policy_lr": 1e-3, "value_lr": 1e-3, "minibatch": 8, "warmup": 0} | changes
    return policy, value, PPOConfig(**settings)


def trainer(kl=None, pretrain=None, score=None, shared=False, **changes):
    policy, value, config = parts(**changes)
    reference = copy.deepcopy(policy)
    value = RewardModel(policy, generator(1)) if shared else value
    score = score or (lambda p, drawn: (drawn.ids == 3).float().sum(-1))
    kl = kl or FixedKL(0.05)
    return PPOTrainer(policy, reference, value, score, kl, config, pretrain, generator(2))


def prompt(n=16):
    return torch.randint(0, 13, (n, 4), generator=generator(3))


def test_padding_of_prompts_changes_nothing():
    x = prompt(8)
    padded = torch.cat([torch.full((8, 2), 5), x], 1)
    mask = torch.arange(6)[None].expand(8, 6) >= 2
    batches = [trainer().episodes(x, 5)[0], trainer().episodes(padded, 5, mask)[0]]
    for name in ("ids", "old", "values", "advantages", "returns"):
        torch.testing.assert_close(batches[0][name], batches[1][name], msg=name)


def test_before_the_first_update_every_ratio_is_one():
    made = trainer()
    made.policy.train()
    batch, stats = made.episodes(prompt(), 5)
    new = token_log_probs(made.policy, prompt(), batch["ids"])
    torch.testing.assert_close(new, batch["old"], atol=1e-6, rtol=1e-5)
    assert stats["kl"] == pytest.approx(0, abs=1e-4), "the policy begins as the reference"
    assert stats["reward"] == pytest.approx(stats["score"], abs=1e-4)


def test_the_value_is_read_before_each_token():
    made = trainer()
    batch, _ = made.episodes(prompt(), 5)
    for n in range(5):
        seen = torch.cat([prompt(), batch["ids"][:, :n]], 1)
        torch.testing.assert_close(batch["values"][:, n], made.value(seen))


def test_a_step_is_taken_without_dropout_and_leaves_the_modes_as_they_were():
    config = dataclasses.replace(SMALL, resid_pdrop=0.5)
    made, kept = trainer(), []
    policy = GPT(config, generator()).train()
    value = RewardModel(copy.deepcopy(policy), generator(1)).train()
    made = PPOTrainer(policy, policy, value, made.score, made.kl, made.config,
                      generator=generator(2))  # fmt: skip
    made.learn = lambda batch: kept.append(batch) or {}
    made.step(prompt(8), 5)
    assert policy.training
    assert value.training
    value.eval()
    for n in range(5):
        seen = torch.cat([prompt(8), kept[0]["ids"][:, :n]], 1)
        torch.testing.assert_close(kept[0]["values"][:, n], value(seen))


def test_an_error_within_a_step_leaves_the_modes_as_they_were():
    def score(prompts, drawn):
        raise RuntimeError("no score today")

    made = trainer(score=score)
    made.policy.train()
    made.value.train()
    with pytest.raises(RuntimeError, match="no score today"):
        made.step(prompt(8), 5)
    assert made.policy.training
    assert made.value.training


def test_learning_does_not_depend_on_what_stands_behind_the_end():
    """The tokens behind a stop token are set to others: the same weights come out."""
    finals = []
    for filler in (0, 7):
        made = trainer()
        batch, _ = made.episodes(prompt(), 6, None, 3)
        assert not batch["mask"].all()
        batch["ids"] = batch["ids"].masked_fill(~batch["mask"], filler)
        made.learn(batch)
        finals.append(made.policy.wte.weight.detach())
    torch.testing.assert_close(*finals)


def test_an_update_raises_what_is_rewarded():
    made = trainer(kl=FixedKL(0.0), epochs=2, policy_lr=3e-3)
    scores = [made.step(prompt(64), 5)["score"] for _ in range(12)]
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.3


def test_the_adaptive_price_follows_the_measured_kl():
    made = trainer(kl=AdaptiveKL(0.05, target=1.0))
    stats = made.step(prompt(), 5)
    error = min(max((stats["kl"] - 1) / 1, -0.2), 0.2)
    assert made.kl.beta == pytest.approx(0.05 * (1 + 0.1 * error))


def test_pretraining_gradients_are_added_times_gamma():
    text = torch.randint(0, 13, (128, 9), generator=generator(4))
    asked = []

    def pretrain(n):
        asked.append(n)
        return text[:n]

    grads = []
    for ptx in (0.0, 2.0):
        made = trainer(pretrain=pretrain, ptx=ptx, max_norm=None, minibatch=16)
        seen = made.optimizer.step
        made.optimizer.step = lambda *a, _made=made, _seen=seen: (
            grads.append(_made.policy.wte.weight.grad.clone()), _seen(*a)
        )  # fmt: skip
        made.step(prompt(), 5)
    policy, _, _ = parts()
    assert asked == [16 * 8], "eight examples for each episode"
    (alone,) = torch.autograd.grad(sft_loss(policy(text), text), policy.wte.weight)
    torch.testing.assert_close(grads[1] - grads[0], 2.0 * alone, atol=1e-5, rtol=1e-4)


def test_a_shared_trunk_is_one_set_of_weights():
    made = trainer(shared=True)
    listed = [p for group in made.optimizer.param_groups for p in group["params"]]
    assert len(listed) == len({id(p) for p in listed})
    assert made.step(prompt(), 5)["value_loss"] > 0


def test_the_rate_warms_up_from_a_tenth():
    made = trainer(warmup=10)
    rates = []
    for _ in range(12):
        made.step(prompt(8), 2)
        rates.append(made.optimizer.param_groups[0]["lr"])
    assert rates[::5][:2] == pytest.approx([1e-4, 5.5e-4])
    assert rates[10:] == pytest.approx([1e-3, 1e-3])


def test_the_average_of_weights_lags_behind():
    made = trainer(ema=0.9)
    before = made.policy.wte.weight.detach().clone()
    made.step(prompt(8), 3)
    want = 0.9 * before + 0.1 * made.policy.wte.weight.detach()
    torch.testing.assert_close(made.averaged.wte.weight, want)


def test_the_reference_stays_and_the_same_seed_gives_the_same_weights():
    one, two = trainer(), trainer()
    kept = one.reference.wte.weight.clone()
    for made in (one, two):
        made.step(prompt(), 5)
    assert torch.equal(one.reference.wte.weight, kept)
    assert torch.equal(one.policy.wte.weight, two.policy.wte.weight)
    assert not torch.equal(one.policy.wte.weight, kept)


def test_the_best_of_n_is_the_best_of_those_drawn():
    policy, _, _ = parts()
    policy.eval()
    seen = []

    def score(prompts, drawn):
        seen.append((drawn.ids, (s := drawn.ids.float().sum(-1))))
        return s

    got = best_of_n(policy, prompt(5), 4, 6, score, generator=generator())
    ids, scores = seen[0]
    assert len(ids) == 30
    for row in range(5):
        block = slice(6 * row, 6 * row + 6)
        assert torch.equal(got.ids[row], ids[block][scores[block].argmax()])


def test_a_missing_stop_token_costs_a_fixed_reward():
    ids = torch.tensor([[9, 1, 1, 1], [1, 1, 9, 1], [1, 1, 1, 1]])
    got = penalize_missing(torch.tensor([0.5, 0.6, 0.7]), ids, stop=9, first=2)
    torch.testing.assert_close(got, torch.tensor([-1.0, 0.6, -1.0]))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: trainer().step(prompt(12), 5), r"minibatch \(8\) must divide the batch \(12\)"),
    (lambda: trainer().step(prompt(8), 9), "4 tokens and a response of 9 are more than"),
    (lambda: trainer(ptx=1.0), "ptx=1.0 needs text to pretrain on"),
    (lambda: trainer(score=lambda p, d: d.ids.float()).step(prompt(8), 2), r"\(8,\) rewards"),
    (lambda: trainer(score=lambda p, d: torch.full((8,), math.nan)).step(prompt(8), 2),
     "rewards must be finite, got nan in row 0"),
    (lambda: PPOTrainer(parts()[0], GPT(GPTConfig(9, 8, 8, 1, 1)), parts()[1], None, FixedKL(0)),
     r"vocabularies of \[13, 9, 13\] tokens"),
    (lambda: PPOConfig(eps=0), r"eps must be in \(0, inf\], got 0"),
    (lambda: PPOConfig(gamma=1.5), r"gamma must be in \[0, 1\], got 1.5"),
    (lambda: PPOConfig(ptx=-1), r"ptx must be in \[0, inf\], got -1"),
    (lambda: PPOConfig(epochs=0), r"epochs must be in \[1, inf\], got 0"),
    (lambda: PPOConfig(penalty=-1), r"penalty must be in \[0, inf\], got -1"),
    (lambda: PPOConfig(value_eps=-1), r"value_eps must be in \(0, inf\], got -1"),
    (lambda: PPOConfig(max_norm=-1), r"max_norm must be in \(0, inf\], got -1"),
    (lambda: PPOConfig(warmup=-3), r"warmup must be in \[0, inf\], got -3"),
    (lambda: sample(parts()[0], prompt(), 2, stop=13), "stop must be a token, 0 to 12, got 13"),
    (lambda: sample(parts()[0], prompt(), 2, stop=-1), "stop must be a token, 0 to 12, got -1"),
    (lambda: best_of_n(parts()[0], prompt(2), 2, 3, lambda p, d: torch.full((6,), math.nan)),
     "scores must be finite, got nan in row 0"),
    (lambda: best_of_n(parts()[0], prompt(2), 2, 3, lambda p, d: torch.zeros(5)),
     r"score must return \(6,\) numbers, got \(5,\)"),
    (lambda: penalize_missing(torch.zeros(1), torch.zeros(3, 4), 1), r"shape \(3,\), got \(1,\)"),
    (lambda: penalize_missing(torch.zeros(2), torch.zeros(3, 4), 1), r"shape \(3,\), got \(2,\)"),
    (lambda: best_of_n(parts()[0], prompt(), 2, 0, None), "n must be at least 1, got 0"),
    (lambda: penalize_missing(torch.zeros(1), torch.zeros(1, 3), 1, 3), "first must be 0 to 2"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_responses_are_plain_tensors():
    drawn = Responses(*(torch.zeros(1, 2) for _ in range(3)))
    assert drawn.ids.shape == drawn.mask.shape == drawn.log_probs.shape
