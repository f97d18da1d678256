"""Learn a WordPiece vocabulary: join pieces, again and again, that belong together.

Words are letters at first. Then the pair of neighbours that scores best becomes one piece, in all
words, until the vocabulary is full. WordPiece proper joins the pair whose joining makes the text
likeliest under a model of independent pieces (Schuster and Nakajima 2012, after Wu et al. 2016,
§4.1); its code was never released. Joining the most frequent pair is byte-pair encoding, and what
the library tokenizers does under the name of WordPiece.
"""

import collections
import itertools
from collections.abc import Iterable
from typing import Literal

import numpy as np

from .basic import is_chinese, is_punctuation, words_of
from .wordpiece import SPECIAL, WordPieceTokenizer

Score = Literal["likelihood", "ratio", "frequency"]


def train(
    texts: Iterable[str],
    vocab_size: int,
    score: Score = "likelihood",
    lowercase: bool = True,
    min_count: int = 2,
) -> WordPieceTokenizer:
    r"""Return a tokenizer whose vocabulary is learned from texts.

    With $n$ the count of a pair and $n_a$, $n_b$ those of its parts, the pair is joined for which

    - "likelihood": the log likelihood $\sum_x n_x \log (n_x / N)$ gains most, the joined piece
      taken for a new one;
    - "ratio": $n / (n_a n_b)$ is largest, as textbooks have it: rare pairs come first;
    - "frequency": $n$ is largest.

    Ties go to the pair that is met first, in words in the order of the alphabet. The special tokens
    come first, then the letters, each as a word's first and as an inner one, so that no word of
    known letters is unknown; the rarest of them are left out where there is no room for all.

    Args:
        texts: to learn from.
        vocab_size: pieces, special tokens among them; fewer if no pair is left.
        score: which pair is joined next.
        lowercase: for an uncased model.
        min_count: pairs that are rarer are never joined.

    Raises:
        ValueError: an unknown score, or no room for the special tokens.
    """
    if score not in ("likelihood", "ratio", "frequency"):
        raise ValueError(f"score must be likelihood, ratio or frequency, got {score!r}")
    if vocab_size < len(SPECIAL):
        raise ValueError(f"vocab_size must be at least {len(SPECIAL)}, got {vocab_size}")
    counts = collections.Counter(
        word.text for text in texts for word in words_of(text, lowercase) if word.text
    )
    letters: collections.Counter[str] = collections.Counter()
    for word, n in counts.items():
        for letter in word:
            letters[letter] += n
    forms = [
        form
        for letter, _ in sorted(letters.items(), key=lambda item: (-item[1], item[0]))
        for form in ([letter] if _alone(letter) else [letter, f"##{letter}"])
    ]
    kept = sorted(forms[: vocab_size - len(SPECIAL)], key=lambda form: (form[:2] == "##", form))
    joined = _Joining(dict(sorted(counts.items())), kept)
    pieces = dict.fromkeys([*SPECIAL, *kept])
    while len(pieces) < vocab_size and (piece := joined.step(score, min_count)) is not None:
        pieces[piece] = None  # two ways may lead to one piece
    return WordPieceTokenizer(pieces, lowercase)


def _alone(letter: str) -> bool:
    """Return whether a letter is always a word by itself."""
    return is_punctuation(letter) or is_chinese(letter)


class _Joining:
    """Words as pieces, and the counts of pieces and pairs, kept while pairs are joined."""

    def __init__(self, counts: dict[str, int], letters: list[str]) -> None:
        self.names = list(letters)
        self.ids = {name: i for i, name in enumerate(letters)}
        self.words: list[list[int]] = []
        self.weights: list[int] = []
        for word, n in counts.items():
            row = [self.ids.get(c if not i else f"##{c}", -1) for i, c in enumerate(word)]
            if -1 not in row:  # a word with a letter that has no room is unknown
                self.words.append(row)
                self.weights.append(n)
        # Counts of pieces; of pairs, with the ids of their parts. Arrays that double when full.
        self.piece_counts = np.zeros(max(16, len(letters)))
        self.pairs: dict[tuple[int, int], int] = {}
        self.table = np.zeros((3, 1024), dtype=np.int64)  # count, first, second
        self.where: list[set[int]] = []
        for i, row in enumerate(self.words):
            self._count(i, row, 1)

    def _count(self, i: int, row: list[int], sign: int) -> None:
        """Add a word's pieces and pairs to the counts, or take them away."""
        n = sign * self.weights[i]
        for piece in row:
            self.piece_counts[piece] += n
        for pair in itertools.pairwise(row):
            at = self.pairs.get(pair)
            if at is None:
                at = self.pairs[pair] = len(self.where)
                self.where.append(set())
                if at == self.table.shape[1]:
                    self.table = np.concatenate([self.table, np.zeros_like(self.table)], axis=1)
                self.table[1:, at] = pair
            self.table[0, at] += n
            (self.where[at].add if sign > 0 else self.where[at].discard)(i)

    def step(self, score: Score, min_count: int) -> str | None:
        """Join the pair that scores best; return the piece, or None if no pair is left."""
        n, first, second = self.table[:, : len(self.where)]
        if not (n >= min_count).any():
            return None
        scores = np.where(n >= min_count, self._scores(score, n, first, second), -np.inf)
        best = int(scores.argmax())
        a, b = int(first[best]), int(second[best])
        name = self.names[a] + self.names[b].removeprefix("##")
        if name not in self.ids:
            self.ids[name] = len(self.names)
            self.names.append(name)
            if len(self.names) > len(self.piece_counts):
                self.piece_counts = np.concatenate([self.piece_counts, self.piece_counts * 0])
        new = self.ids[name]
        for i in sorted(self.where[best]):
            row = self.words[i]
            self._count(i, row, -1)
            self.words[i] = _replaced(row, a, b, new)
            self._count(i, self.words[i], 1)
        return name

    def _scores(self, score: Score, n, first, second):
        if score == "frequency":
            return n
        count_a, count_b = self.piece_counts[first], self.piece_counts[second]
        if score == "ratio":
            return n / np.maximum(count_a * count_b, 1)
        total = self.piece_counts.sum()
        same = first == second  # each joining takes two of the one piece
        gain = _f(n) + np.where(same, _f(count_a - 2 * n), _f(count_a - n) + _f(count_b - n))
        gain -= np.where(same, _f(count_a), _f(count_a) + _f(count_b))
        return gain - _f(total - n) + _f(total)


def _f(count):
    """Return n log n, with 0 at 0."""
    count = np.maximum(count, 0)
    return count * np.log(np.maximum(count, 1))


def _replaced(row: list[int], a: int, b: int, new: int) -> list[int]:
    """Return a word with each pair (a, b), from the left, as one piece."""
    found, i = [], 0
    while i < len(row):
        joined = i + 1 < len(row) and row[i] == a and row[i + 1] == b
        found.append(new if joined else row[i])
        i += 2 if joined else 1
    return found
