"""From a trained model to text: greedy, sampling, streaming (Radford et al. 2019, §3.6, §3.7, §8).

Shapes: B batch, T length of the prompts, N new tokens, V vocabulary.
"""

import dataclasses
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .model import GPT2


@dataclasses.dataclass(frozen=True)
class Step:
    """One more token of each sequence."""

    ids: Tensor  # (B,): what was chosen; pad_token_id where a sequence has ended
    log_probability: Tensor  # (B,): the model's own, before temperature and truncation, in nats
    done: Tensor  # (B,): whether it has ended, with this token or before


def greedy(model: GPT2, input_ids_BT: Tensor, max_new_tokens: int, **how) -> Tensor:
    """Take the likeliest token at each step; return the new tokens (B, N).

    Args:
        model: in eval mode, unless dropout is wanted.
        input_ids_BT: prompts.
        max_new_tokens: N at most; less where all sequences end before.
        how: as for `stream`, but for what concerns chance.

    Source: §3.5, §3.7 ("greedy decoding").
    """
    for name in ("temperature", "top_k", "top_p", "min_p", "generator"):
        if name in how:
            raise TypeError(f"greedy takes no {name}; sample does")
    steps = [s.ids for s in stream(model, input_ids_BT, max_new_tokens, temperature=0.0, **how)]
    return torch.stack(steps, 1)


def sample(model: GPT2, input_ids_BT: Tensor, max_new_tokens: int, **how) -> Tensor:
    """Draw each token; return the new tokens (B, N).

    The paper's own: ``top_k=2`` for summaries (§3.6), ``top_k=40`` for its samples (§8.2).

    Args:
        model: in eval mode, unless dropout is wanted.
        input_ids_BT: prompts.
        max_new_tokens: N at most; less where all sequences end before.
        how: as for `stream`.
    """
    temperature = how.get("temperature", 1.0)
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; greedy is the limit 0")
    return torch.stack([s.ids for s in stream(model, input_ids_BT, max_new_tokens, **how)], 1)


