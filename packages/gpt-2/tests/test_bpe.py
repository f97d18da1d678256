"""Byte-level BPE: any bytes come back, pieces stay within a category, files, bad input."""

import itertools
import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.gpt_2 import END_OF_TEXT, ByteLevelBPE, pretokens
from lessons.gpt_2.pieces import LAST
from lessons.gpt_2.vocabulary import printable_bytes

TEXT = "low lower lowest: the dog, the dog! The dog? I'll show 12 dogs' naïve bone. " * 3


@pytest.fixture(scope="module")
def bpe():
    return ByteLevelBPE.train([TEXT, "Überall  größer, 東京! 🙂🙂\n\n\tx"], 300)


@given(data=st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_come_back(bpe, data):
    ids = bpe.encode_bytes(data)
    assert bpe.decode_bytes(ids) == data
    assert b"".join(bpe.token_bytes(i) for i in ids) == data


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None)
def test_any_text_comes_back(bpe, text):
    ids = bpe.encode(text, disallowed_special=())
    assert bpe.decode(ids) == text
    assert "".join(pretokens(text)) == text
    assert ids == bpe.encode_bytes(text.encode())


def test_pieces_of_the_pattern():
    cases = {
        "Hello world": ["Hello", " world"],
        "  two": [" ", " two"],
        "a   b": ["a", "  ", " b"],
        "end  ": ["end", "  "],
        "I'll we've I'LL": ["I", "'ll", " we", "'ve", " I", "'", "LL"],
        "dog.dog!": ["dog", ".", "dog", "!"],
        "x2y ½ ²": ["x", "2", "y", " ½", " ²"],
        "\n\n\tx": ["\n\n", "\t", "x"],
        "a\u00a0b\u3000": ["a", "\u00a0", "b", "\u3000"],
        "a\x1cb": ["a", "\x1c", "b"],
        " _x": [" _", "x"],
        "": [],
    }
    for text, want in cases.items():
        assert pretokens(text) == want, text


def test_without_the_barrier_or_the_blank():
    assert pretokens("the dog!", barrier=False) == ["the", " dog!"]
    assert pretokens("the dog!", space=False) == ["the", " ", "dog", "!"]


def test_no_letter_or_number_is_left_out_of_the_table():
    outside = range(LAST, 0x110000, 97)
    assert not any(unicodedata.category(chr(c))[0] in "LN" for c in outside)


def test_bytes_are_written_as_in_the_released_files():
    table = printable_bytes()
    assert len(set(table.values())) == 256
    assert [*table.values()] == sorted(table.values())
    assert (table[ord("!")], table[ord(" ")], table[0]) == ("!", "Ġ", "Ā")


def naive(words, count):
    """Sennrich's algorithm as it is told: count all pairs anew for each merge."""
    words, merges = {tuple(bytes([b]) for b in w): n for w, n in words.items()}, []
    order = {bytes([b]): i for i, b in enumerate(printable_bytes())}
    for _ in range(count):
        pairs = {}
        for word, n in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] = pairs.get(pair, 0) + n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], order[p[0]], order[p[1]]))
        merges.append(best)
        order.setdefault(best[0] + best[1], len(order))
        made = {}
        for word, n in words.items():
            new, i = [], 0
            while i < len(word):
                step = 2 if word[i : i + 2] == best else 1
                new.append(b"".join(word[i : i + step]))
                i += step
            made[tuple(new)] = made.get(tuple(new), 0) + n
        words = made
    return merges


@pytest.mark.parametrize("seed", range(6))
def test_counts_kept_up_to_date_are_counts_made_anew(seed):
    draw = random.Random(seed)
    letters = "ab" if seed < 3 else "abcdef"
    text = " ".join("".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(60))
    counts = {}
    for piece in pretokens(text):
        counts[piece.encode()] = counts.get(piece.encode(), 0) + 1
    bpe = ByteLevelBPE.train([text], 256 + 1 + 40)
    assert bpe.merges == naive(counts, len(bpe.merges))
    assert len(bpe.merges) >= 30


def test_merges_by_hand():
    bpe = ByteLevelBPE.train(["low lower lowest"], 256 + 3, special=())
    # lo and ow occur three times, and of equals the smaller ids are first; then " low" and "lowe"
    # occur twice, and the blank's id, 220, is smaller than that of "low", 257.
    assert bpe.merges == [(b"l", b"o"), (b"lo", b"w"), (b" ", b"low")]
    assert [bpe.token_bytes(i) for i in bpe.encode("low lowest")] == [
        b"low", b" low", b"e", b"s", b"t",
    ]  # fmt: skip


@given(st.lists(st.sampled_from("ab"), min_size=0, max_size=120))
@settings(deadline=None)
def test_both_ways_of_merging_agree(letters):
    ids = [BINARY.ids[letter.encode()] for letter in letters]
    assert BINARY.merge(ids) == BINARY.merge_by_heap(ids)


BINARY = ByteLevelBPE.train([" ".join(f"{n:b}" for n in range(400)).translate({48: "a", 49: "b"})],
                            300)  # fmt: skip


