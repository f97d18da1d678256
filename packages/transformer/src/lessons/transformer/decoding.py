r"""From a trained model to sentences: greedy, sampling, beam search (Vaswani et al. 2017, §6.1).

Shapes: B batch, S source length, T target length, K beam, V vocabulary, R = B*K rows.
"""

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from .attention import padding_mask
from .model import Transformer

EXTRA = 50  # §6.1: at most 50 tokens more than the source has


def greedy(
    model: Transformer, src_BS: Tensor, max_len: int | None = None, use_cache: bool = True
) -> Tensor:
    """Take the most likely token at each step.

    Args:
        model: in eval mode, unless dropout is wanted.
        src_BS: source ids (B, S), padded on the right.
        max_len: most tokens of a result; default: each source's length + 50.
        use_cache: keep keys and values of earlier positions; without, the same tokens, slower.

    Returns:
        Ids (B, T) after the start token, up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: an empty source, or max_len below 1.

    Source: §3 (auto-regressive decoding).
    """
    return _generate(model, src_BS, lambda logits_BV: logits_BV.argmax(-1), max_len, use_cache)


def sample(
    model: Transformer,
    src_BS: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    max_len: int | None = None,
    generator: torch.Generator | None = None,
    use_cache: bool = True,
) -> Tensor:
    """Draw each token from the model's distribution, or from its head.

    Args:
        model: in eval mode, unless dropout is wanted.
        src_BS: source ids (B, S), padded on the right.
        temperature: divides the logits.
        top_k: draw from the k most likely tokens only.
        top_p: draw from the fewest tokens that together have this probability.
        max_len: most tokens of a result; default: each source's length + 50.
        generator: randomness, on the source's device.
        use_cache: keep keys and values of earlier positions.

    Returns:
        Ids (B, T) after the start token, up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: an empty source, max_len or top_k below 1, a temperature that is not positive,
            or top_p outside (0, 1].
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}")

    def draw(logits_BV: Tensor) -> Tensor:
        probability_BV = truncate((logits_BV / temperature).softmax(-1), top_k, top_p)
        return torch.multinomial(probability_BV, 1, generator=generator)[:, 0]

    return _generate(model, src_BS, draw, max_len, use_cache)


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
    model: Transformer,
    src_BS: Tensor,
    choose: Callable[[Tensor], Tensor],
    max_len: int | None,
    use_cache: bool,
) -> Tensor:
    c, limit_B = model.config, _limits(model, src_BS, max_len)
    memory_BSM, mask = _encode(model, src_BS)
    steps = int(limit_B.max())
    cache = model.start_cache(memory_BSM, steps) if use_cache else None
    ids_BT = src_BS.new_full((len(src_BS), steps + 1), c.pad_id)
    ids_BT[:, 0] = c.bos_id
    done_B = torch.zeros_like(limit_B, dtype=torch.bool)
    length = 0
    while length < steps and not done_B.all():
        new = ids_BT[:, length : length + 1] if use_cache else ids_BT[:, : length + 1]
        chosen_B = choose(_next(model, model.decode(new, memory_BSM, mask, cache=cache)))
        length += 1
        ids_BT[:, length] = chosen_B.masked_fill(done_B, c.pad_id)
        done_B |= (chosen_B == c.eos_id) | (limit_B <= length)
    return ids_BT[:, 1 : length + 1]


def length_penalty(length: int | Tensor, alpha: float):
    r"""Return $lp(Y) = ((5+|Y|)/6)^α$, by which a hypothesis' log-probability is divided.

    Source: §6.1; Wu et al. 2016, eq. 14.
    """
    return ((5 + length) / 6) ** alpha


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """The best translation of each source."""

    ids: Tensor  # (B, T): after the start token, up to and with eos_id, then pad_id
    log_probability: Tensor  # (B,), in nats
    score: Tensor  # (B,): log-probability / length penalty


@torch.no_grad()
def beam_search(
    model: Transformer,
    src_BS: Tensor,
    beam: int = 4,
    alpha: float = 0.6,
    max_len: int | None = None,
    use_cache: bool = True,
) -> Hypotheses:
    """Keep the ``beam`` likeliest beginnings of each translation; return the best that ended.

    A search stops when no beginning that is still open can beat the best that ended, whatever
    follows: a log-probability only falls, and the penalty is largest at the longest length.
    Parsing in the paper: ``beam=21, alpha=0.3`` and source length + 300 (§6.3).

    Args:
        model: in eval mode.
        src_BS: source ids (B, S), padded on the right.
        beam: K, beginnings kept.
        alpha: of the length penalty; 0 compares log-probabilities.
        max_len: most tokens of a result, ``eos_id`` included; default: source length + 50. A
            hypothesis that has not ended there counts as it is, if none ended.
        use_cache: keep keys and values of earlier positions.

    Raises:
        TypeError: a source that is no tensor.
        ValueError: an empty source, beam or max_len below 1, or an alpha below 0 or not finite.

    Source: §6.1; Wu et al. 2016, §7.
    """
    if beam < 1:
        raise ValueError(f"beam must be at least 1, got {beam}")
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be a number that is not negative, got {alpha}")
    c, limit_B = model.config, _limits(model, src_BS, max_len)
    b, steps, v = len(src_BS), int(limit_B.max()), c.vocab_size
    device = src_BS.device
    # The K rows of a source look at the same memory: it is encoded once.
    memory_BSM, mask = _encode(model, src_BS)
    cache = model.start_cache(memory_BSM, steps, beam) if use_cache else None
    memory_RSM = memory_BSM if use_cache else memory_BSM.repeat_interleave(beam, 0)
    mask = None if mask is None else mask.repeat_interleave(beam, 0)
    ids_BKT = src_BS.new_full((b, beam, steps + 1), c.pad_id)
    ids_BKT[:, :, 0] = c.bos_id
    # All K beginnings are the same one at first: only the first may be continued.
    alive_BK = torch.full((b, beam), -torch.inf, device=device)
    alive_BK[:, 0] = 0
    best_B = torch.full((b,), -torch.inf, device=device)
    best_log_B, best_ids_BT = best_B.clone(), ids_BKT[:, 0, 1:].clone()
    ceiling_B = length_penalty(limit_B, alpha)
    rows_B1 = torch.arange(b, device=device)[:, None]

    def keep_better(score_B, log_B, ids_BT):
        better_B = score_B > best_B
        best_B[better_B], best_log_B[better_B] = score_B[better_B], log_B[better_B]
        best_ids_BT[better_B] = ids_BT[better_B]

    for length in range(1, steps + 1):
        open_B = (alive_BK[:, 0] / ceiling_B > best_B) & (limit_B >= length)
        if not open_B.any():
            break
        rows_RT = ids_BKT.flatten(0, 1)
        new = rows_RT[:, length - 1 : length] if use_cache else rows_RT[:, :length]
        states_RTM = model.decode(new, memory_RSM, mask, cache=cache)
        log_RV = _next(model, states_RTM).float().log_softmax(-1)
        total_BKV = alive_BK[:, :, None] + log_RV.unflatten(0, (b, beam))
        # At most K of the 2K best continuations end a sentence, so K that do not are among them.
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
        cut_B = (limit_B == length) & best_B.isneginf()  # none ended: the likeliest as it is
        score_B = (alive_BK[:, 0] / ceiling_B).masked_fill(~cut_B, -torch.inf)
        keep_better(score_B, alive_BK[:, 0], ids_BKT[:, 0, 1:])
        if cache is not None:
            came_from_BK = from_BC.gather(1, at_BK) + rows_B1 * beam
            cache.reorder(came_from_BK.flatten())
    longest = int((best_ids_BT != c.pad_id).sum(-1).max())
    return Hypotheses(best_ids_BT[:, :longest], best_log_B, best_B)


def _encode(model: Transformer, src_BS: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the memory and the mask that decoding needs: none where nothing is padding."""
    mask = padding_mask(src_BS, model.config.pad_id)
    memory_BSM = model.encode(src_BS, mask)
    return memory_BSM, None if mask.all() else mask


def _next(model: Transformer, states_BTM: Tensor) -> Tensor:
    """Return the logits after the last position; padding is not a token that can follow."""
    logits_BV = model.project(states_BTM[:, -1])
    logits_BV[:, model.config.pad_id] = -torch.inf
    return logits_BV


def _limits(model: Transformer, src_BS: Tensor, max_len: int | None) -> Tensor:
    """Check the arguments; return the most tokens for each source (B,)."""
    if not isinstance(src_BS, Tensor):
        raise TypeError(f"src must be a tensor of token ids, got {type(src_BS).__name__}")
    if src_BS.dim() == 2 and not src_BS.numel():
        raise ValueError(f"src must not be empty, got shape {tuple(src_BS.shape)}")
    if max_len is not None and max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    if src_BS.dim() != 2:
        raise ValueError(f"src must have shape (batch, length), got {tuple(src_BS.shape)}")
    lengths_B = (src_BS != model.config.pad_id).sum(-1)
    if not lengths_B.all():
        raise ValueError(
            f"src must not be empty, got only padding in row {int(lengths_B.argmin())}"
        )
    return lengths_B + EXTRA if max_len is None else torch.full_like(lengths_B, max_len)
