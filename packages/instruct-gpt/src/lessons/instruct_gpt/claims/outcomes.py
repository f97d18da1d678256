"""What the models of the three steps do on the test's prompts, and how settings were chosen."""

from typing import Any

import torch

from ..lab.run import Run
from ..model import GPT
from ..reward import RewardModel
from ..sampling import sample, token_log_probs
from ..sft import sft_loss
from .steps import (
    AGREEMENT,
    BETA,
    EXAMPLES,
    base,
    by_model,
    demonstration_count,
    demonstrations,
    prompts_of,
    reinforced,
    reward_model,
    room,
    seeded,
    sizes,
    supervised,
)
from .worlds import world


@torch.no_grad()
def examined(
    run: Run, policy: GPT, reference: GPT | None, judge: RewardModel, seed: int,
    prompted: bool = False, dev: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return what a policy does on prompts that are its rivals', too.

    Returns:
        ``reward``: the true reward of each response, ``score`` (the mean reward that was learned),
        ``kl`` (from the reference, nats a response), ``loss`` (of the held-out text, nats a token),
        ``words`` (mean length).
    """
    known, generator = world(run), seeded(seed, 8 if dev else 7)
    n = run.pick(test=32, default=200, full=512)
    prompt = prompts_of(run, n, generator, test=not dev)
    asked = prompt
    if prompted:  # good examples before the prompt: the same four for all prompts
        shown = demonstrations(run, seed, demonstration_count(run))[:EXAMPLES].flatten()
        asked = torch.cat([shown.to(run.device).expand(n, -1), prompt], 1)
    drawn = sample(policy, asked, known.response, generator=generator)
    text = known.windows(run.pick(test=8, default=64, full=200), room(run), generator, test=True)
    text = text.to(run.device)
    result = {
        "reward": [round(r, 4) for r in known.reward(drawn.ids.cpu()).tolist()],
        "score": by_model(judge)(prompt, drawn).mean().item(),
        "words": known.lengths(drawn.ids.cpu()).mean().item(),
        "loss": torch.stack([sft_loss(policy(t), t) for t in text.split(8)]).mean().item(),
        "kl": 0.0,
    }
    if reference is not None:
        other = token_log_probs(reference, prompt, drawn.ids).sum(-1)
        result["kl"] = (drawn.log_probs.sum(-1) - other).mean().item()
    return result


def win_rate(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Return how often, in per cent, our response has the higher true reward; ties count half."""
    pairs = list(zip(ours["reward"], theirs["reward"], strict=True))
    return 100 * sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def tune(run: Run, what: str, value: float, seed: int) -> dict[str, float]:
    """Return (as a trial) what a setting gives on prompts for development, at the smallest size."""
    seed, size = seed + 1_000, sizes(run)[0]
    judge, start = reward_model(run, seed), supervised(run, size, seed)
    settings = {what: value} if what == "lr" else {"lr": rate(run), what: value}
    policy = reinforced(run, start, by_model(judge), judge, seed, **settings)
    found = examined(run, policy, start, judge, seed, dev=True)
    return {"reward": sum(found["reward"]) / len(found["reward"]), "loss": found["loss"]}


def rate(run: Run) -> float:
    """Return PPO's rate: the best true reward on prompts for development, of a seed apart."""
    grid = run.pick(test=[1e-3], default=[1e-3], full=[5e-4, 1e-3, 2e-3])
    if len(grid) == 1:
        return grid[0]
    return max(grid, key=lambda lr: run.trial(tune, what="lr", value=lr, seed=run.seed)["reward"])


def gamma(run: Run) -> float:
    """Return γ of eq. 2: the least loss among those with 95% of the reward that the best has.

    In the paper there is a value that "leads to a significant improvement" on two data sets and
    "not much regression" of the validation reward (Figure 33).
    """
    grid = run.pick(test=[1.0], default=[1.0], full=[1.0, 4.0])
    if len(grid) == 1:
        return grid[0]
    found = {g: run.trial(tune, what="ptx", value=g, seed=run.seed) for g in grid}
    enough = 0.95 * max(each["reward"] for each in found.values())
    good = [g for g in grid if found[g]["reward"] >= enough]
    return min(good, key=lambda g: found[g]["loss"])


def outcome(run: Run, kind: str, width: int, layers: int, seed: int, beta: float = BETA):
    """Return (as a trial) what one model does on the test's prompts.

    Args:
        run: the run.
        kind: "gpt", "prompted", "sft", "ppo" or "ptx".
        width: of the model.
        layers: of the model.
        seed: of everything.
        beta: the price of KL.
    """
    size, judge = (width, layers), reward_model(run, seed)
    if kind in ("gpt", "prompted"):
        return examined(run, base(run, size, seed), None, judge, seed, prompted=kind == "prompted")
    start = supervised(run, size, seed)
    if kind == "sft":
        return examined(run, start, None, judge, seed)
    ptx = gamma(run) if kind == "ptx" else 0.0
    policy = reinforced(
        run, start, by_model(judge), judge, seed, beta=beta, ptx=ptx, lr=rate(run)
    )  # fmt: skip
    return examined(run, policy, start, judge, seed)


def outcomes(run: Run, kind: str, size: tuple[int, int], n: int, beta: float = BETA) -> list[dict]:
    """Return the trials `outcome` of n seeds."""
    width, layers = size
    return [run.trial(outcome, kind=kind, width=width, layers=layers, seed=seed, beta=beta)
            for seed in run.seeds(n)]  # fmt: skip


def seeds_of(run: Run) -> int:
    """Return how many seeds the claims on text rest on."""
    return run.pick(test=2, default=3, full=5)


def told(run: Run) -> str:
    """Say what the text, the reward and the sizes are."""
    known = world(run)
    shown = ", ".join(f"{width}/{layers}" for width, layers in sizes(run))
    return (f"{known.name}, {len(known.train):,} tokens of {known.vocab_size} kinds; prompts of "
            f"{known.prompt}, responses of {known.response}; width/layers {shown}; labellers agree "
            f"on {AGREEMENT:.1%} of pairs; {seeds_of(run)} seeds")  # fmt: skip
