"""§6.3, Fig. 3: a convolutional network, and whether v̂ vanishes in it."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.statistics import Interval, every, judge, paired, ratio
from . import dropout_network
from .data import pictures
from .training import (
    OPTIMIZERS,
    TUNED,
    descend,
    draw_curves,
    if_open,
    last,
    plain_ticks,
    race,
    ranking,
)

EPS = 1e-8  # Algorithm 1
NAMES = ("Adam", "SGD, Nesterov")


def passes(run) -> int:
    """Return how many passes over the data a run has: the paper's 45."""
    return run.pick(test=2, default=20, full=45)


def batch(run) -> int:
    """Return the batch: the paper's 128; where there are few pictures, a quarter of it.

    With 128 of 2,000 pictures 45 passes are 720 steps, of which no optimizer is done.
    """
    return run.pick(test=32, default=32, paper=128)


def network(run, channels: int, side: int, dropout: float) -> nn.Sequential:
    """Return three stages of 5x5 convolution and 3x3 max pooling with stride 2, and 1000 ReLUs."""
    widths = run.pick(test=(4, 4, 4, 8), default=(8, 8, 16, 64), full=(16, 16, 32, 250),
                      paper=(64, 64, 128, 1000))  # fmt: skip
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for width in widths[:3]:
        layers += [nn.Conv2d(channels, width, 5, padding=2), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2, padding=1)]
        channels, side = width, (side + 1) // 2
    layers += [nn.Flatten(), nn.Linear(channels * side * side, widths[3]), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(widths[3], 10))


def second_moments(optimizer) -> list[float]:
    """Return quantiles (.1, .5, .9) of √v̂, the shares where √v̂ < ε and where v̂ < ε."""
    roots = []
    for group in optimizer.param_groups:
        for param in group["params"]:
            state = optimizer.state[param]
            correction = 1 - group["betas"][1] ** float(state["step"])
            roots.append((state["exp_avg_sq"] / correction).sqrt().flatten())
    roots = torch.cat(roots).cpu().sort().values
    quantiles = [roots[int(q * (len(roots) - 1))].item() for q in (0.1, 0.5, 0.9)]
    return [*quantiles, *((x < EPS).float().mean().item() for x in (roots, roots**2))]


def train_cnn(run, optimizer, lr, dropout, batch, seed):
    """Return the training cost of the convolutional net; for Adam also the size of √v̂."""
    x, y = pictures(run)
    count = run.pick(test=200, default=len(x))
    x, y = x[:count], y[:count]
    model = network(run, *x.shape[1:3], dropout).to(run.device)
    opt = OPTIMIZERS[optimizer](model.parameters(), lr=lr)
    moments, sizes = [], []

    def after_pass():
        if optimizer == "Adam":
            moments.append(second_moments(opt))
            sizes.append(dropout_network.sizes_of_steps(opt))

    curve = descend(
        run,
        opt,
        lambda i: F.cross_entropy(model(x[i]), y[i]),
        len(x),
        run.track(range(passes(run)), f"{optimizer}, α = {lr:g}"),
        batch=batch,
        after_pass=after_pass,
    )
    result = {"final": last(curve, passes(run)), "curve": curve}
    return result | ({"moments": moments, "sizes": sizes} if optimizer == "Adam" else {})


def settings(run, dropout: float = 0.0) -> dict[str, Any]:
    """Return what all trials share."""
    return {"batch": batch(run), "dropout": dropout}


def tuning(run) -> tuple[int, ...]:
    """Return on how many seeds step sizes are tuned: a low cost of one seed may be luck here."""
    return run.pick(test=(1, 2), default=(1,), full=(3, 8))


