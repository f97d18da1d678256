"""C4: what happens if the gradient takes the statistics for constants (§2)."""

import math
from itertools import pairwise

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from .averages import error, mean, rounded
from .data import data_of, images
from .side_by_side import BATCH, Setting, nets, train


def toy(proper: bool, steps: int = 100) -> tuple[list[float], list[float]]:
    """Return b and the loss of §2's example, x̂ = u + b − E[u + b], over gradient steps."""
    u = torch.randn(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    biases, losses = [], []
    for _ in range(steps):
        x = u + b
        centred = x - (x.mean() if proper else x.mean().detach())
        loss = ((centred - 1) ** 2).mean()  # asks for a mean of 1, which x̂ cannot have
        (gradient,) = torch.autograd.grad(loss, b)
        with torch.no_grad():
            b -= 0.1 * gradient
        biases.append(b.item())
        losses.append(loss.item())
    return biases, losses


def draw_c4(figure, numbers):
    """Draw b and the loss against steps."""
    figure.set_size_inches(6.4, 2.6)
    left, right = figure.subplots(1, 2)
    for name, color in (("statistics as constants", RED), ("gradient through them", BLUE)):
        left.plot(numbers[name]["b"], color=color, label=name)
        right.plot(numbers[name]["loss"], "-" if color == RED else ":", color=color, lw=2)
    left.set(xlabel="step", ylabel="bias b")
    right.set(xlabel="step", ylabel="loss", ylim=(0, 3))
    left.legend()


@claim(
    "C4a",
    "§2",
    "If the gradient ignores the mean, a bias grows indefinitely at a constant loss.",
    draw_c4,
    asks="If gradient descent ignores that the mean depends on the parameters, a bias before the "
    "normalization grows indefinitely while the loss stays the same.",
)
def ignored_mean(run):
    """Judge growth of the bias and constancy of the loss."""
    biases, losses = toy(proper=False)
    still, steady = toy(proper=True)
    steps = [b - a for a, b in pairwise(biases)]
    constant = max(losses) - min(losses) < 1e-12
    linear = max(steps) - min(steps) < 1e-12 and min(steps) > 0
    return Finding(
        HOLDS if constant and linear else REFUTED,
        ran="x̂ = u + b − mean(u + b) for 100 normal u, loss mean((x̂ − 1)²), 100 steps of .1.",
        measured=f"b grows by {steps[0]:.3f} at each step, to {biases[-1]:.1f}; the loss is "
        f"{losses[0]:.9f} throughout (spread {max(losses) - min(losses):.1e}). With the gradient "
        f"through the mean b stays at {abs(still[-1]):.0e}.",
        numbers={
            "statistics as constants": {"b": biases, "loss": losses},
            "gradient through them": {"b": still, "loss": steady},
        },
    )


DETACHED_RATES = (0.01, 0.1, 1.0)


def detached_nets(run, seed):
    """Train ReLU nets whose gradients go through the statistics, or not."""
    x, y, _, _ = images(run)
    steps = run.pick(test=5, default=400, full=1000)
    grid = [(kind, lr) for kind in ("batch", "detached") for lr in DETACHED_RATES]
    net = nets([Setting(kind, lr) for kind, lr in grid], "relu", x.shape[1], seed)
    first = net.weights[1].detach().norm(dim=(1, 2))
    for _ in train(run, net, x, y, steps, BATCH, f"detached statistics, seed {seed}"):
        pass
    grown = net.weights[1].detach().norm(dim=(1, 2)) / first
    losses = net.evaluate(x[:2000], y[:2000])[0]
    return [[*g, a, b] for g, a, b in zip(grid, rounded(losses), rounded(grown, 3))]


@claim(
    "C4b",
    "§2",
    "A model blows up when its normalization parameters are computed outside the gradient step.",
)
def blows_up(run):
    """Judge whether nets with detached statistics diverge where proper ones train."""
    trials = [run.trial(detached_nets, seed=s) for s in run.seeds(run.pick(test=2, default=3))]

    def of(kind, lr, column):
        return [row[column] for t in trials for row in t if row[0] == kind and row[1] == lr]

    def gone(losses):  # no number at all, or worse than guessing by a nat
        return all(v is None or v > math.log(10) + 1 for v in losses)

    def fine(losses):
        return all(v is not None and v < 0.3 for v in losses)

    there = [lr for lr in DETACHED_RATES if fine(of("batch", lr, 2))]
    blown = [lr for lr in there if gone(of("detached", lr, 2))]

    def average(kind, lr, column):
        values = of(kind, lr, column)
        return "not a number" if None in values else f"{mean(values):.3f} ± {error(values):.3f}"

    def said(column):
        return "; ".join(
            f"{average('batch', lr, column)} and {average('detached', lr, column)} at rate {lr:g}"
            for lr in DETACHED_RATES
        )

    return Finding(
        HOLDS if there and blown == there else NOT_SEEN,
        ran=f"The net of Fig. 1 with ReLU and batch norm on {data_of(run)}, {len(trials)} seeds: "
        "gradients through the statistics, and with the statistics as constants.",
        measured=f"Training loss, with the gradient through the statistics and with constants: "
        f"{said(2)}. Growth of "
        f"the second layer's weights: {said(3)}.",
        numbers={"trials": trials},
        between="The paper says neither how often it computed its statistics nor at which rate; "
        "here they are those of each batch.",
    )
