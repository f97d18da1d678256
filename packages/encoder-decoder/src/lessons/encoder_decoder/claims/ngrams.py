"""A trigram model with interpolated Kneser–Ney smoothing, asked of many words at once."""

import collections
from collections.abc import Iterable, Sequence

import numpy as np

DISCOUNT = 0.75
UNKNOWN, START, END = range(3)


class Trigrams:
    """p(w | u, v): of the words of training texts; all others are one.

    Args:
        texts: words, text by text.
    """

    def __init__(self, texts: Iterable[Sequence[str]]) -> None:
        self.ids = {"": UNKNOWN, "<s>": START, "</s>": END}
        three: collections.Counter = collections.Counter()
        for text in texts:
            row = [START, START, *(self.ids.setdefault(w, len(self.ids)) for w in text), END]
            three.update(zip(row, row[1:], row[2:]))
        size = self.size = len(self.ids)
        two, one = collections.Counter(), collections.Counter()
        for _, v, w in three:  # Kneser and Ney: in how many different places, not how often
            two[v, w] += 1
        for _, w in two:
            one[w] += 1
        total = sum(one.values()) + 1
        self.one = np.full(size, 1.0 / total / size)  # what is kept for words never seen
        for w, n in one.items():
            self.one[w] += n / total
        self.one /= self.one.sum()
        self.key_2, self.p_2, self.rest_2 = _conditional(two, size)
        self.key_3, self.p_3, self.rest_3 = _conditional(
            {(u * size + v, w): n for (u, v, w), n in three.items()}, size
        )

    def id(self, word: str) -> int:
        """Return a word's number."""
        return self.ids.get(word, UNKNOWN)

    def log(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return log p(w | u, v) of numbers, elementwise."""
        p = self.one[w]
        p = _found(self.key_2, self.p_2, v * self.size + w) + self.rest_2(v) * p
        context = u * self.size + v
        p = _found(self.key_3, self.p_3, context * self.size + w) + self.rest_3(context) * p
        return np.log(p)

    def text(self, words: Sequence[str]) -> float:
        """Return log p of a text, with its end."""
        row = np.array([START, START, *map(self.id, words), END])
        return float(self.log(row[:-2], row[1:-1], row[2:]).sum())


def _conditional(counts, size: int):
    """Return keys, discounted probabilities, and what each context leaves to shorter ones."""
    keys = np.array([c * size + w for c, w in counts], dtype=np.int64)
    values = np.array(list(counts.values()), dtype=float)
    order = keys.argsort()
    keys, values = keys[order], values[order]
    contexts, which = np.unique(keys // size, return_inverse=True)
    sums = np.bincount(which, values)
    left = DISCOUNT * np.bincount(which) / sums

    def rest(context: np.ndarray) -> np.ndarray:
        at = np.minimum(np.searchsorted(contexts, context), len(contexts) - 1)
        return np.where(contexts[at] == context, left[at], 1.0)

    return keys, (values - DISCOUNT) / sums[which], rest


def _found(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)
