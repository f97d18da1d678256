r"""Scaled dot-product and multi-head attention (Vaswani et al. 2017, §3.2).

Shapes: B batch, Q queries, K keys, M d_model, H heads, D d_k (query and key), E d_v (value).

A mask is boolean and says what may be looked at (True) and what not (False).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Proxy

from .tracing import node


def scaled_dot_product_attention(
    query_BHQD: Tensor,
    key_BHKD: Tensor,
    value_BHKE: Tensor,
    mask: Tensor | None = None,
    dropout_p: float = 0.0,
    need_weights: bool = False,
    is_causal: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Attend: $\mathrm{softmax}(QK^\top/\sqrt{d_k})\,V$.

    Args:
        query_BHQD: queries, (B, H, Q, d_k).
        key_BHKD: keys, (B, H, K, d_k).
        value_BHKE: values, (B, H, K, d_v).
        mask: bool, broadcastable to (B, H, Q, K); True where a query may look at a key.
        dropout_p: probability with which a weight is dropped (0 in the paper).
        need_weights: also return the weights; they are then written out, which the fast kernel
            avoids.
        is_causal: query i looks at keys 0…i only (the same number of queries and keys).

    Returns:
        The result (B, H, Q, d_v), and the weights (B, H, Q, K) if ``need_weights``. A query that
        may look at nothing gets zeros.

    Raises:
        ValueError: a mask that is not boolean or does not broadcast to (B, H, Q, K), or
            ``is_causal`` with another number of keys than of queries.

    Source: §3.2.1, eq. 1; the mask: §3.2.3.
    """
    shape_BHQK = (*query_BHQD.shape[:-1], key_BHKD.shape[-2])
    if is_causal and shape_BHQK[-2] != shape_BHQK[-1]:
        raise ValueError(f"is_causal needs as many keys as queries, got (Q, K) {shape_BHQK[-2:]}")
    # The kernel has no derivative forward: there, too, the weights are written out.
    written = need_weights or forward_ad._current_level >= 0
    if is_causal and (mask is not None or written):
        causal_QK = causal_mask(shape_BHQK[-1], query_BHQD.device)
        mask, is_causal = causal_QK if mask is None else mask & causal_QK, False
    if mask is None:
        sighted = None
    else:
        _check_mask(mask, shape_BHQK)
        # A query without a visible key looks at all of them here and is set to zero below: its
        # softmax over nothing would be 0/0, and not every kernel catches that, nor its gradient.
        sighted = mask.any(-1, keepdim=True)
        mask = mask | ~sighted
    if written:
        scores_BHQK = query_BHQD @ key_BHKD.transpose(-2, -1) * query_BHQD.shape[-1] ** -0.5
        if mask is not None:
            scores_BHQK = scores_BHQK.masked_fill(~mask, -torch.inf)  # §3.2.3
        weights_BHQK = scores_BHQK.softmax(-1)
        if sighted is not None:
            weights_BHQK = weights_BHQK * sighted
        result_BHQE = F.dropout(weights_BHQK, dropout_p) @ value_BHKE
        return (result_BHQE, weights_BHQK) if need_weights else result_BHQE
    result_BHQE = F.scaled_dot_product_attention(
        query_BHQD, key_BHKD, value_BHKE, mask, dropout_p, is_causal=is_causal
    )
    return result_BHQE if sighted is None else result_BHQE * sighted


