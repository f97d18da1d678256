"""In torch's place: its own test inputs, and the tools that its layers stand."""

import copy
import itertools
import pickle
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

import lessons.dropout as ours


def torchs_inputs():
    """Yield (layer's name, input, p, training) with which torch tests dropout, and inputs again.

    They are read from torch's source: to import it takes packages that nothing else here needs,
    and changes flags of torch's for all tests that follow.
    """
    folder = Path(torch.__file__).parent / "testing/_internal"
    source = (folder / "common_methods_invocations.py").read_text()
    function = r"^def sample_inputs_dropout\(.*?(?=^[^\s#])"
    names = {
        "torch": torch, "S": 5, "partial": partial, "product": itertools.product,
        "make_tensor": torch.testing.make_tensor,
        "SampleInput": lambda x, p=0.5, training=True: (x, p, training),
    }  # fmt: skip
    exec(re.search(function, source, re.MULTILINE | re.DOTALL)[0], names)
    for name, dims in (("Dropout", None), ("Dropout1d", (2, 3)), ("Dropout2d", (3, 4)),
                       ("Dropout3d", (4, 5))):  # fmt: skip
        samples = names["sample_inputs_dropout"](None, "cpu", torch.float64, True,
                                                 valid_input_dim=dims)  # fmt: skip
        for x, p, training in samples:
            yield name, x, p, training


def factors(layer, x, p):
    """Return by what a layer multiplied x, and check its values and its gradient."""
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(leaf)
    (dx,) = torch.autograd.grad(y.sum(), leaf)
    want = leaf.detach() * dx
    torch.testing.assert_close(y.detach(), want, rtol=2 * torch.finfo(x.dtype).eps, atol=0)
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    scale = torch.tensor(0.0 if p == 1 else 1 / (1 - p), dtype=x.dtype)
    torch.testing.assert_close(dx, torch.where(dx == 0, 0, scale))
    return dx


@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3-D input")
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(("name", "x", "p", "training"), list(torchs_inputs()))
def test_torchs_own_inputs(name, x, p, training, inplace):
    mine, theirs = (getattr(m, name)(p, inplace).train(training) for m in (ours, nn))
    for layer in (mine, theirs):
        if not inplace:
            kept = factors(layer, x, p if training else 0.0)
        else:
            given = x.detach().clone()
            y = layer(given)
            assert y is given or not training or name != "Dropout"
            kept = y / x.detach()
        if training and 0 < p < 1 and name != "Dropout":
            whole = kept.flatten(-int(name[-2]) if x.ndim != 3 or name == "Dropout1d" else -1)
            assert (whole == whole[..., :1]).all(), "a channel is dropped as a whole"
    if name == "Dropout":  # so few numbers get torch's own mask
        outcomes = []
        for layer in (mine, theirs):
            torch.manual_seed(0)
            outcomes.append(layer(x.detach().clone()))
        assert torch.equal(*outcomes)


KINDS = {
    "Dropout": (ours.Dropout, (3, 4, 5)),
    "Dropout, paper": (partial(ours.Dropout, mode="paper"), (3, 4, 5)),
    "Dropout1d": (ours.Dropout1d, (4, 5)),
    "Dropout2d": (ours.Dropout2d, (4, 5, 3)),
    "Dropout3d": (ours.Dropout3d, (4, 5, 3, 2)),
    "DropPath": (ours.DropPath, (4, 5)),
    "LockedDropout": (ours.LockedDropout, (4, 5)),
}
KIND = pytest.mark.parametrize(("make", "case"), KINDS.values(), ids=KINDS)


def strided(x):
    """Yield x in other strides: turned round, with gaps, each case twice in one memory."""
    order = list(reversed(range(x.ndim)))
    yield x.permute(order).contiguous().permute(order)
    yield torch.stack([x, x], -1)[..., 0]
    yield x[:1].expand(x.shape)
    if x.ndim == 4:
        yield x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("n", [0, 3, 400])  # 400: in all of them more than 2,048 numbers
