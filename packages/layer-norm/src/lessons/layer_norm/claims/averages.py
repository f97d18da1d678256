"""Means with their errors, paired ratios, and the choice of a rate."""

import math
from collections.abc import Callable

import torch

from ..lab.run import Run


def summary(values: list[float]) -> tuple[float, float]:
    """Return mean and standard error."""
    v = torch.tensor(values, dtype=torch.float64)
    return v.mean().item(), (v.std() / math.sqrt(len(v))).item() if len(v) > 1 else math.nan


def log_ratio(upper: list[float], lower: list[float]) -> tuple[float, float]:
    """Return the mean of log(upper/lower) over paired seeds, and its standard error."""
    return summary([math.log(a / b) for a, b in zip(upper, lower)])


def tuned(run: Run, rates: list[float], final: Callable[[float], list[float]]) -> float:
    """Return the rate with the lowest mean; the grid grows until the best is not at its edge."""

    def mean(rate):
        value = sum(final(rate)) / len(final(rate))
        return value if math.isfinite(value) else math.inf

    found = {rate: mean(rate) for rate in rates}
    for _ in range(run.pick(test=0, default=3)):
        best = min(found, key=found.__getitem__)
        if min(found) < best < max(found):
            break
        edge = best / 3 if best == min(found) else best * 3
        edge = float(f"{edge:.1g}")
        found[edge] = mean(edge)
    return min(found, key=found.__getitem__)
