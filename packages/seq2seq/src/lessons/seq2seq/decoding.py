"""From trained models to sentences: greedy, sampling, beam search, ensembles, rescoring (§3.2).

Shapes: B batch, S source positions, T target positions, K beams, N results, R rows (of all beams),
V target words.
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .lstm import State
from .model import Seq2Seq
from .softmax import CHUNK

LONGEST = 3  # times the source: most words of a translation, unless another limit is given


class Ensemble:
    """Several models that predict each word together.

    Args:
        models: of one target vocabulary; in eval mode.
        average: of their probabilities ("prob"), or of their logarithms ("logprob"), which makes
            one model's veto count. The paper does not say which.

    Raises:
        ValueError: no models, unequal target vocabularies, or another average.
    """

    def __init__(self, models: Sequence[Seq2Seq], average: str = "prob") -> None:
        self.models = list(models)
        if not self.models:
            raise ValueError("an ensemble needs at least one model")
        if average not in ("prob", "logprob"):
            raise ValueError(f"average must be prob or logprob, got {average!r}")
        marks = [(m.config.target_vocab_size, m.config.pad_id, m.config.eos_id) for m in models]
        if len(set(marks)) > 1:
            told = ", ".join(f"model {i}: {mark}" for i, mark in enumerate(marks))
            raise ValueError(
                f"models must share (target_vocab_size, pad_id, eos_id), they have {told}"
            )
        self.average, self.config = average, self.models[0].config

    def encode(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> list[State]:
        """Return each model's state after the source."""
        return [model.encode(src_BS, src_len_B) for model in self.models]

    def step(self, word_R: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """Return log-probabilities of the next word (R, V), and the next states."""
        found = [model.step(word_R, state) for model, state in zip(self.models, states)]
        return self.together([logits for logits, _ in found]), [state for _, state in found]

    def forced(self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
        """Return log-probabilities (B, T, V), given the right words before each."""
        return self.together([model(src_BS, src_len_B, tgt_BT) for model in self.models])

    def together(self, logits: list[Tensor]) -> Tensor:
        """Return the common log-probabilities."""
        logs = [wide(each).log_softmax(-1) for each in logits]
        if len(logs) == 1:
            return logs[0]
        stacked = torch.stack(logs)
        if self.average == "prob":
            return stacked.logsumexp(0) - torch.tensor(float(len(logs))).log().to(stacked)
        return stacked.mean(0).log_softmax(-1)


Models = Seq2Seq | Ensemble | Sequence[Seq2Seq]


def together(models: Models) -> Ensemble:
    """Return a model, or several, as an ensemble."""
    if isinstance(models, Ensemble):
        return models
    return Ensemble([models] if isinstance(models, Seq2Seq) else models)


@torch.no_grad()
def greedy(
    models: Models, src_BS: Tensor, src_len_B: Tensor | None = None, max_len: int | None = None
) -> Tensor:
    """Take the most likely word at each step.

    Args:
        models: one, several, or an ensemble.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        max_len: most words of a result; default: three times the source's.

    Returns:
        Ids (B, T), up to and with ``eos_id``, then ``pad_id``.

    Raises:
        ValueError: as `Seq2Seq.encode`, or max_len below 1.
    """
    return _generate(models, src_BS, src_len_B, lambda log_BV: log_BV.argmax(-1), max_len)


@torch.no_grad()
def sample(
    models: Models,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    temperature: float = 1.0,
    max_len: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw each word from the models' distribution.

    Args:
        models: one, several, or an ensemble.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        temperature: divides the log-probabilities.
        max_len: most words of a result; default: three times the source's.
        generator: randomness, on the source's device.

    Raises:
        ValueError: as `greedy`, or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")

    def draw(log_BV: Tensor) -> Tensor:
        probability_BV = (log_BV / temperature).softmax(-1)
        return torch.multinomial(probability_BV, 1, generator=generator)[:, 0]

    return _generate(models, src_BS, src_len_B, draw, max_len)


def _generate(
    models: Models,
    src_BS: Tensor,
    src_len_B: Tensor | None,
    choose: Callable[[Tensor], Tensor],
    max_len: int | None,
) -> Tensor:
    ensemble = together(models)
    c, states = ensemble.config, ensemble.encode(src_BS, src_len_B)
    limit_B = _limits(c.pad_id, src_BS, src_len_B, max_len)
    word_B, ids = torch.full_like(limit_B, c.eos_id), []
    done_B = torch.zeros_like(limit_B, dtype=torch.bool)
    while not done_B.all():
        log_BV, states = ensemble.step(word_B, states)
        log_BV[:, c.pad_id] = -torch.inf
        word_B = choose(log_BV).masked_fill(done_B, c.pad_id)
        ids.append(word_B)
        done_B = done_B | (word_B == c.eos_id) | (limit_B <= len(ids))
    return torch.stack(ids, 1) if ids else src_BS[:, :0]


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """The best translations of each source, the best first."""

    ids: Tensor  # (B, N, T): up to and with eos_id, then pad_id
    log_probability: Tensor  # (B, N), in nats; −∞ where there were fewer than N
    score: Tensor  # (B, N): the same, divided by length ** length_norm


@torch.no_grad()
def beam_search(
    models: Models,
    src_BS: Tensor,
    src_len_B: Tensor | None = None,
    beam: int = 12,
    length_norm: float = 0.0,
    max_len: int | None = None,
    n_best: int = 1,
    shrink: bool = False,
    use_cache: bool = True,
) -> Hypotheses:
    """Keep the likeliest beginnings; one that ends is "added to the set of complete hypotheses".

    Each beginning is extended by every word, and "all but the B most likely" are discarded, ended
    ones among them (§3.2). Log-probabilities only fall, so the search is over when no beginning is
    likelier than the worst of the results that were asked for.

    Args:
        models: one, several, or an ensemble.
        src_BS: ids, padded on the right.
        src_len_B: how many of each row are words; None: all that are not ``pad_id``.
        beam: B, beginnings kept.
        length_norm: results are ranked by log p / length ** length_norm; the paper has none.
        max_len: most words of a result; default: three times the source's. If nothing has ended
            there, the likeliest beginning counts as it is.
        n_best: results for each source.
        shrink: a result that ended keeps its place in the beam, which so grows smaller; False: the
            beam is filled up again from the others' extensions.
        use_cache: keep the states of the beginnings; without, everything is read anew at each
            step: the same result, slower.

    Raises:
        ValueError: as `greedy`; a beam or n_best below 1; a beam above the vocabulary with
            ``shrink``; a negative length_norm.
    """
    ensemble = together(models)
    c = ensemble.config
    if beam < 1 or (shrink and beam > c.target_vocab_size):
        raise ValueError(
            f"beam must lie in 1 … target_vocab_size ({c.target_vocab_size}), got {beam}"
        )
    if n_best < 1:
        raise ValueError(f"n_best must be at least 1, got {n_best}")
    if length_norm < 0:
        raise ValueError(f"length_norm must not be negative, got {length_norm}")
    limit_B = _limits(c.pad_id, src_BS, src_len_B, max_len)
    states = [
        tuple(part.repeat_interleave(beam, 1) for part in state)
        for state in ensemble.encode(src_BS, src_len_B)
    ]
    b, steps, device = len(src_BS), int(limit_B.max()) if len(limit_B) else 0, src_BS.device
    ids_BKT = torch.full((b, beam, steps), c.pad_id, device=device)
    kind = torch.promote_types(ensemble.models[0].output.weight.dtype, torch.float32)
    live_BK = torch.full((b, beam), -torch.inf, device=device, dtype=kind)
    live_BK[:, 0] = 0  # all K beginnings are the same one at first
    room_B = torch.full((b,), beam, device=device)
    rank_K, rows_B1 = torch.arange(beam, device=device), torch.arange(b, device=device)[:, None]
    done_ids = torch.full((b, n_best, steps), c.pad_id, device=device)
    done_log = torch.full((b, n_best), -torch.inf, device=device, dtype=kind)
    done_score = done_log.clone()

    def finish(score_BK, log_BK):
        nonlocal done_ids, done_log, done_score
        log_BK = log_BK.masked_fill(score_BK.isneginf(), -torch.inf)
        done_score, at_BN = torch.cat([done_score, score_BK], 1).topk(n_best, 1)
        done_log = torch.cat([done_log, log_BK], 1).gather(1, at_BN)
        done_ids = torch.cat([done_ids, ids_BKT], 1)[rows_B1, at_BN]

    for length in range(1, steps + 1):
        live_BK = live_BK.masked_fill((limit_B < length)[:, None], -torch.inf)
        if live_BK.isneginf().all():
            break
        if use_cache:
            last_BK = ids_BKT[:, :, length - 2] if length > 1 else torch.full_like(
                ids_BKT[:, :, 0], c.eos_id
            )  # fmt: skip
            log_RV, states = ensemble.step(last_BK.flatten(), states)
        else:
            log_RV = _anew(ensemble, src_BS, src_len_B, ids_BKT[:, :, :length])
        log_RV[:, c.pad_id] = -torch.inf
        total_BKV = live_BK[:, :, None] + log_RV.view(b, beam, -1)
        log_BK, flat_BK = total_BKV.flatten(1).topk(beam, 1)
        if shrink:
            log_BK = log_BK.masked_fill(rank_K >= room_B[:, None], -torch.inf)
        from_BK, word_BK = flat_BK // log_RV.shape[-1], flat_BK % log_RV.shape[-1]
        ids_BKT = ids_BKT[rows_B1, from_BK]
        ids_BKT[:, :, length - 1] = word_BK
        ended_BK = (word_BK == c.eos_id) & ~log_BK.isneginf()
        score_BK = log_BK / length**length_norm
        finish(score_BK.masked_fill(~ended_BK, -torch.inf), log_BK)
        room_B = room_B - ended_BK.sum(1)
        live_BK = log_BK.masked_fill(ended_BK, -torch.inf)
        cut_B1 = ((limit_B == length) & done_score[:, 0].isneginf())[:, None]
        if cut_B1.any():  # nothing ended: as it is
            finish(score_BK.masked_fill(~cut_B1 | ended_BK, -torch.inf), log_BK)
        # The best that a beginning can still become: as likely, and as long as allowed.
        hope_B = live_BK.amax(1) / limit_B.to(kind) ** length_norm
        live_BK = live_BK.masked_fill((done_score[:, -1] >= hope_B)[:, None], -torch.inf)
        if use_cache and length < steps:
            at_R = (rows_B1 * beam + from_BK).flatten()
            states = [tuple(part.index_select(1, at_R) for part in state) for state in states]
    done_ids = done_ids.masked_fill(done_score.isneginf()[:, :, None], c.pad_id)
    longest = int((done_ids != c.pad_id).sum(-1).max()) if done_ids.numel() else 0
    return Hypotheses(done_ids[:, :, :longest], done_log, done_score)


def _anew(ensemble: Ensemble, src_BS, src_len_B, ids_BKT: Tensor) -> Tensor:
    """Return log-probabilities after beginnings, by reading everything once more."""
    beam = ids_BKT.shape[1]
    src_RS = src_BS.repeat_interleave(beam, 0)
    len_R = None if src_len_B is None else torch.as_tensor(src_len_B).repeat_interleave(beam, 0)
    ids_RT = ids_BKT.flatten(0, 1)
    first_R1 = torch.full_like(ids_RT[:, :1], ensemble.config.eos_id)
    read_RT = torch.cat([first_R1, ids_RT[:, :-1]], 1)
    return ensemble.together(
        [model.decode(read_RT, model.encode(src_RS, len_R))[0][:, -1] for model in ensemble.models]
    )


def wide(logits: Tensor) -> Tensor:
    """Return logits in single precision at least: sums of many logarithms need it."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _limits(pad_id: int, src_BS: Tensor, src_len_B: Tensor | None, max_len: int | None) -> Tensor:
    if max_len is not None and max_len < 1:
        raise ValueError(f"max_len must be at least 1, got {max_len}")
    words_B = (src_BS != pad_id).sum(-1) if src_len_B is None else torch.as_tensor(src_len_B)
    words_B = words_B.to(src_BS.device)
    return LONGEST * words_B if max_len is None else torch.full_like(words_B, max_len)


@torch.no_grad()
def score(models: Models, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
    """Return each target's log-probability (B,), in nats, by one model or an ensemble."""
    ensemble = together(models)
    log_BTV = ensemble.forced(src_BS, src_len_B, tgt_BT)
    log_BT = log_BTV.gather(-1, tgt_BT[..., None].long())[..., 0]
    return log_BT.masked_fill(tgt_BT == ensemble.config.pad_id, 0).sum(-1)


@torch.no_grad()
def rescore(
    models: Models,
    sources: Sequence[Sequence[int]],
    n_best: Sequence[Sequence[Sequence[int]]],
    base: Sequence[Sequence[float]],
    weight: float = 0.5,
) -> list[list[float]]:
    """Return new scores of what another system translated: "an even average with their score".

    Args:
        models: one, several, or an ensemble.
        sources: ids of each sentence.
        n_best: its translations, as ids with the end mark.
        base: their scores by the other system, as logarithms.
        weight: of the models' log-probability; of the other score 1 − weight.

    Returns:
        For each sentence its translations' scores, in their order; the largest wins.

    Raises:
        ValueError: no sentence, one without translations, unequal numbers of anything, a base score
            that is not finite, a weight outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must lie in [0, 1], got {weight}")
    sizes = len(sources), len(n_best), len(base)
    if len(set(sizes)) > 1 or not sources:
        raise ValueError(f"sources, n_best and base must be equally many, and some: got {sizes}")
    found = []
    for i, (source, texts, scores) in enumerate(zip(sources, n_best, base)):
        if len(texts) != len(scores) or not texts:
            raise ValueError(
                f"sentence {i} has {len(texts)} translations and {len(scores)} scores: "
                "as many of both, and at least one"
            )
        theirs = torch.tensor(list(scores), dtype=torch.float64)
        if not theirs.isfinite().all():
            raise ValueError(f"sentence {i} has a base score that is not finite: {list(scores)}")
        ours = score_list(models, source, texts).double().cpu()
        found.append((weight * ours + (1 - weight) * theirs).tolist())
    return found


@torch.no_grad()
def score_list(models: Models, source: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
    """Return log-probabilities of several translations of one source, a part of them at a time."""
    ensemble = together(models)
    logits_each = max(1, *map(len, texts)) * ensemble.config.target_vocab_size
    most = max(CHUNK // logits_each, 1)
    if len(texts) > most:  # a thousand translations' logits over 80,000 words would be gigabytes
        parts = (texts[at : at + most] for at in range(0, len(texts), most))
        return torch.cat([score_list(ensemble, source, part) for part in parts])
    device = ensemble.models[0].output.weight.device
    longest = max(map(len, texts))
    tgt_NT = torch.full((len(texts), longest), ensemble.config.pad_id)
    for i, row in enumerate(texts):
        tgt_NT[i, : len(row)] = torch.tensor(row)
    tgt_NT, src_1S = tgt_NT.to(device), torch.tensor([list(source)], device=device)
    logits = []
    for model in ensemble.models:
        model.check_target(tgt_NT, len(texts))
        state = model.encode(src_1S, torch.tensor([len(source)], device=device))
        state = tuple(part.expand(-1, len(texts), -1).contiguous() for part in state)
        logits.append(model.output(model.hidden(state, tgt_NT)))
    log_TNV = ensemble.together(logits)
    log_TN = log_TNV.gather(-1, tgt_NT.T[..., None])[..., 0]
    return log_TN.masked_fill(tgt_NT.T.eq(ensemble.config.pad_id), 0).sum(0)
