r"""From a model to answers: greedy, sampling, beam search (Raffel et al. 2020, §3.1.2, §3.7).

Shapes: B batch, S input length, T target length, K beam, V vocabulary, R = B*K rows.
"""

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from .language_model import LanguageModel
from .model import T5ForConditionalGeneration

Writer = T5ForConditionalGeneration | LanguageModel


def greedy(model: Writer, input_ids: Tensor, max_len: int) -> Tensor:
    """Take the most likely token at each step.

    Args:
        model: in eval mode, unless dropout is wanted.
        input_ids: ids, padded with ``pad_id``.
        max_len: most tokens of an answer.

    Returns:
        Ids (B, T) up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: max_len below 1.

    Source: §3.1.2.
    """
    return _generate(model, input_ids, max_len, lambda logits_BV: logits_BV.argmax(-1))


def sample(
    model: Writer,
    input_ids: Tensor,
    max_len: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw each token from the model's distribution, or from its head (not in the paper).

    Args:
        model: in eval mode, unless dropout is wanted.
        input_ids: ids, padded with ``pad_id``.
        max_len: most tokens of an answer.
        temperature: divides the logits.
        top_k: draw from the k most likely tokens only.
        top_p: draw from the fewest tokens that together have this probability.
        generator: randomness, on the inputs' device.

    Returns:
        Ids (B, T) up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: max_len or top_k below 1, a temperature that is not positive, or top_p outside
            (0, 1].
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}")

    def draw(logits_BV: Tensor) -> Tensor:
        probability_BV = truncate((logits_BV.float() / temperature).softmax(-1), top_k, top_p)
        return torch.multinomial(probability_BV, 1, generator=generator)[:, 0]

    return _generate(model, input_ids, max_len, draw)


def truncate(probability_BV: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """Set to zero what is not among the k likeliest, or not in the head of probability p."""
    ordered_BV, order_BV = probability_BV.sort(descending=True, dim=-1)
    if top_k is not None:
        ordered_BV[:, top_k:] = 0
    if top_p is not None:
        before_BV = ordered_BV.cumsum(-1) - ordered_BV
        ordered_BV[before_BV >= top_p * ordered_BV.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, ordered_BV)


@torch.no_grad()
def _generate(
    model: Writer, input_ids: Tensor, max_len: int, choose: Callable[[Tensor], Tensor]
) -> Tensor:
    c = model.config
    if max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    started = model.start(input_ids, max_len)
    ids_BT = input_ids.new_full((len(input_ids), max_len + 1), c.pad_id)
    done_B = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    length = 0
    while length < max_len and not done_B.all():
        logits_BV = model.step(ids_BT[:, length : length + 1], started)
        logits_BV[:, c.pad_id] = -torch.inf  # padding is not a token that can follow
        chosen_B = choose(logits_BV)
        length += 1
        ids_BT[:, length] = chosen_B.masked_fill(done_B, c.pad_id)
        done_B = done_B | (chosen_B == c.eos_id)
    return ids_BT[:, 1 : length + 1]


def length_penalty(length: int | Tensor, alpha: float):
    r"""Return $((5+|Y|)/6)^α$, by which a hypothesis' log-probability is divided.

    Source: §3.7; Wu et al. 2016, eq. 14.
    """
    return ((5 + length) / 6) ** alpha


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """The best answer to each input."""

    ids: Tensor  # (B, T): up to and with eos_id, then pad_id
    log_probability: Tensor  # (B,), in nats
    score: Tensor  # (B,): log-probability / length penalty


@torch.no_grad()
def beam_search(
    model: Writer, input_ids: Tensor, max_len: int, beam: int = 4, alpha: float = 0.6
) -> Hypotheses:
    """Keep the ``beam`` likeliest beginnings of each answer; return the best that ended.

    A search stops when no beginning that is still open can beat the best that ended, whatever
    follows: a log-probability only falls, and the penalty is largest at the longest length.

    Args:
        model: in eval mode.
        input_ids: ids, padded with ``pad_id``.
        max_len: most tokens of an answer. One that has not ended there counts as it is, if none
            ended.
        beam: K, beginnings kept.
        alpha: of the length penalty; 0 compares log-probabilities.

    Raises:
        ValueError: beam or max_len below 1, or an alpha below 0 or not finite.

    Source: §3.7: a beam of 4 and α = 0.6.
    """
    if beam < 1:
        raise ValueError(f"beam must be at least 1, got {beam}")
    if max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be a number that is not negative, got {alpha}")
    c, b, device = model.config, len(input_ids), input_ids.device
    started = model.start(input_ids, max_len, beam)
    ids_BKT = input_ids.new_full((b, beam, max_len + 1), c.pad_id)
    # All K beginnings are the same one at first: only the first may be continued.
    alive_BK = torch.full((b, beam), -torch.inf, device=device)
    alive_BK[:, 0] = 0
    best_B = torch.full((b,), -torch.inf, device=device)
    best_log_B, best_ids_BT = best_B.clone(), ids_BKT[:, 0, 1:].clone()
    ceiling = length_penalty(max_len, alpha)
    rows_B1 = torch.arange(b, device=device)[:, None]

    def keep_better(score_B, log_B, ids_BT):
        better_B = score_B > best_B
        best_B[better_B], best_log_B[better_B] = score_B[better_B], log_B[better_B]
        best_ids_BT[better_B] = ids_BT[better_B]

    for length in range(1, max_len + 1):
        open_B = alive_BK[:, 0] / ceiling > best_B
        if not open_B.any():
            break
        logits_RV = model.step(ids_BKT.flatten(0, 1)[:, length - 1 : length], started)
        logits_RV[:, c.pad_id] = -torch.inf
        total_BKV = alive_BK[:, :, None] + logits_RV.float().log_softmax(-1).unflatten(0, (b, beam))
        v = total_BKV.shape[-1]
        # At most K of the 2K best continuations end an answer, so K that do not are among them.
        log_BC, flat_BC = total_BKV.flatten(1).topk(min(2 * beam, beam * v), -1)
        from_BC, token_BC = flat_BC // v, flat_BC % v
        ids_BCT = ids_BKT[rows_B1, from_BC]
        ids_BCT[:, :, length] = token_BC

        ended_BC = token_BC == c.eos_id
        counts_BC = ended_BC & open_B[:, None]
        counts_BC[:, beam:] = False  # an end must be among the K best itself
        score_BC = (log_BC / length_penalty(length, alpha)).masked_fill(~counts_BC, -torch.inf)
        score_B, at_B = score_BC.max(-1)
        pick = (rows_B1[:, 0], at_B)
        keep_better(score_B, log_BC[pick], ids_BCT[pick][:, 1:])

        alive_BK, at_BK = log_BC.masked_fill(ended_BC, -torch.inf).topk(beam, -1)
        ids_BKT = ids_BCT[rows_B1, at_BK]
        cut_B = best_B.isneginf() if length == max_len else torch.zeros_like(open_B)
        score_B = (alive_BK[:, 0] / ceiling).masked_fill(~cut_B, -torch.inf)
        keep_better(score_B, alive_BK[:, 0], ids_BKT[:, 0, 1:])
        started.cache.reorder((from_BC.gather(1, at_BK) + rows_B1 * beam).flatten())
    longest = max(1, int((best_ids_BT != c.pad_id).sum(-1).max())) if b else 1
    return Hypotheses(best_ids_BT[:, :longest], best_log_B, best_B)
