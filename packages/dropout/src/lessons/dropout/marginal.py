"""Linear regression with dropout, the noise integrated out (§9.1).

Shapes: N cases, D features.
"""

import torch
from torch import Tensor


def marginal_loss(X: Tensor, y: Tensor, w: Tensor, p: float) -> Tensor:
    """Return the mean over all masks R of ‖y − (R ∗ X)w‖².

    Args:
        X: (N, D).
        y: (N,).
        w: (D,).
        p: the probability of dropping (retention q = 1 − p).

    Returns:
        ‖y − qXw‖² + q(1 − q)‖Γw‖², with Γ² the diagonal of XᵀX.
    """
    keep = check(X, y, p)
    residual = y - keep * (X @ w)
    return residual @ residual + keep * p * (X.square().sum(0) @ w.square())


def marginal_linear(X: Tensor, y: Tensor, p: float) -> Tensor:
    """Return the weights that linear regression with dropout on its inputs tends to.

    They are ridge regression's, each weight charged by its feature's size: with the scaled
    w̃ = (1 − p)w the penalty is p/(1 − p) ‖Γw̃‖².

    Args:
        X: (N, D).
        y: (N,).
        p: the probability of dropping (retention = 1 − p).

    Returns:
        w, (D,), before scaling: predictions in evaluation are (1 − p)Xw.

    Raises:
        ValueError: p is not in [0, 1), or X and y do not fit.

    Source: §9.1.
    """
    keep = check(X, y, p)
    gram = X.T @ X
    scaled = torch.linalg.solve(gram + p / keep * gram.diagonal().diag(), X.T @ y)
    return scaled / keep


def check(X: Tensor, y: Tensor, p: float) -> float:
    """Return the retention 1 − p; raise a ValueError where the arguments do not fit."""
    if not 0 <= p < 1:
        raise ValueError(f"p, the probability of dropping, must be in [0, 1), got {p}")
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"X is {tuple(X.shape)}, y {tuple(y.shape)}; should be (N, D) and (N,)")
    return 1 - p
