"""What the claims rest on: the made-up language, the looking, the counts, the shipped model."""

import random

import pytest
import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from lessons.attention import PRESETS, RNNsearch, TranslatorConfig
from lessons.attention.claims import (
    ask,
    contest,
    grammar,
    looking,
    made_up,
    paper,
    shipped,
    translators,
)
from lessons.attention.claims.contest import fall, gap
from lessons.attention.claims.costs import products
from lessons.attention.claims.hard import HardSearch, harden
from lessons.attention.claims.pieces import Pieces
from lessons.attention.claims.translators import FALL, plan, trained
from lessons.attention.lab.run import Run

# The made-up language ------------------------------------------------------------------------


def test_the_language_is_as_described():
    assert (len(grammar.SOURCE) - 4, len(grammar.TARGET) - 4) == (52, 64)
    pairs = grammar.corpus(3000, 5)
    lengths = [len(pair.source) for pair in pairs]
    assert 5 <= min(lengths) <= 6
    assert max(lengths) <= 19
    assert pairs == grammar.corpus(3000, 5)
    both = {pair.source: pair.target for pair in pairs}
    assert len(both) == len(pairs)


def test_examples_by_hand():
    rng = random.Random(1)
    phrases = [grammar.noun_phrase(rng, 0, False) for _ in range(3000)]
    known = {" ".join(p.source): " ".join(word for word, *_ in p.target) for p in phrases}
    assert known["the old king"] == "lo rek veto"
    assert known["two good sad cats"] == "du gate trisa bona"
    pairs = [grammar.sentence(rng) for _ in range(4000)]
    known = {" ".join(pair.source): " ".join(pair.target) for pair in pairs}
    assert known["the boys hear a black queen often ."] == "sempe li neni una reka noka auden ."
    assert known["does a king not love two trees ?"] == "un rek du arbori ne ame ka ?"
    gold = {"hika": "here", "multe": "many", "ave": "birds", "trisa": "sad", "noka": "black",
            "un": "a", "nen": "boy", "auden": "hear", ".": "."}  # fmt: skip
    for pair in pairs:  # each word stands for its own, wherever it stands
        for word, place in zip(pair.target, pair.gold):
            assert gold.get(word, pair.source[place]) == pair.source[place]


@pytest.mark.parametrize("seed", range(3))
def test_every_target_word_has_its_source_word(seed):
    stems = {**grammar.MASCULINE, **grammar.FEMININE, **grammar.ADJECTIVES, **grammar.VERBS,
             **grammar.ADVERBS}  # fmt: skip
    for pair in grammar.corpus(500, seed):
        for word, place, moved in zip(pair.target, pair.gold, pair.moved, strict=True):
            english = pair.source[place]
            stem = next((s for s in (english, english.rstrip("s")) if s in stems), None)
            if stem is not None:
                assert word[:2] == stems[stem][:2], pair
            noun = english.rstrip("s") in grammar.MASCULINE | grammar.FEMININE
            assert not moved or noun or english in grammar.ADJECTIVES
        moved = [place for place, m in zip(pair.gold, pair.moved) if m]
        assert len(moved) != 1, "a noun and its adjectives move together"


def test_training_and_test_are_apart(tmp_path):
    run = Run(tmp_path, scale="test")
    parts = made_up.splits(run, short=True)
    assert all(len(pair.source) <= 10 for pair in parts["train"])
    assert not {p.source for p in parts["train"]} & {p.source for p in parts["test"]}


# Looking -------------------------------------------------------------------------------------


def test_order_of_what_is_looked_at():
    assert looking.tau([1, 2, 3, 4]) == 1
    assert looking.tau([4, 3, 2, 1]) == -1
    assert looking.tau([1, 1, 1]) == 0
    read = {name: looking.tau(list(places)) for name, places in paper.FIGURE_3.items()}
    assert min(read.values()) == pytest.approx(109 / 120)  # (d): five pairs turned round, one tie
    assert read["a"] == pytest.approx(84 / 91)


def test_weights_of_words_are_summed_and_averaged():
    alpha = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])
    found = looking.by_words(alpha, [("ab", 2), ("", 1)], [("xy", 2), ("", 1)])
    torch.testing.assert_close(found, torch.tensor([[0.45, 0.55], [0.0, 1.0]]))


