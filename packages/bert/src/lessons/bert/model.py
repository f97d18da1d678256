r"""BERT: embeddings, encoder, pooler (Devlin et al. 2018, §3).

Shapes: B batch, T length, N tokens that are no padding, H hidden size, F feed-forward size,
A heads, D size of a head, V vocabulary; Q queries, K keys (both T).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from .config import PRESETS, BertConfig
from .padding import Packing, visible

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


class Norm(nn.LayerNorm):
    """Layer normalisation; of float16 in single precision.

    In float16 an ε of 1e-12 is 0, and 1/σ of a row that is nearly constant overflows, so that its
    gradient is not finite.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last dimension."""
        if input.dtype is not torch.float16:
            return super().forward(input)
        weight, bias = self.weight.float(), self.bias.float()
        normed = F.layer_norm(input.float(), self.normalized_shape, weight, bias, self.eps)
        return normed.to(input.dtype)


class Embeddings(nn.Module):
    r"""Sum of three learned embeddings, normalised: $E = \mathrm{LN}(W_{token} + P_t + S_{seg})$.

    Args:
        config: sizes and choices.

    Source: §3, figure 2. Normalisation and dropout are the released code's.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        h = config.hidden_size
        self.token = nn.Embedding(config.vocab_size, h)
        self.position = nn.Embedding(config.max_position_embeddings, h)
        self.segment = nn.Embedding(config.type_vocab_size, h)
        self.norm = Norm(h, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Embed ids (B, T) of segments (B, T; default: all of the first) as (B, T, H)."""
        x_BTH = self.token(input_ids)
        if token_type_ids is None:
            x_BTH = x_BTH + self.segment.weight[0]
        else:
            x_BTH = x_BTH + self.segment(token_type_ids)
        x_BTH = x_BTH + self.position.weight[: input_ids.shape[1]]
        return self.dropout(self.norm(x_BTH))


class SelfAttention(nn.Module):
    r"""Every token looks at every other, in A heads: $\mathrm{softmax}(QK^\top/\sqrt D)V$.

    Args:
        config: sizes and choices.

    Source: §3, after Vaswani et al. 2017, §3.2.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        h = config.hidden_size
        self.num_heads, self.dropout = (
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
        )
        self.in_proj = nn.Linear(h, 3 * h)  # queries, keys and values in one product
        self.out_proj = nn.Linear(h, h)

    def forward(
        self,
        x: Tensor,
        seen: Tensor | None = None,
        packing: Packing | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            x: (B, T, H), or with a packing (N, H).
            seen: bool, broadcastable to (B, A, T, T): what a query may look at. One that may look
                at nothing gets zeros.
            packing: where the rows of x stand in the batch.
            maps: the weights (B, A, T, T) are appended to it.

        Returns:
            The same shape as x.
        """
        projected = self.in_proj(x)
        if packing is not None:
            projected = packing.unpack(projected)
        heads = projected.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query_BAQD, key_BAKD, value_BAKD = heads.unbind(0)
        dropout_p = self.dropout if self.training else 0.0
        sighted = None
        if seen is not None:
            # Who sees nothing looks at everything here and is set to zero below: the softmax over
            # nothing is 0/0, and not every kernel catches that, nor its gradient.
            sighted = seen.any(-1, keepdim=True)
            seen = seen | ~sighted
        # The kernel has no derivative forward: there, too, the weights are written out.
        if maps is not None or forward_ad._current_level >= 0:
            scores_BAQK = query_BAQD @ key_BAKD.transpose(-2, -1) * query_BAQD.shape[-1] ** -0.5
            if seen is not None:
                scores_BAQK = scores_BAQK.masked_fill(~seen, -torch.inf)
            weights_BAQK = scores_BAQK.softmax(-1)
            if sighted is not None:
                weights_BAQK = weights_BAQK * sighted
            if maps is not None:
                maps.append(weights_BAQK)
            result_BAQD = F.dropout(weights_BAQK, dropout_p) @ value_BAKD
        else:
            result_BAQD = F.scaled_dot_product_attention(
                query_BAQD, key_BAKD, value_BAKD, seen, dropout_p
            )
            if sighted is not None:
                result_BAQD = result_BAQD * sighted
        result = result_BAQD.transpose(1, 2).flatten(2)
        return self.out_proj(result if packing is None else packing.pack(result))


class Layer(nn.Module):
    r"""Self-attention, then two linear maps with a GELU between; after each, add and normalise.

    $y = \mathrm{LN}(x + \mathrm{Attention}(x))$, $z = \mathrm{LN}(y + W_2\,\mathrm{gelu}(W_1 y))$

    Args:
        config: sizes and choices.

    Source: §3, A.2.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        h, f = config.hidden_size, config.feed_forward_size
        self.attention = SelfAttention(config)
        self.norm1 = Norm(h, eps=config.layer_norm_eps)
        self.linear1, self.linear2 = nn.Linear(h, f), nn.Linear(f, h)
        self.norm2 = Norm(h, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.activation = config.hidden_act

    def forward(
        self,
        x: Tensor,
        seen: Tensor | None = None,
        packing: Packing | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Map (B, T, H), or with a packing (N, H), to the same shape; see `SelfAttention`."""
        x = self.norm1(x + self.dropout(self.attention(x, seen, packing, maps)))
        inner = ACTIVATIONS[self.activation](self.linear1(x))
        return self.norm2(x + self.dropout(self.linear2(inner)))


class Output(NamedTuple):
    """What the encoder makes of a batch."""

    last_hidden_state: Tensor  # (B, T, H): T_i; at padding it means nothing
    pooler_output: Tensor | None  # (B, H): what classifies C; None without a pooler


class Trunk(nn.Module):
    """What BERT and each model with a head on it have in common: presets and initial weights."""

    config: BertConfig

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``.
            generator: randomness of the initial weights.
            changes: fields of ``BertConfig`` that differ, such as ``vocab_size``; and the model's
                other arguments, such as ``num_labels``.

        Raises:
            ValueError: an unknown name.

        Source: §3; Table 6; the released models.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        fields = {field.name for field in dataclasses.fields(BertConfig)}
        inner = {key: value for key, value in changes.items() if key in fields}
        outer = {key: value for key, value in changes.items() if key not in fields}
        return cls(dataclasses.replace(PRESETS[name], **inner), generator=generator, **outer)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new weights: matrices from N(0, 0.02²) cut at two deviations, biases zero.

        The paper gives no initial weights; these are the released code's.
        """
        std = self.config.initializer_range
        if next(self.parameters()).is_meta:  # there is nothing to fill
            return
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear | nn.Embedding):
                nn.init.trunc_normal_(
                    module.weight, std=std, a=-2 * std, b=2 * std, generator=generator
                )
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)


class BertModel(Trunk):
    """The encoder: ids to contextual vectors.

    Args:
        config: sizes and choices; default: the paper's base model.
        add_pooling_layer: have the layer between C and the head of NSP or of a classifier.
        generator: randomness of the initial weights; default: torch's global one.

    Source: §3.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        add_pooling_layer: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        h = config.hidden_size
        # The paper's C is the last hidden vector itself; the released code has this layer after it,
        # trained by NSP and kept in fine-tuning.
        self.pooler = nn.Linear(h, h) if add_pooling_layer else None
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        states: list[Tensor] | None = None,
        maps: list[Tensor] | None = None,
    ) -> Output:
        """Encode a batch.

        Args:
            input_ids: ids (B, T), [CLS] first.
            attention_mask: (B, T), 0 or False at padding. Default: no padding. It is not guessed
                from the ids, as some texts hold the padding's.
            token_type_ids: (B, T), 0 for sentence A, 1 for B; default: all A.
            states: the embeddings and each layer's output, (B, T, H), are appended to it.
            maps: each layer's attention weights, (B, A, T, T), are appended to it.

        Returns:
            The last hidden states, and the pooled C. States at padding mean nothing, and those of
            a row of padding alone are finite and mean nothing.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: ids outside the vocabulary, a wrong shape, no position or too many.

        Source: §3.
        """
        c = self.config
        mask_BT = self._check(input_ids, attention_mask, token_type_ids)
        x = self.embeddings(input_ids, token_type_ids)
        seen = visible(mask_BT, c.direction, x)
        packing = None
        if c.drop_padding and mask_BT is not None and not _traced(x):
            packing = Packing(mask_BT)
            x = packing.pack(x)
        _keep(x, packing, states)
        for layer in self.layers:
            if c.gradient_checkpointing and self.training and maps is None:
                x = checkpoint(layer, x, seen, packing, use_reentrant=False)
            else:
                x = layer(x, seen, packing, maps)
            _keep(x, packing, states)
        x_BTH = x if packing is None else packing.unpack(x)
        pooled_BH = None if self.pooler is None else torch.tanh(self.pooler(x_BTH[:, 0]))
        return Output(x_BTH, pooled_BH)

    def hidden_states(self, *batch: Tensor | None, **named: Tensor | None) -> list[Tensor]:
        """Return the embeddings and each layer's output, L + 1 of (B, T, H); see ``forward``."""
        states: list[Tensor] = []
        self(*batch, **named, states=states)
        return states

    @torch.no_grad()
    def attention_maps(self, *batch: Tensor | None, **named: Tensor | None) -> list[Tensor]:
        """Return each layer's attention weights, L of (B, A, T, T); see ``forward``."""
        maps: list[Tensor] = []
        self(*batch, **named, maps=maps)
        return maps

    def _check(self, input_ids, attention_mask, token_type_ids) -> Tensor | None:
        """Raise what ``forward`` says; return the mask as bool."""
        c = self.config
        if isinstance(input_ids, torch.fx.Proxy):  # traced: there is nothing to look at
            return None if attention_mask is None else attention_mask != 0
        check_ids("input_ids", input_ids, c.vocab_size)
        if not 0 < input_ids.shape[1] <= c.max_position_embeddings:
            raise ValueError(
                f"input_ids must have 1 to {c.max_position_embeddings} positions "
                f"(max_position_embeddings), got {input_ids.shape[1]}"
            )
        for name, other in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
            if other is not None and not isinstance(other, Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(other).__name__}")
            if other is not None and other.shape != input_ids.shape:
                raise ValueError(
                    f"{name} must have the shape of input_ids, {tuple(input_ids.shape)}, "
                    f"got {tuple(other.shape)}"
                )
        if token_type_ids is not None:
            check_ids("token_type_ids", token_type_ids, c.type_vocab_size)
        if attention_mask is None:
            return None
        # A mask that is added to scores, 0 and -10,000, would be read the wrong way round.
        looked_at = attention_mask.device.type == "cpu" or attention_mask.is_floating_point()
        if looked_at and attention_mask.numel() and not _traced(attention_mask):
            lowest = float(attention_mask.min())
            if lowest < 0:
                raise ValueError(
                    f"attention_mask must be 0 at padding and positive at tokens, got {lowest:g}"
                )
        return attention_mask != 0


def check_ids(name: str, ids_BT: Any, size: int) -> None:
    """Raise unless these are ids (B, T) from 0 to ``size`` - 1.

    Raises:
        TypeError: no tensor of integers. ValueError: another shape, or an id that does not exist.
    """
    if not isinstance(ids_BT, Tensor):
        raise TypeError(f"{name} must be a tensor of ids, got {type(ids_BT).__name__}")
    if ids_BT.is_floating_point() or ids_BT.dtype in (torch.bool, torch.complex64):
        raise TypeError(f"{name} must hold integer ids, got {ids_BT.dtype}")
    if ids_BT.dim() != 2:
        raise ValueError(f"{name} must have shape (batch, length), got {tuple(ids_BT.shape)}")
    # What depends on data cannot be compiled or mapped (torch.func), and costs a GPU a pause.
    if _traced(ids_BT) or ids_BT.device.type != "cpu" or not ids_BT.numel():
        return
    low, high = (int(bound) for bound in torch.aminmax(ids_BT))
    if low < 0 or high >= size:
        raise ValueError(f"{name} must be 0 to {size - 1}, got {low if low < 0 else high}")


def single(x: Tensor) -> Tensor:
    """Return half precision as single, in which a loss is summed; anything else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _keep(x: Tensor, packing: Packing | None, states: list[Tensor] | None) -> None:
    if states is not None:
        states.append(x if packing is None else packing.unpack(x))


def _traced(x: Tensor) -> bool:
    """Return whether what depends on data must be left alone: compiled, mapped or without data."""
    return (
        isinstance(x, torch.fx.Proxy)
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or x.device.type == "meta"
    )
