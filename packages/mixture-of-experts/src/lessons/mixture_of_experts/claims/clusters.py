"""A task of our own on which capacity is all that counts: 64 clusters, each with its own function.

The default run sees here in a minute what the full one asks of real text.
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..experts import Experts
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import interval, paired
from ..layer import HierarchicalMoE, SparseMoE
from ..optim import FactoredAdam
from .speech import information

WIDTH, HIDDEN, CLUSTERS, BATCH, RATE = 16, 32, 64, 512, 3e-3


@functools.lru_cache(8)
def task(seed: int) -> tuple[Tensor, Tensor]:
    """Return the clusters' centres and their matrices."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(CLUSTERS, WIDTH, generator=generator)
    return centres, torch.randn(CLUSTERS, WIDTH, WIDTH, generator=generator)


def steps_of(run: Run) -> int:
    """Return the steps of a fit."""
    return run.pick(test=5, default=800, full=1_600)


def draw_points(seed: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return points x around a centre, targets 2 A (x − centre), and whose clusters they are."""
    centres, matrices = task(seed)
    c = torch.randint(CLUSTERS, (n,), generator=generator)
    away = 0.5 * torch.randn(n, WIDTH, generator=generator)
    return centres[c] + away, 2 * torch.einsum("nij,nj->ni", matrices[c], away), c


def fit(
    run: Run, n: int, seed: int, w_importance: float = 0.1, w_load: float = 0.1,
    tree: bool = False, factored: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Train n experts, of which two see each point; return the error and how they are used."""
    generator = torch.Generator().manual_seed(100 + seed)
    balance: dict[str, Any] = {"w_importance": w_importance, "w_load": w_load}
    if n == 1:
        dense = Experts(1, WIDTH, 2 * HIDDEN, generator=generator)
        parameters, layer = dense.parameters(), None
    elif tree:
        layer = HierarchicalMoE(WIDTH, HIDDEN, 8, n // 8, 2, generator=generator, **balance)
        parameters = layer.parameters()
    else:
        layer = SparseMoE(WIDTH, HIDDEN, n, 2, generator=generator, **balance)
        parameters = layer.parameters()
    optimizer = FactoredAdam(parameters, RATE) if factored else torch.optim.Adam(parameters, RATE)
    for _ in run.track(range(steps_of(run)), f"{n} experts, {seed}"):
        x, y, _ = draw_points(seed, BATCH, generator)
        out, aux = (
            (dense.run(x, dense.of()[0]), 0) if layer is None else layer(x, generator=generator)[:2]
        )
        optimizer.zero_grad()
        (F.mse_loss(out, y) + aux).backward()
        optimizer.step()
    x, y, c = draw_points(seed, 8_192, torch.Generator().manual_seed(10_000 + seed))
    with torch.no_grad():
        if layer is None:
            out = dense.run(x, dense.of()[0])
            return {"error": (F.mse_loss(out, y) / y.var()).item()}
        layer.eval()
        out, _, stats = layer(x)
        gating = layer.gate(x)
        first = torch.zeros(len(x), n).index_put((gating.token, gating.expert), gating.weight)
        return {
            "error": (F.mse_loss(out, y) / y.var()).item(),
            "max load": stats.most_loaded.item(),
            "bits": information(first.argmax(1), c),
        }


def errors(found: list[dict[str, Any]], key: str = "error") -> list[float]:
    """Return a measure of each run."""
    return [f[key] for f in found]


def draw(figure, numbers) -> None:
    """Draw errors against the number of experts, and the busiest expert by loss."""
    left, right = figure.subplots(1, 2)
    figure.set_size_inches(7.2, 3.4)
    for n, values in numbers["error"].items():
        left.plot([int(n)] * len(values), values, "o", color=BLUE)
    left.set(
        xscale="log", xlabel="experts, two a point", ylabel="error over variance", ylim=(0, 1.05)
    )
    left.set_xticks([1, 4, 16, 64], ["dense", "4", "16", "64"])
    left.minorticks_off()
    for i, (name, values) in enumerate(numbers["max load"].items()):
        right.plot([i] * len(values), values, "o", color=RED if name == "none" else GREEN)
    right.set_xticks(range(len(numbers["max load"])), list(numbers["max load"]))
    right.margins(y=0.1)
    right.set(ylabel="largest load over the mean", xlabel="balancing losses")
    right.set_ylim(bottom=0)


@demonstration(
    "D1",
    "Where capacity is all that counts, 64 experts beat a dense layer of equal cost.",
    draw,
    asks="64 clusters in 16 dimensions, each with its own linear map: a dense layer cannot hold "
    "them, and experts can share them out. 1 (dense, hidden 64), 4, 16 and 64 experts of 32, two "
    "for each point; 64 experts with no balancing loss, with one, and with both.",
)
def clusters(run: Run) -> Finding:
    """Fit the clusters with more and more experts."""
    seeds = run.seeds(run.pick(test=2, default=2, full=3))
    few = seeds if run.scale != "default" else seeds[:1]
    found = {n: [run.trial(fit, n=n, seed=s) for s in (seeds if n in (1, 64) else few)]
             for n in (1, 4, 16, 64)}  # fmt: skip
    losses = {"none": (0.0, 0.0), "importance": (0.2, 0.0), "load": (0.0, 0.2)}
    balance = {
        name: [run.trial(fit, n=64, seed=s, w_importance=first, w_load=second) for s in few]
        for name, (first, second) in losses.items()
    }
    balance["both"] = found[64]
    ends = [interval(errors(found[n])).text(2) for n in (1, 64)]
    told = ", ".join(f"{n}: {sum(errors(f)) / len(f):.2f}" for n, f in found.items())
    loads = ", ".join(f"{k} {sum(errors(f, 'max load')) / len(f):.1f}" for k, f in balance.items())
    return Finding(
        None,
        ours=f"error {ends[0]} dense, {ends[1]} with 64 experts",
        ran=f"{steps_of(run):,} steps of {BATCH} points, Adam at {RATE}.",
        measured=f"Error over variance by experts: {told}. Largest load over the mean by losses: "
        f"{loads}. Of 6 bits about the cluster the first choice of 64 experts tells "
        f"{interval(errors(found[64], 'bits')).text(2)}.",
        numbers={
            "error": {str(n): errors(f) for n, f in found.items()},
            "max load": {k: errors(f, "max load") for k, f in balance.items()},
            "bits": errors(found[64], "bits"),
        },
    )


@demonstration(
    "D4",
    "Two levels of gates, and an optimizer with little memory.",
    source="App. B, App. D",
    asks="The clusters of D1: 8 groups of 8 experts with k = 2 at each level against 64 flat ones "
    "with two for each point; and β1 = 0 with a factored second moment against Adam.",
    full_only=True,
)
def variants(run: Run) -> Finding:
    """Fit the clusters in other ways."""
    seeds = run.seeds(run.pick(test=2, default=2, full=3))
    flat = errors([run.trial(fit, n=64, seed=s) for s in seeds])
    tree = errors([run.trial(fit, n=64, seed=s, tree=True) for s in seeds])
    small = errors([run.trial(fit, n=64, seed=s, factored=True) for s in seeds])
    return Finding(
        None,
        ours=f"two levels {paired(tree, flat).text(3)}, factored {paired(small, flat).text(3)}",
        ran=f"{len(seeds)} seeds. A matrix of 512 × 1,024 needs 1,536 numbers in place of "
        "1,048,576 (both of Adam's moments).",
        measured=f"Error over variance: flat {interval(flat).text(3)}; two levels "
        f"{interval(tree).text(3)}; factored {interval(small).text(3)}. Differences to flat: "
        f"{paired(tree, flat).text(3)} and {paired(small, flat).text(3)}.",
        numbers={"flat": flat, "two levels": tree, "factored": small},
    )
