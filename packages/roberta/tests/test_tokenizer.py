"""Byte-level BPE: any text comes back, no token is unknown; specials, files, bad input (§4.4)."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.roberta import (
    ByteLevelBPE,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaTokenizer,
    fill_mask,
)
from lessons.roberta.vocabulary import printable_bytes, to_characters

TEXT = "low lower lowest: the dog, the dog! The dog? I'll show 12 dogs' naïve bone. " * 3


@pytest.fixture(scope="module")
def tokenizer():
    return RobertaTokenizer.train([TEXT, "Überall  größer, 東京! 🙂🙂\n\n\tx"], 320)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None)
def test_any_text_comes_back_and_nothing_is_unknown(tokenizer, text):
    text = text.replace("<mask>", "")
    ids = tokenizer.encode(text, max_length=1000).ids
    assert tokenizer.decode(ids, skip_special=True) == text
    assert ids[0] == 0
    assert ids[-1] == 2
    assert not set(ids[1:-1]) & set(tokenizer.special_ids)


def test_ids_of_the_special_tokens(tokenizer):
    assert tokenizer.special == {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 319}
    assert tokenizer.vocab_size == 320
    assert tokenizer.special_ids == [0, 1, 2, 3, 319]
    assert sorted(tokenizer.bpe.tokens) == list(range(4, 319))


def test_merges_are_the_most_frequent_pairs():
    bpe = ByteLevelBPE.train(["low low low lower lower newest newest"], 260)
    # "lo" and "ow" 5 times each, of which "lo" has the smaller ids; then "low", " low", "we".
    assert [a + b for a, b in bpe.merges[:2]] == [b"lo", b"low"]
    assert bpe.decode_bytes(bpe.encode("low lowly")) == b"low lowly"


def test_mask_swallows_the_blank_before_it(tokenizer):
    mask, words = tokenizer.mask_id, tokenizer.bpe.encode
    for text in ("the <mask> dog", "the<mask> dog", "the \n <mask> dog"):
        assert tokenizer.ids_of(text) == [*words("the"), mask, *words(" dog")]
    assert tokenizer.ids_of("<mask><mask>") == [mask, mask]


def test_other_special_texts_are_ordinary(tokenizer):
    ids = tokenizer.ids_of("a </s> b")
    assert not set(ids) & set(tokenizer.special_ids)
    assert tokenizer.decode(ids) == "a </s> b"


def test_a_pair_and_what_does_not_fit(tokenizer):
    a, b = tokenizer.ids_of("the dog"), tokenizer.ids_of("the naïve bone")
    assert tokenizer.encode("the dog", "the naïve bone").ids == [0, *a, 2, 2, *b, 2]
    assert tokenizer.encode("the dog", max_length=3).ids == [0, a[0], 2]
    short = tokenizer.encode("the dog", "the naïve bone", max_length=8).ids
    assert short == [0, *a[:2], 2, 2, *b[:2], 2]


def test_words_and_where_they_begin(tokenizer):
    words = ["The", "naïve", "dog", "!"]
    ids, first = tokenizer.encode_words(words)
    assert len(first) == 4
    assert tokenizer.decode(ids, skip_special=True) == "The naïve dog !"
    for i, (at, end) in enumerate(zip(first, [*first[1:], len(ids) - 1])):
        assert tokenizer.decode(ids[at:end]) == words[i] if not i else f" {words[i]}"
    cut = tokenizer.encode_words(words, max_length=first[2] + 1)
    assert cut.first == first[:2]
    assert len(cut.ids) <= first[2] + 1


def test_batches_are_padded_with_1(tokenizer):
    batch = tokenizer.batch([tokenizer.encode("dog"), tokenizer.encode("the dog!")])
    assert torch.equal(batch["attention_mask"], (batch["input_ids"] != 1).long())
    assert batch["input_ids"][0, -1] == 1


def test_files_come_back(tokenizer, tmp_path):
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    tokenizer.save(*files)
    again = RobertaTokenizer.load(*files)
    assert again.special == tokenizer.special
    assert again.bpe.tokens == tokenizer.bpe.tokens
    assert again.bpe.merges == tokenizer.bpe.merges


def fairseq_files(folder, symbols):
    """An OpenAI vocabulary of 256 bytes and "ab", and a dictionary of these symbols."""
    table = {to_characters(bytes([byte])): i for i, byte in enumerate(printable_bytes())}
    table |= {"ab": 256, "<|endoftext|>": 257}
    (folder / "encoder.json").write_text(json.dumps(table), encoding="utf-8")
    (folder / "vocab.bpe").write_text("#version: 0.2\na b\n", encoding="utf-8")
    lines = "".join(f"{symbol} {1000 - n}\n" for n, symbol in enumerate(symbols))
    (folder / "dict.txt").write_text(lines, encoding="utf-8")
    return folder / "dict.txt", folder / "encoder.json", folder / "vocab.bpe"


def test_fairseqs_order_is_that_of_its_dictionary(tmp_path):
    """RoBERTa's id is the place of OpenAI's in dict.txt, and 4 more."""
    symbols = [256, *range(255, -1, -1), 257, "madeupword0000"]
    made = RobertaTokenizer.from_fairseq(*fairseq_files(tmp_path, symbols))
    assert made.ids_of("ab") == [4]
    assert made.ids_of("!") == [4 + 256]  # OpenAI's 0
    assert made.special["<|endoftext|>"] == 4 + 257
    assert made.special["madeupword0000"] == 4 + 258
    assert made.mask_id == 4 + 259
    assert made.vocab_size == 264
    made.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    again = RobertaTokenizer.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert again.special == made.special
    assert again.ids_of("ab!") == made.ids_of("ab!")


@pytest.mark.parametrize(
    ("symbols", "match"),
    [
        (range(257), "257 numbers and encoder.json 258 ids, of which 257"),
        (range(259), "259 numbers and encoder.json 258 ids"),
        ([*range(258), 0], "a symbol twice"),
        ([*range(258), ""], "line 259: expected a symbol and a count"),
    ],
)
def test_dictionaries_that_do_not_fit(tmp_path, symbols, match):
    with pytest.raises(ValueError, match=match):
        RobertaTokenizer.from_fairseq(*fairseq_files(tmp_path, symbols))


def test_openais_ids_are_refused(tmp_path):
    _, encoder, merges = fairseq_files(tmp_path, range(258))
    with pytest.raises(ValueError, match=r"no vocabulary of RoBERTa.*from_fairseq"):
        RobertaTokenizer.load(encoder, merges)


def test_bad_files(tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("[1", encoding="utf-8")
    with pytest.raises(ValueError, match="is no JSON"):
        RobertaTokenizer.load(bad, bad)
    for text, match in (("[1]", "must map"), ('{"<s>": 0, "a": 0}', "an id twice")):
        bad.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=match):
            RobertaTokenizer.load(bad, bad)
    _, encoder, merges = fairseq_files(tmp_path, range(258))
    merges.write_text("#version: 0.2\na b c\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: expected two tokens"):
        RobertaTokenizer.from_fairseq(tmp_path / "dict.txt", encoder, merges)
    merges.write_text("東 b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="stands for no byte"):
        RobertaTokenizer.from_fairseq(tmp_path / "dict.txt", encoder, merges)
    with pytest.raises(FileNotFoundError):
        RobertaTokenizer.load(tmp_path / "none", merges)


def test_bad_input(tokenizer):
    with pytest.raises(TypeError, match="text must be a string, got int"):
        tokenizer.encode(5)
    with pytest.raises(ValueError, match=r"U\+D800"):
        tokenizer.encode("a\ud800")
    with pytest.raises(ValueError, match="at least 3, got 2"):
        tokenizer.encode("a", max_length=2)
    with pytest.raises(ValueError, match="ids has 5000"):
        tokenizer.decode([5000])
    with pytest.raises(ValueError, match="at least 261"):
        RobertaTokenizer.train(["a"], 260)
    with pytest.raises(TypeError, match="put it into a list"):
        RobertaTokenizer.train("text", 300)
    with pytest.raises(ValueError, match="nothing to learn from"):
        RobertaTokenizer.train([], 300)
    bytes_ = {i: bytes([i]) for i in range(256)}
    with pytest.raises(ValueError, match="no id for the byte 0xff"):
        ByteLevelBPE({i: bytes([i]) for i in range(255)}, [])
    with pytest.raises(ValueError, match="same bytes under two ids"):
        ByteLevelBPE(bytes_ | {256: b"a"}, [])
    with pytest.raises(ValueError, match="rule 1: b'ab' is no token"):
        ByteLevelBPE(bytes_, [(b"a", b"b")])
    with pytest.raises(ValueError, match="'<s>' as 0"):
        RobertaTokenizer(ByteLevelBPE(bytes_, []), {"<mask>": 256})
    with pytest.raises(ValueError, match="ids 0 to 260, each once"):
        RobertaTokenizer(ByteLevelBPE(bytes_, []))


def test_filling_a_mask(tokenizer):
    config = RobertaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    net = RobertaForMaskedLM(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        net.masked_lm.bias[tokenizer.ids_of(" the")[0]] = 20.0
    (one, two) = fill_mask(net, tokenizer, "Is it <mask> dog or <mask>?", k=3)
    first = tokenizer.decode([tokenizer.ids_of(" the")[0]])
    assert one[0][0] == two[0][0] == first
    assert one[0][1] > 0.99
    assert len(one) == 3
    # It computes in eval mode, whatever mode the net is in, and leaves each module as it was.
    net.train()
    net.roberta.embeddings.eval()
    modes = [module.training for module in net.modules()]
    assert fill_mask(net, tokenizer, "Is it <mask> dog or <mask>?", k=3) == [one, two]
    assert [module.training for module in net.modules()] == modes
    with pytest.raises(ValueError, match="has no <mask>"):
        fill_mask(net, tokenizer, "the dog")
    with pytest.raises(ValueError, match="k must be 1 to 320"):
        fill_mask(net, tokenizer, "<mask>", k=0)
    with pytest.raises(ValueError, match="at most 512 tokens"):
        fill_mask(net, tokenizer, "<mask>" * 600)
