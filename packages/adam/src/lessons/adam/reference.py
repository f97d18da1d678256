"""Adam on plain numbers: the algorithm and nothing else (Kingma and Ba 2015, Algorithm 1)."""

from collections.abc import Callable
from math import inf, sqrt


def adam_reference(
    gradient: Callable[[float, int], float],
    x: float,
    steps: int,
    lr: float | Callable[[int], float] = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
    box: tuple[float, float] = (-inf, inf),
) -> list[float]:
    """Return the iterates x_0 … x_T of Adam in one dimension.

    Args:
        gradient: called with x and the step t = 1, 2, …; returns the gradient of f_t at x.
        x: where to start.
        steps: T, how many steps to take.
        lr: the step size α, or a function of t that returns α_t.
        betas: the decay rates β₁ and β₂ of the two averages.
        eps: ε, added to the root of the second average.
        amsgrad: divide by the largest second average so far (Reddi et al. 2018); later than Adam.
        box: the interval that x is kept in, as the online setting of §4 has it.

    Source: Algorithm 1.
    """
    m = v = largest = 0.0
    iterates = [x]
    for t in range(1, steps + 1):
        g = gradient(x, t)
        m = betas[0] * m + (1 - betas[0]) * g  # a running mean of the gradient
        v = betas[1] * v + (1 - betas[1]) * g * g  # … and of its square
        largest = max(largest, v) if amsgrad else v
        m_hat = m / (1 - betas[0] ** t)  # both began at 0: undo that (§3)
        v_hat = largest / (1 - betas[1] ** t)
        alpha = lr if isinstance(lr, float | int) else lr(t)
        x -= alpha * m_hat / (sqrt(v_hat) + eps) if m_hat else 0.0
        x = min(max(x, box[0]), box[1])
        iterates.append(x)
    return iterates
