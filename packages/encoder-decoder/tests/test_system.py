"""The translation system that the claims build: alignment, extraction, language model, search."""

import itertools
import random

import numpy as np
import pytest
import torch

from lessons.encoder_decoder import PRESETS, EncoderDecoderConfig, PhraseTable, Shortlist
from lessons.encoder_decoder.claims import (
    aligning,
    ask,
    choices,
    contest,
    gates,
    made_up,
    nets,
    probing,
    rescoring,
    search,
    shipped,
    system,
    telling,
)
from lessons.encoder_decoder.claims.ngrams import Trigrams
from lessons.encoder_decoder.lab.run import Run
from lessons.encoder_decoder.lab.statistics import Interval, judge

TEXTS = [tuple(t.split()) for t in ("a b c a", "a b", "c a b", "b b a c")]


def test_model_1_learns_a_dictionary():
    pairs = made_up.phrases(150, 0, 1, 4)
    table, places = aligning.model_1(pairs, 8)
    for e, f in made_up.FRENCH.items():
        assert table[e, f] == max(v for (a, _), v in table.items() if a == e)
    right = total = 0
    for (e, f), row in zip(pairs, places):
        right += sum(i >= 0 and made_up.FRENCH[e[i]] == w for w, i in zip(f, row))
        total += len(f)
    assert right / total > 0.9
    sums = {}
    for (e, _), v in table.items():
        sums[e] = sums.get(e, 0.0) + v
    assert all(v == pytest.approx(1) for v in sums.values())


def test_phrases_are_those_that_no_link_leaves():
    # Source 0 1 2, target 0 1 2 with 1 and 2 exchanged.
    links = {(0, 0), (1, 2), (2, 1)}
    found = set(aligning.spans(links, 3, 3))
    want = {(0, 1, 0, 1), (1, 2, 2, 3), (2, 3, 1, 2), (1, 3, 1, 3), (0, 3, 0, 3)}
    assert found == want
    # A target word without a link may go with either neighbour, or with both.
    assert set(aligning.spans({(0, 0), (1, 2)}, 2, 3)) == {
        (0, 1, 0, 1), (0, 1, 0, 2), (1, 2, 2, 3), (1, 2, 1, 3), (0, 2, 0, 3),
    }  # fmt: skip


def test_links_grow_from_what_both_directions_have():
    assert aligning.grown([0, 1], [0, 1]) == {(0, 0), (1, 1)}
    assert aligning.grown([0, 0], [0]) == {(0, 0), (0, 1)}
    assert aligning.grown([-1], [-1]) == set()


def test_the_language_models_probabilities_sum_to_one():
    model = Trigrams(TEXTS)
    words = np.arange(model.size)
    for u, v in itertools.product(range(model.size), repeat=2):
        log = model.log(np.full(model.size, u), np.full(model.size, v), words)
        assert np.exp(log).sum() == pytest.approx(1, abs=1e-9)
    assert model.text(("a", "b")) > model.text(("b", "a"))
    assert np.isfinite(model.text(("never", "seen")))


@pytest.mark.parametrize("beam", [1, 50])
def test_the_search_finds_the_best_translation(beam):
    model, lm = Trigrams(TEXTS), 0
    generator = np.random.default_rng(0)
    spans = {}
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3)):
        targets = [tuple("a"), ("b", "c"), ("c", "a", "b")][: 3 if j - i == 1 else 2]
        features = np.concatenate([np.zeros((len(targets), 1)),
                                   generator.normal(size=(len(targets), 2))], 1)  # fmt: skip
        spans[i, j] = search.Span(targets, features, [[model.id(w) for w in t] for t in targets])
        spans[i, j].prepare(model, lm)
    weights = np.array([0.8, 1.0, -0.5])
    found = search.best(spans, 3, weights, model, lm, beam)
    for words, features in found:
        assert features[lm] == pytest.approx(model.text(words))
    scores = [float(x @ weights) for _, x in found]
    assert scores == sorted(scores, reverse=True)
    assert len({words for words, _ in found}) == len(found)
    best = -np.inf
    for cut in ([(0, 1), (1, 2), (2, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 3)]):
        for row in itertools.product(*(range(len(spans[c].targets)) for c in cut)):
            words = tuple(w for c, o in zip(cut, row) for w in spans[c].targets[o])
            fixed = sum(float(spans[c].features[o, 1:] @ weights[1:]) for c, o in zip(cut, row))
            best = max(best, fixed + weights[0] * model.text(words))
    if beam > 1:
        assert scores[0] == pytest.approx(best)
    else:
        assert scores[0] <= best + 1e-9


