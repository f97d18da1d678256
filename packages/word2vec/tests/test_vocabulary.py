"""Counts, subsampling, noise and the tree, as the papers state them."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lessons.word2vec as ours
from lessons.word2vec import complexity


def vocab(*counts, **options):
    words = {f"w{i}": count for i, count in enumerate(counts)}
    return ours.Vocab(words, **{"min_count": 1} | options)


def test_words_come_by_falling_count_and_ties_by_first_appearance():
    sentences = [["b", "a", "c", "a"], ["c", "d"], ["e"]]
    found = ours.Vocab.of(sentences, min_count=1)
    assert found.words == ["a", "c", "b", "d", "e"]
    assert found.counts.tolist() == [2, 2, 1, 1, 1]
    assert ours.Vocab.of(sentences, min_count=2).words == ["a", "c"]
    assert ours.Vocab.of(sentences, min_count=1, max_size=3).words == ["a", "c", "b"]


def test_unknown_words_are_passed_over_and_sentences_numbered():
    found = ours.Vocab.of([["a", "a"], ["b"]], min_count=1)
    ids, numbers = found.encode([["a", "x", "b"], ["x"], ["b"]])
    assert ids.tolist() == [0, 1, 1]
    assert numbers.tolist() == [0, 0, 2]


def test_kept_share_is_the_root_of_t_over_f():
    found = vocab(900, 90, 10)
    share = torch.tensor([0.9, 0.09, 0.01], dtype=torch.float64)
    keep = found.subsample_keep(0.01)
    torch.testing.assert_close(keep, (0.01 / share).sqrt().clamp(max=1))
    torch.testing.assert_close(1 - keep[0], 1 - (0.01 / share[0]).sqrt())  # eq. 5
    code = found.subsample_keep(0.01, "c")
    torch.testing.assert_close(code, ((0.01 / share).sqrt() + 0.01 / share).clamp(max=1))
    assert found.subsample_keep(0).tolist() == [1, 1, 1]


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=20), st.floats(1e-6, 1))
def test_subsampling_preserves_the_ranking_of_frequencies(counts, t):
    # "while preserving the ranking of the frequencies" (2013b, §2.3)
    found = vocab(*counts)
    expected = found.counts * found.subsample_keep(t)
    assert (expected.diff() <= 1e-9).all()


def test_noise_is_the_unigram_distribution_to_the_three_quarters():
    noise = vocab(16, 1).noise()
    torch.testing.assert_close(noise, torch.tensor([8 / 9, 1 / 9], dtype=torch.float64))
    assert vocab(7, 3).noise(0).tolist() == [0.5, 0.5]
    torch.testing.assert_close(vocab(7, 3).noise(1)[0].item(), 0.7)


def shortest(counts):
    """Return the least Σ count · length over all codes without common beginnings (Kraft)."""
    n = len(counts)
    lengths = (ls for ls in product(range(1, n), repeat=n) if sum(2.0**-x for x in ls) <= 1)
    return min(sum(c * x for c, x in zip(counts, ls)) for ls in lengths)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=5))
def test_no_tree_has_shorter_paths(counts):
    tree = ours.huffman(counts)
    assert sum(c * x for c, x in zip(counts, tree.lengths.tolist())) == shortest(counts)


def test_paths_are_distinct_begin_at_the_root_and_one_goes_on_from_the_other():
    tree = ours.huffman(list(range(1, 40)))
    n = len(tree.points)
    assert (tree.points[:, 0] == n - 2).all()
    words = set()
    for points, codes, mask in zip(*tree):
        path = list(zip(points[mask].tolist(), codes[mask].tolist()))
        assert all(0 <= p < n - 1 for p, _ in path)
        assert [p for p, _ in path] == sorted((p for p, _ in path), reverse=True)
        words.add(tuple(c for _, c in path))
    assert len(words) == n
    assert not any(a != b and b[: len(a)] == a for a in words for b in words), "prefix free"
    assert ours.balanced(8).lengths.tolist() == [3] * 8


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_mean_path_is_within_a_bit_of_the_entropy(counts):
    mean = complexity.mean_length(counts, ours.huffman(counts).lengths.tolist())
    bits = complexity.entropy(counts)
    assert bits - 1e-9 <= mean < bits + 1


def test_complexities_of_the_paper():
    # Equations 2 to 5 with N = 8, D = 640, H = 640 and a tree for 82,000 words.
    outputs = math.log2(82_000)
    assert complexity.nnlm(8, 640, 640, outputs) == 8 * 640 + 8 * 640 * 640 + 640 * outputs
    assert complexity.rnnlm(640, outputs) == 640 * 640 + 640 * outputs
    assert complexity.cbow(8, 640, outputs) == 8 * 640 + 640 * outputs
    assert complexity.skip_gram(10, 640, outputs) == 10 * (640 + 640 * outputs)
    # The hidden layer is what costs: 99.5% of the model that has one.
    assert 8 * 640 * 640 / complexity.nnlm(8, 640, 640, outputs) > 0.99


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ours.Vocab.of("a text", min_count=1), TypeError, "one text"),
        (lambda: ours.Vocab.of(["a text"], min_count=1), TypeError, "letters would become"),
        (lambda: ours.Vocab.of([["a", "b"]]), ValueError, "min_count = 5.*'a' 1"),
        (lambda: ours.Vocab({}), ValueError, "0 words"),
        (lambda: ours.Vocab.of([iter(["a"])], min_count=1), TypeError, "list_iterator: pass a"),
        (lambda: ours.Vocab.of(torch.ones(2, 3), min_count=1), TypeError, "Tensor: pass a list"),
        (lambda: ours.Vocab({"a": 0}, 1), ValueError, "at least 1, got 0 for 'a'"),
        (lambda: vocab(1, min_count=0), ValueError, "min_count"),
        (lambda: vocab(1, max_size=0), ValueError, "max_size"),
        (lambda: vocab(3, 2)["w11"], KeyError, "'w1'"),
        (lambda: vocab(3).subsample_keep(-1), ValueError, "negative"),
        (lambda: vocab(3).subsample_keep(1, "gensim"), ValueError, "variant"),
        (lambda: ours.huffman([1]), ValueError, "two counts"),
        (lambda: ours.huffman([1, -1]), ValueError, "two counts"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
