"""Words and their counts, and the three things that follow from counts alone.

Which occurrences are skipped (2013b, eq. 5), how often a word serves as noise (2013b, §2.2), and
which path leads to it through a Huffman tree (2013a, §2.1; 2013b, §2.1).

Shapes: V words, L longest path.
"""

import difflib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Tree(NamedTuple):
    """Paths from the root of a binary tree to its leaves, the words.

    Attributes:
        points: inner nodes on the path, the root first; their number is V − 1. 0 where it ended.
        codes: the branch taken at each, 0 or 1, as float.
        mask: whether the path goes that far.
    """

    points: Tensor
    codes: Tensor
    mask: Tensor

    @property
    def lengths(self) -> Tensor:
        """Return the number of inner nodes on each path."""
        return self.mask.sum(1)

    def to(self, device) -> "Tree":
        """Return the tree on a device."""
        return Tree(*(part.to(device) for part in self))


class Vocab:
    """Words by falling count.

    Args:
        counts: how often each word occurs.
        min_count: words that occur less often are left out (2013b, §3: 5).
        max_size: at most so many words are kept, the most frequent.

    Raises:
        ValueError: a count below 1, or nothing is left.
    """

    def __init__(
        self, counts: Mapping[str, int], min_count: int = 5, max_size: int | None = None
    ) -> None:
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {min_count}")
        if max_size is not None and max_size < 1:
            raise ValueError(f"max_size must be at least 1, got {max_size}")
        wrong = [word for word, count in counts.items() if count < 1]
        if wrong:
            raise ValueError(f"counts must be at least 1, got {counts[wrong[0]]} for {wrong[0]!r}")
        # Equal counts stay in the order of their first appearance.
        kept = sorted((w for w in counts if counts[w] >= min_count), key=lambda w: -counts[w])
        self.words = kept[:max_size]
        if not self.words:
            top = ", ".join(f"{word!r} {n}" for word, n in Counter(counts).most_common(3))
            raise ValueError(
                f"no word occurs min_count = {min_count} times: {len(counts)} words"
                + (f", the most frequent: {top}" if top else "")
            )
        self.index = {word: i for i, word in enumerate(self.words)}
        self.counts = torch.tensor([counts[word] for word in self.words], dtype=torch.int64)

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], **options) -> "Vocab":
        """Return the vocabulary of sentences, each a sequence of words.

        Raises:
            TypeError: a text where words are expected: its letters would become the words.
        """
        counts: Counter[str] = Counter()
        for sentence in checked(sentences):
            counts.update(sentence)
        return cls(counts, **options)

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        """Return whether a word is known."""
        return word in self.index

    def __getitem__(self, word: str) -> int:
        """Return a word's place.

        Raises:
            KeyError: an unknown word; the message has the known ones that are spelled alike.
        """
        if word not in self.index:
            raise KeyError(unknown(word, self.words))
        return self.index[word]

    @property
    def total(self) -> int:
        """Return how many words the counts are of: those of words left out do not count."""
        return int(self.counts.sum())

    def encode(self, sentences: Iterable[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Return the places of all known words in order, and the number of each one's sentence.

        Returns:
            Two vectors of int32; unknown words are passed over, as if they were not there.
        """
        ids, bounds, get = [], [], self.index.get
        for sentence in checked(sentences):
            found = [i for i in map(get, sentence) if i is not None]
            ids += found
            bounds.append(len(found))
        lengths = torch.tensor(bounds, dtype=torch.int64)
        numbers = torch.arange(len(lengths), dtype=torch.int32)
        return torch.tensor(ids, dtype=torch.int32), numbers.repeat_interleave(lengths)

    def subsample_keep(self, t: float, variant: str = "paper") -> Tensor:
        """Return the probability with which an occurrence of each word is kept.

        Args:
            t: threshold on a word's share f of all words; 0 keeps everything.
            variant: "paper" is eq. 5, √(t/f); "c" adds t/f, as the released code does.

        Source: 2013b, eq. 5.
        """
        if variant not in ("paper", "c"):
            raise ValueError(f"variant must be 'paper' or 'c', got {variant!r}")
        if not t >= 0:
            raise ValueError(f"t must not be negative, got {t}")
        if t == 0:
            return torch.ones(len(self), dtype=torch.float64)
        ratio = t / (self.counts.double() / self.total)
        keep = ratio.sqrt() if variant == "paper" else ratio.sqrt() + ratio
        return keep.clamp(max=1)

    def noise(self, power: float = 0.75) -> Tensor:
        """Return the noise distribution U(w)^power / Z (2013b, §2.2), in double precision."""
        weights = self.counts.double() ** power
        return weights / weights.sum()

    def huffman(self) -> Tree:
        """Return the Huffman tree of the counts."""
        return huffman(self.counts)


def huffman(counts_V: Tensor | Sequence[int]) -> Tree:
    """Return the binary tree with the shortest mean path.

    The two rarest nodes become the branches of a new one, until one is left. Inner nodes are
    numbered as they arise, so that the root is the last, V − 2. Of equal counts the later word is
    taken first, and words before inner nodes; other choices give other codes of the same mean
    length.

    Raises:
        ValueError: fewer than two words, or a negative count.

    Source: 2013b, §2.1, eq. 3; Huffman 1952.
    """
    counts = torch.as_tensor(counts_V).tolist()
    n = len(counts)
    if n < 2 or min(counts) < 0:
        raise ValueError(f"a tree needs two counts of 0 or more, got {counts[:5]}")
    heap = [(count, -i, i) if i < n else (count, i, i) for i, count in enumerate(counts)]
    heapq.heapify(heap)
    parent, branch = [0] * (2 * n - 1), [0.0] * (2 * n - 1)
    for new in range(n, 2 * n - 1):
        (small, _, first), (large, _, second) = heapq.heappop(heap), heapq.heappop(heap)
        parent[first] = parent[second] = new
        branch[second] = 1.0
        heapq.heappush(heap, (small + large, new, new))
    # All words walk up to the root together; a walk is the path in reverse.
    up, side, root = torch.tensor(parent), torch.tensor(branch), 2 * n - 2
    at, walk = torch.arange(n), []
    while (at != root).any():
        walk.append((up[at] - n, side[at], at != root))
        at = torch.where(at == root, root, up[at])
    steps_LV, codes_LV, mask_LV = (torch.stack(parts) for parts in zip(*walk))
    lengths_V = mask_LV.sum(0)
    place_LV = (lengths_V - 1 - torch.arange(len(walk))[:, None])[mask_LV]
    word_LV = torch.arange(n).expand_as(mask_LV)[mask_LV]
    points = torch.zeros(n, len(walk), dtype=torch.int64)
    codes = torch.zeros(n, len(walk))
    points[word_LV, place_LV] = steps_LV[mask_LV]
    codes[word_LV, place_LV] = codes_LV[mask_LV]
    mask = torch.arange(len(walk)) < lengths_V[:, None]
    return Tree(points, codes, mask)


def balanced(vocab_size: int) -> Tree:
    """Return a tree whose paths differ in length by one at most: that of equal counts."""
    return huffman([1] * vocab_size)


def checked(sentences: Iterable[Sequence[str]]) -> Iterable[Sequence[str]]:
    """Yield sentences; a TypeError where one is no sequence of words.

    A text's letters would become words; an iterator can be read once, and is read twice; numbers in
    a tensor are never equal to each other.
    """
    if isinstance(sentences, str | bytes):
        raise TypeError("sentences must be sequences of words, got one text: split it first")
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, str | bytes):
            what = f"sentence {i} is a text, {sentence[:30]!r}, whose letters would become words"
            raise TypeError(f"each sentence must be a sequence of words; {what}: split it first")
        if isinstance(sentence, Iterator | Tensor):
            what = f"sentence {i} is a {type(sentence).__name__}"
            raise TypeError(f"each sentence must be a sequence of words; {what}: pass a list")
        yield sentence


def unknown(word: str, words: Sequence[str]) -> str:
    """Return what to say of a word that is not in a vocabulary."""
    near = difflib.get_close_matches(str(word), words[:50_000], n=3, cutoff=0.6)
    hint = f"; there are {', '.join(map(repr, near))}" if near else ""
    return f"{word!r} is not among the {len(words)} words{hint}"
