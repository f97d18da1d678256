"""Claims C9, C10: what a reward learned from few comparisons does, and what is true of it."""

import copy
import math
from typing import Any

import torch

from ..exact import best_of_n_log_probs
from ..kl import kl_divergence
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from ..reward import RewardModel, draw_ranks, preference_loss
from .enumerable import PROMPT, learn, log_probs, seeds_here, setting
from .steps import AGREEMENT, seeded, temperature_for


def overdo(run: Run, beta: float, seed: int) -> dict[str, Any]:
    """Follow a reward learned from few comparisons; return what was seen along the way."""
    reference, ids, log_rho, truth = setting(seed)
    generator = seeded(seed, 23)
    pairs = run.pick(test=50, default=200)
    drawn = torch.multinomial(log_rho.exp(), 40 * pairs, True, generator=generator).view(-1, 2)
    drawn = drawn[truth[drawn[:, 0]] != truth[drawn[:, 1]]][:pairs]  # nobody is asked about ties
    ranks = draw_ranks(truth[drawn], temperature_for(truth[drawn]), generator)
    won, lost = drawn.gather(1, ranks.argsort(dim=-1)).T
    model = RewardModel(copy.deepcopy(reference), generator)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    whole = torch.cat([torch.full((len(ids), 1), PROMPT), ids], 1)
    for _ in range(run.pick(test=3, default=60)):  # several passes: it overfits, as is wanted here
        optimizer.zero_grad()
        preference_loss(model(whole[won]), model(whole[lost])).backward()
        optimizer.step()
    with torch.no_grad():
        model.normalize(model(whole[drawn.flatten()]), variance=True)
        proxy = model.eval()(whole)
    seen: dict[str, list[float]] = {"kl": [0.0], "proxy": [], "truth": []}

    def note(log_pi):
        seen["proxy"].append((log_pi.exp() * proxy).sum().item())
        seen["truth"].append((log_pi.exp() * truth).sum().item())

    def watch(batch, policy):
        log_pi = log_probs(policy, ids)
        seen["kl"].append(kl_divergence(log_pi, log_rho).item())
        note(log_pi)

    note(log_rho)
    learn(run, reference, proxy, beta, run.pick(test=3, default=30, full=80), seed, watch)
    best = [best_of_n_log_probs(log_rho, proxy, 2**k) for k in range(11)]
    return seen | {
        "best_kl": [kl_divergence(b, log_rho).item() for b in best],
        "best_proxy": [(b.exp() * proxy).sum().item() for b in best],
        "best_truth": [(b.exp() * truth).sum().item() for b in best],
    }


def overdone(run: Run, beta: float) -> list[dict]:
    """Return the trials of all seeds."""
    return [run.trial(overdo, beta=beta, seed=s) for s in seeds_here(run)]


def explained(x: list[float], y: list[float]) -> float:
    """Return R² of a straight line of y on x, least squares."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    xx = sum((a - mx) ** 2 for a in x)
    yy = sum((b - my) ** 2 for b in y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y))
    return xy * xy / (xx * yy) if xx and yy else 0.0


def draw_overdone(figure, numbers) -> None:
    """Draw learned and true reward over √KL, of PPO and of the best of n."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, prefix, title in ((left, "", "PPO, β = 0"), (right, "best_", "best of n")):
        names = [prefix + name for name in ("kl", "proxy", "truth")]
        for i, trial in enumerate(numbers["trials"]):
            x = [math.sqrt(max(0, k)) for k in trial[names[0]]]
            axes.plot(x, trial[names[1]], color=BLUE, alpha=0.6, label=None if i else "learned")
            axes.plot(x, trial[names[2]], color=RED, alpha=0.6, label=None if i else "true")
        axes.set(xlabel="√KL (√nats)", title=title)
    left.set_ylabel("expected reward")
    left.legend()


@claim(
    "C10",
    "Ouyang §3.5",
    "The price of KL mitigates over-optimization of a learned reward.",
    draw_overdone,
    quotes="we add a per-token KL penalty from the SFT model at each token to mitigate "
    "over-optimization of the reward model",
    asks="True reward at the end, β = 0 minus β = .3, of PPO on a reward learned from 200 noisy "
    "pairs; exact expectations.",
    holds_if="the 95% interval of (β 0 − β .3) lies below 0",
    fails_if="it lies above",
)
def price_mitigates(run: Run) -> Finding:
    """Compare the true rewards at the end."""
    free, paid = overdone(run, 0.0), overdone(run, 0.3)
    found = paired([t["truth"][-1] for t in free], [t["truth"][-1] for t in paid])
    fallen = [max(t["truth"]) - t["truth"][-1] for t in free]
    n = len(free)
    return Finding(
        judge(found, below=0, paper_regime=False),
        ours=f"true reward {found.text()}",
        ran=f"625 responses, labellers agree on {AGREEMENT:.1%}, {n} seeds",
        measured=f"Without a price the true reward differs by {found.text()} from that with β = "
        f".3; from its own peak it falls by {sum(fallen) / n:.2f} on average.",
        numbers={"trials": free, "paid": [t["truth"][-1] for t in paid], "fallen": fallen},
        between="a world of 625 responses",
        would_decide="thirty seeds",
    )


@claim(
    "C9",
    "Bai, abstract",
    "The learned reward rises about linearly in √KL.",
    quotes="identify a roughly linear relation between the RL reward and the square root of the KL "
    "divergence between the policy and its initialization",
    asks="R² of a straight line of the learned reward on √KL over the first half of training with "
    "β = 0, in the world of C10.",
    holds_if="the 95% interval of R² lies above 0.9",
    fails_if="it lies below",
    paper="roughly linear",
)
def root_law(run: Run) -> Finding:
    """Fit a line to each seed's curve."""
    trials = overdone(run, 0.0)
    roots, plain = [], []
    for t in trials:
        half = len(t["kl"]) // 2 + 1
        kl = [max(0.0, k) for k in t["kl"][:half]]
        roots.append(explained([math.sqrt(k) for k in kl], t["proxy"][:half]))
        plain.append(explained(kl, t["proxy"][:half]))
    found = interval(roots)
    return Finding(
        judge(found, above=0.9, paper_regime=False),
        ours=f"R² {found.text()}",
        ran=f"625 responses, first half of training, {len(trials)} seeds",
        measured=f"R² on √KL is {found.text()}; on KL itself {interval(plain).text()}.",
        numbers={"root": roots, "plain": plain},
        between="a world of 625 responses in the place of a 52-billion-parameter assistant",
        would_decide="thirty seeds",
    )
