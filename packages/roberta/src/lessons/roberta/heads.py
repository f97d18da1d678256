r"""The heads of pre-training: masked language model, and the NSP that §4.2 takes away.

Shapes: B batch, T length, H hidden size, V vocabulary; N tokens to predict.
"""

from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import RobertaConfig
from .model import ACTIVATIONS, RobertaModel, Trunk, single

IGNORED = -100  # a label that does not count, as torch's cross entropy has it


class MaskedLMHead(nn.Module):
    r"""A layer, then the softmax's logits: $\mathrm{LN}(\mathrm{gelu}(W h_t + b))\,E^\top + c$.

    The matrix E is that of the token embeddings, which the caller has: it is no second parameter.

    Args:
        config: sizes and choices.

    Source: §2.3; the layer before the softmax and the bias are the released code's.
    """

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.activation = config.hidden_act

    def forward(self, hidden_H: Tensor, matrix_VH: Tensor) -> Tensor:
        """Map (…, H) to logits (…, V)."""
        hidden_H = self.norm(ACTIVATIONS[self.activation](self.linear(hidden_H)))
        return F.linear(hidden_H, matrix_VH, self.bias)


class Headed(Trunk):
    """A model with a head; its encoder is ``roberta``."""

    roberta: RobertaModel

    def _begin(self, config: RobertaConfig, pooler: bool = False) -> None:
        self.config, self.roberta = config, RobertaModel(config, pooler)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    @classmethod
    def on(
        cls, encoder: RobertaModel, generator: torch.Generator | None = None, **options: Any
    ) -> Self:
        """Return a model that begins with an encoder's weights, and has a new head: to fine-tune.

        Args:
            encoder: pre-trained; it is copied, but for a pooler that the model has not.
            generator: randomness of the head's initial weights.
            options: the model's other arguments, such as ``num_labels``.

        Source: §3.3.
        """
        model = cls(encoder.config, generator=generator, **options)
        weight, state = encoder.embeddings.token.weight, encoder.state_dict()
        inner: Any = model.roberta
        wanted = {n: state.get(n, own) for n, own in inner.state_dict().items()}
        inner.load_state_dict(wanted)
        return model.to(weight.device, weight.dtype)


class RobertaForMaskedLM(Headed):
    """The encoder with the head that predicts hidden tokens: all that RoBERTa is trained with.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §2.3, §5.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config)
        self.masked_lm = MaskedLMHead(config)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, T, V); arguments as for `RobertaModel`."""
        hidden_BTH = self.roberta(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.masked_lm(hidden_BTH, self.roberta.embeddings.token.weight)

    def loss(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Return the cross entropy in nats at labels that are not -100.

        Args:
            input_ids: ids (B, T), some hidden.
            labels: the true ids (B, T) where a token is to be predicted, else -100.
            attention_mask: as for `RobertaModel`.
            reduction: "mean" over the labels that count, 0 if none does; "sum".

        Raises:
            ValueError: labels of another shape than the ids, another reduction.

        Source: §2.3.
        """
        hidden_BTH = self.roberta(input_ids, attention_mask).last_hidden_state
        matrix_VH = self.roberta.embeddings.token.weight
        return masked_lm_loss(self.masked_lm, hidden_BTH, matrix_VH, labels, reduction)


class PreTrainingLogits(NamedTuple):
    """What the two heads of BERT's pre-training say."""

    prediction_logits: Tensor  # (B, T, V)
    seq_relationship_logits: Tensor  # (B, 2): next, not next


class RobertaForPreTraining(Headed):
    """The encoder with both of BERT's heads: §4.2's formats "+NSP". No released model has them.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §2.3, §4.2.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config, pooler=True)
        self.masked_lm = MaskedLMHead(config)
        self.next_sentence = nn.Linear(config.hidden_size, 2)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> PreTrainingLogits:
        """Return both heads' logits; arguments as for `RobertaModel`."""
        hidden_BTH, pooled_BH = self.roberta(input_ids, attention_mask, token_type_ids)
        logits_BTV = self.masked_lm(hidden_BTH, self.roberta.embeddings.token.weight)
        return PreTrainingLogits(logits_BTV, self.next_sentence(pooled_BH))

    def losses(
        self,
        input_ids: Tensor,
        labels: Tensor,
        next_sentence_label: Tensor,
        attention_mask: Tensor | None = None,
        reduction: str = "mean",
    ) -> tuple[Tensor, Tensor]:
        """Return the masked LM's and the NSP's loss in nats; training adds the two means.

        Args:
            input_ids: ids (B, T), some hidden.
            labels: as for `RobertaForMaskedLM.loss`.
            next_sentence_label: (B,), 0 where the second segment follows the first, else 1.
            attention_mask: as for `RobertaModel`.
            reduction: as for `RobertaForMaskedLM.loss`, of both.
        """
        hidden_BTH, pooled_BH = self.roberta(input_ids, attention_mask)
        matrix_VH = self.roberta.embeddings.token.weight
        lm = masked_lm_loss(self.masked_lm, hidden_BTH, matrix_VH, labels, reduction)
        logits_B2 = single(self.next_sentence(pooled_BH))
        return lm, F.cross_entropy(logits_B2, next_sentence_label, reduction=reduction)


def masked_lm_loss(
    head: MaskedLMHead,
    hidden_BTH: Tensor,
    matrix_VH: Tensor,
    labels_BT: Tensor,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy over the labels that count.

    The vocabulary's matrix is by far the largest: only the chosen 15% of the positions meet it. A
    compiled graph, whose shapes may not depend on data, computes all.

    Raises:
        ValueError: labels of another shape than (B, T), another reduction.
    """
    if labels_BT.shape != hidden_BTH.shape[:2]:
        raise ValueError(
            f"labels must have the shape of input_ids, {tuple(hidden_BTH.shape[:2])}, "
            f"got {tuple(labels_BT.shape)}"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean or sum, got {reduction!r}")
    chosen_BT = labels_BT != IGNORED
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        logits_NV, target_N = head(hidden_BTH, matrix_VH).flatten(0, 1), labels_BT.flatten()
    else:
        logits_NV, target_N = head(hidden_BTH[chosen_BT], matrix_VH), labels_BT[chosen_BT]
    total = F.cross_entropy(single(logits_NV), target_N, reduction="sum", ignore_index=IGNORED)
    return total if reduction == "sum" else total / chosen_BT.sum().clamp(min=1)
