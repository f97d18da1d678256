"""The search of a phrase-based system: from left to right, the likeliest beginnings kept.

Phrases are translated in the order of the source, without jumps; within a phrase, words change
places. Beginnings that say the same words count once.

Shapes: B beginnings, O options of a span, F features.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from .ngrams import END, START, Trigrams

Words = tuple[str, ...]
PRIME = np.uint64(1_000_003)


@dataclasses.dataclass
class Span:
    """What a span of the source may become; the language model's number is added by the search."""

    targets: list[Words]
    features: np.ndarray  # its column "lm" has what does not depend on the words before
    ids: list[list[int]]
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def prepare(self, model: Trigrams, lm: int) -> None:
        """Compute once what each option always has."""
        count = len(self.ids)
        pad = np.array([[*row, -1, -1][:2] for row in self.ids])
        last = np.array([[-1, -1, *row][-2:] for row in self.ids])
        mix = np.zeros(count, dtype=np.uint64)
        power = np.ones(count, dtype=np.uint64)
        with np.errstate(over="ignore"):
            for k, row in enumerate(self.ids):
                for w in row:
                    mix[k] = mix[k] * PRIME + np.uint64(w + 1)
                    power[k] = power[k] * PRIME
        for k, row in enumerate(self.ids):
            if len(row) > 2:
                inner = np.array(row)
                self.features[k, lm] = model.log(inner[:-2], inner[1:-1], inner[2:]).sum()
        self.arrays = {"first": pad, "last": last, "mix": mix, "power": power}


@dataclasses.dataclass
class Beam:
    """Beginnings that cover the same words of the source."""

    score: np.ndarray
    u: np.ndarray  # the last word but one
    v: np.ndarray  # the last word
    features: np.ndarray
    mix: np.ndarray  # a hash of the words so far
    back: list[tuple[int, int, int]]  # place, beginning and option that it was made of


def best(
    spans: dict[tuple[int, int], Span],
    length: int,
    weights: np.ndarray,
    model: Trigrams,
    lm: int,
    beam: int,
) -> list[tuple[Words, np.ndarray]]:
    """Return up to ``beam`` different translations with their features, best first.

    Args:
        spans: by (first place, end); every single word has options.
        length: words of the source.
        weights: (F,).
        model: of the target language.
        lm: the number of its feature.
        beam: beginnings kept for each place.
    """
    zero = np.zeros(1, dtype=np.int64)
    beams = [
        Beam(np.zeros(1), zero + START, zero + START, np.zeros((1, len(weights))),
             np.zeros(1, np.uint64), [(0, 0, 0)])
    ]  # fmt: skip
    for end in range(1, length + 1):
        beams.append(_extended(spans, beams, end, weights, model, lm, beam))
    final = beams[length]
    log = model.log(final.u, final.v, np.full(len(final.u), END))
    final.features[:, lm] += log
    order = np.argsort(-(final.score + weights[lm] * log), kind="stable")
    return [(_words(spans, beams, length, int(k)), final.features[k]) for k in order]


def _extended(spans, beams, end, weights, model, lm, beam) -> Beam:
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(end):
        if (start, end) not in spans:
            continue
        span, before = spans[start, end], beams[start]
        b, o = len(before.score), len(span.targets)
        from_B, from_O = np.repeat(np.arange(b), o), np.tile(np.arange(o), b)
        static = span.features @ weights
        a = span.arrays
        with np.errstate(over="ignore"):
            mix = before.mix[from_B] * a["power"][from_O] + a["mix"][from_O]
        for name, values in (
            ("score", before.score[from_B] + static[from_O]), ("u", before.u[from_B]),
            ("v", before.v[from_B]), ("w", a["first"][from_O, 0]), ("x", a["first"][from_O, 1]),
            ("y", a["last"][from_O, 0]), ("z", a["last"][from_O, 1]), ("mix", mix),
            ("start", np.full(b * o, start)), ("from_B", from_B), ("from_O", from_O),
        ):  # fmt: skip
            parts.setdefault(name, []).append(values)
    p = {name: np.concatenate(values) for name, values in parts.items()}
    log = model.log(p["u"], p["v"], p["w"])
    two = p["x"] >= 0
    log[two] += model.log(p["v"][two], p["w"][two], p["x"][two])
    score = p["score"] + weights[lm] * log
    order = np.argsort(-score, kind="stable")
    _, first = np.unique(p["mix"][order], return_index=True)  # the best of those that say the same
    kept = order[np.sort(first)[:beam]]
    features, back = np.empty((len(kept), len(weights))), []
    for row, k in enumerate(kept):
        start, b, o = int(p["start"][k]), int(p["from_B"][k]), int(p["from_O"][k])
        features[row] = beams[start].features[b] + spans[start, end].features[o]
        features[row, lm] += log[k]
        back.append((start, b, o))
    u = np.where(p["y"] >= 0, p["y"], p["v"])[kept]
    return Beam(score[kept], u, p["z"][kept], features, p["mix"][kept], back)


def _words(spans, beams: Sequence[Beam], end: int, k: int) -> Words:
    found: list[Words] = []
    while end:
        start, b, o = beams[end].back[k]
        found.append(spans[start, end].targets[o])
        end, k = start, b
    return tuple(word for part in reversed(found) for word in part)
