"""Appendix D's formats, mixtures, and pieces of text."""

import math

import pytest
import torch

from lessons.t5 import (
    TASKS,
    Piece,
    SentencePieceUnigram,
    highlight,
    mixing_rates,
    refers,
    similarity_text,
    train_unigram,
)
from lessons.t5.protobuf import field, fields


def test_tasks_are_written_as_in_appendix_d():
    cola = TASKS["cola"]
    example = {"sentence": "John made Bill master of himself."}
    assert cola.to_text(example) == "cola sentence: John made Bill master of himself."
    assert cola.to_target(1) == "acceptable"
    assert TASKS["rte"].to_target(1) == "not_entailment"
    assert TASKS["mnli"].to_target(2) == "contradiction"
    assert TASKS["cb"].to_target(1) == "contradiction"
    assert TASKS["stsb"].to_text({"sentence1": "a", "sentence2": "b"}) == (
        "stsb sentence1: a sentence2: b"
    )
    assert TASKS["stsb"].to_target(3.25) == "3.2"
    text = TASKS["wmt_en_de"].to_text({"text": "That is good."})
    assert text == "translate English to German: That is good."
    squad = TASKS["squad"].to_text({"question": "Who?", "context": "They."})
    assert squad == "question: Who? context: They."


def test_numbers_are_strings_of_21_kinds():
    assert similarity_text(2.57) == "2.6", "§2.4's example"
    scores = {similarity_text(1 + i / 100) for i in range(401)}
    assert len(scores) == 21
    assert all(1 <= float(score) <= 5 for score in scores)


def test_what_is_no_answer_is_wrong_and_no_error():
    assert TASKS["mnli"].from_text("hamburger") is None
    assert TASKS["mnli"].from_text(" neutral") == "neutral"
    assert TASKS["stsb"].from_text("3.8") == 3.8
    for text in ("5.2", "0.8", "three", "", "1e0", "-2"):
        assert TASKS["stsb"].from_text(text) is None
    assert TASKS["wmt_en_de"].from_text("Das ist gut.") == "Das ist gut."


def test_pronouns_are_marked_and_referents_compared():
    text = "The city councilmen refused the demonstrators a permit because they feared violence."
    assert "because *they* feared" in highlight(text, 9, "they")
    with pytest.raises(ValueError, match="word 8 of the text must be 'they', got 'because'"):
        highlight(text, 8, "they")
    assert refers("city councilmen", "The city councilmen")
    assert refers("the councilmen", "city councilmen")
    assert not refers("the demonstrators", "The city councilmen")
    assert not refers("", "x")


def test_mixtures():
    """§3.5.2: min(e, K) over its sum; a temperature takes a root; ∞ makes all equal."""
    assert mixing_rates([10, 30]) == [0.25, 0.75]
    assert mixing_rates([10, 30, 1000], limit=60) == [0.1, 0.3, 0.6]
    assert mixing_rates([1, 4], temperature=2) == pytest.approx([1 / 3, 2 / 3])
    assert mixing_rates([1, 9999], temperature=math.inf) == [0.5, 0.5]


@pytest.mark.parametrize(("call", "text"), [
    (lambda: TASKS["rte"].to_text({"sentence1": "a"}), "must have the fields sentence1, sentence2"),
    (lambda: TASKS["cola"].to_target(2), "target must be 0 … 1 or one of unacceptable"),
    (lambda: TASKS["cola"].to_target("maybe"), "got 'maybe'"),
    (lambda: TASKS["stsb"].to_target(5.5), "number from 1 to 5, got 5.5"),
    (lambda: mixing_rates([]), "sizes must be at least 1"),
    (lambda: mixing_rates([3, 0]), "sizes must be at least 1"),
    (lambda: mixing_rates([3], limit=0), "limit must be positive"),
    (lambda: mixing_rates([3], temperature=-1), "temperature must be positive"),
    (lambda: train_unigram(["abc"], 4), "size must be at least 7"),
    (lambda: train_unigram(["abc"], 9, shrink=1.0), "shrink"),
    (lambda: SentencePieceUnigram([Piece("a", 0.0)]), "one unknown piece, got 0"),
    (lambda: SMALL.decode([99]), "ids has 99; the vocabulary has V=10"),
    (lambda: SMALL.encode("<extra_id_7>"), "there are 2 sentinels"),
    (lambda: SMALL.sample("a", -1), "alpha"),
])  # fmt: skip
def test_bad_input_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


