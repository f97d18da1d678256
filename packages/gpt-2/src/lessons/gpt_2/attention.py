"""Causal self-attention, and the cache of keys and values (Radford et al. 2019, §2.3).

Shapes: B batch, H heads, Q queries, K keys, D head dimension, M n_embd.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from .config import GPT2Config


class KeyValueCache:
    """Keys and values of the positions read so far, in memory allocated once.

    Args:
        config: of the model whose cache it is.
        batch: sequences that are continued together.
        max_len: positions that there is room for.
        device: where; default: torch's.
        dtype: of keys and values; default: torch's.

    Raises:
        ValueError: no room at all, or more than the model has positions.
    """

    def __init__(
        self,
        config: GPT2Config,
        batch: int,
        max_len: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not 1 <= max_len <= config.n_positions:
            raise ValueError(
                f"max_len must be 1 to n_positions={config.n_positions}, got {max_len}"
            )
        shape = (config.n_layer, batch, config.n_head, max_len, config.n_embd // config.n_head)
        self.key_LBHKD = torch.empty(shape, device=device, dtype=dtype)
        self.value_LBHKD = torch.empty(shape, device=device, dtype=dtype)
        self.length = 0

    @property
    def room(self) -> int:
        """Positions that there is memory for."""
        return self.key_LBHKD.shape[3]

    def check(self, config: GPT2Config, batch: int, new: int) -> None:
        """Raise a ValueError unless it fits model and batch, with room for new positions."""
        layers, rows, heads, room, d_head = self.key_LBHKD.shape
        want = (config.n_layer, batch, config.n_head, config.n_embd // config.n_head)
        if (layers, rows, heads, d_head) != want:
            raise ValueError(
                f"cache is for (layers, batch, heads, d_head) {(layers, rows, heads, d_head)}, "
                f"model and input have {want}"
            )
        if self.length + new > room:
            raise ValueError(
                f"the cache has room for {room} positions, not for {self.length + new}"
            )

    def write(self, layer: int, key_BHQD: Tensor, value_BHQD: Tensor) -> tuple[Tensor, Tensor]:
        """Keep a layer's keys and values of new positions; return all there are, without a copy.

        ``length`` is moved by ``advance``, once all layers have written.
        """
        end = self.length + key_BHQD.shape[2]
        self.key_LBHKD[layer, :, :, self.length : end] = key_BHQD
        self.value_LBHKD[layer, :, :, self.length : end] = value_BHQD
        return self.key_LBHKD[layer, :, :, :end], self.value_LBHKD[layer, :, :, :end]

    def advance(self, new: int) -> None:
        """Count positions that all layers have written."""
        self.length += new

    def select(self, rows_B: Tensor) -> "KeyValueCache":
        """Return a cache whose sequence i goes on from what is sequence ``rows_B[i]`` here."""
        made = copy.copy(self)
        made.key_LBHKD, made.value_LBHKD = self.key_LBHKD[:, rows_B], self.value_LBHKD[:, rows_B]
        return made


class CausalSelfAttention(nn.Module):
    """Each position attends to itself and to those before it.

    Args:
        config: sizes and dropout.
        layer: number of the block, by which the cache knows whose keys these are.
    """

    def __init__(self, config: GPT2Config, layer: int = 0) -> None:
        super().__init__()
        self.n_head, self.layer, self.attn_pdrop = config.n_head, layer, config.attn_pdrop
        # Queries, keys and values of all heads, in this order, from one product.
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(
        self,
        x_BQM: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Map (B, Q, n_embd) to the same shape.

        Args:
            x_BQM: the new positions.
            mask: bool, broadcastable to (B, 1, Q, K), K with the positions in the cache: True where
                a query may look. None: at itself and at all before it.
            cache: the positions before these; these are written to it.
            maps: the weights (B, H, Q, K) are appended to it.
        """
        query, key, value = self.c_attn(x_BQM).chunk(3, -1)
        query_BHQD, key_BHKD, value_BHKD = (
            part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in (query, key, value)
        )
        if cache is not None:
            key_BHKD, value_BHKD = cache.write(self.layer, key_BHKD, value_BHKD)
            # Under autocast the cache is of the model's type, and the queries are not.
            key_BHKD, value_BHKD = (t.to(query_BHQD.dtype) for t in (key_BHKD, value_BHKD))
        dropout_p = self.attn_pdrop if self.training else 0.0
        # The kernel has no derivative forward (torch.func.jvp): there the weights are written out.
        written = maps is not None or forward_ad._current_level >= 0
        # The kernel's own causal mask begins at key 0, not at the first new position.
        past = cache is not None and cache.length > 0
        if mask is None and (written or (past and x_BQM.shape[1] > 1)):
            mask = causal_mask(x_BQM.shape[1], key_BHKD.shape[2], x_BQM.device)
        if not written:
            is_causal = mask is None and not past
            result_BHQD = F.scaled_dot_product_attention(
                query_BHQD, key_BHKD, value_BHKD, mask, dropout_p, is_causal=is_causal
            )
        else:
            scores_BHQK = query_BHQD @ key_BHKD.transpose(-2, -1) * query_BHQD.shape[-1] ** -0.5
            if mask is not None:
                scores_BHQK = scores_BHQK.masked_fill(~mask, -torch.inf)
            weights_BHQK = scores_BHQK.softmax(-1)
            if maps is not None:
                maps.append(weights_BHQK)
            result_BHQD = F.dropout(weights_BHQK, dropout_p) @ value_BHKD
        return self.resid_dropout(self.c_proj(result_BHQD.transpose(1, 2).flatten(2)))


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Return (Q, K): the last Q of K positions see themselves and all before them."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
