"""The last word of a passage: what a word's probability is, and the filter of stop words."""

import itertools
import unicodedata
from collections import Counter

import pytest
import torch

from lessons.gpt_2 import (
    GPT2,
    STOP_WORDS,
    ByteLevelBPE,
    GPT2Config,
    last_word,
    log_probabilities,
    next_words,
)
from lessons.gpt_2.last_word import _kinds

TEXT = "the old man sat by the sea and the old sea sat by the man " * 8
TOKENS = ByteLevelBPE.train([TEXT], 290)
CONFIG = GPT2Config(len(TOKENS), n_positions=48, n_embd=16, n_layer=1, n_head=2)


@pytest.fixture(scope="module")
def net():
    made = GPT2(CONFIG, torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    ids = torch.tensor([TOKENS.encode(TEXT)[i : i + 40] for i in range(20)])
    for _ in range(40):
        loss = made(ids, labels_BT=ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


def test_a_word_is_its_tokens_and_an_end(net):
    before = "the old"
    words = dict(next_words(net, TOKENS, before, beams=400, most=3))
    ids = TOKENS.encode(before)
    letter, other = Counter(), Counter()  # by the first byte of a character
    for code in range(0x80, 0x110000):
        kind = unicodedata.category(chr(code))[0]
        if kind != "C":
            (letter if kind == "L" else other)[chr(code).encode()[0]] += 1
    signs = {n for n in range(0xC2, 0xF5) if letter[n] <= other[n]}
    letters = {
        i for i, raw in TOKENS.tokens.items()
        if raw.isalpha() or (raw[0] > 127 and raw[0] not in signs)
    }  # fmt: skip
    for word in ("man", "sea"):
        spelt = TOKENS.encode(f" {word}")
        log_p = log_probabilities(net, ids + spelt, given=len(ids)).sum()
        after = net(torch.tensor([ids + spelt]))[0, -1].softmax(-1)
        ends = sum(p for i, p in enumerate(after.tolist()) if i not in letters)
        assert words[word] == pytest.approx(
            log_p.item() + torch.tensor(ends).log().item(), abs=1e-4
        )
    ordered = [log_p for _, log_p in next_words(net, TOKENS, before)]
    assert all(a >= b for a, b in itertools.pairwise(ordered))


@pytest.mark.parametrize(("behind", "letters"), [
    ("—", False), ("”", False), ("…", False), ("🙂", False), ("é", True), ("д", True),
])  # fmt: skip
def test_a_word_ends_before_the_first_byte_of_a_sign(behind, letters):
    """Until a token of the whole character is learned, a dash is three tokens."""
    start = behind.encode()[:2] if len(behind.encode()) > 2 else behind.encode()[:1]
    tokens = ByteLevelBPE.train([f"{behind} {behind} " * 9], 258)
    assert start in tokens.tokens.values()
    at = next(i for i, raw in tokens.tokens.items() if raw == start)
    assert bool(_kinds(tokens, len(tokens))[1][at]) == letters


def test_words_share_the_probability_of_words_out(net):
    found = next_words(net, TOKENS, "the old", beams=300, most=2)
    total = sum(torch.tensor(log_p).exp().item() for _, log_p in found)
    assert 0.5 < total <= 1 + 1e-5


def test_the_filter_takes_the_likeliest_that_is_no_stop_word(net):
    words = next_words(net, TOKENS, "sat by")
    assert words[0][0] == "the", "what the text has there"
    plain = last_word(net, TOKENS, "sat by", frozenset())
    assert plain == words[0]
    filtered = last_word(net, TOKENS, "sat by")
    assert filtered == next(word for word in words if word[0] not in STOP_WORDS)
    everything = frozenset(word.lower() for word, _ in words)
    assert last_word(net, TOKENS, "sat by", everything) == words[0]


def test_a_text_too_long_loses_its_beginning(net):
    found = next_words(net, TOKENS, TEXT[:-1], most=4)
    ids = TOKENS.encode(TEXT[:-1])[-44:]
    assert found == next_words(net, TOKENS, TOKENS.decode(ids), most=4)


def test_bad_input(net):
    for text, how, match in (
        ("a", {"beams": 0}, "beams must be at least 1"),
        ("a", {"most": 48}, "most must be below n_positions=48"),
        ("", {}, "before must not be empty"),
    ):
        with pytest.raises(ValueError, match=match):
            next_words(net, TOKENS, text, **how)