def test_copied_words_stand_once_in_both():
    source = [(w, 1) for w in "Open Calc and Base or Calc 42 a".split()]
    target = [(w, 1) for w in "Ouvre Base et Calc ou 42 a".split()]
    assert looking.copied(source, target) == [(1, 3), (5, 6)]
    pieces = Pieces(["Press F11, 42 or 1 time."] * 5, 40)
    assert [word for word, _ in pieces.spans("Press 42, 1 or F11")] == [
        "Press", "42", ",", "1", "or", "F", "11", ""
    ]  # fmt: skip


def test_what_the_paper_says_in_figure_3_and_table_2():
    assert [sum(n) for n in zip(*paper.OWN_WORD.values())] == [50, 64]
    assert {k: len(v) for k, v in paper.FIGURE_3.items()} == {
        k: n for k, (_, n) in paper.OWN_WORD.items()
    }


def test_focus_is_a_share(tmp_path):
    run = Run(tmp_path, scale="test")
    found = looking.focus(run, translators.make(run, "search", 0), 0)
    assert 0 < found["even"] < found["around"] <= 1 + 1e-6
    assert len(found["by distance"]) % 2 == 1
    assert found["around"] < sum(found["by distance"]) <= 1 + 1e-6


# Training, hard alignment --------------------------------------------------------------------


def small(**changes):
    config = TranslatorConfig(12, 12, 4, 5, 6, 5, 4, **changes)
    return RNNsearch(config, torch.Generator().manual_seed(0))


PAIRS = [([4, 5, 2], [6, 7, 2]), ([8, 2], [9, 2]), ([5, 5, 4, 2], [7, 7, 6, 2])] * 20


def test_each_length_of_training_has_an_end_of_its_own(tmp_path):
    run = Run(tmp_path, scale="test")
    ends = dict(trained(run, small(), 1e-2, [10, 20], PAIRS, 0))
    (only,) = (net for _, net in trained(run, small(), 1e-2, [10], PAIRS, 0))
    assert list(ends) == [10, 20]
    # What the longer one does afterwards changes nothing of the shorter.
    batches = plan(PAIRS, 20, 0)
    assert batches[:10] == plan(PAIRS, 10, 0)[:10]
    for a, b in zip(ends[10].parameters(), only.parameters()):
        torch.testing.assert_close(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(ends[10].parameters(), ends[20].parameters()))
    assert 0 < FALL < 1


def test_branches_go_on_from_one_training(tmp_path):
    run = Run(tmp_path, scale="test")
    nets = [net for _, net in trained(run, small(), 1e-2, [10], PAIRS, 0, (None, None, harden))]
    assert [type(net) for net in nets] == [RNNsearch, RNNsearch, HardSearch]
    for a, b in zip(nets[0].parameters(), nets[1].parameters()):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[2].parameters()))


def test_pieces_count_where_a_word_ends_with_them(tmp_path):
    run = Run(tmp_path, scale="test")
    known = translators.texts(run)
    names, ids = known["pieces"][1].names, known["ids"]["test"]
    letters = [i for i, name in enumerate(names) if name.strip().isalpha() and len(name) < 3]
    net = translators.make(run, "search", 0).eval()
    whole = translators.forced(run, net, ids, letters)
    assert whole["count"] == sum(len(tgt) for _, tgt in ids)
    assert whole["nats"] == pytest.approx(translators.forced(run, net, ids)["nats"])
    found = whole["only"]["count"]
    after = [(x, y) for _, tgt in ids for x, y in zip(tgt, [*tgt[1:], 0]) if x in letters]
    assert found == sum(not names[y][:1].isalpha() for _, y in after) < len(after)


def test_a_paper_run_says_that_it_has_no_translators(tmp_path):
    with pytest.raises(ValueError, match="--paper has no translators"):
        translators.texts(Run(tmp_path, scale="paper"))


