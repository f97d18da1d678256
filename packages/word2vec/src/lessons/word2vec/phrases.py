"""Phrases: pairs of words that occur together more often than their counts explain (2013b, §4).

Counted, scored by eq. 6, joined from left to right. A second pass over the joined text finds
longer ones.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from .vocabulary import checked

SCORINGS = ("mikolov", "word2phrase", "gensim", "npmi")
DEFAULTS = {"mikolov": 1e-4, "word2phrase": 100.0, "gensim": 10.0, "npmi": 0.5}


class Phrases:
    """Pairs of words to be joined.

    Args:
        min_count: δ of eq. 6, the discount; pairs that occur less often are left out as well.
        threshold: pairs that score above it are joined; None is a usual value of the scoring. They
            are not interchangeable, since the scorings differ by factors.
        scoring: "mikolov" is eq. 6; "word2phrase" multiplies it by the number of words read, as the
            released code does; "gensim" by the number of distinct words and pairs; "npmi" is the
            normalized pointwise mutual information.
        delimiter: between the words of a phrase.
        connector_words: such as "of": a phrase may have them inside ("bank_of_america"), and they
            count for nothing.

    Source: 2013b, §4, eq. 6.
    """

    def __init__(
        self,
        min_count: float = 5,
        threshold: float | None = None,
        scoring: str = "word2phrase",
        delimiter: str = "_",
        connector_words: Collection[str] = (),
    ) -> None:
        if scoring not in SCORINGS:
            raise ValueError(f"scoring must be one of {SCORINGS}, got {scoring!r}")
        if min_count < 0:
            raise ValueError(f"min_count must not be negative, got {min_count}")
        if isinstance(connector_words, str):
            raise TypeError(f"connector_words must be several words, got {connector_words!r}")
        self.min_count, self.scoring, self.delimiter = min_count, scoring, delimiter
        self.threshold = DEFAULTS[scoring] if threshold is None else threshold
        self.connector_words = frozenset(connector_words)
        self.words: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, ...]] = Counter()
        self.total = 0

    def learn(self, sentences: Iterable[Sequence[str]]) -> "Phrases":
        """Count words and pairs of neighbours, on top of what was counted before.

        Raises:
            TypeError: texts in the place of words.
        """
        for sentence in checked(sentences):
            self.words.update(w for w in sentence if w not in self.connector_words)
            self.total += len(sentence)
            self.pairs.update(self._pairs(sentence))
        return self

    def _pairs(self, sentence: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield neighbours, with the connecting words between them."""
        start, between = None, []
        for word in sentence:
            if word in self.connector_words:
                if start is not None:
                    between.append(word)
                continue
            if start is not None:
                yield (start, *between, word)
            start, between = word, []

    def score(self, pair: Sequence[str]) -> float:
        """Return the score of a pair; −∞ of one that was not seen."""
        first, second, together = pair[0], pair[-1], self.pairs[tuple(pair)]
        if not together:
            return -math.inf
        a, b = self.words[first], self.words[second]
        if self.scoring == "npmi":
            p = together / self.total
            return math.log(p / (a / self.total * b / self.total)) / -math.log(p)
        score = (together - self.min_count) / (a * b)  # eq. 6
        if self.scoring == "word2phrase":
            return score * self.total
        if self.scoring == "gensim":
            return score * (len(self.words) + len(self.pairs))
        return score

    def found(self) -> dict[str, float]:
        """Return the phrases that score above the threshold, the best first."""
        scores = {
            self.delimiter.join(pair): self.score(pair)
            for pair, together in self.pairs.items()
            if together >= self.min_count
        }
        best = sorted(scores.items(), key=lambda item: -item[1])
        return {phrase: score for phrase, score in best if score > self.threshold}

    def apply(self, sentence: Sequence[str]) -> list[str]:
        """Return a sentence with its phrases joined, greedily from the left.

        A word goes into one phrase at most: in "new york times" the first pair that scores is
        joined, and "times" may join it in the next pass.
        """
        if isinstance(sentence, str):
            raise TypeError(
                f"a sentence must be a sequence of words, got a text: {sentence[:30]!r}"
            )
        out: list[str] = []
        start: str | None = None
        between: list[str] = []
        for word in sentence:
            if start is None:
                if word in self.connector_words:
                    out.append(word)
                else:
                    start = word
            elif word in self.connector_words:
                between.append(word)
            else:
                pair = (start, *between, word)
                if self.pairs[pair] >= self.min_count and self.score(pair) > self.threshold:
                    out.append(self.delimiter.join(pair))
                    start, between = None, []
                else:
                    out += [start, *between]
                    start, between = word, []
        return out if start is None else [*out, start, *between]


def joined(
    sentences: Iterable[Sequence[str]], thresholds: Sequence[float], **options
) -> tuple[list[list[str]], list[Phrases]]:
    """Return sentences with phrases joined in several passes, and what each pass found.

    Args:
        sentences: sequences of words.
        thresholds: one a pass, falling: "2-4 passes over the training data with decreasing
            threshold value" (2013b, §4).
        **options: of `Phrases`.
    """
    text = [list(sentence) for sentence in checked(sentences)]
    passes = []
    for threshold in thresholds:
        phrases = Phrases(threshold=threshold, **options).learn(text)
        text = [phrases.apply(sentence) for sentence in text]
        passes.append(phrases)
    return text, passes
