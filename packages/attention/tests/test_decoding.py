"""Greedy, sampling and beam search, against every sentence that there is."""

import dataclasses
import math

import pytest
import torch

from lessons.attention import (
    RNNencdec,
    RNNsearch,
    TranslatorConfig,
    batches_of_one_length,
    beam_search,
    greedy,
    sample,
    score,
)
from lessons.attention.training import Adadelta, clip_gradient, pad

SMALL = TranslatorConfig(
    source_vocab_size=30, target_vocab_size=7, embedding_size=4, encoder_size=5, decoder_size=6,
    alignment_size=3, maxout_size=4,
)  # fmt: skip
SRC = torch.tensor([[7, 9, 3, 29], [5, 6, 0, 0], [8, 4, 4, 0]])
ORDERS = [("previous", "previous"), ("current", "previous"), ("previous", "current")]


def made(cls=RNNsearch, seed=1, **changes):
    net = cls(dataclasses.replace(SMALL, bidirectional=cls is RNNsearch, **changes)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.9, generator=generator)
    return net


def normalised(net, src):
    """Return the log-probabilities of all sentences when padding cannot be said."""
    out, c = {}, net.config
    memory = net.encode(src)

    def grow(ids, log, word, state):
        if len(ids) == 4:
            return
        logits, _, after = net.step(word, state, memory)
        logits = logits[0, 0].clone()
        logits[c.pad_id] = -torch.inf
        logs = logits.log_softmax(-1).tolist()
        for i in range(1, c.target_vocab_size):
            if i == c.eos_id:
                out[(*ids, i)] = log + logs[i]
            else:
                grow((*ids, i), log + logs[i], torch.tensor([[i]]), after)

    with torch.no_grad():
        grow((), 0.0, None, net.begin(memory))
    return out


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("length_norm", [False, True])
def test_against_an_exhaustive_search(order, length_norm):
    # Of words 1, 3, 4, 5, 6 and the end, four steps; a beam that loses nothing that could win.
    for seed in range(3):
        net = made(seed=seed, readout_state=order[0], update_word=order[1])
        for row in SRC:
            src = row[row != 0][None]
            known = normalised(net, src)
            value = {k: v / len(k) if length_norm else v for k, v in known.items()}
            want = max(value, key=value.__getitem__)
            found = beam_search(net, src, beam=7, max_len=4, length_norm=length_norm)
            got = tuple(found.ids[0].tolist())
            assert value[got] == pytest.approx(found.score.item(), rel=1e-9)
            whole = score(net, src, None, found.ids).item()
            assert whole <= found.log_probability.item()  # which gives padding no share
            assert found.log_probability.item() == pytest.approx(known[got], rel=1e-9)
            assert value[got] >= value[want] - 0.7, "a beam of 7 of 7 words is nearly exhaustive"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
@pytest.mark.parametrize("beam", [1, 3, 6])
def test_with_the_cache_and_without_the_result_is_the_same(cls, order, beam):
    net = made(cls, readout_state=order[0], update_word=order[1])
    options = {"beam": beam, "max_len": 8, "length_norm": beam == 3}
    a, b = (beam_search(net, SRC, use_cache=cache, **options) for cache in (True, False))
    assert torch.equal(a.ids, b.ids)
    torch.testing.assert_close(a.log_probability, b.log_probability, rtol=1e-6, atol=1e-7)
    for i, row in enumerate(SRC):  # and a batch does what each sentence alone does
        alone = beam_search(net, row[row != 0][None], **options)
        n = alone.ids.shape[1]
        assert torch.equal(alone.ids[0], a.ids[i, :n])
        assert (a.ids[i, n:] == 0).all()


@pytest.mark.parametrize("order", ORDERS)
def test_a_beam_of_one_is_greedy(order):
    net = made(readout_state=order[0], update_word=order[1])
    best, first = beam_search(net, SRC, beam=1), greedy(net, SRC)
    n = min(best.ids.shape[1], first.shape[1])
    assert torch.equal(best.ids[:, :n], first[:, :n])


def test_a_wider_beam_is_no_less_likely_here():
    net = made()
    scores = [beam_search(net, SRC, beam=k, max_len=6).log_probability for k in (1, 6)]
    assert (scores[1] >= scores[0] - 1e-6).all()


def test_limits_of_length_and_words():
    net = made()
    net.readout.output.bias.data[2] = 5.0  # would end at once
    assert greedy(net, SRC).shape == (3, 1)
    rows = beam_search(net, SRC, beam=3, min_len=0.5).ids
    for row, n in zip(rows, (4, 2, 3)):
        assert (row != 0).sum() > n / 2
    net.readout.output.bias.data[2] = -50.0  # would never end
    assert ((greedy(net, SRC) != 0).sum(1) == torch.tensor([12, 6, 9])).all()
    assert ((beam_search(net, SRC, beam=2).ids != 0).sum(1) == torch.tensor([12, 6, 9])).all()
    assert greedy(net, SRC, max_len=2).shape == (3, 2)
    net.readout.output.bias.data[3] = 50.0
    assert (beam_search(net, SRC, beam=2, max_len=3).ids == 3).all()
    assert not (beam_search(net, SRC, beam=2, max_len=3, forbid_unk=True).ids == 3).any()


