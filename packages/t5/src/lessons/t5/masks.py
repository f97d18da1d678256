"""What a query may look at (Raffel et al. 2020, Figure 3).

Shapes: B batch, Q queries, K keys. True: may look.
"""

import torch
from torch import Tensor


def causal_mask(length: int, device: torch.device | None = None) -> Tensor:
    """Return the mask (length, length) by which place i sees places 0 … i (Figure 3, middle)."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def prefix_mask(prefix_len: int, length: int, device: torch.device | None = None) -> Tensor:
    """Return the mask (length, length) that is causal but for a prefix, which all see.

    Raises:
        ValueError: a prefix that is negative or longer than the sequence.

    Source: Figure 3, right.
    """
    if not 0 <= prefix_len <= length:
        raise ValueError(f"prefix_len must be in 0 … length ({length}), got {prefix_len}")
    return causal_mask(length, device) | (torch.arange(length, device=device) < prefix_len)


def segment_mask(query_BQ: Tensor, key_BK: Tensor) -> Tensor:
    """Return the mask (B, 1, Q, K) by which a query sees the keys of its own segment.

    Args:
        query_BQ: number of the example that each place belongs to; 0 for padding.
        key_BK: likewise. A mask of ones and zeros is the case of one example a row.
    """
    return (query_BQ[:, :, None] == key_BK[:, None, :])[:, None]