class KeyValueCache:
    """Keys and values of the positions decoded so far, in memory allocated once.

    Args:
        batch: sequences that are decoded together.
        max_len: positions that there is room for.
        attention: whose keys and values these are.
    """

    def __init__(self, batch: int, max_len: int, attention: "MultiHeadAttention") -> None:
        h, weight = attention.num_heads, attention.in_proj.weight
        self.key_BHKD = weight.new_empty(batch, h, max_len, attention.d_k)
        self.value_BHKE = weight.new_empty(batch, h, max_len, attention.d_v)
        self.length = 0

    def append(self, key_BHKD: Tensor, value_BHKE: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new positions; return all there are, without a copy.

        Raises:
            ValueError: there is no room for them.
        """
        room, wanted = self.key_BHKD.shape[2], self.length + key_BHKD.shape[2]
        if wanted > room:
            raise ValueError(f"the cache has room for {room} positions, not for {wanted}")
        start, self.length = self.length, self.length + key_BHKD.shape[2]
        self.key_BHKD[:, :, start : self.length] = key_BHKD
        self.value_BHKE[:, :, start : self.length] = value_BHKE
        return self.key_BHKD[:, :, : self.length], self.value_BHKE[:, :, : self.length]

    def reorder(self, rows_B: Tensor) -> None:
        """Let sequence i go on from what was sequence ``rows_B[i]`` (beam search)."""
        for store in (self.key_BHKD, self.value_BHKE):
            store[:, :, : self.length] = store[rows_B, :, : self.length]


class MultiHeadAttention(nn.Module):
    r"""Attend with h heads, each in its own projection: $\mathrm{Concat}(head_1…head_h)W^O$.

    Args:
        d_model: width of queries, memory and result.
        num_heads: h.
        d_k: width of a head's queries and keys; default d_model / h.
        d_v: width of a head's values; default d_k.
        bias: add biases to the four projections (the paper's are matrices only; most released
            checkpoints have them).
        dropout: probability with which an attention weight is dropped in training; the paper drops
            none, tensor2tensor does.

    Raises:
        ValueError: d_model is not divisible by num_heads and d_k is not given, or a width below 1.

    Source: §3.2.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads}")
        if d_k is None and d_model % num_heads:
            raise ValueError(
                f"d_model ({d_model}) must be divisible by num_heads ({num_heads}), "
                f"unless d_k is given"
            )
        self.num_heads, self.dropout = num_heads, dropout
        self.d_k = d_model // num_heads if d_k is None else d_k
        self.d_v = self.d_k if d_v is None else d_v
        if min(self.d_k, self.d_v) < 1:
            raise ValueError(f"d_k and d_v must be at least 1, got {self.d_k} and {self.d_v}")
        # W^Q, W^K and W^V of all heads stacked: one product where all three see the same input.
        self.splits = [num_heads * self.d_k, num_heads * self.d_k, num_heads * self.d_v]
        self.in_proj = nn.Linear(d_model, sum(self.splits), bias)
        self.out_proj = nn.Linear(num_heads * self.d_v, d_model, bias)  # W^O
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw W^Q, W^K, W^V and W^O after Xavier, each for itself; set biases to zero."""
        for matrix in (*self.in_proj.weight.split(self.splits), self.out_proj.weight):
            nn.init.xavier_uniform_(matrix, generator=generator)
        for linear in (self.in_proj, self.out_proj):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(
        self,
        query_BQM: Tensor,
        memory_BKM: Tensor | None = None,
        mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend from queries to a memory, or from a sequence to itself.

        Args:
            query_BQM: (B, Q, d_model).
            memory_BKM: (B, K, d_model); default: the queries themselves (self-attention).
            mask: bool, broadcastable to (B, H, Q, K); True where a query may look. With a cache of
                earlier positions K counts these too.
            is_causal: position i looks at positions 0…i only.
            cache: self-attention: positions before these; grows by these. Attention to a memory:
                its keys and values, which are then not computed.
            maps: the weights (B, H, Q, K) are appended to it.

        Returns:
            (B, Q, d_model).

        Raises:
            ValueError: a mask that does not fit the queries and keys.

        Source: §3.2.2, §3.2.3.
        """
        if isinstance(query_BQM, Proxy):
            return node(self, query_BQM, memory_BKM, mask, is_causal)
        if memory_BKM is None:
            projected = self.in_proj(query_BQM).split(self.splits, -1)
            query_BHQD, key_BHKD, value_BHKE = (self._heads(part) for part in projected)
            key_value = key_BHKD, value_BHKE
            if cache is not None:
                past = cache.length
                key_value = cache.append(*key_value)
                if past and mask is not None and mask.shape[-1] != cache.length:
                    raise ValueError(
                        f"mask must cover the {cache.length} positions so far, the {past} in the "
                        f"cache included; got shape {tuple(mask.shape)}"
                    )
                if is_causal and past:  # the new positions are the last rows of the causal mask
                    is_causal = False
                    if query_BQM.shape[1] > 1:
                        later_QK = causal_mask(cache.length, query_BQM.device)[past:]
                        mask = later_QK if mask is None else mask & later_QK
        else:
            n, bias = self.splits[0], self.in_proj.bias
            query_BQX = F.linear(
                query_BQM, self.in_proj.weight[:n], None if bias is None else bias[:n]
            )
            query_BHQD = self._heads(query_BQX)
            if cache is None:
                key_value = self.keys_and_values(memory_BKM)
            else:
                key_value = cache.key_BHKD, cache.value_BHKE
        dropout_p = self.dropout if self.training else 0.0
        result: Any = scaled_dot_product_attention(
            query_BHQD, *key_value, mask, dropout_p, maps is not None, is_causal
        )
        if maps is not None:
            result, weights_BHQK = result
            maps.append(weights_BHQK)
        return self.out_proj(result.transpose(1, 2).flatten(2))

    def keys_and_values(self, memory_BKM: Tensor) -> tuple[Tensor, Tensor]:
        """Return what queries meet in a memory: (B, H, K, d_k) and (B, H, K, d_v)."""
        n, bias = self.splits[0], self.in_proj.bias
        both_BKX = F.linear(memory_BKM, self.in_proj.weight[n:], None if bias is None else bias[n:])
        key_BKX, value_BKX = both_BKX.split(self.splits[1:], -1)
        return self._heads(key_BKX), self._heads(value_BKX)

    def _heads(self, projected: Tensor) -> Tensor:
        """(B, Q, H*D) -> (B, H, Q, D)."""
        return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def padding_mask(ids_BS: Tensor, pad_id: int) -> Tensor:
    """Return the mask (B, 1, 1, S) that hides padding as keys."""
    return (ids_BS != pad_id)[:, None, None, :]


def causal_mask(length: int, device: torch.device | None = None) -> Tensor:
    """Return the mask (T, T) by which position i sees positions 0…i (§3.2.3)."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def _check_mask(mask: Tensor, shape_BHQK: tuple[int, ...]) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool (True: may look), got {mask.dtype}")
    b, _, q, k = shape_BHQK
    pairs = zip(reversed(mask.shape), reversed(shape_BHQK))
    if mask.dim() > 4 or any(got not in (1, wanted) for got, wanted in pairs):
        raise ValueError(
            f"mask must have shape ({b}, 1, 1, {k}) or ({q}, {k}), or broadcast to "
            f"{tuple(shape_BHQK)}; got {tuple(mask.shape)}"
        )
