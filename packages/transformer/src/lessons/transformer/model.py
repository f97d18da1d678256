r"""The Transformer: encoder, decoder, embeddings (Vaswani et al. 2017, §3).

Shapes: B batch, S source length, T target length, M d_model, F d_ff, V vocabulary.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy
from torch.utils.checkpoint import checkpoint

from .attention import KeyValueCache, MultiHeadAttention, padding_mask
from .config import PRESETS, TransformerConfig, round_up
from .positions import LearnedPositionalEmbedding, SinusoidalPositionalEncoding
from .tracing import node

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu, "swish": F.silu, "gelu": F.gelu,
}  # fmt: skip


class PositionwiseFeedForward(nn.Module):
    r"""Two linear maps with a ReLU between, the same at each position.

    $\mathrm{FFN}(x) = \max(0, xW_1+b_1)W_2+b_2$

    Args:
        d_model: width of input and result.
        d_ff: width between.
        dropout: after the activation, in training; the paper has none there.
        activation: "relu"; "swish" as in Marian's released models; "gelu".

    Raises:
        ValueError: an unknown activation.

    Source: §3.3, eq. 2.
    """

    def __init__(
        self, d_model: int, d_ff: int, dropout: float = 0.0, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {(*ACTIVATIONS,)}, got {activation!r}")
        self.dropout, self.activation = dropout, ACTIVATIONS[activation]

    def forward(self, x_BTM: Tensor) -> Tensor:
        """Map (B, T, d_model) to the same shape."""
        if isinstance(x_BTM, Proxy):
            return node(self, x_BTM)
        inner_BTF = self.activation(self.linear1(x_BTM))
        return self.linear2(F.dropout(inner_BTF, self.dropout, self.training))


class Residual(nn.Module):
    """Add a sub-layer's output to its input, and normalise.

    post: LayerNorm(x + Dropout(Sublayer(x))), the paper. pre: x + Dropout(Sublayer(LayerNorm(x))).

    Source: §3.1, §5.4.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.dropout, self.pre = nn.Dropout(config.dropout), config.norm == "pre"

    def forward(self, x_BTM: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply ``sublayer`` to (B, T, d_model); the result has the same shape."""
        if self.pre:
            return x_BTM + self.dropout(sublayer(self.norm(x_BTM)))
        return self.norm(x_BTM + self.dropout(sublayer(x_BTM)))


def _attention(config: TransformerConfig) -> MultiHeadAttention:
    c = config
    sizes = (c.d_model, c.num_heads, c.d_k, c.d_v)
    return MultiHeadAttention(*sizes, c.attention_bias, c.attention_dropout)


def _feed_forward(config: TransformerConfig) -> PositionwiseFeedForward:
    c = config
    return PositionwiseFeedForward(c.d_model, c.d_ff, c.activation_dropout, c.activation)


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward net (§3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention, self.residual1 = _attention(config), Residual(config)
        self.feed_forward, self.residual2 = _feed_forward(config), Residual(config)

    def forward(self, x_BSM: Tensor, mask: Tensor | None = None, maps: list | None = None):
        """Map (B, S, d_model) to the same shape."""
        x_BSM = self.residual1(x_BSM, lambda x: self.self_attention(x, mask=mask, maps=maps))
        return self.residual2(x_BSM, self.feed_forward)


class DecoderLayer(nn.Module):
    """Self-attention to earlier positions, attention to the source, the feed-forward net (§3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention, self.residual1 = _attention(config), Residual(config)
        self.cross_attention, self.residual2 = _attention(config), Residual(config)
        self.feed_forward, self.residual3 = _feed_forward(config), Residual(config)

    def forward(
        self,
        x_BTM: Tensor,
        memory_BSM: Tensor,
        memory_mask: Tensor | None = None,
        mask: Tensor | None = None,
        caches: tuple[KeyValueCache, KeyValueCache] | tuple[None, None] = (None, None),
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Map (B, T, d_model) to the same shape; pairs are for self- and cross-attention."""

        def look_back(x):
            return self.self_attention(x, mask=mask, is_causal=True, cache=caches[0], maps=maps[0])

        def look_across(x):
            return self.cross_attention(x, memory_BSM, memory_mask, cache=caches[1], maps=maps[1])

        x_BTM = self.residual1(x_BTM, look_back)
        x_BTM = self.residual2(x_BTM, look_across)
        return self.residual3(x_BTM, self.feed_forward)


class Encoder(nn.Module):
    """A stack of encoder layers, with a last normalisation where ``final_norm`` asks for it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        layers = range(config.num_encoder_layers)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in layers)
        self.norm = _final_norm(config)
        self.checkpointing = config.gradient_checkpointing

    def forward(self, x_BSM: Tensor, mask: Tensor | None = None, maps: list | None = None):
        """Map embedded sources (B, S, d_model) to the memory, of the same shape."""
        for layer in self.layers:
            if self.checkpointing and self.training and maps is None:
                x_BSM = checkpoint(layer, x_BSM, mask, use_reentrant=False)
            else:
                x_BSM = layer(x_BSM, mask, maps)
        return self.norm(x_BSM)


class DecoderCache:
    """What the decoder need not compute again: keys and values of both attentions of each layer.

    Args:
        decoder: whose cache it is.
        memory_BSM: the encoder's result; its keys and values are computed here, once.
        max_len: target positions that there is room for.
        copies: rows decoded for each source (beam search).
    """

    def __init__(
        self, decoder: "Decoder", memory_BSM: Tensor, max_len: int, copies: int = 1
    ) -> None:
        b, s, _ = memory_BSM.shape
        self.layers = []
        layers: Any = decoder.layers
        for layer in layers:
            own = KeyValueCache(b * copies, max_len, layer.self_attention)
            across = KeyValueCache(b * copies, s, layer.cross_attention)
            key_value = layer.cross_attention.keys_and_values(memory_BSM)
            across.append(*(part.repeat_interleave(copies, 0) for part in key_value))
            self.layers.append((own, across))

    @property
    def rows(self) -> int:
        """Targets that are decoded together."""
        return self.layers[0][0].key_BHKD.shape[0]

    @property
    def length(self) -> int:
        """Target positions decoded so far."""
        return self.layers[0][0].length

    def reorder(self, rows_B: Tensor) -> None:
        """Let row i go on from what was row ``rows_B[i]``, a row of the same source."""
        for own, _ in self.layers:
            own.reorder(rows_B)


class Decoder(nn.Module):
    """A stack of decoder layers, with a last normalisation where ``final_norm`` asks for it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        layers = range(config.num_decoder_layers)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in layers)
        self.norm = _final_norm(config)
        self.checkpointing = config.gradient_checkpointing

    def forward(
        self,
        x_BTM: Tensor,
        memory_BSM: Tensor,
        memory_mask: Tensor | None = None,
        mask: Tensor | None = None,
        cache: DecoderCache | None = None,
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Map embedded targets (B, T, d_model) to states of the same shape."""
        for i, layer in enumerate(self.layers):
            if self.checkpointing and self.training and cache is None and maps[0] is None:
                x_BTM = checkpoint(layer, x_BTM, memory_BSM, memory_mask, mask, use_reentrant=False)
            else:
                caches = (None, None) if cache is None else cache.layers[i]
                x_BTM = layer(x_BTM, memory_BSM, memory_mask, mask, caches, maps)
        return self.norm(x_BTM)


def _final_norm(config: TransformerConfig) -> nn.Module:
    wanted = config.norm == "pre" if config.final_norm is None else config.final_norm
    return nn.LayerNorm(config.d_model, eps=config.norm_eps) if wanted else nn.Identity()


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """All attention weights of a pass; each entry is a layer, (B, H, queries, keys)."""

    encoder: list[Tensor]
    decoder: list[Tensor]
    cross: list[Tensor]


class Transformer(nn.Module):
    """Encoder and decoder with embeddings, positions and the output matrix.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights; default: torch's global one.

    Raises:
        ValueError: sizes that do not fit together.

    Source: §3, figure 1.
    """

    output_bias: Tensor | None

    def __init__(
        self,
        config: TransformerConfig = TransformerConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config
        self.vocab_size = round_up(c.vocab_size, c.pad_vocab_multiple)
        # A shared matrix is one module: there are no ties to lose when it is moved or saved.
        self.tgt_embedding = nn.Embedding(self.vocab_size, c.d_model)
        self.src_embedding = None
        if not c.share_embeddings:
            size = round_up(c.src_vocab_size or c.vocab_size, c.pad_vocab_multiple)
            self.src_embedding = nn.Embedding(size, c.d_model)
        if c.positions == "learned":
            self.src_positions = LearnedPositionalEmbedding(c.d_model, c.max_len)
            self.tgt_positions = LearnedPositionalEmbedding(c.d_model, c.max_len)
        else:
            kind = (c.d_model, c.position_layout, c.position_spacing)
            self.src_positions = self.tgt_positions = SinusoidalPositionalEncoding(*kind)
        self.dropout = nn.Dropout(c.dropout)
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.output = None if c.tie_output else nn.Linear(c.d_model, self.vocab_size, bias=False)
        # Marian keeps it as a buffer: it is loaded, not trained.
        bias = torch.zeros(self.vocab_size) if c.output_bias else None
        self.register_buffer("output_bias", bias)
        self.reset_parameters(generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "Transformer":
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``.
            generator: randomness of the initial weights.
            changes: fields of ``TransformerConfig`` that differ, such as ``vocab_size``.

        Raises:
            ValueError: an unknown name.

        Source: Table 3; §6.3.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new weights: Xavier's for matrices, N(0, 1/d_model) for embeddings.

        The paper gives no initial weights. Embeddings multiplied by sqrt(d_model) have variance 1
        then, as the sinusoids they are added to have 1/2; drawn from N(0, 1) they would drown them.
        """
        for name, parameter in self.named_parameters():
            if "embedding" in name or "positions" in name:
                parameter.normal_(std=self.config.d_model**-0.5, generator=generator)
            elif parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                parameter.fill_(float(name.endswith("norm.weight")))
        for module in self.modules():
            if isinstance(module, MultiHeadAttention):
                module.reset_parameters(generator)

    def forward(
        self,
        src_BS: Tensor,
        tgt_BT: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each target position.

        Args:
            src_BS: source ids, (B, S).
            tgt_BT: target ids shifted right, (B, T): they begin with ``bos_id``.
            src_mask: (B, 1, 1, S), True where a source position may be looked at; default: where
                the id is not ``pad_id``.
            tgt_mask: likewise for the target, on top of the causal mask. The default is none:
                padding on the right lies behind every real position. Give
                ``padding_mask(tgt, pad_id)`` if it stands on the left.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: ids outside the vocabulary, a wrong shape, more positions than learned, or
                another number of targets than of sources.
        """
        memory_BSM, src_mask = self._encode(src_BS, src_mask)
        return self.project(self.decode(tgt_BT, memory_BSM, src_mask, tgt_mask))

    def encode(self, src_BS: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Return the memory (B, S, d_model) of source ids (B, S); arguments as for forward."""
        return self._encode(src_BS, src_mask)[0]

    def _encode(self, src_BS, src_mask=None, maps=None) -> tuple[Tensor, Tensor]:
        c = self.config
        embedding = self.tgt_embedding if self.src_embedding is None else self.src_embedding
        size = c.vocab_size if c.share_embeddings else c.src_vocab_size or c.vocab_size
        self._check("src", src_BS, size, 0)
        if src_mask is None:
            src_mask = padding_mask(src_BS, c.pad_id)
        x_BSM = self._embed(src_BS, embedding, self.src_positions, 0)
        return self.encoder(x_BSM, src_mask, maps), src_mask

    def decode(
        self,
        tgt_BT: Tensor,
        memory_BSM: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        cache: DecoderCache | None = None,
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Return the decoder's states (B, T, d_model); ``project`` makes logits of them.

        Args:
            tgt_BT: target ids shifted right; with a cache only those not yet in it.
            memory_BSM: what ``encode`` returned.
            src_mask: (B, 1, 1, S); None: all of the memory may be looked at.
            tgt_mask: as for ``forward``; with a cache over all positions so far, those in it too.
            cache: of ``start_cache``; grows by these positions.
            maps: two lists, to which each layer's weights (self, cross) are appended.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: ids outside the vocabulary, a wrong shape, more positions than learned, or
                another number of targets than of sources.
        """
        start = 0 if cache is None else cache.length
        self._check("tgt", tgt_BT, self.config.vocab_size, start)
        rows = memory_BSM.shape[0] if cache is None else cache.rows
        if tgt_BT.shape[0] != rows:  # a single source would be looked at by all targets
            raise ValueError(f"tgt must have a row for each of src's {rows}, got {len(tgt_BT)}")
        x_BTM = self._embed(tgt_BT, self.tgt_embedding, self.tgt_positions, start)
        return self.decoder(x_BTM, memory_BSM, src_mask, tgt_mask, cache, maps)

    def start_cache(self, memory_BSM: Tensor, max_len: int, copies: int = 1) -> DecoderCache:
        """Return an empty cache for ``max_len`` positions, for ``copies`` rows of each source."""
        return DecoderCache(self.decoder, memory_BSM, max_len, copies)

    def project(self, states_BTM: Tensor) -> Tensor:
        """Return the logits (…, V) of states (…, d_model).

        Rows that only pad the vocabulary to a multiple take part in the product, which is what
        they are for, and not in the result: no such id exists.
        """
        matrix = self.tgt_embedding.weight if self.output is None else self.output.weight
        logits_BTV = F.linear(states_BTM, matrix)
        if self.output_bias is not None:
            logits_BTV = logits_BTV + self.output_bias
        v = self.config.vocab_size
        return logits_BTV if v == self.vocab_size else logits_BTV[..., :v]

    @torch.no_grad()
    def attention_maps(self, src_BS: Tensor, tgt_BT: Tensor) -> AttentionMaps:
        """Return every attention weight of a pass, for pictures like figures 3 to 5."""
        maps = AttentionMaps([], [], [])
        memory_BSM, src_mask = self._encode(src_BS, maps=maps.encoder)
        self.decode(tgt_BT, memory_BSM, src_mask, maps=(maps.decoder, maps.cross))
        return maps

    def _embed(self, ids_BT, embedding, positions, start) -> Tensor:
        x_BTM = embedding(ids_BT)
        if self.config.scale_embeddings:
            x_BTM = x_BTM * self.config.d_model**0.5  # §3.4
        where_T = torch.arange(start, start + ids_BT.shape[1], device=ids_BT.device)
        return self.dropout(x_BTM + positions(where_T, x_BTM.dtype))

    def _check(self, name, ids_BT, vocab_size, start) -> None:
        if not isinstance(ids_BT, Tensor):
            raise TypeError(f"{name} must be a tensor of token ids, got {type(ids_BT).__name__}")
        if ids_BT.is_floating_point() or ids_BT.dtype in (torch.bool, torch.complex64):
            raise TypeError(f"{name} must hold integer token ids, got {ids_BT.dtype}")
        if ids_BT.dim() != 2:
            raise ValueError(f"{name} must have shape (batch, length), got {tuple(ids_BT.shape)}")
        end = start + ids_BT.shape[1]
        if self.config.positions == "learned" and end > self.config.max_len:
            raise ValueError(
                f"{name} has {end} positions, the learned table max_len={self.config.max_len}"
            )
        # What depends on data cannot be compiled or mapped (torch.func), and costs a GPU a pause.
        traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        if traced or ids_BT.device.type != "cpu" or not ids_BT.numel():
            return
        low, high = (int(bound) for bound in torch.aminmax(ids_BT))
        if low < 0 or high >= vocab_size:
            worst = low if low < 0 else high
            raise ValueError(f"{name} has id {worst}, the vocabulary V={vocab_size} ids from 0")
