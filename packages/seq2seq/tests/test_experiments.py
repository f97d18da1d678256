"""What the claims rest on: texts, phrases, scores, made-up languages, the shipped model."""

import math

import numpy as np
import pytest
import torch
from rich.console import Console

from lessons.seq2seq import PRESETS, Ensemble, Seq2Seq, Seq2SeqConfig, lags, rescore
from lessons.seq2seq.claims import (
    alignment,
    ask,
    contest,
    counterparts,
    grammar,
    manuals,
    padding,
    phrases,
    rescoring,
    sentences,
    shipped,
    translators,
    vectors,
)
from lessons.seq2seq.claims.baseline import best_of, lists_of, oracle_of
from lessons.seq2seq.claims.beams import WELL, products
from lessons.seq2seq.claims.contest import FIGURE_3, FIGURE_3_RIGHT
from lessons.seq2seq.claims.lengths import MINOR, RARER
from lessons.seq2seq.claims.pieces import EOS, UNKNOWN, Pieces
from lessons.seq2seq.claims.reversing import MARKED
from lessons.seq2seq.claims.scoring import bleu_of, bleus, bootstrap, counts, jackknife, words
from lessons.seq2seq.claims.sentences import Both, Score, over_sentences, pack, unpack
from lessons.seq2seq.lab.run import Run
from lessons.seq2seq.lab.statistics import HOLDS, NOT_SEEN, UNDECIDED, Interval, interval

# Lines of the rules --------------------------------------------------------------------------


def test_lines_are_drawn_from_the_paper_s_numbers():
    assert pytest.approx(0.105, abs=5e-4) == MARKED  # half of log(5.8/4.7)
    assert pytest.approx(0.896, abs=5e-4) == WELL  # twice the loss of 33.00 of 34.81
    assert np.exp(MINOR) == pytest.approx(0.885, abs=5e-4)  # twice the fall of 36.4 to 34.3
    lstm = dict(zip(FIGURE_3["words"], FIGURE_3["LSTM"]))
    assert (lstm[12], lstm[35], lstm[79]) == (33.8, 36.4, 34.3)
    falls = [1 - b / a for a, b in zip(FIGURE_3["LSTM"][3:7], FIGURE_3["LSTM"][4:8])]
    assert max(falls) < 0.02
    assert pytest.approx(-0.104, abs=5e-4) == RARER / 2  # half the fall of Figure 3, right


def test_the_right_half_of_figure_3_adds_up_to_table_1():
    # Its points stand at the ends of slices: weighted with these they are near the whole's BLEU.
    ends = FIGURE_3_RIGHT["sentences"]
    widths = np.diff([0, *ends])
    assert np.average(FIGURE_3_RIGHT["LSTM"], weights=widths) == pytest.approx(34.81, abs=0.5)
    assert np.average(FIGURE_3_RIGHT["baseline"], weights=widths) == pytest.approx(33.30, abs=0.5)


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
    before = bleu_of([counts(words(system.translate(e)[0][0]), words(f)) for e, f in PAIRS[:4]])
    assert system.tune(PAIRS[:4], 1) >= before


def test_steps_that_lead_far_below_the_best_are_left_out_without_loss(monkeypatch):
    system = phrases.Phrases(PAIRS * 3, ["the blue house", "a blue flower the book"])
    found = {
        text: system.translate(text)[0] for text in ("the blue house", "a blue flower the book")
    }
    taken = []
    extend = phrases.Phrases._extend
    monkeypatch.setattr(phrases.Phrases, "_extend",
                        lambda *args: taken.append(1) or extend(*args))  # fmt: skip
    system.translate("a blue flower the book")
    few = len(taken)
    monkeypatch.setattr(phrases, "NEAR", math.inf)
    taken.clear()
    for text, best in found.items():
        assert system.translate(text)[0] == best
    system_all = len(taken)
    assert few < system_all


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


