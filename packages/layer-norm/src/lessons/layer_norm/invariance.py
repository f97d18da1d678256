"""What each normalization does not see (§5.1, Table 1), and how the weights' norm acts (§5.2).

Shapes: B cases, I inputs, O units.
"""

from torch import Tensor, nn

CHANGES = (
    "weight matrix re-scaled",
    "weight matrix re-centred",
    "one weight vector re-scaled",
    "data set re-scaled",
    "data set re-centred",
    "one case re-scaled",
)
# Whether the output stays the same. The last row is not the paper's.
TABLE_1: dict[str, tuple[bool, ...]] = {
    "batch": (True, False, True, True, True, False),
    "weight": (True, False, True, False, False, False),
    "layer": (True, True, False, True, False, True),
    "rms": (True, False, False, True, False, True),
}


def normalized_linear(
    x_BI: Tensor,
    weight_OI: Tensor,
    kind: str,
    gain_O: Tensor | None = None,
    bias_O: Tensor | None = None,
    eps: float = 0.0,
) -> Tensor:
    """Return g/σ ⊙ (W x − μ) + b, the input of the nonlinearity in eq. 5.

    Args:
        x_BI: inputs; for "batch" they are the whole data.
        weight_OI: one row a unit.
        kind: "batch" (μ, σ over cases, eq. 2), "layer" (over units, eq. 3), "weight" (μ = 0,
            σ = ‖wᵢ‖) or, later, "rms" (μ = 0, σ the root mean square over units).
        gain_O: 1 if None.
        bias_O: 0 if None.
        eps: added to σ².

    Returns:
        (B, O).

    Source: §5.1, eq. 5.
    """
    a_BO = x_BI @ weight_OI.mT
    if kind not in TABLE_1:
        raise ValueError(f"kind must be one of {', '.join(TABLE_1)}, got {kind!r}")
    if kind in ("batch", "layer"):
        a_BO = a_BO - a_BO.mean(0 if kind == "batch" else 1, keepdim=True)
    if kind == "weight":
        square = weight_OI.square().sum(1)
    else:
        square = a_BO.square().mean(0 if kind == "batch" else 1, keepdim=True)
    out_BO = a_BO / (square + eps).sqrt()
    out_BO = out_BO if gain_O is None else out_BO * gain_O
    return out_BO if bias_O is None else out_BO + bias_O


def changed(
    name: str, x_BI: Tensor, weight_OI: Tensor, scale: float, shift_I: Tensor
) -> tuple[Tensor, Tensor]:
    """Return data and weights after one of `CHANGES`: "re-scaled" by scale, "re-centred" by shift.

    Re-centring adds the same vector to every unit's weights (W + 1γᵀ, eq. 6), or to every case.
    """
    x_BI, weight_OI = x_BI.clone(), weight_OI.clone()
    match CHANGES.index(name):
        case 0:
            weight_OI *= scale
        case 1:
            weight_OI += shift_I
        case 2:
            weight_OI[0] *= scale
        case 3:
            x_BI *= scale
        case 4:
            x_BI += shift_I
        case 5:
            x_BI[0] *= scale
    return x_BI, weight_OI


def table_1(
    x_BI: Tensor, weight_OI: Tensor, scale: float, shift_I: Tensor
) -> dict[str, dict[str, float]]:
    """Return how far the largest output moves under each change, by kind of normalization."""
    moved: dict[str, dict[str, float]] = {}
    for kind in TABLE_1:
        before_BO = normalized_linear(x_BI, weight_OI, kind)
        moved[kind] = {
            name: (
                normalized_linear(*changed(name, x_BI, weight_OI, scale, shift_I), kind) - before_BO
            )
            .abs()
            .max()
            .item()
            for name in CHANGES
        }
    return moved


def effective_lr(linear: nn.Linear, lr: float) -> float:
    """Return lr/‖W‖²: the rate at which a step of SGD turns normalized weights (§5.2.2).

    The output depends on W's direction only, and the gradient is proportional to 1/‖W‖: a step
    turns W by an angle of about lr·‖∇‖/‖W‖, which is 1/‖W‖² times what it would be at norm 1.
    """
    return lr / linear.weight.square().sum().item()
