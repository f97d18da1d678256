"""What is said of all the experiments: little tuning, and steps that shrink by themselves."""

import math

from ..lab.claim import Finding, claim
from ..lab.figures import MUTED
from ..lab.statistics import every, interval, judge, paired, ratio
from . import convolutional, dropout_network
from .training import COLOR, cost, if_open

DIVERGED = math.log(10)  # the loss of a net that knows nothing of ten classes
DEFAULT = 1e-3  # Algorithm 1: "good default settings for the tested machine learning problems"
BETWEEN = "Two small networks; the paper's are larger and trained for longer."


OFF = 4.0  # how far from its best α an optimizer is set, to either side
NAMES = ("Adam", "SGD, Nesterov")


def networks(run):
    """Return of both networks: name, race, its trial and settings, and on how many seeds."""
    mlp = dropout_network.measure(run)[0]
    cnn = convolutional.measure(run, looked_at=True)[0]
    few = run.pick(test=2, default=3), run.pick(test=2, default=3, full=5)
    return (
        ("dropout", mlp, dropout_network.train_mlp, {}, few[0]),
        ("convolutional", cnn, convolutional.train_cnn, convolutional.settings(run), few[1]),
    )


def off(run, result, trial, settings, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Return for both optimizers the final costs at their best α, a quarter and four times it.

    A run that diverged is left with what a net at chance pays.
    """
    costs: dict[str, dict[str, list[float]]] = {}
    for name in NAMES:
        best = result[name]["lr"]
        costs[name] = {
            f"{lr:g}": [
                min(cost(run.trial(trial, optimizer=name, lr=lr, **settings, seed=s)), DIVERGED)
                for s in run.seeds(seeds)
            ]
            for lr in (best / OFF, best, best * OFF)
        }
    return costs


def penalty(costs: dict[str, list[float]]) -> list[float]:
    """Return by how many factors of 2 the cost is higher where α is off, the mean of both sides."""
    low, best, high = costs.values()
    return [math.log2(a * c / b**2) / 2 for a, b, c in zip(low, best, high)]


def draw_sensitivity(figure, numbers):
    """Draw the final cost over the lowest against α over the best: a panel for each network."""
    figure.set_size_inches(6.4, 3.0)
    panels = figure.subplots(1, 2)
    for axes, (name, of) in zip(panels, numbers.items()):
        for optimizer, grid in of["grids"].items():
            points = sorted((float(lr), value) for lr, value in grid.items() if value is not None)
            lowest = min(value for _, value in points)
            best = next(lr for lr, value in points if value == lowest)
            line = [(lr / best, value / lowest) for lr, value in points]
            axes.plot(*zip(*line), "o-", ms=4, color=COLOR[optimizer], label=optimizer)
        axes.axhline(2, color=MUTED, ls=":", lw=1)
        axes.set(xscale="log", yscale="log", xlabel="α over the best α", title=name)
        axes.set_xticks([1 / 4, 1 / 2, 1, 2, 4], labels=["¼", "½", 1, 2, 4])
        axes.minorticks_off()
        top = axes.get_ylim()[1]
        ticks = [t for t in (1, 2, 5, 10, 100, 1000) if t < top]
        axes.set_yticks(ticks, labels=ticks)
    panels[0].set_ylabel("cost over the lowest")
    panels[0].legend()


def within_twice(grid: dict[str, float]) -> str:
    """Return the range of α in which the final cost is below twice the lowest."""
    lowest = min(grid.values())
    good = [float(lr) for lr, value in grid.items() if value < 2 * lowest]
    return f"{min(good):.2g} to {max(good):.2g}"


@claim(
    "C12",
    "abstract; Algorithm 1",
    quotes="The hyper-parameters have intuitive interpretations and typically require little "
    "tuning.",
    says="Adam suffers less from a wrong α than Nesterov momentum does.",
    asks="The networks of C1 and C6, Adam and SGD with Nesterov momentum at a quarter and at four "
    "times their best α: by how many factors of 2 the training cost is higher than at the best, "
    "the mean of both sides. Adam's less SGD's, seeds paired.",
    holds_if="the 95% intervals of the difference lie below 0 on both networks",
    fails_if="one of them lies above 0",
    paper="",
    draw=draw_sensitivity,
)
def little_tuning(run):
    """Set both optimizers wrong by the same factor; and Adam to its defaults."""
    gaps, told, numbers = {}, [], {}
    for name, result, trial, settings, seeds in networks(run):
        costs = off(run, result, trial, settings, seeds)
        lost = {of: penalty(costs[of]) for of in NAMES}
        gaps[name] = paired(*lost.values())
        grids = {of: dict(result[of]["grid"]) for of in NAMES}
        for of in NAMES:  # the grid's seeds are others than the judged ones: only what it lacks
            for lr, values in costs[of].items():
                grids[of].setdefault(lr, sum(values) / len(values))
        default = [
            cost(run.trial(trial, optimizer="Adam", lr=DEFAULT, **settings, seed=s))
            for s in run.seeds(seeds)
        ]
        best = {of: result[of]["finals"][:seeds] for of in NAMES}
        told.append(
            f"{name}: off by {OFF:g}, Adam loses {interval(lost['Adam']).text()} and SGD "
            f"{interval(lost['SGD, Nesterov']).text()} factors of 2; below twice the lowest cost "
            f"are α of {within_twice(grids['Adam'])} and {within_twice(grids['SGD, Nesterov'])}; "
            f"Adam at its default α = {DEFAULT:g} has {ratio(default, best['Adam']).text()} times "
            f"the cost of tuned Adam (α {result['Adam']['lr']:g}) and "
            f"{ratio(default, best['SGD, Nesterov']).text()} times that of tuned SGD"
        )
        numbers[name] = {"grids": grids, "costs": costs, "default": default}
    regime = run.scale == "paper"
    judged = every([judge(gap, below=0, paper_regime=regime) for gap in gaps.values()])
    first, second = (gap.text() for gap in gaps.values())
    seeds = [of[-1] for of in networks(run)]
    left = if_open(judged, BETWEEN)
    # Nearer to 0 than a quarter of the interval's half width:
    near = (of := judged.interval) and abs(of.mean) < (of.high - of.low) / 8
    if near and "would_decide" in left:
        left["would_decide"] = "No difference found: it is too near to zero."
    return Finding(
        judged,
        ours=f"Adam − SGD, factors of 2: {first} (dropout), {second} (convolutional)",
        ran=f"{dropout_network.described(run, seeds[0])} {convolutional.described(run, seeds[1])} "
        "A run that diverged counts as a net at chance, ln 10 nats. The figure shows the "
        "tuning seeds, and the judged ones where it has no others. An earlier rule, replaced: "
        "Adam's defaults below tuned SGD; that comparison is told beside.",
        measured=f"{'. '.join(told)}.",
        numbers=numbers,
        **left,
    )


@claim(
    "C18",
    "§2.1; §1",
    quotes="the SNR value typically becomes closer to 0 towards an optimum, leading to smaller "
    "effective steps in parameter space: a form of automatic annealing",
    says="The ratio m̂/√v̂ shrinks as training goes on.",
    asks="The mean of |m̂/√v̂| over all parameters after the last pass, less that after the first, "
    "in the networks of C1 and C6, Adam at its best α.",
    holds_if="the 95% intervals of the difference lie below 0 in both networks",
    fails_if="one of them lies above 0",
    paper="",
)
def annealing(run):
    """Compare the end with the beginning."""
    found = {}
    for name, (result, _) in (
        ("dropout", dropout_network.measure(run)),
        ("convolutional", convolutional.measure(run)),
    ):
        sizes = [[size[0] for size in r["sizes"]] for r in result["Adam"]["runs"]]
        found[name] = (sizes, paired([s[-1] for s in sizes], [s[0] for s in sizes]))
    regime = run.scale == "paper"
    judged = every([judge(gap, below=0, paper_regime=regime) for _, gap in found.values()])
    first, second = (gap.text() for _, gap in found.values())
    told = "; ".join(
        f"{name}: {sum(s[0] for s in sizes) / len(sizes):.3f} after the first pass, "
        f"{sum(s[-1] for s in sizes) / len(sizes):.3f} after the last"
        for name, (sizes, _) in found.items()
    )
    return Finding(
        judged,
        ours=f"change {first} (dropout), {second} (convolutional)",
        ran=f"{dropout_network.described(run, len(found['dropout'][0]))} "
        f"{convolutional.described(run, len(found['convolutional'][0]))}",
        measured=f"Mean |m̂/√v̂|, {told}.",
        numbers={name: sizes for name, (sizes, _) in found.items()},
        **if_open(judged, BETWEEN),
    )
