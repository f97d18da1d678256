"""The gradient of batch normalization as the paper prints it (Ioffe and Szegedy 2015, §3)."""

from torch import Tensor


def paper_gradients(x_NC: Tensor, dy_NC: Tensor, weight_C: Tensor, eps: float = 1e-5):
    """Return ∂ℓ/∂x (N, C), ∂ℓ/∂γ (C) and ∂ℓ/∂β (C) by the six formulas of §3, line by line."""
    m = len(x_NC)
    mean_C, var_C = x_NC.mean(0), x_NC.var(0, correction=0)
    centred_NC = x_NC - mean_C
    root_C = (var_C + eps) ** -0.5
    dxhat_NC = dy_NC * weight_C
    dvar_C = (dxhat_NC * centred_NC * -0.5 * (var_C + eps) ** -1.5).sum(0)
    dmean_C = (dxhat_NC * -root_C).sum(0) + dvar_C * (-2 * centred_NC).sum(0) / m
    dx_NC = dxhat_NC * root_C + dvar_C * 2 * centred_NC / m + dmean_C / m
    return dx_NC, (dy_NC * centred_NC * root_C).sum(0), dy_NC.sum(0)
