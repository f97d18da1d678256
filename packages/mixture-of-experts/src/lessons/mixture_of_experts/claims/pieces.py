"""Byte-pair encoding (Sennrich et al. 2016), in the place of the paper's 793,471 words.

A softmax over so many would take all of a small model's time.

A text is cut into words, each with the blank before it, and words into pieces: characters at
first, then again and again the most frequent pair of neighbours becomes one piece. Joined, the
pieces are the text again.
"""

import collections
import itertools
import json
import re
from collections.abc import Iterable, Sequence

EOS, UNKNOWN = range(2)
WORD = re.compile(r" ?[^\W\d_]+| ?\d| ?[^\w\s]| ?_|\s")


class Pieces:
    """The pieces of a text.

    Args:
        texts: to learn from.
        size: of the vocabulary, with end and unknown.
    """

    def __init__(self, texts: Iterable[str], size: int) -> None:
        counts = collections.Counter(word for text in texts for word in WORD.findall(text))
        letters = collections.Counter()
        for word, n in counts.items():
            letters.update(dict.fromkeys(word, 0))
            for letter in word:
                letters[letter] += n
        kept = sorted(letter for letter, n in letters.items() if n >= 5)
        merges = _merges(counts, size - 2 - len(kept))
        self._keep(kept, merges)

    def _keep(self, letters: list[str], merges: list[tuple[str, str]]) -> None:
        self.letters, self.merges = letters, merges
        self.names = ["", "\ufffd", *letters, *(a + b for a, b in merges)]
        self.ids = {name: i for i, name in enumerate(self.names) if name}
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.cache: dict[str, list[int]] = {}

    def to_json(self) -> str:
        """Return what `from_json` makes the same pieces of."""
        return json.dumps([self.letters, self.merges], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Pieces":
        """Return the pieces that were kept."""
        letters, merges = json.loads(text)
        pieces = cls([], 2)
        pieces._keep(letters, [tuple(pair) for pair in merges])
        return pieces

    def __len__(self) -> int:
        """Return the size of the vocabulary."""
        return len(self.names)

    def encode(self, text: str) -> list[int]:
        """Return a text's ids, with the end mark."""
        found = []
        for word in WORD.findall(text):
            if word not in self.cache:
                self.cache[word] = [self.ids.get(piece, UNKNOWN) for piece in self._cut(word)]
            found += self.cache[word]
        return [*found, EOS]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; an end mark is a new line."""
        return "".join("\n" if i == EOS else self.names[i] for i in ids)

    def _cut(self, word: str) -> list[str]:
        parts = list(word)
        while len(parts) > 1:
            ranks = [self.rank.get(pair, len(self.rank)) for pair in itertools.pairwise(parts)]
            best = min(ranks)
            if best == len(self.rank):
                break
            i = ranks.index(best)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return parts


def _merges(counts: dict[str, int], how_many: int) -> list[tuple[str, str]]:
    """Return the pairs that become one piece, the most frequent first."""
    words = [list(word) for word in counts]
    weights = list(counts.values())
    pairs: collections.Counter[tuple[str, str]] = collections.Counter()
    where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    for i, word in enumerate(words):
        for pair in itertools.pairwise(word):
            pairs[pair] += weights[i]
            where[pair].add(i)
    merges = []
    while len(merges) < how_many and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))  # ties: the later in the alphabet
        merges.append(best)
        for i in where.pop(best):
            for pair in itertools.pairwise(words[i]):
                pairs[pair] -= weights[i]
                if not pairs[pair]:
                    del pairs[pair]
                if pair != best:
                    where[pair].discard(i)
            words[i] = _joined(words[i], best)
            for pair in itertools.pairwise(words[i]):
                pairs[pair] += weights[i]
                where[pair].add(i)
    return merges


def _joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    new, i = [], 0
    while i < len(word):
        together = i + 1 < len(word) and (word[i], word[i + 1]) == pair
        new.append(word[i] + word[i + 1] if together else word[i])
        i += 2 if together else 1
    return new
