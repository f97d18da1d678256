r"""Responses of a policy, with their log-probabilities.

Shapes: B sequences, P tokens of the prompt, N tokens of the response, V vocabulary.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from .checks import finite, no_empty_row, same_shape
from .model import GPT, Cache


@dataclasses.dataclass(frozen=True)
class Responses:
    """What a policy answered."""

    ids: Tensor  # (B, N); 0 behind the end
    mask: Tensor  # (B, N); True up to the end, the stop token included
    log_probs: Tensor  # (B, N); of the policy that drew them; 0 behind the end


@torch.no_grad()
def sample(
    policy: GPT,
    prompt_BP: Tensor,
    max_new_tokens: int,
    prompt_mask_BP: Tensor | None = None,
    *,
    stop: int | None = None,
    generator: torch.Generator | None = None,
) -> Responses:
    """Draw a response to each prompt, token by token, from the policy itself.

    Neither top-k nor a temperature of its own: what is drawn from must be what is trained
    (``GPTConfig.temperature`` changes both).

    Args:
        policy: in eval mode, unless dropout is wanted.
        prompt_BP: prompts, padded on the left.
        max_new_tokens: N.
        prompt_mask_BP: True where there is a token; None: everywhere.
        stop: a response ends with this token; None: with the N-th.
        generator: randomness, on the prompts' device.

    Raises:
        ValueError: an empty prompt, padding that is not on the left, more positions than there
            are, a stop that is no token.
    """
    if prompt_BP.dim() != 2 or prompt_BP.shape[1] < 1:
        raise ValueError(f"prompts must have shape (B, P), P at least 1, got {(*prompt_BP.shape,)}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    if stop is not None and not 0 <= stop < policy.config.vocab_size:
        raise ValueError(f"stop must be a token, 0 to {policy.config.vocab_size - 1}, got {stop}")
    b, p = prompt_BP.shape
    if p + max_new_tokens > policy.config.n_positions:
        raise ValueError(
            f"a prompt of {p} tokens and a response of {max_new_tokens} are more than "
            f"n_positions={policy.config.n_positions}"
        )
    mask = None
    if prompt_mask_BP is not None:
        same_shape(prompts=prompt_BP, prompt_mask=prompt_mask_BP)
        no_empty_row(prompt_mask_BP, "prompt_mask")
        if not prompt_mask_BP[:, -1].bool().all():
            row = int((~prompt_mask_BP[:, -1].bool()).nonzero()[0, 0])
            raise ValueError(f"prompts must be padded on the left, row {row} ends with padding")
        mask = prompt_mask_BP.bool()
    cache, new_BT = Cache(policy.config, b, p + max_new_tokens, policy.wte.weight), prompt_BP
    going_B = torch.ones(b, dtype=torch.bool, device=prompt_BP.device)
    ids, masks, log_probs = [], [], []
    for _ in range(max_new_tokens):
        states_BM = policy.states(new_BT, mask, cache)[:, -1]
        log_BV = policy.logits(states_BM).float().log_softmax(-1)
        drawn_B = torch.multinomial(log_BV.exp(), 1, generator=generator)[:, 0]
        ids.append(drawn_B.masked_fill(~going_B, 0))
        log_probs.append(log_BV.gather(1, drawn_B[:, None])[:, 0].masked_fill(~going_B, 0.0))
        masks.append(going_B)
        if stop is not None:
            going_B = going_B & (drawn_B != stop)
        new_BT = ids[-1][:, None]
        if mask is not None:
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return Responses(torch.stack(ids, 1), torch.stack(masks, 1), torch.stack(log_probs, 1))


def response_logits(
    model: GPT, prompt_BP: Tensor, response_BN: Tensor, prompt_mask_BP: Tensor | None = None
) -> Tensor:
    """Return the logits (B, N, V) from which each token of given responses was drawn."""
    ids, mask = joined(prompt_BP, response_BN, prompt_mask_BP)
    return model.logits(model.states(ids[:, :-1], None if mask is None else mask[:, :-1])[
        :, prompt_BP.shape[1] - 1 :
    ])  # fmt: skip


def token_log_probs(
    model: GPT, prompt_BP: Tensor, response_BN: Tensor, prompt_mask_BP: Tensor | None = None
) -> Tensor:
    """Return log π of each token of given responses, (B, N)."""
    logits_BNV = response_logits(model, prompt_BP, response_BN, prompt_mask_BP).float()
    return logits_BNV.log_softmax(-1).gather(-1, response_BN.long()[..., None])[..., 0]


def joined(
    prompt_BP: Tensor,
    response_BN: Tensor,
    prompt_mask_BP: Tensor | None,
    mask_BN: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Return prompt and response in one row, and the mask of both, None if all are tokens."""
    ids = torch.cat([prompt_BP, response_BN], 1)
    if prompt_mask_BP is None and mask_BN is None:
        return ids, None
    prompt_mask = torch.ones_like(prompt_BP) if prompt_mask_BP is None else prompt_mask_BP
    mask = torch.ones_like(response_BN) if mask_BN is None else mask_BN
    return ids, torch.cat([prompt_mask.bool(), mask.bool()], 1)


