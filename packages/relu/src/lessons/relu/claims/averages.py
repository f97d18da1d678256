"""Means, their errors, and paired differences, as numbers and as text."""

import math


def mean(values) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def finite(value) -> float:
    """Return a value, or infinity for one that is not a number."""
    return value if value is not None and math.isfinite(value) else math.inf


def difference(a, b, key="test") -> tuple[float, float]:
    """Return by how much a's mean is below b's, and the paired standard error over the seeds."""
    gaps = [y[key] - x[key] for x, y in zip(a, b)]
    return mean(gaps), standard_error(gaps)


def percent(rows, key="test") -> str:
    """Return a mean error with its standard error, as text."""
    values = [100 * row[key] for row in rows]
    return f"{mean(values):.2f} ± {standard_error(values):.2f}%"


def gap(a, b) -> str:
    """Return a difference of errors in words."""
    less, error = difference(a, b)
    return f"{100 * less:+.2f} ± {100 * error:.2f}"
