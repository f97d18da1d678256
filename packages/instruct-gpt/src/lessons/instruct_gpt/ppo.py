r"""The surrogate objectives of PPO, as losses to be minimized (Schulman et al. 2017).

Shapes: B sequences, T steps.
"""

import torch
from torch import Tensor

from .advantages import masked_mean
from .checks import in_range, same_shape


def clipped_policy_loss(
    log_probs_BT: Tensor,
    old_log_probs_BT: Tensor,
    advantages_BT: Tensor,
    mask_BT: Tensor | None = None,
    eps: float = 0.2,
) -> Tensor:
    r"""Return $-\hat E[\min(r \hat A, \mathrm{clip}(r, 1-\epsilon, 1+\epsilon)\hat A)]$, −L^CLIP.

    Args:
        log_probs_BT: of what was done, under the policy being trained; densities of continuous
            actions may be above 1.
        old_log_probs_BT: under the policy that did it.
        advantages_BT: how much better it was than expected.
        mask_BT: True where something was done; None: everywhere.
        eps: how far the ratio r may gain; ``inf``: without clipping, eq. 6.

    Raises:
        ValueError: shapes that differ, an eps that is not positive.

    Source: eq. 7.
    """
    in_range("eps", eps, 0, float("inf"), open_low=True)
    ratio_BT = _ratio(log_probs_BT, old_log_probs_BT, advantages_BT, mask_BT)
    advantages_BT = advantages_BT.detach()
    clipped_BT = ratio_BT.clamp(1 - eps, 1 + eps)
    # The worse of the two: clipping takes a gain away, never a loss.
    return -masked_mean(torch.min(ratio_BT * advantages_BT, clipped_BT * advantages_BT), mask_BT)


def penalized_policy_loss(
    log_probs_BT: Tensor,
    old_log_probs_BT: Tensor,
    advantages_BT: Tensor,
    kl_BT: Tensor,
    beta: float,
    mask_BT: Tensor | None = None,
) -> Tensor:
    r"""Return $-L^{KLPEN} = -\hat E[r \hat A - \beta\, \mathrm{KL}[\pi_{old}, \pi]]$.

    Args:
        log_probs_BT: as for `clipped_policy_loss`.
        old_log_probs_BT: as there.
        advantages_BT: as there.
        kl_BT: KL from the old policy to the new one at each step, with its gradient
            (`kl_divergence` of their logits). It is in the *loss*; the KL from the reference that
            RLHF pays is in the *reward*.
        beta: its price: fixed, or moved by `HalvingKL`.
        mask_BT: as there.

    Raises:
        ValueError: shapes that differ, a negative beta.

    Source: eqs. 5, 8.
    """
    if beta < 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    same_shape(log_probs=log_probs_BT, kl=kl_BT)
    ratio_BT = _ratio(log_probs_BT, old_log_probs_BT, advantages_BT, mask_BT)
    return -masked_mean(ratio_BT * advantages_BT.detach() - beta * kl_BT, mask_BT)


def policy_gradient_loss(
    log_probs_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor | None = None
) -> Tensor:
    r"""Return $-L^{PG} = -\hat E[\log\pi \hat A]$, REINFORCE with a baseline (eq. 2)."""
    same_shape(log_probs=log_probs_BT, advantages=advantages_BT, mask=mask_BT)
    return -masked_mean(log_probs_BT * advantages_BT.detach(), mask_BT)


def value_loss(
    values_BT: Tensor,
    returns_BT: Tensor,
    mask_BT: Tensor | None = None,
    old_values_BT: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    r"""Return $L^{VF} = \hat E[(V - V^{targ})^2]$ (eq. 9).

    Args:
        values_BT: of the value function being trained.
        returns_BT: its targets.
        mask_BT: True where a step was; None: everywhere.
        old_values_BT: as they were before this batch; with ``eps``.
        eps: how far a value may move in a batch: the larger of both errors counts. In OpenAI's
            code, not in the papers; None: not clipped.

    Raises:
        ValueError: shapes that differ, an eps that is not positive or lacks the old values.
    """
    same_shape(values=values_BT, returns=returns_BT, mask=mask_BT, old_values=old_values_BT)
    error_BT = (values_BT - returns_BT.detach()).square()
    if eps is not None:
        in_range("eps", eps, 0, float("inf"), open_low=True)
        if old_values_BT is None:
            raise ValueError("eps clips around old_values, which are missing")
        old_values_BT = old_values_BT.detach()
        near_BT = old_values_BT + (values_BT - old_values_BT).clamp(-eps, eps)
        error_BT = torch.max(error_BT, (near_BT - returns_BT.detach()).square())
    return masked_mean(error_BT, mask_BT)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of a choice, in nats, over the last axis (S of eq. 9)."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def clipped_share(
    log_probs_BT: Tensor, old_log_probs_BT: Tensor, mask_BT: Tensor | None = None, eps: float = 0.2
) -> float:
    """Return the share of steps whose ratio lies outside 1 ± eps."""
    far_BT = ((log_probs_BT - old_log_probs_BT).detach().exp() - 1).abs() > eps
    return masked_mean(far_BT.float(), mask_BT).item()


def _ratio(log_probs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor | None) -> Tensor:
    """Return π/π_old; behind the end 1, whatever stands there."""
    same_shape(log_probs=log_probs, old_log_probs=old, advantages=advantages, mask=mask)
    difference = log_probs - old.detach()
    return (difference if mask is None else difference.masked_fill(~mask.bool(), 0.0)).exp()