def test_long_pieces_take_the_heap_and_are_joined_alike(bpe):
    for n in (47, 48, 49, 500):
        text = "dog" * n
        start = [bpe.ids[c.encode()] for c in text]
        assert bpe.encode(text) == bpe.merge_by_heap(start) == bpe.merge(start)


def test_the_special_text_is_refused_unless_allowed(bpe):
    end = bpe.special[END_OF_TEXT]
    assert end == len(bpe) - 1 == 299
    text = f"a{END_OF_TEXT}b"
    with pytest.raises(ValueError, match="allowed_special="):
        bpe.encode(text)
    assert bpe.encode(text, allowed_special="all") == [*bpe.encode("a"), end, *bpe.encode("b")]
    assert end not in bpe.encode(text, disallowed_special=())
    assert bpe.decode(bpe.encode(text, allowed_special={END_OF_TEXT})) == text
    with pytest.raises(ValueError, match="allowed_special has '<x>'"):
        bpe.encode("a", allowed_special={"<x>"})


def test_files_read_back(bpe, tmp_path):
    bpe.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    again = ByteLevelBPE.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert (again.tokens, again.merges, again.special) == (bpe.tokens, bpe.merges, bpe.special)
    assert again.encode(TEXT) == bpe.encode(TEXT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]


def test_files_of_ranks_read_back(bpe, tmp_path):
    path = tmp_path / "a.tiktoken"
    bpe.save_ranks(path)
    assert path.read_bytes().startswith(b"IQ== 0\nIg== 1\n"), '"!" is 0'
    again = ByteLevelBPE.load_ranks(path, bpe.special)
    assert (again.tokens, again.merges, again.special) == (bpe.tokens, bpe.merges, bpe.special)
    good = path.read_bytes()
    for more, match in (
        (b"IQ== 900\n", "line 300: the token b'!' is there twice"),
        (b"?? 900\n", "line 300: expected a token in base64"),
        (b"aaaa\n", "line 300: expected a token in base64"),
        (b"cXpx 900\n", "b'qzq' is not made of two"),
        (b"IXE= 7\n", "an id twice"),
    ):
        path.write_bytes(good + more)
        with pytest.raises(ValueError, match=match):
            ByteLevelBPE.load_ranks(path)
    path.write_bytes(b"IQ== 0\n")
    with pytest.raises(ValueError, match="no id for the byte"):
        ByteLevelBPE.load_ranks(path)


def test_bad_files(bpe, tmp_path):
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    bpe.save(vocab, merges)
    good = merges.read_text()
    lines = good.split("\n")
    for text, match in (
        (good + "q z\n", f"line {len(lines)}.*no token b'qz'"),
        (good + "a b c\n", "expected two tokens with a blank between"),
        (good + "a 東\n", "'東', which stands for no byte"),
        ("\n".join(lines[:-3]), "not of one vocabulary"),
    ):
        merges.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=match):
            ByteLevelBPE.load(vocab, merges)
    merges.write_text(good, encoding="utf-8")
    for text, match in (
        ("[]", "must map tokens to ids"), ("<html>", "is no JSON"), ('{"a": "b"}', "must map"),
        ('{"a": 0}', "has no token"), ('{"a": 0, "b": 0}', "has the id 0 twice"),
    ):  # fmt: skip
        vocab.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=match):
            ByteLevelBPE.load(vocab, merges)
    with pytest.raises(OSError, match="absent"):
        ByteLevelBPE.load(tmp_path / "absent", merges)


def test_bad_input(bpe):
    with pytest.raises(TypeError, match="text must be a string, got bytes"):
        bpe.encode(b"a")
    assert bpe.decode_bytes(bpe.encode_bytes(b"a\xff")) == b"a\xff"
    for half in ("a\ud800", "a\udcff"):
        with pytest.raises(ValueError, match="half of a surrogate pair"):
            bpe.encode(half)
    with pytest.raises(ValueError, match="ids has 300, which the vocabulary of 300 has not"):
        bpe.decode([65, 300])
    with pytest.raises(ValueError, match="vocab_size must be at least 256 bytes and 1 special"):
        ByteLevelBPE.train(["a"], 256)
    with pytest.raises(ValueError, match="texts are empty"):
        ByteLevelBPE.train([""], 300)
    with pytest.raises(TypeError, match="put it into a list"):
        ByteLevelBPE.train("abc", 300)
    singles = {i: bytes([i]) for i in range(256)}
    with pytest.raises(ValueError, match="no id for the byte 0xff"):
        ByteLevelBPE({i: bytes([i]) for i in range(255)}, [])
    with pytest.raises(ValueError, match="rule 1: b'ab' is no token"):
        ByteLevelBPE(singles, [(b"a", b"b")])
    with pytest.raises(ValueError, match="special has the id 7"):
        ByteLevelBPE(singles, [], {"<x>": 7})
    assert bpe.decode([bpe.ids[b"\xc3"]]) == "\ufffd"
    with pytest.raises(UnicodeDecodeError):
        bpe.decode([bpe.ids[b"\xc3"]], errors="strict")
    assert bpe.encode_batch(["a", "b"]) == [bpe.encode("a"), bpe.encode("b")]
