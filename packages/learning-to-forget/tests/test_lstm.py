"""LSTM and LSTMCell in torch's place: equality, strides, transforms, traces, options, bad input."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lessons.learning_to_forget import (
    LSTM,
    LSTMCell,
    PeepholeLSTM,
    Stream,
    chrono_init_,
    init_forget_bias_,
    record_gates,
    scan,
    scan_reference,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(dtype=torch.float64, **options):
    torch.manual_seed(0)
    theirs = nn.LSTM(5, 7, dtype=dtype, **options)
    torch.manual_seed(0)
    ours = LSTM(5, 7, dtype=dtype, **options)
    for (name, a), (other, b) in zip(ours.named_parameters(), theirs.named_parameters()):
        assert name == other
        assert torch.equal(a, b), "equal seeds give equal weights"
    return theirs, ours


def same(ours, theirs, x, hx=None, **tolerance):
    found = []
    for layer in (ours, theirs):
        out, (h, c) = layer(x, hx)
        data = out.data if not isinstance(out, torch.Tensor) else out
        loss = data.sin().sum() + h.cos().sum() + c.exp().sum()
        found.append([data, h, c, *torch.autograd.grad(loss, [*layer.parameters()])])
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("proj", [0, 3])
def test_outputs_and_gradients_are_torchs(layers, both, proj):
    theirs, ours = pair(num_layers=layers, bidirectional=both, proj_size=proj)
    x = torch.randn(6, 4, 5, dtype=torch.float64, generator=seeded(1))
    count = layers * (1 + both)
    hx = (torch.randn(count, 4, proj or 7, dtype=torch.float64, generator=seeded(2)),
          torch.randn(count, 4, 7, dtype=torch.float64, generator=seeded(3)))  # fmt: skip
    same(ours, theirs, x, hx, rtol=1e-11, atol=1e-12)
    same(ours, theirs, x)
    packed = pack_padded_sequence(x, torch.tensor([3, 6, 1, 6]), enforce_sorted=False)
    if not proj:  # torch's packed layer with a projection is not to be had on a CPU
        same(ours, theirs, packed, hx, rtol=1e-11, atol=1e-12)
    out, last = ours(x, hx, lengths=torch.tensor([3, 6, 1, 6]))
    again, last_again = ours(packed, hx)
    torch.testing.assert_close(pad_packed_sequence(again)[0], out)
    torch.testing.assert_close(last, last_again)


def test_in_single_precision_and_by_torchs_kernel():
    theirs, ours = pair(torch.float32, batch_first=True, bias=False)
    x = torch.randn(4, 9, 5, generator=seeded(1))
    same(ours, theirs, x, rtol=1e-5, atol=1e-6)
    by_kernel = LSTM(5, 7, batch_first=True, bias=False, backend="torch")
    by_kernel.load_state_dict(ours.state_dict())
    same(by_kernel, theirs, x)
    single, _ = ours(x[0])
    torch.testing.assert_close(single, theirs(x[0])[0], rtol=1e-5, atol=1e-6)
    sparse = LSTM(5, 7, batch_first=True, bias=False, checkpoint_every=4)
    sparse.load_state_dict(ours.state_dict())
    same(sparse, ours, x)
    with pytest.raises(ValueError, match="checkpoint_every is 4"):
        vmap(lambda x: sparse(x[None])[0])(x)


def test_dropout_is_torchs_between_layers():
    theirs, ours = pair(num_layers=2, dropout=0.5)
    x = torch.randn(6, 4, 5, dtype=torch.float64, generator=seeded(1))
    assert not torch.equal(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(0, 1),
        lambda x: x[::2, 1:, :],
        lambda x: x[:, :1].expand(-1, 4, -1),
        lambda x: x[:0].transpose(0, 1),
    ],
)
def test_any_strides_and_an_empty_batch(view):
    theirs, ours = pair()
    x = view(torch.randn(6, 4, 5, dtype=torch.float64, requires_grad=True))
    torch.testing.assert_close(ours(x), theirs(x))
    output = ours(x)[0]
    (dx,) = torch.autograd.grad(output, x, torch.ones(()).double().expand_as(output))
    torch.testing.assert_close(dx, torch.autograd.grad(theirs(x)[0].sum(), x)[0])


@pytest.mark.parametrize("options", [
    {}, {"peephole": True}, {"peephole": True, "coupled_input_forget": True, "proj_size": 2},
    {"activations": "1999", "peephole": True},
])  # fmt: skip
def test_gradcheck_and_second_derivatives(options):
    layer = LSTM(2, 3, dtype=torch.float64, **options)
    names, weights = zip(*layer.named_parameters())
    x = torch.randn(2, 2, 2, dtype=torch.float64, generator=seeded(1), requires_grad=True)

    def call(x, *weights):
        y, state = functional_call(layer, dict(zip(names, weights)), (x,))
        return y, *state

    given = (x, *(w.detach().requires_grad_() for w in weights))
    assert torch.autograd.gradcheck(call, given)
    assert torch.autograd.gradgradcheck(call, given)


def test_a_state_that_comes_from_the_weights_is_counted_once():
    found = []
    for way in (scan, scan_reference):
        weight = torch.randn(1, 8, 2, dtype=torch.float64, generator=seeded(1), requires_grad=True)
        x = torch.randn(4, 1, 3, 8, dtype=torch.float64, generator=seeded(2))
        h = (x[0, ..., :2] @ weight[:, :2]).tanh()
        y, c = way(x * weight.sum(), h, h, weight)
        (first,) = torch.autograd.grad((y * c).sum(), weight, create_graph=True)
        found.append([first, *torch.autograd.grad(first.square().sum(), weight)])
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_transforms():
    theirs, ours = pair()
    x, tangent = torch.randn(2, 6, 4, 5, dtype=torch.float64, generator=seeded(1))
    with torch.no_grad():  # torch's own layer has no forward mode everywhere: finite differences
        step = 1e-6
        want = (theirs(x + step * tangent)[0] - theirs(x - step * tangent)[0]) / (2 * step)
    _, found = jvp(lambda x: ours(x)[0], (x,), (tangent,))
    torch.testing.assert_close(found, want, rtol=1e-6, atol=1e-8)
    each = vmap(lambda x: ours(x)[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(each, ours(x)[0])
    weights = dict(ours.named_parameters())

    def loss(weights, x):
        return functional_call(ours, weights, (x,))[0].square().sum()

    per_sample = vmap(grad(loss), in_dims=(None, 1))(weights, x)
    ours(x)[0].square().sum().backward()
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(per_sample[name].sum(0), weight.grad)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = LSTM(5, 7, bidirectional=True), nn.Linear(14, 3)

    def forward(self, x):
        return self.out(self.lstm(x)[0])


def test_traces_and_exports():
    model, x = Tagger().eval(), torch.randn(6, 4, 5)
    torch.testing.assert_close(torch.fx.symbolic_trace(model)(x), model(x))
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(model, (x,), dynamic_shapes=({1: batch},))
    more = torch.randn(6, 17, 5)
    torch.testing.assert_close(exported.module()(more), model(more))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
    for context in (torch.enable_grad, torch.no_grad):
        with context():
            traced = torch.jit.trace(model, (x,), check_trace=False)
        torch.testing.assert_close(traced(more), model(more))


class Lengths(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = LSTM(5, 7, bidirectional=True)

    def forward(self, x, lengths):
        return self.lstm(x, lengths=lengths)[0]


def test_lengths_are_traced_and_mapped():
    model, x, lengths = Lengths(), torch.randn(6, 4, 5), torch.tensor([3, 6, 1, 5])
    want, other = model(x, lengths), torch.tensor([6, 2, 2, 1])
    exported = torch.export.export(model, (x, lengths)).module()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for call in (exported, compiled):
        torch.testing.assert_close(call(x, lengths), want)
        torch.testing.assert_close(call(x, other), model(x, other))
    each = vmap(lambda x, n: model(x[:, None], n[None])[:, 0], in_dims=(1, 0), out_dims=1)
    torch.testing.assert_close(each(x, lengths), want)


def test_copies_halves_and_meta():
    theirs, ours = pair(torch.float32)
    x = torch.randn(6, 4, 5, generator=seeded(1))
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(twin(x)[0], ours(x)[0])
    with torch.autocast("cpu"):
        a = ours(x)[0]
    assert a.dtype == torch.bfloat16  # as torch's layer, which not every processor can run in it
    torch.testing.assert_close(a.float(), theirs(x)[0], rtol=0.03, atol=0.03)
    a.sum().backward()
    assert ours.weight_hh_l0.grad.dtype == torch.float32
    layer = LSTM(5, 7, 2, device="meta", forget_bias=1.0, coupled_input_forget=False)
    assert layer(torch.empty(6, 4, 5, device="meta"))[0].shape == (6, 4, 7)
    assert repr(layer) == "LSTM(5, 7, num_layers=2, forget_bias=1.0)"


@pytest.mark.parametrize("bias", [True, False])
def test_one_step_is_torchs_cell(bias):
    torch.manual_seed(0)
    theirs = nn.LSTMCell(5, 7, bias)
    torch.manual_seed(0)
    ours = LSTMCell(5, 7, bias)
    x, h, c = torch.randn(3, 4, 5), torch.randn(4, 7), torch.randn(4, 7)
    torch.testing.assert_close(ours(x[0], (h, c)), theirs(x[0], (h, c)))
    torch.testing.assert_close(ours(x[0]), theirs(x[0]))
    torch.testing.assert_close(ours(x[0, 0], (h[0], c[0])), theirs(x[0, 0], (h[0], c[0])))


def test_options_are_what_they_say():
    layer = LSTM(5, 7, coupled_input_forget=True)
    assert layer.weight_ih_l0.shape == (21, 5)
    gates = record_gates(layer, torch.randn(6, 2, 5))
    torch.testing.assert_close(gates["forget"], 1 - gates["input"])
    layer = PeepholeLSTM(5, 7)
    x = torch.randn(6, 2, 5)
    gates = record_gates(layer, x)
    c, i, f, w = gates["cell"], gates["input"], gates["forget"], layer.peephole_l0
    without = LSTM(5, 7)
    without.load_state_dict({k: v for k, v in layer.state_dict().items() if "peep" not in k})
    h = torch.cat([torch.zeros(1, 2, 7), layer(x)[0][:-1]])
    net = x @ layer.weight_ih_l0.T + h @ layer.weight_hh_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
    before = torch.cat([torch.zeros(1, 2, 7), c[:-1]])
    torch.testing.assert_close((net[..., :7] + w[0] * before).sigmoid(), i)
    torch.testing.assert_close((net[..., 7:14] + w[1] * before).sigmoid(), f)
    torch.testing.assert_close((net[..., 21:] + w[2] * c).sigmoid(), gates["output"])
    torch.testing.assert_close(f * before + i * net[..., 14:21].tanh(), c)
    torch.testing.assert_close(gates["output"] * c.tanh(), layer(x)[0])


def test_first_biases():
    for layer in (LSTM(5, 7, forget_bias=1.0), init_forget_bias_(nn.LSTM(5, 7), 1.0)):
        assert (layer.bias_ih_l0 + layer.bias_hh_l0)[7:14].tolist() == [1.0] * 7
    assert LSTMCell(5, 7, forget_bias=2.0).bias_ih[7:14].tolist() == [2.0] * 7
    mixed = nn.Sequential(nn.LSTM(5, 7), nn.GRU(7, 7))
    before = mixed[0].bias_ih_l0.clone()
    with pytest.raises(ValueError, match="GRU's biases"):
        init_forget_bias_(mixed, 1.0)
    assert torch.equal(mixed[0].bias_ih_l0, before), "an error leaves nothing half done"
    layer = chrono_init_(LSTM(5, 7), 100, seeded())
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    assert bias[7:14].min() >= 0
    assert bias[7:14].max() <= torch.tensor(99.0).log()
    assert torch.equal(bias[:7], -bias[7:14])


def test_a_stream_carries_its_state_and_can_forget():
    layer = LSTM(5, 7)
    x = torch.randn(12, 4, 5, generator=seeded(1))
    stream = Stream(layer)
    pieces = torch.cat([stream(piece) for piece in x.split(4)])
    torch.testing.assert_close(pieces, layer(x)[0])
    stream.reset(torch.tensor([True, False, False, True]))
    y = stream(x[:4])
    torch.testing.assert_close(y[:, 0], layer(x[:4])[0][:, 0])
    assert not torch.allclose(y[:, 1], layer(x[:4])[0][:, 1])
    stream.reset()
    torch.testing.assert_close(stream(x[:4]), layer(x[:4])[0])
    with pytest.raises(TypeError, match=r"booleans, is torch\.int64"):
        stream.reset(torch.tensor([1, 0, 0, 1]))
    with pytest.raises(ValueError, match=r"\(4,\), is \(2,\)"):
        stream.reset(torch.tensor([True, False]))
    with pytest.raises(TypeError, match="returns a Tensor"):
        Stream(nn.GRU(5, 7))(x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LSTM(0, 7), "input_size must be at least 1, got 0"),
        (lambda: LSTM(5, 7, proj_size=7), r"below hidden_size \(7\), got 7"),
        (lambda: LSTM(5, 7, 2, dropout=1.5), r"in \[0, 1\], got 1.5"),
        (lambda: LSTM(5, 7, activations="2000"), "'modern' or '1999'"),
        (lambda: LSTM(5, 7, backend="cudnn"), "'scan' or 'torch'"),
        (lambda: PeepholeLSTM(5, 7, backend="torch"), "neither peepholes"),
        (lambda: LSTM(5, 7, bias=False, forget_bias=1.0), "bias is False"),
        (lambda: LSTM(5, 7, forget_bias=1.0, chrono=10), "give one"),
        (lambda: LSTM(5, 7, chrono=2), "above 2"),
        (lambda: LSTM(5, 7)(torch.ones(6, 4, 6)), r"input_size = 5; is \(6, 4, 6\)"),
        (lambda: LSTM(5, 7)(torch.ones(0, 4, 5)), "T > 0"),
        (lambda: LSTM(5, 7)(torch.ones(6, 4, 5), torch.ones(1, 4, 7)), "pair .h, c."),
        (lambda: LSTM(5, 7)(torch.ones(6, 4, 5), (torch.ones(1, 3, 7),) * 2), r"B = 4, is"),
        (lambda: LSTM(5, 7)(torch.ones(6, 2, 5), lengths=torch.tensor([0, 6])), "1 … 6"),
        (lambda: LSTM(5, 7)(torch.ones(6, 2, 5), lengths=torch.tensor([6.0, 6])), "integers"),
        (lambda: LSTMCell(5, 0), "must be at least 1, got 5 and 0"),
        (lambda: LSTMCell(5, 7)(torch.ones(2, 6)), r"\(5,\) or \(B, 5\), is \(2, 6\)"),
        (lambda: init_forget_bias_(nn.GRU(5, 7), 1.0), "GRU's biases"),
        (lambda: init_forget_bias_(nn.Linear(5, 7), 1.0), "no LSTM with biases"),
        (lambda: record_gates(LSTM(5, 7, 2), torch.ones(1, 1, 5)), "one layer"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_dropout_in_one_layer_warns():
    with pytest.warns(UserWarning, match="there is one"):
        LSTM(5, 7, dropout=0.5)
