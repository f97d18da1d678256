r"""The energy that is minimized (§3, eq. 1), and a later alternative.

Shapes: B batch, K classes, Y, X height and width of the output.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def check_targets(scores_BKYX: Tensor, target_BYX: Tensor) -> None:
    """Raise a TypeError or a ValueError where these cannot be the classes of those scores."""
    if target_BYX.is_floating_point():
        raise TypeError(f"target must be integers, the class of each pixel, got {target_BYX.dtype}")
    batch, classes, *size = scores_BKYX.shape
    if target_BYX.shape != (batch, *size):
        want, got = (batch, *size), tuple(target_BYX.shape)
        extra = [(have - need) / 2 for have, need in zip(got[-2:], size)]
        hint = f": {extra[0]:g} and {extra[1]:g} too many on each side, see center_crop"
        raise ValueError(f"target must have shape {want}, as the scores have, got {got}{hint}")
    low, high = target_BYX.aminmax()
    if low < 0 or high >= classes:
        raise ValueError(f"target must be classes from 0 to {classes - 1}, got {low} to {high}")


def weighted_cross_entropy(
    scores_BKYX: Tensor,
    target_BYX: Tensor,
    weight_BYX: Tensor | None = None,
    reduction: str = "sum",
) -> Tensor:
    r"""Return $-\sum_x w(x) \log p_{\ell(x)}(x)$, p the softmax of the scores (eq. 1).

    The paper prints the sum without its minus sign, which would have to be maximized.

    Args:
        scores_BKYX: of each class at each pixel.
        target_BYX: the true class of each pixel.
        weight_BYX: of each pixel, see `weight_map`; 1 if None.
        reduction: "sum", as in the paper, "mean", divided by the sum of the weights, or "none".

    Raises:
        TypeError: target is not of integers.
        ValueError: shapes differ, a class that does not exist, or another reduction.
    """
    check_targets(scores_BKYX, target_BYX)
    if weight_BYX is not None and weight_BYX.shape != target_BYX.shape:
        want, got = tuple(target_BYX.shape), tuple(weight_BYX.shape)
        raise ValueError(f"weight must have shape {want}, as target has, got {got}")
    loss_BYX = F.cross_entropy(scores_BKYX, target_BYX, reduction="none")
    if weight_BYX is not None:
        loss_BYX = loss_BYX * weight_BYX
    if reduction == "none":
        return loss_BYX
    if reduction == "sum":
        return loss_BYX.sum()
    if reduction != "mean":
        raise ValueError(f"reduction must be 'sum', 'mean' or 'none', got {reduction!r}")
    total = loss_BYX.numel() if weight_BYX is None else weight_BYX.sum()
    return loss_BYX.sum() / total


def dice_loss(scores_BKYX: Tensor, target_BYX: Tensor, smooth: float = 1.0) -> Tensor:
    r"""Return 1 - Dice, the mean over classes of $1 - 2\sum pt\,/\,(\sum p + \sum t)$.

    Later than the paper (Milletari et al. 2016): it balances the classes by itself.

    Args:
        scores_BKYX: of each class at each pixel.
        target_BYX: the true class of each pixel.
        smooth: added to numerator and denominator, for classes that are absent.

    Raises:
        As `weighted_cross_entropy`.
    """
    check_targets(scores_BKYX, target_BYX)
    p_BKYX = torch.softmax(scores_BKYX, 1)
    t_BKYX = F.one_hot(target_BYX, scores_BKYX.shape[1]).movedim(-1, 1)
    both = (p_BKYX * t_BKYX).sum((0, 2, 3))
    each = p_BKYX.sum((0, 2, 3)) + t_BKYX.sum((0, 2, 3))
    return 1 - ((2 * both + smooth) / (each + smooth)).mean()
