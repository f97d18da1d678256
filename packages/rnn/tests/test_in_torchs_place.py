"""RNN under what torch's layers are put under: strides, transforms, traces, halves, hooks."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from lessons.rnn import RNN, RNNCell


def pair(**options):
    torch.manual_seed(0)
    theirs = nn.RNN(5, 7, **options)
    ours = RNN(5, 7, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.out = RNN(5, 7, 2, bidirectional=True), nn.Linear(14, 3)

    def forward(self, x):
        output, _ = self.rnn(x)
        return self.out(output)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(0, 1),
        lambda x: x[::2, 1:, :],
        lambda x: x[..., :5],
        lambda x: x.expand(6, 4, 5) if x.shape == (6, 1, 5) else x[:, :1].expand(-1, 4, -1),
        lambda x: x[:0].transpose(0, 1),
    ],
)
def test_any_strides_and_an_empty_batch(view):
    theirs, ours = pair()
    x = view(torch.randn(6, 4, 5, requires_grad=True))
    for a, b in zip(ours(x), theirs(x)):
        torch.testing.assert_close(a, b)
    output = ours(x)[0]
    (dx,) = torch.autograd.grad(output, x, torch.ones(()).expand_as(output))  # strides of zero
    torch.testing.assert_close(dx, torch.autograd.grad(theirs(x)[0].sum(), x)[0])


def test_only_what_is_asked_for_gets_a_gradient():
    theirs, ours = pair()
    for layer in (theirs, ours):
        layer.weight_hh_l0.requires_grad_(False)
    x = torch.randn(6, 4, 5)
    for layer in (theirs, ours):
        layer(x)[1].sum().backward()
    assert ours.weight_hh_l0.grad is None
    torch.testing.assert_close(ours.weight_ih_l0.grad, theirs.weight_ih_l0.grad)


def test_transforms():
    theirs, ours = pair()
    x = torch.randn(6, 4, 5)
    tangent = torch.randn(6, 4, 5)
    for a, b in zip(jvp(lambda x: ours(x)[0], (x,), (tangent,)),
                    jvp(lambda x: theirs(x)[0], (x,), (tangent,))):  # fmt: skip
        torch.testing.assert_close(a, b)
    each = vmap(lambda x: ours(x)[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(each, ours(x)[0])
    weights = dict(ours.named_parameters())

    def loss(weights, x):
        return functional_call(ours, weights, (x,))[0].square().sum()

    per_sample = vmap(grad(loss), in_dims=(None, 1))(weights, x)
    ours(x)[0].square().sum().backward()
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(per_sample[name].sum(0), weight.grad, rtol=1e-4, atol=1e-4)


def test_hessian_vector_products():
    theirs, ours = pair()
    x = torch.randn(4, 2, 5)
    found = []
    for layer in (theirs, ours):
        weight = layer.weight_hh_l0
        (first,) = torch.autograd.grad(layer(x)[0].square().sum(), weight, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), weight)[0])
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)


def test_symbolic_trace_sees_a_leaf():
    model = Tagger()
    traced = torch.fx.symbolic_trace(model)
    x = torch.randn(6, 4, 5)
    torch.testing.assert_close(traced(x), model(x))


def test_export_with_a_dynamic_batch():
    model, batch = Tagger().eval(), torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(model, (torch.randn(6, 4, 5),), dynamic_shapes=({1: batch},))
    x = torch.randn(6, 17, 5)
    torch.testing.assert_close(exported.module()(x), model(x))


def test_it_compiles_as_one_graph():
    model = Tagger()
    x = torch.randn(6, 4, 5)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), model(x))


def test_checkpoints_are_not_passed_over_in_silence():
    torch.manual_seed(0)
    layer, x = RNN(5, 7, checkpoint_every=3), torch.randn(6, 4, 5)
    plain = RNN(5, 7)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x)[0], plain(x)[0])
    calls = [
        lambda: vmap(lambda x: layer(x)[0], in_dims=1)(x),
        lambda: jvp(lambda x: layer(x)[0], (x,), (x,)),
        lambda: torch.compile(layer, fullgraph=True, backend="eager")(x),
        lambda: torch.export.export(layer, (x,)),
    ]
    for call in calls:
        with pytest.raises(Exception, match="checkpoint_every"):
            call()
    with torch.no_grad():  # nothing is kept for a backward pass: nothing is passed over
        torch.testing.assert_close(vmap(lambda x: layer(x)[0], 1, 1)(x), plain(x)[0])


def test_half_precision():
    theirs, ours = pair()
    x = torch.randn(6, 4, 5)
    with torch.autocast("cpu"):
        (a, a_last), (b, b_last) = ours(x), theirs(x)
    assert a.dtype == b.dtype == a_last.dtype == b_last.dtype == torch.bfloat16
    torch.testing.assert_close(a, b, rtol=0.03, atol=0.03)
    a.sum().backward()
    assert ours.weight_hh_l0.grad.dtype == torch.float32
    with torch.autocast("cpu"):
        assert ours.double()(x.double())[0].dtype == torch.float64
    half = RNN(5, 7).half()
    for _ in range(10):  # a hundred steps, ten times
        output = half(torch.randn(100, 2, 5).half())[0]
    assert output.isfinite().all()


def test_hooks_and_parametrizations():
    _, ours = pair()
    seen = []
    ours.register_forward_pre_hook(lambda module, given: seen.append("before"))
    ours.register_forward_hook(lambda module, given, result: seen.append("after"))
    ours.register_full_backward_hook(lambda module, *gradients: seen.append("back"))
    x = torch.randn(6, 4, 5, requires_grad=True)
    ours(x)[0].sum().backward()
    assert seen == ["before", "after", "back"]
    for parametrize in (weight_norm, spectral_norm):
        layer = parametrize(RNN(5, 7), "weight_hh_l0")
        layer(x)[0].sum().backward()
        assert all(weight.grad is not None for weight in layer.parameters())


def test_meta_names_and_no_weights_in_its_words():
    layer = RNN(5, 7, 2, device="meta", checkpoint_every=3)
    output, last = layer(torch.empty(6, 4, 5, device="meta"))
    assert (output.shape, last.shape) == ((6, 4, 7), (2, 4, 7))
    assert repr(layer) == "RNN(5, 7, num_layers=2, checkpoint_every=3)"
    assert repr(RNNCell(5, 7)) == "RNNCell(5, 7, nonlinearity='tanh')"
    layer.flatten_parameters()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RNN(0, 7), "must be at least 1, got 0 and 7"),
        (lambda: RNN(5, 7, nonlinearity="sigmoid"), "logistic"),
        (lambda: RNN(5, 7, 0), "num_layers must be at least 1"),
        (lambda: RNN(5, 7, dropout=2.0), r"in \[0, 1\], got 2.0"),
        (lambda: RNN(5, 7, checkpoint_every=0), "checkpoint_every must be at least 1"),
        (lambda: RNN(5, 7)(torch.ones(6, 5, 4)), r"\(T, B, I\).*input_size = 5; is \(6, 5, 4\)"),
        (lambda: RNN(5, 7)(torch.ones(5)), r"\(T, B, I\).*is \(5,\)"),
        (lambda: RNN(5, 7, batch_first=True)(torch.ones(2, 0, 5)), r"\(B, T, I\).*T > 0"),
        (lambda: RNN(5, 7)(torch.ones(6, 4, 5), torch.ones(1, 3, 7)), "batch, 4, has 3"),
        (lambda: RNN(5, 7)(torch.ones(6, 4, 5), torch.ones(2, 4, 7)), r"\(1, B, 7\)"),
        (lambda: RNN(5, 7)(torch.ones(6, 2, 5), lengths=torch.tensor([7, 1])), r"1 … 6"),
        (lambda: RNN(5, 7)(torch.ones(6, 2, 5), lengths=torch.tensor([6])), r"\(2,\) integers"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