def stream(
    model: GPT2,
    input_ids_BT: Tensor,
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    attention_mask_BT: Tensor | None = None,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
    crop: bool = False,
    use_cache: bool = True,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Continue prompts, and give each token as soon as it is chosen.

    Args:
        model: in eval mode, unless dropout is wanted.
        input_ids_BT: prompts, (B, T), T at least 1: GPT-2 has no token for a beginning, but
            ``<|endoftext|>``, which stood between its documents.
        max_new_tokens: at most so many steps; fewer where all sequences have ended.
        temperature: divides the logits; 0: the likeliest token.
        top_k: draw from the k likeliest tokens only.
        top_p: draw from the fewest tokens that together have this probability.
        min_p: draw from tokens at least this share as likely as the likeliest.
        repetition_penalty: above 1: a token that is in the text already has its logit divided by
            it if positive, else multiplied; the paper has none.
        attention_mask_BT: False or 0 where a prompt is padded, on its left or its right.
        eos_token_id: ends a sequence; None: nothing does.
        pad_token_id: what an ended sequence is filled with; default: ``eos_token_id``, without
            which none ends.
        crop: beyond ``n_positions`` go on with the last half of them, read anew as if the text
            began there; otherwise more is refused.
        use_cache: keep keys and values of earlier positions; without, the same tokens, slower.
        generator: randomness, on the prompts' device.

    Raises:
        TypeError: ids of another type.
        ValueError: an empty prompt, padding between tokens, a number out of its range, or more
            positions than the model has, and no ``crop``.
    """
    c = model.config
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}")
    if min_p is not None and not 0 < min_p <= 1:
        raise ValueError(f"min_p must be in (0, 1], got {min_p}")
    if not repetition_penalty > 0:
        raise ValueError(f"repetition_penalty must be positive, got {repetition_penalty}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    for name, token in (("eos_token_id", eos_token_id), ("pad_token_id", pad_token_id)):
        if token is not None and not 0 <= token < c.vocab_size:
            raise ValueError(f"{name} must be 0 to {c.vocab_size - 1}, got {token}")
    if pad_token_id is not None and eos_token_id is None:
        raise ValueError(f"pad_token_id={pad_token_id} needs an eos_token_id: nothing ends without")
    if not isinstance(input_ids_BT, Tensor):
        raise TypeError(f"input_ids must be a tensor of ids, got {type(input_ids_BT).__name__}")
    if input_ids_BT.dim() != 2 or not input_ids_BT.shape[1]:
        shape = (*input_ids_BT.shape,)
        raise ValueError(f"input_ids must have shape (batch, length), not empty, got {shape}")
    ids_BT, mask_BT = input_ids_BT, None
    if attention_mask_BT is not None:
        ids_BT, mask_BT = padded_on_the_left(ids_BT, attention_mask_BT)
    # The last token chosen is not read.
    if not crop and ids_BT.shape[1] + max_new_tokens - 1 > c.n_positions:
        raise ValueError(
            f"{ids_BT.shape[1]} prompt tokens and max_new_tokens={max_new_tokens} are more than "
            f"n_positions={c.n_positions}; crop=True drops the oldest"
        )

    def choose(logits_BV: Tensor, ids_BT: Tensor, mask_BT: Tensor | None) -> Tensor:
        if repetition_penalty != 1:
            logits_BV = penalize(logits_BV, ids_BT, mask_BT, repetition_penalty)
        if temperature == 0:
            return logits_BV.argmax(-1)
        probability_BV = truncate((logits_BV / temperature).softmax(-1), top_k, top_p, min_p)
        return torch.multinomial(probability_BV, 1, generator=generator)[:, 0]

    pad = eos_token_id if pad_token_id is None else pad_token_id
    return _steps(model, ids_BT, mask_BT, max_new_tokens, choose, eos_token_id, pad, use_cache)


def _steps(
    model: GPT2,
    ids_BT: Tensor,
    mask_BT: Tensor | None,
    steps: int,
    choose: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    eos: int | None,
    pad: int | None,
    use_cache: bool,
) -> Iterator[Step]:
    b, most = len(ids_BT), model.config.n_positions
    done_B = torch.zeros(b, dtype=torch.bool, device=ids_BT.device)
    room, cache, new_BT = min(ids_BT.shape[1] + steps, most), None, ids_BT
    for _ in range(steps):
        with torch.no_grad():  # not around the yield: it would hold for the caller, too
            if ids_BT.shape[1] > most:
                keep = max(most // 2, 1)
                ids_BT, mask_BT = ids_BT[:, -keep:], None if mask_BT is None else mask_BT[:, -keep:]
                cache, room = None, most
            if cache is None:
                cache, new_BT = model.start_cache(b, room) if use_cache else None, ids_BT
            states_BTM = model.states(new_BT, mask_BT, cache=cache)
            logits_BV = model.project(states_BTM[:, -1])
            logits_BV = logits_BV.to(torch.promote_types(logits_BV.dtype, torch.float32))
            ids_B = choose(logits_BV, ids_BT, mask_BT)
            log_B = logits_BV.log_softmax(-1).gather(1, ids_B[:, None])[:, 0]
            if eos is not None and pad is not None:
                ids_B, log_B = ids_B.masked_fill(done_B, pad), log_B.masked_fill(done_B, 0.0)
                done_B = done_B | (ids_B == eos)
            new_BT = ids_B[:, None].to(ids_BT.dtype)
            ids_BT = torch.cat([ids_BT, new_BT], 1)
            if mask_BT is not None:
                mask_BT = torch.cat([mask_BT, torch.ones_like(mask_BT[:, :1])], 1)
        yield Step(ids_B, log_B, done_B)
        if done_B.all():
            return


def truncate(
    probability_BV: Tensor,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """Set to zero what is not among the k likeliest, in the head of probability p, or likely."""
    if min_p is not None:
        least_B1 = min_p * probability_BV.amax(-1, keepdim=True)
        probability_BV = probability_BV.where(probability_BV >= least_B1, 0)
    if top_k is None and top_p is None:
        return probability_BV
    ordered_BV, order_BV = probability_BV.sort(descending=True, dim=-1, stable=True)
    if top_k is not None:
        ordered_BV[:, top_k:] = 0
    if top_p is not None:
        before_BV = ordered_BV.cumsum(-1) - ordered_BV
        ordered_BV[before_BV >= top_p * ordered_BV.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, ordered_BV)


def penalize(logits_BV: Tensor, ids_BT: Tensor, mask_BT: Tensor | None, penalty: float) -> Tensor:
    """Make tokens that were read or chosen less likely; padding is no token."""
    there_BV = torch.zeros_like(logits_BV)
    tokens_BT = torch.ones_like(ids_BT) if mask_BT is None else mask_BT
    there_BV.scatter_reduce_(1, ids_BT.long(), tokens_BT.to(there_BV.dtype), "amax")
    smaller_BV = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
    return torch.where(there_BV > 0, smaller_BV, logits_BV)


def padded_on_the_left(ids_BT: Tensor, attention_mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Move each row's tokens to its right end; return ids and mask, both (B, T).

    Raises:
        ValueError: another shape, a row of padding only, or padding between tokens.
    """
    if attention_mask_BT.shape != ids_BT.shape:
        raise ValueError(
            f"attention_mask must have the prompts' shape {(*ids_BT.shape,)}, "
            f"got {(*attention_mask_BT.shape,)}"
        )
    mask_BT = attention_mask_BT.bool()
    for row, tokens in enumerate(mask_BT.tolist()):
        if True not in tokens:
            raise ValueError(f"attention_mask has nothing but padding in row {row}")
        first, last = tokens.index(True), len(tokens) - 1 - tokens[::-1].index(True)
        if not all(tokens[first : last + 1]):
            raise ValueError(f"attention_mask has padding between the tokens of row {row}")
    order_BT = mask_BT.to(torch.uint8).argsort(
        dim=-1, stable=True
    )  # padding first, tokens in order
    return ids_BT.gather(1, order_BT), mask_BT.gather(1, order_BT)
