"""Equality with torch.nn.RNN, RNNCell and autograd, and of the paper's net with a layer of tanh."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from lessons.rnn import (
    RNN,
    FullyRecurrent,
    RNNCell,
    as_tanh,
    from_torch,
    recurrence,
    recurrence_reference,
    to_torch,
)

KINDS = [
    {},
    {"nonlinearity": "relu"},
    {"bias": False},
    {"num_layers": 3},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "nonlinearity": "relu", "batch_first": True, "bidirectional": True},
]


def pair(every=None, dtype=torch.float64, **options):
    torch.manual_seed(0)
    theirs = nn.RNN(5, 7, dtype=dtype, **options)
    torch.manual_seed(0)
    return theirs, RNN(5, 7, dtype=dtype, checkpoint_every=every, **options)


def everything(layer, x, hx, **more):
    x, hx = x.clone().requires_grad_(), hx.clone().requires_grad_()
    output, last = layer(x, hx, **more)
    (output.sin().sum() + last.cos().sum()).backward()
    return [output, last, x.grad, hx.grad, *(weight.grad for weight in layer.parameters())]


@pytest.mark.parametrize("every", [None, 1, 4, 9, 50])
@pytest.mark.parametrize("options", KINDS)
def test_outputs_and_gradients_are_torchs(options, every):
    theirs, ours = pair(every, **options)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    for name, weight in theirs.state_dict().items():
        assert torch.equal(weight, ours.state_dict()[name]), "equal seeds, equal weights"
    x = torch.randn(9, 6, 5, dtype=torch.float64)
    ways = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    hx = torch.randn(ways, 9 if options.get("batch_first") else 6, 7, dtype=torch.float64)
    for a, b in zip(everything(ours, x, hx), everything(theirs, x, hx)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("options", KINDS)
def test_single_precision_without_gradients(options):
    theirs, ours = pair(dtype=torch.float32, **options)
    x = torch.randn(9, 6, 5)
    with torch.no_grad():
        for a, b in zip(ours(x), theirs(x)):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", KINDS[:5])
def test_packed_sequences_and_lengths(options):
    theirs, ours = pair(**options)
    texts = [torch.randn(n, 5, dtype=torch.float64) for n in (3, 8, 1, 5)]
    packed = pack_sequence(texts, enforce_sorted=False)
    ways = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    hx = torch.randn(ways, 4, 7, dtype=torch.float64)
    (a, a_last), (b, b_last) = ours(packed, hx), theirs(packed, hx)
    torch.testing.assert_close(a.data, b.data)
    torch.testing.assert_close(a_last, b_last)
    assert torch.equal(a.batch_sizes, b.batch_sizes)
    assert torch.equal(a.unsorted_indices, b.unsorted_indices)
    padded, lengths = pad_packed_sequence(packed)
    output, last = ours(padded, hx, lengths=lengths)
    torch.testing.assert_close(output, pad_packed_sequence(b)[0])
    torch.testing.assert_close(last, b_last)


def test_one_sequence_without_a_batch():
    theirs, ours = pair(num_layers=2)
    x, hx = torch.randn(9, 5, dtype=torch.float64), torch.randn(2, 7, dtype=torch.float64)
    for given in ((x,), (x, hx)):
        for a, b in zip(ours(*given), theirs(*given)):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_a_cell_is_torchs(kind):
    torch.manual_seed(0)
    theirs = nn.RNNCell(5, 7, nonlinearity=kind)
    torch.manual_seed(0)
    ours = RNNCell(5, 7, nonlinearity=kind)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    x, hx = torch.randn(4, 5), torch.randn(4, 7)
    for given in ((x,), (x, hx), (x[0],), (x[0], hx[0])):
        torch.testing.assert_close(ours(*given), theirs(*given))


def test_dropout_between_layers_drops_as_torchs_does():
    theirs, ours = pair(num_layers=2, dropout=0.4)
    x = torch.randn(9, 6, 5, dtype=torch.float64)
    for a, b in zip(ours.eval()(x), theirs.eval()(x)):
        torch.testing.assert_close(a, b)
    torch.manual_seed(1)
    a = ours.train()(x)[0]
    assert not torch.equal(a, ours(x)[0])
    one = RNN(5, 7, dropout=0.4, dtype=torch.float64).train()
    assert torch.equal(one(x)[0], one(x)[0]), "there is nothing behind the last layer"


@pytest.mark.parametrize("every", [None, 2])
def test_a_gradient_to_be_differentiated_counts_each_path_once(every):
    """The first state comes from the inputs and the weights, as after an earlier piece of text."""
    torch.manual_seed(3)
    made = [torch.randn(*shape, dtype=torch.float64).requires_grad_()
            for shape in ((4, 2, 3), (5, 3), (5, 5), (5,))]  # fmt: skip
    found = []
    for path in (lambda *v: recurrence(*v, every=every), recurrence_reference):
        x, w_ih, w_hh, b = made
        y = path(x, x[0] @ w_ih.T @ w_hh, w_ih, w_hh, b, b)
        first = torch.autograd.grad((y**3).sum(), made, create_graph=True)
        second = torch.autograd.grad(sum(v.square().sum() for v in first), made)
        found.append([*first, *second])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("kind", ["tanh", "relu", "logistic"])
@pytest.mark.parametrize("every", [None, 2])
def test_the_fast_path_is_the_readable_one(kind, every):
    torch.manual_seed(2)
    made = [torch.randn(*shape, dtype=torch.float64).requires_grad_()
            for shape in ((4, 2, 3), (2, 5), (5, 3), (5, 5), (5,), (5,))]  # fmt: skip
    assert torch.autograd.gradcheck(lambda *v: recurrence(*v, kind=kind, every=every), made)
    assert torch.autograd.gradgradcheck(lambda *v: recurrence(*v, kind=kind, every=every), made)
    torch.testing.assert_close(recurrence(*made, kind=kind), recurrence_reference(*made, kind=kind))
    frozen = [v.detach() for v in made]
    want = recurrence_reference(*made, kind=kind)
    torch.testing.assert_close(recurrence(*frozen, kind=kind, every=every), want.detach())


@pytest.mark.parametrize("which", [4, 5])
def test_one_bias_without_the_other_is_refused(which):
    given = [torch.randn(*shape) for shape in ((4, 2, 3), (2, 5), (5, 3), (5, 5), (5,), (5,))]
    given[which] = None
    tracked = [v if v is None else v.clone().requires_grad_() for v in given]
    for call in (recurrence_reference, recurrence):
        for values in (given, tracked):
            with pytest.raises(ValueError, match="go together: give both"):
                call(*values)


def test_a_logistic_net_of_the_paper_is_a_layer_of_tanh():
    net = FullyRecurrent(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net.reset(torch.rand(1, 4, dtype=torch.float64))
    layer, h0 = as_tanh(net)
    theirs = nn.RNN(3, 4, dtype=torch.float64)
    theirs.load_state_dict(to_torch(layer))
    x = torch.randn(30, 1, 3, dtype=torch.float64)
    want = net.run(x)
    for each in (layer, theirs):
        torch.testing.assert_close((1 + each(x, h0)[0]) / 2, want, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("options", KINDS)
def test_weights_go_there_and_back(options):
    theirs, _ = pair(**options)
    kind = options.get("nonlinearity", "tanh")
    ours = from_torch(theirs.state_dict(), kind, options.get("batch_first", False))
    x = torch.randn(9, 6, 5, dtype=torch.float64)
    for a, b in zip(ours(x), theirs(x)):
        torch.testing.assert_close(a, b)
    theirs.load_state_dict(to_torch(ours))
    count = sum(weight.numel() for weight in ours.parameters())
    assert count == sum(weight.numel() for weight in theirs.parameters())


@pytest.mark.parametrize(("layers", "ways"), [(1, 1), (3, 1), (2, 2)])
def test_sizes(layers, ways):
    layer = RNN(5, 7, layers, bidirectional=ways == 2, device="meta")
    inputs = [5, *[7 * ways] * (layers - 1)]
    count = sum(ways * 7 * (i + 7 + 2) for i in inputs)
    assert sum(weight.numel() for weight in layer.parameters()) == count


def test_copies_and_files_of_layers(tmp_path):
    _, ours = pair(num_layers=2)
    x = torch.randn(9, 6, 5, dtype=torch.float64)
    want = ours(x)[0]
    torch.save(ours.state_dict(), tmp_path / "layer.pt")
    loaded = RNN(5, 7, 2, dtype=torch.float64)
    loaded.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded):
        assert torch.equal(other(x)[0], want)
