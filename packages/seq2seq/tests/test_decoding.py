"""Greedy, sampling, beam search, ensembles and rescoring, against every sentence that there is."""

import dataclasses
import itertools
import math

import pytest
import torch

from lessons.seq2seq import (
    Ensemble,
    Seq2Seq,
    Seq2SeqConfig,
    beam_search,
    decoding,
    greedy,
    rescore,
    sample,
    score,
)

SMALL = Seq2SeqConfig(
    source_vocab_size=9, target_vocab_size=6, embedding_size=3, hidden_size=4, num_layers=2,
    peephole=False, init=1.0,
)  # fmt: skip
SRC, LENGTHS = torch.tensor([[7, 8, 4], [5, 6, 0], [4, 4, 4]]), torch.tensor([3, 2, 3])
ALLOWED = (1, 3, 4, 5)  # neither padding nor the end


def made(seed=1, **changes):
    return Seq2Seq(
        dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(seed)
    ).double()


def everything(models, row, longest):
    """Return every sentence that ends in time, with its log-probability."""
    found = {}
    for n in range(longest):
        some = [(*words, 2) for words in itertools.product(ALLOWED, repeat=n)]
        rows = row.expand(len(some), -1)
        found |= dict(zip(some, score(models, rows, None, torch.tensor(some)).tolist()))
    return found


@pytest.mark.parametrize("norm", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 2])
def test_a_beam_of_all_sentences_finds_the_best(norm, count):
    models = [made(seed) for seed in range(1, 1 + count)]
    for row in SRC:
        src = row[row != 0][None]
        known = everything(models, src, 4)
        ranked = sorted(known, key=lambda k: -known[k] / len(k) ** norm)[:5]
        found = beam_search(models, src, None, 6**3, norm, max_len=4, n_best=5)
        got = [tuple(w for w in ids if w) for ids in found.ids[0].tolist()]
        assert got == ranked
        for ids, log in zip(got, found.log_probability[0].tolist()):
            assert log == pytest.approx(known[ids], abs=1e-6)


@pytest.mark.parametrize("shrink", [True, False])
@pytest.mark.parametrize("beam", [1, 3, 6])
def test_with_the_cache_and_without_the_result_is_the_same(beam, shrink):
    models = [made(1), made(2)]
    options = {"beam": beam, "shrink": shrink, "max_len": 7, "n_best": min(beam, 2)}
    a, b = (beam_search(models, SRC, LENGTHS, use_cache=k, **options) for k in (True, False))
    assert torch.equal(a.ids, b.ids)
    torch.testing.assert_close(a.log_probability, b.log_probability)
    for i, n in enumerate(LENGTHS.tolist()):  # and a batch does what each sentence alone does
        alone = beam_search(models, SRC[i : i + 1, :n], None, **options)
        width = alone.ids.shape[-1]
        assert torch.equal(alone.ids[0], a.ids[i, :, :width])
        assert (a.ids[i, :, width:] == 0).all()


def test_a_beam_of_one_is_greedy():
    for seed in range(5):
        net = made(seed)
        best, first = beam_search(net, SRC, LENGTHS, 1), greedy(net, SRC, LENGTHS)
        n = min(best.ids.shape[-1], first.shape[1])
        assert torch.equal(best.ids[:, 0, :n], first[:, :n])


def test_results_are_scored_as_given_sentences_are():
    net = made()
    found = beam_search(net, SRC, LENGTHS, 4, n_best=3, max_len=9)
    for k in range(3):
        done = found.log_probability[:, k].isfinite() & (found.ids[:, k] == 2).any(-1)
        want = score(net, SRC[done], LENGTHS[done], found.ids[done, k])
        torch.testing.assert_close(found.log_probability[done, k], want)


def test_an_ensemble_of_one_or_of_copies_is_the_model():
    net, tgt = made(), torch.tensor([[4, 5, 2]] * 3)
    want = score(net, SRC, LENGTHS, tgt)
    torch.testing.assert_close(net.log_prob(SRC, LENGTHS, tgt), want)
    for average in ("prob", "logprob"):
        for count in (1, 3):
            torch.testing.assert_close(
                score(Ensemble([net] * count, average), SRC, LENGTHS, tgt), want
            )


def test_two_models_average_probabilities_or_their_logarithms():
    a, b, first = made(1), made(2), torch.tensor([[4, 2]] * 3)
    p, q = (net(SRC, LENGTHS, first)[:, 0].softmax(-1) for net in (a, b))
    for average, want in (
        ("prob", (p + q) / 2),
        ("logprob", (p * q).sqrt() / (p * q).sqrt().sum(-1, keepdim=True)),
    ):
        got = Ensemble([a, b], average).forced(SRC, LENGTHS, first)[:, 0].exp()
        torch.testing.assert_close(got, want)


