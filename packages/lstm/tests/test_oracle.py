"""Equality with torch.nn.LSTM, torch.lstm_cell, and autograd; files of weights."""

import copy
import dataclasses
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from lessons.lstm import (
    LSTM1997,
    PRESETS,
    Config,
    TruncatedLearner,
    carousel,
    from_keras,
    from_torch,
    load,
    save,
    to_keras,
    to_torch,
)
from lessons.lstm.network import project


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net_of(block_size=2, dtype=torch.float64, **more):
    config = Config(5, 3, block_size, gate_recurrence=False, bias="hidden", init=0.7, **more)
    return LSTM1997(config, generator=seeded(), dtype=dtype)


def torchs(net):
    theirs = nn.LSTM(net.config.input_size, net.config.cells, dtype=net.weight_x.dtype)
    theirs.load_state_dict(to_torch(net))
    return theirs


@pytest.mark.parametrize("block_size", [1, 2])
def test_outputs_and_full_gradients_are_torchs(block_size):
    net = net_of(block_size, truncate=False)
    theirs = torchs(net)
    x = torch.randn(40, 4, 5, dtype=torch.float64, generator=seeded(1), requires_grad=True)
    y, (seen, s) = net(x)
    want, (h, c) = theirs(x)
    torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(s / 2, c[0], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(seen, h[0], rtol=1e-12, atol=1e-13)
    dx = torch.autograd.grad(y.sin().sum(), [x, net.weight_x, net.weight_h])
    dx_theirs = torch.autograd.grad(want.sin().sum(), [x, theirs.weight_ih_l0, theirs.weight_hh_l0])
    torch.testing.assert_close(dx[0], dx_theirs[0], rtol=1e-10, atol=1e-12)
    rows = torch.arange(3).repeat_interleave(block_size)
    for ours, other in zip(dx[1:], dx_theirs[1:]):
        gates_in, _, cells, gates_out = other.chunk(4)
        summed = [torch.zeros_like(ours[:3]).index_add_(0, rows, v) for v in (gates_in, gates_out)]
        torch.testing.assert_close(ours, torch.cat([*summed, cells / 2]), rtol=1e-9, atol=1e-11)


def test_the_truncated_gradient_is_that_of_detached_cells():
    net = net_of(1)
    theirs = torchs(net)
    x = torch.randn(40, 4, 5, dtype=torch.float64, generator=seeded(1))
    h, c = torch.zeros(2, 4, 3, dtype=torch.float64)
    weights, outputs = [getattr(theirs, n) for n in to_torch(net)], []
    for x_BI in x:
        h, c = torch.lstm_cell(x_BI, (h.detach(), c), *weights)
        outputs.append(h)
    theirs = torch.autograd.grad(torch.stack(outputs).sin().sum(), weights[:2])
    ours = torch.autograd.grad(net(x)[0].sin().sum(), [net.weight_x, net.weight_h])
    for a, b in zip(ours, theirs):
        gates_in, _, cells, gates_out = b.chunk(4)
        want = torch.cat([gates_in, gates_out, cells / 2])
        torch.testing.assert_close(a, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("truncate", [True, False])
def test_in_single_precision(truncate):
    net = net_of(2, torch.float32, truncate=truncate)
    x = torch.randn(40, 4, 5, generator=seeded(1))
    torch.testing.assert_close(net.cells(x)[0], torchs(net)(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", ["all", "gates", None])
def test_torchs_kernel_is_the_readable_path(bias):
    net = LSTM1997(Config(5, 3, 2, 2, gate_recurrence=False, bias=bias, truncate=False),
                   generator=seeded(), dtype=torch.float64)  # fmt: skip
    x = torch.randn(7, 4, 5, dtype=torch.float64, generator=seeded(1))
    y0, s0 = torch.randn(2, 4, 6, dtype=torch.float64, generator=seeded(2))
    weights = [w for w in (net.weight_x, net.weight_h, net.bias) if w is not None]
    found = []
    for written in (False, True):
        if written:  # the written gradient, by way of net inputs
            one = None if net.bias is None else net.bias[None]
            inside = project(x[:, None], net.weight_x[None], one, False, net.config)
            y, s, seen = carousel(inside, net.weight_h[None], y0[None], s0[None], net.config)
            y, s, seen = y[:, 0], s[0], seen[0]
        else:
            y, (seen, s) = net.cells(x, (y0, s0))
        loss = y.sin().sum() + (s * s).sum() + seen.cos().sum()
        found.append([y, s, seen, *torch.autograd.grad(loss, weights)])
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["exp1-3x2", "exp2a", "exp2c-50", "exp3", "exp4", "exp6b"])
@pytest.mark.parametrize("seeds", [None, 2])
def test_what_is_carried_along_is_the_truncated_gradient(name, seeds):
    # Equations A.17 to A.26 against autograd with what is seen detached, errors at every step.
    small = {"input_size": 5, "output_size": 4} if name == "exp2a" else {}
    net = LSTM1997.from_preset(name, seeded(), seeds=seeds, dtype=torch.float64, **small)
    learner = TruncatedLearner(net, 1.0)
    c = net.config
    x = torch.randn(15, seeds or 1, c.input_size, dtype=torch.float64, generator=seeded(1))
    d = torch.rand(15, seeds or 1, c.output_size, dtype=torch.float64, generator=seeded(2))
    outputs = [learner.step(x[t], d[t]) for t in range(15)]
    y = net(x if seeds is None else x[:, :, None])[0]
    y = y if seeds is None else y[:, :, 0]
    torch.testing.assert_close(torch.stack(outputs), y, rtol=1e-12, atol=1e-13)
    (0.5 * (d - y).square().sum()).backward()
    for key, weight in net.named_parameters():
        ours = learner.changes[key].view_as(weight)
        torch.testing.assert_close(ours, -weight.grad, rtol=1e-10, atol=1e-13)
    before = copy.deepcopy(net.state_dict())
    learner.apply()
    for key, weight in net.named_parameters():
        torch.testing.assert_close(weight, before[key] - weight.grad)


def test_online_changes_come_at_each_step():
    nets = [LSTM1997.from_preset("exp1-4x1", seeded(), dtype=torch.float64) for _ in range(2)]
    every, by_hand = TruncatedLearner(nets[0], 0.5, True), TruncatedLearner(nets[1], 0.5)
    for t in range(5):
        x, d = torch.tensor([t]), torch.rand(1, 7, dtype=torch.float64, generator=seeded(t))
        a, b = every.step(x, d), by_hand.step(x, d)
        by_hand.apply()
        assert torch.equal(a, b)
    assert every.ds_cell.shape == (1, 4, 7 + 12 + 1)
    every.reset()
    assert not every.ds_cell.any()
    assert not every.s.any()
    with pytest.raises(ValueError, match="no output layer"):
        TruncatedLearner(LSTM1997(Config(2, 1)), 0.1)
    with pytest.raises(ValueError, match="lr must be at least 0"):
        TruncatedLearner(nets[0], -1.0)
    with pytest.raises(ValueError, match=r"x must be \(1, 7\)"):
        every.step(torch.ones(1, 6, dtype=torch.float64))


def test_weights_of_torch_and_keras_there_and_back():
    net = net_of(1, truncate=False)
    x = torch.randn(9, 4, 5, dtype=torch.float64, generator=seeded(1))
    for back in (from_torch(to_torch(net)), from_keras([v.numpy() for v in to_keras(net)])):
        assert not back.config.truncate
        torch.testing.assert_close(back(x)[0], net(x)[0])
        assert {k: v.shape for k, v in back.state_dict().items()} == {
            k: v.shape for k, v in net.state_dict().items()
        }
    kernel, recurrent, bias = to_keras(net)
    assert (kernel.shape, recurrent.shape, bias.shape) == ((5, 12), (3, 12), (12,))


def closed(name, value, rows=slice(3, 6)):
    state = to_torch(net_of(1))
    state[name] = state[name].clone()
    state[name][rows] = value
    return state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (nn.LSTM(5, 3).state_dict(), "forget gate can close"),
        (closed("bias_ih_l0", 5.0), "forget gate can close"),
        (closed("weight_hh_l0", 0.1), "forget gate can close"),
        (nn.LSTM(5, 3, bidirectional=True).state_dict(), "second direction"),
        (nn.LSTM(5, 3, proj_size=2).state_dict(), "proj_size"),
        (nn.LSTM(5, 3, 2).state_dict(), "more than one layer"),
        (nn.LSTM(5, 3, bias=False).state_dict(), "missing bias_ih_l0"),
        (nn.GRU(5, 3).state_dict(), "four rows"),
        ({"weight_ih_l0": 3}, "names to tensors"),
        ({}, "missing weight_hh_l0"),
    ],
)
def test_weights_that_are_no_carousel(state, words):
    with pytest.raises(ValueError, match=words):
        from_torch(state)


def test_nets_that_torch_has_not():
    with pytest.raises(ValueError, match="gate_recurrence"):
        to_torch(LSTM1997.from_preset("exp4"))
    with pytest.raises(ValueError, match="no output gate, other squashing"):
        to_torch(LSTM1997.from_preset("exp2a"))
    with pytest.raises(ValueError, match="three arrays"):
        from_keras([1, 2])


def test_files(tmp_path):
    net = LSTM1997.from_preset("exp4", seeded())
    save(tmp_path / "a.safetensors", net.state_dict())
    wrapped = {"state_dict": {f"module._orig_mod.{k}": v for k, v in net.state_dict().items()}}
    torch.save(wrapped, tmp_path / "b.pt")
    for name in ("a.safetensors", "b.pt"):
        other = LSTM1997.from_preset("exp4")
        other.load_state_dict(load(tmp_path / name))
        assert all(torch.equal(v, net.state_dict()[k]) for k, v in other.state_dict().items())
    (tmp_path / "c.safetensors").write_bytes(b"no")
    torch.save({"a": print}, tmp_path / "d.pt")
    torch.save([1], tmp_path / "e.pt")
    for name in ("c.safetensors", "d.pt", "e.pt"):
        with pytest.raises(ValueError, match=name):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "f.pt")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_strides_empty_batches_and_copies():
    net = LSTM1997.from_preset("exp4", seeded())
    x = torch.randn(6, 4, 2, generator=seeded(1))
    want = net(x)[0]
    odd = x.transpose(0, 1).contiguous().transpose(0, 1)
    wide = torch.randn(6, 4, 6)
    wide[..., ::3] = x
    for view in (odd, wide[..., ::3]):
        torch.testing.assert_close(net(view)[0], want)
    assert net(x[:, :0])[0].shape == (6, 0, 1)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x)[0], want)
    torch.testing.assert_close(functional_call(net, net.state_dict(), (x,))[0], want)


