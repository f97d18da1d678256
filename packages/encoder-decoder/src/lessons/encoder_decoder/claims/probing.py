"""What a phrase's vector holds: its meaning, its pattern, its order."""

import itertools
import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..lab.run import Run
from ..model import RNNEncoderDecoder
from ..phrases import Shortlist, score_pairs
from ..training import pad
from . import made_up
from .system import System, Words

PAIRS = 2000  # of phrases, that are compared


@torch.no_grad()
def vectors(run: Run, net: RNNEncoderDecoder, phrases: Sequence[Words], known: Shortlist) -> Tensor:
    """Return c of each phrase, of length 1."""
    src, length = pad([known.ids(e) for e in phrases])
    return F.normalize(net.encode(src.to(run.device), length.to(run.device)), dim=-1).cpu()


def meaning(run: Run, net: RNNEncoderDecoder, s: System, seed: int) -> dict[str, float]:
    """Compare cosines of phrases that mean the same with those of others as like in words.

    The same: with one likeliest translation in the table. Each such pair (a, b) has a rival pair
    (a, d) of other translations, in which d has as many words as b and shares as many with a.
    """
    rng = random.Random(seed)
    best = {e: span.targets[int(np.argmax(span.features[:, 0]))] for e, span in s.options.items()}
    best = {e: f for e, f in best.items() if len(e) > 1}
    by_f: dict[Words, list[Words]] = {}
    by_length: dict[int, list[Words]] = {}
    for e in sorted(best):
        by_f.setdefault(best[e], []).append(e)
        by_length.setdefault(len(e), []).append(e)
    same = [(a, b) for row in by_f.values() for a, b in itertools.pairwise(row)]
    rng.shuffle(same)
    found = []
    for a, b in same[:PAIRS]:
        shared, own = len(set(a) & set(b)), by_length[len(b)]
        for d in rng.sample(own, min(len(own), 300)):
            if d not in (a, b) and best[d] != best[a] and len(set(a) & set(d)) == shared:
                found.append((a, b, d))
                break
    if not found:
        return {"nearer by": 0.0, "pairs": 0}
    a, b, d = (vectors(run, net, column, s.lists[0]) for column in zip(*found))
    cosines = [(a * x).sum(-1) for x in (b, d)]
    return {
        "nearer by": float((cosines[0] - cosines[1]).mean()), "pairs": len(found),
        "same": float(cosines[0].mean()), "other": float(cosines[1].mean()),
    }  # fmt: skip


def pattern(phrase: Words) -> str:
    """Return a made-up phrase's syntax: its adjectives and nouns, without the words."""
    return "".join("A" if word in made_up.ADJECTIVES else "N" for word in phrase)


def patterns(
    run: Run, net: RNNEncoderDecoder, phrases: Sequence[Words], known: Shortlist, words: int = 4
) -> dict[str, float]:
    """Compare cosines of phrases of one pattern with those of two, none of which share a word."""
    own = [e for e in phrases if len(e) == words]
    c = vectors(run, net, own, known)
    cosine = (c @ c.T).tolist()
    found: dict[bool, list[float]] = {True: [], False: []}
    for i, a in enumerate(own):
        for j, b in enumerate(own[:i]):
            if not set(a) & set(b):
                found[pattern(a) == pattern(b)].append(cosine[i][j])
    if not all(found.values()):
        return {"nearer by": 0.0, "pairs": 0}
    same, other = (float(np.mean(found[kind])) for kind in (True, False))
    return {"nearer by": same - other, "pairs": len(found[True]), "same": same, "other": other}


def order(
    net: RNNEncoderDecoder, pairs: Sequence[made_up.Pair], lists: tuple[Shortlist, Shortlist]
) -> dict[str, float]:
    """Return how often a target is likelier for its own source than for the same words swapped.

    Two nouns side by side are exchanged, which asks for another target. A bag of words cannot tell.
    """
    asked = []
    for e, f in pairs:
        kinds = pattern(e)
        places = [i for i in range(len(e) - 1) if kinds[i : i + 2] == "NN" and e[i] != e[i + 1]]
        if places:
            i = places[0]
            asked.append((e, (*e[:i], e[i + 1], e[i], *e[i + 2 :]), f))
    scores = [
        score_pairs(net, [(lists[0].ids(row[k]), lists[1].ids(row[2])) for row in asked])
        for k in (0, 1)
    ]
    right = sum(a > b for a, b in zip(*scores))
    return {"right": right / max(len(asked), 1), "pairs": len(asked)}