def test_samples_follow_the_distribution():
    net, many = made(), SRC[:1].expand(4000, -1)
    ids = sample(net, many, max_len=1, generator=torch.Generator().manual_seed(0))
    logits = net(SRC[:1], None, torch.tensor([[2]]))[0, 0].clone()
    logits[0] = -torch.inf
    share = torch.bincount(ids[:, 0], minlength=6) / 4000
    assert (share - logits.softmax(-1)).abs().max() < 4 * math.sqrt(0.25 / 4000)
    cold = sample(net, SRC, LENGTHS, 1e-4, 5, torch.Generator().manual_seed(0))
    assert torch.equal(cold, greedy(net, SRC, LENGTHS, 5))


def test_limits_of_length():
    net = made()
    net.output.bias.data[2] = -50.0  # would never end
    assert ((greedy(net, SRC, LENGTHS) != 0).sum(1) == 3 * LENGTHS).all()
    found = beam_search(net, SRC, LENGTHS, 2, n_best=2)
    assert ((found.ids[:, 0] != 0).sum(-1) == 3 * LENGTHS).all()
    net.output.bias.data[2] = 50.0  # ends at once
    found = beam_search(net, SRC, LENGTHS, 3, n_best=2)
    assert found.ids[:, 0, 0].tolist() == [2, 2, 2]


def test_bigger_beams_prefer_short_output_without_normalisation():
    net = made()
    net.output.bias.data[2] = -3.0
    plain, normed = (beam_search(net, SRC, LENGTHS, 24, norm, 8) for norm in (0.0, 1.0))
    lengths = [(x.ids[:, 0] != 0).sum().item() for x in (plain, normed)]
    assert lengths[0] <= lengths[1]


def test_rescoring_is_an_even_average():
    models = [made(1), made(2)]
    lists = [[[4, 2], [5, 4, 2]], [[2], [3, 3, 3, 2], [4, 2]]]
    base = [[-1.0, -2.0], [-0.5, -0.1, -3.0]]
    found = rescore(models, [[7, 8], [5]], lists, base)
    for source, some, theirs, got in zip([[7, 8], [5]], lists, base, found):
        for text, s, value in zip(some, theirs, got):
            ours = score(models, torch.tensor([source]), None, torch.tensor([text])).item()
            assert value == pytest.approx(0.5 * ours + 0.5 * s, abs=1e-6)
    assert rescore(models, [[7, 8], [5]], lists, base, weight=0.0) == base


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda n: beam_search(n, SRC, LENGTHS, 0), r"beam must lie in 1 … .* \(6\), got 0"),
        (lambda n: beam_search(n, SRC, LENGTHS, 7, shrink=True), r"\(6\), got 7"),
        (lambda n: beam_search(n, SRC, LENGTHS, n_best=0), "n_best must be at least 1, got 0"),
        (lambda n: beam_search(n, SRC, LENGTHS, length_norm=-1), "length_norm must not be"),
        (lambda n: greedy(n, SRC, LENGTHS, 0), "max_len must be at least 1, got 0"),
        (lambda n: sample(n, SRC, LENGTHS, 0), "temperature must be positive, got 0"),
        (lambda n: greedy([], SRC), "an ensemble needs at least one model"),
        (lambda n: Ensemble([n], "median"), "average must be prob or logprob, got 'median'"),
        (lambda n: Ensemble([n, made(target_vocab_size=7)]),
         r"they have model 0: \(6, 0, 2\), model 1: \(7, 0, 2\)"),
        (lambda n: rescore(n, [[4]], [[[2]]], [[0.0, 1.0]]), "1 translations and 2 scores"),
        (lambda n: rescore(n, [[4]], [[]], [[]]), "sentence 0 has 0 translations"),
        (lambda n: rescore(n, [[4]], [], []), r"equally many, and some: got \(1, 0, 0\)"),
        (lambda n: rescore(n, [], [], []), r"got \(0, 0, 0\)"),
        (lambda n: rescore(n, [[4]], [[[2]]], [[math.nan]]), "not finite"),
        (lambda n: rescore(n, [[4]], [[[2]]], [[0.0]], 1.5), r"weight must lie in \[0, 1\]"),
        (lambda n: rescore(n, [[4]], [[[4]]], [[0.0]]), "end with eos_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(made())


def test_a_long_list_is_scored_in_parts(monkeypatch):
    model, texts = made(), [[4, 5, 2], [5, 2], [5, 3, 4, 2], [2], [4, 2]]
    whole = decoding.score_list(model, [4, 5, 6], texts)
    monkeypatch.setattr(decoding, "CHUNK", 2 * 4 * SMALL.target_vocab_size)  # two at a time
    torch.testing.assert_close(decoding.score_list(model, [4, 5, 6], texts), whole)


def test_a_list_of_lengths_serves_with_kept_states_and_without():
    model = made()
    a, b = (beam_search(model, SRC, LENGTHS.tolist(), beam=3, use_cache=k) for k in (True, False))
    assert torch.equal(a.ids, b.ids)
    torch.testing.assert_close(a.log_probability, b.log_probability)
