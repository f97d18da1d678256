"""The use of the scores: phrase tables, eq. 9 and its tuning, BLEU, the neural language model."""

import gzip

import numpy as np
import pytest
import torch

from lessons.encoder_decoder import (
    CSLM,
    CSLMConfig,
    EncoderDecoderConfig,
    LogLinear,
    PhraseTable,
    RNNEncoderDecoder,
    Shortlist,
    score_pairs,
)
from lessons.encoder_decoder.bleu import FIELDS, bleu, counts, from_counts

PAIRS = [
    (("the", "end"), ("la", "fin")), (("the", "end"), ("fin",)), (("of",), ("de",)),
    (("of", "the", "end"), ("de", "la", "fin")),
]  # fmt: skip


def shortlists():
    return [Shortlist([pair[k] for pair in PAIRS], 6) for k in (0, 1)]


def model():
    config = EncoderDecoderConfig(6, 6, 4, 5, 3, None)
    return RNNEncoderDecoder(config, torch.Generator().manual_seed(0)).double().eval()


# Phrase tables -------------------------------------------------------------------------------


def test_a_shortlist_has_the_most_frequent_words():
    source, target = shortlists()
    assert source.words == ["<pad>", "[UNK]", "</s>", "end", "the", "of"]
    assert target.words == ["<pad>", "[UNK]", "</s>", "fin", "de", "la"]
    small = Shortlist([("a", "b", "b")], 4)
    assert small.ids(("b", "a")) == [3, 1, 2]
    assert small.unknown(("b", "a")) == 1
    assert source.phrase([4, 3, 2, 5]) == ("the", "end")
    with pytest.raises(ValueError, match="at least 4, got 3"):
        Shortlist([], 3)


def test_a_rescored_table_has_one_more_score_in_its_own_order(tmp_path):
    source, target = shortlists()
    table = PhraseTable(PAIRS, {"direct": [0.7, 0.3, 1.0, 1.0]})
    net = model()
    new = table.rescored(net, source, target)
    assert new.scores["direct"] == table.scores["direct"]
    assert "rnn" not in table.scores
    for (e, f), value in zip(PAIRS, new.scores["rnn"]):
        alone = net.score(torch.tensor([source.ids(e)]), torch.tensor([target.ids(f)]))
        assert value == pytest.approx(alone.item(), rel=1e-12)
    assert new.scores["rnn"][1] > new.scores["rnn"][0]  # at random weights the shorter one wins
    assert table.best("direct")[("the", "end")] == [("la", "fin"), ("fin",)]
    assert new.best("rnn", 1)[("the", "end")] == [("fin",)]
    new.write(tmp_path / "table.txt")
    again = PhraseTable.read(tmp_path / "table.txt", ["direct", "rnn"])
    assert again.pairs == PAIRS
    assert again.scores == new.scores
    with pytest.raises(ValueError, match="a score 'rnn' already"):
        new.rescored(net, source, target)
    with pytest.raises(ValueError, match="no score 'lex'; there are direct"):
        table.best("lex")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a ||| b", "line 1: 'source"), ("a ||| b ||| x", "line 1: 'source"),
        ("a ||| b ||| 1\nc ||| d ||| 1 2", "line 2: 2 scores, the first line has 1"),
    ],
)  # fmt: skip
def test_lines_of_another_form_are_named(tmp_path, text, message):
    (tmp_path / "t").write_text(text)
    with pytest.raises(ValueError, match=message):
        PhraseTable.read(tmp_path / "t")


def test_words_of_a_table_end_at_spaces_and_lines_at_line_feeds(tmp_path):
    pairs = [(("10\u00a0km",), ("dix\u2028x", "km")), (("a\x85", "b"), ("c\rd",))]
    PhraseTable(pairs, {"p": [0.5, 0.25]}).write(tmp_path / "t")
    assert PhraseTable.read(tmp_path / "t", ["p"]).pairs == pairs
    (tmp_path / "t").write_text("")
    assert PhraseTable.read(tmp_path / "t", ["p"]).pairs == []


