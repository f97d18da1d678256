r"""Answers as spans of a text, and the answer that there is none (Devlin et al. 2018, §4.2, §4.3).

Shapes: B batch, T length.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .model import single


class SpanLogits(NamedTuple):
    """Where an answer begins, and where it ends."""

    start_logits: Tensor  # (B, T): S·T_i
    end_logits: Tensor  # (B, T): E·T_j


def span_loss(
    logits: SpanLogits, start_B: Tensor, end_B: Tensor, valid_BT: Tensor | None = None
) -> Tensor:
    """Return the mean over the batch of the two negative log-likelihoods' sum, in nats.

    Args:
        logits: of `BertForQuestionAnswering`.
        start_B: where answers begin; 0, the place of [CLS], where there is none (§4.3).
        end_B: where they end, that place included.
        valid_BT: bool, where an answer may begin and end; the place of [CLS] is always among them.
            Default: everywhere, as in the released code.

    Raises:
        ValueError: an answer that ends before it begins, or lies outside the text.

    Source: §4.2, "the sum of the log-likelihoods of the correct start and end positions".
    """
    length = logits.start_logits.shape[1]
    if not torch.compiler.is_compiling() and start_B.numel():
        if (start_B > end_B).any():
            i = int((start_B > end_B).nonzero()[0])
            raise ValueError(f"answer {i} ends ({int(end_B[i])}) before it begins ({start_B[i]})")
        if int(start_B.min()) < 0 or int(end_B.max()) >= length:
            raise ValueError(
                f"answers must lie within 0 to {length - 1}, got {int(start_B.min())} to "
                f"{int(end_B.max())}"
            )
    total = 0
    for logits_BT, target_B in zip(logits, (start_B, end_B)):
        if valid_BT is not None:
            logits_BT = logits_BT.masked_fill(~with_cls(valid_BT), -torch.inf)
        total = total + F.cross_entropy(single(logits_BT), target_B)
    return torch.as_tensor(total)


class Spans(NamedTuple):
    """Predicted answers; each entry is (B,)."""

    start: Tensor  # 0 where there is none
    end: Tensor
    score: Tensor  # of the best span: the largest S·T_i + E·T_j
    null_score: Tensor  # S·C + E·C
    answered: Tensor  # bool: score > null_score + threshold


def best_span(
    logits: SpanLogits,
    valid_BT: Tensor,
    threshold: float | None = None,
    max_answer_length: int | None = None,
) -> Spans:
    r"""Return the best span of each text, or none where the null answer is better.

    Args:
        logits: of `BertForQuestionAnswering`.
        valid_BT: bool, where an answer may begin and end: the tokens of the paragraph.
        threshold: τ of SQuAD 2.0; an answer is given where
            $\hat s_{i,j} > s_{null} + \tau$. None: always (SQuAD 1.1).
        max_answer_length: in tokens; None: any. The released code has 30.

    Raises:
        ValueError: a mask of another shape or type, a text without any place for an answer, or a
            length below 1.

    Source: §4.2, §4.3.
    """
    start_BT, end_BT = (single(part) for part in logits)
    if valid_BT.shape != start_BT.shape or valid_BT.dtype != torch.bool:
        raise ValueError(
            f"valid must be bool of shape {tuple(start_BT.shape)}, "
            f"got {valid_BT.dtype} of {tuple(valid_BT.shape)}"
        )
    if max_answer_length is not None and max_answer_length < 1:
        raise ValueError(f"max_answer_length must be at least 1, got {max_answer_length}")
    valid_BT = valid_BT.clone()
    valid_BT[:, 0] = False  # [CLS] is the null answer's
    if not valid_BT.any(-1).all():
        raise ValueError("each text must have a place where an answer may stand")
    length = start_BT.shape[1]
    allowed_TT = torch.ones(
        length, length, dtype=torch.bool, device=start_BT.device
    ).triu()  # j ≥ i
    if max_answer_length is not None:
        allowed_TT = allowed_TT.tril(max_answer_length - 1)
    allowed_BTT = allowed_TT & valid_BT[:, :, None] & valid_BT[:, None, :]
    scores_BTT = start_BT[:, :, None] + end_BT[:, None, :]
    score_B, place_B = scores_BTT.masked_fill(~allowed_BTT, -torch.inf).flatten(1).max(-1)
    null_B = start_BT[:, 0] + end_BT[:, 0]
    answered_B = torch.ones_like(score_B, dtype=torch.bool)
    if threshold is not None:
        answered_B = score_B > null_B + threshold
    start_B, end_B = place_B // length, place_B % length
    return Spans(start_B * answered_B, end_B * answered_B, score_B, null_B, answered_B)


def with_cls(valid_BT: Tensor) -> Tensor:
    """Return a mask of places with that of [CLS] among them."""
    first_T = torch.arange(valid_BT.shape[1], device=valid_BT.device) == 0
    return valid_BT | first_T
