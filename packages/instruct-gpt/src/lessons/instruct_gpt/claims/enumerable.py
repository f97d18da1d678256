"""Claim C6, demonstration D1: a world of 625 responses, known exactly."""

import copy

import torch

from ..config import GPTConfig
from ..exact import all_responses, best_of_n_log_probs, objective, optimum, response_log_probs
from ..kl import FixedKL, kl_divergence
from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import GREEN, MUTED
from ..lab.run import Run
from ..lab.statistics import judge, ratio
from ..model import GPT
from ..reward import RewardModel
from ..trainer import PPOConfig, PPOTrainer
from .steps import seeded

VOCABULARY, LENGTH, PROMPT = 5, 4, 2


def seeds_here(run: Run) -> range:
    """Return the seeds of this world's claims."""
    return run.seeds(run.pick(test=2, default=3, full=10))


def setting(seed: int):
    """Return reference, all responses, and the true reward, standardized under the reference.

    Counted are: token 1, pairs that ascend, and against it token 0.
    """
    config = GPTConfig(VOCABULARY, LENGTH + 1, 32, 1, 2)
    reference = GPT(config, seeded(seed, 20)).eval()
    with torch.no_grad():
        reference.wte.weight.mul_(3)  # neither all about equally likely nor one that is
    ids = all_responses(VOCABULARY, LENGTH)
    raw = ((ids == 1).sum(-1) + (ids[:, 1:] > ids[:, :-1]).sum(-1) - (ids == 0).sum(-1)).float()
    log_rho = log_probs(reference, ids)
    mean = (log_rho.exp() * raw).sum()
    spread = (log_rho.exp() * (raw - mean) ** 2).sum().sqrt()
    return reference, ids, log_rho, (raw - mean) / spread