@pytest.mark.parametrize("name", ["phrase-table", "phrase-table.gz"])
def test_a_table_of_moses_keeps_what_stands_behind_its_numbers(tmp_path, name):
    lines = [
        "the end ||| la fin ||| 0.5 0.25 ||| 0-0 1-1 ||| 2 4 1 ||| |||",
        "end ||| fin ||| 1.0 0.5",
    ]
    path = tmp_path / name
    opened = gzip.open if name.endswith("gz") else open
    with opened(path, "wt") as file:
        file.write("\n".join(lines) + "\n")
    source, target = shortlists()
    table = PhraseTable.read(path)
    assert table.rest == [" 0-0 1-1 ||| 2 4 1 ||| |||", ""]
    table.write(path)
    with opened(path, "rt") as file:
        assert file.read().splitlines() == lines
    new = table.rescored(model(), source, target, log=False)
    new.write(path)
    assert PhraseTable.read(path, ["0", "1", "rnn"]) == new
    with opened(path, "rt") as file:
        first, second = file.read().splitlines()
    score = repr(new.scores["rnn"][0])
    assert first == f"the end ||| la fin ||| 0.5 0.25 {score} ||| 0-0 1-1 ||| 2 4 1 ||| |||"
    assert second.count("|||") == 2
    with pytest.raises(ValueError, match="rest has 1 texts for 4 pairs"):
        PhraseTable(PAIRS, {}, ["x"])


@pytest.mark.parametrize(
    "call",
    [
        lambda: Shortlist(["the end"], 9), lambda: shortlists()[0].ids("the end"),
        lambda: shortlists()[0].unknown("the end"),
        lambda: PhraseTable([(("the", "end"), "la fin")]),
    ],
)  # fmt: skip
def test_a_text_is_no_phrase(call):
    with pytest.raises(TypeError, match=r"a tuple of words, got the text '(the end|la fin)'"):
        call()


def test_moses_gets_probabilities():
    source, target = shortlists()
    table, net = PhraseTable(PAIRS, {}), model()
    log = table.rescored(net, source, target).scores["rnn"]
    found = table.rescored(net, source, target, log=False).scores["rnn"]
    assert found == pytest.approx([np.exp(x) for x in log])
    assert all(0 < p < 1 for p in found)


def test_scores_for_other_pairs_and_empty_phrases_are_errors():
    source, target = shortlists()
    with pytest.raises(ValueError, match="pair 1 has an empty phrase"):
        PhraseTable([(("a",), ("b",)), (("a",), ())]).rescored(model(), source, target)
    with pytest.raises(ValueError, match="the target list has 4 words, the model"):
        PhraseTable(PAIRS).rescored(model(), source, Shortlist([("a",)], 9))
    with pytest.raises(ValueError, match="'direct' has 1 numbers for 4 pairs"):
        PhraseTable(PAIRS, {"direct": [0.1]})
    with pytest.raises(ValueError, match="the target of pair 1 is empty"):
        score_pairs(model(), [([3, 2], [3, 2]), ([3, 2], [])])
    with pytest.raises(ValueError, match="batch must be at least 1"):
        score_pairs(model(), [], batch=0)


# Equation 9 ----------------------------------------------------------------------------------


def test_the_best_candidate_has_the_largest_weighted_sum():
    loglinear = LogLinear(["a", "b"], [1.0, -2.0])
    features = [np.array([[1.0, 0.0], [4.0, 1.0]]), np.array([[3.0, 1.0], [0.0, 0.0]])]
    np.testing.assert_allclose(loglinear.score(features[0]), [1.0, 2.0])
    assert loglinear.choose(features) == [1, 0]


