"""How far the forms are from each other, and what they do to a signal; all in float64."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .activation import gated

FORMS = ("tanh", "sigmoid", "logistic")  # against "none"


def error(form: str, x: Tensor) -> Tensor:
    """Return the form's value minus the exact GELU, at x in float64."""
    return gated(x, 0.0, 1.0, form) - gated(x, 0.0, 1.0, "none")


def peak(f: Callable[[Tensor], Tensor], low: float, high: float) -> tuple[float, float]:
    """Return where f is largest between low and high, and its value: grids that close in."""
    for _ in range(12):
        x = torch.linspace(low, high, 1001, dtype=torch.float64)
        at = int(f(x).argmax())
        low, high = x[max(at - 1, 0)].item(), x[min(at + 1, 1000)].item()
    x = torch.tensor([(low + high) / 2], dtype=torch.float64)
    return x.item(), f(x).item()


def largest_error(form: str) -> tuple[float, float]:
    """Return x > 0 where the form is farthest from the GELU, and the distance.

    At −x it is as far: the gates are symmetric, so x(P(x) − Φ(x)) is an even function.
    """
    return peak(lambda x: error(form, x).abs(), 0.0, 12.0)


def normal_mean(f: Callable[[Tensor], Tensor]) -> float:
    """Return E[f(N)], N standard normal, by the trapezoidal rule."""
    x = torch.linspace(-12, 12, 2**17 + 1, dtype=torch.float64)
    weights = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return (f(x) * weights).sum().item() * 24 / 2**17


def gain(f: Callable[[Tensor], Tensor]) -> float:
    """Return 1/√E[f(N)²]: the factor on weights of variance 1/n that keeps the second moment."""
    return 1 / math.sqrt(normal_mean(lambda x: f(x) ** 2))
