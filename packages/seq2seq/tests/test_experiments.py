"""What the claims rest on: texts, phrases, scores, made-up languages, the shipped model."""

import math

import numpy as np
import pytest
import torch
from rich.console import Console

from lessons.seq2seq import PRESETS, Seq2Seq, Seq2SeqConfig, lags
from lessons.seq2seq.claims import (
    alignment,
    ask,
    grammar,
    manuals,
    phrases,
    shipped,
    translators,
    vectors,
)
from lessons.seq2seq.claims.baseline import oracle_of, phrase_based
from lessons.seq2seq.claims.beams import WELL, products
from lessons.seq2seq.claims.contest import FIGURE_3
from lessons.seq2seq.claims.lengths import MINOR, step
from lessons.seq2seq.claims.pieces import EOS, UNKNOWN, Pieces
from lessons.seq2seq.claims.reversing import MARKED
from lessons.seq2seq.claims.scoring import bleu_of, bootstrap, counts, words
from lessons.seq2seq.lab.run import Run

# Lines of the rules --------------------------------------------------------------------------


def test_lines_are_drawn_from_the_paper_s_numbers():
    assert pytest.approx(0.105, abs=5e-4) == MARKED  # half of log(5.8/4.7)
    assert pytest.approx(0.896, abs=5e-4) == WELL  # twice the loss of 33.00 of 34.81
    assert np.exp(MINOR) == pytest.approx(0.885, abs=5e-4)  # twice the fall of 36.4 to 34.3
    lstm = dict(zip(FIGURE_3["words"], FIGURE_3["LSTM"]))
    assert (lstm[12], lstm[35], lstm[79]) == (33.8, 36.4, 34.3)
    falls = [1 - b / a for a, b in zip(FIGURE_3["LSTM"][3:7], FIGURE_3["LSTM"][4:8])]
    assert max(falls) < 0.02
    score = {"by length": {"18–34": 9.0, "8–17": 10.0}}
    assert step("18–34", "8–17")(score) == pytest.approx(np.log(0.9))


def test_products_of_table_1():
    c = PRESETS["paper"]
    # 32M a word read; 112M a word and beginning written.
    assert products(c, 1, 12, 30, 0) == 30 * 32e6
    assert products(c, 1, 12, 0, 30) == 30 * 12 * 112e6
    assert products(c, 5, 2, 1.75, 1) == pytest.approx(products(c, 1, 12, 1.75, 1))


# Made-up languages ----------------------------------------------------------------------------


def test_adjectives_change_places_with_their_nouns():
    for pair in grammar.corpus(300, 0):
        for word, place in zip(pair.target, pair.gold, strict=True):
            assert pair.source[place] == word.lower()
        assert sorted(pair.gold) == list(range(len(pair.source)))
        assert sum(lags(len(pair.gold), [(i, j) for j, i in enumerate(pair.gold)], True)) == sum(
            lags(len(pair.gold), [(i, j) for j, i in enumerate(pair.gold)], False)
        )
    assert {len(p.source) for p in grammar.corpus(300, 1)} == set(range(3, 11))
    assert all(len(p.source) == 7 for p in grammar.corpus(20, 1, 7))


def test_both_voices_mean_the_same():
    triple = (9, 0, 13)
    assert grammar.names(grammar.active(triple)) == "June admires Nora"
    assert grammar.names(grammar.passive(triple)) == "Nora is admired by June"
    assert grammar.mirror(triple) == (13, 0, 9)
    train, held = grammar.triples(0)
    assert len(train) + len(held) == 20 * 19 * 10
    assert {grammar.mirror(t) for t in held} == set(held)
    assert not set(train) & set(held)
    top = max(max(grammar.passive(t)) for t in train)
    assert top == grammar.BY < grammar.VOICE_SOURCE


def test_shares_of_a_vector_that_is_a_bag_of_words_are_zero():
    config = Seq2SeqConfig(grammar.VOICE_SOURCE, grammar.VOICE_TARGET, 8, 8, 1, peephole=False)
    net = Seq2Seq(config, torch.Generator().manual_seed(0))
    _, held = grammar.triples(0)
    bag = torch.randn(grammar.VOICE_SOURCE, 5, generator=torch.Generator().manual_seed(1))
    bag[0] = 0
    net.sentence_vector = lambda ids, length: bag[ids].sum(1)  # type: ignore
    found = vectors.shares(net, held)
    assert found["order"] < 0.01, "whom it is about is all the same"
    assert found["voice"] < 0.01


