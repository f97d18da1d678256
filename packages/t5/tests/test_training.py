"""Adafactor, packing, partial fine-tuning, weights: the paper's statements and bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.t5 import (
    Adafactor,
    Example,
    LanguageModel,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5LayerNorm,
    from_hugging_face,
    inverse_sqrt_lr,
    load,
    pack_sequences,
    pad,
    save,
    to_hugging_face,
    unfreeze,
    with_adapters,
)

SMALL = T5Config(
    vocab_size=40, d_model=12, d_kv=4, d_ff=20, num_layers=3, num_heads=2, dropout_rate=0.0
)


def model(**changes):
    g = torch.Generator().manual_seed(0)
    return T5ForConditionalGeneration(dataclasses.replace(SMALL, **changes), g).eval()


STATE = to_hugging_face(model(num_layers=1))


def test_the_rate_is_level_and_then_falls_with_the_root():
    """§3.1.2: 0.01 for the first 10,000 steps."""
    assert inverse_sqrt_lr(1) == inverse_sqrt_lr(10_000) == 0.01
    assert inverse_sqrt_lr(40_000) == 0.005
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        inverse_sqrt_lr(0)


def test_rows_and_columns_are_exact_where_squares_have_rank_one():
    """The update of a matrix whose squared gradient is an outer product equals the unfactored."""
    row, column = torch.tensor([1.0, 2.0, 4.0]).double(), torch.tensor([3.0, 0.5]).double()
    weights = [torch.nn.Parameter(torch.ones(3, 2, dtype=torch.float64)) for _ in range(2)]
    for weight, factored in zip(weights, (True, False)):
        optimizer = Adafactor([weight], 0.1, factored=factored)
        for sign in (1, -1, 1):
            weight.grad = sign * torch.outer(row, column)
            optimizer.step()
        memory = sum(x.numel() for x in optimizer.state[weight].values() if torch.is_tensor(x))
        assert memory == (5 if factored else 6)
    torch.testing.assert_close(*weights)


def test_steps_are_relative_to_the_weights_and_bounded():
    """However large the gradient, a step's root mean square is at most the rate times the "
    "weights'."""
    for size in (0.01, 1.0, 100.0):
        weight = torch.nn.Parameter(torch.full((4, 5), size))
        weight.grad = 1e6 * torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
        Adafactor([weight], lr=0.01).step()
        moved = (weight - size).square().mean().sqrt().item()
        assert moved <= 0.01 * size * 1.001
        assert moved > 0.005 * size
    zero = torch.nn.Parameter(torch.zeros(3))
    zero.grad = torch.ones(3)
    Adafactor([zero], lr=0.01).step()
    # weights of zero count as 1e-3
    torch.testing.assert_close(zero.detach(), torch.full((3,), -1e-5))


def test_the_optimizer_survives_what_torchs_do():
    weight = torch.nn.Parameter(torch.ones(4, 3).t())  # transposed: other strides
    optimizer = Adafactor([weight])
    weight.grad = torch.arange(12.0).view(3, 4) + 1
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert twin.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    other = Adafactor([torch.nn.Parameter(weight.detach().clone())])
    other.load_state_dict(optimizer.state_dict())
    (its,) = other.param_groups[0]["params"]
    its.grad = weight.grad.clone()
    for each in (optimizer, other):
        each.step()
    torch.testing.assert_close(its, weight)
    half = torch.nn.Parameter(torch.ones(300, 2, dtype=torch.bfloat16))
    optimizer = Adafactor([half], 1e-2)
    for _ in range(5):
        half.grad = torch.full_like(half, 1e-3)
        optimizer.step()
    assert optimizer.state[half]["row"].dtype == torch.float32
    assert half.detach().float().mean().item() == pytest.approx(0.95, abs=0.02)
    empty = torch.nn.Parameter(torch.zeros(0, 3))
    empty.grad = torch.zeros(0, 3)
    Adafactor([empty]).step()


@pytest.mark.parametrize(("options", "text"), [
    ({"lr": -1.0}, "lr must be None"), ({"lr": math.inf}, "lr must be None"),
    ({"clip_threshold": 0.0}, "clip_threshold"), ({"decay_rate": 0.0}, "decay_rate"),
    ({"eps": (-1.0, 0.0)}, r"eps\[0\]"), ({"weight_decay": -1.0}, "weight_decay"),
])  # fmt: skip
def test_bad_options_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        Adafactor([torch.nn.Parameter(torch.ones(1))], **options)


def test_packed_examples_are_what_they_were_alone():
    """Loss and gradients of rows of several examples, and of a row each, are the same."""
    g = torch.Generator().manual_seed(0)
    examples = [
        Example(torch.randint(2, 40, (s,), generator=g).tolist(),
                torch.randint(2, 40, (t,), generator=g).tolist())
        for s, t in ((5, 3), (4, 6), (7, 2), (2, 2))
    ]  # fmt: skip
    packed = pack_sequences(examples, max_len=12)
    assert packed.input_ids.shape[0] == 2
    assert (packed.attention_mask > 0).sum() == 18
    net, losses, grads = model(), [], []
    labels = pad([e.targets for e in examples], -100)
    for arguments in (vars(packed), {"input_ids": pad([e.inputs for e in examples]),
                                     "labels": labels}):  # fmt: skip
        net.zero_grad()
        loss = net.loss(**arguments)
        loss.backward()
        losses.append(loss.detach())
        grads.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"examples\[0\] has 5 input and 3 target tokens"):
        pack_sequences(examples, max_len=4)


