"""The two attention functions of App. G: GNMT's, and the paper's own, a matrix product."""

import torch
from torch import Tensor


def gnmt_attention(
    source_SD: Tensor, target_TD: Tensor, u_DH: Tensor, w_DH: Tensor, v_H: Tensor,
    kind: str = "tanh_product",
) -> Tensor:  # fmt: skip
    """Return A(x_i, y_j), (…, S, T), for each source and target position.

    Args:
        source_SD: x, all source positions.
        target_TD: y, all target positions.
        u_DH: U, for sources.
        w_DH: W, for targets.
        v_H: V.
        kind: "tanh_sum", Σ V_d tanh((x U)_d + (y W)_d) (eq. 21), which needs S·T·H hidden units;
            or "tanh_product", Σ V_d tanh((x U)_d) tanh((y W)_d) (eq. 22), which is one product.

    Raises:
        ValueError: another kind.
    """
    source_SH, target_TH = source_SD @ u_DH, target_TD @ w_DH
    if kind == "tanh_sum":
        return (source_SH.unsqueeze(-2) + target_TH.unsqueeze(-3)).tanh() @ v_H
    if kind == "tanh_product":
        return (source_SH.tanh() * v_H) @ torch.tanh(target_TH).transpose(-2, -1)
    raise ValueError(f"kind must be 'tanh_sum' or 'tanh_product', got {kind!r}")
