"""Means with their errors, and rounded numbers."""

import math

from torch import Tensor


def rounded(values: Tensor, digits: int = 5) -> list:
    """Return a tensor as rounded numbers; what is not finite as None."""
    if values.ndim > 1:
        return [rounded(row, digits) for row in values]
    return [round(v, digits) if math.isfinite(v) else None for v in values.tolist()]


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def error(values: list[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))
