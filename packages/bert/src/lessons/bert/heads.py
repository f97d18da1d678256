r"""The heads of pre-training: masked language model, next sentence (Devlin et al. 2018, §3.1).

Shapes: B batch, T length, H hidden size, V vocabulary; N tokens to predict.
"""

from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import BertConfig
from .model import ACTIVATIONS, BertModel, Norm, Trunk, single

IGNORED = -100  # a label that does not count, as torch's cross entropy has it


class MaskedLMHead(nn.Module):
    r"""A layer, then the softmax's logits: $\mathrm{LN}(\mathrm{gelu}(W T_i + b))\,E^\top + c$.

    The matrix E is that of the token embeddings, which the caller has: it is no second parameter.

    Args:
        config: sizes and choices.

    Source: §3.1, "an output softmax over the vocabulary"; the layer before it and the bias are the
    released code's.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = Norm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.activation = config.hidden_act

    def forward(self, hidden_H: Tensor, matrix_VH: Tensor) -> Tensor:
        """Map (…, H) to logits (…, V)."""
        hidden_H = self.norm(ACTIVATIONS[self.activation](self.linear(hidden_H)))
        return F.linear(hidden_H, matrix_VH, self.bias)


class Headed(Trunk):
    """A model with a head; its encoder is ``bert``."""

    bert: BertModel

    def _begin(self, config: BertConfig, pooler: bool) -> None:
        self.config, self.bert = config, BertModel(config, pooler)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    @classmethod
    def on(
        cls, encoder: BertModel, generator: torch.Generator | None = None, **options: Any
    ) -> Self:
        """Return a model that begins with an encoder's weights, and has a new head: to fine-tune.

        Args:
            encoder: pre-trained; it is copied.
            generator: randomness of the head's initial weights.
            options: the model's other arguments, such as ``num_labels``.

        Raises:
            ValueError: the model needs the pooler that this encoder has not.

        Source: §3.2.
        """
        model = cls(encoder.config, generator=generator, **options)
        inner: Any = model.bert
        if inner.pooler is not None and encoder.pooler is None:
            raise ValueError(f"{cls.__name__} needs an encoder with a pooler")
        weight = encoder.embeddings.token.weight
        state = encoder.state_dict()
        inner.load_state_dict({name: state[name] for name in inner.state_dict()})
        return model.to(weight.device, weight.dtype)


class PreTrainingLogits(NamedTuple):
    """What the two heads of pre-training say."""

    prediction_logits: Tensor  # (B, T, V)
    seq_relationship_logits: Tensor  # (B, 2): IsNext, NotNext


class BertForPreTraining(Headed):
    """The encoder with both heads of pre-training.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §3.1.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
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
        """Return both heads' logits; arguments as for `BertModel`."""
        hidden_BTH, pooled_BH = self.bert(input_ids, attention_mask, token_type_ids)
        matrix_VH = self.bert.embeddings.token.weight
        logits_BTV = self.masked_lm(hidden_BTH, matrix_VH)
        return PreTrainingLogits(logits_BTV, self.next_sentence(pooled_BH))

    def loss(
        self,
        input_ids: Tensor,
        labels: Tensor,
        next_sentence_label: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the mean masked LM loss plus the mean NSP loss, in nats.

        Args:
            input_ids: ids (B, T), some masked.
            labels: the true ids (B, T) where a token is to be predicted, else -100.
            next_sentence_label: (B,), 0 where B follows A (IsNext), 1 where not.
            attention_mask: as for `BertModel`.
            token_type_ids: as for `BertModel`.

        Raises:
            ValueError: labels of another shape than the ids.

        Source: A.2.
        """
        hidden_BTH, pooled_BH = self.bert(input_ids, attention_mask, token_type_ids)
        lm = masked_lm_loss(self.masked_lm, hidden_BTH, self.bert.embeddings.token.weight, labels)
        return lm + F.cross_entropy(single(self.next_sentence(pooled_BH)), next_sentence_label)


class BertForMaskedLM(Headed):
    """The encoder with the head that predicts tokens ("No NSP" of §5.1, and "LTR & No NSP").

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §3.1, task 1.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config, pooler=False)
        self.masked_lm = MaskedLMHead(config)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, T, V); arguments as for `BertModel`."""
        hidden_BTH = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.masked_lm(hidden_BTH, self.bert.embeddings.token.weight)

    def loss(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss in nats over labels that are not -100; see `BertForPreTraining`."""
        hidden_BTH = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        return masked_lm_loss(self.masked_lm, hidden_BTH, self.bert.embeddings.token.weight, labels)


def masked_lm_loss(
    head: MaskedLMHead, hidden_BTH: Tensor, matrix_VH: Tensor, labels_BT: Tensor
) -> Tensor:
    """Return the mean cross entropy over the labels that count; 0 if none does.

    The vocabulary's matrix is by far the largest: only the chosen 15% of the positions meet it. A
    compiled graph, whose shapes may not depend on data, computes all.

    Raises:
        ValueError: labels of another shape than (B, T).
    """
    if labels_BT.shape != hidden_BTH.shape[:2]:
        raise ValueError(
            f"labels must have the shape of input_ids, {tuple(hidden_BTH.shape[:2])}, "
            f"got {tuple(labels_BT.shape)}"
        )
    chosen_BT = labels_BT != IGNORED
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        logits_NV, target_N = head(hidden_BTH, matrix_VH).flatten(0, 1), labels_BT.flatten()
    else:
        logits_NV, target_N = head(hidden_BTH[chosen_BT], matrix_VH), labels_BT[chosen_BT]
    total = F.cross_entropy(single(logits_NV), target_N, reduction="sum", ignore_index=IGNORED)
    return total / chosen_BT.sum().clamp(min=1)


class BertForNextSentencePrediction(Headed):
    """The encoder with the head that says whether B follows A.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §3.1, task 2.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config, pooler=True)
        self.next_sentence = nn.Linear(config.hidden_size, 2)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, 2) of IsNext and NotNext; arguments as for `BertModel`."""
        pooled_BH = self.bert(input_ids, attention_mask, token_type_ids).pooler_output
        return self.next_sentence(pooled_BH)