def test_tuning_finds_weights_that_choose_the_right_candidates():
    generator = np.random.default_rng(0)
    features, quantities = [], []
    for _ in range(60):  # right is what has the largest 2a − b; c is noise
        x = generator.normal(size=(6, 3))
        right = (2 * x[:, 0] - x[:, 1]).argmax()
        features.append(x)
        quantities.append((np.arange(6) == right)[:, None].astype(float))
    loglinear = LogLinear(["a", "b", "c"])
    before = np.mean([q[k, 0] for q, k in zip(quantities, loglinear.choose(features))])
    measure = lambda sums: sums[..., 0] / 60  # noqa: E731
    after = loglinear.fit(features, quantities, measure, fixed=["a"])
    assert before < 0.6
    assert after > 0.9
    a, b, c = loglinear.weights / loglinear.weights[0]
    assert a == 1
    assert -0.7 < b < -0.35
    assert abs(c) < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LogLinear(["a"], [1.0, 2.0]), "each of 1 features"),
        (lambda: LogLinear(["a"], [np.nan]), "the weight of a is not finite"),
        (lambda: LogLinear(["a"]).score(np.ones((2, 2)), 5), "features of sentence 5"),
        (lambda: LogLinear(["a"]).score(np.array([[1.0], [np.inf]])), "a of candidate 1, sentence"),
        (lambda: LogLinear(["a"]).fit([], [], from_counts), "at least one"),
        (
            lambda: LogLinear(["a"]).fit([np.ones((2, 1))], [np.ones((1, 1))], from_counts),
            "sentence 0 has 2 candidates with features and 1",
        ),
    ],
)
def test_features_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# BLEU ----------------------------------------------------------------------------------------


def test_a_text_is_no_list_of_words():
    with pytest.raises(TypeError, match="list of words"):
        bleu(["the cat"], [["the", "cat"]])


def test_bleu_is_a_function_of_sums():
    said, right = list("abcdefg"), list("abcdexg")
    rows = np.array([counts(said, right), counts(list("abcd"), list("abcde"))])
    assert rows.shape == (2, FIELDS)
    assert rows[0].tolist() == [7, 7, 6, 7, 4, 6, 3, 5, 2, 4]
    whole = bleu([said, list("abcd")], [right, list("abcde")])
    assert whole == pytest.approx(float(from_counts(rows.sum(0))))
    p = [10 / 11, 7 / 9, 5 / 7, 3 / 5]
    assert whole == pytest.approx(100 * np.prod(p) ** 0.25 * np.exp(1 - 12 / 11))
    assert bleu([list("ab")], [list("ab")]) == 0


# The neural language model (§4.1.2) -------------------------------------------------------------


def test_the_language_models_size():
    with torch.device("meta"):
        net = CSLM.from_preset("paper")
    k, m = 15_000, 512
    want = k * m + (6 * m * 1536 + 1536) + (1536 * 1024 + 1024) + (1024 + 1) * k
    assert 6 * m == 3072  # "a 3072-dimensional vector"
    assert sum(p.numel() for p in net.parameters()) == want
    with pytest.raises(ValueError, match="no preset 'big'"):
        CSLM.from_preset("big")
    with pytest.raises(ValueError, match="order must be at least 2"):
        CSLMConfig(order=1)


def test_it_sees_so_many_words_and_no_more():
    net = CSLM(CSLMConfig(9, 3, 4, (5,)), torch.Generator().manual_seed(0)).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    text = torch.tensor([[4, 5, 6, 7, 2], [8, 2, 0, 0, 0]])
    log = net.log_probability(text)
    assert (log[1, 2:] == 0).all()
    for t in range(5):
        window = ([0, 0, *text[0].tolist()])[t : t + 2]
        want = net(torch.tensor(window)).log_softmax(-1)[text[0, t]]
        torch.testing.assert_close(log[0, t], want)
    torch.testing.assert_close(net.loss(text), -log.sum() / 7)
    with pytest.raises(ValueError, match="order − 1"):
        net(torch.zeros(1, 3, dtype=torch.long))