# Phrases --------------------------------------------------------------------------------------

PAIRS = [
    ("the house", "la maison"), ("the blue house", "la maison bleue"), ("the flower", "la fleur"),
    ("a house", "une maison"), ("the blue flower", "la fleur bleue"), ("the book", "le livre"),
    ("a blue book", "un livre bleu"), ("a book", "un livre"),
]  # fmt: skip


def test_words_are_aligned_by_their_counts(monkeypatch):
    monkeypatch.setattr(alignment, "DIAGONAL", 1.0)  # a third of three words is no small distance
    f, e = ([phrases.cut(p[k]) for p in PAIRS] for k in (0, 1))
    found = alignment.align(f, e)
    assert found[1] == [0, 2, 1]
    assert found[4] == [0, 2, 1]
    assert found[5] == [0, 1]


def test_phrases_agree_with_the_alignment():
    f, e = phrases.cut("the blue house"), phrases.cut("la maison bleue")
    found = set(alignment.cut_out(f, e, {(0, 0), (1, 2), (2, 1)}))
    assert found == {
        (("the",), ("la",)), ((" blue",), (" bleue",)), ((" house",), (" maison",)),
        ((" blue", " house"), (" maison", " bleue")), (f, e),
    }  # fmt: skip


def test_phrases_translate_what_they_learned():
    system = phrases.Phrases(PAIRS * 3, ["the blue house", "a flower", "the xyz"])
    assert system.translate("the blue house")[0][0] == "la maison bleue"
    found = system.translate("a flower", 5)
    assert [s for _, s, _ in found] == sorted((s for _, s, _ in found), reverse=True)
    assert len({text for text, _, _ in found}) == len(found)
    for _, score, features in found:
        assert score == pytest.approx(np.dot(features, system.weights))
    assert "xyz" in system.translate("the xyz")[0][0]
    assert system.tune(PAIRS[:4], 1) >= 0


def test_the_language_model_adds_up_to_one():
    model = phrases.Language([phrases.cut(e) for _, e in PAIRS])
    vocabulary = [w for (w,) in model.grams[0]] + ["unseen"]
    for before in (("", ""), ("la", " maison"), ("x", "y")):
        total = sum(np.exp(model.log((*before, w))) for w in vocabulary)
        assert total == pytest.approx(1, abs=1e-9)


# Scores and texts -----------------------------------------------------------------------------


def test_the_bootstrap_is_around_the_value():
    right = [["a", "b", "c", "d", "e"]] * 60
    answers = [row if k % 3 else ["a", "b", "x", "d", "e"] for k, row in enumerate(right)]
    rows = [counts(a, b) for a, b in zip(answers, right)]
    found = bootstrap([rows, rows], lambda a, b: a - b)
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    found = bootstrap([rows], lambda a: a)
    assert found.low < found.mean == bleu_of(np.array(rows)) < found.high


def test_words_are_cut_as_the_standard_scorers_do():
    assert words("Ouvrez l'icône «A» (3.5 cm), 1-2.") == [
        "Ouvrez", "l'icône", "«A»", "(", "3.5", "cm", ")", ",", "1", "-", "2", ".",
    ]  # fmt: skip
    sacrebleu = pytest.importorskip("sacrebleu")
    said = ["Ouvre la boîte de dialogue « Table » (3.5 cm - 1,000 pt), où vous définissez."]
    right = ["Ouvre la boîte de dialogue « Table » (3.5 cm - 1,000 pt) du nom du fichier."]
    ours = bleu_of(np.array([counts(words(a), words(b)) for a, b in zip(said, right)]))
    assert ours == pytest.approx(sacrebleu.corpus_bleu(said, [right]).score, abs=1e-9)


def test_pieces_joined_are_the_text():
    texts = ["the lower, the newer: the widest", "l'été, the lowest été"] * 5
    pieces = Pieces(texts, 60)
    for text in texts:
        ids = pieces.encode(text)
        assert ids[-1] == EOS
        assert UNKNOWN not in ids
        assert pieces.decode(ids) == text
    assert Pieces.from_json(pieces.to_json()).encode(texts[0]) == pieces.encode(texts[0])


