"""Means with their errors, and generators."""

import math
from collections.abc import Sequence

import torch


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def generator(seed: int) -> torch.Generator:
    """Return a generator of chance."""
    return torch.Generator().manual_seed(seed)
