r"""The paper's four kinds of task, each with one output layer (Devlin et al. 2018, §3.2, §4).

Shapes: B batch, T length, H hidden size, K labels, M choices.
"""

import torch
from torch import Tensor, nn

from .config import BertConfig
from .heads import Headed
from .spans import SpanLogits


class BertForSequenceClassification(Headed):
    r"""The encoder with one layer on C: $\log \mathrm{softmax}(C W^\top)$ (sentences and pairs).

    Args:
        config: sizes and choices; default: the paper's base model.
        num_labels: K; 1 for a score (STS-B).
        generator: randomness of the initial weights.

    Raises:
        ValueError: num_labels below 1.

    Source: §4.1, figure 4 (a, b). The bias is the released code's.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        num_labels: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        self._begin(config, pooler=True)
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, K); arguments as for `BertModel`."""
        pooled_BH = self.bert(input_ids, attention_mask, token_type_ids).pooler_output
        return self.classifier(self.dropout(pooled_BH))


class BertForMultipleChoice(Headed):
    """The encoder with a vector on C that scores each of M continuations (SWAG).

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §4.4. The bias, which softmax does not see, is the released code's.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config, pooler=True)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, M) of ids (B, M, T), the others likewise; see `BertModel`.

        Raises:
            ValueError: ids that have not three dimensions.
        """
        batch = (input_ids, attention_mask, token_type_ids)
        for name, ids in zip(("input_ids", "attention_mask", "token_type_ids"), batch):
            if ids is not None and ids.dim() != 3:
                raise ValueError(
                    f"{name} must have shape (batch, choices, length), got {tuple(ids.shape)}"
                )
        flat = (None if ids is None else ids.flatten(0, 1) for ids in batch)
        pooled_BH = self.bert(*flat).pooler_output
        return self.classifier(self.dropout(pooled_BH)).view(input_ids.shape[:2])


class BertForTokenClassification(Headed):
    """The encoder with one layer on each T_i (tagging).

    Args:
        config: sizes and choices; default: the paper's base model.
        num_labels: K.
        generator: randomness of the initial weights.

    Raises:
        ValueError: num_labels below 1.

    Source: §5.3: a word's label belongs to its first piece; figure 4 (d).
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        num_labels: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        self._begin(config, pooler=False)
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, T, K); arguments as for `BertModel`."""
        hidden_BTH = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.classifier(self.dropout(hidden_BTH))


class BertForQuestionAnswering(Headed):
    r"""The encoder with a start vector S and an end vector E, whose scores are $S·T_i$, $E·T_j$.

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §4.2, figure 4 (c). The biases, which softmax does not see, are the released code's.
    """

    def __init__(
        self,
        config: BertConfig = BertConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config, pooler=False)
        self.span = nn.Linear(config.hidden_size, 2)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> SpanLogits:
        """Return logits of the beginning and of the end; arguments as for `BertModel`."""
        hidden_BTH = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        return SpanLogits(*self.span(hidden_BTH).unbind(-1))


def check_labels(num_labels: int) -> None:
    """Raise a ValueError unless there is a label."""
    if num_labels < 1:
        raise ValueError(f"num_labels must be at least 1, got {num_labels}")
