r"""The gated recurrent unit (§2.3, eqs. 5 to 8): a state that is kept, mixed or begun afresh.

$h' = z \circ h + (1 - z) \circ \tilde h$: here z *keeps* the old state, as in the paper, in torch
and in Keras; in the authors' released code and in Bahdanau et al. it lets the new one in. The reset
gate acts *before* the product with U in eq. 8 and in the encoder of App. A, *after* it in the
decoder of App. A and in torch.nn.GRU. No weights turn one into the other, unless U is diagonal.

Shapes: T steps, B batch, H hidden units, G rows of gates and candidate: 3H for reset gate, update
gate, candidate, in torch's order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import GATES, Reset
from .scan import ScanAfter, ScanBefore, fast


def step(
    x_BG: Tensor,
    h_BH: Tensor,
    weight_GH: Tensor,
    inside_BH: Tensor | None = None,
    reset: Reset = "before",
    gates: tuple[str, ...] = GATES,
) -> Tensor:
    """Return the next state (B, H): eqs. 5 to 8.

    Args:
        x_BG: what the input (and a context) gives to gates and candidate, with the bias.
        h_BH: the state.
        weight_GH: U_r, U_z, U.
        inside_BH: added to U h, within what the reset gate scales; for "after" alone.
        reset: whether r ∘ h is formed "before" the product with U, or "after" it.
        gates: those that there are, in the order of the rows.
    """
    size = h_BH.shape[-1]
    cut = size * len(gates)
    open_BG = (x_BG[..., :cut] + F.linear(h_BH, weight_GH[:cut])).sigmoid()  # eqs. 5, 6
    r_BH = open_BG[..., :size] if "reset" in gates else torch.ones_like(h_BH)
    if reset == "before":
        back_BH = F.linear(r_BH * h_BH, weight_GH[cut:])
    else:
        back_BH = F.linear(h_BH, weight_GH[cut:])
        back_BH = r_BH * (back_BH if inside_BH is None else back_BH + inside_BH)
    candidate_BH = (x_BG[..., cut:] + back_BH).tanh()  # eq. 8
    if "update" not in gates:
        return candidate_BH
    z_BH = open_BG[..., cut - size :]
    return z_BH * h_BH + (1 - z_BH) * candidate_BH  # eq. 7


def unroll(
    x_TBG: Tensor,
    h_BH: Tensor,
    weight_GH: Tensor,
    inside_BH: Tensor | None = None,
    reset: Reset = "before",
    gates: tuple[str, ...] = GATES,
) -> Tensor:
    """Return h_1 … h_T (T, B, H), by the fastest way that there is; arguments as `step`'s."""
    if len(x_TBG) and fast(x_TBG, h_BH, weight_GH, inside_BH):
        if gates == GATES and reset == "before":
            return ScanBefore.apply(x_TBG, h_BH, weight_GH, unroll_reference)
        if gates == GATES:
            inside = torch.zeros_like(h_BH) if inside_BH is None else inside_BH.expand_as(h_BH)
            return ScanAfter.apply(x_TBG, h_BH, weight_GH, inside, after_reference)
        if not gates and inside_BH is None:  # Elman's net: torch's layer, with an input matrix of 1
            return _elman(x_TBG, h_BH, weight_GH)
    return unroll_reference(x_TBG, h_BH, weight_GH, inside_BH, reset, gates)


def unroll_reference(
    x_TBG: Tensor,
    h_BH: Tensor,
    weight_GH: Tensor,
    inside_BH: Tensor | None = None,
    reset: Reset = "before",
    gates: tuple[str, ...] = GATES,
) -> Tensor:
    """Return what `unroll` returns, step by step: its specification."""
    states = []
    for x_BG in x_TBG.unbind(0):
        h_BH = step(x_BG, h_BH, weight_GH, inside_BH, reset, gates)
        states.append(h_BH)
    return torch.stack(states)


def after_reference(x_TBG: Tensor, h_BH: Tensor, weight_GH: Tensor, inside_BH: Tensor) -> Tensor:
    """Return `unroll_reference` with the reset gate after the product."""
    return unroll_reference(x_TBG, h_BH, weight_GH, inside_BH, "after")


def _elman(x_TBH: Tensor, h_BH: Tensor, weight_HH: Tensor) -> Tensor:
    states = []
    for x_BH in x_TBH.unbind(0):
        h_BH = torch.addmm(x_BH, h_BH, weight_HH.T).tanh()
        states.append(h_BH)
    return torch.stack(states)