def measure(run, names=(*NAMES, "AdaGrad"), looked_at: bool = False):
    """Race the three optimizers of Fig. 3, without dropout; or others.

    Sixteen seeds had been looked at before it was known how many are needed: judged are others.
    """
    rates = {"Adam": 1e-3, "SGD, Nesterov": 8e-3, "AdaGrad": 0.01, "RMSProp": 5e-4}
    starts = {name: rates[name] for name in names}
    old = run.pick(test=0, default=0, full=16)
    seeds = run.pick(test=2, default=3, full=16 if looked_at else 24)
    after = 0 if looked_at else old
    if run.scale == "paper":  # Fig. 3 has both; the claims are judged without
        race(run, train_cnn, starts, seeds, tuning(run), after=after, **settings(run, 0.5))
    return race(run, train_cnn, starts, seeds, tuning(run), after=after, **settings(run)), seeds


def described(run, seeds) -> str:
    """Return what was run."""
    net = run.pick(
        test="A tiny net",
        default="c8-c8-c16-64 on 1,437 digits of 8 by 8",
        full="c16-c16-c32-250 on 2,000 whitened pictures of Fashion-MNIST of 14 by 14 (the paper: "
        "c64-c64-c128-1000 on CIFAR-10's 50,000 of 32 by 32)",
        paper="c64-c64-c128-1000 on CIFAR-10, whitened",
    )
    first, *more = tuning(run)
    on = f"{first} of them" + "".join(f", {n} where it is within ten times the best" for n in more)
    return (
        f"{net}, 5x5 convolutions, 3x3 max pooling with stride 2, no dropout, batch {batch(run)} "
        f"(the paper: 128), {passes(run)} passes (the paper: 45); {TUNED}, {on}; {seeds} seeds. "
        f"The cost is the mean over the last three passes. {EARLIER}"
    )


def draw_cnn(figure, numbers):
    """Draw the training cost of the three against passes."""
    axes = figure.subplots()
    draw_curves(axes, numbers)
    plain_ticks(axes.yaxis, range(-3, 1))
    axes.legend(title="band: all seeds", loc="lower left")


EARLIER = (
    "Earlier experiments, replaced: batch 128, 720 steps, α tuned on one seed, 5 seeds; Adam 0.014 "
    "± 0.016, SGD 0.05 ± 0.13, AdaGrad 0.22 ± 0.10: C6b and C7 undecided, C8 not seen. Then this "
    "one with three tuning seeds, which chose α = .002 for Adam, where four of the eight judged "
    "runs had not settled by the end: Adam/SGD 0.9 [0.1, 6.1], AdaGrad/Adam 35 [6, 192], "
    "AdaGrad/SGD 31.2 [23.4, 41.6], RMSProp/Adam 7 [1, 55]: C6b, C7 and C20a undecided, C6a and C8 "
    "not seen, C20b held. More seeds tune now. On the first eight judged ones that gave Adam/SGD "
    "0.415 [0.335, 0.514] and AdaGrad/SGD 21 [11, 41], C6b and C7 undecided, C6a held; with "
    "eight more C6a (−0.049 ± 0.082 nats) and C7 (0.463 [0.400, 0.536]) were undecided, C6b not "
    "seen. An interval that is looked at until it decides is none, so these sixteen are put aside "
    "and 24 others judged, whose number was fixed before. The rules are the same throughout. "
    "The grid decides much: a factor of 2 in α changes the cost 7 to 37 times."
)
BETWEEN = "Small grey pictures, a twenty-fifth as many and a much smaller net; CIFAR-10 is harder."


