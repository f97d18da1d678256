"""C3a: learning rates and first weights that train (§3.3, §4.2)."""

import math

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import rounded
from .data import data_of, images
from .side_by_side import BATCH, Setting, nets, train
from .sigmoid_nets import LOOKS

RELU_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
STDS = (0.01, 0.1, 1.0)


def relu_nets(run, seed):
    """Train ReLU nets at every rate from three sizes of weights; return their training losses."""
    x, y, _, _ = images(run)
    steps = run.pick(test=5, default=400, full=1000)
    grid = [(kind, std, lr) for kind in ("batch", "none") for std in STDS for lr in RELU_RATES]
    net = nets([Setting(kind, lr, std) for kind, std, lr in grid], "relu", x.shape[1], seed)
    for _ in train(run, net, x, y, steps, BATCH, f"ReLU nets, seed {seed}"):
        pass
    losses = rounded(net.evaluate(x[:2000], y[:2000])[0])
    return [[*setting, loss] for setting, loss in zip(grid, losses)]


def draw_c3(figure, numbers):
    """Draw the training loss against the rate, a panel for each size of weights."""
    figure.set_size_inches(6.4, 2.8)
    for axes, std in zip(figure.subplots(1, 3, sharey=True), STDS):
        for kind, name in (("batch", "batch norm"), ("none", "without")):
            for losses in numbers["losses"][kind][str(std)]:
                shown = [math.nan if loss is None else max(loss, 1e-3) for loss in losses]
                axes.plot(RELU_RATES, shown, ".-", color=LOOKS[name][0], lw=1)
            axes.plot([], [], ".-", color=LOOKS[name][0], label=name)
        axes.axhline(numbers["level"], color=AMBER, lw=0.8)
        axes.set(xscale="log", yscale="log", title=f"weights of std {std:g}", ylim=(8e-4, 20))
        axes.set_xlabel("learning rate")
        if std == STDS[0]:
            axes.set_ylabel("training loss (nats)")
            axes.legend(fontsize=7)


@claim(
    "C3a",
    "§3.3; §4.2.1, §4.2.2",
    "Batch norm allows much larger learning rates; the initial weights' size matters little.",
    draw_c3,
    asks="With batch norm much larger learning rates can be used, and the initial weights' size "
    "matters little (the paper's Inception diverged at 5 times its rate, and learned with batch "
    "norm at 30).",
)
def larger_rates(run):
    """Judge the largest rate that trains, and whether each size of weights can be trained."""
    trials = [run.trial(relu_nets, seed=s) for s in run.seeds(run.pick(test=2, default=3))]
    level = 0.3  # nats: about nine in ten right
    losses = {
        kind: {
            str(std): [
                [row[3] for row in trial if row[0] == kind and row[1] == std] for trial in trials
            ]
            for std in STDS
        }
        for kind in ("batch", "none")
    }

    def working(kind, std):
        columns = zip(RELU_RATES, zip(*losses[kind][str(std)]))
        return [lr for lr, column in columns if all(v is not None and v < level for v in column)]

    ranges = {kind: {str(std): working(kind, std) for std in STDS} for kind in losses}
    largest = {kind: max(ranges[kind]["0.1"], default=0.0) for kind in ranges}
    # The grid has about three rates a decade: a factor of 3 is one step on it.
    holds = largest["batch"] >= 2.9 * largest["none"] and all(ranges["batch"].values())

    def said(kind):
        return ", ".join(
            f"{min(rates):g} to {max(rates):g} from std {std}" if rates else f"none from std {std}"
            for std, rates in ranges[kind].items()
        )

    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"The net of Fig. 1 with ReLU on {data_of(run)}, "
        f"{run.pick(test=5, default=400, full=1000):,} steps, rates {RELU_RATES[0]:g} to "
        f"{RELU_RATES[-1]:g}, {len(trials)} seeds; a rate works if every seed ends with a training "
        f"loss below {level} nats.",
        measured=f"Rates that work with batch norm: {said('batch')}; without: {said('none')}.",
        numbers={"losses": losses, "ranges": ranges, "level": level},
        between="Three hidden layers, where the paper has some thirty, and no momentum.",
    )
