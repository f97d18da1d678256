"""What a phrase's vector holds: its meaning, its pattern, its order."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

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

SEEN, SURE = 3, 0.3  # times and probability of a translation that is trusted (ours)


@torch.no_grad()
def vectors(run: Run, net: RNNEncoderDecoder, phrases: Sequence[Words], known: Shortlist) -> Tensor:
    """Return c of each phrase, of length 1."""
    src, length = pad([known.ids(e) for e in phrases])
    return F.normalize(net.encode(src.to(run.device), length.to(run.device)), dim=-1).cpu()


def triples(s: System) -> list[tuple[Words, Words, Words]]:
    """Return phrases (a, b, d): a and b mean the same, d another thing in words as like to a's.

    The same: both have one likeliest translation in the table, seen `SEEN` times and with a
    probability of `SURE` or more, as a pair seen once is too often a wrong alignment. The rival d
    has as many words as b, and the same ones in common with a. No word is outside the shortlist.
    """
    rng, best = random.Random(0), {}
    for e, span in s.options.items():
        k = int(np.argmax(span.features[:, 0]))
        f = span.targets[k]
        sure = span.features[k, 0] >= np.log(SURE) and s.counts.get((e, f), 0) >= SEEN
        if len(e) > 1 and sure and not s.lists[0].unknown(e):
            best[e] = f
    by_f: dict[Words, list[Words]] = {}
    by_length: dict[int, list[Words]] = {}
    for e in sorted(best):
        by_f.setdefault(best[e], []).append(e)
        by_length.setdefault(len(e), []).append(e)
    same = [(a, b) for row in by_f.values() for a, b in itertools.pairwise(row)]
    found = []
    for a, b in same:
        shared = set(a) & set(b)
        rivals = [
            d
            for d in by_length[len(b)]
            if d not in (a, b) and best[d] != best[a] and set(a) & set(d) == shared
        ]
        if rivals:
            found.append((a, b, rng.choice(rivals)))
    return found


def meaning(
    run: Run, net: RNNEncoderDecoder, fresh: RNNEncoderDecoder, s: System
) -> dict[str, Any]:  # fmt: skip
    """Return of which triples the phrase of the same meaning is the nearer one (1 or 0).

    By the net, and by the one that it was before its training: what length, place and number of
    common words do by themselves.
    """
    asked = triples(s)
    if not asked:
        return {"nearer": [0, 1], "before": [0, 1], "some": []}
    found: dict[str, Any] = {"some": [" / ".join(map(" ".join, t)) for t in asked[:8]]}
    for name, own in (("nearer", net), ("before", fresh)):
        a, b, d = (vectors(run, own, column, s.lists[0]) for column in zip(*asked))
        found[name] = ((a * b).sum(-1) > (a * d).sum(-1)).int().tolist()
    return found


def neighbourhood(
    run: Run, net: RNNEncoderDecoder, s: System, most: int = 400
) -> dict[str, Any]:  # fmt: skip
    """Return long phrases as points of a plane, and three of them with their nearest four (Fig. 5).

    The plane: the two directions in which their vectors differ most (the paper's is Barnes–Hut
    t-SNE's). The three are the first that lie far from each other, not chosen by eye.
    """
    plain = (e for e in s.options if len(e) >= 4 and all(w.isalpha() for w in e))
    known = sorted(e for e in plain if not s.lists[0].unknown(e))
    known = known or sorted(e for e in s.options if len(e) > 1)
    own = known[:: max(len(known) // most, 1)][:most]
    c = vectors(run, net, own, s.lists[0])
    centred = c - c.mean(0)
    points = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:2].T
    cosine, first = centred @ centred.T, [0]
    while len(first) < min(3, len(own)):  # the one whose nearest of those taken is farthest
        first.append(int(cosine[:, first].amax(1).argmin()))
    groups = [cosine[i].argsort(descending=True)[:5].tolist() for i in first]
    return {
        "points": [[round(v, 3) for v in row] for row in points.tolist()],
        "groups": groups,
        "named": [[" ".join(own[k]) for k in row] for row in groups],
    }


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
