"""Beam search: the likeliest continuations, not the likeliest next token.

The paper decodes greedily or by sampling; what scores whole answers needs this.

Shapes: K beams, T length, V vocabulary.
"""

import dataclasses

import torch
from torch import Tensor

from .model import GPT2


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """A continuation, its end token included if it has one."""

    ids: list[int]
    score: float  # sum of log p, divided by length ** length_penalty


def beam_search(
    model: GPT2,
    input_ids_BT: Tensor,
    max_new_tokens: int,
    *,
    beams: int = 4,
    length_penalty: float = 0.0,
    eos_token_id: int | None = None,
) -> list[list[Hypothesis]]:
    """Return the best continuations of each prompt, the best first, at most ``beams`` of them.

    At each step the ``beams`` likeliest of all extensions are kept. One that ends there is set
    aside, and the search goes on until no open one can overtake the worst of ``beams`` finished.

    Args:
        model: in eval mode.
        input_ids_BT: prompts of equal length, without padding.
        max_new_tokens: what has not ended by then counts as it is.
        beams: open continuations; 1 is greedy decoding.
        length_penalty: 0 compares log-probabilities, 1 their means: above 0 it favours length.
        eos_token_id: ends a continuation; None: nothing does.

    Raises:
        TypeError: ids of another type.
        ValueError: a number below 1, an empty prompt, or more positions than the model has.
    """
    for name, number in (("max_new_tokens", max_new_tokens), ("beams", beams)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if eos_token_id is not None and not 0 <= eos_token_id < model.config.vocab_size:
        raise ValueError(
            f"eos_token_id must be 0 to {model.config.vocab_size - 1}, got {eos_token_id}"
        )
    if not isinstance(input_ids_BT, Tensor):
        raise TypeError(f"input_ids must be a tensor of ids, got {type(input_ids_BT).__name__}")
    if input_ids_BT.dim() != 2 or not input_ids_BT.shape[1]:
        shape = (*input_ids_BT.shape,)
        raise ValueError(f"input_ids must have shape (batch, length), not empty, got {shape}")
    last = input_ids_BT.shape[1] + max_new_tokens - 1
    if last > model.config.n_positions:
        raise ValueError(
            f"{input_ids_BT.shape[1]} prompt tokens and max_new_tokens={max_new_tokens} are more "
            f"than n_positions={model.config.n_positions}"
        )
    how = (max_new_tokens, beams, length_penalty, eos_token_id)
    return [_search(model, ids_T, *how) for ids_T in input_ids_BT]


@torch.no_grad()
def _search(
    model: GPT2, ids_T: Tensor, steps: int, beams: int, penalty: float, eos: int | None
) -> list[Hypothesis]:
    cache = model.start_cache(1, len(ids_T) + steps - 1)
    new_KT, log_K = ids_T[None], torch.zeros(1, device=ids_T.device)
    texts: list[list[int]] = [[]]
    finished: list[Hypothesis] = []
    for step in range(1, steps + 1):
        logits_KV = model.project(model.states(new_KT, cache=cache)[:, -1])
        kind = torch.promote_types(logits_KV.dtype, torch.float32)
        total_KV = log_K[:, None] + logits_KV.to(kind).log_softmax(-1)
        # Twice as many: even if half of them end here, enough are left to go on with.
        best, place = total_KV.flatten().topk(min(2 * beams, total_KV.numel()))
        rows, kept = [], []
        for n, (log_p, at) in enumerate(zip(best.tolist(), place.tolist())):
            row, token = divmod(at, total_KV.shape[1])
            text = [*texts[row], token]
            if token == eos:
                if n < beams:
                    finished.append(Hypothesis(text, log_p / step**penalty))
            elif len(kept) < beams:
                rows.append(row)
                kept.append((text, log_p))
        finished = sorted(finished, key=lambda h: h.score, reverse=True)[:beams]
        # An open one loses with every token; what it may gain by its length is known.
        longest = steps if penalty > 0 else step
        hope = kept[0][1] / longest**penalty if kept else -torch.inf
        if step == steps or (len(finished) == beams and hope <= finished[-1].score):
            break
        cache = cache.select(torch.tensor(rows, device=ids_T.device))
        texts = [text for text, _ in kept]
        new_KT = torch.tensor([[text[-1]] for text in texts], device=ids_T.device)
        log_K = torch.tensor([log_p for _, log_p in kept], dtype=kind, device=ids_T.device)
    if step == steps:
        finished += [Hypothesis(text, log_p / step**penalty) for text, log_p in kept]
    return sorted(finished, key=lambda h: h.score, reverse=True)[:beams]
