"""LATER: gated feed-forward layers, in which the GELU and the SiLU live today (2020)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activation import gelu, silu

VARIANTS: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": torch.sigmoid,
    "reglu": F.relu,
    "geglu": gelu,
    "swiglu": silu,
}


def glu(x: Tensor, variant: str = "swiglu") -> Tensor:
    """Return value · f(gate), where x (…, 2F) is both, value first as in torch's: (…, F).

    Raises:
        ValueError: an unknown variant, or a last axis that cannot be halved.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if not x.ndim or x.shape[-1] % 2:
        raise ValueError(f"x's last axis must be even to be halved, x is {tuple(x.shape)}")
    value, gate = x.chunk(2, dim=-1)
    return value * VARIANTS[variant](gate)


class GatedFeedForward(nn.Module):
    """W₂(f(W x) · V x), in place of a Transformer's feed-forward layer.

    Args:
        d_model: the width.
        d_ff: hidden units; ⌊8 d_model / 3⌋ by default, which has the weights of an ungated layer
            of 4 d_model.
        variant: f, of `VARIANTS`. bias: whether there are biases.

    Raises:
        ValueError: an unknown variant, or d_ff < 1.
    """

    def __init__(
        self, d_model: int, d_ff: int | None = None, variant: str = "swiglu", bias: bool = False
    ) -> None:
        super().__init__()
        d_ff = 8 * d_model // 3 if d_ff is None else d_ff
        if d_ff < 1:
            raise ValueError(f"d_ff must be at least 1, got {d_ff}")
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        self.variant = variant
        self.gate_proj = nn.Linear(d_model, d_ff, bias)  # LLaMA's names, so that weights load
        self.up_proj = nn.Linear(d_model, d_ff, bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, d_model) to the same shape."""
        return self.down_proj(VARIANTS[self.variant](self.gate_proj(x)) * self.up_proj(x))
