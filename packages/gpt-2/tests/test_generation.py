"""Generation: the distribution that is drawn from, the cache, padding, ends, bad input."""

import dataclasses

import pytest
import torch

from lessons.gpt_2 import (
    GPT2,
    GPT2Config,
    beam_search,
    greedy,
    sample,
    stream,
    truncate,
)

SMALL = GPT2Config(
    vocab_size=13, n_positions=16, n_embd=16, n_layer=2, n_head=4, initializer_range=0.5
)


def model(**changes):
    return GPT2(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(0)).eval()


def ids(*shape, seed=0):
    return torch.randint(0, 13, shape, generator=torch.Generator().manual_seed(seed))


def by_hand(net, x, steps):
    """Greedy decoding as its definition has it."""
    with torch.no_grad():
        for _ in range(steps):
            x = torch.cat([x, net(x)[:, -1:].argmax(-1)], 1)
    return x[:, -steps:]


@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_takes_the_likeliest(use_cache):
    net, x = model(), ids(3, 5)
    assert torch.equal(greedy(net, x, 12, use_cache=use_cache), by_hand(net, x, 12))


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_prompts_go_on_as_if_alone(side):
    net, lengths = model(), [5, 2, 1]
    x, mask = ids(3, 5), torch.zeros(3, 5, dtype=torch.bool)
    alone = torch.cat([by_hand(net, x[row : row + 1, :n], 8) for row, n in enumerate(lengths)])
    padded = torch.full_like(x, 12)
    for row, n in enumerate(lengths):
        where = slice(5 - n, 5) if side == "left" else slice(0, n)
        padded[row, where], mask[row, where] = x[row, :n], True
    for use_cache in (True, False):
        got = greedy(net, padded, 8, attention_mask_BT=mask, use_cache=use_cache)
        assert torch.equal(got, alone)


def test_tokens_come_one_by_one_with_the_models_own_probability():
    net, x = model(), ids(2, 4)
    generator = torch.Generator().manual_seed(1)
    steps = []
    for step in stream(net, x, 6, temperature=0.5, top_k=3, generator=generator):
        assert torch.is_grad_enabled(), "no_grad does not leak to the caller"
        steps.append(step)
    new = torch.stack([s.ids for s in steps], 1)
    whole = torch.cat([x, new], 1)
    log_p = net(whole)[:, 3:-1].log_softmax(-1).gather(2, new[..., None])[..., 0]
    torch.testing.assert_close(
        torch.stack([s.log_probability for s in steps], 1), log_p, rtol=1e-4, atol=1e-5
    )
    generator.manual_seed(1)
    how = {"temperature": 0.5, "top_k": 3, "generator": generator}
    assert torch.equal(sample(net, x, 6, **how, use_cache=False), new)


def test_truncation_keeps_the_head_of_the_distribution():
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.7, 0.1, 0.1, 0.1]])
    cases = [
        (2, None, [[0, 0.4, 0, 0.3], [0.7, 0.1, 0, 0]]),
        (None, 0.65, [[0, 0.4, 0, 0.3], [0.7, 0, 0, 0]]),
        (None, 0.75, [[0, 0.4, 0.2, 0.3], [0.7, 0.1, 0, 0]]),
        (1, 0.9, [[0, 0.4, 0, 0], [0.7, 0, 0, 0]]),
        (9, 1.0, p.tolist()),
        (None, 1e-9, [[0, 0.4, 0, 0], [0.7, 0, 0, 0]]),
    ]
    for top_k, top_p, want in cases:
        assert torch.equal(truncate(p, top_k, top_p), torch.tensor(want)), (top_k, top_p)


def test_draws_follow_the_distribution():
    net, n = model(), 4000
    x = ids(1, 4).expand(n, 4)
    got = sample(net, x, 1, temperature=0.7, top_k=4, generator=torch.Generator().manual_seed(0))
    want = truncate((net(x[:1])[:, -1] / 0.7).softmax(-1), 4, None)[0]
    want = want / want.sum()
    share = got[:, 0].bincount(minlength=13) / n
    assert ((share - want).abs() <= 4.5 * (want * (1 - want) / n).sqrt()).all()


def test_an_ended_sequence_is_filled_and_all_ended_stops():
    net, x = model(), ids(4, 5)
    free = by_hand(net, x, 9)
    eos = int(free[0, 2])
    got = greedy(net, x, 9, eos_token_id=eos, pad_token_id=3)
    for row in range(4):
        ended = (free[row] == eos).nonzero()
        n = int(ended[0]) + 1 if len(ended) else got.shape[1]
        assert torch.equal(got[row, :n], free[row, :n])
        assert (got[row, n:] == 3).all()
    first = int((free[0] == eos).nonzero()[0]) + 1
    alone = list(stream(net, x[:1], 9, temperature=0.0, eos_token_id=eos))
    assert len(alone) == first
    assert alone[-1].done.all()


