r"""The paper's kinds of task, each with a new head (Liu et al. 2019, §3.3, §5).

Shapes: B batch, T length, H hidden size, K labels, M choices.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import RobertaConfig
from .heads import Headed
from .model import first_token, single


class ClassificationHead(nn.Module):
    r"""$W_o\,\mathrm{tanh}(W h_{<s>} + b) + c$, with dropout before each matrix.

    Args:
        config: sizes and choices.
        num_labels: K.

    Source: §5.3, "a fully-connected layer"; the two layers are the released code's. Without NSP
    nothing trains a pooler, so that the first of them is new as well.
    """

    def __init__(self, config: RobertaConfig, num_labels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.out_proj = nn.Linear(config.hidden_size, num_labels)

    def forward(self, first_BH: Tensor) -> Tensor:
        """Map the first tokens' states (B, H) to logits (B, K)."""
        inner_BH = torch.tanh(self.linear(self.dropout(first_BH)))
        return self.out_proj(self.dropout(inner_BH))


class RobertaForSequenceClassification(Headed):
    """The encoder with a head on `<s>`: GLUE's sentences and pairs.

    Args:
        config: sizes and choices; default: the paper's base model.
        num_labels: K; 1 for a score (STS-B).
        generator: randomness of the initial weights.

    Raises:
        ValueError: num_labels below 1.

    Source: §3.3.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        num_labels: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        self._begin(config)
        self.classifier = ClassificationHead(config, num_labels)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, K); arguments as for `RobertaModel`."""
        hidden_BTH = self.roberta(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.classifier(first_token(hidden_BTH, input_ids, self.config.pad_token_id))


class RobertaForTokenClassification(Headed):
    """The encoder with one layer on each token (tagging; not in the paper).

    Args:
        config: sizes and choices; default: the paper's base model.
        num_labels: K.
        generator: randomness of the initial weights.

    Raises:
        ValueError: num_labels below 1.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        num_labels: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        self._begin(config)
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, T, K); arguments as for `RobertaModel`."""
        hidden_BTH = self.roberta(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.classifier(self.dropout(hidden_BTH))


class RobertaForMultipleChoice(Headed):
    """The encoder with a score on `<s>` of each of M candidates (RACE).

    Args:
        config: sizes and choices; default: the paper's base model.
        generator: randomness of the initial weights.

    Source: §5.3. As in Hugging Face's model a pooler stands before the score; the released code has
    a `ClassificationHead` of one label there.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
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
        """Return logits (B, M) of ids (B, M, T), the others likewise; see `RobertaModel`.

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
        pooled_BH = self.roberta(*flat).pooler_output
        return self.classifier(self.dropout(pooled_BH)).view(input_ids.shape[:2])


class SpanLogits(NamedTuple):
    """What the heads of question answering say; ``answerable`` is None without that head."""

    start: Tensor  # (B, T)
    end: Tensor  # (B, T)
    answerable: Tensor | None = None  # (B,): above 0 where the paragraph holds an answer


class RobertaForQuestionAnswering(Headed):
    """The encoder with the scores of a span's beginning and end (SQuAD).

    Args:
        config: sizes and choices; default: the paper's base model.
        answerable: have SQuAD 2.0's "additional binary classifier", on `<s>`.
        generator: randomness of the initial weights.

    Source: §3.3, §5.2.
    """

    def __init__(
        self,
        config: RobertaConfig = RobertaConfig(),  # noqa: B008  (frozen)
        answerable: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._begin(config)
        self.span = nn.Linear(config.hidden_size, 2)
        self.answerable = ClassificationHead(config, 1) if answerable else None
        self.reset_parameters(generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> SpanLogits:
        """Return logits of the beginning, the end, and an answer; see `RobertaModel`."""
        hidden_BTH = self.roberta(input_ids, attention_mask, token_type_ids).last_hidden_state
        start_BT, end_BT = self.span(hidden_BTH).unbind(-1)
        if self.answerable is None:
            return SpanLogits(start_BT, end_BT)
        first_BH = first_token(hidden_BTH, input_ids, self.config.pad_token_id)
        return SpanLogits(start_BT, end_BT, self.answerable(first_BH).squeeze(-1))


def span_loss(logits: SpanLogits, start: Tensor, end: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the loss of question answering, in nats.

    The mean of the two cross entropies of beginning and end, over the questions that have an
    answer; with the head for it plus the mean binary cross entropy of having one.

    Args:
        logits: of `RobertaForQuestionAnswering`.
        start: places (B,) where the answers begin; -1 where there is none.
        end: places of their last tokens (B,).
        mask: (B, T), False where no answer can begin or end; default: anywhere.

    Raises:
        ValueError: a question without answer, and no head that says so.

    Source: §3.3, "jointly by summing the classification and span loss terms".
    """
    has_B = start >= 0
    if logits.answerable is None and not bool(has_B.all()):
        raise ValueError("start has a question without answer (-1): build with answerable=True")
    scores = [single(x) for x in logits[:2]]
    if mask is not None:
        scores = [x.masked_fill(mask == 0, torch.finfo(x.dtype).min) for x in scores]
    spans = [
        F.cross_entropy(x_BT[has_B], place_B[has_B], reduction="sum")
        for x_BT, place_B in zip(scores, (start, end))
    ]
    loss = (spans[0] + spans[1]) / (2 * has_B.sum().clamp(min=1))
    if logits.answerable is None:
        return loss
    return loss + F.binary_cross_entropy_with_logits(single(logits.answerable), has_B.float())


def best_span(logits: SpanLogits, mask: Tensor | None = None, longest: int = 30) -> Tensor:
    """Return the likeliest spans, places of first and last token (B, 2); -1 twice for no answer.

    Args:
        logits: of `RobertaForQuestionAnswering`.
        mask: (B, T), False where no answer can begin or end; default: anywhere.
        longest: tokens of an answer at most.

    Raises:
        ValueError: a row in which no answer can begin or end.

    Source: §3.3, "we only predict span indices on pairs that are classified as answerable".
    """
    sum_BTT = single(logits.start)[:, :, None] + single(logits.end)[:, None, :]
    ok_TT = torch.ones(sum_BTT.shape[1:], dtype=torch.bool, device=sum_BTT.device)
    ok_BTT = (ok_TT.triu() & ~ok_TT.triu(longest))[None]
    if mask is not None:
        seen_BT = mask != 0
        if not bool(seen_BT.any(-1).all()):
            row = int((~seen_BT.any(-1)).nonzero()[0])
            raise ValueError(f"mask must leave each row a place for an answer, row {row} has none")
        ok_BTT = ok_BTT & seen_BT[:, :, None] & seen_BT[:, None, :]
    best_B = sum_BTT.masked_fill(~ok_BTT, -torch.inf).flatten(1).argmax(-1)
    length = sum_BTT.shape[-1]
    span_B2 = torch.stack([best_B // length, best_B % length], -1)
    if logits.answerable is None:
        return span_B2
    return span_B2.masked_fill((logits.answerable <= 0)[:, None], -1)


def check_labels(num_labels: int) -> None:
    """Raise a ValueError unless there is a label."""
    if num_labels < 1:
        raise ValueError(f"num_labels must be at least 1, got {num_labels}")
