"""Demonstration D5: why dot products are divided by the root of their width."""

import torch

from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import ratio

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


@demonstration(
    "D5",
    "Without the scale long random dot products leave the softmax little gradient.",
    draw_scale,
    source="§3.2.1, footnote 4",
    asks="The trace of the softmax's Jacobian over 64 keys, of random q and k as in footnote 4, at "
    "d_k = 1024 over that at 16, without a scale and with 1/√d_k. D10 asks what it does to "
    "training.",
)
def random_products(run: Run) -> Finding:
    """Compare wide dot products with narrow ones, as they are and scaled."""
    draws = [jacobians(run, seed) for seed in run.seeds(run.pick(test=2, default=5))]
    kept = {
        name: ratio([draw[name][-1] for draw in draws], [draw[name][1] for draw in draws])
        for name in ("plain", "scaled")
    }
    means = {name: _means(draws, name) for name in draws[0]}
    plain, scaled, variance = means["plain"], means["scaled"], means["variance"]
    return Finding(
        judgement=None,
        ours=f"{kept['plain'].text(3)} of it left; scaled {kept['scaled'].text(3)}",
        ran=f"{run.pick(test=200, default=2000):,} queries, 64 keys, entries of mean 0 and "
        f"variance 1; {len(draws)} draws.",
        measured=f"Var(q·k)/d_k between {min(variance):.2f} and {max(variance):.2f}. Without a "
        f"scale the trace falls from {plain[1]:.2f} at d_k = 16 and {plain[2]:.2f} at 64 to "
        f"{plain[-1]:.3f} at 1024; with it it is {min(scaled):.2f} to {max(scaled):.2f} at all "
        "widths.",
        numbers={**means, "draws": draws},
    )