@pytest.mark.parametrize("truncate", [True, False])
def test_transforms(truncate):
    net = LSTM1997(dataclasses.replace(PRESETS["exp4"], truncate=truncate), generator=seeded())
    x = torch.randn(6, 4, 2, generator=seeded(1))
    each = vmap(lambda v: net(v[:, None])[0][:, 0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(each, net(x)[0])
    weights = dict(net.named_parameters())

    def loss(weights, x):
        return functional_call(net, weights, (x[:, None],))[0].square().sum()

    per_sample = vmap(grad(loss), in_dims=(None, 1))(weights, x)
    net(x)[0].square().sum().backward()
    for name, weight in net.named_parameters():
        torch.testing.assert_close(per_sample[name].sum(0), weight.grad, rtol=1e-4, atol=1e-6)
    if not truncate:
        y, dy = jvp(lambda v: net(v)[0], (x,), (torch.ones_like(x),))
        step = (net(x.double().float() + 1e-3)[0] - net(x - 1e-3)[0]) / 2e-3
        torch.testing.assert_close(dy, step, rtol=2e-2, atol=2e-4)
        torch.testing.assert_close(y, net(x)[0])


def test_export_trace_compile_and_autocast():
    net = LSTM1997.from_preset("exp4", seeded()).eval()
    x = torch.randn(6, 4, 2, generator=seeded(1))
    exported = torch.export.export(
        net, (x,), dynamic_shapes=({1: torch.export.Dim("batch", min=2, max=64)},)
    )
    more = torch.randn(6, 17, 2, generator=seeded(2))
    torch.testing.assert_close(exported.module()(more)[0], net(more)[0])
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x)[0], net(x)[0])
    lengths = torch.tensor([6, 1, 3, 5])
    torch.testing.assert_close(compiled(x, None, lengths)[0], net(x, None, lengths)[0])
    traced = torch.fx.symbolic_trace(nn.Sequential(Cells(net)))
    torch.testing.assert_close(traced(x), net.cells(x)[0])
    assert net.to("meta")(x.to("meta"))[0].shape == (6, 4, 1)
    net = LSTM1997.from_preset("exp4", seeded())
    with torch.autocast("cpu"):
        assert net.cells(x)[0].dtype == torch.float32, "a sum of many steps needs its digits"
    assert net.double()(x.double())[0].dtype == torch.float64


class Cells(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.cells(x)[0]
