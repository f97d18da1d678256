r"""A phrase-based translator (Koehn, Och and Marcu 2003), in its plainest form: the baseline.

Words are aligned by their counts alone (IBM's Model 1 with a preference for the diagonal, Dyer et
al. 2013), both ways; phrases that agree with the alignment are cut out and counted; a decoder
covers the source with phrases, from left to right in the target, and adds up six features with
weights that are tuned for BLEU. A trigram model with absolute discounting judges the French.

Words carry the blank before them, so that a translation joined is a text.
"""

import collections
import dataclasses
import functools
import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .alignment import LONGEST, Text, align, cut_out, symmetric
from .pieces import WORD
from .scoring import bleu_of, counts, words

OPTIONS, STACK, JUMP = 20, 30, 4  # translations of a phrase; beam; words of reordering
NEAR = 9.0  # a step that seems to lead this far below the best of its beam is not taken
ROUNDS = 4  # of tuning
FEATURES = ("p(e|f)", "p(f|e)", "language", "words", "phrases", "jumps")
START = (1.0, 0.5, 1.0, 0.3, 0.0, -0.5)


def cut(text: str) -> Text:
    """Return a text's words, each with the blank before it."""
    return tuple(WORD.findall(text))


class Language:
    """Log-probabilities of words after two others, with absolute discounting."""

    def __init__(self, texts: Sequence[Text], discount: float = 0.75) -> None:
        self.discount = discount
        self.grams = [collections.Counter() for _ in range(3)]
        self.total = [collections.Counter() for _ in range(3)]
        self.kinds = [collections.Counter() for _ in range(3)]
        for text in texts:
            row = ("", "", *text, "\n")
            for k in range(3):
                for i in range(2, len(row)):
                    self.grams[k][row[i - k : i + 1]] += 1
        for k in range(3):
            for gram, n in self.grams[k].items():
                self.total[k][gram[:-1]] += n
                self.kinds[k][gram[:-1]] += 1
        self.size = len(self.grams[0]) + 1
        self.kept: dict[Text, float] = {}

    def log(self, gram: Text) -> float:
        """Return log p of the last word after those before it."""
        if gram not in self.kept:
            self.kept[gram] = math.log(self._p(gram))
        return self.kept[gram]

    def _p(self, gram: Text) -> float:
        k = len(gram) - 1
        total = self.total[k][gram[:-1]]
        lower = self._p(gram[1:]) if k else 1 / self.size
        if not total:
            return lower
        spared = self.discount * self.kinds[k][gram[:-1]] / total
        return max(self.grams[k][gram] - self.discount, 0) / total + spared * lower


@dataclasses.dataclass
class Node:
    """A beginning of a translation; several that go on alike are one."""

    covered: int
    end: int  # the source word behind the last phrase
    tail: Text  # the last two words
    best: float
    into: list  # (score of the step, features of it, its phrase, the node before)


