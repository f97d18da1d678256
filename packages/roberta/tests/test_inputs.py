"""The four formats, as §4.2 tells them: what an input holds, what it must not, bad input."""

import collections
import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.roberta import (
    Packed,
    doc_sentences,
    full_sentences,
    pad_batch,
    pair_encode,
    segment_pair_nsp,
    sentence_pair_nsp,
    token_batches,
)
from lessons.roberta.tokenizer import BOS_ID, EOS_ID

ROOM = 14  # tokens of an input in these tests


@st.composite
def texts(draw, at_least=1, longest=10):
    """Documents whose tokens are all different: 10, 11, … in the order of the text."""
    shape = st.lists(st.lists(st.integers(1, longest), min_size=1, max_size=6),
                     min_size=at_least, max_size=5)  # fmt: skip
    token, documents = 10, []
    for lengths in draw(shape):
        documents.append([])
        for length in lengths:
            documents[-1].append(list(range(token, token + length)))
            token += length
    return documents


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def where(documents):
    """Return the document, and the sentence, of each token."""
    return {t: (n, k) for n, text in enumerate(documents) for k, s in enumerate(text) for t in s}


@given(documents=texts())
@settings(deadline=None)
def test_full_sentences_hold_the_whole_text_once_in_order(documents):
    found = [packed.ids for packed in full_sentences(documents, ROOM)]
    tokens = [t for ids in found for t in ids if t >= 10]
    assert tokens == [t for text in documents for s in text for t in s]
    place = where(documents)
    for ids in found:
        assert ids[0] == BOS_ID
        assert ids[-1] == EOS_ID
        assert len(ids) <= ROOM
        for before, token, after in zip(ids, ids[1:], ids[2:]):
            assert EOS_ID not in (before, after) if token == EOS_ID else True
            if token == EOS_ID:  # one separator, between documents
                assert place[before][0] != place[after][0]
            elif before >= 10:
                assert place[before][0] == place[token][0]
    # Sentences are whole, and the next one would not have fitted.
    for ids, following in itertools.pairwise(found):
        first = place[following[1]]
        assert place[ids[-2]] != first
        crosses = place[ids[-2]][0] != first[0]
        assert len(ids) + crosses + len(documents[first[0]][first[1]]) > ROOM


@given(documents=texts())
@settings(deadline=None)
def test_doc_sentences_stay_within_a_document(documents):
    place = where(documents)
    tokens = []
    for packed in doc_sentences(documents, ROOM):
        inner = packed.ids[1:-1]
        assert packed.ids == [BOS_ID, *inner, EOS_ID]
        assert packed.label is None
        assert len({place[t][0] for t in inner}) == 1
        assert len(packed.ids) <= ROOM
        tokens += inner
    assert tokens == [t for text in documents for s in text for t in s]


