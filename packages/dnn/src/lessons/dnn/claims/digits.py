"""Digits, with hidden units and without."""

import math
import statistics
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.mnist import load
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from ..mlp import MLP
from ..rule import DeltaRule


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits of 8 by 8 pixels, in one fixed random order."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(images).float()[order] / 16, torch.from_numpy(labels).long()[order]


def images(run: Run) -> list[tuple[Tensor, Tensor]]:
    """Return (images as rows, labels) to learn and to test on."""
    if run.scale == "full":
        sets = [load("mnist", split, run.data, run.track) for split in ("train", "test")]
        sets = [(pixels.flatten(1).float() / 255, labels) for pixels, labels in sets]
    else:
        x, y = digits()
        known = run.pick(test=100, default=1437)
        sets = [(x[:known], y[:known]), (x[1437:], y[1437:])]
    return [(x.to(run.device), y.to(run.device)) for x, y in sets]


def learn_digits(run: Run, hidden: int, lr: float, seed: int) -> float:
    """Train a net by the hand-written rule; return its error rate on the test images (a trial)."""
    (x_PI, y_P), (test_x, test_y) = images(run)
    sizes = [x_PI.shape[1], *([hidden] if hidden else []), 10]
    net = MLP(sizes, output="logistic", device=run.device)
    aim_PO = 0.1 + 0.8 * torch.eye(10, device=run.device)[y_P]
    rule, order = DeltaRule(net.parameters(), lr), torch.Generator().manual_seed(seed)
    epochs = run.pick(test=1, default=30, full=5)
    for _ in run.track(range(epochs), f"{hidden} hidden units, η = {lr:g}"):
        for batch in torch.randperm(len(x_PI), generator=order).split(20):
            net.backpropagate(x_PI[batch], aim_PO[batch])
            rule.step()
    with torch.no_grad():
        return (net(test_x).argmax(1) != test_y).float().mean().item()


@claim(
    "C9",
    "pp. 352, 362",
    says="The rule learns to recognize characters, also new ones; that takes hidden units.",
    asks="The rule also learns larger things, such as recognizing characters, and what it learns "
    "carries over to new ones; hidden units are what it takes.",
)
def characters(run):
    """Judge the test error with hidden units against that without, each with its best η."""
    seeds = run.pick(test=2, default=3, full=3)
    rates = run.pick(
        test=(0.01, 0.03), default=(0.003, 0.01, 0.03, 0.1), full=(0.0003, 0.001, 0.003, 0.01, 0.03)
    )
    hidden = run.pick(test=8, default=32, full=100)
    results: dict[int, dict[str, Any]] = {}
    for units in (hidden, 0):
        tried = {
            lr: [run.trial(learn_digits, hidden=units, lr=lr, seed=s) for s in run.seeds(seeds)]
            for lr in rates
        }
        lr = min(tried, key=lambda lr: statistics.mean(tried[lr]))
        errors = tried[lr]
        se = statistics.stdev(errors) / math.sqrt(seeds)
        results[units] = {"lr": lr, "mean": statistics.mean(errors), "se": se, "errors": errors}
    gap = results[0]["mean"] - results[hidden]["mean"]
    error = math.hypot(results[0]["se"], results[hidden]["se"])
    data = run.pick(test="digits", default="scikit-learn's 1,797 digits, 360 of them for the test",
                    full="MNIST, 60,000 and 10,000 images")  # fmt: skip
    shown = {k: f"{100 * r['mean']:.2f} ± {100 * r['se']:.2f}%" for k, r in results.items()}
    # Two standard errors: what chance exceeds about once in twenty.
    return Finding(
        HOLDS if gap > 2 * error else NOT_SEEN,
        ran=f"{data}; logistic units, targets .1 and .9, α = .9, 20 images a change, "
        f"{run.pick(test=1, default=30, full=5)} passes, the best η for each, {seeds} seeds.",
        measured=f"Test error with {hidden} hidden units {shown[hidden]} (η = "
        f"{results[hidden]['lr']:g}), without {shown[0]} (η = {results[0]['lr']:g}).",
        numbers={str(k): r for k, r in results.items()},
        between="A few passes over few digits.",
    )
