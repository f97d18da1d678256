"""Pairs of sentences for the next sentence prediction (Devlin et al. 2018, §3.1, A.2).

A "sentence" is a span of text, usually of several sentences; half of the pairs are a span and the
one behind it, half a span and one from another document.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from .wordpiece import truncated

Sentence = Sequence[int]
IS_NEXT, NOT_NEXT = 0, 1  # as in the released heads; the paper does not number them


class Pair(NamedTuple):
    """Two spans of ids, and whether the second follows the first."""

    first: list[int]
    second: list[int]
    label: int  # 0: IsNext, 1: NotNext

    def pack(self, cls_id: int, sep_id: int) -> tuple[list[int], list[int]]:
        """Return the ids of [CLS] A [SEP] B [SEP], and the segment of each (figure 2)."""
        ids = [cls_id, *self.first, sep_id, *self.second, sep_id]
        return ids, [0] * (len(self.first) + 2) + [1] * (len(self.second) + 1)


def make_pairs(
    documents: Sequence[Sequence[Sentence]],
    max_length: int = 512,
    short_probability: float = 0.1,
    generator: torch.Generator | None = None,
) -> Iterator[Pair]:
    """Yield pairs from all documents, in their order, each sentence once or more.

    Sentences are gathered until they fill an input. They are cut in two between sentences; half of
    the time what is behind the cut gives way to a span from another document, and goes into the
    next input. A single sentence has nothing behind it, so that where documents are short more
    than half of the pairs are NotNext.

    Args:
        documents: each a list of sentences, each a list of ids, without special tokens.
        max_length: of an input with its three special tokens; longer pairs lose ids at either end
            of the longer span.
        short_probability: of an input that is shorter, of any length from 2, as the released code
            has it: texts to come will be short.
        generator: randomness.

    Raises:
        ValueError: a length that holds no pair, a probability outside [0, 1], or fewer than two
            documents with a sentence: the random span must come from another one.

    Source: §3.1, task 2; A.2. Details are the released code's.
    """
    if max_length < 5:
        raise ValueError(f"max_length must be at least 5, got {max_length}")
    if not 0 <= short_probability <= 1:
        raise ValueError(f"short_probability must be in [0, 1], got {short_probability}")
    texts = [[list(sentence) for sentence in text if len(sentence)] for text in documents]
    texts = [text for text in texts if text]
    if len(texts) < 2:
        raise ValueError(f"pairs need at least two documents, got {len(texts)}")
    for i in range(len(texts)):
        yield from _of_document(texts, i, max_length - 3, short_probability, generator)


def _of_document(texts, i, room, short_probability, generator) -> Iterator[Pair]:
    def draw(low: int, high: int) -> int:
        """Return a number from low to high, both included."""
        return int(torch.randint(low, high + 1, (), generator=generator))

    def chance(probability: float) -> bool:
        return float(torch.rand((), generator=generator)) < probability

    target = draw(2, room) if chance(short_probability) else room
    gathered: list[list[int]] = []
    at = 0
    while at < len(texts[i]):
        gathered.append(texts[i][at])
        at += 1
        if at < len(texts[i]) and sum(map(len, gathered)) < target:
            continue
        cut = draw(1, len(gathered) - 1) if len(gathered) > 1 else 1
        first = [*itertools.chain(*gathered[:cut])]
        if len(gathered) == 1 or chance(0.5):
            other = texts[(i + draw(1, len(texts) - 1)) % len(texts)]  # any but this one
            second, label = [], NOT_NEXT
            for sentence in other[draw(0, len(other) - 1) :]:
                second += sentence
                if len(second) >= target - len(first):
                    break
            at -= len(gathered) - cut  # what was behind the cut is still to be used
        else:
            second, label = [*itertools.chain(*gathered[cut:])], IS_NEXT
        yield Pair(*_fitted(first, second, room, chance), label)
        gathered = []


def _fitted(first, second, room, chance) -> tuple[list[int], list[int]]:
    """Return both spans, cut so that they fit: ids go at either end, as a coin says."""
    lengths = truncated(len(first), len(second), room)
    fitted = []
    for span, length in zip((first, second), lengths):
        extra = len(span) - length
        start = sum(chance(0.5) for _ in range(extra))
        fitted.append(span[start : start + length])
    return fitted[0], fitted[1]