SMALL = SentencePieceUnigram(
    [
        Piece("<pad>", 0.0, 3), Piece("</s>", 0.0, 3), Piece("<unk>", 0.0, 2), Piece("▁", -3.0),
        Piece("a", -2.0), Piece("b", -2.0), Piece("ab", -3.0), Piece("▁a", -2.5),
    ],
    extra_ids=2,
)  # fmt: skip


def test_the_best_cut_has_the_largest_sum():
    """▁ab: "▁a b" is worth −4.5, "▁ ab" −6, "▁ a b" −7."""
    assert SMALL.encode("ab") == [7, 5]
    assert SMALL.decode([7, 5]) == "ab"
    assert SMALL.encode("ab", eos_id=1) == [7, 5, 1]
    assert SMALL.encode("zz  a") == [3, 2, 7], "unknown letters in a row are one; spaces are one"
    assert SMALL.encode("a <extra_id_0> b<extra_id_1>") == [7, 9, 3, 5, 8]
    assert SMALL.decode([7, 9, 3, 5, 8]) == "a <extra_id_0> b <extra_id_1>"
    with pytest.raises(TypeError, match="text must be a str, got int"):
        SMALL.encode(3)


def test_cuts_are_drawn_by_their_probabilities():
    """Of the three cuts of ▁ab, with α = 1, by e to the sums."""
    g = torch.Generator().manual_seed(0)
    drawn = [tuple(SMALL.sample("ab", 1.0, g)) for _ in range(2000)]
    weights = {(7, 5): math.exp(-4.5), (3, 6): math.exp(-6), (3, 4, 5): math.exp(-7)}
    for cut, weight in weights.items():
        share = weight / sum(weights.values())
        assert drawn.count(cut) / 2000 == pytest.approx(share, abs=0.03)
    flat = [tuple(SMALL.sample("ab", 0.0, g)) for _ in range(900)]
    assert all(abs(flat.count(cut) / 900 - 1 / 3) < 0.06 for cut in weights)


def test_training_finds_words_and_keeps_every_letter():
    texts = ["low lower lowest", "new newer newest", "low new"] * 5
    model = train_unigram(texts, 16, extra_ids=3)
    assert (len(model.pieces), model.vocab_size) == (16, 19)
    assert [p.text for p in model.pieces[:3]] == ["<pad>", "</s>", "<unk>"]
    letters = set("lowernst▁")
    assert letters <= {p.text for p in model.pieces}
    assert len(model.encode("low new")) < len("low new")
    assert all(model.decode(model.encode(t)) == t for t in texts)
    assert len(train_unigram(texts, 500).pieces) < 500, "there are not so many stretches"
    again = train_unigram(texts, 16, extra_ids=3)
    assert again.pieces == model.pieces, "the same text, the same pieces"


def test_files_read_back_and_others_are_refused(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(SMALL.to_bytes())
    again = SentencePieceUnigram.from_file(path, extra_ids=2)
    assert again.pieces == SMALL.pieces
    for content in (
        b"",
        b"<html>",
        b"PK\x03\x04",
        bytes(range(256)),
        SMALL.to_bytes()[:-3] + b"\xff",
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no SentencePiece model"):
            SentencePieceUnigram.from_file(path)
    path.write_bytes(SMALL.to_bytes() + field(2, field(3, 2)))
    with pytest.raises(ValueError, match="is a BPE model; expected a unigram one"):
        SentencePieceUnigram.from_file(path)


def test_protobuf_numbers_go_there_and_back():
    for value in (0, 1, 127, 128, 300, 2**32, 2**64 - 1):
        assert list(fields(field(5, value))) == [(5, value)]
    assert list(fields(field(2, b"xy") + field(1, 0.5))) == [(2, b"xy"), (1, b"\0\0\0?")]