@KIND
def test_any_strides_and_any_size(make, case, n):
    x = torch.randn(n, *case, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for view in (x, *(strided(x) if n else [])):
        layer = make(0.25)
        paper = layer.mode == "paper"
        factors(layer, view, 0.0 if paper else 0.25)
        layer.eval()
        torch.testing.assert_close(layer(view), view * 0.75 if paper else view)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", [3, 400])
@KIND
def test_every_dtype(make, case, n, dtype):
    x = torch.randn(n, *case, generator=torch.Generator().manual_seed(0)).to(dtype)
    for generator in (None, torch.Generator().manual_seed(1)):
        layer = make(0.25, generator=generator)
        factors(layer, x, 0.0 if layer.mode == "paper" else 0.25)
    with torch.autocast("cpu", torch.bfloat16):
        assert make(0.25)(x).dtype is dtype


@KIND
def test_copies_and_hooks(make, case):
    layer, calls = make(0.25), []
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    layer.register_forward_hook(lambda *_: calls.append("after"))
    layer.register_full_backward_hook(lambda *_: calls.append("back"))
    x = torch.randn(400, *case, requires_grad=True)
    layer(x).sum().backward()
    assert calls == ["before", "after", "back"]
    outcomes = []
    layer = make(0.25)
    for twin in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.manual_seed(3)
        outcomes.append(twin(x))
    assert torch.equal(outcomes[0], outcomes[1])
    assert torch.equal(outcomes[0], outcomes[2])


@pytest.mark.parametrize("hidden", [5, 1000])
def test_gradients_of_each_case(hidden):
    # (4, 1000): more numbers than 2,048 in all, and fewer in a case
    net = nn.Sequential(nn.Linear(3, hidden), ours.Dropout(0.5), nn.Linear(hidden, 1))
    x, weights = torch.randn(4, 3), dict(net.named_parameters())

    def loss(weights, x):
        return functional_call(net, weights, x[None]).sum()

    each = vmap(grad(loss), in_dims=(None, 0), randomness="different")(weights, x)
    kept = each["0.bias"] / weights["2.weight"]  # its own mask for each case
    assert set(kept.round(decimals=4).unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept[0], kept[1])
    net.eval()
    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    net(x).sum().backward()
    torch.testing.assert_close(each["0.bias"].sum(0), net[0].bias.grad)


@KIND
def test_fx_traces_a_layer_in_a_model(make, case):
    net = nn.Sequential(make(0.25), nn.Flatten())
    x = torch.ones(400, *case)
    traced = torch.fx.symbolic_trace(net)
    assert not torch.equal(traced.train()(x), x.flatten(1))
    assert torch.equal(traced.eval()(x), net.eval()(x))


def test_fx_traces_functions_and_a_layer_by_itself():
    traced = torch.fx.symbolic_trace(ours.Dropout(0.5))
    assert traced(torch.ones(5000)).unique().tolist() == [0, 2]
    net = nn.Sequential(ours.DropConnect(50, 4, bias=False), ours.Dropout(0.5, mode="paper"))
    nn.init.ones_(net[0].weight)
    traced = torch.fx.symbolic_trace(net)
    assert (traced(torch.eye(50)).unique() == torch.tensor([0.0, 2.0])).all()

    def look_up(words, weight):
        return ours.embedding_dropout(words, weight, 0.5)

    words = torch.arange(50).repeat(2, 1)
    y = torch.fx.symbolic_trace(look_up)(words, torch.ones(50, 3))
    assert torch.equal(y[0], y[1])
    assert y.unique().tolist() == [0, 2]


@pytest.mark.parametrize("n", [8, 4096])
def test_a_generator_compiled_mapped_and_differentiated_forward(n):
    generator = torch.Generator().manual_seed(0)

    def drop(x):
        return ours.dropout(x, 0.5, generator=generator)

    x = torch.ones(3, n)
    y, dy = torch.func.jvp(drop, (x,), (3 * x,))
    assert torch.equal(dy, 3 * y)
    assert y.unique().tolist() == [0, 2]
    y = vmap(drop, randomness="same")(x)
    assert y.unique().tolist() == [0, 2]
    assert torch.equal(y[0], y[1])
    with pytest.raises(RuntimeError, match="randomness"):  # as of torch's bernoulli_
        vmap(drop, randomness="different")(x)
    compiled = torch.compile(lambda x, t: torch.func.jvp(drop, (x,), (t,)), backend="eager")
    y, dy = compiled(x, 3 * x)
    assert torch.equal(dy, 3 * y)
    assert y.unique().tolist() == [0, 2]


class Behind(nn.Module):
    """A model with a layer in it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(2 * x)


SIZES = [8, 4096]  # on both sides of the size from which the masks are ours


@pytest.mark.parametrize("n", SIZES)
def test_forward_mode_derivatives(n):
    x, t = torch.ones(n), torch.full((n,), 3.0)
    y, dy = torch.func.jvp(ours.Dropout(0.5), (x,), (t,))
    torch.testing.assert_close(dy, 3 * y)  # linear, with the mask of the value
    with torch.autograd.forward_ad.dual_level():
        dual = ours.Dropout(0.5)(torch.autograd.forward_ad.make_dual(x, t))
        y, dy = torch.autograd.forward_ad.unpack_dual(dual)
    torch.testing.assert_close(dy, 3 * y)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("randomness", ["same", "different"])
def test_mapped_over_cases(n, randomness):
    x = torch.ones(3, n)
    y = torch.vmap(ours.Dropout(0.3), randomness=randomness)(x)
    assert set((y * 0.7).round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(y[0], y[1]) == (randomness == "same")


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("randomness", ["same", "different"])
def test_channels_mapped_over_cases(dims, randomness):
    layer = getattr(ours, f"Dropout{dims}d")(0.5)
    x = torch.ones(4, 2, 64, *(5,) * dims)
    y = torch.vmap(layer, randomness=randomness)(x).flatten(3)
    assert torch.equal(y, y[..., :1].expand_as(y)), "a channel is dropped as a whole"
    assert y.unique().tolist() == [0.0, 2.0]
    assert torch.equal(y[0], y[1]) == (randomness == "same")


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (ours.Dropout(0.5), (4, 8)), (ours.Dropout(0.5), (4, 1024)),
        (ours.Dropout1d(0.5), (4, 8, 9)),
        (ours.Dropout2d(0.5), (4, 8, 9, 9)), (ours.Dropout3d(0.5), (4, 8, 3, 3, 3)),
        (ours.DropPath(0.5), (4, 8, 9)), (ours.Dropout(0.5, mode="paper"), (4, 1024)),
    ],
    ids=str,
)  # fmt: skip
def test_export_with_a_dynamic_batch(layer, size, train):
    net = Behind(layer).train(train)
    dynamic = {"x": {0: torch.export.Dim("batch", min=2, max=10_000)}}
    program = torch.export.export(net, (torch.ones(size),), dynamic_shapes=dynamic)
    for batch in (2, 7, 600):
        x = torch.ones(batch, *size[1:])
        y = program.module()(x)
        assert y.shape == x.shape
        if not train:
            torch.testing.assert_close(y, layer.eval()(2 * x))
    layer.train()


@pytest.mark.parametrize("n", [100, 5000])
def test_another_default_device(n):
    with torch.device("meta"):
        y = ours.dropout(torch.ones(n, device="cpu"), 0.5)
    assert y.device.type == "cpu"
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_the_inputs_name_is_torchs():
    assert ours.Dropout(0.5)(input=torch.ones(3)).shape == (3,)
