"""Comparing measurements over seeds."""

import math
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def percent(values: list[float]) -> str:
    """Return mean and standard error, in percent."""
    return f"{100 * mean(values):.1f} ± {100 * standard_error(values):.1f}%"


def lower(a: list[float], b: list[float]) -> bool:
    """Say whether a is below b by two standard errors of their differences.

    The runs are pairs with the same seed, that is with the same batches. Chance exceeds two
    standard errors about once in twenty; with few seeds the rule is rough, and every seed is in the
    figure.
    """
    differences = [y - x for x, y in zip(a, b)]
    return mean(differences) > 2 * standard_error(differences)
