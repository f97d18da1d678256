"""A contender without a net: interpolated Kneser-Ney, five words (Chen and Goodman 1999, §3)."""

import re
from collections import defaultdict
from collections.abc import Iterable

TOKEN = re.compile(r"[A-Za-z]+|[^\sA-Za-z]")
DISCOUNT = 0.75


def words(text: str) -> list[str]:
    """Return words, and each other sign by itself."""
    return TOKEN.findall(text)


class KneserNey:
    """Probabilities of words after at most ``order - 1`` words, for chosen sentences only.

    A model of millions of words has tens of millions of counts. What is to be scored is known
    beforehand, so only the histories that occur there are counted.

    Args:
        texts: to learn from.
        asked: all that will be scored.
        order: words of the longest n-gram.
    """

    def __init__(self, texts: Iterable[str], asked: Iterable[list[str]], order: int = 5) -> None:
        self.order = order
        wanted: set[tuple[str, ...]] = {()}
        for sentence in asked:
            for n in range(1, order):
                wanted |= {tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1)}
        # Longest n-grams are counted as they occur, shorter ones by how many words they follow.
        self.counts: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        seen: set[tuple[str, ...]] = set()
        for text in texts:
            line = words(text)
            for i, word in enumerate(line):
                for n in range(min(order - 1, i) + 1):
                    history = tuple(line[i - n : i])
                    if history not in wanted:  # then no longer one is
                        break
                    if n < order - 1 and i > n:
                        gram = (line[i - n - 1], *history, word)
                        if gram in seen:
                            continue
                        seen.add(gram)
                    self.counts[history][word] += 1
        self.sums = {history: sum(found.values()) for history, found in self.counts.items()}
        self.size = len(self.counts[()]) + 1

    def probability(self, history: tuple[str, ...], word: str) -> float:
        """Return p(word | history): discounted counts, and the rest from one word less."""
        found = self.counts.get(history)
        lower = self.probability(history[1:], word) if history else 1 / self.size
        if not found:
            return lower
        total = self.sums[history]
        rest = DISCOUNT * len(found) / total
        return max(found.get(word, 0) - DISCOUNT, 0) / total + rest * lower

    def score(self, before: list[str], after: list[str]) -> float:
        """Return the probability of ``after`` behind ``before``."""
        line, score = [*before[1 - self.order :], *after], 1.0
        start = len(line) - len(after)
        for i in range(start, len(line)):
            score *= self.probability(tuple(line[max(i - self.order + 1, 0) : i]), line[i])
        return score


def share_right(texts: Iterable[str], asked: list) -> float:
    """Return the share of cloze questions that it answers rightly."""
    tries = [
        [(words(q.before)[-4:], words(f"{word}{q.after}")[:5]) for word in q.choices] for q in asked
    ]
    model = KneserNey(texts, ([*before, *after] for rows in tries for before, after in rows))
    right = 0
    for rows in tries:
        scores = [model.score(before, after) for before, after in rows]
        right += scores[0] == max(scores) and scores.count(scores[0]) == 1
    return right / len(tries)
