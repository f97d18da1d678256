r"""The output of LeNet-5: distances to drawn characters, and the two losses on them (§II-B, C).

Shapes: B batch, F features (84), K classes, Y, X places on a larger image.
"""

import warnings

import torch
from torch import Tensor, nn

# Fig. 3: the digits on 7 by 12 pixels, a byte a row from the top, the leftmost pixel first.
_BITMAPS = (
    "3e001c3663636363361c0000", "0c1c3c0c0c0c0c0c0c3f0000", "3e003e6343061c30607f0000",
    "7f03060c1e030303633e0000", "3e00003333736363673f0303", "3e007f60603c1e03633e0000",
    "1e3060607e736363733e0000", "7f0303060c0c181818180000", "3e6363633e636363633e0000",
    "3e676363673f0303063c0000",
)  # fmt: skip
DIGIT_CODES = torch.tensor([
    [1.0 if byte >> bit & 1 else -1.0 for byte in bytes.fromhex(rows) for bit in range(6, -1, -1)]
    for rows in _BITMAPS
])  # fmt: skip


class RBFOutput(nn.Module):
    """A unit for each class that gives the squared distance to the class's code: a penalty.

    Args:
        codes_KF: a code of ±1 for each class; `DIGIT_CODES` has the paper's.
        learnable: whether the codes, as ``centers``, are parameters.

    Raises:
        ValueError: codes are not (K, F), or not all ±1.

    Source: 1998, eq. 7.
    """

    centers: Tensor

    def __init__(self, codes_KF: Tensor = DIGIT_CODES, learnable: bool = False) -> None:
        super().__init__()
        if codes_KF.ndim != 2:
            got = tuple(codes_KF.shape)
            raise ValueError(f"codes must be of shape (classes, features), got {got}")
        if codes_KF.device.type != "meta" and not bool((codes_KF.abs() == 1).all()):
            value = codes_KF[codes_KF.abs() != 1][0].item()
            raise ValueError(f"codes must be -1 or +1, got {value:g}")
        codes_KF = codes_KF.to(torch.get_default_device(), copy=True)  # as torch's own modules
        if learnable:
            self.centers = nn.Parameter(codes_KF)
        else:
            self.register_buffer("centers", codes_KF)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return penalties (B, K) for states (B, F), or (B, K, Y, X) for (B, F, Y, X)."""
        differences = x_BF.movedim(1, -1).unsqueeze(-2) - self.centers
        return differences.square().sum(-1).movedim(-1, 1)

    def loss_mse(self, penalties_BK: Tensor, targets_B: Tensor) -> Tensor:
        """Return the mean penalty of the right classes (eq. 8).

        Warns that learnable centres collapse: the other classes have no say in it.

        Raises:
            ValueError: targets are not in [0, K).
        """
        if isinstance(self.centers, nn.Parameter):
            warnings.warn(
                "loss_mse with learnable centers collapses: all of them equal, all penalties 0 "
                "(§II-C); use loss_map, or fix the centers",
                stacklevel=2,
            )
        return _right(penalties_BK, targets_B).mean()

    def loss_map(self, penalties_BK: Tensor, targets_B: Tensor, j: float = 1.0) -> Tensor:
        r"""Return the mean of $y_D + \log(e^{-j} + \sum_i e^{-y_i})$ (eq. 9).

        Args:
            penalties_BK: y.
            targets_B: the right classes D.
            j: the penalty of the class "none of them".

        Raises:
            ValueError: j is not positive, or targets are not in [0, K).
        """
        if not j > 0:
            raise ValueError(f"j must be positive, got {j}")
        none_B1 = penalties_BK.new_full((len(penalties_BK), 1), -j)
        competition_B = torch.logsumexp(torch.cat([-penalties_BK, none_B1], 1), 1)
        return (_right(penalties_BK, targets_B) + competition_B).mean()


def _right(penalties_BK: Tensor, targets_B: Tensor) -> Tensor:
    """Return the penalty of the right class of each pattern (B,)."""
    check_targets(targets_B, penalties_BK.shape[1])
    return penalties_BK.gather(1, targets_B[:, None])[:, 0]


def check_targets(targets_B: Tensor, classes: int) -> None:
    """Raise a ValueError if a target is not in [0, classes)."""
    if targets_B.numel() and not torch.compiler.is_compiling():
        low, high = targets_B.min().item(), targets_B.max().item()
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise ValueError(f"targets must be in [0, {classes}), got {wrong}")


def as_scores(net: nn.Module, results_BK: Tensor) -> Tensor:
    """Return a net's results with the highest for the winner: penalties with their sign changed."""
    return -results_BK if isinstance(getattr(net, "head", None), RBFOutput) else results_BK


def rejection_curve(scores_BK: Tensor, targets_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the error rate of what is left, (B,), when the least sure 0, 1, … B−1 are rejected.

    A pattern's surety is the difference between its two best scores (§III-D).

    Args:
        scores_BK: higher is better; negate penalties.
        targets_B: the right classes.

    Returns:
        The shares rejected (B,), from 0, and the error rates on the rest (B,).

    Raises:
        ValueError: targets are not in [0, K).
    """
    check_targets(targets_B, scores_BK.shape[1])
    best = scores_BK.topk(2).values
    order = (best[:, 0] - best[:, 1]).argsort()
    wrong = (scores_BK.argmax(1) != targets_B)[order].double()
    left = wrong.flip(0).cumsum(0).flip(0)  # errors among this pattern and all that are surer
    count = len(wrong)
    kept = torch.arange(count, 0, -1, device=wrong.device)
    return (count - kept) / count, left / kept


def reject_at(scores_BK: Tensor, targets_B: Tensor, error: float = 0.01) -> float:
    """Return the smallest share of patterns to reject for at most this error rate on the rest.

    Args:
        scores_BK: higher is better; negate penalties.
        targets_B: the right classes.
        error: the rate to reach; 1998, Fig. 10, has 0.005.

    Returns:
        The share, 1.0 if no part of the patterns does it.

    Raises:
        ValueError: error is not in [0, 1), or targets are not in [0, K).
    """
    if not 0 <= error < 1:
        raise ValueError(f"error must be in [0, 1), got {error}")
    rejected, errors = rejection_curve(scores_BK, targets_B)
    reached = rejected[errors <= error]
    return reached[0].item() if len(reached) else 1.0
