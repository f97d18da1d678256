"""From a trained model to phrases: greedy, sampling, beam search.

Shapes: B batch, S source positions, T target positions, K beams, N hidden units, V target words.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from .model import RNNEncoderDecoder, wide

LONGEST = 3  # times the source: where the released code stops


@torch.no_grad()
def greedy(
    model: RNNEncoderDecoder,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    max_len: int | None = None,
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
        ValueError: as `RNNEncoderDecoder.encode`, or max_len below 1.
    """
    return _generate(model, src_BS, src_len_B, lambda logits_BV: logits_BV.argmax(-1), max_len)


@torch.no_grad()
def sample(
    model: RNNEncoderDecoder,
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
    model: RNNEncoderDecoder,
    src_BS: Tensor,
    src_len_B: Tensor | None,
    choose: Callable[[Tensor], Tensor],
    max_len: int | None,
) -> Tensor:
    c, memory = model.config, model.read(src_BS, src_len_B)
    limit_B = _limits(memory.length, max_len)
    h_B1N, word_B1 = memory.start[:, None], None
    done_B, ids = torch.zeros_like(limit_B, dtype=torch.bool), []
    while not done_B.all():
        logits_B1V, h_B1N = model.decoder.step(word_B1, h_B1N, memory)
        chosen_B = choose(_allowed(logits_B1V, c.pad_id)[:, 0]).masked_fill(done_B, c.pad_id)
        ids.append(chosen_B)
        done_B = done_B | (chosen_B == c.eos_id) | (limit_B <= len(ids))
        word_B1 = chosen_B[:, None]
    return torch.stack(ids, 1) if ids else limit_B.new_empty(0, 0)


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """The best translation of each source."""

    ids: Tensor  # (B, T): up to and with eos_id, then pad_id
    log_probability: Tensor  # (B,), in nats: what `RNNEncoderDecoder.score` gives the same words
    score: Tensor  # (B,): the same, divided by the number of words if that was asked for


@torch.no_grad()
def beam_search(
    model: RNNEncoderDecoder,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    beam: int = 12,
    length_norm: bool = False,
    min_len: int | float = 0,
    max_len: int | None = None,
    forbid_unk: bool = False,
    use_cache: bool = True,
) -> Hypotheses:
    """Keep the likeliest beginnings of each phrase; return the best that ended.

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
        forbid_unk: never say ``unk_id``, which stands for all words outside the list.
        use_cache: keep the vector and the states; without, everything is computed
            anew at each step: the same result, slower.

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
    memory = model.read(src_BS, src_len_B)
    if not len(src_BS):
        none = wide(memory.c).new_empty(0)
        return Hypotheses(src_BS.new_empty(0, 0), none, none)
    words_B, limit_B = memory.length, _limits(memory.length, max_len)
    least_B = words_B * min_len if min_len < 1 else torch.full_like(words_B, int(min_len))
    b, steps, device = len(src_BS), int(limit_B.max()), src_BS.device
    h_BKN = memory.start[:, None].expand(-1, beam, -1)
    rows_B1 = torch.arange(b, device=device)[:, None]
    ids_BKT = torch.full((b, beam, steps), c.pad_id, device=device)
    alive_BK = torch.full((b, beam), -torch.inf, device=device, dtype=wide(h_BKN).dtype)
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
            logits_BKV, h_BKN = model.decoder.step(word_BK, h_BKN, memory)
        else:
            logits_BKV = _anew(model, src_BS, words_B, ids_BKT[:, :, :length])
        log_BKV = wide(logits_BKV).log_softmax(-1)
        log_BKV = _allowed(log_BKV, c.pad_id, *([c.unk_id] if forbid_unk else []))
        log_BKV[least_B >= length, :, c.eos_id] = -torch.inf
        total_BKV = alive_BK[:, :, None] + log_BKV
        log_BK, flat_BK = total_BKV.flatten(1).topk(beam, -1)
        log_BK = log_BK.masked_fill(rank_K >= room_B[:, None], -torch.inf)  # places taken out
        from_BK, word_BK = flat_BK // log_BKV.shape[-1], flat_BK % log_BKV.shape[-1]
        word_BK = word_BK.masked_fill(log_BK.isneginf(), c.eos_id)  # of places that are taken out
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
            h_BKN = h_BKN[rows_B1, from_BK]
    longest = int((best_ids_BT != c.pad_id).sum(-1).max())
    return Hypotheses(best_ids_BT[:, :longest], best_log_B, best_B)


def _anew(model: RNNEncoderDecoder, src_BS: Tensor, words_B: Tensor, ids_BKT: Tensor) -> Tensor:
    """Return the logits after beginnings, by reading and unrolling everything once more."""
    beam = ids_BKT.shape[1]
    src_RS, words_R = src_BS.repeat_interleave(beam, 0), words_B.repeat_interleave(beam, 0)
    logits_RTV = model(src_RS, words_R, ids_BKT.flatten(0, 1))
    return logits_RTV[:, -1].unflatten(0, ids_BKT.shape[:2])


def _allowed(logits: Tensor, *ids: int) -> Tensor:
    """Return logits, or logarithms, of which these words can never be chosen."""
    logits = logits.clone()
    logits[..., list(ids)] = -torch.inf
    return logits


def _limits(words_B: Tensor, max_len: int | None) -> Tensor:
    if max_len is not None and max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    return LONGEST * words_B if max_len is None else torch.full_like(words_B, max_len)
