r"""How likely a text is: perplexity per token, byte or word (Radford et al. 2019, §3.1).

Shapes: T length, V vocabulary.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .model import GPT2


@torch.no_grad()
def log_probabilities(
    model: GPT2, ids: Sequence[int] | Tensor, stride: int | None = None, given: int = 1
) -> Tensor:
    """Return log p of each token from ``given`` on, in nats: (T - given).

    A text longer than the model's positions is read in windows: each begins ``stride`` tokens after
    the one before, and scores only what that one did not reach. Each token is scored once.

    Args:
        model: in eval mode.
        ids: the text, (T,). The first ``given`` are only looked at: a text that is to be scored
            whole needs one before it, ``<|endoftext|>``.
        stride: 1 gives each token all the context that there is room for; ``n_positions``, the
            default, is the fastest; the paper does not say.
        given: at least 1.

    Raises:
        ValueError: a stride outside 1 to ``n_positions``, nothing to score, or given below 1.
    """
    most = model.config.n_positions
    stride = most if stride is None else stride
    if not 1 <= stride <= most:
        raise ValueError(f"stride must be 1 to n_positions={most}, got {stride}")
    if given < 1:
        raise ValueError(f"given must be at least 1, got {given}: the first token has no context")
    ids_T = torch.as_tensor(ids, device=model.wte.weight.device)
    if ids_T.dim() != 1 or len(ids_T) <= given:
        raise ValueError(
            f"ids must have shape (length,), longer than given={given}; got {(*ids_T.shape,)}"
        )
    found, done, start = [], given, 0  # tokens before `done` have been scored
    while done < len(ids_T):
        # A window of n positions predicts n tokens, the last of which it does not read.
        end = min(start + most + 1, len(ids_T))
        if end > done:
            states_TM = model.states(ids_T[None, start : end - 1])[0, done - 1 - start :]
            found.append(_picked(model, states_TM, ids_T[done:end]))
            done = end
        start += stride
    return torch.cat(found)


def _picked(model: GPT2, states_TM: Tensor, labels_T: Tensor, rows: int = 128) -> Tensor:
    """Return log p of labels, with the logits of ``rows`` tokens at a time."""
    parts = []
    for states, labels in zip(states_TM.split(rows), labels_T.split(rows)):
        logits = model.project(states)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        parts.append(logits.log_softmax(-1).gather(1, labels[:, None])[:, 0])
    return torch.cat(parts)


def perplexity(log_p: Tensor | float, units: int) -> float:
    r"""Return $\exp(-\sum \log p / \mathrm{units})$.

    §3.1: the log-probability of a dataset, "dividing by the number of canonical units", which need
    not be the model's tokens: words where the literature counts words.

    Raises:
        ValueError: units below 1.
    """
    return math.exp(_nats(log_p, units))


def bits_per_unit(log_p: Tensor | float, units: int) -> float:
    """Return -Σ log2 p / units: bits per byte (enwik8) or per character (text8)."""
    return _nats(log_p, units) / math.log(2)


def _nats(log_p: Tensor | float, units: int) -> float:
    if units < 1:
        raise ValueError(f"units must be at least 1, got {units}")
    total = log_p.double().sum().item() if isinstance(log_p, Tensor) else log_p
    return -total / units


def score_choices(
    model: GPT2,
    tokenizer: Any,
    before: str,
    choices: Sequence[str],
    after: str = "",
    partial: bool = False,
) -> list[float]:
    """Return the log-probability that each choice gives, in nats; the best is the answer.

    Children's Book Test (§3.2): "the probability of each choice and the rest of the sentence
    conditioned on this choice". Winograd schemata (§3.4) are scored fully, in the same way, or
    partially: of what stands after the choice alone.

    Args:
        model: in eval mode.
        tokenizer: has ``encode``.
        before: the text up to the gap, without the blank at its end, which belongs to the choice.
        choices: with the blank that begins them, as GPT-2's tokens have it.
        after: the rest of the sentence.
        partial: count only ``after``.

    Raises:
        ValueError: no choice, an empty ``before``, or nothing to count.
    """
    if not choices:
        raise ValueError("choices must not be empty")
    context = tokenizer.encode(before)
    if not context:
        raise ValueError("before must not be empty: the first token has no context")
    if partial and not after:
        raise ValueError("partial counts only what stands after the gap, and after is empty")
    scores = []
    for choice in choices:
        middle, end = tokenizer.encode(choice), tokenizer.encode(after) if after else []
        if not middle:
            raise ValueError("choices must not have an empty text")
        ids = [*context, *middle, *end]
        given = len(context) + (len(middle) if partial else 0)
        # The end is what counts: a context too long loses its beginning.
        cut = max(len(ids) - 1 - model.config.n_positions, 0)
        if cut >= given:
            raise ValueError(f"choice and end have {len(ids) - given} tokens, too many to score")
        log_p = log_probabilities(model, ids[cut:], given=given - cut)
        scores.append(log_p.double().sum().item())
    return scores
