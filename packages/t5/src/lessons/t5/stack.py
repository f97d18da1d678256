r"""A stack of blocks, encoder or decoder (Raffel et al. 2020, §2.1).

Shapes: B batch, Q places, K keys, S places of the encoder, M d_model, H heads.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .attention import Attention, KeyValueCache, hidden
from .config import T5Config
from .positions import RelativeBias


class T5LayerNorm(nn.Module):
    r"""Divide by the root mean square and multiply by a gain: no mean is taken off, no bias added.

    $y = g \odot x / \sqrt{\overline{x^2} + \epsilon}$, since known as RMSNorm.

    Source: §2.1, "a simplified version of layer normalization where the activations are only
    rescaled". That the mean is not taken off either, the released code.
    """

    def __init__(self, d_model: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d_model)), eps

    def forward(self, x_BQM: Tensor) -> Tensor:
        """Return (B, Q, M); the mean is taken in 32 bits at least, in halves it overflows."""
        wide_BQM = x_BQM.to(torch.promote_types(x_BQM.dtype, torch.float32))
        normed_BQM = F.rms_norm(wide_BQM, self.weight.shape, None, self.eps)
        return self.weight * normed_BQM.to(self.weight.dtype)


class FeedForward(nn.Module):
    r"""$\max(0, xW_i)\,W_o$; or, in T5 v1.1, $(\mathrm{GELU}(xW_0) \odot xW_1)\,W_o$.

    Source: §3.1.1; gated: Shazeer 2020, with the approximation of GELU by a tanh.
    """

    def __init__(self, config: T5Config, d_ff: int, gated: bool) -> None:
        super().__init__()
        d_model = config.d_model
        self.wi = None if gated else nn.Linear(d_model, d_ff, bias=False)
        self.wi_0 = nn.Linear(d_model, d_ff, bias=False) if gated else None
        self.wi_1 = nn.Linear(d_model, d_ff, bias=False) if gated else None
        self.wo = nn.Linear(d_ff, d_model, bias=False)
        self.dropout = nn.Dropout(config.dropout_rate)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw weights that keep a variance of 1."""
        for linear in (self.wi, self.wi_0, self.wi_1, self.wo):
            if linear is not None:
                linear.weight.normal_(std=linear.in_features**-0.5, generator=generator)

    def forward(self, x_BQM: Tensor) -> Tensor:
        """Map (B, Q, M) to the same shape."""
        if self.wi is not None:
            inner = F.relu(self.wi(x_BQM))
        else:
            assert self.wi_0 is not None
            assert self.wi_1 is not None
            inner = F.gelu(self.wi_0(x_BQM), approximate="tanh") * self.wi_1(x_BQM)
        # wo may be kept wider than the rest: in float16 its results overflow in large models.
        inner = self.dropout(inner).to(self.wo.weight.dtype)
        return self.wo(inner)


