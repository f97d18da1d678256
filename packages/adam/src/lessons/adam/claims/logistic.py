"""§6.1, Fig. 1 left: logistic regression on dense features."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.figures import MUTED
from ..lab.statistics import every, judge, paired
from .data import images
from .training import (
    OPTIMIZERS,
    TUNED,
    UNDECAYED,
    descend,
    draw_curves,
    if_open,
    last,
    mean_cost,
    race,
    ranking,
)

PENALTY = 1e-4  # the paper gives none; with this the minimum, .2655, is near its .26
NAMES = ("Adam", "SGD, Nesterov", "AdaGrad")
SIMILAR = 0.016  # nats: twice the distance of Adam from SGD in Fig. 1 after 45 passes, .008


def penalized(weight, logits, labels):
    """Return the training cost: negative log likelihood and L2 penalty."""
    return F.cross_entropy(logits, labels) + 0.5 * PENALTY * weight.square().sum()


def passes(run) -> int:
    """Return how many passes over the data a run has: the paper's 45."""
    return run.pick(test=2, default=45)


def train_logistic(run, optimizer, lr, decay, seed):
    """Return the training cost (nats) of multi-class logistic regression after each pass."""
    x, y = images(run)
    model = nn.Linear(x.shape[1], 10, device=run.device)
    nn.init.normal_(model.weight, std=0.01)
    groups = [
        {"params": [model.weight], "weight_decay": PENALTY},  # its gradient is the penalty's
        {"params": [model.bias], "weight_decay": 0.0},
    ]
    opt, costs = OPTIMIZERS[optimizer](groups, lr=lr), []

    @torch.no_grad()
    def after_pass():
        costs.append(penalized(model.weight, model(x), y).item())

    track = run.track(range(passes(run)), f"{optimizer}, α = {lr:g}")
    loss = lambda i: F.cross_entropy(model(x[i]), y[i])  # noqa: E731
    descend(run, opt, loss, len(x), track, decay=decay, after_pass=after_pass)
    return {"final": last(costs, passes(run), of=1), "curve": costs}