@pytest.mark.parametrize("pack", [segment_pair_nsp, sentence_pair_nsp])
@given(documents=texts(at_least=2), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_pairs_are_of_one_document_or_of_two(pack, documents, seed):
    place, seen = where(documents), collections.Counter()
    for ids, label in pack(documents, ROOM, generator=seeded(seed)):
        assert ids.count(EOS_ID) == 3
        cut = ids.index(EOS_ID)
        assert ids[cut + 1] == EOS_ID
        first, second = ids[1:cut], ids[cut + 2 : -1]
        assert first
        assert second
        assert len(ids) <= ROOM
        one, two = ({place[t][0] for t in part} for part in (first, second))
        assert len(one) == len(two) == 1
        if label == 0:
            assert one == two
            assert place[second[0]][1] == place[first[-1]][1] + 1, "the next sentence follows"
        else:
            assert one != two
        seen.update(first)
        seen.update(second)
        if pack is sentence_pair_nsp:
            assert all(len({place[t] for t in part}) == 1 for part in (first, second))
    assert all(seen[sentence[0]] for text in documents for sentence in text), "no sentence is lost"


def test_half_of_the_pairs_are_of_two_documents():
    documents = [[[10 * n + k] for k in range(10, 18)] for n in range(400)]
    for pack in (segment_pair_nsp, sentence_pair_nsp):
        labels = [packed.label for packed in pack(documents, 9, generator=seeded())]
        # A last sentence has nothing behind it: more than half are NotNext.
        assert 0.45 < sum(labels) / len(labels) < 0.65
        again = [packed.label for packed in pack(documents, 9, generator=seeded())]
        assert again == labels


def test_neither_length_nor_last_token_tells_whether_the_second_segment_follows():
    """Texts without any content: what a net could read off an input is its shape alone."""
    end, draw = 9, random.Random(0)
    documents = [
        [[10] * draw.randint(2, 30) + [end] for _ in range(draw.randint(10, 40))]
        for _ in range(600)
    ]
    inputs = list(segment_pair_nsp(documents, 128, seeded()))
    assert all(packed.ids[-2] == end for packed in inputs), "both end where a sentence ends"
    lengths: dict[int | None, list[int]] = {0: [], 1: []}
    for packed in inputs:
        lengths[packed.label].append(len(packed.ids))
    follows, foreign = lengths[0], lengths[1]
    assert min(len(follows), len(foreign)) > 1000
    longer = sum((a < b) + (a == b) / 2 for a in follows for b in foreign)
    assert abs(longer / (len(follows) * len(foreign)) - 0.5) < 0.05, "a coin tells as much"
    full = [sum(n == 128 for n in each) / len(each) for each in (follows, foreign)]
    assert abs(full[0] - full[1]) < 0.03
    best = max(abs(sum(n <= t for n in follows) / len(follows)
                   - sum(n <= t for n in foreign) / len(foreign)) for t in range(129))  # fmt: skip
    assert best < 0.1, "no threshold tells the labels apart"


def test_a_pair_has_two_separators():
    assert pair_encode([7, 8], [9]) == [0, 7, 8, 2, 2, 9, 2]
    assert pair_encode([7, 8, 9, 10], [5, 6], max_length=8) == [0, 7, 8, 2, 2, 5, 6, 2]


def test_batches_have_equally_many_tokens():
    documents = [[[10] * (k % 7 + 1)] * (k % 3 + 1) for k in range(200)]
    inputs = list(doc_sentences(documents, 12))
    batches = list(token_batches(inputs, 60, seeded()))
    sizes = [sum(len(inputs[i].ids) for i in batch) for batch in batches]
    assert all(48 < size <= 60 for size in sizes[:-1])
    assert len({len(batch) for batch in batches}) > 1, "the number of inputs differs"
    assert sorted(i for batch in batches for i in batch) == list(range(len(inputs)))


def test_padding_on_either_side():
    assert pad_batch([[0, 9, 2], [0, 2]])["input_ids"].tolist() == [[0, 9, 2], [0, 2, 1]]
    left = pad_batch([[0, 9, 2], [0, 2]], side="left")
    assert left["input_ids"].tolist() == [[0, 9, 2], [1, 0, 2]]
    assert left["attention_mask"].tolist() == [[1, 1, 1], [0, 1, 1]]


@pytest.mark.parametrize("pack", [segment_pair_nsp, sentence_pair_nsp, full_sentences,
                                  doc_sentences])  # fmt: skip
def test_what_cannot_be_packed_is_named(pack):
    good = [[5], [6]]
    for bad, match in (
        ([good, []], "document 1 is empty"),
        ([good, [[5], []]], "document 1, sentence 1, must have 1 to .* got 0"),
        ([good, [[5], [6], [7] * 20]], "document 1, sentence 2, .* got 20"),
        ([], "documents must be at least"),
    ):
        with pytest.raises(ValueError, match=match):
            list(pack(bad, 14))


def test_other_bad_input():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        list(segment_pair_nsp([[[5]]], 14))
    with pytest.raises(ValueError, match="at least 5, the longest input, got 4"):
        list(token_batches([Packed([0, 1, 2, 3, 4])], 4))
    with pytest.raises(ValueError, match="got none"):
        list(token_batches([], 4))
    with pytest.raises(ValueError, match="at least 6, got 5"):
        pair_encode([1], [2], 5)
    with pytest.raises(ValueError, match="left or right, got 'up'"):
        pad_batch([[1]], side="up")
    with pytest.raises(ValueError, match="each have a token"):
        pad_batch([[1], []])