def test_the_jackknife_of_a_mean_is_student_s_interval():
    values = [3.0, 5.0, 4.0, 9.0, 1.0]
    found = jackknife(4.4, [(22.0 - x) / 4 for x in values])
    want = interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx((want.mean, want.low, want.high))
    assert found.n == 5


def test_rows_are_kept_in_a_line():
    rows = [[1, 2, 3], [400_000, 0, 7]]
    assert unpack(pack(rows)).tolist() == rows
    assert "\n" not in pack(rows)
    lists = [["l'été", "a"], [], ["b"]]
    assert sentences.unpack_lists(sentences.pack_lists(lists)) == lists


def test_intervals_over_sentences_are_of_the_mean_over_nets():
    rng = np.random.default_rng(0)
    nets = [rng.integers(1, 9, (200, 13)).astype(float) for _ in range(3)]
    mean = Score(lambda sums: sums[:, sentences.NATS] / sums[:, sentences.PIECES])
    found = over_sentences([(rows,) for rows in nets], lambda a: a(mean))
    assert found.mean == pytest.approx(np.mean([r[:, 10].sum() / r[:, 11].sum() for r in nets]))
    assert found.low < found.mean < found.high
    assert found.n == 200
    same = over_sentences([(rows, rows) for rows in nets], lambda a, b: a(mean) - b(mean))
    assert (same.low, same.mean, same.high) == (0, 0, 0)
    # Of half of the sentences the interval is wider, and what the others hold does not matter.
    half = {"all": np.arange(200) < 100}
    narrow = over_sentences([(rows,) for rows in nets], lambda a: a(mean), half)
    assert narrow.high - narrow.low > found.high - found.low
    nets[0][100:] = 1e6
    again = over_sentences([(rows,) for rows in nets], lambda a: a(mean), half)
    assert (again.low, again.high) == (narrow.low, narrow.high)


@pytest.mark.parametrize(
    ("nets", "over", "verdict"),
    [
        ((1, 2), (1, 2), HOLDS), ((1, 2), (-1, 4), UNDECIDED), ((-1, 4), (1, 2), UNDECIDED),
        ((-2, -1), (-3, -1), NOT_SEEN), ((-1, 1), (-2, 2), UNDECIDED),
    ],
)  # fmt: skip
def test_a_verdict_needs_both_intervals(nets, over, verdict):
    made = [Interval((low + high) / 2, low, high, 5) for low, high in (nets, over)]
    assert Both(*made).judge(above=0.0).verdict == verdict


def test_it_is_computed_how_many_would_decide():
    over = Interval(1.0, -1.0, 3.0, 400)
    assert contest.sentences_needed(over, 0.0) == 1600  # half as wide
    assert contest.sentences_needed(Interval(0.0, -1.0, 1.0, 400), 0.0) is None
    nets = Interval(1.0, 0.5, 1.5, 5)
    assert contest.would_decide(Both(nets, over), 0.0) == (
        "About 1,600 sentences, of which these are 400."
    )
    wide = Interval(1.0, -0.5, 2.5, 5)
    text = contest.would_decide(Both(wide, over), 0.0)
    assert text.startswith("About ")
    assert " nets, and about 1,600 sentences" in text


def test_the_grid_of_rates_grows_until_the_best_is_inside():
    best, tried = contest.tuned(1.0, lambda rate: abs(math.log2(rate) - 3))
    assert best == 8.0
    assert sorted(tried) == [0.5, 1, 2, 4, 8, 16]
    best, tried = contest.tuned(1.0, lambda rate: -rate, most=5)
    assert len(tried) == 5
    assert "at the edge" in contest.grid(best, tried)


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
    assert bleu_of(oracle_of(run)) >= bleu_of(best_of(run))
    apart, test = (lists_of(run, part) for part in ("apart", "test"))
    assert len(apart.texts) == 2
    for known in (apart, test):
        assert {len(x) for x in (known.texts, known.base, known.counts)} == {len(known.pairs)}
        for some, rows, (_, right) in zip(known.texts, known.counts, known.pairs):
            assert rows.tolist() == [counts(words(text), words(right)) for text in some]


