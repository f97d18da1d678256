r"""RoBERTa's encoder: BERT's, with positions that count tokens (Liu et al. 2019, §2.2).

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

from .config import PRESETS, RobertaConfig
from .padding import Packing

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}


def position_ids(input_ids: Tensor, pad_token_id: int = 1) -> Tensor:
    r"""Return each token's position: how many tokens there were up to it, itself included, + pad.

    $p_t = m_t \sum_{s \le t} m_s + \mathrm{pad}$, with $m_t$ = 1 at tokens and 0 at padding. So the
    first token has position 2 wherever it stands, and all padding has position 1: padding on the
    left moves nothing.

    Args:
        input_ids: ids (B, T).
        pad_token_id: of the padding, which is its position as well.

    Source: the released code (fairseq's ``make_positions``); the paper does not mention it.
    """
    token_BT = (input_ids != pad_token_id).long()
    return token_BT.cumsum(-1) * token_BT + pad_token_id


class Embeddings(nn.Module):
    r"""Token and position, normalised: $\mathrm{LN}(W_{token} + P_p + S_0)$.

    Args:
        config: sizes and choices.

    Source: §2.2, after Devlin et al. 2018. There are no segments: the one row $S_0$, the same for
    all tokens, is what Hugging Face's files have in their place.
    """

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        h, pad = config.hidden_size, config.pad_token_id
        self.token = nn.Embedding(config.vocab_size, h, padding_idx=pad)
        self.position = nn.Embedding(config.max_position_embeddings, h, padding_idx=pad)
        self.segment = nn.Embedding(config.type_vocab_size, h)
        self.norm = nn.LayerNorm(h, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Embed ids (B, T) at positions (B, T) as (B, T, H); segments (B, T), default all 0."""
        x_BTH = self.token(input_ids) + self.position(position_ids)
        if token_type_ids is None:
            x_BTH = x_BTH + self.segment.weight[0]
        else:
            x_BTH = x_BTH + self.segment(token_type_ids)
        return self.dropout(self.norm(x_BTH))


class SelfAttention(nn.Module):
    r"""Every token looks at every other, in A heads: $\mathrm{softmax}(QK^\top/\sqrt D)V$.

    Args:
        config: sizes and choices.

    Source: §2.2, after Vaswani et al. 2017, §3.2.
    """

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        h = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
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
            seen: bool (B, 1, 1, T): False at padding, which nobody looks at. Where there is nothing
                but padding the result is zeros.
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

    Source: §2.2, §2.4.
    """

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        h, f = config.hidden_size, config.feed_forward_size
        self.attention = SelfAttention(config)
        self.norm1 = nn.LayerNorm(h, eps=config.layer_norm_eps)
        self.linear1, self.linear2 = nn.Linear(h, f), nn.Linear(f, h)
        self.norm2 = nn.LayerNorm(h, eps=config.layer_norm_eps)
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

    last_hidden_state: Tensor  # (B, T, H); at padding it means nothing
    pooler_output: Tensor | None  # (B, H); None without a pooler


class Trunk(nn.Module):
    """What RoBERTa and each model with a head on it share: presets and initial weights."""

    config: RobertaConfig

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``.
            generator: randomness of the initial weights.
            changes: fields of ``RobertaConfig`` that differ, such as ``vocab_size``; and the
                model's other arguments, such as ``num_labels``.

        Raises:
            ValueError: an unknown name.

        Source: Table 9.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        fields = {field.name for field in dataclasses.fields(RobertaConfig)}
        inner = {key: value for key, value in changes.items() if key in fields}
        outer = {key: value for key, value in changes.items() if key not in fields}
        return cls(dataclasses.replace(PRESETS[name], **inner), generator=generator, **outer)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new weights: matrices from N(0, 0.02²), biases zero, and zero what is padding's.

        The paper gives no initial weights; these are the released code's.
        """
        if next(self.parameters()).is_meta:  # there is nothing to fill
            return
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(
                    module.weight, std=self.config.initializer_range, generator=generator
                )
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)
                if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                    module.weight[module.padding_idx].zero_()


