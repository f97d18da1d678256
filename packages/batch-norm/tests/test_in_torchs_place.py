"""In torch's place: its own test inputs, and the tools that its layers stand."""

import copy
import functools
import inspect
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

from lessons.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d

LAYERS = {
    "BatchNorm1d": (nn.BatchNorm1d, BatchNorm1d, {}),
    "BatchNorm2d": (nn.BatchNorm2d, BatchNorm2d, {}),
    "BatchNorm3d": (nn.BatchNorm3d, BatchNorm3d, {}),
}
EXAMPLES = {  # the constructor's arguments, and the shape of a case
    "BatchNorm1d": ((3,), (3, 20)),
    "BatchNorm2d": ((3,), (3, 4, 5)),
    "BatchNorm3d": ((3,), (3, 2, 2, 5)),
}
MANY = 1100  # cases, so many that a layer has more than 65,536 numbers
REFUSED = ()  # of torch's cases


def torchs_inputs(name):
    """Return (constructor's arguments, forward's, description) with which torch tests a module.

    They are read from torch's source: to import it takes packages that nothing else here needs,
    and changes flags of torch's for all tests that follow.
    """
    source = (Path(torch.__file__).parent / "testing/_internal/common_modules.py").read_text()
    function = f"module_inputs_torch_nn_{name}"
    found = re.search(rf"^def {function}\(.*?(?=^[^\s#])", source, re.MULTILINE | re.DOTALL)
    names = {
        "torch": torch, "F": nn.functional, "partial": functools.partial,
        "make_tensor": torch.testing.make_tensor, "no_batch_dim_reference_fn": None,
        "FunctionInput": lambda *args, **kwargs: (args, kwargs),
        "ModuleInput": lambda constructor_input, forward_input, desc="", reference_fn=None:
            (constructor_input, forward_input, desc or "plain"),
    }  # fmt: skip
    exec(found[0], names)
    torch.manual_seed(0)
    return names[function](None, "cpu", torch.float64, False, True)


def torchs_cases():
    for name, (theirs, ours, more) in LAYERS.items():
        for (args, kwargs), (inputs, _), what in torchs_inputs(theirs.__name__):
            if what in REFUSED:
                continue
            makers = [functools.partial(theirs, *args, **kwargs),
                      functools.partial(ours, *args, **kwargs, **more)]  # fmt: skip
            yield pytest.param(*makers, inputs, id=f"{name}-{what}")


def examples():
    for name, (theirs, ours, more) in LAYERS.items():
        args, case = EXAMPLES[theirs.__name__]
        makers = [functools.partial(theirs, *args), functools.partial(ours, *args, **more)]
        yield pytest.param(*makers, case, id=name)


TORCHS = pytest.mark.parametrize(("theirs", "ours", "inputs"), list(torchs_cases()))
LAYER = pytest.mark.parametrize(("theirs", "ours", "case"), list(examples()))


def twins(theirs, ours, dtype=torch.float64):
    """Return torch's module and ours with the same numbers, none of them the initial ones."""
    torch.manual_seed(1)
    pair = theirs().to(dtype), ours().to(dtype)
    for tensor in (*pair[0].parameters(), *pair[0].buffers()):
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5)
    pair[1].load_state_dict(pair[0].state_dict())
    return pair


def outcome(module, *inputs):
    """Return output, gradients, and the state afterwards."""
    leaves = [x.detach().clone(memory_format=torch.preserve_format) for x in inputs]
    leaves = [x.requires_grad_() for x in leaves]
    y = module(*leaves)
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    gradients = torch.autograd.grad((y * dy).sum(), [*leaves, *module.parameters()])
    return [y.detach(), *gradients, *[buffer.clone() for buffer in module.buffers()]]


def close(got, want, **tolerance):
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.filterwarnings("ignore:evaluation without running statistics")
@pytest.mark.parametrize("training", [True, False])
@TORCHS
def test_torchs_own_inputs(theirs, ours, inputs, training):
    torchs, mine = twins(theirs, ours)
    torchs.train(training)
    mine.train(training)
    close(outcome(mine, *inputs), outcome(torchs, *inputs))


def strided(x):
    """Yield x in other strides: turned round, with gaps, each case twice in one memory."""
    order = list(reversed(range(x.ndim)))
    yield x.permute(order).contiguous().permute(order)
    yield torch.stack([x, x], -1)[..., 0]
    yield x[:1].expand(x.shape)
    if x.ndim == 4:
        yield x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("n", [0, 3, MANY])
