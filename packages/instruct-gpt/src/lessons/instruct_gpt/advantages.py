r"""From rewards to advantages: how much better was what was done than what was expected.

Shapes: B sequences, T steps.
"""

import torch
from torch import Tensor

from .checks import in_range, no_empty_row, readable, same_shape


def gae(
    rewards_BT: Tensor,
    values_BT: Tensor,
    mask_BT: Tensor | None = None,
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
    done_BT: Tensor | None = None,
    last_value_B: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Return generalized advantages and the value function's targets, both (B, T).

    $\delta_t = r_t + \gamma V_{t+1} - V_t$, $\hat A_t = \delta_t + \gamma\lambda \hat A_{t+1}$,
    and the target is $\hat A_t + V_t$. No gradient goes through either.

    Args:
        rewards_BT: what followed each step.
        values_BT: what was expected before it.
        mask_BT: True at the steps that there are, from the first on; behind them both are 0.
        gamma: discount; Ouyang and Ziegler: 1.
        lam: 1: all that came after minus the value; 0: one step's surprise.
        done_BT: True where an episode ended with this step, and the next one begins another.
        last_value_B: the value behind the last step, of an episode that was cut off; default: 0.

    Raises:
        ValueError: shapes that differ, a gamma or lam outside [0, 1], a mask with an empty row or
            with a hole.

    Source: Schulman et al. 2017, eqs. 11, 12 (with E1 of this package's errata).
    """
    same_shape(rewards=rewards_BT, values=values_BT, mask=mask_BT, done=done_BT)
    if rewards_BT.dim() != 2:
        raise ValueError(f"rewards must have shape (B, T), got {(*rewards_BT.shape,)}")
    in_range("gamma", gamma, 0, 1)
    in_range("lam", lam, 0, 1)
    rewards_BT, values_BT = rewards_BT.detach(), values_BT.detach()
    if mask_BT is not None:
        mask_BT = mask_BT.bool()
        no_empty_row(mask_BT)
        if readable(mask_BT) and (mask_BT[:, 1:] & ~mask_BT[:, :-1]).any():
            row = int((mask_BT[:, 1:] & ~mask_BT[:, :-1]).any(-1).nonzero()[0, 0])
            raise ValueError(f"mask must be True from the first step to the last, row {row} is not")
        rewards_BT = rewards_BT.masked_fill(~mask_BT, 0.0)
        values_BT = values_BT.masked_fill(~mask_BT, 0.0)
    next_B = torch.zeros_like(values_BT[:, 0]) if last_value_B is None else last_value_B.detach()
    going_BT = 1.0 if done_BT is None else (~done_BT.bool()).to(values_BT.dtype)
    going_BT = going_BT * torch.ones_like(values_BT)
    # δ of all steps at once; only the sum is one step after the other.
    after_BT = torch.cat([values_BT[:, 1:], next_B[:, None]], 1)
    delta_BT = rewards_BT + gamma * going_BT * after_BT - values_BT  # eq. 12
    keep_BT = gamma * lam * going_BT
    advantages_BT, sum_B = torch.empty_like(delta_BT), torch.zeros_like(next_B)
    for t in range(delta_BT.shape[1] - 1, -1, -1):
        sum_B = delta_BT[:, t] + keep_BT[:, t] * sum_B  # eq. 11
        advantages_BT[:, t] = sum_B
    return advantages_BT, advantages_BT + values_BT


def masked_mean(x_BT: Tensor, mask_BT: Tensor | None = None) -> Tensor:
    """Return the mean over the positions of a mask (None: over all), as one number.

    Raises:
        ValueError: another shape, or a mask without any position.
    """
    if mask_BT is None:
        return x_BT.mean()
    same_shape(x=x_BT, mask=mask_BT)
    if readable(mask_BT) and not mask_BT.any():
        raise ValueError("mask has no position: a mean over it would be 0 / 0")
    mask_BT = mask_BT.bool()
    return x_BT.masked_fill(~mask_BT, 0.0).sum() / mask_BT.sum()  # NaN behind the end stays out


def masked_whiten(x_BT: Tensor, mask_BT: Tensor | None = None, shift_mean: bool = True) -> Tensor:
    """Return x with variance 1 over the mask, and with mean 0 or (``shift_mean`` False) its own.

    It is in OpenAI's code, not in the papers. The variance divides by n.
    """
    mean = masked_mean(x_BT, mask_BT)
    variance = masked_mean((x_BT - mean).square(), mask_BT)
    whitened_BT = (x_BT - mean) * torch.rsqrt(variance + 1e-8)
    if not shift_mean:
        whitened_BT = whitened_BT + mean
    return whitened_BT if mask_BT is None else whitened_BT.masked_fill(~mask_BT.bool(), 0.0)