def system_of(occurring, options, counts):
    words = sorted({w for e, _ in [*occurring, *counts] for w in e})
    known = Shortlist([words], 3 + len(words)), Shortlist([words], 40)
    spans = {
        e: search.Span(list(row), np.log(np.array([[p] for p in row.values()])), [])
        for e, row in options.items()
    }
    return system.System({}, counts, spans, {}, occurring, Trigrams(TEXTS), known)


def test_of_equally_likely_targets_none_is_the_tables_choice():
    e, d, x, y = tuple("abcd"), tuple("abce"), ("x",), ("y",)
    pairs = [(e, x), (e, x), (d, y)]
    tied = {e: {x: 0.5, y: 0.5}, d: {x: 0.75, y: 0.25}}
    s = system_of(pairs, tied, {(e, x): 1, (e, y): 1, (d, x): 3, (d, y): 1})
    found = choices.chosen(s, {(e, x): -1.0, (e, y): -2.0, (d, x): -2.0, (d, y): -1.0})
    assert (found["long"], found["phrases"], found["different"]) == (2, 1, 1)
    assert found["each"] == ["1 0"]  # of d the net says y, which the page has


def test_how_sure_a_table_is_and_how_often_it_is_right():
    e, d, x, y = tuple("abcd"), tuple("abce"), ("x",), ("y",)
    s = system_of([(e, x), (e, y), (d, x)], {e: {x: 0.75, y: 0.25}, d: {x: 0.5, y: 0.5}},
                  {(e, x): 3, (e, y): 1, (d, x): 1, (d, y): 1})  # fmt: skip
    # e: 0.75 sure, right in one of two; d: one half sure, right half the time of a random choice.
    assert choices.confident(s) == [(4, 0.25, 2.0), (2, 0.0, 1.0)]


def test_phrases_of_one_meaning_have_a_rival_with_the_same_words():
    x, y, z = ("x",), ("y",), ("z",)
    phrases = {("a", "b"): x, ("the", "b"): x, ("of", "b"): y, ("the", "c"): z}
    options = {e: {f: 0.9} for e, f in phrases.items()}
    s = system_of([], options, dict.fromkeys(phrases.items(), 3))
    assert probing.triples(s) == [(("a", "b"), ("the", "b"), ("of", "b"))]
    s.counts[("a", "b"), x] = 2  # too seldom to be trusted
    assert probing.triples(s) == []


def test_a_verdict_of_two_intervals_is_one_that_both_share():
    sides = {"above": (0.1, 0.3), "on": (-0.2, 0.4), "below": (-0.3, -0.1)}
    judged = {
        name: judge(Interval(sum(ends) / 2, *ends, 5), above=0.0, paper_regime=False)
        for name, ends in sides.items()
    }
    for (a, x), (b, y) in itertools.product(judged.items(), repeat=2):
        want = x.verdict if a == b else "undecided"
        assert telling.agreed([x, y]).verdict == want, (a, b)


def test_of_gates_nothing_is_said_unless_the_gated_nets_have_learned():
    far = judge(Interval(-0.3, -0.4, -0.2, 5), below=0.0, paper_regime=False)
    assert far.verdict == "holds"
    assert gates.if_learned(far, Interval(0.2, 0.1, 0.3, 5)) == far
    for low, high in ((-0.1, 0.3), (-0.3, -0.1)):
        nothing = gates.if_learned(far, Interval((low + high) / 2, low, high, 5))
        assert (nothing.verdict, nothing.interval.low, nothing.line) == ("undecided", low, 0.0)


