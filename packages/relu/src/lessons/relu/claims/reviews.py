"""C6: deeper nets on bags of words (§4.2, Table 2)."""

import math
from typing import Any

import torch
from torch import Tensor

from ..diagnostics import sparsity
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..net import expected_rating
from .averages import difference, mean, standard_error
from .nets import build, chosen, count, fit


def reviews(run, seed) -> dict[str, tuple[Tensor, Tensor]]:
    """Return made-up reviews, a bag of words each, and their stars (0 to 4).

    Words are drawn without repetition by Zipf's law. Each has a weight; the first three, which are
    everywhere, have none, but the third one turns the sign of all others: "not". The sum, with some
    noise, is cut into five classes of the same size.
    """
    words = run.pick(test=50, default=400, full=1000)
    length = run.pick(test=5, default=10, full=6)
    sizes = run.pick(test=(80, 40, 40), default=(3000, 500, 1000), full=(6000, 1000, 5000))
    generator = torch.Generator().manual_seed(seed)
    frequency = 1 / torch.arange(1, words + 1, dtype=torch.float64)
    n = sum(sizes)
    chosen = torch.multinomial(frequency.expand(n, -1), length, generator=generator)
    x = torch.zeros(n, words).scatter_(1, chosen, 1)
    weight = torch.randn(words, generator=generator)
    weight[:3] = 0
    score = (x @ weight) * (1 - 2 * x[:, 2])
    score = score / score.std() + 0.3 * torch.randn(n, generator=generator)
    cuts = score.quantile(torch.tensor([0.2, 0.4, 0.6, 0.8]))
    y = torch.bucketize(score, cuts)
    names = ("train", "choose", "test")
    return {
        name: (a.to(run.device), b.to(run.device))
        for name, a, b in zip(names, x.split(sizes), y.split(sizes))
    }


def read_reviews(run, unit, layers, seed, seeds):
    """Train nets on reviews with every rate; return rows with their RMSE in stars."""
    rates = run.pick(test=[0.1], default=[0.1, 0.3, 1.0, 3.0])
    width, steps = run.pick(test=10, default=100), run.pick(test=3, default=600, full=1500)
    rows = []
    for s in range(seed, seed + seeds):
        sets = reviews(run, s)
        group: list[dict[str, Any]] = [{"lr": lr, "l1": 0.0, "seed": s} for lr in rates]
        widths = (sets["train"][0].shape[1], *[width] * layers, 5)
        nets = [build(run, unit, s, widths) for _ in group]
        replicates = fit(run, nets, *sets["train"], group, steps, 50, f"{unit}, {layers} layers")
        for r, row in enumerate(group):
            net = replicates.net(r)
            for name in ("choose", "test"):
                x, y = sets[name]
                with torch.no_grad():
                    row[name] = (expected_rating(net(x)) - 1 - y).square().mean().sqrt().item()
            if layers and unit == "rectifier":
                row["zeros"] = mean(list(sparsity(net, [sets["test"][0]]).values()))
        rows += group
    return rows


TEXT_NETS = {
    "no hidden layer": ("rectifier", 0),
    "rectifier, 1 layer": ("rectifier", 1),
    "rectifier, 3 layers": ("rectifier", 3),
    "tanh, 1 layer": ("tanh", 1),
    "tanh, 3 layers": ("tanh", 3),
}


def draw_reviews(figure, numbers):
    """Draw the RMSE of each kind of net, a dot a seed."""
    figure.set_size_inches(6.4, 2.4)
    axes = figure.subplots()
    names = list(reversed(TEXT_NETS))
    for i, name in enumerate(names):
        values = [row["test"] for row in numbers[name]]
        color = BLUE if "tanh" in name else RED if "rect" in name else MUTED
        axes.plot(values, [i] * len(values), "o", color=color, ms=4, alpha=0.7)
        axes.plot([mean(values)] * 2, [i - 0.28, i + 0.28], color=color)
    axes.axvline(math.sqrt(2), color=MUTED, ls=":", lw=0.8)
    axes.text(math.sqrt(2), -0.55, "always 3 stars ", ha="right", color=MUTED, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(-0.7, len(names) - 0.4), xlabel="root mean square error (stars)")
    axes.grid(axis="x", visible=True)


@claim(
    "C6",
    "§4.2, Table 2",
    "On bags of words deeper rectifier nets are better, and better than tanh nets.",
    draw_reviews,
    asks="On sparse bags of words deeper rectifier nets are better (RMSE .885 without, .807 with "
    "1, .746 with 3 hidden layers), and better than tanh nets of the same depth (.774).",
)
def words(run):
    """Judge the order of the four nets of Table 2, pair by pair."""
    nets = {
        name: chosen(run.trial(read_reviews, unit=unit, layers=layers, seed=run.seed,
                               seeds=count(run)))
        for name, (unit, layers) in TEXT_NETS.items()
    }  # fmt: skip
    none, one, three, _, tanh = nets.values()
    pairs = [difference(three, tanh), difference(three, one), difference(one, none)]
    zeros = [100 * mean([row["zeros"] for row in rows]) for rows in (one, three)]
    size = run.pick(
        test="80 made-up reviews",
        default="3,000 made-up reviews of 10 of 400 words, 100 units a layer, 600 steps",
        full="6,000 made-up reviews of 6 of 1,000 words (0.6% non-zero, as the paper's), 100 "
        "units a layer, 1,500 steps",
    )

    def shown(rows):
        values = [row["test"] for row in rows]
        return f"{mean(values):.3f} ± {standard_error(values):.3f}"

    return Finding(
        HOLDS if all(less > 2 * error for less, error in pairs) else NOT_SEEN,
        ran=f"{size} of SGD with batches of 50, rates chosen, {count(run)} seeds. The stars are "
        "cut from a sum of word weights whose sign one frequent word turns. No pre-training.",
        measured="RMSE: "
        + ", ".join(f"{name} {shown(rows)}" for name, rows in nets.items())
        + f". Tanh minus rectifier at three layers: {pairs[0][0]:+.3f} ± {pairs[0][1]:.3f}. Zeros: "
        f"{zeros[0]:.0f}% with one layer, {zeros[1]:.0f}% with three.",
        numbers=nets,
        between="The reviews are made up, and there are no 300,000 more of them to pre-train on.",
    )
