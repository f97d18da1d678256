"""The tasks of the experiments: each has one right answer, and a score that finds it."""

import datetime
import random
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.transformer import Transformer
from lessons.transformer.claims import dates, language, read, treebank
from lessons.transformer.claims.race import as_pairs, best_rate, exact_match

# The made-up language


@given(seed=st.integers(0, 10_000))
def test_each_word_is_translated_by_the_word_that_it_is_aligned_with(seed):
    words, translation, alignment = language.clause(random.Random(seed))
    assert len(translation) == len(alignment)
    assert sorted(set(alignment)) == list(range(len(words)))
    for there, here in zip(translation, alignment):
        assert there.startswith(language.FOREIGN[words[here]])


@given(seed=st.integers(0, 10_000))
def test_determiners_and_adjectives_agree_with_their_noun(seed):
    words, translation, alignment = language.clause(random.Random(seed))
    for there, here in zip(translation, alignment):
        if words[here] in language.DETERMINERS + language.ADJECTIVES:
            noun = next(word for word in words[here:] if word in language.NOUNS)
            assert there[-1] == language.ENDINGS[language.NOUNS.index(noun) % 3]


def test_a_clause_ends_with_its_verb():
    pair = language.corpus(1, seed=0)[0]
    assert language.WORDS[pair.tgt[-2]] in {language.FOREIGN[verb] for verb in language.VERBS}


def test_training_and_test_sentences_are_disjoint_and_distinct():
    test = language.corpus(50, 1)
    train = language.corpus(400, 0, apart_from=test)
    sources = [pair.src for pair in train + test]
    assert len(set(sources)) == 450


def test_longer_sentences_have_no_more_relative_clauses_than_asked_for():
    who = language.IDS[language.WHO]
    pairs = language.corpus(40, 3, lengths=(11, 15), nested=1)
    assert max(pair.src.count(who) for pair in pairs) == 1
    assert {len(pair.src) - 1 for pair in pairs} <= set(range(11, 16))


def test_lengths_are_within_their_bounds():
    assert all(11 <= len(p.src) - 1 <= 30 for p in language.corpus(40, 3, lengths=(11, 30)))


# Scores


def test_exact_match_leaves_out_the_end_mark():
    pairs = as_pairs(language.corpus(2, 0))
    assert exact_match([list(pairs[0][1][:-1]), [3]], pairs) == 0.5


# Trees


def test_spans_of_a_known_tree():
    tree = "(S (NP XX XX ) (VP XX ) )".split()
    found = treebank.spans([treebank.IDS[symbol] for symbol in tree])
    assert found == {("(NP", 0, 2): 1, ("(VP", 2, 3): 1, ("(S", 0, 3): 1}


def test_f1_counts_labelled_brackets():
    right = [treebank.IDS[s] for s in "(S (NP XX XX ) (VP XX ) )".split()]
    wrong = [treebank.IDS[s] for s in "(S (NP XX ) (VP XX XX ) )".split()]
    assert treebank.bracket_f1([right], [right]) == 1
    assert treebank.bracket_f1([wrong], [right]) == pytest.approx(1 / 3)
    assert treebank.bracket_f1([[]], [right]) == 0


def test_a_treebank_has_balanced_trees_over_all_words():
    for src, tree in treebank.treebank(100, 0):
        symbols = [treebank.SYMBOLS[i] for i in tree[:-1]]
        depth = 0
        for symbol in symbols:
            depth += (symbol in treebank.OPEN) - (symbol == ")")
            assert depth >= 0
        assert depth == 0
        assert symbols.count("XX") == len(src) - 1


@pytest.mark.parametrize("peak", [1e-4, 3e-3, 0.03])
def test_the_best_rate_is_never_at_the_edge_of_what_was_tried(peak):
    tried = []

    def accuracy(rate):
        tried.append(rate)
        return -abs(torch.tensor(rate / peak).log().item())

    best, found = best_rate(accuracy, 2e-3)
    assert min(tried) < best < max(tried)
    assert sorted(found) == sorted(tried)
    assert 0.7 < best / peak < 1.42


# Dates


