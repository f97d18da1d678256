"""Equation 6, its variants, and joining."""

import math

import pytest

import lessons.word2vec as ours

TEXT = [["new", "york", "is", "big"], ["in", "new", "york"], ["new", "is", "new"]]


def learned(**options):
    return ours.Phrases(**{"min_count": 0, "threshold": -math.inf} | options).learn(TEXT)


def test_equation_6():
    # count(new york) = 2, count(new) = 4, count(york) = 2; 10 words, 7 distinct pairs of 5 words
    assert learned(min_count=1, scoring="mikolov").score(("new", "york")) == (2 - 1) / (4 * 2)
    assert learned(min_count=1, scoring="word2phrase").score(("new", "york")) == 10 / 8
    assert learned(min_count=1, scoring="gensim").score(("new", "york")) == (5 + 6) / 8
    pmi = math.log((2 / 10) / (0.4 * 0.2)) / -math.log(2 / 10)
    assert math.isclose(learned(scoring="npmi").score(("new", "york")), pmi)
    assert learned().score(("york", "new")) == -math.inf


def test_the_discount_keeps_rare_pairs_from_being_phrases():
    assert learned(min_count=2, threshold=0).found() == {}
    assert "new_york" in learned(min_count=1, threshold=0).found()
    assert "is_big" not in learned(min_count=1, threshold=0).found()


def test_joining_is_greedy_from_the_left_and_does_not_chain():
    phrases = ours.Phrases(min_count=1, threshold=0, scoring="mikolov")
    phrases.learn([["a", "b", "c"]] * 5)
    assert phrases.apply(["a", "b", "c"]) == ["a_b", "c"]
    assert phrases.apply(["b", "c", "a"]) == ["b_c", "a"]
    assert phrases.apply([]) == []
    assert phrases.apply(["x"]) == ["x"]


def test_passes_find_longer_phrases():
    text = [[f"x{i}", "new", "york", "times", f"y{i}"] for i in range(20)]
    text += [[f"x{i}", "new", "york", f"y{i}"] for i in range(20)]
    # Of 180 words "new" and "york" are 40 each, always together; then 20 are followed by "times".
    once, _ = ours.joined(text, thresholds=[3.0], min_count=2)
    assert once[0] == ["x0", "new_york", "times", "y0"]
    twice, passes = ours.joined(text, thresholds=[3.0, 2.0], min_count=2)
    assert twice[0] == ["x0", "new_york_times", "y0"]
    assert twice[20] == ["x0", "new_york", "y0"]
    assert [p.threshold for p in passes] == [3.0, 2.0]


def test_connecting_words_stay_inside():
    text = [["bank", "of", "america", "is", "of", "the"]] * 6
    phrases = ours.Phrases(
        min_count=1, threshold=0, scoring="mikolov", connector_words={"of", "the", "is"}
    ).learn(text)
    assert phrases.apply(text[0]) == ["bank_of_america", "is", "of", "the"]


def test_counts_are_added_up():
    one, two = learned(), learned()
    two.learn(TEXT)
    assert two.words["new"] == 2 * one.words["new"]
    assert two.total == 2 * one.total


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ours.Phrases(scoring="pmi"), ValueError, "scoring"),
        (lambda: ours.Phrases(min_count=-1), ValueError, "min_count"),
        (lambda: ours.Phrases(connector_words="of"), TypeError, "several words"),
        (lambda: ours.Phrases().learn("new york"), TypeError, "one text"),
        (lambda: ours.Phrases().learn(["new york"]), TypeError, "letters"),
        (lambda: ours.Phrases().apply("new york"), TypeError, "a text"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