def test_a_hard_alignment_looks_at_one_word_and_learns():
    net = small()
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.7, generator=torch.Generator().manual_seed(1))
    src, tgt = torch.tensor([[4, 5, 6, 2], [7, 2, 0, 0]]), torch.tensor([[8, 9, 2], [4, 2, 0]])
    _, soft = net(src, None, tgt)
    hard = harden(net)
    assert isinstance(hard, HardSearch)
    _, weights = hard(src, None, tgt)
    assert torch.equal(weights.detach().round().sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(weights.detach(), weights.detach().round())
    assert weights[0, 0].argmax() == soft[0, 0].argmax()
    hard.loss(src, None, tgt).backward()
    assert (hard.attention.query.weight.grad != 0).any()


def test_scores_of_the_contest():
    curve = [{"by length": {"11–20": 20.0, "31–50": 12.0}, "bleu": 5.0}]
    other = [{"by length": {"11–20": 21.0, "31–50": 15.0}, "bleu": 4.0}]
    assert (fall(curve[-1]), contest.kept(curve[-1])) == (-8, 0.6)
    found = gap([curve, other], [other, curve])
    assert (found.mean, found.n) == (0.0, 2)
    shares = {name: contest.kept({"by length": bins}) for name, bins in paper.BINS.items()}
    want = {"search-50": 1.02, "search-30": 0.59, "encdec-50": 0.62, "encdec-30": 0.33}
    assert shares == {name: pytest.approx(share, abs=0.005) for name, share in want.items()}
    assert contest.kept({"by length": {"11–20": 0.0, "31–50": 1.0}}) == 0


# Costs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [(5, 7), (40, 40)])
def test_products_are_those_that_torch_counts(source, target):
    c = PRESETS["rnnsearch-50"]
    with torch.device("meta"):
        net = RNNsearch(c)
        src = torch.zeros(1, source, dtype=torch.long)
        tgt = torch.zeros(1, target, dtype=torch.long)
        length = torch.full((1,), source)
    with FlopCounterMode(display=False) as counter:
        net(src, length, tgt)
    counted = counter.get_total_flops() / 2
    # v_a · tanh is a matrix times a vector, which the counter may pass over.
    unseen = source * target * c.alignment_size
    assert counted in (sum(products(c, source, target).values()) - k * unseen for k in (0, 1))


def test_keys_anew_cost_what_the_paper_avoids():
    c = PRESETS["rnnsearch-50"]
    once, anew = products(c, 30, 20), products(c, 30, 20, keys_once=False)
    assert anew["keys"] == 20 * once["keys"]


# The translator ------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    pieces = [Pieces(["Click the button."] * 5, 40), Pieces(["Cliquez sur le bouton."] * 5, 40)]
    net = RNNsearch(TranslatorConfig(len(pieces[0]), len(pieces[1]), 4, 5, 6, 5, 4))
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.3, generator=torch.Generator().manual_seed(0))
    shipped.keep(net, pieces, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", net.eval(), pieces


def test_a_translator_is_kept_in_half_precision_with_its_pieces(kept):
    path, net, pieces = kept
    again, others = shipped.recall(path)
    assert again.config == net.config
    assert others[0].encode("Click it.") == pieces[0].encode("Click it.")
    for a, b in zip(net.parameters(), again.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    found = shipped.translate(again, others, "Click the  button.", beam=3)
    assert found.source == ["Click", "the", "button", "."]
    assert found.weights.shape == (len(found.target), 4)
    with pytest.raises(ValueError, match="nothing to translate in '東京'"):
        shipped.translate(again, others, "東京")


def test_the_shipped_translator_is_small_enough():
    sizes = {"embedding_size": 64, "encoder_size": 96, "decoder_size": 192, "alignment_size": 192,
             "maxout_size": 64}  # fmt: skip
    net = RNNsearch(TranslatorConfig(2000, 2000, **sizes))
    assert 2 * sum(p.numel() for p in net.parameters()) < 1_800_000


def said(argv):
    console = Console(record=True, width=100, highlight=False, file=open("/dev/null", "w"))  # noqa: SIM115
    return ask.main(argv, console), console.export_text()


def test_the_command_translates_and_shows_where_it_looked(kept, tmp_path):
    path, *_ = kept
    svg = tmp_path / "a.svg"
    status, text = said(["Click", "the", "button.", "--model", str(path), "--svg", str(svg)])
    assert status == 0
    assert "1:Click 2:the 3:button 4:." in text
    assert svg.read_text("utf-8").count("<text") > 4


def test_the_command_says_what_is_not_there(tmp_path):
    status, text = said(["Click", "--model", str(tmp_path / "none.safetensors")])
    assert status == 1
    assert "no trained translator" in text
    assert "--full --claim D1 --data FOLDER" in text
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    status, text = said(["Click", "--model", str(tmp_path / "other.safetensors")])
    assert status == 1
    assert "of another version" in text
