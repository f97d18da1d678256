r"""How large a step can be, and the losses on which Adam does not converge.

The bounds of §2.1 and §7.1 and the theorem of §4 are about every sequence of gradients, so one
sequence decides. Here are the sequences, and the bounds that hold.
"""

import math
from collections.abc import Callable

import torch

from .optimizer import Adam
from .reference import adam_reference


def stated_bound(betas: tuple[float, float]) -> float:
    """Return the paper's bound on |Δ_t|/α: (1 − β₁)/√(1 − β₂), or 1 if that is more (§2.1)."""
    return max(1.0, (1 - betas[0]) / math.sqrt(1 - betas[1]))


def tight_bound(betas: tuple[float, float]) -> float:
    r"""Return the least upper bound of |Δ_t|/α for t → ∞ and ε = 0.

    $$ \frac{|m|}{\sqrt v} \le \frac{1-\beta_1}{\sqrt{1-\beta_2}\sqrt{1-\beta_1^2/\beta_2}} $$

    by the inequality of Cauchy and Schwarz, if β₁² < β₂.
    """
    beta1, beta2 = betas
    return (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2))


def growing(count: int, betas: tuple[float, float]) -> list[float]:
    """Return the gradients for which that inequality is an equality: each β₂/β₁ times the last."""
    return [(betas[1] / betas[0]) ** (i - count) for i in range(1, count + 1)]


def adamax_tight_bound(betas: tuple[float, float]) -> float:
    """Return the least upper bound of |Δ_t|/α in AdaMax, (1 − β₁)/(1 − β₁/β₂), if β₁ < β₂."""
    return (1 - betas[0]) / (1 - betas[0] / betas[1])


def shrinking(count: int, betas: tuple[float, float]) -> list[float]:
    """Return gradients that shrink as fast as AdaMax forgets: u = |g|, but m holds larger ones."""
    return [betas[1] ** (i - count) for i in range(1, count + 1)]


def step_sizes(gradients: list[float], make: Callable = Adam, **options) -> list[float]:
    """Return |Δ_t|/α for an optimizer that is fed these gradients, in float64."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, sizes = make([x], lr=1.0, **options), []
    for gradient in gradients:
        x.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        sizes.append(abs(x.item()))
        x.data.zero_()  # the step does not depend on x, and from 0 it loses no digits
    return sizes


def rare(large: float, small: float, period: int) -> Callable[[int], float]:
    """Return the gradients of Reddi, Kale and Kumar (2018): one ``large``, the others −``small``.

    The losses are linear on [−1, 1], and if large > (period − 1) small the best point is −1. Their
    Theorem 1 has 3, 1 and 3; their experiment (§5) 1010, 10 and 101.
    """
    return lambda t: large if t % period == 1 else -small


def online(
    gradient: Callable[[int], float],
    steps: int,
    lr: float,
    betas: tuple[float, float],
    amsgrad: bool = False,
) -> list[float]:
    """Return the iterates on [−1, 1] from 0, with the step size lr/√t of Theorem 4.1."""
    return adam_reference(
        lambda x, t: gradient(t), 0.0, steps, lambda t: lr / math.sqrt(t), betas,
        amsgrad=amsgrad, box=(-1.0, 1.0),
    )  # fmt: skip
