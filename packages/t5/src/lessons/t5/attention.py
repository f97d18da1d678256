r"""Attention without a scale and without biases (Raffel et al. 2020, §2.1).

Shapes: B batch, Q queries, K keys, M d_model, H heads, D d_kv.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad


class KeyValueCache:
    """Keys and values of the places decoded so far, in memory allocated once.

    Args:
        batch: sequences that are decoded together.
        max_len: places that there is room for.
        attention: whose keys and values these are.
    """

    def __init__(self, batch: int, max_len: int, attention: "Attention") -> None:
        weight, shape = attention.k.weight, (batch, attention.num_heads, max_len, attention.d_kv)
        self.key_BHKD, self.value_BHKD = weight.new_empty(shape), weight.new_empty(shape)
        self.length = 0

    def append(self, key_BHKD: Tensor, value_BHKD: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values of new places; return all there are, without a copy.

        Raises:
            ValueError: there is no room for them.
        """
        start, end = self.length, self.length + key_BHKD.shape[2]
        if end > self.key_BHKD.shape[2]:
            room = self.key_BHKD.shape[2]
            raise ValueError(f"the cache has room for {room} positions, not for {end}")
        self.length = end
        self.key_BHKD[:, :, start:end] = key_BHKD
        self.value_BHKD[:, :, start:end] = value_BHKD
        return self.key_BHKD[:, :, :end], self.value_BHKD[:, :, :end]

    def reorder(self, rows_B: Tensor) -> None:
        """Let sequence i go on from what was sequence ``rows_B[i]`` (beam search)."""
        for store in (self.key_BHKD, self.value_BHKD):
            store[:, :, : self.length] = store[rows_B, :, : self.length]


class Attention(nn.Module):
    r"""Attend with H heads: $\mathrm{softmax}(QK^\top + \mathrm{bias})\,V$, without $1/\sqrt{d}$.

    The scale that the Transformer divides scores by is in the initial weights of q instead (see
    `reset_parameters`). The paper does not say so; the released weights need it.

    Args:
        d_model: M.
        num_heads: H.
        d_kv: width of a head; H * D may differ from d_model.
        dropout: of the attention weights.

    Source: §2.1, §3.1.1.
    """

    def __init__(self, d_model: int, num_heads: int, d_kv: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads, self.d_kv, self.dropout = num_heads, d_kv, dropout
        self.q = nn.Linear(d_model, num_heads * d_kv, bias=False)
        self.k = nn.Linear(d_model, num_heads * d_kv, bias=False)
        self.v = nn.Linear(d_model, num_heads * d_kv, bias=False)
        self.o = nn.Linear(num_heads * d_kv, d_model, bias=False)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        r"""Draw weights so that scores begin with variance 1: q is narrower by $\sqrt{D}$."""
        d_model = self.q.in_features
        self.q.weight.normal_(std=(d_model * self.d_kv) ** -0.5, generator=generator)
        self.k.weight.normal_(std=d_model**-0.5, generator=generator)
        self.v.weight.normal_(std=d_model**-0.5, generator=generator)
        self.o.weight.normal_(std=self.o.in_features**-0.5, generator=generator)

    def forward(
        self,
        query_BQM: Tensor,
        memory_BKM: Tensor | None = None,
        bias_BHQK: Tensor | None = None,
        cache: KeyValueCache | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend from queries to a memory, or from a sequence to itself.

        Args:
            query_BQM: (B, Q, d_model).
            memory_BKM: (B, K, d_model); None: the queries themselves.
            bias_BHQK: added to the scores; broadcasts to (B, H, Q, K). Where a key is hidden, the
                lowest number there is.
            cache: of attention to itself: places before these; grows by these. Of attention to a
                memory: its keys and values, which are then not computed.
            maps: the weights (B, H, Q, K) are appended to it.

        Returns:
            (B, Q, d_model).
        """
        query_BHQD = self._heads(self.q(query_BQM))
        if memory_BKM is not None and cache is not None:
            key_BHKD, value_BHKD = cache.key_BHKD, cache.value_BHKD
        else:
            key_BHKD, value_BHKD = self.keys_and_values(
                query_BQM if memory_BKM is None else memory_BKM
            )
            if cache is not None:
                key_BHKD, value_BHKD = cache.append(key_BHKD, value_BHKD)
        if bias_BHQK is not None:
            bias_BHQK = bias_BHQK.to(query_BHQD.dtype)
        dropout = self.dropout if self.training else 0.0
        # The kernel has no derivative forward, nor, where it is mapped (vmap), of the bias: there,
        # too, the weights are written out.
        functional = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
        if maps is None and not functional:
            result_BHQD = F.scaled_dot_product_attention(
                query_BHQD, key_BHKD, value_BHKD, bias_BHQK, dropout, scale=1.0
            )
        else:
            scores_BHQK = query_BHQD @ key_BHKD.transpose(-2, -1)  # no 1/√d: see the class
            if bias_BHQK is not None:
                scores_BHQK = scores_BHQK + bias_BHQK
            weights_BHQK = scores_BHQK.softmax(-1)
            if maps is not None:
                maps.append(weights_BHQK)
            result_BHQD = F.dropout(weights_BHQK, dropout) @ value_BHKD
        return self.o(result_BHQD.transpose(1, 2).flatten(2))

    def keys_and_values(self, memory_BKM: Tensor) -> tuple[Tensor, Tensor]:
        """Return what queries meet in a memory: keys and values, (B, H, K, D) each."""
        return self._heads(self.k(memory_BKM)), self._heads(self.v(memory_BKM))

    def _heads(self, projected: Tensor) -> Tensor:
        """(B, Q, H*D) -> (B, H, Q, D)."""
        return projected.unflatten(-1, (self.num_heads, self.d_kv)).transpose(1, 2)


def hidden(bias_HQK: Tensor | None, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """Return the bias with the lowest number of ``like``'s type wherever the mask is False.

    That number, and not −∞: a query that may look at nothing then looks at everything alike, as in
    the released code, and its softmax is no 0/0.
    """
    if mask is None:
        return bias_HQK
    bias = like.new_zeros(()) if bias_HQK is None else bias_HQK.to(like.dtype)
    return torch.where(mask, bias, torch.finfo(like.dtype).min)
