"""Perplexity, choices, prompts and overlap: the definitions, and bad input."""

import math
import random

import numpy as np
import pytest
import torch

from lessons.gpt_2 import (
    GPT2,
    BloomFilter,
    ByteLevelBPE,
    GPT2Config,
    answer,
    bits_per_unit,
    bloom,
    exact,
    first_sentences,
    log_probabilities,
    ngrams,
    overlap,
    perplexity,
    score_choices,
    summarize,
    translate,
)

TEXT = "the cat sat on the mat , the dog sat on the log . the cat saw the dog ."
BPE = ByteLevelBPE.train([TEXT], 280)


@pytest.fixture(scope="module")
def net():
    config = GPT2Config(
        vocab_size=280, n_positions=12, n_embd=16, n_layer=2, n_head=4, initializer_range=0.3
    )
    return GPT2(config, torch.Generator().manual_seed(0)).eval().double()


def tokens(n, seed=0):
    return torch.randint(0, 280, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [5, 12, 13, 14, 25, 40])
@pytest.mark.parametrize("stride", [1, 5, 12, None])
@pytest.mark.parametrize("given", [1, 4])
def test_windows_score_each_token_once_with_the_context_they_have(net, n, stride, given):
    ids = tokens(n)
    got = log_probabilities(net, ids, stride, given)
    want, step = [], stride or 12
    for i in range(given, n):
        # The first window, at 0, step, 2 step …, of 12 tokens that reaches the one before i.
        start = max(math.ceil((i - 12) / step), 0) * step
        logits = net(ids[None, start:i])[0, -1]
        want.append(logits.log_softmax(-1)[ids[i]])
    torch.testing.assert_close(got, torch.stack(want), rtol=1e-9, atol=1e-9)


def test_perplexity_counts_the_units_that_one_asks_for():
    log_p = torch.tensor([-1.0, -2.0, -3.0])
    assert perplexity(log_p, 3) == pytest.approx(math.exp(2))
    assert perplexity(log_p, 2) == pytest.approx(math.exp(3))
    assert bits_per_unit(log_p, 6) == pytest.approx(1 / math.log(2))
    assert bits_per_unit(-6.0, 6) == pytest.approx(1 / math.log(2))
    with pytest.raises(ValueError, match="units must be at least 1, got 0"):
        perplexity(log_p, 0)


def test_bad_input_of_scores(net):
    with pytest.raises(ValueError, match="stride must be 1 to n_positions=12, got 13"):
        log_probabilities(net, tokens(5), 13)
    with pytest.raises(ValueError, match="given must be at least 1"):
        log_probabilities(net, tokens(5), given=0)
    with pytest.raises(ValueError, match=r"longer than given=1; got \(1,\)"):
        log_probabilities(net, tokens(1))
    for bad, text in (
        ({"choices": []}, "choices must not be empty"),
        ({"before": ""}, "before must not be empty"),
        ({"choices": [""]}, "must not have an empty text"),
        ({"partial": True}, "after is empty"),
        ({"after": " the cat saw the dog" * 9}, "too many to score"),
    ):
        with pytest.raises(ValueError, match=text):
            score_choices(net, BPE, **{"before": "the", "choices": [" cat"]} | bad)


def test_choices_are_scored_with_the_rest_of_the_sentence(net):
    before, after, choices = "the cat", " on the mat", [" sat", " saw", " x"]
    full = score_choices(net, BPE, before, choices, after)
    part = score_choices(net, BPE, before, choices, after, partial=True)
    for choice, all_of, end in zip(choices, full, part):
        b, m, e = (BPE.encode(t) for t in (before, choice, after))
        ids = torch.tensor(b + m + e)
        log_p = net(ids[None])[0].log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]
        assert all_of == pytest.approx(log_p[len(b) - 1 :].sum().item())
        assert end == pytest.approx(log_p[len(b) + len(m) - 1 :].sum().item())
    # A context too long loses its beginning: 12 tokens are read, to predict the last of 13.
    scored = BPE.encode(choices[0]) + BPE.encode(after)
    ids = (BPE.encode(TEXT * 3) + scored)[-13:]
    want = log_probabilities(net, ids, given=13 - len(scored)).sum().item()
    assert score_choices(net, BPE, TEXT * 3, choices, after)[0] == pytest.approx(want)


