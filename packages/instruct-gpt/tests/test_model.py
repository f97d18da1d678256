"""The policy: padding, cache, temperature, the published sizes, bad input."""

import copy
import dataclasses
import pickle

import pytest
import torch

from lessons.instruct_gpt import GPT, PRESETS, GPTConfig, count_parameters, sample, token_log_probs
from lessons.instruct_gpt.model import Cache

SMALL = GPTConfig(vocab_size=23, n_positions=16, n_embd=16, n_layer=2, n_head=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**changes):
    made = GPT(dataclasses.replace(SMALL, **changes), generator()).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():  # so that nothing is near 0, biases included
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator(1)))
    return made


def ids(*shape, seed=2):
    return torch.randint(0, 23, shape, generator=generator(seed))


@pytest.mark.parametrize(("name", "millions"), [
    ("ziegler-124m", 124.4), ("ziegler-774m", 774.0), ("instructgpt-1.3b", 1315.7),
    ("instructgpt-6b", 6658.4), ("instructgpt-175b", 174604.3),
])  # fmt: skip
def test_every_preset_has_its_size(name, millions):
    with torch.device("meta"):
        made = GPT.from_preset(name)
    count = sum(p.numel() for p in made.parameters())
    assert count == count_parameters(PRESETS[name])
    assert round(count / 1e6, 1) == millions


def test_no_position_sees_what_comes_after_it():
    net, x = model(), ids(1, 9)
    other = x.clone()
    other[0, 6:] = (other[0, 6:] + 1) % 23
    before, after = net(x), net(other)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


def test_padding_on_the_left_changes_nothing():
    net, x = model(), ids(1, 6)
    padded = torch.cat([ids(1, 4, seed=5), x], 1)
    mask = torch.arange(10)[None] >= 4
    torch.testing.assert_close(net(padded, mask)[:, 4:], net(x))


def test_a_cache_gives_the_same_logits_with_and_without_padding():
    net, x = model(), ids(2, 10)
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[1, :3] = False
    for padding in (None, mask):
        cache, parts = Cache(net.config, 2, 10, net.wte.weight), []
        for a, b in ((0, 4), (4, 7), (7, 8), (8, 10)):
            parts.append(net(x[:, a:b], None if padding is None else padding[:, :b], cache))
        got, want = torch.cat(parts, 1), net(x, padding)
        real = mask if padding is not None else torch.ones_like(mask)
        torch.testing.assert_close(got[real], want[real])


def test_a_temperature_is_part_of_the_policy():
    x = ids(1, 5)
    torch.testing.assert_close(model(temperature=0.7)(x), model()(x) / 0.7)


def test_checkpointing_changes_neither_loss_nor_gradient():
    x, grads = ids(2, 8), []
    for checkpointing in (False, True):
        net = model(gradient_checkpointing=checkpointing).train()
        net(x).square().mean().backward()
        grads.append([p.grad for p in net.parameters()])
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b)


def test_what_is_drawn_has_the_log_probabilities_that_teacher_forcing_gives():
    net = model(temperature=1.3)
    prompts = ids(4, 5)
    mask = torch.arange(5)[None] >= torch.tensor([0, 1, 2, 4])[:, None]
    drawn = sample(net, prompts, 6, mask, generator=generator())
    again = token_log_probs(net, prompts, drawn.ids, mask)
    torch.testing.assert_close(drawn.log_probs.double(), again.double(), atol=1e-6, rtol=1e-5)


def test_draws_have_the_policys_frequencies():
    net, prompt = model(), ids(1, 3)
    drawn = sample(net, prompt.expand(20_000, -1), 1, generator=generator())
    share = torch.bincount(drawn.ids[:, 0], minlength=23) / 20_000
    p = net(prompt)[0, -1].softmax(-1)
    # Five standard errors of a share.
    assert ((share - p).abs() < 5 * (p * (1 - p) / 20_000).sqrt() + 1e-4).all()


def test_a_response_ends_with_its_stop_token():
    drawn = sample(model(), ids(200, 3), 8, stop=4, generator=generator())
    for row, mask, log in zip(drawn.ids.tolist(), drawn.mask, drawn.log_probs):
        length = row.index(4) + 1 if 4 in row else 8
        assert mask.tolist() == [True] * length + [False] * (8 - length)
        assert row[length:] == [0] * (8 - length)
        assert (log[:length] < 0).all()
        assert (log[length:] == 0).all()
    assert not drawn.mask.all(), "some end early, or nothing was tested"


def test_equal_generators_draw_equal_weights_and_copies_are_equal():
    one, two = GPT(SMALL, generator(3)), GPT(SMALL, generator(3))
    x = ids(1, 4)
    for other in (two, copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert torch.equal(one(x), other(x))


def test_it_is_captured_whole_and_runs_in_half_precision():
    net, x = model().float(), ids(2, 7)
    mask = torch.arange(7)[None] >= torch.tensor([0, 3])[:, None]
    captured = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(captured(x, mask), net(x, mask))
    with torch.autocast("cpu", torch.bfloat16):
        half = net(x, mask)
        drawn = sample(net, x, 4, mask, generator=generator())
        again = token_log_probs(net, x, drawn.ids, mask)
    assert (half.float() - net(x, mask))[mask].abs().max() < 0.5
    assert (again - drawn.log_probs).abs().max() < 0.5
    assert drawn.log_probs.dtype == torch.float32


@pytest.mark.parametrize(("changes", "message"), [
    ({"n_layer": 0}, "n_layer must be at least 1, got 0"),
    ({"n_head": 3}, r"n_embd \(16\) must be divisible by n_head \(3\)"),
    ({"temperature": 0.0}, "temperature must be positive, got 0"),
    ({"resid_pdrop": 1.0}, r"resid_pdrop must be in \[0, 1\), got 1"),
])  # fmt: skip
def test_bad_sizes(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda m: m(ids(1, 17)), ValueError, "17 tokens, more than n_positions=16"),
    (lambda m: m(torch.tensor([[23]])), ValueError, "ids has 23, allowed are 0 to 22"),
    (lambda m: m(torch.tensor([[1.0]])), TypeError, "int64 or int32, got torch.float32"),
    (lambda m: m(torch.tensor([1])), ValueError, r"\(batch, length\), got \(1,\)"),
    (lambda m: m(ids(1, 3), torch.ones(1, 4)), ValueError, r"mask must have shape \(1, 3\)"),
    (lambda m: sample(m, ids(1, 9), 8), ValueError, "9 tokens and a response of 8 are more than"),
    (lambda m: sample(m, ids(1, 0), 2), ValueError, r"P at least 1, got \(1, 0\)"),
    (lambda m: sample(m, ids(1, 2), 0), ValueError, "max_new_tokens must be at least 1, got 0"),
    (lambda m: sample(m, ids(2, 2), 2, torch.tensor([[1, 1], [1, 0]])), ValueError,
     "padded on the left, row 1 ends with padding"),
    (lambda m: sample(m, ids(2, 2), 2, torch.tensor([[1, 1], [0, 0]])), ValueError, "row 1"),
    (lambda m: GPT.from_preset("gpt-5"), ValueError, "name must be one of ziegler-124m"),
])  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(model())