@pytest.mark.parametrize(
    ("locale", "style", "text"),
    [
        ("fr", "full", "mardi 3 juin 2014"),
        ("en", "long", "june 3, 2014"),
        ("en_GB", "long", "3 june 2014"),
        ("de", "full", "dienstag, 3. juni 2014"),
        ("hu", "long", "2014. június 3."),
    ],
)
def test_dates_as_people_write_them(locale, style, text):
    assert dates.write(datetime.date(2014, 6, 3), locale, style) == text


def test_every_date_can_be_spelled_and_read_back():
    for locale in dates.LOCALES:
        for month in range(1, 13):
            for style in dates.STYLES:
                text = dates.write(datetime.date(2014, month, 28), locale, style)
                assert dates.decode(dates.encode(text)) == text


def test_days_to_test_on_are_not_trained_on():
    train, test = dates.split_days()
    assert len(train) + len(test) == (dates.LAST - dates.FIRST).days + 1
    assert not set(train) & set(test)


def test_examples_are_dates_or_marked_as_none():
    pairs = dates.examples(dates.split_days()[0], 300, torch.Generator().manual_seed(0))
    targets = [dates.decode(target) for _, target in pairs]
    unreadable = targets.count(dates.UNREADABLE)
    assert 12 <= unreadable <= 55  # one in ten is meant
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", t) for t in targets if t != dates.UNREADABLE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must have 1 to 48 characters, got 0"),
        ("x" * 49, "text must have 1 to 48 characters, got 49"),
        ("3 июня", "characters that no date was written with: и н ю я"),
    ],
)
def test_a_text_that_is_no_date_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        dates.encode(text)


class Parrot(Transformer):
    """A model that answers always the same."""

    def __init__(self, answer):
        super().__init__(dates.CONFIG)
        self.answer = [*dates.encode(answer), 0]

    def project(self, states):
        logits = super().project(states)
        for i in range(logits.shape[-2] if logits.dim() == 3 else 0):
            logits[:, i] = torch.nn.functional.one_hot(
                torch.tensor(self.answer[i]), logits.shape[-1]
            )
        return 20 * logits


@pytest.mark.parametrize("answer", ["?", "2014-02-30"])
def test_what_is_in_no_calendar_is_not_a_reading(answer, monkeypatch):
    model = Parrot("2014-06-03").eval()
    monkeypatch.setattr(
        dates, "greedy", lambda *args, **options: torch.tensor([dates.encode(answer)])
    )
    with pytest.raises(ValueError, match="no date can be read in '3 juin'"):
        dates.read(model, "3 juin")


def test_a_reading_says_where_the_model_looked(monkeypatch):
    model = Parrot("2014-06-03").eval()
    monkeypatch.setattr(
        dates, "greedy", lambda *args, **options: torch.tensor([dates.encode("2014-06-03")])
    )
    reading = dates.read(model, "Mardi 3 juin  2014")
    assert (reading.text, reading.answer) == ("mardi 3 juin 2014", "2014-06-03")
    assert reading.weights.shape == (10, len(reading.text))
    assert reading.probability > 0.99
    assert "2" in read.heat(reading).plain


def test_the_model_that_was_kept_is_the_model_that_is_recalled(tmp_path):
    model = Transformer(dates.CONFIG, torch.Generator().manual_seed(3))
    dates.keep(model, tmp_path / "dates.safetensors")
    again = dates.recall(tmp_path / "dates.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


def test_the_shipped_model_reads_dates_at_once(capsys):
    assert dates.model_path().stat().st_size < 2**21
    assert read.main(["mardi 3 juin 2014"]) == 0
    assert "2014-06-03" in capsys.readouterr().out


def test_without_a_trained_model_the_reader_says_what_to_run(tmp_path, capsys):
    assert read.main(["3 juin 2014", "--model", str(tmp_path / "none")]) == 1
    assert "python -m lessons.transformer" in " ".join(capsys.readouterr().out.split())


def test_a_model_of_another_version_is_refused(tmp_path):
    dates.keep(torch.nn.Linear(2, 2), tmp_path / "dates.safetensors")
    with pytest.raises(ValueError, match="of another version"):
        dates.recall(tmp_path / "dates.safetensors")
