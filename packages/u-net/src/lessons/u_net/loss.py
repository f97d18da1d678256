r"""The energy that is minimized (§3, eq. 1), and a later alternative.

Shapes: B batch, K classes, Y, X height and width of the output.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def checked(scores_BKYX: Tensor, target_BYX: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores, half precision as single, and classes of any integers as int64.

    Sums over all pixels of an image are more than float16 can hold.

    Raises:
        TypeError, ValueError: these cannot be the classes of those scores.
    """
    if target_BYX.is_floating_point():
        raise TypeError(f"target must be integers, the class of each pixel, got {target_BYX.dtype}")
    batch, classes, *size = scores_BKYX.shape
    if target_BYX.shape != (batch, *size):
        want, got = (batch, *size), tuple(target_BYX.shape)
        extra = [(have - need) / 2 for have, need in zip(got[-2:], size)]
        hint = f": {extra[0]:g} and {extra[1]:g} too many on each side, see center_crop"
        raise ValueError(f"target must have shape {want}, as the scores have, got {got}{hint}")
    target_BYX = target_BYX.long()
    if target_BYX.numel():
        low, high = target_BYX.aminmax()
        if low < 0 or high >= classes:
            raise ValueError(f"target must be classes from 0 to {classes - 1}, got {low} to {high}")
    half = scores_BKYX.dtype in (torch.float16, torch.bfloat16)
    return scores_BKYX.float() if half else scores_BKYX, target_BYX


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
        reduction: "sum", as in the paper, "mean", divided by the sum of the weights (0 if that is
            0), or "none".

    Returns:
        The loss, in single precision if the scores are in half.

    Raises:
        TypeError: target is not of integers.
        ValueError: shapes differ, a class that does not exist, or another reduction.
    """
    scores_BKYX, target_BYX = checked(scores_BKYX, target_BYX)
    if weight_BYX is not None and weight_BYX.shape != target_BYX.shape:
        want, got = tuple(target_BYX.shape), tuple(weight_BYX.shape)
        raise ValueError(f"weight must have shape {want}, as target has, got {got}")
    loss_BYX = F.cross_entropy(scores_BKYX, target_BYX, reduction="none")
    if weight_BYX is not None:
        weight_BYX = weight_BYX.to(loss_BYX.dtype)
        loss_BYX = loss_BYX * weight_BYX
    if reduction == "none":
        return loss_BYX
    if reduction == "sum":
        return loss_BYX.sum()
    if reduction != "mean":
        raise ValueError(f"reduction must be 'sum', 'mean' or 'none', got {reduction!r}")
    if weight_BYX is None:
        return loss_BYX.mean()
    total = weight_BYX.sum()
    return loss_BYX.sum() / torch.where(total == 0, 1, total)


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
    scores_BKYX, target_BYX = checked(scores_BKYX, target_BYX)
    p_BKYX = torch.softmax(scores_BKYX, 1)
    t_BKYX = F.one_hot(target_BYX, scores_BKYX.shape[1]).movedim(-1, 1)
    both = (p_BKYX * t_BKYX).sum((0, 2, 3))
    each = p_BKYX.sum((0, 2, 3)) + t_BKYX.sum((0, 2, 3))
    return 1 - ((2 * both + smooth) / (each + smooth)).mean()
