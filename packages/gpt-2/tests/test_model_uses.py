"""The model where torch's modules stand: compiled, exported, traced, mapped; and bad input."""

import copy
import dataclasses

import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap

from lessons.gpt_2 import (
    GPT2,
    GPT2Config,
    KeyValueCache,
)

SMALL = GPT2Config(vocab_size=29, n_positions=24, n_embd=16, n_layer=3, n_head=4)


def model(seed=0, **changes):
    return GPT2(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(seed)).eval()


def ids(*shape, seed=0, high=29):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed))


def test_gradient_checkpointing_changes_no_gradient():
    x = ids(2, 6)
    grads = []
    for flag in (False, True):
        net = model(gradient_checkpointing=flag).double().train()
        torch.manual_seed(0)
        net(x, labels_BT=x).backward()
        grads.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads))


def test_dropout_only_in_training():
    net, x = model(), ids(2, 6)
    assert torch.equal(net(x), net(x))
    net.train()
    assert not torch.equal(net(x), net(x))
    still = model(embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0).train()
    assert torch.equal(still(x), still(x))


def test_batches_of_none():
    net = model()
    assert net(ids(0, 5)).shape == (0, 5, 29)
    assert net(ids(2, 0)).shape == (2, 0, 29)
    assert net(ids(0, 5), labels_BT=ids(0, 5)) == 0
    assert net(ids(2, 1), labels_BT=ids(2, 1)) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    net, x = model(initializer_range=0.1), ids(2, 8)
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, :3] = False
    want = net(x, mask)
    half = copy.deepcopy(net).to(dtype)
    got = half(x, mask)
    assert got.dtype is dtype
    torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        auto = net(x, mask)
        assert auto.dtype is torch.bfloat16
        torch.testing.assert_close(auto.float(), want, rtol=0.05, atol=0.05)
        cache = net.start_cache(2)
        parts = [net(p, cache=cache) for p in x.split([5, 1, 2], 1)]
        torch.testing.assert_close(
            torch.cat(parts, 1).float(), net(x).float(), rtol=0.05, atol=0.05
        )
        net(x, labels_BT=x).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiles_whole():
    net, x = model(), ids(2, 6)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, :2] = False
    fast = torch.compile(net, fullgraph=True, backend="aot_eager")
    for given in ((x,), (x, mask)):
        torch.testing.assert_close(fast(*given), net(*given))
    loss = fast(x, labels_BT=x)
    loss.backward()
    torch.testing.assert_close(loss, net(x, labels_BT=x))


@pytest.mark.parametrize("masked", [False, True])
def test_exports_with_a_dynamic_batch_and_length(masked):
    net = model()
    batch, t = torch.export.Dim("batch", min=2, max=64), torch.export.Dim("t", min=2, max=24)
    given, other = (ids(3, 5),), (ids(7, 9),)
    if masked:
        given, other = (*given, torch.ones(3, 5).bool()), (*other, ids(7, 9, seed=1) > 0)
        other[1][:, -1] = True
    dynamic = tuple({0: batch, 1: t} for _ in given)
    program = torch.export.export(net, given, dynamic_shapes=(*dynamic,), strict=False)
    torch.testing.assert_close(program.module()(*other), net(*other))


def test_torch_func_maps_and_differentiates():
    net, x = model().double(), ids(3, 6)
    weights = dict(net.named_parameters())

    def loss(weights, x):
        return functional_call(net, weights, (x[None],), {"labels_BT": x[None]})

    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    net(x, labels_BT=x).backward()
    for name, weight in weights.items():
        torch.testing.assert_close(each[name].mean(0), weight.grad)
    h = torch.randn(2, 5, 16, dtype=torch.float64)
    dh = torch.randn(2, 5, 16, dtype=torch.float64)
    _, change = jvp(net.h[0], (h,), (dh,))
    numeric = (net.h[0](h + 1e-6 * dh) - net.h[0](h - 1e-6 * dh)) / 2e-6
    torch.testing.assert_close(change, numeric, rtol=1e-6, atol=1e-7)


BAD = [
    ({"n_embd": 10}, "n_embd .10. must be divisible by n_head .4."),
    ({"n_layer": 0}, "n_layer must be at least 1, got 0"),
    ({"n_inner": 0}, "n_inner must be None or at least 1"),
    ({"attn_pdrop": 1.0}, r"attn_pdrop must be in \[0, 1\)"),
    ({"activation": "swish"}, "activation must be one of .*'swish'"),
    ({"norm": "none"}, "norm must be one of"),
    ({"initializer_range": 0.0}, "initializer_range must be positive"),
]


@pytest.mark.parametrize(("changes", "text"), BAD)
def test_bad_sizes(changes, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(SMALL, **changes)


def test_bad_input():
    net, x = model(), ids(2, 6)
    cases = [
        (ValueError, "end at position 25, the model has n_positions=24", (ids(1, 25),)),
        (ValueError, "input_ids has 29, allowed are 0 to 28", (x + 29 - x.max(),)),
        (ValueError, "input_ids has -1", (x - x.min() - 1,)),
        (TypeError, "input_ids must hold int64 or int32, got torch.float32", (x.float(),)),
        (TypeError, "must be a tensor of ids, got list", ([[1, 2]],)),
        (ValueError, r"input_ids must have shape \(batch, length\)", (x[0],)),
        (ValueError, r"attention_mask must have shape \(2, 6\)", (x, torch.ones(2, 5).bool())),
        (TypeError, "attention_mask must be bool or 0 and 1", (x, torch.ones(2, 6))),
        (ValueError, "position_ids has 24, allowed are 0 to 23", (x, None, x * 0 + 24)),
        (ValueError, "cache is for", (x, None, None, model(n_layer=2).start_cache(2))),
        (ValueError, "cache is for", (x, None, None, net.start_cache(3))),
        (ValueError, "give no cache", (x, None, None, net.start_cache(2), x)),
        (ValueError, "labels_BT must have the ids' shape", (x, None, None, None, x[:, 1:])),
        (ValueError, "chunk must be at least 1, got 0", (x, None, None, None, x, 0)),
    ]
    for error, text, given in cases:
        with pytest.raises(error, match=text):
            net(*given)
    with pytest.raises(ValueError, match=r"name must be one of gpt2, .*; got 'gpt3'"):
        GPT2.from_preset("gpt3")
    with pytest.raises(ValueError, match="max_len must be 1 to n_positions=24"):
        KeyValueCache(SMALL, 1, 25)


def test_torch_fx_traces_it():
    net = model()
    ids_alone = dict.fromkeys(
        ("attention_mask_BT", "position_ids_BT", "cache", "labels_BT", "chunk")
    )
    traced = torch.fx.symbolic_trace(net, concrete_args=ids_alone)
    x, y = ids(2, 7), ids(3, 5, seed=1)
    assert torch.equal(traced(x), net(x))
    assert torch.equal(traced(y), net(y))