@LAYER
def test_any_strides_and_any_size(theirs, ours, case, n):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(n, *case, generator=generator, dtype=torch.float64)
    for view in (x, *(strided(x) if n else [])):
        torchs, mine = twins(theirs, ours)
        close(outcome(mine, view), outcome(torchs, view))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@LAYER
def test_every_dtype_and_autocast(theirs, ours, case, dtype):
    x = torch.randn(5, *case, generator=torch.Generator().manual_seed(3))
    torchs, mine = twins(theirs, ours, dtype)
    close(outcome(mine, x.to(dtype)), outcome(torchs, x.to(dtype)))
    torchs, mine = twins(theirs, ours, torch.float32)
    if getattr(mine, "method", "") == "readable":
        return  # a specification, which autocast does not know
    with torch.autocast("cpu", torch.bfloat16):
        close([mine(x)], [torchs(x)])
        close([mine(x.bfloat16())], [torchs(x.bfloat16())])


@LAYER
def test_copies_compute_alike(theirs, ours, case):
    _, mine = twins(theirs, ours)
    x = torch.randn(5, *case, dtype=torch.float64)
    twin, unpickled = copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))
    want = outcome(mine, x)
    close(outcome(twin, x), want, rtol=0, atol=0)
    close(outcome(unpickled, x), want, rtol=0, atol=0)


@LAYER
def test_hooks_are_called_once_and_the_input_has_torchs_name(theirs, ours, case):
    torchs, mine = twins(theirs, ours)
    x = torch.randn(5, *case, dtype=torch.float64, requires_grad=True)
    for module in (torchs, mine):
        calls = []
        module.register_forward_pre_hook(lambda *_, calls=calls: calls.append("before"))
        module.register_forward_hook(lambda *_, calls=calls: calls.append("after"))
        module.register_full_backward_hook(lambda *_, calls=calls: calls.append("back"))
        name = next(iter(inspect.signature(torchs.forward).parameters))
        module(**{name: x})
        module(x).sum().backward()
        assert calls == ["before", "after", "before", "after", "back"]


@pytest.mark.parametrize("n", [3, MANY])
@LAYER
def test_torch_func_maps_and_differentiates_forward(theirs, ours, case, n):
    torchs, mine = (module.eval() for module in twins(theirs, ours))
    x, dx = torch.randn(2, n, *case, dtype=torch.float64)
    close(jvp(mine, (x,), (dx,)), jvp(torchs, (x,), (dx,)))
    with forward_ad.dual_level():  # … without torch.func
        pair = forward_ad.unpack_dual(mine(forward_ad.make_dual(x, dx)))
    close(pair, jvp(torchs, (x,), (dx,)))
    many = torch.stack([x, dx])
    close([vmap(mine)(many), vmap(mine, 1)(many)], [vmap(torchs)(many), vmap(torchs, 1)(many)])
    states = {k: torch.stack([v, 2 * v]) for k, v in torchs.state_dict().items()}

    def result(module):
        return vmap(lambda state, x: functional_call(module, state, x), (0, None))(states, x)

    def slope(module):
        call = vmap(grad(lambda x: module(x).square().sum()))
        return call(many)

    if states:
        close([result(mine)], [result(torchs)])
    close([slope(mine)], [slope(torchs)])


@LAYER
def test_fx_traces(theirs, ours, case):
    torchs, mine = (nn.Sequential(module, nn.Flatten()) for module in twins(theirs, ours))
    x = torch.randn(5, *case, dtype=torch.float64)
    traced = torch.fx.symbolic_trace(mine)
    for training in (True, False):
        close(outcome(traced.train(training), x), outcome(torchs.train(training), x))
    if not list(mine.buffers()):  # torch's batch norm looks at shapes, too
        close(outcome(torch.fx.symbolic_trace(mine[0]), x), outcome(torchs[0], x))


@pytest.mark.parametrize("training", [True, False])
@LAYER
def test_export_with_a_dynamic_batch(theirs, ours, case, training):
    torchs, mine = (module.train(training) for module in twins(theirs, ours))
    dynamic = ({0: torch.export.Dim("batch", min=2, max=10_000)},)
    x = torch.randn(MANY, *case, dtype=torch.float64)
    program = torch.export.export(mine, (x[:3],), dynamic_shapes=dynamic, strict=False)
    with torch.no_grad():
        close([program.module()(x)], [torchs(x)])