def best_of_n(
    policy: GPT,
    prompt_BP: Tensor,
    max_new_tokens: int,
    n: int,
    score: Callable[[Tensor, Responses], Tensor],
    prompt_mask_BP: Tensor | None = None,
    *,
    stop: int | None = None,
    generator: torch.Generator | None = None,
) -> Responses:
    """Draw n responses to each prompt and keep the one that scores highest (rejection sampling).

    Args:
        policy: as for `sample`.
        prompt_BP: likewise.
        max_new_tokens: likewise.
        n: how many.
        score: called with prompts (B·n, P) and responses; returns a number (B·n,) for each.
        prompt_mask_BP: as for `sample`.
        stop: likewise.
        generator: likewise.

    Raises:
        ValueError: n below 1, scores of another shape or that are not finite, or as `sample`.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    repeated = prompt_BP.repeat_interleave(n, 0)
    mask = None if prompt_mask_BP is None else prompt_mask_BP.repeat_interleave(n, 0)
    drawn = sample(policy, repeated, max_new_tokens, mask, stop=stop, generator=generator)
    scores = score(repeated, drawn)
    if scores.shape != repeated.shape[:1]:
        raise ValueError(
            f"score must return {(*repeated.shape[:1],)} numbers, got {(*scores.shape,)}"
        )
    finite(scores, "scores")
    best_B = scores.view(-1, n).argmax(-1)
    rows = best_B + n * torch.arange(len(prompt_BP), device=prompt_BP.device)
    return Responses(drawn.ids[rows], drawn.mask[rows], drawn.log_probs[rows])


def penalize_missing(
    scores_B: Tensor, ids_BN: Tensor, stop: int, first: int = 0, penalty: float = -1.0
) -> Tensor:
    """Return scores, a fixed one where a response has no stop token from ``first`` on.

    Ziegler §3.1.2: "a fixed reward of −1" for continuations without a period between their tokens
    16 and 24.

    Args:
        scores_B: of the responses.
        ids_BN: their tokens.
        stop: the token that should be there.
        first: the first position where it counts.
        penalty: what the others get in place of their score.

    Raises:
        ValueError: a first that is no position, or scores that are not one for each response.
    """
    if scores_B.shape != ids_BN.shape[:1]:
        raise ValueError(f"scores must have shape {(*ids_BN.shape[:1],)}, got {(*scores_B.shape,)}")
    if not 0 <= first < ids_BN.shape[1]:
        raise ValueError(f"first must be 0 to {ids_BN.shape[1] - 1}, got {first}")
    return torch.where((ids_BN[:, first:] == stop).any(-1), scores_B, penalty)
