"""Comparing measurements over seeds, and choosing learning rates."""

import math
from types import FunctionType

from ..lab.run import Run
from ..train import predict


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: list[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def clearly_less(a: list[float], b: list[float]) -> bool:
    """Say whether a's mean is below b's by two standard errors of the difference.

    Chance exceeds that about once in twenty; with three seeds the rule is rough, and the spread is
    printed beside it.
    """
    return mean(b) - mean(a) > 2 * math.hypot(standard_error(a), standard_error(b))


def percent(values: list[float], digits: int = 1) -> str:
    """Return a mean and its standard error, in per cent, as text."""
    return f"{100 * mean(values):.{digits}f} ± {100 * standard_error(values):.{digits}f}%"


def tuned(run: Run, trial: FunctionType, grid: list[float], **settings) -> float:
    """Return the learning rate with the lowest validation error at the first seed.

    The grid is extended by its ratio until the best is not at its edge, at most four times.
    """
    ratio, errors = grid[1] / grid[0], {}
    wanted = list(grid)
    for _ in range(run.pick(test=1, default=5)):
        for lr in wanted:
            errors[lr] = run.trial(trial, lr=lr, **settings, seed=run.seed)["valid"]
        best = min(errors, key=errors.__getitem__)
        if min(errors) < best < max(errors):
            break
        edge = best / ratio if best == min(errors) else best * ratio
        wanted = [float(f"{edge:.1g}")]
    return min(errors, key=errors.__getitem__)


def error_rate(net, images, targets):
    """Return the share of images that a net misreads."""
    return (predict(net, images).argmax(1) != targets).double().mean().item()