def minimum(run):
    """Return the lowest training cost there is, by L-BFGS."""
    x, y = images(run)
    model = nn.Linear(x.shape[1], 10, device=run.device)
    nn.init.zeros_(model.weight)
    steps = run.pick(test=5, default=100)
    opt = torch.optim.LBFGS(
        model.parameters(), max_iter=steps, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure():
        opt.zero_grad()
        loss = penalized(model.weight, model(x), y)
        loss.backward()
        return loss

    opt.step(closure)
    return closure().item()


def ends(run):
    """Race Adam and SGD for the cost at the end."""
    starts = run.pick(test=(1.0, 8.0), default=(1.0, 8.0), full=(0.25, 2.0))
    seeds = run.pick(test=2, default=3)
    return race(run, train_logistic, dict(zip(NAMES, starts)), seeds, decay=True)


def speeds(run):
    """Race the three for the mean cost over all passes; AdaGrad once more without α/√t."""
    desk, mnist = (1.0, 8.0, 4.0, 1.0), (0.25, 2.0, 1.0, 0.25)
    *starts, constant = run.pick(test=desk, default=desk, full=mnist)
    seeds = run.pick(test=2, default=3, full=5)
    result = race(
        run, train_logistic, dict(zip(NAMES, starts)), seeds, measure=mean_cost, decay=True
    )
    alone = race(run, train_logistic, {"AdaGrad": constant}, seeds, measure=mean_cost, decay=False)
    return result | {UNDECAYED: alone["AdaGrad"]}


def described(run, result) -> str:
    """Return what was run."""
    data = run.pick(test="digits", default="1,437 digits of 8 by 8", full="MNIST's 60,000 images")
    counts = [len(r["grid"]) for r in result.values()]
    return (
        f"Softmax regression on {data}, L2 penalty {PENALTY:g}/2, batch 128, the paper's 45 passes;"
        f" {TUNED} ({min(counts)} to {max(counts)} runs each); "
        f"{len(result['Adam']['finals'])} seeds. The measure is the training cost with its penalty,"
        " over all images after each pass."
    )


def draw_logistic(figure, numbers):
    """Draw the training cost of the three against passes."""
    axes = figure.subplots()
    draw_curves(axes, numbers["race"])
    axes.axhline(numbers["minimum"], color=MUTED, ls=":", lw=1)
    low = numbers["minimum"]
    axes.set(yscale="linear", ylim=(0.97 * low, 1.7 * low))
    axes.legend(title="band: all seeds; dotted: the minimum")


EARLIER = (
    "Earlier experiments, replaced: 20 passes without the penalty, 5 seeds; Adam 0.224, AdaGrad "
    "0.231, SGD 0.250. Then the cost after 45 passes with the penalty: AdaGrad too was at the "
    "minimum by then, so that the end tells nothing of who was faster. No single reading of "
    "AdaGrad gives both panels of Fig. 1 here: with its own decay alone it is about as fast "
    "as the others on dense features, with α/√t too it is behind SGD on sparse ones (C4)."
)
BETWEEN = "Small digits are nearly separable; the paper has MNIST."
PAPERS = "AdaGrad about .46 nats after 45 passes, Adam and SGD .26 (read off)"


@claim(
    "C2",
    "§6.1, Fig. 1 left",
    quotes="we found that the Adam yields similar convergence as SGD with momentum",
    says="On dense logistic regression Adam ends as low as Nesterov momentum.",
    asks="L2-regularized multi-class logistic regression with minibatches of 128 and α/√t, 45 "
    "passes over MNIST: the training cost at the end, seeds paired.",
    holds_if=f"the 95% interval of (Adam − SGD) lies within ±{SIMILAR} nats, twice the distance of "
    "the two curves in Fig. 1",
    fails_if="it lies outside",
    paper="about .257 and .265 nats (read off)",
)
def similar_to_sgd(run):
    """Compare the costs after 45 passes."""
    result, least = ends(run), run.trial(minimum)
    gap = paired(result["Adam"]["finals"], result["SGD, Nesterov"]["finals"])
    judged = judge(gap, within=(-SIMILAR, SIMILAR), paper_regime=run.scale in ("full", "paper"))
    return Finding(
        judged,
        ours=f"Adam − SGD: {gap.text(unit='nats')}",
        ran=f"{described(run, result)} Both with α/√t, tuned for the cost at the end. An earlier "
        "experiment, replaced: 20 passes without the penalty, 5 seeds; Adam 0.224, SGD 0.250.",
        measured=f"Training cost after 45 passes: {ranking(result)}; the minimum is {least:.4f}.",
        numbers={"race": result, "minimum": least},
        **if_open(judged, BETWEEN),
    )


NOT_THE_PAPERS = (
    'AdaGrad\'s α is constant here, where §6.1 decays α in "our logistic regression experiments"; '
    "and momentum is .9, where §6 searched it."
)


def faster_than(run, name: str):
    """Compare the mean costs of Adam and SGD over all passes with those of one AdaGrad."""
    result, least = speeds(run), run.trial(minimum)
    regime = run.scale in ("full", "paper") and name != UNDECAYED
    adagrad = result[name]["finals"]
    gaps = [paired(result[other]["finals"], adagrad) for other in NAMES[:2]]
    judged = every([judge(gap, below=0, paper_regime=regime) for gap in gaps])
    ends = ", ".join(
        f"{name} {sum(r['final'] or math.nan for r in of['runs']) / len(of['runs']):.4f}"
        for name, of in result.items()
    )
    excess = ", ".join(f"{name} {of['mean'] - least:.4f}" for name, of in result.items())
    return Finding(
        judged,
        ours=f"Adam − AdaGrad {gaps[0].text()}, SGD − AdaGrad {gaps[1].text()} nats",
        ran=f"{described(run, result)} Tuned for the mean cost over the passes. {EARLIER}",
        measured=f"Mean cost over the passes: {ranking(result)}. Less the minimum, {least:.4f}: "
        f"{excess}. After the last pass: {ends}.",
        numbers={"race": result, "minimum": least},
        **if_open(judged, NOT_THE_PAPERS if name == UNDECAYED else BETWEEN),
    )


ASKS = (
    "The training cost of C2's regression, averaged over the 45 passes: the area under the curve "
    "of Fig. 1. α tuned for that mean, seeds paired. "
)
HOLDS = "the 95% intervals of (Adam − AdaGrad) and of (SGD − AdaGrad) both lie below 0"


@claim(
    "C3a",
    "§6.1, Fig. 1 left",
    quotes="both converge faster than Adagrad",
    says="With α/√t for all, Adam and momentum fall faster than AdaGrad.",
    asks=ASKS + "§6.1 decays α by 1/√t and excepts none, so AdaGrad's α falls too.",
    holds_if=HOLDS,
    fails_if="one of them lies above 0",
    paper=PAPERS,
    draw=draw_logistic,
)
def faster_than_adagrad(run):
    """Compare both with AdaGrad as §6.1 has it."""
    return faster_than(run, "AdaGrad")


@claim(
    "C3b",
    "§6.1, Fig. 1 left",
    quotes="both converge faster than Adagrad",
    says="They also fall faster than AdaGrad with its own decay alone.",
    asks=ASKS + "AdaGrad's α is constant: by §5 its sum of squares is a decay by 1/√t already.",
    holds_if=HOLDS,
    fails_if="one of them lies above 0",
    paper=PAPERS,
)
def faster_than_plain_adagrad(run):
    """Compare both with AdaGrad as its authors have it."""
    return faster_than(run, UNDECAYED)
