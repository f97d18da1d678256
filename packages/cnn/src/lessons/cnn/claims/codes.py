"""Codes that are learned together with the net, under the two criteria of §II-C."""

import warnings

import torch
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..layers import ScaledTanh, init_lecun
from ..output import DIGIT_CODES, RBFOutput
from .compare import mean, percent
from .data import apart, for_lenet, named


def train_centers(run, criterion, seed):
    """Train codes together with a net; return the distances between them after each pass."""
    sets = for_lenet(run)
    x, y = sets["train"]
    many = run.pick(test=40, default=1000, full=10_000)
    x, y = x[:many], y[:many]
    body = nn.Sequential(
        nn.Flatten(), nn.Linear(1024, 60), ScaledTanh(), nn.Linear(60, 84), ScaledTanh()
    )
    init_lecun(body, sqrt=True)
    rbf = RBFOutput(DIGIT_CODES, learnable=True)
    net = nn.Sequential(body, rbf).to(run.device)
    # Eq. 8 is a sum over the 84 numbers of a code; the learning rates make up for that. The
    # codes learn 30 times as fast, so that what would take hundreds of passes shows in a few.
    rate = {"MSE": 0.1 / 84, "MAP": 0.002}[criterion]
    groups = [{"params": body.parameters(), "lr": rate}, {"params": [rbf.centers], "lr": 30 * rate}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    loss = rbf.loss_mse if criterion == "MSE" else rbf.loss_map
    generator = torch.Generator().manual_seed(seed)
    curve = [distances(rbf)]
    for _ in run.track(range(run.pick(test=1, default=20, full=4)), f"{criterion}, seed {seed}"):
        for batch in torch.randperm(len(x), generator=generator).to(run.device).split(20):
            optimizer.zero_grad()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the collapse is what is wanted here
                loss(net(x[batch]), y[batch]).backward()
            optimizer.step()
        curve.append(distances(rbf))
    with torch.no_grad():
        test = sets["test"]
        wrong = (net(test[0]).argmin(1) != test[1]).float().mean().item()
    return {"curve": curve, "error": wrong}


def distances(rbf):
    """Return the mean and the smallest Euclidean distance between two codes."""
    pairs = torch.pdist(rbf.centers.detach())
    return [pairs.mean().item(), pairs.min().item()]


def draw_centers(figure, numbers):
    """Draw the mean distance between codes against passes."""
    axes = figure.subplots()
    names = {"MSE": (RED, "eq. 8, right class only"), "MAP": (BLUE, "eq. 9, with competition")}
    for criterion, (color, label) in names.items():
        for i, curve in enumerate(numbers["curves"][criterion]):
            means = [both[0] for both in curve]
            axes.plot(range(len(means)), means, color=color, label=label if i == 0 else None)
    axes.set(yscale="log", xlabel="pass", ylabel="mean distance between two codes")
    axes.legend(title="a line a seed")


@claim(
    "C4",
    "1998, §II-C, after eqs. 8 and 9",
    says="Under mean squared error learned codes collapse; the MAP criterion prevents it.",
    asks="If the codes of the RBF units are learned, the mean squared error has the trivial "
    "minimum at which all codes are equal; the MAP criterion prevents this collapse.",
    draw=draw_centers,
)
def collapse(run):
    """Judge the mean distance between the codes at the end."""
    seeds = run.seeds(run.pick(test=1, default=3))
    trials = {
        c: [run.trial(train_centers, criterion=c, seed=s) for s in seeds] for c in ("MSE", "MAP")
    }
    start = trials["MSE"][0]["curve"][0]
    end = {c: mean([t["curve"][-1][0] for t in ts]) for c, ts in trials.items()}
    least = {c: min(t["curve"][-1][1] for t in ts) for c, ts in trials.items()}
    lowest = mean([min(both[0] for both in t["curve"]) for t in trials["MAP"]])
    errors = {c: [t["error"] for t in ts] for c, ts in trials.items()}
    # "Collapsed" is a tenth of the distance at the start; "prevented" five times what eq. 8 leaves.
    holds = end["MSE"] < 0.1 * start[0] and end["MAP"] >= 5 * end["MSE"]
    holds = holds and mean(errors["MAP"]) < mean(errors["MSE"])
    many = run.pick(test=40, default=1000, full=10_000)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"A 1024-60-84 net with learnable codes on {many:,} images of {named(run)}, "
        f"{run.pick(test=1, default=20, full=4)} passes, j = 1, the codes learning 30 times as "
        f"fast as the weights, {len(seeds)} seeds.",
        measured=f"Mean distance between two codes: {start[0]:.2f} before; eq. 8 ends at "
        f"{end['MSE']:.2f} (smallest {least['MSE']:.2f}) with {percent(errors['MSE'])} test error, "
        f"eq. 9 at {end['MAP']:.2f} (smallest {least['MAP']:.2f}) with {percent(errors['MAP'])}. "
        f"Under eq. 9 the distance falls to {lowest:.2f} and ends {end['MAP'] / lowest:.2f} times "
        "as large.",
        numbers={"curves": {c: [t["curve"] for t in ts] for c, ts in trials.items()}}
        | {"errors": errors},
        between=apart(run, "A small net stands for LeNet-5, and passes are few."),
    )
