"""What a trained RNNsearch looks at: alignments of its own translations, and its annotations."""

import copy
from collections import Counter
from typing import Any

import torch

from ..decoding import align
from ..lab.run import Run
from ..model import RNNsearch
from ..training import pad
from . import translators
from .pieces import Pieces

AROUND = 3  # pieces to either side: what counts as "the words around"
Spans = list[tuple[str, int]]


def by_words(alpha_TS: torch.Tensor, source: Spans, target: Spans) -> torch.Tensor:
    """Return the weights of words: summed over the source's pieces, averaged over the target's."""
    columns = torch.stack([part.sum(1) for part in alpha_TS.split([n for _, n in source], 1)], 1)
    return torch.stack([part.mean(0) for part in columns.split([n for _, n in target])])


def alignments(
    run: Run, net: RNNsearch, pairs: list[tuple[str, str]]
) -> list[tuple[Spans, Spans, torch.Tensor]]:
    """Return for each (source, translation) its words and the weights between them."""
    pieces: list[Pieces] = translators.texts(run)["pieces"]
    found: list[Any] = [None] * len(pairs)
    ids = [(pieces[0].encode(a), pieces[1].encode(b)) for a, b in pairs]
    for chosen in translators.by_length([a for a, _ in ids]):
        src, length = pad([ids[i][0] for i in chosen])
        tgt, _ = pad([ids[i][1] for i in chosen])
        alpha = align(net, src.to(run.device), length.to(run.device), tgt.to(run.device)).cpu()
        for i, row in zip(chosen, alpha):
            spans = [p.spans(text) for p, text in zip(pieces, pairs[i])]
            whole = row[: len(ids[i][1]), : len(ids[i][0])]
            found[i] = (*spans, by_words(whole, *spans))
    return found


def tau(place: list[float]) -> float:
    """Return Kendall's τ between a translation's order and the places that it looks at.

    1: every later word looks further right than every earlier one; 0: no order; −1: backwards.
    """
    n, total = len(place), 0
    for i in range(n):
        for k in range(i + 1, n):
            total += (place[k] > place[i]) - (place[k] < place[i])
    return total / (n * (n - 1) / 2) if n > 1 else 1.0


def copied(source: Spans, target: Spans) -> list[tuple[int, int]]:
    """Return (target word, source word) of what stands once in both: names, numbers, commands."""
    ours, theirs = (Counter(word for word, _ in spans) for spans in (source, target))
    return [
        (i, next(j for j, (other, _) in enumerate(source) if other == word))
        for i, (word, _) in enumerate(target)
        if len(word) > 1 and ours[word] == theirs[word] == 1
    ]


def examine(run: Run, net: RNNsearch, seed: int) -> dict[str, Any]:
    """Return how monotonic the alignments are, whether copied words look at their like, and focus.

    Of the net's own translations of test sentences of 10 to 20 words, as Fig. 3's.
    """
    known = translators.texts(run)["texts"]["test"]
    low, high = run.pick(test=(3, 30), default=(10, 20))
    sources = [en for en, _ in known if low <= len(en.split()) <= high]
    sources = sources[: run.pick(test=6, default=600)]
    pieces = translators.texts(run)["pieces"][0]
    answers = translators.translate(run, net, [pieces.encode(en) for en in sources])
    taus, hits, seen = [], 0, 0
    for source, target, weights in alignments(run, net, list(zip(sources, answers))):
        place = weights @ torch.arange(weights.shape[1], dtype=weights.dtype)
        if len(target) > 2:
            taus.append(tau(place[:-1].tolist()))  # the end mark always looks at the end
        best = weights[:, :-1].argmax(1)
        pairs = copied(source[:-1], target[:-1])
        hits += sum(int(best[i]) == j for i, j in pairs)
        seen += len(pairs)
    return {
        "tau": sum(taus) / max(len(taus), 1),
        "copied": {"right": hits, "seen": seen},
        "focus": focus(run, net, seed),
    }


def focus(run: Run, net: RNNsearch, seed: int) -> dict[str, Any]:
    """Return how much an annotation depends on each word, by the word's distance.

    The norm of ∂h_j/∂e(x_k), estimated along random directions, as a share of the sum over k.
    """
    net, size = copy.deepcopy(net).cpu(), run.pick(test=8, default=25)
    rows = [a for a, _ in translators.texts(run)["ids"]["test"] if len(a) >= size]
    rows = [row[:size] for row in rows[: run.pick(test=3, default=60)]]
    generator = torch.Generator().manual_seed(seed)
    src, _ = pad(rows)
    table, shares = net.encoder.embedding.weight, torch.zeros(2 * size + 1)
    words = table[src].detach().requires_grad_()
    notes = _annotations(net, words)
    middle = range(size // 3, 2 * size // 3 + 1)
    for j in middle:
        square = torch.zeros(len(rows), size)
        for _ in range(run.pick(test=1, default=4)):
            along = torch.randn(notes.shape[-1], generator=generator)
            (slope,) = torch.autograd.grad((notes[:, j] @ along).sum(), words, retain_graph=True)
            square += slope.square().sum(-1)
        share = square.sqrt() / square.sqrt().sum(1, keepdim=True)
        shares[size - j : 2 * size - j] += share.mean(0) / len(middle)
    near = shares[size - AROUND : size + AROUND + 1].sum()
    even = sum(1 for j in middle for k in range(size) if abs(j - k) <= AROUND)
    return {
        "around": float(near), "even": even / (len(middle) * size),
        "by distance": shares[size - size // 2 : size + size // 2 + 1].tolist(),
    }  # fmt: skip


def _annotations(net: RNNsearch, words_BSM: torch.Tensor) -> torch.Tensor:
    """Return h_j of embedded words: what the encoder does with all of one length."""
    encoder = net.encoder
    states = encoder.forward_unit(words_BSM)
    if encoder.backward_unit is None:
        return states
    return torch.cat([states, encoder.backward_unit(words_BSM.flip(1)).flip(1)], -1)
