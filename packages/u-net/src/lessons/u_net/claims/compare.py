"""Comparing trainings, in pairs: each ingredient of the paper is taken away from the same U-Net.

A difference counts if it reaches a size that was fixed before and two of its standard errors over
seeds: chance exceeds those about once in twenty; with few seeds the rule is rough, and the seeds
are printed beside it.
"""

import math

from ..lab.figures import AMBER, BLUE, GREEN, RED
from .experiment import FEW, train

# What is taken away, as settings of `train`.
WITHOUT = {
    "augmentation": {"elastic": 0.0, "turn": False},
    "deformation": {"elastic": 0.0},
    "border weights": {"w0": 0.0},
    "weights": {"w0": 0.0, "balance": False},
    "copies": {"skips": False},
}


def seeds(run, full=5):
    """Return the seeds of the runs on made-up cells."""
    return run.seeds(run.pick(test=2, default=3, full=full))


def trials(run, function=train, full=5, **settings):
    """Return a list over seeds of one setting's scores."""
    usual = {"depth": 2, "images": FEW}  # left out, so that a trial has one key
    settings = {k: v for k, v in settings.items() if usual.get(k) != v}
    return [run.trial(function, seed=seed, **settings) for seed in seeds(run, full)]


def values(results, key):
    """Return one score of each trial."""
    return [result[key] for result in results]


def mean(numbers):
    """Return the mean."""
    return sum(numbers) / len(numbers)


def gain(ours, theirs):
    """Return the mean of the differences between pairs with the same seed, and its error."""
    differences = [a - b for a, b in zip(ours, theirs)]
    middle = mean(differences)
    spread = sum((d - middle) ** 2 for d in differences) / max(len(differences) - 1, 1)
    return middle, math.sqrt(spread / len(differences))


def better(ours, theirs, least=0.0):
    """Say whether ours exceed theirs by ``least`` and by two standard errors of the difference."""
    difference, error = gain(ours, theirs)
    return difference >= least and difference > 2 * error


def said(results, key, digits=3):
    """Return the mean of a score with its standard error, as text."""
    middle, error = gain(values(results, key), [0.0] * len(results))
    return f"{middle:.{digits}f} ± {error:.{digits}f}"


def slim(results):
    """Return the scores without the pictures."""
    pictures = ("picture", "truth")
    return [{k: v for k, v in result.items() if k not in pictures} for result in results]


def draw_dots(axes, groups, key, label):
    """Draw one score of each trial as a dot, a row a group, and the mean as a line."""
    colors = (BLUE, RED, AMBER, GREEN)
    for row, results in enumerate(groups.values()):
        numbers = values(results, key)
        axes.plot(numbers, [row] * len(numbers), "o", color=colors[row % 4], ms=5, alpha=0.8)
        axes.plot([mean(numbers)] * 2, [row - 0.3, row + 0.3], color=colors[row % 4], lw=2)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlabel=label, ylim=(len(groups) - 0.5, -0.5))
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
