"""C5: batch norm as a regularizer, beside dropout (§3.4, §4.2.1)."""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import error, mean, rounded
from .data import data_of, images
from .side_by_side import Setting, nets, train
from .sigmoid_nets import LOOKS

DROPS, DROP_RATES = (0.0, 0.3, 0.5), (0.01, 0.03, 0.1)


def dropout_nets(run, seed):
    """Train on few examples, with and without norm and dropout; return errors and losses."""
    x, y, x_test, y_test = images(run)
    few = run.pick(test=40, default=200, full=1000)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    fit, held = order[:few], order[few : few + 5000]
    epochs, size = run.pick(test=1, default=40), 20
    grid = [(k, p, lr) for k in ("batch", "none") for p in DROPS for lr in DROP_RATES]
    settings = [Setting(k, lr, dropout=p) for k, p, lr in grid]
    net = nets(settings, "relu", x.shape[1], seed, momentum=0.9)
    for _ in train(run, net, x[fit], y[fit], epochs * few // size, size, f"dropout, seed {seed}"):
        pass
    _, held_right = net.evaluate(x[held], y[held])
    loss, right = net.evaluate(x_test, y_test)
    columns = rounded(1 - held_right), rounded(1 - right), rounded(loss)
    return [[*setting, *values] for setting, *values in zip(grid, *columns)]


def draw_c5(figure, numbers):
    """Draw test error and test loss against the strength of dropout."""
    figure.set_size_inches(6.4, 2.8)
    for axes, key in zip(figure.subplots(1, 2), ("error", "loss")):
        for kind, name in (("batch", "batch norm"), ("none", "without")):
            values = [numbers[kind][str(p)][key] for p in DROPS]
            axes.errorbar(
                DROPS, [mean(v) for v in values], [error(v) for v in values], marker="o",
                color=LOOKS[name][0], label=name, capsize=2,
            )  # fmt: skip
        axes.set(xlabel="probability of dropping", ylabel=f"test {key}", xticks=DROPS)
    axes.legend()


@claim(
    "C5",
    "§3.4, §4.2.1",
    "Batch norm regularizes: it improves generalization, and dropout can be removed.",
    draw_c5,
)
def regularizes(run):
    """Judge test errors with norm, without, and with dropout, each at its own rate."""
    trials = [
        run.trial(dropout_nets, seed=s) for s in run.seeds(run.pick(test=2, default=3, full=5))
    ]
    numbers: dict = {"batch": {}, "none": {}}
    for kind, drop in [(k, p) for k in numbers for p in DROPS]:
        by_rate = {
            lr: [row for t in trials for row in t if row[:3] == [kind, drop, lr]]
            for lr in DROP_RATES
        }
        # The rate by images that are in neither set.
        lr = min(DROP_RATES, key=lambda r: mean([row[3] for row in by_rate[r]]))
        errors, losses = [row[4] for row in by_rate[lr]], [row[5] or 99.0 for row in by_rate[lr]]
        numbers[kind][str(drop)] = {"lr": lr, "error": errors, "loss": losses}
    norm, plain = numbers["batch"]["0.0"]["error"], numbers["none"]["0.0"]["error"]
    best = min((numbers["none"][str(p)]["error"] for p in DROPS[1:]), key=mean)
    improves = [a - b for a, b in zip(norm, plain)]
    replaces = [a - b for a, b in zip(norm, best)]
    better = mean(improves) < -2 * error(improves)
    # Half a point: dropout "can be removed" if that costs no more.
    as_good = mean(replaces) <= 0.005
    said = "; ".join(
        f"{name}, dropout {p:g}: {100 * mean(n['error']):.2f} ± {100 * error(n['error']):.2f}% and "
        f"{mean(n['loss']):.3f} nats"
        for kind, name in (("batch", "batch norm"), ("none", "without"))
        for p in DROPS
        for n in [numbers[kind][str(p)]]
    )
    return Finding(
        HOLDS if better and as_good else NOT_SEEN,
        ran=f"The net of Fig. 1 with ReLU on {run.pick(test=40, default=200, full=1000):,} images "
        f"of {data_of(run)}, {run.pick(test=1, default=40)} epochs, batches of 20, momentum .9, "
        f"rates of {DROP_RATES} chosen on other images, {len(trials)} seeds.",
        measured=f"Test error and loss: {said}. Batch norm against neither "
        f"{100 * mean(improves):+.2f} ± {100 * error(improves):.2f} points, against the best "
        f"dropout {100 * mean(replaces):+.2f} ± {100 * error(replaces):.2f}.",
        numbers=numbers,
        between="The paper compares large nets on ImageNet, which see each image few times; here a "
        "small net sees a few images forty times, where dropout is strongest.",
    )
