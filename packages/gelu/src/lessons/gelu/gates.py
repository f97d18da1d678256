"""Gates: distribution functions P(X ≤ z), and their densities (Hendrycks and Gimpel 2016, §2).

Each is a pair. An activation x·P(X ≤ x) has the derivative P(X ≤ x) + x·p(x), so the pair is all
that its gradient needs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SLOPE = 1.702  # §2: of the sigmoid form
CUBIC = 0.044715  # §2: of the tanh form


class Gate(NamedTuple):
    """A distribution function and its derivative, both of any tensor of floats."""

    cdf: Callable[[Tensor], Tensor]
    density: Callable[[Tensor], Tensor]


def normal_cdf(z: Tensor) -> Tensor:
    """Return Φ(z). Not ½(1 + erf(z/√2)), which far below zero is a difference of equals."""
    return torch.special.erfc(z * -math.sqrt(0.5)) * 0.5


def normal_density(z: Tensor) -> Tensor:
    """Return φ(z)."""
    return torch.exp(z * z * -0.5) * (1 / math.sqrt(2 * math.pi))


def log_odds(z: Tensor) -> Tensor:
    """Return the cubic 2√(2/π)(z + 0.044715 z³): as ½(1 + tanh u) = σ(2u), the tanh form's."""
    return (z + CUBIC * z * z * z) * (2 * math.sqrt(2 / math.pi))


def tanh_density(z: Tensor) -> Tensor:
    """Return the derivative of σ(log_odds(z))."""
    gate = torch.sigmoid(log_odds(z))
    return gate * (1 - gate) * (1 + 3 * CUBIC * z * z) * (2 * math.sqrt(2 / math.pi))


def logistic_density(z: Tensor) -> Tensor:
    """Return σ′(z)."""
    gate = torch.sigmoid(z)
    return gate * (1 - gate)


def cauchy_cdf(z: Tensor) -> Tensor:
    """Return P(C ≤ z), C standard Cauchy."""
    return torch.atan(z) / math.pi + 0.5


def laplace_cdf(z: Tensor) -> Tensor:
    """Return P(L ≤ z), L of density ½e^−|z|."""
    half = torch.exp(-z.abs()) * 0.5
    return torch.where(z < 0, half, 1 - half)


GATES = {
    "none": Gate(normal_cdf, normal_density),
    "tanh": Gate(lambda z: torch.sigmoid(log_odds(z)), tanh_density),
    "sigmoid": Gate(
        lambda z: torch.sigmoid(SLOPE * z), lambda z: SLOPE * logistic_density(SLOPE * z)
    ),
    "logistic": Gate(torch.sigmoid, logistic_density),
    "cauchy": Gate(cauchy_cdf, lambda z: 1 / (math.pi * (1 + z * z))),
    "laplace": Gate(laplace_cdf, lambda z: torch.exp(-z.abs()) * 0.5),
}
APPROXIMATE = ("none", "tanh", "sigmoid")  # three gates of GELU: Φ and its approximations
