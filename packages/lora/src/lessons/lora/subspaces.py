r"""What an update has learned: overlaps of subspaces, and what it amplifies (Hu et al. 2021, §7).

Shapes: O outputs, I inputs, R rank.
"""

import torch
from torch import Tensor


def right_singular(A: Tensor) -> Tensor:
    """Return the right singular vectors of a matrix (R, I) as columns (I, R), the largest first."""
    return torch.linalg.svd(A, full_matrices=False).Vh.mT


def subspace_similarity(A: Tensor, B: Tensor, i: int, j: int) -> float:
    r"""Return $\phi(A, B, i, j) = \lVert U_A^{i\top} U_B^j \rVert_F^2 / \min(i, j)$, from 0 to 1.

    1: the span of one's top singular vectors lies in the other's; 0: they are orthogonal.

    Args:
        A: a matrix (R, I) of an adapter.
        B: that of another, of any rank.
        i: how many of A's top right singular vectors.
        j: how many of B's.

    Raises:
        ValueError: i or j outside 1 to the rank; another number of columns.

    Source: eq. 4; Appendix G.
    """
    for name, matrix, k in (("i", A, i), ("j", B, j)):
        if not 1 <= k <= min(matrix.shape):
            raise ValueError(f"{name} must be 1 to {min(matrix.shape)}, got {k}")
    return similarity_map(A, B)[i - 1, j - 1].item()


def similarity_map(A: Tensor, B: Tensor) -> Tensor:
    """Return φ for all i and j at once, (R_A, R_B): Figure 3's heat map.

    Raises:
        ValueError: A and B have another number of columns.
    """
    if A.shape[-1] != B.shape[-1]:
        raise ValueError(f"A and B must have as many columns, got {A.shape[-1]} and {B.shape[-1]}")
    overlap = (right_singular(A).mT @ right_singular(B)).square().cumsum(0).cumsum(1)
    i = torch.arange(1, overlap.shape[0] + 1, device=A.device)[:, None]
    j = torch.arange(1, overlap.shape[1] + 1, device=A.device)
    return overlap / torch.minimum(i, j)


def projected_norm(W: Tensor, by: Tensor, r: int) -> float:
    r"""Return $\lVert U^\top W V \rVert_F$, U and V the top r singular vectors of ``by`` (Table 7).

    Args:
        W: (O, I).
        by: (O, I), such as ΔW, W itself, or a random matrix.
        r: how many.

    Raises:
        ValueError: two shapes, or r outside 1 to the smaller side.
    """
    if W.shape != by.shape:
        raise ValueError(f"W {tuple(W.shape)} and by {tuple(by.shape)} must have one shape")
    if not 1 <= r <= min(W.shape):
        raise ValueError(f"r must be 1 to {min(W.shape)}, got {r}")
    U, _, Vh = torch.linalg.svd(by, full_matrices=False)
    return (U[:, :r].mT @ W @ Vh[:r].mT).norm().item()


def amplification(W: Tensor, dW: Tensor, r: int) -> float:
    r"""Return $\lVert \Delta W \rVert_F / \lVert U^\top W V \rVert_F$, with U, V of ΔW (App. H.4).

    How much stronger the update is in its own directions than W was in them.
    """
    return dW.norm().item() / projected_norm(W, dW, r)
