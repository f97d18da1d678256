"""Decoding: with a cache as without, and a beam as exhaustive search finds it."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.transformer import Transformer, TransformerConfig, beam_search, greedy, sample
from lessons.transformer.decoding import length_penalty, truncate

SMALL = TransformerConfig(
    vocab_size=12, d_model=16, d_ff=24, num_heads=4, num_encoder_layers=1, num_decoder_layers=2
)


def small(seed=0, **changes):
    model = Transformer(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(seed))
    # Larger weights than at the start of training: sharper choices, ends at different lengths.
    for parameter in model.parameters():
        parameter.data *= 1.7
    return model.eval()


def sources(seed=0, rows=4, longest=6):
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 12, (rows, longest), generator=g)
    lengths = torch.randint(1, longest + 1, (rows, 1), generator=g)
    return ids.masked_fill(torch.arange(longest) >= lengths, 0)


def log_probability(model, src, ids):
    """Sum the log-probabilities of ids after the start token; padding can not follow."""
    tgt = torch.tensor([[model.config.bos_id, *ids[:-1]]])
    logits = model(src, tgt)[0]
    logits[:, model.config.pad_id] = -torch.inf
    return logits.log_softmax(-1)[range(len(ids)), ids].sum().item()


@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 10_000),
    norm=st.sampled_from(["post", "pre"]),
    positions=st.sampled_from(["sinusoidal", "learned"]),
)
def test_cached_decoding_gives_the_same_tokens(seed, norm, positions):
    # In double precision: a sum over fifteen pieces in another order has another fifth digit.
    model, src = small(seed, norm=norm, positions=positions).double(), sources(seed)
    assert torch.equal(greedy(model, src, 15), greedy(model, src, 15, use_cache=False))
    draws = [
        sample(model, src, max_len=15, generator=torch.Generator().manual_seed(seed), use_cache=c)
        for c in (True, False)
    ]
    assert torch.equal(*draws)
    cached, plain = (beam_search(model, src, max_len=15, use_cache=c) for c in (True, False))
    assert torch.equal(cached.ids, plain.ids)
    torch.testing.assert_close(cached.score, plain.score, atol=1e-10, rtol=0)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), alpha=st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_a_wide_beam_finds_the_best_of_all_translations(seed, alpha):
    model, src = small(seed, vocab_size=5), sources(seed, rows=1).clamp(max=4)
    found = beam_search(model, src, beam=64, alpha=alpha, max_len=3)
    tokens = (1, 3, 4)  # neither padding nor the end
    complete = [(*middle, 2) for n in range(3) for middle in itertools.product(tokens, repeat=n)]
    scores = {
        ids: log_probability(model, src, ids) / length_penalty(len(ids), alpha) for ids in complete
    }
    best = max(scores, key=scores.get)
    assert found.score.item() == pytest.approx(scores[best], abs=1e-4)
    assert tuple(i for i in found.ids[0].tolist() if i) == best


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed):
    model, src = small(seed), sources(seed)
    one, expected = (
        beam_search(model, src, beam=1, alpha=0.0, max_len=12).ids,
        greedy(model, src, 12),
    )
    assert torch.equal(one, expected[:, : one.shape[1]])
    assert (expected[:, one.shape[1] :] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_score_is_the_log_probability_over_the_penalty(seed):
    model, src = small(seed), sources(seed, rows=3)
    found = beam_search(model, src, max_len=12)
    for row in range(3):
        ids = [i for i in found.ids[row].tolist() if i]
        real = src[row : row + 1, : int((src[row] != 0).sum())]
        expected = log_probability(model, real, ids)
        assert found.log_probability[row].item() == pytest.approx(expected, abs=1e-4)
        assert found.score[row].item() == pytest.approx(
            expected / length_penalty(len(ids), 0.6), abs=1e-4
        )


def test_neighbours_in_a_batch_do_not_matter():
    model, src = small(7), sources(7, rows=5)
    together = beam_search(model, src, max_len=10)
    for row in range(5):
        alone = beam_search(model, src[row : row + 1], max_len=10)
        assert alone.ids[0].tolist() == together.ids[row, : alone.ids.shape[1]].tolist()


def test_rows_that_only_pad_the_vocabulary_are_never_generated():
    for seed in range(3):
        model, src = small(seed, vocab_size=11, pad_vocab_multiple=64), sources(seed) % 11
        src[:, 0] = 5
        model.tgt_embedding.weight.data[11:] *= 50  # the likeliest, if they could be chosen
        found = (
            greedy(model, src, 8),
            beam_search(model, src, max_len=8).ids,
            sample(model, src, max_len=8, generator=torch.Generator().manual_seed(seed)),
        )
        assert all(ids.max() < 11 for ids in found)
        logits = model(src, src)
        assert logits.shape[-1] == 11
        torch.testing.assert_close(logits.softmax(-1).sum(-1), torch.ones(src.shape))


def test_length_penalty():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 0.6) == pytest.approx(2**0.6)
    assert length_penalty(50, 0.0) == 1


def test_sentences_end_where_the_paper_says():
    model = small()
    model.tgt_embedding.weight.data[2] = -100 * torch.sign(model.tgt_embedding.weight.data[3])
    src = torch.tensor([[3, 4, 5, 6], [5, 0, 0, 0]])
    lengths = (greedy(model, src) != 0).sum(-1)
    assert (lengths <= torch.tensor([54, 51])).all()
    assert (greedy(model, src, max_len=3) != 0).sum(-1).max() <= 3


def test_truncation_keeps_the_head():
    p = torch.tensor([[0.1, 0.5, 0.15, 0.25]])
    assert truncate(p, None, None).tolist() == p.tolist()
    assert (truncate(p, 2, None) > 0).tolist() == [[False, True, False, True]]
    assert (truncate(p, None, 0.5) > 0).tolist() == [[False, True, False, False]]
    assert (truncate(p, None, 0.76) > 0).tolist() == [[False, True, True, True]]


def test_a_cold_sample_is_greedy_and_a_warm_one_follows_the_distribution():
    model, src = small(3), torch.tensor([[3, 4]])
    cold = sample(model, src, temperature=1e-4, max_len=6)
    assert torch.equal(cold, greedy(model, src, 6))
    assert torch.equal(sample(model, src, top_k=1, max_len=6), cold)
    n, g = 4000, torch.Generator().manual_seed(0)
    first = sample(model, src.expand(n, 2), max_len=1, generator=g)[:, 0]
    logits = model(src, torch.tensor([[1]]))[0, 0]
    logits[0] = -torch.inf
    expected = logits.softmax(-1)
    error = (torch.bincount(first, minlength=12) / n - expected).abs()
    assert (error < 4.5 * (expected * (1 - expected) / n).sqrt() + 1e-6).all()


src = torch.tensor([[3, 4]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: beam_search(m, src, beam=0), "beam must be at least 1, got 0"),
        (
            lambda m: beam_search(m, src, alpha=-1.0),
            "alpha must be a number that is not negative, got -1.0",
        ),
        (lambda m: beam_search(m, src, alpha=float("nan")), "alpha must be a number .*got nan"),
        (lambda m: beam_search(m, src, alpha=float("inf")), "alpha must be a number .*got inf"),
        (lambda m: greedy(m, src, max_len=0), "max_len must be at least 1, got 0"),
        (lambda m: greedy(m, src[:, :0]), r"src must not be empty, got shape \(1, 0\)"),
        (lambda m: beam_search(m, src * 0), "src must not be empty, got only padding in row 0"),
        (lambda m: greedy(m, src[0]), r"src must have shape \(batch, length\), got \(2,\)"),
        (lambda m: sample(m, src, temperature=0.0), "temperature must be positive, got 0.0"),
        (lambda m: sample(m, src, temperature=float("nan")), "temperature .*positive, got nan"),
        (lambda m: sample(m, src, top_k=0), "top_k must be at least 1, got 0"),
        (lambda m: sample(m, src, top_p=1.5), r"top_p must be in \(0, 1\], got 1.5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(small())


@pytest.mark.parametrize("decode", [greedy, sample, beam_search])
def test_a_list_of_ids_is_named(decode):
    with pytest.raises(TypeError, match="src must be a tensor of token ids, got list"):
        decode(small(), [[3, 4]])
