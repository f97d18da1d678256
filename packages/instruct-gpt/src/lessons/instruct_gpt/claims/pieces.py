"""Pieces of words, by byte-pair merges over letters: what the models of King James read."""

import collections
import functools
import itertools
import json
import re

WORD = re.compile(r" ?[A-Za-z]+| ?[^A-Za-z\s]|\s")
UNKNOWN = "\ufffd"


class Pieces:
    """Merges learned from a text, and their use.

    Args:
        merges: pairs in the order in which they were learned. letters: the alphabet.
    """

    def __init__(self, letters: list[str], merges: list[tuple[str, str]]) -> None:
        self.letters, self.merges = letters, merges
        self.vocabulary = [UNKNOWN, *letters, *("".join(pair) for pair in merges)]
        self.ids = {piece: i for i, piece in enumerate(self.vocabulary)}
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self._split = functools.cache(self._split)

    @classmethod
    def learn(cls, text: str, size: int) -> "Pieces":
        """Return pieces of a text: its letters, then the most frequent pairs, up to a size."""
        counts = collections.Counter(WORD.findall(text))
        letters = sorted({letter for word in counts for letter in word})
        words = [(list(word), n) for word, n in counts.items()]
        pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
        for i, (word, n) in enumerate(words):
            for pair in itertools.pairwise(word):
                pairs[pair] += n
                where[pair].add(i)
        merges: list[tuple[str, str]] = []
        made = {UNKNOWN, *letters}
        while len(made) < size and pairs:
            best = max(pairs, key=lambda pair: (pairs[pair], pair))
            if pairs[best] < 2:
                break
            if "".join(best) not in made:  # two pairs may make one piece
                made.add("".join(best))
                merges.append(best)
            for i in list(where[best]):
                word, n = words[i]
                for pair in itertools.pairwise(word):
                    pairs[pair] -= n
                words[i] = (word := _merged(word, best)), n
                for pair in itertools.pairwise(word):
                    pairs[pair] += n
                    where[pair].add(i)
            del pairs[best]
        return cls(letters, merges)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; a letter that was never seen becomes id 0."""
        return [i for word in WORD.findall(text) for i in self._split(word)]

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids."""
        return "".join(self.vocabulary[i] for i in ids)

    def _split(self, word: str) -> list[int]:
        parts = list(word)
        while len(parts) > 1:
            best = min(
                itertools.pairwise(parts), key=lambda pair: self.rank.get(pair, len(self.rank))
            )
            if best not in self.rank:
                break
            parts = _merged(parts, best)
        return [self.ids.get(part, 0) for part in parts]

    def to_json(self) -> str:
        """Return the pieces as text."""
        return json.dumps([self.letters, self.merges], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Pieces":
        """Return the pieces that `to_json` wrote."""
        letters, merges = json.loads(text)
        return cls(letters, [(a, b) for a, b in merges])


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out
