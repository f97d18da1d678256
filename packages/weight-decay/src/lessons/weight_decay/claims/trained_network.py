"""C5: a trained network (§6, Fig. 2)."""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..optimizer import WeightDecay
from .averages import mean, standard_error
from .training import NOISE, Nets, Sets, entropic, train

RATE = 0.1  # η of C5a to C5c, with and without decay


def noisy_labels(run, n, lr, lam, seeds):
    """Return F and error rates along the training of one net a seed, each with its own data."""
    every = list(range(run.seed, run.seed + seeds))
    sets = Sets(run, n, every)
    nets = Nets(sets.x_SBF.shape[2], 40, torch.sigmoid, every)
    sgd = torch.optim.SGD(nets.parameters(), lr, momentum=0.8)
    epochs = run.pick(test=2, default=100, full=150)
    step = run.pick(test=1, default=5)
    return train(nets, sets, WeightDecay(sgd, lam), entropic, epochs, 25, step, run.seed)


def figure_2(run, rate=None):
    """Return, for each n, what no decay and the best decay reach: F and error, last and lowest.

    The best λ, and where ``rate`` is None each one's learning rate, is that with the lowest F on
    the validation images after the last epoch, as a mean over the seeds.
    """
    sizes = run.pick(test=[100], default=[200, 600], full=[300, 1000, 2000])
    lams = run.pick(test=[0.0, 1e-3], default=[0.0, 1e-3, 3e-3], full=[0.0, 3e-4, 1e-3, 3e-3, 1e-2])
    rates = run.pick(test=[0.1], default=[0.03, 0.1], full=[0.01, 0.03, 0.1, 0.3])
    seeds = run.pick(test=2, default=5)
    found = {}
    for n in sizes:
        cells = []
        for lam in run.track(lams, f"{n} images"):
            for lr in [rate] if rate else rates:
                curve = run.trial(noisy_labels, n=n, lr=lr, lam=lam, seeds=seeds)
                cells.append({"lam": lam, "lr": lr, "valid": mean(curve["valid_F"][-1])})
                for key in ("F", "error"):
                    cells[-1][f"final {key}"] = curve[key][-1]
                    cells[-1][f"lowest {key}"] = [min(column) for column in zip(*curve[key])]
        plain = min((c for c in cells if not c["lam"]), key=lambda c: c["valid"])
        decay = min((c for c in cells if c["lam"]), key=lambda c: c["valid"])
        found[str(n)] = {"plain": plain, "decay": decay, "cells": cells}
    return found, seeds


def against(cell: dict, key: str) -> tuple[float, float, float, int]:
    """Return the relative gain by decay, its error over seeds, the mean and how many seeds gain."""
    pairs = list(zip(cell["plain"][key], cell["decay"][key]))
    gains = [1 - b / a for a, b in pairs]
    return (
        mean(gains),
        standard_error(gains),
        mean([b for _, b in pairs]),
        sum(g > 0 for g in gains),
    )


def told(found: dict, key: str) -> str:
    """Return the gains at each n as text."""
    parts = []
    for n, cell in found.items():
        gain, error, value, wins = against(cell, key)
        parts.append(f"n = {n}: {mean(cell['plain'][key]):.3f} → {value:.3f} (−{100 * gain:.1f} ± "
                     f"{100 * error:.1f}%, {wins} of {len(cell['plain'][key])} seeds)")  # fmt: skip
    return "; ".join(parts).replace("(−-", "(+")


def setting(run, found, seeds) -> str:
    """Return what the nets of C5 trained on."""
    data = run.pick(test="digits", default="digits, 64-40-10",
                    full="MNIST at 14 by 14 pixels, 196-40-10: 8,290 weights")  # fmt: skip
    chosen = "; ".join(
        f"n = {n}: η = {c['plain']['lr']:g} without, η = {c['decay']['lr']:g} and "
        f"λ = {c['decay']['lam']:g} with"
        for n, c in found.items()
    )
    return (
        f"{data}; {100 * NOISE:.0f}% of the training labels drawn again; entropic error, "
        f"momentum .8, batch 25, {run.pick(test=2, default=100, full=150)} epochs, {seeds} seeds "
        f"(λ beside a mean loss, by validation; {chosen}). The paper has NetTalk, 182-40-26."
    )


