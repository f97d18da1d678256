"""The range of initial weights (App. A)."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, RED
from ..lab.statistics import HOLDS, REFUTED
from ..layers import init_lecun
from ..lenet import LeNet5
from ..second_order import SCHEDULE
from ..train import fit
from .compare import mean, percent
from .data import for_lenet, named

LAYERS = ("c1", "s2", "c3", "s4", "c5", "f6")


def start(run, rule, seed):
    """Return the spread of the sums in each layer before training, and errors in training."""
    x, y = for_lenet(run)["train"]
    many, passes = run.pick(test=(20, 1), default=(1000, 4), full=(5000, 3))
    net = LeNet5()
    init_lecun(net, sqrt=rule == "2.4/√F")
    net = net.to(run.device)
    spreads, states = {}, x[:500]
    named_layers = {id(getattr(net, name)): name for name in LAYERS}
    with torch.no_grad():
        for layer in net.layers:
            states = layer(states)
            if id(layer) in named_layers:
                spreads[named_layers[id(layer)]] = states.std().item()
    errors = [
        done.error
        for done in fit(net, x[:many], y[:many], net.rbf.loss_map, schedule=[SCHEDULE[0]] * passes,
                        batch_size=10, curvature_patterns=run.pick(test=10, default=100, full=500),
                        track=run.track)
    ]  # fmt: skip
    with torch.no_grad():
        for layer in net.layers:
            x = layer(x[:500])
    saturated = (x.abs() > 1.7).float().mean().item()  # |f| < 1.7159
    return {"spreads": spreads, "errors": errors, "saturated": saturated}


def draw_start(figure, numbers):
    """Draw the spread of the sums by layer for both rules."""
    axes = figure.subplots()
    axes.axhspan(0.1, 2, color=GREEN, alpha=0.15, lw=0)
    axes.text(5.2, 0.13, "where f bends", color=GREEN, ha="right")
    for rule, color in (("2.4/F", RED), ("2.4/√F", BLUE)):
        for i, spreads in enumerate(numbers[rule]["spreads"]):
            label = f"±{rule}" + (", as printed" if rule == "2.4/F" else "")
            values = [spreads[name] for name in LAYERS]
            axes.plot(range(6), values, "o-", ms=3.5, color=color, label=None if i else label)
    axes.set_xticks(range(6), [name.upper() for name in LAYERS])
    axes.set(yscale="log", ylabel="standard deviation of the sums")
    axes.legend(loc="lower left")


@claim(
    "C9",
    "1998, App. A",
    says="Initial weights from ±2.4/F give the sums of all units the same range.",
    asks="Initial weights from ±2.4/F, F the fan-in, give the weighted sums of all units the same "
    "range, in the normal operating region of the sigmoid.",
    draw=draw_start,
)
def initial_weights(run):
    """Judge the sums before training; print what becomes of the net with the published rates."""
    seeds = run.seeds(run.pick(test=1, default=3))
    trials = {r: [run.trial(start, rule=r, seed=s) for s in seeds] for r in ("2.4/F", "2.4/√F")}
    smallest, largest = (
        {r: pick(t["spreads"].values() for t in ts) for r, ts in trials.items()}
        for pick in (lambda rows: min(map(min, rows)), lambda rows: max(max(row) for row in rows))
    )
    # The same range: within a factor of ten of each other. The operating region: a standard
    # deviation from 0.1, where f is still a straight line to 0.2%, to 2, where it is flat.
    r = "2.4/F"
    holds = largest[r] <= 10 * smallest[r] and smallest[r] > 0.1 and largest[r] < 2
    final = {r: [t["errors"][-1] for t in ts] for r, ts in trials.items()}
    saturated = {r: mean([t["saturated"] for t in ts]) for r, ts in trials.items()}
    many, passes = run.pick(test=(20, 1), default=(1000, 4), full=(5000, 3))
    return Finding(
        HOLDS if holds else REFUTED,
        ran=f"LeNet-5, {len(seeds)} seeds; sums over 500 images of {named(run)}; then {passes} "
        f"passes over {many:,} with η = 0.0005, μ = 0.02, eq. 9.",
        measured="Standard deviation of the sums, from the layer with the smallest to the one with "
        f"the largest: ±2.4/F {smallest['2.4/F']:.1e} to {largest['2.4/F']:.2f}, ±2.4/√F "
        f"{smallest['2.4/√F']:.2f} to {largest['2.4/√F']:.2f}. Training error in the last pass: "
        f"±2.4/F {percent(final['2.4/F'])} with {100 * saturated['2.4/F']:.0f}% of F6 saturated, "
        f"±2.4/√F {percent(final['2.4/√F'])} with {100 * saturated['2.4/√F']:.0f}%.",
        numbers={
            r: {"spreads": [t["spreads"] for t in ts], "errors": [t["errors"] for t in ts]}
            for r, ts in trials.items()
        },
    )