class Phrases:
    """The translator.

    Args:
        pairs: texts to learn from.
        needed: sources to translate later; other phrases are not kept.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], needed: Sequence[str]) -> None:
        f_all, e_all = ([cut(pair[k]) for pair in pairs] for k in (0, 1))
        wanted = {row[a:b] for row in map(cut, needed) for a in range(len(row))
                  for b in range(a + 1, min(a + LONGEST, len(row)) + 1)}  # fmt: skip
        there, back = align(f_all, e_all), align(e_all, f_all)
        both: collections.Counter[tuple[Text, Text]] = collections.Counter()
        of_f: collections.Counter[Text] = collections.Counter()
        of_e: collections.Counter[Text] = collections.Counter()
        for f, e, one, two in zip(f_all, e_all, there, back):
            for source, target in cut_out(f, e, symmetric(one, two)):
                of_e[target] += 1
                if source in wanted:
                    both[source, target] += 1
                    of_f[source] += 1
        options: dict[Text, list] = collections.defaultdict(list)
        for (f, e), n in both.items():
            options[f].append((math.log(n / of_f[f]), math.log(n / of_e[e]), e))
        self.options = {
            f: sorted(some, key=lambda o: (-o[0] - 0.5 * o[1], o[2]))[:OPTIONS]
            for f, some in options.items()
        }
        self.language = Language(e_all)
        self.weights = list(START)
        self.size = len(both)

    def translate(self, text: str, n_best: int = 1) -> list[tuple[str, float, list[float]]]:
        """Return the best translations with score and features, the best first."""
        final = self.search(cut(text))
        found, seen, tie = [], set(), itertools.count()
        # From the end backwards: a node's best beginning is known, so the first out is the best.
        heap: list[Any] = [
            (-node.best, next(tie), node, (), [0.0] * len(FEATURES), 0.0) for node in final
        ]
        heapq.heapify(heap)
        while heap and len(found) < n_best:
            _, _, node, rest, features, score = heapq.heappop(heap)
            if not node.into:
                words_ = "".join(itertools.chain.from_iterable(rest)).strip()
                if words_ not in seen:
                    seen.add(words_)
                    found.append((words_, score, features))
                continue
            for step, more, phrase, before in node.into:
                whole = score + step
                added = [a + b for a, b in zip(features, more)]
                entry = (-(before.best + whole), next(tie), before, (phrase, *rest), added, whole)
                heapq.heappush(heap, entry)
        return found

    def search(self, source: Text) -> list[Node]:
        """Return the whole translations, as the last nodes of all paths to them."""
        n, w = len(source), self.weights
        spans: list[list[tuple[int, list]]] = [[] for _ in range(n)]
        future = [[-math.inf] * (n + 1) for _ in range(n + 1)]
        for a in range(n):
            for b in range(a + 1, min(a + LONGEST, n) + 1):
                some = self.options.get(source[a:b], [])
                if b == a + 1 and not some:  # unknown: as it is
                    some = [(-5.0, -5.0, source[a:b])]
                if not some:
                    continue
                guesses = []
                for there, back, e in some:
                    logs = [self.language.log(e[max(k - 2, 0) : k + 1]) for k in range(len(e))]
                    guess = w[0] * there + w[1] * back + w[2] * sum(logs) + w[3] * len(e) + w[4]
                    guesses.append((guess, there, back, e, sum(logs[2:])))
                guesses.sort(key=lambda x: -x[0])
                spans[a].append((b, guesses))
                future[a][b] = guesses[0][0]
        for size in range(2, n + 1):
            for a in range(n - size + 1):
                b = a + size
                cuts = (future[a][k] + future[k][b] for k in range(a + 1, b))
                future[a][b] = max(future[a][b], *cuts)
        stacks: list[dict] = [{} for _ in range(n + 1)]
        stacks[0][0, 0, ("", "")] = Node(0, 0, ("", ""), 0.0, [])
        left = functools.cache(lambda covered: _left(future, covered, n))
        # Of each stack the best guess. Guesses know no words before the phrase, which makes all of
        # them too low; so they are held against each other, not against what was found.
        best = [-math.inf] * (n + 1)
        for done in range(n):
            alive = sorted(stacks[done].values(), key=lambda x: -x.best - left(x.covered))
            for node in alive[:STACK]:
                first = next(k for k in range(n) if not node.covered >> k & 1)
                for a in range(first, min(first + JUMP, n - 1) + 1):
                    for b, guesses in spans[a]:
                        mask = (1 << b) - (1 << a)
                        if node.covered & mask:
                            break
                        covered = node.covered | mask
                        count = covered.bit_count()
                        about = node.best + w[5] * abs(a - node.end) + left(covered)
                        best[count] = max(best[count], about + guesses[0][0])
                        for guess, there, back, e, inner in guesses:
                            if about + guess < best[count] - NEAR:
                                break  # and so are all that come behind it
                            self._extend(stacks, node, covered, a, b, there, back, e, inner, n)
        return list(stacks[n].values())

    def _extend(
        self, stacks, node: Node, covered: int, a: int, b: int, there, back, e, inner, n: int
    ) -> None:
        row, w, log = (*node.tail, *e), self.weights, self.language.log
        language = inner + log(row[:3]) + (log(row[1:4]) if len(e) > 1 else 0.0)
        if covered == (1 << n) - 1:
            language += log((*row[-2:], "\n"))
        features = [there, back, language, float(len(e)), 1.0, float(abs(a - node.end))]
        step = sum(x * y for x, y in zip(w, features))
        key, stack = (covered, b, row[-2:]), stacks[covered.bit_count()]
        if key not in stack:
            stack[key] = Node(covered, b, row[-2:], -math.inf, [])
        known = stack[key]
        known.best = max(known.best, node.best + step)
        known.into.append((step, features, e, node))

    def tune(
        self,
        pairs: Sequence[tuple[str, str]],
        rounds: int = ROUNDS,
        n_best: int = 50,
        starts: int = 5,
        seed: int = 0,
    ) -> float:
        """Choose the weights for BLEU on these pairs (Och 2003, a weight at a time); return it.

        Args:
            pairs: texts and their translations.
            rounds: of translating with the weights found so far.
            n_best: translations of each that a round adds to those known.
            starts: where a round's search begins: at the weights, and at others near them.
            seed: of the others.
        """
        best, rng = 0.0, np.random.default_rng(seed)
        pool: list[dict[str, tuple[list[float], list[int]]]] = [{} for _ in pairs]
        for _ in range(rounds):
            for known, (en, fr) in zip(pool, pairs):
                for text, _, features in self.translate(en, n_best):
                    known[text] = features, counts(words(text), words(fr))
            tables = [
                (np.array([f for f, _ in known.values()]), np.array([c for _, c in known.values()]))
                for known in pool if known
            ]  # fmt: skip

            def value(weights, tables=tables) -> float:
                w = np.array(weights)
                return bleu_of(np.array([c[int((f @ w).argmax())] for f, c in tables]))

            best, here = value(self.weights), self.weights
            for k in range(starts):
                near = [x + (rng.normal(0, 0.3) if k else 0.0) for x in here]
                near[2] = max(near[2], 0.2)  # what the language model says counts
                score, found = _climb(value, near)
                if score > best:
                    best, self.weights = score, found
        return best


def _climb(value, weights: list[float]) -> tuple[float, list[float]]:
    """Change a weight at a time, by steps that shrink, as long as that is better."""
    best = value(weights)
    for change in (0.5, 0.25, 0.1, 0.05):
        for k in range(len(weights)):
            for by in (-change, change):
                while True:
                    tried = [*weights[:k], weights[k] + by, *weights[k + 1 :]]
                    if tried[2] <= 0.1 or (score := value(tried)) <= best:
                        break
                    best, weights = score, tried
    return best, weights


def _left(future, covered: int, n: int) -> float:
    """Return an estimate of what the words not yet covered will cost."""
    total, a = 0.0, 0
    while a < n:
        if covered >> a & 1:
            a += 1
            continue
        b = a
        while b < n and not covered >> b & 1:
            b += 1
        total += future[a][b]
        a = b
    return total