def test_many_ensembles_rescore_at_once_as_each_does_alone(tmp_path):
    run = Run(tmp_path, scale="test")
    models = [translators.make(run, "reversed", seed).eval() for seed in range(3)]
    known, pieces = lists_of(run, "test"), translators.texts(run)["pieces"]
    sets = [[0], [0, 2], [0, 1, 2]]
    found = rescoring.rescored(run, models, sets, known, "test")
    sources = [pieces[0].encode(en)[:-1] for en, _ in known.pairs]
    lists = [[pieces[1].encode(text) for text in some] for some in known.texts]
    for some, ours in zip(sets, found):
        want = rescore(Ensemble([models[i] for i in some]), sources, lists, known.base, 0.3)
        for a, b, c in zip(ours, known.base, want):
            assert 0.3 * np.array(a) + 0.7 * np.array(b) == pytest.approx(c, abs=1e-5)


def test_scores_are_those_of_the_sentences(tmp_path):
    run = Run(tmp_path, scale="test")
    net, known = translators.make(run, "reversed", 0).eval(), translators.texts(run)
    told, text = translators.scores(run, net, 0)
    rows = unpack(text)
    answers = translators.translate(run, net, [a for a, _ in known["ids"]["test"]])
    assert rows[:, :10].tolist() == translators.measured(answers, known["texts"]["test"])
    loss = translators.forced(run, net, known["ids"]["test"])["nats"]
    assert rows[:, sentences.NATS] == pytest.approx(100 * loss, abs=0.5)
    pieces = sum(len(b) for _, b in known["ids"]["test"])
    assert told["scores"]["nats"] == pytest.approx(loss.sum() / pieces, abs=1e-3)
    groups = translators.groups_of(run)
    assert sum(groups[name] for name in translators.THIRDS).tolist() == groups["all"].tolist()
    one = rows[groups["rare words"]][:, :10].sum(0)[None]
    assert told["scores"]["bleu rare words"] == pytest.approx(bleus(one)[0])


def test_losses_are_watched_to_the_end_of_the_longest_training(tmp_path):
    run = Run(tmp_path, scale="test")
    found = contest.learn(run, "reversed", 1e-2, [4, 8], 0)
    assert [each["step"] for each in found] == [4, 8]
    assert [row[0] for row in found[-1]["curve"]] == [2, 4, 6, 8]
    assert found[-1]["curve"][-1][2] < found[-1]["curve"][0][2], "dev loss falls"
    assert "rows" not in found[0]


def test_work_on_padding_is_counted():
    pairs = [([4], [4, 2]), ([4] * 3, [4] * 5)]
    apart, total = padding.work(pairs, [[0], [1]])
    assert (apart, total) == (4 * 32e6 + 7 * 112e6, 11)
    assert padding.work(pairs, [[1, 0]]) == (2 * (3 * 32e6 + 5 * 112e6), 16)


def test_the_smallest_lags_of_aligned_pairs(tmp_path):
    run = Run(tmp_path, scale="test")
    rows = unpack(counterparts.least_lags(run, 0)["rows"])
    # Links within a sentence of n words: forward all lags are about n; reversed the first are 1.
    assert (rows[:, 2] <= rows[:, 4] / rows[:, 1]).all()
    assert (rows[:, 3] <= rows[:, 5] / rows[:, 1]).all()
    found = counterparts.ratio_of_least(rows, 0)
    assert found.mean == pytest.approx(rows[:, 3].mean() / rows[:, 2].mean())
    assert found.low < found.mean < found.high < 1
    many = np.tile(rows[:, 2:4], (60, 1))
    drawn = counterparts.times_in_parts(many, 0)
    assert drawn.mean(0) == pytest.approx(many.sum(0), rel=0.01)


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
