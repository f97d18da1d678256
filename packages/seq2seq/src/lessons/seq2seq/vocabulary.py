"""A fixed vocabulary of the most frequent words; "UNK" stands for all others (§3.1)."""

import collections
from collections.abc import Iterable, Sequence


class Vocabulary:
    """Words and their ids: padding, two marks, UNK, then words by frequency.

    Args:
        sentences: lists of words, to count.
        size: of the whole, 160,000 and 80,000 in the paper; None: every word.

    Raises:
        ValueError: a size below 5.
        TypeError: a sentence is a string.
    """

    PAD, BOS, EOS, UNK = range(4)  # BOS is not used here: the decoder reads EOS first

    def __init__(self, sentences: Iterable[Sequence[str]], size: int | None = None) -> None:
        if size is not None and size < 5:
            raise ValueError(f"size must be at least 5, four marks and a word, got {size}")
        counts: collections.Counter[str] = collections.Counter()
        for words in sentences:
            counts.update(_words(words))
        known = sorted(counts, key=lambda word: (-counts[word], word))
        self.words = ["<pad>", "<s>", "<EOS>", "UNK", *known[: None if size is None else size - 4]]
        self.ids = {word: i for i, word in enumerate(self.words) if i > 3}

    def __len__(self) -> int:
        """Return the size, marks included."""
        return len(self.words)

    def encode(self, words: Sequence[str], eos: bool = False) -> list[int]:
        """Return the ids of words; a translation needs its end mark."""
        found = [self.ids.get(word, self.UNK) for word in _words(words)]
        return [*found, self.EOS] if eos else found

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words of ids, up to the end mark."""
        found = []
        for i in ids:
            if i == self.EOS:
                break
            if i != self.PAD:
                found.append(self.words[i])
        return found


def _words(words: Sequence[str]) -> Sequence[str]:
    if isinstance(words, str | bytes):
        raise TypeError(f"a sentence must be a list of words, got the string {words!r}")
    return words