@claim(
    "C6a",
    "§6.3, Fig. 3 left",
    quotes="both Adam and Adagrad make rapid progress lowering the cost in the initial stage of "
    "the training",
    says="In a convolutional net Adam and AdaGrad are first ahead of momentum.",
    asks="The mean training cost in the first pass, less that of SGD with Nesterov momentum, at "
    "the α that is best after 45 passes. In Fig. 3 AdaGrad is ahead of SGD in the first pass only.",
    holds_if="the 95% intervals of (Adam − SGD) and of (AdaGrad − SGD) both lie below 0",
    fails_if="one of them lies above 0",
    paper="after one pass 1.17 and 1.58 against 2.07 nats (read off)",
)
def rapid_at_first(run):
    """Compare the three in their first pass."""
    result, seeds = measure(run)
    at = {n: [r["curve"][0] for r in of["runs"]] for n, of in result.items()}
    gaps = {n: paired(at[n], at["SGD, Nesterov"]) for n in ("Adam", "AdaGrad")}
    judged = every([judge(g, below=0, paper_regime=run.scale == "paper") for g in gaps.values()])
    told = "; ".join(
        f"in pass {p}: "
        + ", ".join(
            f"{n} {sum(r['curve'][p - 1] for r in of['runs']) / seeds:.3f}"
            for n, of in result.items()
        )
        for p in (1, 2, min(3, passes(run)))
    )
    return Finding(
        judged,
        ours=f"Adam − SGD {gaps['Adam'].text()}, AdaGrad − SGD {gaps['AdaGrad'].text()} nats",
        ran=described(run, seeds),
        measured=f"Training cost {told}. Chance is ln 10 = 2.303.",
        numbers=at,
        **if_open(judged, BETWEEN),
    )


FAR = (
    "AdaGrad ends far behind both; what is not seen is the line, half of Fig. 3's distance on its "
    f"logarithmic scale. {BETWEEN}"
)


@claim(
    "C6b",
    "§6.3, Fig. 3 right",
    quotes="Adam and SGD eventually converge considerably faster than Adagrad for CNNs",
    says="In a convolutional net Adam and SGD end 35 times below AdaGrad or more.",
    asks="The training cost after 45 passes: AdaGrad's over that of the worse of Adam and SGD with "
    "Nesterov momentum, seeds paired.",
    holds_if="the 95% intervals of both ratios lie above 35: half of the distance in Fig. 3 on its "
    "logarithmic scale, where SGD's is 1,200",
    fails_if="one of them lies below 35",
    paper="about .6 against .0004 and .0005 nats (read off)",
    draw=draw_cnn,
)
def adagrad_is_slow(run):
    """Compare AdaGrad with the two others."""
    result, seeds = measure(run)
    ratios = [ratio(result["AdaGrad"]["finals"], result[name]["finals"]) for name in NAMES]
    judged = every([judge(r, above=35, paper_regime=run.scale == "paper") for r in ratios])
    return Finding(
        judged,
        ours=f"AdaGrad/Adam {ratios[0].text()}, AdaGrad/SGD {ratios[1].text()}",
        ran=described(run, seeds),
        measured=f"Training cost: {ranking(result)}.",
        numbers=result,
        **if_open(judged, FAR),
    )


MARGINAL = f"Below 0.5 the improvement is larger than a marginal one. {BETWEEN}"


@claim(
    "C7",
    "§6.3, Fig. 3 right",
    quotes="Adam shows marginal improvement over SGD with momentum",
    says="In a convolutional net Adam ends a little lower than Nesterov momentum.",
    asks="The same runs: the training cost of Adam over that of SGD, seeds paired.",
    holds_if="the 95% interval of the ratio lies within 0.5 and 1: an improvement, and one that is "
    "marginal, as in Fig. 3, where it is .8",
    fails_if="it lies outside",
    paper="about .0004 against .0005 nats (read off)",
)
def marginal_improvement(run):
    """Compare Adam with SGD."""
    result, seeds = measure(run)
    found = ratio(result["Adam"]["finals"], result["SGD, Nesterov"]["finals"])
    judged = judge(found, within=(0.5, 1), paper_regime=run.scale == "paper")
    return Finding(
        judged,
        ours=f"Adam/SGD: {found.text()}",
        ran=described(run, seeds),
        measured=f"Training cost: {ranking(result)}.",
        numbers=result,
        **if_open(judged, MARGINAL),
    )


def percent(share) -> str:
    """Return the interval of a share as text, in percent."""
    scaled = Interval(100 * share.mean, 100 * share.low, 100 * share.high, share.n)
    return scaled.text() + "%"
