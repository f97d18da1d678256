"""Neighbours, analogies, the odd one out, on vectors whose answers are known by construction."""

import pytest
import torch

import lessons.word2vec as ours

# Two roles and three topics: what a word is, is a sum.
ROLES = {"man": [1.0, 0, 0, 0, 0], "woman": [0.0, 1, 0, 0, 0]}
TOPICS = {"plain": [0.0, 0, 0.2, 0, 0], "royal": [0.0, 0, 0, 1, 0], "stage": [0.0, 0, 0, 0, 1]}
NAMES = {
    ("man", "plain"): "man", ("woman", "plain"): "woman", ("man", "royal"): "king",
    ("woman", "royal"): "queen", ("man", "stage"): "actor", ("woman", "stage"): "actress",
}  # fmt: skip


@pytest.fixture
def family():
    rows = [torch.tensor(ROLES[r]) + torch.tensor(TOPICS[t]) for r, t in NAMES]
    return ours.KeyedVectors(list(NAMES.values()), torch.stack(rows))


def test_king_minus_man_plus_woman(family):
    assert family.most_similar(["king", "woman"], "man", topn=1)[0][0] == "queen"
    assert family.most_similar_cosmul(["king", "woman"], ["man"])[0][0] == "queen"
    assert family.analogy_from_examples([("man", "woman")], "king")[0][0] == "queen"
    pairs = [("man", "woman"), ("actor", "actress")]
    assert family.analogy_from_examples(pairs, "king")[0][0] == "queen"
    questions = torch.tensor([[family.index[w] for w in ("man", "woman", "king")] + [0]])
    assert family.answer(questions).tolist() == [family.index["queen"]]


def test_the_words_given_are_no_answers_unless_one_asks_for_them(family):
    given = {"king", "woman", "man"}
    assert not given & {w for w, _ in family.most_similar(["king", "woman"], ["man"])}
    everything = family.most_similar(["king", "woman"], ["man"], exclude=False)
    assert len(everything) == len(family)


def test_lengths_of_vectors_do_not_matter(family):
    longer = ours.KeyedVectors(family.words, family.vectors * torch.arange(1, 7)[:, None])
    for one, other in zip(
        family.most_similar(["king", "woman"], "man"), longer.most_similar(["king", "woman"], "man")
    ):
        assert one[0] == other[0]
        assert abs(one[1] - other[1]) < 1e-6


def test_changed_vectors_count_as_they_are(family):
    family.vectors[0] *= 5
    assert family.similarity("man", "man") <= 1 + 1e-6
    assert max(s for _, s in family.most_similar("king")) <= 1 + 1e-6


def test_odd_one_out_and_similarity(family):
    assert family.doesnt_match(["man", "king", "actor", "queen"]) == "queen"
    unit = family.unit
    assert abs(family.similarity("king", "queen") - float(unit[2] @ unit[3])) < 1e-6
    half = ours.KeyedVectors(family.words, family.vectors.half())
    assert abs(half.similarity("king", "queen") - family.similarity("king", "queen")) < 1e-3