class RobertaModel(Trunk):
    """The encoder: ids to contextual vectors.

    Args:
        config: sizes and choices; default: the paper's base model.
        add_pooling_layer: have a layer and tanh on the first token. The released encoder has none;
            Hugging Face's model has one by default, untrained.
        generator: randomness of the initial weights; default: torch's global one.

    Source: §2.2.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        add_pooling_layer: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        h = config.hidden_size
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
            input_ids: ids (B, T), `<s>` first.
            attention_mask: (B, T), 0 or False at padding. Default: wherever the id is that of
                ``<pad>``, as in the released code. Positions and the first token go by the ids, so
                that a mask that says something else is refused.
            token_type_ids: (B, T), all zero: RoBERTa has no segments. Default: that.
            states: the embeddings and each layer's output, (B, T, H), are appended to it.
            maps: each layer's attention weights, (B, A, T, T), are appended to it.

        Returns:
            The last hidden states, and what a pooler makes of the first. States at padding mean
            nothing.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: ids outside the vocabulary, a wrong shape, no token in a row or too many,
                a mask that is not 0 where the ids are ``<pad>`` and nowhere else, or a second
                segment.

        Source: §2.2.
        """
        c = self.config
        mask_BT, dense = self._check(input_ids, attention_mask, token_type_ids)
        positions_BT = position_ids(input_ids, c.pad_token_id)
        x = self.embeddings(input_ids, positions_BT, token_type_ids)
        seen = None if dense else mask_BT[:, None, None, :]
        packing = None
        if c.drop_padding and seen is not None and not _traced(x):
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
        if self.pooler is None:
            return Output(x_BTH, None)
        first_BH = first_token(x_BTH, input_ids, c.pad_token_id)
        return Output(x_BTH, torch.tanh(self.pooler(first_BH)))

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

    def _check(self, input_ids, attention_mask, token_type_ids) -> tuple[Tensor, bool]:
        """Raise what ``forward`` says; return the mask as bool, and whether all are tokens."""
        c = self.config
        check_ids("input_ids", input_ids, c.vocab_size)
        if not input_ids.shape[1]:
            raise ValueError("input_ids must have at least one position, got none")
        for name, other in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
            if other is not None and not isinstance(other, Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(other).__name__}")
            if other is not None and other.shape != input_ids.shape:
                raise ValueError(
                    f"{name} must have the shape of input_ids, {tuple(input_ids.shape)}, "
                    f"got {tuple(other.shape)}"
                )
        if token_type_ids is not None:
            if c.type_vocab_size == 1 and not _traced(input_ids) and bool(token_type_ids.any()):
                raise ValueError(
                    "token_type_ids must be all 0: RoBERTa has no segments (type_vocab_size is 1)"
                )
            check_ids("token_type_ids", token_type_ids, c.type_vocab_size)
        mask_BT = input_ids != c.pad_token_id if attention_mask is None else attention_mask != 0
        self._check_length(input_ids, mask_BT)
        if _traced(input_ids):
            return mask_BT, False
        token_BT = input_ids != c.pad_token_id
        if attention_mask is not None and not torch.equal(mask_BT, token_BT):
            row, place = (mask_BT != token_BT).nonzero()[0].tolist()
            raise ValueError(
                f"attention_mask must be 0 where input_ids is {c.pad_token_id} (pad_token_id) and "
                f"nowhere else: row {row}, place {place}, has id {int(input_ids[row, place])} and "
                f"mask {int(mask_BT[row, place])}"
            )
        if not bool(mask_BT.any(-1).all()):
            row = int((~mask_BT.any(-1)).nonzero()[0])
            raise ValueError(f"input_ids, row {row}, has no token but padding")
        return mask_BT, bool(mask_BT.all())

    def _check_length(self, input_ids: Tensor, mask_BT: Tensor) -> None:
        """Raise a ValueError where there are more tokens than positions."""
        c, longest = self.config, input_ids.shape[1]
        if longest > c.max_length and not _traced(input_ids) and input_ids.numel():
            longest = int(mask_BT.sum(-1).max())  # padding has a position of its own
        if longest > c.max_length:
            raise ValueError(
                f"input_ids must have at most {c.max_length} tokens a row, got {longest}: of the "
                f"{c.max_position_embeddings} positions (max_position_embeddings) the first "
                f"{c.pad_token_id + 1} (pad_token_id + 1) are no token's"
            )


def first_token(x_BTH: Tensor, input_ids: Tensor, pad_token_id: int) -> Tensor:
    """Return the state of each row's first token, `<s>`, wherever padding stands: (B, H).

    Fairseq and Hugging Face take place 0, which is padding where that stands on the left.
    """
    first_B = (input_ids != pad_token_id).long().argmax(-1)  # of equals the first
    where_B1H = first_B[:, None, None].expand(-1, 1, x_BTH.shape[-1])
    return x_BTH.gather(1, where_B1H).squeeze(1)


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
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or x.device.type == "meta"
    )