class Block(nn.Module):
    """Attention to itself, in a decoder attention to the encoder, and a feed-forward net.

    Each is wrapped as x + Dropout(Sublayer(Norm(x))), with the norm outside the residual path.

    Args:
        config: sizes.
        cross: whether there is an encoder to attend to.
        like: a block whose weights this one shares, all but those of attention to the encoder.

    Source: §2.1; sharing: §3.2.2.
    """

    def __init__(self, config: T5Config, cross: bool, like: "Block | None" = None) -> None:
        super().__init__()
        c = config

        def norm() -> T5LayerNorm:
            return T5LayerNorm(c.d_model, c.layer_norm_epsilon)

        def attention() -> Attention:
            return Attention(c.d_model, c.num_heads, c.d_kv, c.dropout_rate)

        self.norm1 = norm() if like is None else like.norm1
        self.self_attention = attention() if like is None else like.self_attention
        self.norm2 = norm() if cross else None
        self.cross_attention = attention() if cross else None
        gated = c.feed_forward_proj == "gated-gelu"
        self.norm3 = norm() if like is None else like.norm3
        self.feed_forward = FeedForward(c, c.d_ff, gated) if like is None else like.feed_forward
        self.norm4 = self.adapter = None  # §3.5.1
        if c.adapter_dim is not None:
            self.norm4 = norm() if like is None else like.norm4
            # Dense, ReLU, dense, whatever the feed-forward net is.
            self.adapter = FeedForward(c, c.adapter_dim, False) if like is None else like.adapter
        self.dropout = nn.Dropout(c.dropout_rate)

    def forward(
        self,
        x_BQM: Tensor,
        bias_BHQK: Tensor,
        memory_BSM: Tensor | None = None,
        memory_bias_BHQS: Tensor | None = None,
        cache: tuple[KeyValueCache, KeyValueCache | None] | tuple[None, None] = (None, None),
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Map (B, Q, M) to the same shape; pairs are for self- and cross-attention."""
        add, own = self.dropout, self.self_attention
        x_BQM = x_BQM + add(own(self.norm1(x_BQM), None, bias_BHQK, cache[0], maps[0]))
        if self.cross_attention is not None and self.norm2 is not None:
            query_BQM = self.norm2(x_BQM)
            x_BQM = x_BQM + add(
                self.cross_attention(query_BQM, memory_BSM, memory_bias_BHQS, cache[1], maps[1])
            )
        x_BQM = x_BQM + add(self.feed_forward(self.norm3(x_BQM)))
        if self.adapter is not None and self.norm4 is not None:
            x_BQM = x_BQM + add(self.adapter(self.norm4(x_BQM)))
        return x_BQM


class Stack(nn.Module):
    """Blocks, the scalars of relative position that all of them share, and a last norm.

    Args:
        config: sizes.
        layers: how many blocks.
        bidirectional: whether keys behind a query have buckets of their own.
        cross: whether the blocks attend to an encoder.
        like: a stack whose blocks' weights these share (§3.2.2). The scalars of position are not
            among them, as their buckets mean other offsets here, nor is the last norm.

    Source: §2.1.
    """

    def __init__(
        self,
        config: T5Config,
        layers: int,
        bidirectional: bool,
        cross: bool = False,
        like: "Stack | None" = None,
    ) -> None:
        super().__init__()
        c = config
        buckets = c.relative_attention_num_buckets, c.relative_attention_max_distance
        self.relative_bias = RelativeBias(c.num_heads, bidirectional, *buckets)
        others: Any = [None] * layers if like is None else like.blocks
        self.blocks = nn.ModuleList(Block(c, cross, other) for other in others)
        self.norm = T5LayerNorm(c.d_model, c.layer_norm_epsilon)
        self.dropout = nn.Dropout(c.dropout_rate)
        self.checkpointing = c.gradient_checkpointing

    def forward(
        self,
        x_BQM: Tensor,
        mask: Tensor | None = None,
        memory_BSM: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: "Cache | None" = None,
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Map embedded tokens (B, Q, M) to states of the same shape.

        Args:
            x_BQM: embeddings; with a cache only of places not yet in it.
            mask: bool, broadcasts to (B, 1, Q, K); True where a query may look. K counts places in
                the cache as well.
            memory_BSM: the encoder's states.
            memory_mask: bool, broadcasts to (B, 1, Q, S).
            cache: grows by these places.
            maps: two lists to which each block's weights (self, cross) are appended.
        """
        start = 0 if cache is None else cache.length
        queries = x_BQM.shape[1]
        bias_HQK = self.relative_bias(queries, start + queries, start)
        bias_BHQK = hidden(bias_HQK, mask, x_BQM)
        assert bias_BHQK is not None
        memory_bias = hidden(None, memory_mask, x_BQM)
        x_BQM = self.dropout(x_BQM)
        for i, block in enumerate(self.blocks):
            arguments = (x_BQM, bias_BHQK, memory_BSM, memory_bias)
            if self.checkpointing and self.training and cache is None and maps[0] is None:
                x_BQM = checkpoint(block, *arguments, use_reentrant=False)
            else:
                x_BQM = block(*arguments, (None, None) if cache is None else cache.layers[i], maps)
        return self.dropout(self.norm(x_BQM))


class Cache:
    """What a stack need not compute again: keys and values of its attentions, layer by layer.

    Args:
        stack: whose cache it is.
        rows: sequences that are decoded together.
        max_len: places that there is room for.
        memory_BSM: the encoder's states; their keys and values are computed here, once.
    """

    def __init__(
        self, stack: Stack, rows: int, max_len: int, memory_BSM: Tensor | None = None
    ) -> None:
        self.layers: list[tuple[KeyValueCache, KeyValueCache | None]] = []
        self.rows = rows
        blocks: Any = stack.blocks
        for block in blocks:
            across = None
            if memory_BSM is not None:
                across = KeyValueCache(rows, memory_BSM.shape[1], block.cross_attention)
                copies = rows // max(1, memory_BSM.shape[0])
                pair = block.cross_attention.keys_and_values(memory_BSM)
                across.append(*(part.repeat_interleave(copies, 0) for part in pair))
            self.layers.append((KeyValueCache(rows, max_len, block.self_attention), across))

    @property
    def length(self) -> int:
        """Places decoded so far."""
        return self.layers[0][0].length

    def reorder(self, rows_B: Tensor) -> None:
        """Let row i go on from what was row ``rows_B[i]``, a row of the same source."""
        for own, _ in self.layers:
            own.reorder(rows_B)