def test_questions_are_answered_by_section_and_unknown_ones_left_out(family, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(
        ": family\nman woman king queen\nman woman king actor\nman woman king emperor\n"
        ": nothing\na b c d\n"
    )
    accuracy, (one, none) = family.evaluate_word_analogies(path)
    assert accuracy == 0.5
    assert one.correct == [("man", "woman", "king", "queen")]
    assert one.incorrect == [("man", "woman", "king", "actor")]
    assert (none.name, none.correct, none.incorrect, none.accuracy) == ("nothing", [], [], 0)
    # A small vocabulary knows fewer questions: queen is the fourth word.
    accuracy, (one, _) = family.evaluate_word_analogies(path, restrict_vocab=3)
    assert (accuracy, one.correct, one.incorrect) == (0, [], [])


def test_capitals_count_as_one_word_if_asked(tmp_path, family):
    path = tmp_path / "questions.txt"
    path.write_text(": family\nMan Woman King Queen\n", encoding="utf-8-sig")  # a byte-order mark
    assert family.evaluate_word_analogies(path)[0] == 1
    assert not family.evaluate_word_analogies(path, case_insensitive=False)[1][0].correct
    # Of words that become one the first, hence the more frequent, stands for both.
    words = ["King", *family.words]
    # This one stands where "actor" does, so that the answer is "actress".
    other = ours.KeyedVectors(words, torch.cat([family["actor"][None], family.vectors]))
    assert len(other.evaluate_word_analogies(path)[1][0].incorrect) == 1


def test_many_questions_are_answered_in_parts(family, monkeypatch):
    monkeypatch.setattr("lessons.word2vec.vectors.AT_ONCE", 2)
    row = [family.index[w] for w in ("man", "woman", "king", "queen")]
    assert family.answer(torch.tensor([row] * 5)).tolist() == [row[3]] * 5
    assert family.answer(torch.zeros(0, 4, dtype=torch.int64)).tolist() == []


def test_gensims_names(family):
    assert family.key_to_index["king"] == family.index["king"]
    assert family.index_to_key is family.words
    assert torch.equal(family.get_vector("king"), family["king"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda kv: kv["kink"], KeyError, "'king'"),
        (lambda kv: kv.most_similar("kings"), KeyError, "'king'"),
        (lambda kv: kv.most_similar(), ValueError, "at least one word"),
        (lambda kv: kv.most_similar_cosmul(), ValueError, "at least one word"),
        (lambda kv: kv.doesnt_match("king"), ValueError, "list of words"),
        (lambda kv: kv.analogy_from_examples([], "king"), ValueError, "at least one pair"),
        (lambda kv: kv.most_similar("king", topn=None), ValueError, "topn must be"),
        (lambda kv: kv.most_similar("king", topn=-1), ValueError, "topn must be"),
        (lambda kv: kv.most_similar("king", "king"), ValueError, "length of 0"),
        (lambda kv: kv.most_similar("king", restrict_vocab=0), ValueError, "restrict_vocab"),
        (lambda kv: kv.answer(torch.zeros(1, 4).long(), -1), ValueError, "restrict_vocab"),
        (lambda kv: kv.evaluate_word_analogies("none", 0), ValueError, "restrict_vocab"),
        (lambda kv: ours.KeyedVectors(kv.words, kv.vectors * torch.nan).most_similar("king"),
         ValueError, "not all finite"),
        (lambda kv: ours.KeyedVectors(["a"], kv.vectors), ValueError, "row a word"),
        (lambda kv: ours.KeyedVectors(["a"] * 6, kv.vectors), ValueError, "'a' twice"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message, family):
    with pytest.raises(error, match=message):
        call(family)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a b c d\n", "line 1: expected a section"), (": x\na b c\n", "line 2: expected four words")],
)
def test_lists_that_are_none(text, message, family, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        family.evaluate_word_analogies(path)
    path.write_bytes(b": x\n\xff\xfe b c d\n")
    with pytest.raises(ValueError, match="UTF-8"):
        family.evaluate_word_analogies(path)


def test_judgements_are_compared_by_rank(family, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(
        "word1\tword2\tSimLex999\n# a note\nking\tqueen\t9.5\nKing\tactor\t9\n"
        "king\tactress\t0.1\nking\temperor\t9\n"
    )
    # king: with queen and actor .5 each, with actress 0; ranks 2.5, 2.5, 1 against 3, 2, 1
    rho, n, left_out = family.evaluate_word_pairs(path)
    assert abs(rho - 0.75**0.5) < 1e-6
    assert (n, left_out) == (3, 1)
    path.write_text("king\tqueen\t9\nking actor 1\n")
    with pytest.raises(ValueError, match="line 2: expected two words"):
        family.evaluate_word_pairs(path)
    path.write_text("king\temperor\t9\n")
    with pytest.raises(ValueError, match="0 pairs of known words"):
        family.evaluate_word_pairs(path)