def test_beyond_the_last_position():
    net, x = model(), ids(2, 10)
    with pytest.raises(ValueError, match="more than n_positions=16; crop=True drops the oldest"):
        greedy(net, x, 8)
    assert greedy(net, x, 7).shape == (2, 7), "the last token need not be read"
    got = greedy(net, x, 20, crop=True)
    assert torch.equal(got, greedy(net, x, 20, crop=True, use_cache=False))
    assert torch.equal(got[:, :7], by_hand(net, x, 7))
    window = torch.cat([x, got[:, :7]], 1)[:, -8:]  # 17 tokens: the last half is read anew
    assert torch.equal(got[:, 7:16], by_hand(net, window, 9))
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[1, :4] = False
    padded = greedy(net, x, 20, crop=True, attention_mask_BT=mask)
    assert torch.equal(padded[0], got[0])
    long = ids(1, 40)
    assert torch.equal(greedy(net, long, 3, crop=True), by_hand(net, long[:, -8:], 3))


def test_bad_input():
    net, x = model(), ids(2, 4)
    hole = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1]])
    empty = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]])
    cases = [
        ({"temperature": -1.0}, "temperature must not be negative"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\], got 0.0"),
        ({"top_p": 1.5}, "got 1.5"),
        ({"eos_token_id": 13}, "eos_token_id must be 0 to 12, got 13"),
        ({"pad_token_id": 0}, "pad_token_id=0 needs an eos_token_id"),
        ({"attention_mask_BT": hole}, "padding between the tokens of row 1"),
        ({"attention_mask_BT": empty}, "nothing but padding in row 1"),
        ({"attention_mask_BT": hole[:, 1:]}, "must have the prompts' shape"),
    ]
    for how, text in cases:
        with pytest.raises(ValueError, match=text):  # at the call, not at the first step
            stream(net, x, 3, **how)
    with pytest.raises(ValueError, match="temperature must be positive, got 0; greedy"):
        sample(net, x, 3, temperature=0)
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1"):
        greedy(net, x, 0)
    with pytest.raises(ValueError, match="not empty, got"):
        greedy(net, x[:, :0], 3)
    with pytest.raises(TypeError, match="got list"):
        greedy(net, [[1]], 3)
    with pytest.raises(TypeError, match="greedy takes no top_k"):
        greedy(net, x, 3, top_k=2)


def test_a_wide_beam_finds_the_likeliest_of_all():
    net, x = model(), ids(1, 3)
    every = torch.cartesian_prod(*[torch.arange(13)] * 3)
    with torch.no_grad():
        log_p = net(torch.cat([x.expand(len(every), -1), every], 1))[:, 2:-1].log_softmax(-1)
    total = log_p.gather(2, every[..., None]).sum((1, 2))
    (found,) = beam_search(net, x, 3, beams=13 * 13)
    best = total.topk(5)
    assert [h.ids for h in found[:5]] == every[best.indices].tolist()
    assert [h.score for h in found[:5]] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert beam_search(net, x, 6, beams=1)[0][0].ids == greedy(net, x, 6)[0].tolist()


@pytest.mark.parametrize(("how", "text"), [
    ({"beams": 0}, "beams must be at least 1, got 0"),
    ({"max_new_tokens": 15}, "3 prompt tokens and max_new_tokens=15 are more than n_positions=16"),
    ({"eos_token_id": 13}, "eos_token_id must be 0 to 12, got 13"),
])  # fmt: skip
def test_beams_refuse(how, text):
    with pytest.raises(ValueError, match=text):
        beam_search(model(), ids(1, 3), **{"max_new_tokens": 4} | how)
    with pytest.raises(TypeError, match="got list"):
        beam_search(model(), [[1]], 4)


def test_new_options_refuse_what_is_out_of_range():
    for how, text in (
        ({"min_p": 0.0}, r"min_p must be in \(0, 1\], got 0.0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be positive, got 0.0"),
    ):
        with pytest.raises(ValueError, match=text):
            stream(model(), ids(1, 3), 2, **how)


def test_padding_is_not_penalized():
    net, x = model(), ids(1, 4)
    padded = torch.cat([torch.full((1, 2), 12), x], 1)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1]])
    got = greedy(net, padded, 8, attention_mask_BT=mask, repetition_penalty=1.5)
    assert torch.equal(got, greedy(net, x, 8, repetition_penalty=1.5))
