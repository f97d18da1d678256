r"""How much of a test set was in the training set: 8-grams in a Bloom filter (§4)."""

import hashlib
import math
import re
from collections.abc import Collection, Container, Iterable, Iterator

import numpy as np

WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return §4's "lower-cased alphanumeric words"."""
    return WORD.findall(text.lower())


def ngrams(text: str, n: int = 8) -> Iterator[str]:
    """Yield each n words that follow each other, "with a single space as a delimiter" (§4).

    Raises:
        ValueError: n below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    parts = words(text)
    return (" ".join(parts[i : i + n]) for i in range(len(parts) - n + 1))


class BloomFilter(Container):
    r"""A set in few bits, which may take a stranger for a member, and never the reverse.

    With $m = -n \ln p / \ln^2 2$ bits and $k = (m/n) \ln 2$ of them set for each member, a stranger
    finds all of its own set with probability p (Bloom 1970).

    Args:
        capacity: n, members that it is made for; more are refused.
        false_positive_rate: p; §4: "upper bounded by" $10^{-8}$.

    Raises:
        ValueError: capacity below 1, or a rate outside (0, 1).
    """

    def __init__(self, capacity: int, false_positive_rate: float = 1e-8) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        if not 0 < false_positive_rate < 1:
            raise ValueError(f"false_positive_rate must be in (0, 1), got {false_positive_rate}")
        self.capacity, self.count = capacity, 0
        self.hashes = max(round(-math.log2(false_positive_rate)), 1)
        # Bits for this whole number of hashes: (1 - exp(-k n / m)) ** k = p, solved for m.
        share = -math.log1p(-(false_positive_rate ** (1 / self.hashes)))
        self.bits = math.ceil(self.hashes * capacity / share)
        self._store = np.zeros(-(-self.bits // 8), dtype=np.uint8)

    def _places(self, member: str) -> np.ndarray:
        digest = hashlib.shake_128(member.encode("utf-8", "surrogatepass")).digest(8 * self.hashes)
        return (np.frombuffer(digest, "<u8") % np.uint64(self.bits)).astype(np.int64)

    def add(self, member: str) -> None:
        """Add a member; one that seems to be there already changes nothing.

        Raises:
            ValueError: the filter is full.
        """
        places = self._places(member)
        masks = np.left_shift(1, places & 7).astype(np.uint8)
        if (self._store[places >> 3] & masks).all():
            return
        if self.count == self.capacity:
            raise ValueError(f"the filter is full: it was made for {self.capacity} members")
        np.bitwise_or.at(self._store, places >> 3, masks)
        self.count += 1

    def __contains__(self, member: object) -> bool:
        """Tell whether it is a member: surely not, or almost surely."""
        if not isinstance(member, str):
            return False
        places = self._places(member)
        masks = np.left_shift(1, places & 7).astype(np.uint8)
        return bool((self._store[places >> 3] & masks).all())


def exact(texts: Iterable[str], n: int = 8) -> set[str]:
    """Return all n-grams of texts: what a `BloomFilter` stands for, where memory allows it."""
    return {gram for text in texts for gram in ngrams(text, n)}


def bloom(texts: Collection[str], n: int = 8, false_positive_rate: float = 1e-8) -> BloomFilter:
    """Return a filter with all n-grams of texts."""
    grams = max(sum(max(len(words(text)) - n + 1, 0) for text in texts), 1)
    made = BloomFilter(grams, false_positive_rate)
    for text in texts:
        for gram in ngrams(text, n):
            made.add(gram)
    return made


def overlap(texts: Iterable[str], training: Container[str], n: int = 8) -> float:
    """Return the share of the texts' n-grams that are also in the training set (Table 6).

    Args:
        texts: of the test set.
        training: of `exact` or `bloom`.
        n: words.

    Raises:
        ValueError: the texts have no n-gram.
    """
    found = [gram in training for text in texts for gram in ngrams(text, n)]
    if not found:
        raise ValueError(f"texts have no {n} words that follow each other")
    return sum(found) / len(found)