def log_probs(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    """Return log π of all responses."""
    return response_log_probs(model, torch.tensor([PROMPT]), ids)


def looked_up(reward_S: torch.Tensor):
    """Return a reward that is a table as what scores episodes."""
    place = VOCABULARY ** torch.arange(LENGTH - 1, -1, -1)
    return lambda prompt, drawn: reward_S[(drawn.ids * place).sum(-1)]


def learn(run: Run, reference: GPT, reward_S, beta: float, batches: int, seed: int, watch=None):
    """Return the policy after PPO on a reward; ``watch`` sees it after each batch."""
    config = PPOConfig(policy_lr=3e-3, value_lr=3e-3, minibatch=64, epochs=4, warmup=0)
    value = RewardModel(copy.deepcopy(reference), seeded(seed, 21))
    policy = copy.deepcopy(reference)
    trainer = PPOTrainer(
        policy, reference, value, looked_up(reward_S), FixedKL(beta), config,
        generator=seeded(seed, 22),
    )  # fmt: skip
    prompt = torch.full((256, 1), PROMPT)
    for batch in run.track(range(batches), f"PPO, β {beta:g}, seed {seed}"):
        trainer.step(prompt, LENGTH)
        if watch is not None:
            watch(batch + 1, policy)
    return policy


def reach(run: Run, beta: float, batches: int, seed: int) -> dict[str, float]:
    """Return how much of what can be gained PPO gains on the true reward."""
    reference, ids, log_rho, reward = setting(seed)
    policy = learn(run, reference, reward, beta, batches, seed)
    best, log_pi = optimum(log_rho, reward, beta), log_probs(policy, ids)
    low, here, top = (objective(x, log_rho, reward, beta).item() for x in (log_rho, log_pi, best))
    return {
        "share": (here - low) / (top - low), "gap": top - here,
        "kl": kl_divergence(log_pi, log_rho).item(), "best_kl": kl_divergence(best, log_rho).item(),
    }  # fmt: skip


@claim(
    "C6",
    "Ziegler §3.1.1",
    "The gap to the analytic optimum closes largely with more training.",
    quotes="There is a significant gap from optimality after training the policy on 2M "
    "continuations …, though it is largely closed with more training.",
    asks="J(π*) − J(π), exactly, after ten times as many episodes over that after n; β = .3, all "
    "responses listed. n is 2,560 in a full run.",
    holds_if="the 95% interval of the ratio lies below 0.5",
    fails_if="it lies above",
)
def gap_closes(run: Run) -> Finding:
    """Train for n and for 10 n episodes."""
    short, times = run.pick(test=(1, 3), default=(5, 10), full=(10, 10))
    gaps = [[run.trial(reach, beta=0.3, batches=b, seed=s)["gap"] for s in seeds_here(run)]
            for b in (short, short * times)]  # fmt: skip
    found = ratio(gaps[1], gaps[0])
    return Finding(
        judge(found, below=0.5, paper_regime=False),
        ours=f"{found.text()} of the gap is left",
        ran=f"5⁴ = 625 responses, GPT 32/1, {short * 256:,} and {short * times * 256:,} episodes, "
        f"{len(gaps[0])} seeds",
        measured=f"After {times} times as many episodes {found.text()} of the gap is left (means "
        f"{sum(gaps[0]) / len(gaps[0]):.3f} and {sum(gaps[1]) / len(gaps[1]):.3f}).",
        numbers={"gaps": gaps},
        between="a world of 625 responses in the place of 24 tokens of GPT-2",
        would_decide="thirty seeds",
    )


def draw_reach(figure, numbers) -> None:
    """Draw KL and reward of the optimum and of PPO."""
    axes = figure.subplots()
    axes.plot(numbers["kl"], numbers["reward"], color=MUTED, label="optimum, all β")
    axes.plot(numbers["best_kl"], numbers["best_reward"], color=GREEN, label="best of n")
    for beta, points in numbers["ppo"].items():
        axes.plot(*zip(*points), "o", label=f"PPO, β = {beta}")
    axes.set(xlabel="KL from the reference (nats)", ylabel="expected reward")
    axes.legend(fontsize=8)


@demonstration(
    "D1",
    "How near PPO comes to the optimum π* ∝ ρ exp(r/β).",
    draw_reach,
    source="Ziegler §3.1.1, Figure 3",
    asks="Share of J(π*) − J(ρ) that PPO reaches, at three β, in the world of C6; and the best of "
    "n draws beside it.",
)
def near_the_optimum(run: Run) -> Finding:
    """Measure at three prices."""
    batches = run.pick(test=2, default=50, full=100)  # the longer of C6's
    betas = run.pick(test=[0.3], default=[0.3], full=[1.0, 0.3, 0.1])
    found = {
        f"{beta:g}": [run.trial(reach, beta=beta, batches=batches, seed=s) for s in seeds_here(run)]
        for beta in betas
    }
    _, _, log_rho, reward = setting(run.seed)
    curve = [optimum(log_rho, reward, 10 ** (2 - 0.1 * i)) for i in range(32)]
    best = [best_of_n_log_probs(log_rho, reward, 2**k) for k in range(11)]
    means = {b: sum(t["share"] for t in trials) / len(trials) for b, trials in found.items()}
    kls = {b: [sum(t[k] for t in trials) / len(trials) for k in ("kl", "best_kl")]
           for b, trials in found.items()}  # fmt: skip
    said = "; ".join(f"β {b}: {100 * means[b]:.1f}% (KL {kls[b][0]:.2f}, the optimum's "
                     f"{kls[b][1]:.2f})" for b in found)  # fmt: skip
    return Finding(
        None,
        ours="; ".join(f"β {b}: {100 * means[b]:.1f}%" for b in found),
        ran=f"625 responses, {256 * batches:,} episodes, {len(seeds_here(run))} seeds",
        measured=f"Share of what can be gained. {said}.",
        numbers={
            "shares": means,
            "kl": [kl_divergence(c, log_rho).item() for c in curve],
            "reward": [(c.exp() * reward).sum().item() for c in curve],
            "best_kl": [kl_divergence(b, log_rho).item() for b in best],
            "best_reward": [(b.exp() * reward).sum().item() for b in best],
            "ppo": {b: [(t["kl"], _reward_at(run, float(b), batches, s)) for t, s in
                        zip(trials, seeds_here(run))] for b, trials in found.items()},
        },
    )  # fmt: skip


def _reward_at(run: Run, beta: float, batches: int, seed: int) -> float:
    """Return the expected reward of a trial: J plus the price that was paid."""
    _, _, log_rho, reward = setting(seed)
    trial = run.trial(reach, beta=beta, batches=batches, seed=seed)
    best = optimum(log_rho, reward, beta)
    top = objective(best, log_rho, reward, beta).item()
    return top - trial["gap"] + beta * trial["kl"]
