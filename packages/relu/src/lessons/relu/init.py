"""Initial weights: Glorot and Bengio's of 2010, which the paper has, and He et al.'s of 2015.

Both keep variances from layer to layer. The first reckons with units that pass on what they get,
var(w) = 2 / (n_in + n_out); the second with rectifiers, which let half of the mean square pass.
"""

import math

import torch
from torch import Tensor


def fans(weight: Tensor) -> tuple[int, int]:
    """Return how many inputs and outputs a unit has, of a weight (out, in, …) as torch stores it.

    Raises:
        ValueError: the weight has fewer than two axes.
    """
    if weight.dim() < 2:
        raise ValueError(f"weight must have two or more axes, got shape {tuple(weight.shape)}")
    field = weight[0, 0].numel()  # of a convolution; 1 of a linear layer
    return weight.shape[1] * field, weight.shape[0] * field


@torch.no_grad()
def glorot_uniform_(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fill a weight uniformly within ±√(6 / (n_in + n_out)); return it.

    Source: Glorot and Bengio 2010, eq. 16.
    """
    bound = math.sqrt(6 / sum(fans(weight)))
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def he_init_(
    weight: Tensor, slope: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """LATER: fill a weight from N(0, 2 / ((1 + slope²) n_in)); return it.

    Args:
        weight: (out, in, …).
        slope: of the rectifier below 0 (leaky ones; 1 is a linear unit).
        generator: of the random numbers.

    Source: He et al. 2015, eq. 10 and 15.
    """
    return weight.normal_(0, math.sqrt(2 / (1 + slope**2) / fans(weight)[0]), generator=generator)