def test_pages_and_sentences():
    html = '<div id="DisplayArea"><p id="b">Choose <b>File</b>. It opens<br> a file.</p></div>'
    assert manuals.Page(html).blocks == {"b": "Choose File. It opens a file."}
    assert manuals.units("One. Two.", "Un. Deux.")[-1] == ("One. Two.", "Un. Deux.")
    assert manuals.fits("Opens the file menu", "Ouvre le menu du fichier")
    assert not manuals.fits("Two words", "Deux mots")


def test_missing_pages_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match=r"help-en-us.*libreoffice-help-en-us.*dpkg -x"):
        manuals.find(tmp_path, "en-US")


def test_strangers_keep_the_translations(tmp_path):
    ids = [([k] * (1 + k % 4), [k, 2]) for k in range(4, 40)]
    other = translators.strangers(ids, 0)
    assert [b for _, b in other] == [b for _, b in ids]
    assert all(a != b for (a, _), (b, _) in zip(ids, other))
    assert max(abs(len(a) - len(b)) for (a, _), (b, _) in zip(ids, other)) <= 3


def test_each_length_of_training_has_an_end_of_its_own(tmp_path):
    run = Run(tmp_path, scale="test")
    pairs = translators.texts(run)["ids"]["train"]
    make = lambda: translators.make(run, "reversed", 0)  # noqa: E731
    ends = dict(translators.trained(run, make(), 1e-2, [4, 8], pairs, 0))
    (only,) = (net for _, net in translators.trained(run, make(), 1e-2, [4], pairs, 0))
    for a, b in zip(ends[4].parameters(), only.parameters()):
        torch.testing.assert_close(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(ends[4].parameters(), ends[8].parameters()))


def test_a_rate_at_which_training_diverges_counts_as_an_even_guess(tmp_path):
    run = Run(tmp_path, scale="test")
    pairs, net = translators.texts(run)["ids"]["train"], translators.make(run, "reversed", 0)
    with pytest.raises(RuntimeError, match="norm is"):
        list(translators.trained(run, net, math.inf, [8], pairs, 0))
    even = math.log(net.config.target_vocab_size)
    assert translators.tune(run, "reversed", math.inf, 0) == pytest.approx(even)
    assert translators.tune(run, "reversed", 1e-2, 0) < even


def test_the_best_in_a_list_is_no_worse_than_the_first(tmp_path):
    run = Run(tmp_path, scale="test")
    first = [rows[0] for rows in phrase_based(run)["counts"]]
    assert bleu_of(np.array(oracle_of(run))) >= bleu_of(np.array(first))


# The translator -------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    pieces = [Pieces(["Click the button."] * 5, 40), Pieces(["Cliquez sur le bouton."] * 5, 40)]
    config = Seq2SeqConfig(len(pieces[0]), len(pieces[1]), 4, 5, 1, peephole=False, init=0.5)
    net = Seq2Seq(config, torch.Generator().manual_seed(0))
    shipped.keep(net, pieces, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", net.eval()


def said(argv):
    console = Console(record=True, width=100, highlight=False, file=open("/dev/null", "w"))  # noqa: SIM115
    return ask.main(argv, console), console.export_text()


def test_a_translator_is_kept_in_half_precision_with_its_pieces(kept):
    path, net = kept
    again, pieces = shipped.recall(path)
    assert again.config == net.config
    for a, b in zip(net.parameters(), again.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert len(shipped.translate(again, pieces, "Click the  button.", 3, 2)) == 2
    with pytest.raises(ValueError, match="nothing to translate in '東京'"):
        shipped.translate(again, pieces, "東京")
    status, text = said(["Click", "the", "button.", "--model", str(path)])
    assert status == 0
    assert "a vector of 10 numbers" in text


def test_the_command_says_what_is_not_there(tmp_path):
    status, text = said(["Click", "--model", str(tmp_path / "none.safetensors")])
    assert status == 1
    assert "no trained translator" in text
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    status, text = said(["Click", "--model", str(tmp_path / "other.safetensors")])
    assert status == 1
    assert "of another version" in text


def test_the_shipped_translator_is_small_enough():
    with torch.device("meta"):
        net = Seq2Seq.from_preset("desk")
    assert 2 * sum(p.numel() for p in net.parameters()) < 1_800_000
