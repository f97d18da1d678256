"""What the experiments have in common: two models on the same batches, and their scores."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..config import TransformerConfig
from ..decoding import beam_search, greedy
from ..lab.figures import BLUE, RED
from ..lab.statistics import Interval, seeds_needed
from ..model import Transformer
from ..training import LabelSmoothingLoss, pad
from .baseline import RecurrentTranslator

BOS, EOS = 1, 2
BEAM = 4  # §6.1
COLOR = {"Transformer": BLUE, "GRU": RED}


def transformer(vocab_size: int, seed: int, **changes) -> Transformer:
    """Return the Transformer of the small experiments: width 64, 4 heads, 2 + 2 layers."""
    sizes: dict[str, Any] = {"d_model": 64, "d_ff": 256, "num_heads": 4, "dropout": 0.0}
    sizes |= {"num_encoder_layers": 2, "num_decoder_layers": 2}
    config = TransformerConfig(vocab_size=vocab_size, **{**sizes, **changes})
    return Transformer(config, torch.Generator().manual_seed(seed))


def recurrent(vocab_size: int, seed: int, **sizes) -> RecurrentTranslator:
    """Return the baseline of these experiments."""
    generator = torch.Generator().manual_seed(seed)
    return RecurrentTranslator(vocab_size, generator=generator, **sizes)


def train_side_by_side(
    models: Mapping[str, nn.Module],
    rates: Mapping[str, float],
    pairs: Sequence,
    steps: int,
    batch: int,
    seed: int,
    device,
    marks: Sequence[int] = (),
    score: Any = None,
    eps: Mapping[str, float] | None = None,
    track=lambda iterable, what: iterable,
) -> tuple[dict[str, list], dict[str, float]]:
    """Train models on the same batches, in turns, so that a busy machine disturbs all alike.

    The rate rises for a tenth of the steps and then falls in a line to a tenth of the peak.

    Args:
        models: by name.
        rates: each one's peak learning rate.
        pairs: (source ids, target ids) each, the end mark included.
        steps: for each model.
        batch: pairs a step.
        seed: of the batches.
        device: where the models are.
        marks: steps after which all are scored.
        score: of a model; what it returns is kept.
        eps: label smoothing by name (default: none).
        track: shows progress.

    Returns:
        By name, the scores at the marks, and the median seconds of a step.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizers, criteria, seconds = {}, {}, {}
    for name, model in models.items():
        model.to(device).train()
        optimizers[name] = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), eps=1e-9)
        criteria[name] = LabelSmoothingLoss((eps or {}).get(name, 0.0))
        seconds[name] = []
    scores = {name: [] for name in models}
    for step in track(range(1, steps + 1), f"{', '.join(models)}, seed {seed}"):
        chosen = torch.randint(len(pairs), (batch,), generator=generator).tolist()
        src = pad([pairs[i][0] for i in chosen]).to(device)
        tgt = pad([(BOS, *pairs[i][1]) for i in chosen]).to(device)
        warm = max(steps // 10, 1)
        factor = min(step / warm, 1 - 0.9 * (step - warm) / max(steps - warm, 1))
        for name, model in models.items():
            began = time.perf_counter()
            for group in optimizers[name].param_groups:
                group["lr"] = rates[name] * factor
            loss = criteria[name](model(src, tgt[:, :-1]), tgt[:, 1:])
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            seconds[name].append(time.perf_counter() - began)
        if step in marks:
            for name, model in models.items():
                scores[name].append(score(model.eval()))
                model.train()
    for model in models.values():
        model.eval()
    return scores, {name: sorted(times)[len(times) // 2] for name, times in seconds.items()}


@torch.no_grad()
def forced_scores(model: nn.Module, pairs: Sequence, device) -> tuple[float, float]:
    """Return token accuracy and perplexity, each token given the right ones before it."""
    right = total = 0
    nats = 0.0
    for start in range(0, len(pairs), 100):
        part = pairs[start : start + 100]
        src, tgt = (
            pad([s for s, _ in part]).to(device),
            pad([(BOS, *t) for _, t in part]).to(device),
        )
        logits, wanted = model(src, tgt[:, :-1]), tgt[:, 1:]
        real = wanted != 0
        right += int((logits.argmax(-1) == wanted)[real].sum())
        nats -= float(logits.log_softmax(-1).gather(-1, wanted[..., None])[..., 0][real].sum())
        total += int(real.sum())
    return right / total, math.exp(min(nats / total, 50.0))


def translations(model: nn.Module, pairs: Sequence, device) -> list[list[int]]:
    """Return what a model says greedily, without the end mark."""
    answers = []
    longest = max(len(tgt) for _, tgt in pairs) + 5
    for start in range(0, len(pairs), 100):
        src = pad([s for s, _ in pairs[start : start + 100]]).to(device)
        answers += said(model, src, longest)
    return answers


def said(
    model: Any, src: torch.Tensor, longest: int, beam: int = 1, alpha: float = 0.0
) -> list[list[int]]:
    """Return what a model says of a batch of sources, without the end mark.

    Greedily, or by a beam with a length penalty (§6.1).
    """
    if beam == 1:
        rows = greedy(model, src, max_len=longest)
    else:
        rows = beam_search(model, src, beam, alpha, max_len=longest).ids
    return [row[: row.index(EOS)] if EOS in row else [i for i in row if i] for row in rows.tolist()]


def exact_match(answers: Sequence[list[int]], pairs: Sequence) -> float:
    """Return the share of answers that are right from end to end."""
    return sum(a == list(t[:-1]) for a, (_, t) in zip(answers, pairs)) / len(pairs)


def references(pairs: Sequence) -> list[list[int]]:
    """Return the right answers, without the end mark."""
    return [list(t[:-1]) for _, t in pairs]


def as_pairs(corpus: Sequence) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return (source, target) of a corpus' pairs."""
    return [(pair.src, pair.tgt) for pair in corpus]


def would_decide(found: Interval, line: float, what: str = "seeds") -> str:
    """Say how many seeds would take the line out of an interval."""
    count = seeds_needed(found, line)
    return f"About {count} {what}." if count else f"No number of {what}: the mean is on the line."


def best_rate(score: Callable[[float], float], middle: float) -> tuple[float, dict[float, float]]:
    """Return the rate of the highest score, on a grid of factors 2, and all that were tried.

    The grid grows until the winner is not at its edge, where it would not have had its best rate.
    """
    found = {rate: score(rate) for rate in (middle / 2, middle, 2 * middle)}
    while True:
        best = max(found, key=found.__getitem__)
        if min(found) < best < max(found):
            return best, found
        edge = best / 2 if best == min(found) else best * 2
        found[edge] = score(edge)