def test_prompts():
    assert summarize("A story.\n") == "A story.\nTL;DR:"
    assert summarize("A story.", hint="") == "A story."
    assert translate([("a b", "c d"), ("e", "f")], "g h") == "a b = c d\ne = f\ng h ="
    assert answer("Doc.", [("Who?", "He.")], "Why?") == "Doc.\nQ: Who?\nA: He.\nQ: Why?\nA:"
    assert answer("", [], "Why?") == "Q: Why?\nA:"
    with pytest.raises(ValueError, match="line break"):
        translate([("a", "b\nc")], "d")


def test_first_sentences():
    text = ' One. Two! "Three?" Four.'
    assert first_sentences(text, 1) == "One."
    assert first_sentences(text, 2) == "One. Two!"
    assert first_sentences(text, 3) == 'One. Two! "Three?"'
    assert first_sentences(text, 9) == text.strip()
    assert first_sentences("3.5 is a number\nand this is not", 1) == "3.5 is a number"
    assert first_sentences("", 3) == ""
    with pytest.raises(ValueError, match="count must be at least 1"):
        first_sentences("a", 0)


def test_ngrams_are_of_lower_cased_alphanumeric_words():
    assert [*ngrams("The CAT, sat_on-12 mats.", 3)] == ["the cat sat", "cat sat on", "sat on 12",
                                                       "on 12 mats"]  # fmt: skip
    assert [*ngrams("too few words", 8)] == []
    with pytest.raises(ValueError, match="n must be at least 1"):
        ngrams("a", 0)


def made_up(words, seed):
    draw = random.Random(seed)
    return " ".join(str(draw.randrange(10**6)) for _ in range(words))


@pytest.mark.parametrize("share", [0, 0.01, 0.05, 0.2])
def test_planted_overlap_is_found_by_both(share):
    train, fresh = made_up(6000, 0).split(), made_up(6000, 1).split()
    copied = int(share * 5000)
    # Runs of 57 words have 50 8-grams; what joins them to fresh words is in neither text.
    test = [" ".join(train[i * 60 : i * 60 + 57]) for i in range(copied // 50)]
    test.append(" ".join(fresh[: 5000 - copied + 7]))
    texts = [" ".join(train)]
    assert overlap(test, exact(texts)) == pytest.approx(share, abs=1e-12)
    assert overlap(test, bloom(texts)) == overlap(test, exact(texts))


def test_a_member_is_never_missed_and_strangers_are_taken_at_the_rate_asked_for():
    filter_ = BloomFilter(3000, 0.01)
    for i in range(3000):
        filter_.add(f"member {i}")
    assert all(f"member {i}" in filter_ for i in range(3000))
    hits = np.array([f"stranger {i}" in filter_ for i in range(10000)])
    assert 0.01 - 0.005 < hits.mean() < 0.01 + 0.005  # 5 standard errors
    assert filter_.bits == pytest.approx(-3000 * math.log(0.01) / math.log(2) ** 2, rel=0.01)
    small = BloomFilter(3000)
    for i in range(3000):
        small.add(f"member {i}")
    assert not any(f"stranger {i}" in small for i in range(10000))
    assert 7 not in small


def test_a_full_filter_says_so():
    filter_ = BloomFilter(2)
    for member in ("a", "b", "a"):
        filter_.add(member)
    with pytest.raises(ValueError, match="made for 2 members"):
        filter_.add("c")
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        BloomFilter(0)
    with pytest.raises(ValueError, match=r"false_positive_rate must be in \(0, 1\)"):
        BloomFilter(1, 1.0)
    with pytest.raises(ValueError, match="no 8 words that follow each other"):
        overlap(["a b"], {"x"})
