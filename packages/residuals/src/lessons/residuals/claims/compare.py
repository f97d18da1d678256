"""Comparing final training losses over seeds."""

import math


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: list[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def losses(results: list[dict]) -> list[float]:
    """Return the final training losses over the seeds."""
    return [result["train_loss"] for result in results]


def clearly_less(a: list[float], b: list[float]) -> bool:
    """Say whether a's mean is below b's by two standard errors of the difference.

    Chance exceeds that about once in twenty; with three seeds the rule is rough, and the seeds
    are printed beside it.
    """
    return mean(b) - mean(a) > 2 * math.hypot(standard_error(a), standard_error(b))


def said(results: dict[str, list[dict]]) -> str:
    """Return final training losses by depth, as text."""
    return ", ".join(
        f"{depth} layers {mean(losses(r)):.4f} ± {standard_error(losses(r)):.4f}"
        for depth, r in results.items()
    )
