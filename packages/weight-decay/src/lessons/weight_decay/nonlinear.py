r"""Networks with hidden units near a solution (Krogh and Hertz 1991, §5).

Shapes: K networks side by side, P patterns, N inputs, H hidden units, W weights in all.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from .decay import check_lam


def jacobian_gram(net: nn.Module, x_PN: Tensor) -> Tensor:
    r"""Return $\hat A_{ij} = \sum_\mu \partial_i f(\xi^\mu)\,\partial_j f(\xi^\mu)$ (eq. 20).

    Args:
        net: maps (P, N) to (P,) or (P, 1).
        x_PN: patterns.

    Returns:
        Â (W, W) over all trainable parameters in their order; its rank is at most min(p, W).

    Raises:
        ValueError: net has more than one output.
    """
    params = {k: v.detach() for k, v in net.named_parameters() if v.requires_grad}

    def outputs(params):
        out = functional_call(net, params, (x_PN,))
        if out.numel() != len(x_PN):
            got = tuple(out.shape)
            raise ValueError(f"net must have one output for a pattern, got the shape {got}")
        return out.flatten()

    jacobians = jacrev(outputs)(params)
    jacobian_PW = torch.cat([j.flatten(1) for j in jacobians.values()], 1)
    return jacobian_PW.T @ jacobian_PW


def n_weights(inputs: int, hidden: int) -> int:
    """Return W of a net with one hidden layer and one output."""
    return hidden * (inputs + 2) + 1


def outputs_and_jacobian(w_KW: Tensor, x_KPN: Tensor, hidden: int) -> tuple[Tensor, Tensor]:
    """Return f (K, P) and ∂f/∂w (K, P, W) of K nets N-H-1 with tanh.

    A row of ``w_KW`` holds the input weights (H, N), the thresholds (H), the output weights (H)
    and the output's threshold. ``x_KPN`` may have a leading 1.
    """
    k, inputs = len(w_KW), x_KPN.shape[-1]
    first, rest = w_KW.split([hidden * inputs, 2 * hidden + 1], 1)
    bias, out, last = rest.split([hidden, hidden, 1], 1)
    h_KPH = torch.tanh(x_KPN @ first.view(k, hidden, inputs).mT + bias[:, None])
    f_KP = (h_KPH @ out[:, :, None])[..., 0] + last
    into_KPH = (1 - h_KPH**2) * out[:, None]
    by_first = (into_KPH[..., None] * x_KPN[:, :, None]).flatten(2)
    ones = torch.ones_like(h_KPH[..., :1])
    return f_KP, torch.cat([by_first, into_KPH, h_KPH, ones], 2)


def gauss_newton(
    w_KW: Tensor, x_KPN: Tensor, y_KP: Tensor, lam_K: Tensor, hidden: int, steps: int = 100
) -> tuple[Tensor, Tensor]:
    r"""Minimize ½Σ(y − f)² + ½λ|w|² for K nets at once, each with its λ.

    Each step solves $(J^TJ + \lambda + \mu)\,\delta = J^T(y-f) - \lambda w$; the damping μ of each
    net falls after a step that lowers its cost, and rises, the step undone, after one that does
    not (Levenberg and Marquardt).

    Returns:
        The weights (K, W) and the largest component of each net's gradient (K,), 0 at a minimum.

    Raises:
        ValueError: a λ is negative.
    """
    check_lam(lam_K.min().item())
    lam = lam_K[:, None]
    damping = torch.full_like(lam_K, 1e-2)

    def cost(w, f):
        return 0.5 * ((y_KP - f) ** 2).sum(1) + 0.5 * lam_K * (w**2).sum(1)

    f, jacobian = outputs_and_jacobian(w_KW, x_KPN, hidden)
    now = cost(w_KW, f)
    for _ in range(steps):
        downhill = (jacobian.mT @ (y_KP - f)[..., None])[..., 0] - lam * w_KW
        matrix = jacobian.mT @ jacobian
        matrix.diagonal(dim1=1, dim2=2).add_(lam + damping[:, None])
        step = torch.cholesky_solve(downhill[..., None], torch.linalg.cholesky(matrix))[..., 0]
        f_new, jacobian_new = outputs_and_jacobian(w_KW + step, x_KPN, hidden)
        new = cost(w_KW + step, f_new)
        better = new <= now
        w_KW = torch.where(better[:, None], w_KW + step, w_KW)
        f = torch.where(better[:, None], f_new, f)
        jacobian = torch.where(better[:, None, None], jacobian_new, jacobian)
        now = torch.where(better, new, now)
        damping = torch.where(better, damping / 5, damping * 4).clamp(1e-9, 1e9)
    gradient = (jacobian.mT @ (y_KP - f)[..., None])[..., 0] - lam * w_KW
    return w_KW, gradient.abs().amax(1)