def test_samples_follow_the_distribution():
    net = made()
    many = SRC[:1].expand(4000, -1)
    ids = sample(net, many, max_len=1, generator=torch.Generator().manual_seed(0))
    logits = net(SRC[:1], None, torch.tensor([[2]]))[0][0, 0].clone()
    logits[0] = -torch.inf
    want = logits.softmax(-1)
    share = torch.bincount(ids[:, 0], minlength=7) / 4000
    assert (share - want).abs().max() < 4 * math.sqrt(0.25 / 4000)
    cold = sample(net, SRC, temperature=1e-4, max_len=5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(cold, greedy(net, SRC, max_len=5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: beam_search(net, SRC, beam=0), r"beam must lie in 1 … .* \(7\), got 0"),
        (lambda net: beam_search(net, SRC, beam=8), r"beam must lie in 1 … .* \(7\), got 8"),
        (lambda net: beam_search(net, SRC, beam=3, min_len=-1), "min_len must not be negative"),
        (lambda net: greedy(net, SRC, max_len=0), "max_len must be at least 1, got 0"),
        (lambda net: sample(net, SRC, temperature=0), "temperature must be positive, got 0"),
    ],
)
def test_what_cannot_be_decoded_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(made())


@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
def test_nothing_to_translate_is_no_error(cls):
    net, none = made(cls), torch.zeros(0, dtype=torch.long)
    assert len(greedy(net, SRC[:0], none)) == 0
    best = beam_search(net, SRC[:0], none, beam=3)
    assert (best.ids.shape, len(best.score)) == ((0, 0), 0)
    assert len(score(net, SRC[:0], none, SRC[:0] % 7)) == 0


# Training ------------------------------------------------------------------------------------


def test_batches_are_cut_as_the_paper_says():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 50, (4800,), generator=generator).tolist()
    pairs = [((1,) * n, (1,) * n) for n in lengths]
    batches = list(batches_of_one_length(pairs, generator=generator))
    assert sorted(i for batch in batches for i in batch) == list(range(4800))
    assert [len(b) for b in batches] == [80] * 60
    for group in (
        batches[:20],
        batches[20:40],
        batches[40:],
    ):  # each 1,600 are sorted, then cut in 20
        ordered = [lengths[i] for batch in group for i in batch]
        assert ordered == sorted(ordered)
    waste = sum(len(b) * max(lengths[i] for i in b) for b in batches) / sum(lengths)
    random = torch.randperm(4800, generator=generator).split(80)
    loss = sum(len(b) * max(lengths[i] for i in b.tolist()) for b in random) / sum(lengths)
    # A batch of sorted sentences spans 49/20 words of 25 in the mean, half of it padding.
    assert waste == pytest.approx(1 + 49 / 20 / 2 / 25, abs=0.01)
    assert loss > 1.8


def test_it_learns_to_turn_a_sentence_round():
    generator = torch.Generator().manual_seed(0)
    config = TranslatorConfig(12, 12, 16, 24, 24, 24, 12)
    net = RNNsearch(config, generator)
    torch.nn.init.normal_(net.encoder.embedding.weight, generator=generator)
    torch.nn.init.normal_(net.embedding.weight, generator=generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(250):
        src = torch.randint(4, 12, (32, 5), generator=generator)
        tgt = torch.cat([src.flip(1), torch.full((32, 1), 2)], 1)
        optimizer.zero_grad()
        loss = net.loss(src, None, tgt)
        loss.backward()
        clip_gradient(net.parameters(), 1.0)
        optimizer.step()
    assert loss.item() < 0.3
    src = torch.randint(4, 12, (20, 5), generator=generator)
    right = (greedy(net, src)[:, :5] == src.flip(1)).float().mean()
    assert right > 0.9
    assert Adadelta(net.parameters()).defaults == {"rho": 0.95, "eps": 1e-6, "lr": 1.0}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Adadelta([torch.zeros(1)], rho=1.0), r"rho must be in \[0, 1\), got 1.0"),
        (lambda: Adadelta([torch.zeros(1)], eps=0.0), "eps must be positive, got 0.0"),
        (lambda: Adadelta([torch.zeros(1)], lr=-1.0), "lr must not be negative, got -1.0"),
        (lambda: pad([]), "at least one sentence, got none"),
        (lambda: clip_gradient([], 0.0), "longest must be positive, got 0.0"),
        (lambda: list(batches_of_one_length([], 0)), "batch and batches must be at least 1"),
    ],
)
def test_settings_of_training_are_checked(call, words):
    with pytest.raises(ValueError, match=words):
        call()
