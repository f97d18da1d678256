r"""Relative positions as scalars in buckets (Raffel et al. 2020, §2.1).

Shapes: H heads, Q queries, K keys.
"""

import math

import torch
from torch import Tensor, nn

from .config import check_buckets


def relative_position_bucket(
    relative_position: Tensor,
    bidirectional: bool = True,
    num_buckets: int = 32,
    max_distance: int = 128,
) -> Tensor:
    """Return the bucket of each offset: exact while small, then ever wider.

    Half of a side's buckets hold one distance each; the other half cuts the distances up to
    ``max_distance`` at equal ratios; what lies beyond is in the last one.

    Args:
        relative_position: place of the key minus place of the query, any shape.
        bidirectional: half of the buckets are for keys behind the query. Without, all of them are
            for the key itself and what lies before it, and later keys count as distance 0.
        num_buckets: of both sides.
        max_distance: from where on all offsets share a bucket, if not before.

    Returns:
        Numbers from 0 to num_buckets - 1, of the same shape.

    Raises:
        ValueError: an odd number of buckets or fewer than 4, or a distance that does not exceed
            half of them.

    Source: §2.1; which offset is in which bucket, the released code.
    """
    check_buckets(num_buckets, max_distance)
    if bidirectional:
        sided = num_buckets // 2
        first = (relative_position > 0).long() * sided
        distance = relative_position.abs()
    else:
        sided, first = num_buckets, torch.zeros_like(relative_position, dtype=torch.long)
        distance = (-relative_position).clamp(min=0)
    exact = sided // 2
    # In float32, as the released code: at equal ratios an edge is where the logarithm rounds to.
    ratio = (distance.clamp(min=exact).float() / exact).log() / math.log(max_distance / exact)
    far = exact + (ratio * (sided - exact)).long()
    return first + torch.where(distance < exact, distance.long(), far.clamp(max=sided - 1))


class RelativeBias(nn.Module):
    """One learned scalar for each head and bucket, added to the scores of attention.

    Args:
        num_heads: H.
        bidirectional: whether keys behind the query have buckets of their own.
        num_buckets: 32 in the paper.
        max_distance: 128 in the paper.

    Source: §2.1.
    """

    def __init__(
        self, num_heads: int, bidirectional: bool, num_buckets: int = 32, max_distance: int = 128
    ) -> None:
        super().__init__()
        self.bidirectional, self.max_distance = bidirectional, max_distance
        self.embedding = nn.Embedding(num_buckets, num_heads)

    def forward(self, queries: int, keys: int, start: int = 0) -> Tensor:
        """Return the bias (1, H, queries, keys); the first of the queries stands at start."""
        weight = self.embedding.weight
        query_Q1 = torch.arange(start, start + queries, device=weight.device)[:, None]
        offset_QK = torch.arange(keys, device=weight.device) - query_Q1
        bucket_QK = relative_position_bucket(
            offset_QK, self.bidirectional, len(weight), self.max_distance
        )
        return self.embedding(bucket_QK).permute(2, 0, 1)[None]
