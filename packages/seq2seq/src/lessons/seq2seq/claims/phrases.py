r"""A phrase-based translator (Koehn, Och and Marcu 2003), in its plainest form: the baseline.

Words are aligned by their counts alone (IBM's Model 1 with a preference for the diagonal, Dyer et
al. 2013), both ways; phrases that agree with the alignment are cut out and counted; a decoder
covers the source with phrases, from left to right in the target, and adds up six features with
weights that are tuned for BLEU. A trigram model with absolute discounting judges the French.

Words carry the blank before them, so that a translation joined is a text.
"""

import collections
import dataclasses
import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .alignment import LONGEST, Text, align, cut_out, symmetric
from .pieces import WORD
from .scoring import bleu_of, counts, words

OPTIONS, STACK, JUMP = 8, 12, 3  # translations of a phrase; beam; words of reordering
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
        spans: dict[int, list] = {a: [] for a in range(n)}
        future = [[-math.inf] * (n + 1) for _ in range(n + 1)]
        for a in range(n):
            for b in range(a + 1, min(a + LONGEST, n) + 1):
                some = self.options.get(source[a:b], [])
                if b == a + 1 and not some:  # unknown: as it is
                    some = [(-5.0, -5.0, source[a:b])]
                for there, back, e in some:
                    inner = sum(self.language.log(e[max(k - 2, 0) : k + 1]) for k in range(len(e)))
                    guess = w[0] * there + w[1] * back + w[2] * inner + w[3] * len(e) + w[4]
                    spans[a].append((b, there, back, e, guess))
                    future[a][b] = max(future[a][b], guess)
        for size in range(2, n + 1):
            for a in range(n - size + 1):
                b = a + size
                cuts = (future[a][k] + future[k][b] for k in range(a + 1, b))
                future[a][b] = max(future[a][b], *cuts)
        stacks: list[dict] = [{} for _ in range(n + 1)]
        stacks[0][0, 0, ("", "")] = Node(0, 0, ("", ""), 0.0, [])
        for done in range(n):
            alive = sorted(stacks[done].values(), key=lambda x: -x.best - _left(future, x, n))
            for node in alive[:STACK]:
                first = next(k for k in range(n) if not node.covered >> k & 1)
                for a in range(first, min(first + JUMP, n - 1) + 1):
                    for b, there, back, e, _ in spans[a]:
                        mask = (1 << b) - (1 << a)
                        if node.covered & mask:
                            break
                        self._extend(stacks, node, mask, a, b, there, back, e, n)
        return list(stacks[n].values())

    def _extend(self, stacks, node: Node, mask: int, a: int, b: int, there, back, e, n) -> None:
        row, w = (*node.tail, *e), self.weights
        language = sum(self.language.log(row[k - 2 : k + 1]) for k in range(2, len(row)))
        covered = node.covered | mask
        if covered == (1 << n) - 1:
            language += self.language.log((*row[-2:], "\n"))
        features = [there, back, language, float(len(e)), 1.0, float(abs(a - node.end))]
        step = sum(x * y for x, y in zip(w, features))
        key = covered, b, row[-2:]
        stack = stacks[covered.bit_count()]
        if key not in stack:
            stack[key] = Node(covered, b, row[-2:], -math.inf, [])
        known = stack[key]
        known.best = max(known.best, node.best + step)
        known.into.append((step, features, e, node))

    def tune(self, pairs: Sequence[tuple[str, str]], rounds: int = 3, n_best: int = 50) -> float:
        """Choose the weights for BLEU on these pairs (Och 2003, a weight at a time); return it."""
        best = 0.0
        pool: list[dict[str, tuple[list[float], list[int]]]] = [{} for _ in pairs]
        for _ in range(rounds):
            for known, (en, fr) in zip(pool, pairs):
                for text, _, features in self.translate(en, n_best):
                    known[text] = features, counts(words(text), words(fr))
            tables = [(np.array([f for f, _ in known.values()]), [c for _, c in known.values()])
                      for known in pool if known]  # fmt: skip

            def value(weights, tables=tables) -> float:
                w = np.array(weights)
                return bleu_of(np.array([c[int((f @ w).argmax())] for f, c in tables]))

            best = value(self.weights)
            for k in [*range(len(FEATURES))] * 2:
                for change in (-0.6, -0.3, -0.1, 0.1, 0.3, 0.6):
                    tried = list(self.weights)
                    tried[k] += change
                    if tried[2] > 0.1 and (score := value(tried)) > best:
                        best, chosen = score, tried
                        self.weights = chosen
        return best


def _left(future, node: Node, n: int) -> float:
    """Return an estimate of what the words not yet covered will cost."""
    total, a = 0.0, 0
    while a < n:
        if node.covered >> a & 1:
            a += 1
            continue
        b = a
        while b < n and not node.covered >> b & 1:
            b += 1
        total += future[a][b]
        a = b
    return total