def last_epoch(run, found, seeds) -> dict[str, Any]:
    """Return verdict and words on F after the last epoch: four of five seeds, two errors."""
    results = [against(cell, "final F") for cell in found.values()]
    holds = all(wins >= 0.8 * seeds and gain > 2 * error for gain, error, _, wins in results)
    return {
        "judgement": HOLDS if holds else NOT_SEEN,
        "ran": setting(run, found, seeds),
        "measured": f"F after the last epoch, none → decay: {told(found, 'final F')}.",
    }


def draw_figure_2(figure, numbers):
    """Draw Fig. 2: F against n, after the last epoch and at the lowest; the error rate beside."""
    left, right = figure.subplots(1, 2)
    sizes = [int(n) for n in numbers]
    for axes, key, label in ((left, "F", "generalization error F"), (right, "error", "error rate")):
        for which, color in (("plain", RED), ("decay", BLUE)):
            for when, style in (("final", "o-"), ("lowest", "o:")):
                values = [mean(numbers[str(n)][which][f"{when} {key}"]) for n in sizes]
                name = f"{'weight decay' if which == 'decay' else 'none'}, {when}"
                axes.plot(sizes, values, style, ms=4, color=color, label=name)
        axes.set(xlabel="training images n", ylabel=label, ylim=(0, None), xscale="log")
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
        axes.minorticks_off()
    left.legend(fontsize=8)


@claim(
    "C5a",
    "§6, Fig. 2",
    "A trained network has a lower generalization error with weight decay.",
    draw_figure_2,
)
def trained_network(run):
    """Compare after the last epoch, at one learning rate for both."""
    found, seeds = figure_2(run, RATE)
    return Finding(
        **last_epoch(run, found, seeds),
        numbers=found,
        between="These images are easier than the pronunciation of English.",
    )


@claim(
    "C5b",
    "§6, Fig. 2",
    "At the best epoch, too, F is lower with weight decay.",
)
def best_epoch(run):
    """Compare the lowest error seen in training, as the paper's dotted lines do."""
    found, _ = figure_2(run, RATE)
    results = [against(cell, "lowest F") for cell in found.values()]
    holds = all(gain > 2 * error for gain, error, _, _ in results)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="As C5a.",
        measured=f"Lowest F in training, none → decay: {told(found, 'lowest F')}.",
        numbers={},
        between="Stopping at the right epoch is a regularizer already; the paper's network learned "
        "a harder task, with noise of another kind.",
    )


@claim(
    "C5c",
    "§6, Fig. 2, insert",
    "The error rate improves as well, but relatively less than F.",
)
def error_rate(run):
    """Compare the relative gains of error rate and of F, paired over seeds."""
    found, _ = figure_2(run, RATE)
    better, less = True, True
    for cell in found.values():
        gain, error, _, _ = against(cell, "final error")
        better &= gain > 2 * error
        pairs = [zip(cell["plain"][k], cell["decay"][k]) for k in ("final F", "final error")]
        f, rate = ([1 - b / a for a, b in pair] for pair in pairs)
        excess = [a - b for a, b in zip(f, rate)]
        less &= mean(excess) > 2 * standard_error(excess)
    return Finding(
        HOLDS if better and less else NOT_SEEN,
        ran="As C5a.",
        measured=f"Error rate after the last epoch, none → decay: {told(found, 'final error')}. "
        f"It improves {'everywhere' if better else 'not everywhere'}, and relatively "
        f"{'less' if less else 'not less'} than F.",
        numbers={},
        between="Labels drawn at random make wrong answers outright; NetTalk's errors come from "
        "letters whose sound the window of seven does not decide.",
    )


@claim(
    "C5d",
    "§6; a baseline of ours",
    "The gain remains if each, with and without decay, has its own learning rate.",
)
def tuned_rates(run):
    """Compare after the last epoch, each with the rate that its validation images prefer."""
    found, seeds = figure_2(run)
    return Finding(
        **last_epoch(run, found, seeds),
        numbers={n: cell["cells"] for n, cell in found.items()},
        between="The paper does not say how it chose its rate, and gives every curve 300 epochs. A "
        "rate so small that the epochs end before the noise is learned is early stopping.",
    )
