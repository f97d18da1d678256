"""Claims C8: how few comparisons are enough for a style (Ziegler et al.)."""

import copy
from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import interval, judge
from ..reward import RewardModel, choice_loss
from ..sampling import sample
from .headline import BETWEEN, wins
from .outcomes import examined, rate, seeds_of, told
from .steps import (
    adam,
    base,
    by_model,
    comparisons,
    descend,
    prompts_of,
    reinforced,
    reward_model,
    rewards_of,
    seeded,
    sizes,
)
from .worlds import mock_reward, world


def chosen(run: Run, seed: int, n: int) -> RewardModel:
    """Return a reward model of n choices of one among four, of responses of the base model.

    One epoch, no dropout, mean 0 and variance 1 over samples (Ziegler §2, §2.2).
    """
    prompt, ids, ranks, _ = comparisons(run, seed, n, 4, from_base=True)
    generator, batch = seeded(seed, 11), 8
    model = RewardModel(copy.deepcopy(base(run, sizes(run)[0], seed)), generator)
    optimizer, schedule = adam(model, 5e-4, n // batch)
    for rows in run.track(torch.randperm(n, generator=generator).split(batch), f"{n} choices"):
        rewards = rewards_of(model, prompt[rows], ids[rows])
        descend(model, choice_loss(rewards, ranks[rows].argmin(-1)), optimizer, schedule)
    model.eval()
    with torch.no_grad():
        model.normalize(rewards_of(model, prompt[:200], ids[:200]), variance=True)
    return model


def amounts(run: Run) -> tuple[int, int]:
    """Return the smaller number of comparisons and the larger: four times as many."""
    return run.pick(test=(24, 96), default=(200, 800), full=(5_000, 20_000))


def style(run: Run, source: str, seed: int) -> dict[str, Any]:
    """Fine-tune the base model by reinforcement alone; return what it does.

    Args:
        run: the run.
        source: "zero-shot": not at all; "mock": by a classifier of other texts; else a number of
            comparisons.
        seed: of everything.
    """
    start, judge_model = base(run, sizes(run)[0], seed), reward_model(run, seed)
    if source == "zero-shot":
        return examined(run, start, None, judge_model, seed)
    value = RewardModel(copy.deepcopy(base(run, sizes(run)[0], seed)), seeded(seed, 12))
    if source == "mock":
        classify = mock_reward(run)
        ids = sample(start, prompts_of(run, 200, seeded(seed, 13)), world(run).response,
                     generator=seeded(seed, 14)).ids  # fmt: skip
        reward = classify(ids)
        mean, std = reward.mean(), reward.std()

        def score(prompt, drawn):
            return ((classify(drawn.ids.cpu()) - mean) / std).to(run.device)
    else:
        model = chosen(run, seed, int(source))
        score, value = by_model(model), model
    policy = reinforced(run, start, score, value, seed, lr=rate(run))
    return examined(run, policy, start, judge_model, seed)


def styled(run: Run, source: str) -> list[dict]:
    """Return the trials of all seeds."""
    return [run.trial(style, source=source, seed=s) for s in run.seeds(seeds_of(run))]


def against(run: Run, rival: str, words: str, line: dict) -> Finding:
    """Judge the win rate of the smaller number of comparisons over a rival."""
    few, many = amounts(run)
    other = str(many) if rival == "more" else rival
    ours, theirs = styled(run, str(few)), styled(run, other)
    rates = wins(ours, theirs)
    found = interval(rates)
    kl = [sum(t["kl"] for t in each) / len(each) for each in (ours, theirs)]
    return Finding(
        judge(found, paper_regime=False, **line),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=f"{told(run)}; smallest policy, from the base; {few:,} and {many:,} choices of four",
        measured=f"{few:,} comparisons win {found.text(unit='%')} over {words}. KL from the base "
        f"{kl[0]:.1f} and {kl[1]:.1f} nats.",
        numbers={"wins": rates, "kl": kl},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


QUOTE = "For stylistic continuation we achieve good results with only 5,000 comparisons"


@claim("C8a", "Ziegler, abstract", "5,000 comparisons are enough to be preferred to zero-shot.",
       quotes=f"{QUOTE} evaluated by humans.",
       asks="Win rate by the true reward of PPO from the base, its reward learned from choices of "
       "one in four, over the base.",
       holds_if="the 95% interval lies above 50%", fails_if="it lies below",
       paper="88% to 12% (Table 1)", full_only=True)  # fmt: skip
def few_are_enough(run: Run) -> Finding:
    """Compare with the base."""
    return against(run, "zero-shot", "zero-shot", {"above": 50})


@claim("C8b", "Ziegler §3.1.2", "5,000 comparisons do about as well as 20,000.",
       quotes="performance with 5k, 10k, and 20k reward model training samples is similar, "
       "degrading only for less than 5k samples",
       asks="As C8a, over four times as many comparisons.",
       holds_if="the 95% interval lies between 42 and 58% (the paper's closest: 48 and 47%)",
       fails_if="it lies outside", paper="48% to 52% (Table 1)", full_only=True)  # fmt: skip
def few_are_as_good(run: Run) -> Finding:
    """Compare with more of them."""
    return against(run, "more", "four times as many", {"within": (42, 58)})


@claim("C8c", "Ziegler §3.1.2", "Preferences beat a classifier trained on other texts.",
       quotes="in 77% of contexts, labelers preferred the output of the model trained with real "
       "human feedback",
       asks="As C8a, over PPO for a mock reward: in the full run the log-odds of a naive Bayes "
       "classifier of film reviews.",
       holds_if="the 95% interval lies above 50%", fails_if="it lies below",
       paper="77% to 23% (Table 1)", full_only=True)  # fmt: skip
def beats_mock(run: Run) -> Finding:
    """Compare with the mock reward."""
    return against(run, "mock", "the mock reward", {"above": 50})