@pytest.mark.parametrize("share", [False, True])
def test_adapters_change_nothing_at_first_and_alone_can_learn(share):
    net = model(share_stacks=share)
    new = with_adapters(net, 5, torch.Generator().manual_seed(1))
    ids, labels = torch.arange(2, 9)[None], torch.tensor([[4, 5, 1]])
    torch.testing.assert_close(new(ids, labels=labels), net(ids, labels=labels))
    learn = {name for name, p in new.named_parameters() if p.requires_grad}
    norms = {f"{n}.weight" for n, m in new.named_modules() if isinstance(m, T5LayerNorm)}
    assert learn == {n for n, _ in new.named_parameters() if "adapter" in n or n in norms}
    assert sum(p.numel() for n, p in new.named_parameters() if "adapter" in n) == (
        2 * 12 * 5 * (3 if share else 6)
    )
    optimizer = Adafactor([p for p in new.parameters() if p.requires_grad], 0.1)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = new.loss(ids, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="adapters already"):
        with_adapters(new, 5)
    with pytest.raises(ValueError, match="has adapters"):
        to_hugging_face(new)


def test_unfreezing_goes_from_the_top():
    net = model()
    for episode in (1, 2, 3, 7):
        unfreeze(net, episode)
        for stack in (net.encoder, net.decoder):
            frozen = [not any(p.requires_grad for p in b.parameters()) for b in stack.blocks]
            assert frozen == [i < 3 - episode for i in range(3)]
        assert net.shared.weight.requires_grad, "updated throughout (§3.5.1)"
    with pytest.raises(ValueError, match="episode must be at least 1, got 0"):
        unfreeze(net, 0)
    with pytest.raises(
        ValueError, match="model must have no adapters"
    ):  # their freeze would be undone
        unfreeze(with_adapters(net, 4), 1)


@pytest.mark.parametrize("prefix", [False, True])
def test_single_stacks_keep_their_kind_with_adapters_and_unfreeze(prefix):
    net = LanguageModel(model().config, prefix, torch.Generator().manual_seed(0)).eval()
    ids, labels = torch.arange(2, 9)[None], torch.tensor([[4, 5, 1]])
    for generator in (None, torch.Generator().manual_seed(1)):
        new = with_adapters(net, 5, generator)
        assert new.prefix is prefix
        torch.testing.assert_close(new(ids, labels=labels), net(ids, labels=labels))
    unfreeze(net, 1)
    learn = [any(p.requires_grad for p in b.parameters()) for b in net.decoder.blocks]
    assert learn == [i == len(learn) - 1 for i in range(len(learn))]


def test_a_packed_mask_needs_its_counterpart():
    net = model()
    ids, labels = torch.arange(2, 8)[None], torch.tensor([[4, 1, 5, 1]])
    source, target = torch.tensor([[1, 1, 1, 2, 2, 2]]), torch.tensor([[1, 1, 2, 2]])
    assert net.loss(ids, labels, source, target).isfinite()
    with pytest.raises(ValueError, match="attention_mask has example 2, which decoder_attention"):
        net.loss(ids, labels, source)
    with pytest.raises(ValueError, match="decoder_attention_mask has example 2, which attention"):
        net.loss(ids, labels, None, target)
    with pytest.raises(ValueError, match="one example a row; got 2"):
        LanguageModel(net.config).loss(ids, labels, source)
    with pytest.raises(ValueError, match="one example a row; got 2"):
        net.start(ids, 4, attention_mask=source)


def test_a_new_model_shares_no_memory_and_keeps_its_type():
    net = from_hugging_face({k: v.double() for k, v in STATE.items()}, dropout_rate=0.3)
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    assert (net.config.dropout_rate, net.training) == (0.3, False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert STATE["shared.weight"].any()


def test_files_read_back(tmp_path):
    net = model()
    save(tmp_path / "a.safetensors", net.state_dict())
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}},
               tmp_path / "b.pt")  # fmt: skip
    for name in ("a.safetensors", "b.pt"):
        twin = model()
        twin.load_state_dict(load(tmp_path / name))
        assert torch.equal(twin.shared.weight, net.shared.weight)
    for content, text in ((b"", "is empty"), (b"<html>", "a web page"), (b"\x80\x02x", "damaged")):
        (tmp_path / "c").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            load(tmp_path / "c")


def test_old_files_and_copies_of_the_tied_matrix_are_read():
    old = dict(STATE)
    name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    old[name] = torch.zeros(32, 2)
    assert from_hugging_face(old).config.tie_word_embeddings
    del old["shared.weight"]
    assert from_hugging_face(old).config.tie_word_embeddings
    untied = dict(STATE) | {"lm_head.weight": torch.randn(40, 12)}
    assert not from_hugging_face(untied).config.tie_word_embeddings
    encoder = {n: t for n, t in STATE.items() if not n.startswith(("decoder", "lm_head"))}
    assert type(from_hugging_face(encoder)) is T5EncoderModel


@given(data=st.data())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_state_dict_loads_or_raises_a_value_error(data):
    draw, state = data.draw, dict(STATE)
    for name in draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=2, unique=True)):
        tensor = state.pop(name)
        other = draw(st.sampled_from([
            None, tensor, tensor[:0], tensor[..., :1], tensor.double(), tensor.int(), tensor[None],
            tensor.to_sparse(), tensor.to("meta"), torch.tensor(1.0), tensor.bool(),
            tensor.to(torch.complex64), "text",
        ]))  # fmt: skip
        where = draw(st.sampled_from([name, name + "_", name.replace("0", "7"), "lm_head.weight"]))
        if other is not None:
            state[where] = other
    try:
        from_hugging_face(state)
    except ValueError as error:
        assert str(error)  # noqa: PT017
