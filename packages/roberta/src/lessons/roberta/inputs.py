"""The four input formats (Liu et al. 2019, §4.2).

A text comes as documents, each a list of sentences, each a list of ids without special tokens.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from .tokenizer import BOS_ID, EOS_ID, pair_encode

Sentence = Sequence[int]
Document = Sequence[Sentence]
IS_NEXT, NOT_NEXT = 0, 1


class Packed(NamedTuple):
    """An input with its special tokens, and for NSP whether the second part follows the first."""

    ids: list[int]
    label: int | None = None  # 0: next, 1: from another document; None: a format without NSP


def segment_pair_nsp(
    documents: Sequence[Document],
    max_length: int = 512,
    generator: torch.Generator | None = None,
) -> Iterator[Packed]:
    """Yield BERT's inputs: two segments of several sentences, half of them from two documents.

    Whole sentences are gathered as far as they fit into an input, and cut in two between sentences.
    Half of the time what is behind the cut gives way to a segment from another document, and goes
    into the next input. Both candidates are drawn before the coin is thrown, and whichever is taken
    ends with the last whole sentence within the length of the shorter one: were they of unlike
    lengths, or one of them cut within a sentence, the label could be read off the input's end.

    A single sentence has nothing behind it and always gets a segment from another document. A
    foreign sentence is cut only where no document has one that fits.

    Args:
        documents: texts.
        max_length: tokens of an input, special ones included.
        generator: randomness.

    Raises:
        ValueError: an empty document or sentence, a sentence that does not fit (says which), or
            fewer than two documents.

    Source: §4.2, SEGMENT-PAIR+NSP; without the short inputs that BERT injects (§3.1).
    """
    room = max_length - 4
    _check(documents, room, at_least=2)
    for n, document in enumerate(documents):
        at = 0
        while at < len(document):
            gathered = [document[at]]
            at += 1
            while at < len(document) and sum(map(len, gathered)) + len(document[at]) <= room:
                gathered.append(document[at])
                at += 1
            cut = _draw(1, len(gathered) - 1, generator) if len(gathered) > 1 else 1
            first, own = [*itertools.chain(*gathered[:cut])], gathered[cut:]
            left = room - len(first)
            other = _whole(_from_another(documents, n, generator, left), left)
            limit = min(sum(map(len, each)) for each in (own, other) if each)
            if not own or _coin(generator):
                taken, label = _whole(other, limit), NOT_NEXT
                at -= len(own)  # what was behind the cut is still to be used
            else:
                taken, label = _whole(own, limit), IS_NEXT
                at -= len(own) - len(taken)
            second = [*itertools.chain(*taken)][: max(1, left)]
            yield Packed(pair_encode(first, second, max_length), label)


def sentence_pair_nsp(
    documents: Sequence[Document],
    max_length: int = 512,
    generator: torch.Generator | None = None,
) -> Iterator[Packed]:
    """Yield pairs of single sentences, half of them from two documents.

    Arguments and errors as for `segment_pair_nsp`. The inputs are short: `token_batches` makes up
    for it.

    Source: §4.2, SENTENCE-PAIR+NSP.
    """
    _check(documents, max_length - 4, at_least=2)
    for n, document in enumerate(documents):
        at = 0
        while at < len(document):
            first, second, label = document[at], document[at + 1 : at + 2], IS_NEXT
            at += 2
            if not second or _coin(generator):
                second, label = _from_another(documents, n, generator, max_length)[:1], NOT_NEXT
                at -= 1
            yield Packed(pair_encode(first, second[0], max_length), label)


def full_sentences(documents: Sequence[Document], max_length: int = 512) -> Iterator[Packed]:
    """Yield inputs of whole sentences one behind the other, also across documents.

    Where a document ends within an input, a separator stands before the next one.

    Args:
        documents: texts, in the order in which they are read.
        max_length: tokens of an input, special ones included.

    Raises:
        ValueError: no document, an empty document or sentence, or a sentence that does not fit.

    Source: §4.2, FULL-SENTENCES.
    """
    _check(documents, max_length - 2)
    packed: list[int] = []
    for document in documents:
        for k, sentence in enumerate(document):
            between = [EOS_ID] if packed and k == 0 else []
            if len(packed) + len(between) + len(sentence) > max_length - 2:
                yield Packed([BOS_ID, *packed, EOS_ID])
                packed, between = [], []
            packed += [*between, *sentence]
    yield Packed([BOS_ID, *packed, EOS_ID])


def doc_sentences(documents: Sequence[Document], max_length: int = 512) -> Iterator[Packed]:
    """Yield inputs of whole sentences of one document each; a document's last one may be short.

    Arguments and errors as for `full_sentences`; `token_batches` makes up for the short ones.

    Source: §4.2, DOC-SENTENCES.
    """
    _check(documents, max_length - 2)
    for document in documents:
        yield from full_sentences([document], max_length)


def token_batches(
    inputs: Sequence[Packed], tokens: int, generator: torch.Generator | None = None
) -> Iterator[list[int]]:
    """Deal inputs, in a random order, into batches of about equally many tokens, not inputs.

    Yields the places of a batch's inputs.

    Args:
        inputs: of one format.
        tokens: of a batch at most.
        generator: randomness of the order.

    Raises:
        ValueError: no input, or one that is longer than a batch.

    Source: §4.2: "we dynamically increase the batch size in these cases".
    """
    if not inputs:
        raise ValueError("inputs must be at least one, got none")
    longest = max(len(packed.ids) for packed in inputs)
    if tokens < longest:
        raise ValueError(f"tokens must be at least {longest}, the longest input, got {tokens}")
    batch: list[int] = []
    count = 0
    for i in torch.randperm(len(inputs), generator=generator).tolist():
        if count + len(inputs[i].ids) > tokens:
            yield batch
            batch, count = [], 0
        batch.append(i)
        count += len(inputs[i].ids)
    yield batch


def _check(documents: Sequence[Document], room: int, at_least: int = 1) -> None:
    """Raise a ValueError that says which document or sentence cannot be packed."""
    if len(documents) < at_least:
        raise ValueError(f"documents must be at least {at_least}, got {len(documents)}")
    for n, document in enumerate(documents):
        if not len(document):
            raise ValueError(f"document {n} is empty")
        for k, sentence in enumerate(document):
            if not 1 <= len(sentence) <= room:
                raise ValueError(
                    f"document {n}, sentence {k}, must have 1 to {room} tokens, got {len(sentence)}"
                )


def _draw(low: int, high: int, generator: torch.Generator | None) -> int:
    """Return a number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _coin(generator: torch.Generator | None) -> bool:
    return _draw(0, 1, generator) == 1


def _whole(sentences: Document, limit: int) -> Document:
    """Return the first sentences, as many as have no more tokens than the limit, at least one."""
    total, n = 0, 0
    while n < len(sentences) and (n == 0 or total + len(sentences[n]) <= limit):
        total += len(sentences[n])
        n += 1
    return sentences[:n]


def _from_another(
    documents: Sequence[Document], n: int, generator: torch.Generator | None, room: int
) -> Document:
    """Return another document from one of its sentences on, one that fits if there is any."""
    places = len(documents) - 1
    offset = _draw(0, places - 1, generator)
    for k in range(places):
        other = documents[(n + 1 + (offset + k) % places) % len(documents)]
        starts = [at for at, sentence in enumerate(other) if len(sentence) <= room]
        if starts:
            return other[starts[_draw(0, len(starts) - 1, generator)] :]
    return documents[(n + 1 + offset) % len(documents)]