def test_of_a_training_as_printed_the_best_state_is_asked(tmp_path, monkeypatch):
    run, losses = Run(tmp_path, scale="test"), iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 9.0])
    states = []

    def nats(net, pairs):
        states.append({name: value.clone() for name, value in net.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(contest, "nats", nats)
    found = contest.printed(run, "tanh", 0, True)
    assert [row[2] for row in found["curve"]] == [3.0, 1.0, 2.0, 4.0, 5.0, 6.0]
    same = [all(torch.equal(s[n], states[-1][n]) for n in s) for s in states[:-1]]
    assert same == [False, True, False, False, False, False]


def test_what_the_nets_with_gates_learn_is_told_at_three_lengths():
    course = {"gru": (3.0, 2.0), "tanh": (3.5, 3.25), "blind": (4.0, 4.0)}
    rows = {
        kind: [{"curve": [[s, 0.0, early if s < 8 else late, 0.0] for s in range(1, 13)]}]
        for kind, (early, late) in course.items()
    }
    want = "3: 1.000 and 0.500; 6: 1.000 and 0.500; 12: 2.000 and 0.750."
    assert gates.by_steps(rows).endswith(want)


def test_how_far_a_net_ranks_as_the_counts_do():
    e, x, y, z = ("a",), ("x",), ("y",), ("z",)
    counts = {(e, x): 5, (e, y): 3, (e, z): 1}
    s = system_of([], {e: {x: 0.5, y: 0.3, z: 0.1}}, counts)
    for scores, want in (((-1.0, -2.0, -9.0), 1.0), ((-9.0, -2.0, -1.0), -1.0)):
        found = choices.ranked(s, dict(zip(counts, scores)))
        assert found == {"correlation": pytest.approx(want), "sources": 1}
    two = system_of([], {e: {x: 0.5, y: 0.5}}, counts)
    assert choices.ranked(two, {(e, x): -1.0, (e, y): -2.0})["sources"] == 0


def test_pairs_are_drawn_once_or_by_their_counts():
    counts = {"a": 6, "b": 1, "c": 1}
    once = contest.draw(counts, 2, random.Random(0), often=False)
    assert len(once) == len(set(once)) == 2
    assert sorted(contest.draw(counts, 9, random.Random(0), often=False)) == ["a", "b", "c"]
    often = contest.draw(counts, 4000, random.Random(0), often=True)
    assert len(often) == 4000
    assert often.count("a") / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_noisy_table_is_rescored_by_counts_net_and_both():
    right = {k: f"r{k}" for k in range(4)}
    counts = {(k, f"{kind}{k}"): n for k in range(4) for kind, n in (("r", 1), ("w", 9))}
    scores = {(k, f): -1.0 if f[0] == "r" else -5.0 for k, f in counts}
    found = rescoring.on_top(right, counts, scores, {0})
    want = {"counts": 0.0, "net": 1.0, "both": 1.0, "right": 0.5, "ranks": -1.0}
    assert found == pytest.approx(want)


def test_the_printed_training_takes_the_mean_over_pairs_and_tells_where_it_cut(tmp_path):
    run = Run(tmp_path, scale="test")
    config = EncoderDecoderConfig(8, 8, 4, 6, 3, None)
    pairs = [([3, 2], [4, 5, 6, 2]), ([4, 2], [5, 2])]
    told = []
    for rate, reduction in ((None, "pairs"), (0.001, "words")):
        net, alone = (nets.make("gru", config, 0, printed=True) for _ in range(2))
        batch = nets.pad([e for e, _ in pairs]) + nets.pad([f for _, f in pairs])[:1]
        loss = alone.loss(*batch, reduction=reduction)
        loss.backward()
        norm = float(torch.stack([p.grad.norm() for p in alone.parameters()]).norm())
        watch = lambda net, *row: told.append(row)  # noqa: E731
        nets.train(run, net, pairs, rate, 1, 0, watch=watch)
        shorter = max(norm, 1.0)
        for ours, plain in zip(net.parameters(), alone.parameters()):
            torch.testing.assert_close(ours.grad, plain.grad / shorter)
        words = float(alone.loss(*batch, reduction="words").detach())
        assert told[-1] == (1, pytest.approx(words), float(norm > 1))
    assert told[0][2] == 1.0  # four words in a row say more than one


def test_the_paper_scale_has_the_papers_sizes_and_its_own_training(tmp_path):
    run = Run(tmp_path, scale="paper")
    n, m, l, rank = run.pick(**contest.SIZES)
    config = EncoderDecoderConfig(15_000, 15_000, m, n, l, rank)
    assert config == PRESETS["paper"]
    assert nets.tuned(run, 1.0, None) == (1.0, {1.0: 0.0})
    small = EncoderDecoderConfig(8, 8, 4, 6, 3, None)
    net = nets.make("gru", small, 0, printed=True)
    deviation = 0.01 * (1000 / 6) ** 0.5  # a unit hears as much as one of the paper's 1,000
    assert net.encoder.embedding.weight.detach().std().item() == pytest.approx(deviation, rel=0.3)
    turns = net.encoder.gru.weight_hh_l0.detach()[:6]  # orthogonal as ever
    assert torch.allclose(turns @ turns.T, torch.eye(6), atol=1e-5)
    before = net.encoder.embedding.weight.clone()
    nets.train(run, net, [([3, 2], [4, 2])], None, 2, 0)
    change = (net.encoder.embedding.weight - before).abs().max()
    assert 0 < change < 0.02  # Adadelta's first steps have the size of √ε


def test_distance_counts_words():
    assert choices.distance(tuple("abc"), tuple("abc")) == 0
    assert choices.distance(tuple("abc"), tuple("bd")) == 2
    assert choices.distance((), tuple("ab")) == 2


def test_a_noisy_table_has_each_right_target_once():
    pairs = made_up.phrases(30, 1, 2, 6)
    rows = made_up.noisy_table(pairs, 0)
    right = dict(pairs)
    for e, f in pairs:
        own = [row for row in rows if row[0] == e]
        assert sum(row[1] == f for row in own) == 1
        assert len({row[1] for row in own}) == len(own)
    assert all(n >= 1 for *_, n in rows)
    table = PhraseTable([(e, f) for e, f, _ in rows], {"count": [float(n) for *_, n in rows]})
    wrong = sum(best[0] != right[e] for e, best in table.best("count", 1).items())
    assert wrong > 10


def test_contenders_have_their_widths_and_the_blind_one_sees_nothing():
    config = EncoderDecoderConfig(2000, 2000, 48, 96, 48, 48)
    sizes = {
        kind: sum(p.numel() for p in nets.make(kind, config, 0).parameters())
        for kind in ("gru", "tanh", "tanh, as many weights")
    }
    assert sizes["tanh"] < 0.9 * sizes["gru"]
    assert sizes["tanh, as many weights"] == pytest.approx(sizes["gru"], rel=0.02)
    assert nets.seen("blind", [([5, 6, 2], [7, 2])]) == [([2], [7, 2])]


def test_a_net_learns_made_up_phrases_and_training_is_reproducible(tmp_path):
    run = Run(tmp_path, scale="test")
    made = made_up.phrases(40, 0, 1, 2)
    lists = [Shortlist((pair[k] for pair in made), 40) for k in (0, 1)]
    ids = [(lists[0].ids(e), lists[1].ids(f)) for e, f in made]
    config = EncoderDecoderConfig(40, 40, 8, 12, 6, None)
    losses = []
    for _ in range(2):
        net = nets.make("gru", config, 0)
        before = nets.nats(net, ids)
        nets.train(run, net, ids, 0.01, 30, 0)
        losses.append(nets.nats(net, ids))
    assert losses[0] == losses[1] < before


def test_the_speller_is_kept_and_asked(tmp_path, capsys):
    run = Run(tmp_path, scale="test")
    found = shipped.learn_speller(run, 0)
    assert found["weights"] < 20_000
    path = tmp_path / "model.safetensors"
    assert ask.main(["abc", "--model", str(path), "--beam", "2"]) == 0
    assert capsys.readouterr().out.startswith("abc")
    assert ask.main(["x1", "--model", str(path)]) == 1
    assert "letters a to z" in capsys.readouterr().out
    assert ask.main(["abc", "--model", str(tmp_path / "none")]) == 1
    assert "ships none yet" in capsys.readouterr().out
    torch.save({"a": torch.zeros(1)}, tmp_path / "bad.safetensors")
    assert ask.main(["abc", "--model", str(tmp_path / "bad.safetensors")]) == 1
    assert "another version" in " ".join(capsys.readouterr().out.split())
