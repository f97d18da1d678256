"""From a trained model to sentences: greedy, sampling, beam search; alignments and scores.

Shapes: B batch, S source positions, T target positions, K beams, V target words.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from .model import RNNsearch, State

LONGEST = 3  # times the source: where the released code stops


@torch.no_grad()
def greedy(
    model: RNNsearch, src_BS: Tensor, src_len_B: Tensor | None = None, max_len: int | None = None
) -> Tensor:
    """Take the most likely word at each step.

    Args:
        model: in eval mode, unless dropout is wanted.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        max_len: most words of a result; default: three times the source's.

    Returns:
        Ids (B, T), up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: as `RNNsearch.encode`, or max_len below 1.
    """
    return _generate(model, src_BS, src_len_B, lambda logits_BV: logits_BV.argmax(-1), max_len)


@torch.no_grad()
def sample(
    model: RNNsearch,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    temperature: float = 1.0,
    max_len: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw each word from the model's distribution.

    Args:
        model: in eval mode, unless dropout is wanted.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        temperature: divides the logits.
        max_len: most words of a result; default: three times the source's.
        generator: randomness, on the source's device.

    Returns:
        Ids (B, T), up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: as `greedy`, or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")

    def draw(logits_BV: Tensor) -> Tensor:
        probability_BV = (logits_BV / temperature).softmax(-1)
        return torch.multinomial(probability_BV, 1, generator=generator)[:, 0]

    return _generate(model, src_BS, src_len_B, draw, max_len)


def _generate(
    model: RNNsearch,
    src_BS: Tensor,
    src_len_B: Tensor | None,
    choose: Callable[[Tensor], Tensor],
    max_len: int | None,
) -> Tensor:
    c, memory = model.config, model.encode(src_BS, src_len_B)
    limit_B = _limits(memory.mask, max_len)
    state, word_B1 = model.begin(memory), None
    done_B, ids = torch.zeros_like(limit_B, dtype=torch.bool), []
    while not done_B.all() or not ids:  # an empty batch, too, has a first step
        logits_B1V, _, state = model.step(word_B1, state, memory)
        chosen_B = choose(_allowed(logits_B1V, c.pad_id)[:, 0]).masked_fill(done_B, c.pad_id)
        ids.append(chosen_B)
        done_B = done_B | (chosen_B == c.eos_id) | (limit_B <= len(ids))
        word_B1 = chosen_B[:, None]
    return torch.stack(ids, 1)


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """The best translation of each source."""

    ids: Tensor  # (B, T): up to and with eos_id, then pad_id
    log_probability: Tensor  # (B,), in nats
    score: Tensor  # (B,): the same, divided by the number of words if that was asked for


@torch.no_grad()
def beam_search(
    model: RNNsearch,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    beam: int = 12,
    length_norm: bool = False,
    min_len: int | float = 0,
    max_len: int | None = None,
    forbid_unk: bool = False,
    use_cache: bool = True,
) -> Hypotheses:
    """Keep the likeliest beginnings of each translation; return the best that ended (§4.2).

    As in the released code, a translation that ends takes its place out of the beam, and the search
    goes on until all places are taken or the length is reached. That code also forbids an end
    before half of the source's length, which the paper does not say: ``min_len=0.5``.

    Args:
        model: in eval mode.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        beam: K, beginnings kept.
        length_norm: divide a log-probability by the number of words before comparing.
        min_len: no end before so many words; a number below 1: that part of the source's length.
        max_len: most words of a result; default: three times the source's. If no translation has
            ended there, the likeliest beginning counts as it is.
        forbid_unk: never say ``unk_id``, as in Table 1's last column.
        use_cache: keep the source's annotations, keys and the states; without, everything is
            computed anew at each step: the same result, slower.

    Raises:
        ValueError: as `greedy`, a beam below 1 or above the vocabulary, or a negative min_len.
    """
    c = model.config
    if not 1 <= beam <= c.target_vocab_size:
        raise ValueError(
            f"beam must lie in 1 … target_vocab_size ({c.target_vocab_size}), got {beam}"
        )
    if min_len < 0:
        raise ValueError(f"min_len must not be negative, got {min_len}")
    memory = model.encode(src_BS, src_len_B)
    words_B, limit_B = memory.mask.sum(-1), _limits(memory.mask, max_len)
    least_B = words_B * min_len if min_len < 1 else torch.full_like(words_B, int(min_len))
    b, steps, device = len(src_BS), int(limit_B.max()) if len(src_BS) else 0, src_BS.device
    state, rows_B1 = model.begin(memory, beam), torch.arange(b, device=device)[:, None]
    ids_BKT = torch.full((b, beam, steps), c.pad_id, device=device)
    alive_BK = torch.full((b, beam), -torch.inf, device=device, dtype=wide(state.s).dtype)
    alive_BK[:, 0] = 0  # all K beginnings are the same one at first
    room_B = torch.full((b,), beam, device=device)
    best_B = torch.full((b,), -torch.inf, device=device, dtype=alive_BK.dtype)
    best_log_B, best_ids_BT = best_B.clone(), ids_BKT[:, 0].clone()
    rank_K = torch.arange(beam, device=device)

    def keep_better(score_BK, log_BK):
        at_B1 = score_BK.argmax(1, keepdim=True)
        score_B = score_BK.gather(1, at_B1)[:, 0]
        better_B = score_B > best_B
        best_B[better_B] = score_B[better_B]
        best_log_B[better_B] = log_BK.gather(1, at_B1)[better_B, 0]
        best_ids_BT[better_B] = ids_BKT[rows_B1, at_B1][better_B, 0]

    for length in range(1, steps + 1):
        alive_BK = alive_BK.masked_fill((limit_B < length)[:, None], -torch.inf)
        if alive_BK.isneginf().all():
            break
        if use_cache:
            word_BK = None if length == 1 else ids_BKT[:, :, length - 2]
            logits_BKV, _, state = model.step(word_BK, state, memory)
        else:
            logits_BKV = _anew(model, src_BS, words_B, ids_BKT[:, :, :length])
        logits_BKV = _allowed(logits_BKV, c.pad_id, *([c.unk_id] if forbid_unk else []))
        log_BKV = wide(logits_BKV).log_softmax(-1)
        log_BKV[least_B >= length, :, c.eos_id] = -torch.inf
        total_BKV = alive_BK[:, :, None] + log_BKV
        log_BK, flat_BK = total_BKV.flatten(1).topk(beam, -1)
        log_BK = log_BK.masked_fill(rank_K >= room_B[:, None], -torch.inf)  # places taken out
        from_BK, word_BK = flat_BK // log_BKV.shape[-1], flat_BK % log_BKV.shape[-1]
        ids_BKT = ids_BKT[rows_B1, from_BK]
        ids_BKT[:, :, length - 1] = word_BK
        ended_BK = (word_BK == c.eos_id) & ~log_BK.isneginf()
        score_BK = log_BK / length if length_norm else log_BK
        keep_better(score_BK.masked_fill(~ended_BK, -torch.inf), log_BK)
        room_B = room_B - ended_BK.sum(1)
        alive_BK = log_BK.masked_fill(ended_BK, -torch.inf)
        cut_B1 = ((limit_B == length) & best_B.isneginf())[:, None]  # none ended: as it is
        keep_better(score_BK.masked_fill(~cut_B1 | ended_BK, -torch.inf), log_BK)
        if use_cache:
            state = _reordered(state, from_BK)
    longest = int((best_ids_BT != c.pad_id).sum(-1).max()) if b else 0
    return Hypotheses(best_ids_BT[:, :longest], best_log_B, best_B)


def _reordered(state: State, from_BK: Tensor) -> State:
    rows_B1 = torch.arange(len(from_BK), device=from_BK.device)[:, None]
    context = state.context
    return State(state.s[rows_B1, from_BK], None if context is None else context[rows_B1, from_BK])


def _anew(model: RNNsearch, src_BS: Tensor, words_B: Tensor, ids_BKT: Tensor) -> Tensor:
    """Return the logits after beginnings, by reading and unrolling everything once more."""
    beam = ids_BKT.shape[1]
    src_RS, words_R = src_BS.repeat_interleave(beam, 0), words_B.repeat_interleave(beam, 0)
    logits_RTV, _ = model(src_RS, words_R, ids_BKT.flatten(0, 1))
    return logits_RTV[:, -1].unflatten(0, ids_BKT.shape[:2])


def _allowed(logits: Tensor, *ids: int) -> Tensor:
    """Return logits of which these words can never be chosen."""
    logits = logits.clone()
    logits[..., list(ids)] = -torch.inf
    return logits


def wide(logits: Tensor) -> Tensor:
    """Return logits in single precision at least: sums of many logarithms need it."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _limits(mask_BS: Tensor, max_len: int | None) -> Tensor:
    if max_len is not None and max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    words_B = mask_BS.sum(-1)
    return LONGEST * words_B if max_len is None else torch.full_like(words_B, max_len)


@torch.no_grad()
def score(model: RNNsearch, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
    """Return each target's log-probability (B,), in nats: for rescoring what others translated."""
    logits_BTV, _ = model(src_BS, src_len_B, tgt_BT)
    log_BT = wide(logits_BTV).log_softmax(-1).gather(-1, tgt_BT[..., None].long())[..., 0]
    return log_BT.masked_fill(tgt_BT == model.config.pad_id, 0).sum(-1)


@torch.no_grad()
def align(model: RNNsearch, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
    """Return α_ij (B, T, S) for given translations: where the model looks for each of their words.

    Raises:
        ValueError: the model has no alignment (RNNencdec).
    """
    _, weights_BTS = model(src_BS, src_len_B, tgt_BT)
    if weights_BTS is None:
        raise ValueError("RNNencdec has one vector for the whole source: it aligns nothing")
    return weights_BTS
