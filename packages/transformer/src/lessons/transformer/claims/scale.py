"""Claim C3: why dot products are divided by the root of their width."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import Judgement, judge, ratio

WIDTHS = (4, 16, 64, 256, 1024)


def jacobians(run: Run, seed: int) -> dict[str, list[float]]:
    """Return the variance of q·k over d_k, and the trace of the softmax's Jacobian, by width.

    The trace of diag(p) − ppᵀ is 1 − Σp²: near 1 where p is spread, 0 where it is certain.
    """
    generator = torch.Generator().manual_seed(seed)
    queries = run.pick(test=200, default=2000)
    found: dict[str, list[float]] = {"variance": [], "plain": [], "scaled": []}
    for d_k in WIDTHS:
        q = torch.randn(queries, d_k, generator=generator)
        k = torch.randn(64, d_k, generator=generator)
        scores = q @ k.T
        found["variance"].append(scores.var().item() / d_k)
        for name, factor in (("plain", 1.0), ("scaled", d_k**-0.5)):
            p = (scores * factor).softmax(-1)
            found[name].append((p * (1 - p)).sum(-1).mean().item())
    return found


def _means(draws, name: str) -> list[float]:
    return [sum(each) / len(each) for each in zip(*[draw[name] for draw in draws])]


def draw_scale(figure, numbers):
    """Draw what is left of the softmax's gradient against d_k."""
    axes = figure.subplots()
    for name, color, label in (("scaled", BLUE, "divided by √d_k"), ("plain", RED, "not divided")):
        axes.semilogx(WIDTHS, numbers[name], "o-", color=color, label=label)
    axes.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axes.minorticks_off()
    axes.set(xlabel="width of queries and keys, d_k", ylabel="trace of the softmax's Jacobian")
    axes.set(ylim=(0, 1))
    axes.legend(loc="lower left")


def _finding(run: Run, kind: str, judgement: Judgement, text: str, ours: str, draws) -> Finding:
    means = {name: _means(draws, name) for name in draws[0]}
    return Finding(
        judgement=judgement,
        ours=ours,
        ran=f"{run.pick(test=200, default=2000):,} queries, 64 keys, entries of mean 0 and "
        f"variance 1; {len(draws)} draws.",
        measured=f"Var(q·k)/d_k between {min(means['variance']):.2f} and "
        f"{max(means['variance']):.2f}. {text}",
        numbers={**means, "draws": draws},
        between="Random queries and keys.",
        would_decide="More draws.",
    )


@claim(
    "C3a",
    "§3.2.1, footnote 4",
    "Long dot products leave the softmax next to no gradient.",
    draw_scale,
    quotes="We suspect that for large values of dk, the dot products grow large in magnitude, "
    "pushing the softmax function into regions where it has extremely small gradients",
    asks="The trace of the softmax's Jacobian over 64 keys, of random q and k without a scale, at "
    "d_k = 1024 over that at 16.",
    holds_if="the 95% interval of the ratio lies below a fifth",
    fails_if="it lies above",
)
def vanishing(run: Run) -> Finding:
    """Compare wide dot products with narrow ones."""
    draws = [jacobians(run, seed) for seed in run.seeds(run.pick(test=2, default=5))]
    found = ratio([draw["plain"][-1] for draw in draws], [draw["plain"][1] for draw in draws])
    plain = _means(draws, "plain")
    text = (f"Without a scale the trace falls from {plain[1]:.2f} at d_k = 16 and {plain[2]:.2f} "
            f"at 64 to {plain[-1]:.3f} at 1024.")  # fmt: skip
    judged = judge(found, below=0.2, paper_regime=True)
    return _finding(run, "plain", judged, text, f"{found.text(3)} of it left at 1024", draws)


@claim(
    "C3b",
    "§3.2.1",
    "Divided by √d_k, they leave it the same at every width.",
    quotes="To counteract this effect, we scale the dot products by 1/√dk.",
    asks="As C3a, with the scale.",
    holds_if="the 95% interval of the ratio lies within 5% of one",
    fails_if="it lies outside",
)
def counteracted(run: Run) -> Finding:
    """Compare the same dot products, scaled."""
    draws = [jacobians(run, seed) for seed in run.seeds(run.pick(test=2, default=5))]
    found = ratio([draw["scaled"][-1] for draw in draws], [draw["scaled"][1] for draw in draws])
    scaled = _means(draws, "scaled")
    text = f"With it the trace is {min(scaled):.2f} to {max(scaled):.2f} at all widths."
    judged = judge(found, within=(0.95, 1.05), paper_regime=True)
    return _finding(run, "scaled", judged, text, f"{found.text(3)} of it at 1024", draws)
